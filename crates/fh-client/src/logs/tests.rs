//! Finding and reading logs.

use std::fs;
use std::process::{Command, Stdio};

use fh_nix::StoreDir;
use proptest::prelude::*;

use super::*;

fn derivation(name: &str) -> StorePath {
    format!("0123456789abcdfghijklmnpqrsvwxyz-{name}.drv")
        .parse()
        .unwrap()
}

/// What Nix wrote of `echo "building $((6 * 7))"`, taken from its log directory.
const WRITTEN_BY_NIX: &[u8] = include_bytes!("../../tests/logs/building.drv.bz2");

fn closure(real_store_dir: &str) -> Closure {
    Closure {
        store_dir: StoreDir::default(),
        real_store_dir: PathBuf::from(real_store_dir),
        paths: Vec::new(),
    }
}

#[test]
fn the_directory_is_the_stores() {
    let configured = Some(PathBuf::from("/logs"));
    for (real, store, configured, expected) in [
        ("/nix/store", None, None, "/nix/var/log/nix"),
        ("/nix/store", Some("daemon"), None, "/nix/var/log/nix"),
        ("/nix/store", None, configured.clone(), "/logs"),
        (
            "/nix/store",
            Some("local?root=/"),
            configured.clone(),
            "/logs",
        ),
        // A chroot store has its own, whatever is configured.
        (
            "/r/nix/store",
            Some("/r"),
            configured.clone(),
            "/r/nix/var/log/nix",
        ),
        (
            "/r/nix/store",
            Some("unix:///s?root=/r"),
            None,
            "/r/nix/var/log/nix",
        ),
        ("/nix/store", Some("local?log=/l"), configured.clone(), "/l"),
        ("/r/nix/store", Some("local?root=/r&log=/l/m"), None, "/l/m"),
        // Not where the store's files say a root.
        (
            "/elsewhere/files",
            Some("local?real=/elsewhere/files"),
            None,
            "/nix/var/log/nix",
        ),
    ] {
        let found = LogDirectory::of(&closure(real), store, configured);
        assert_eq!(
            found,
            LogDirectory::new(expected.into()),
            "{real} {store:?}"
        );
    }
}

#[test]
fn logs_are_found_where_nix_puts_them() {
    let directory = tempfile::tempdir().unwrap();
    let logs = LogDirectory::new(directory.path().to_owned());
    let name = derivation("x");
    assert_eq!(logs.find(&name), None);
    let drvs = directory.path().join("drvs");
    fs::create_dir_all(drvs.join("01")).unwrap();
    let rest = "23456789abcdfghijklmnpqrsvwxyz-x.drv";
    // A directory of that name is no log.
    fs::create_dir(drvs.join("01").join(rest)).unwrap();
    assert_eq!(logs.find(&name), None);
    fs::remove_dir(drvs.join("01").join(rest)).unwrap();
    // The later ones go before.
    for (path, compressed) in [
        (format!("01{rest}.bz2"), true),
        (format!("01{rest}"), false),
        (format!("01/{rest}.bz2"), true),
        (format!("01/{rest}"), false),
    ] {
        let path = drvs.join(path);
        fs::write(&path, b"").unwrap();
        assert_eq!(logs.find(&name), Some(LogFile { path, compressed }));
    }
    assert_eq!(logs.find(&derivation("y")), None);
}

fn file(directory: &Path, name: &str, bytes: &[u8]) -> LogFile {
    let path = directory.join(name);
    fs::write(&path, bytes).unwrap();
    LogFile {
        compressed: name.ends_with(".bz2"),
        path,
    }
}

#[test]
fn what_nix_compressed_is_read() {
    let directory = tempfile::tempdir().unwrap();
    let whole = file(directory.path(), "x.bz2", WRITTEN_BY_NIX);
    let text = whole.read(1000).unwrap();
    assert_eq!(text.bytes, b"building 42\n");
    assert!(!text.shortened);
    // One that is cut, as by a full disk, or damaged, is an error wherever that is.
    for length in 1..WRITTEN_BY_NIX.len() {
        let cut = file(directory.path(), "cut.bz2", &WRITTEN_BY_NIX[..length]);
        assert!(cut.read(1000).is_err(), "{length}");
    }
    for position in 4..WRITTEN_BY_NIX.len() - 10 {
        let mut bytes = WRITTEN_BY_NIX.to_vec();
        bytes[position] ^= 1;
        let damaged = file(directory.path(), "damaged.bz2", &bytes);
        let read = damaged.read(1000).map(|text| text.bytes);
        assert!(read.is_err() || read.is_ok_and(|text| text == b"building 42\n"));
    }
    let plain = file(directory.path(), "plain", b"as it is\n");
    assert_eq!(plain.read(1000).unwrap().bytes, b"as it is\n");
    assert!(file(directory.path(), "gone", b"").read(1).is_ok());
    fs::remove_file(directory.path().join("gone")).unwrap();
    let gone = LogFile {
        path: directory.path().join("gone"),
        compressed: false,
    };
    assert!(gone.read(1).is_err());
}

/// Against the original, where the machine has it.
#[test]
fn what_bzip2_compressed_is_read() {
    let directory = tempfile::tempdir().unwrap();
    let mut seed = 1_u64;
    let mut text = Vec::new();
    for length in [0, 1, 5, 300, 70_000, 1_200_000] {
        text.clear();
        while text.len() < length {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            // Runs of one byte are what bzip2 treats in its own way.
            let run = usize::try_from(seed >> 54).unwrap() / 2;
            text.resize((text.len() + run % 520).min(length), (seed >> 32) as u8);
        }
        fs::write(directory.path().join("text"), &text).unwrap();
        let packed = Command::new("bzip2")
            .args(["-c", "text"])
            .current_dir(directory.path())
            .stdin(Stdio::null())
            .output();
        let Ok(packed) = packed else {
            eprintln!("this machine has no bzip2");
            return;
        };
        assert!(packed.status.success());
        let log = file(directory.path(), "log.bz2", &packed.stdout);
        assert_eq!(log.read(2_000_000).unwrap().bytes, text, "{length}");
    }
}

fn shortened(text: &[u8], limit: usize, piece: usize) -> LogText {
    let mut shortener = Shortener::new(limit);
    for piece in text.chunks(piece.max(1)) {
        shortener.take(piece);
    }
    shortener.finish()
}

#[test]
fn the_middle_of_a_long_log_is_left_out() {
    let lines: Vec<String> = (0..10_000).map(|n| format!("line {n}\n")).collect();
    let log = lines.concat();
    let text = shortened(log.as_bytes(), 20_000, 777);
    assert!(text.shortened && text.bytes.len() <= 20_000);
    let text = String::from_utf8(text.bytes).unwrap();
    let (head, rest) = text.split_once("\n[fh left out ").unwrap();
    let (left_out, tail) = rest.split_once("]\n\n").unwrap();
    assert!(log.starts_with(head) && head.ends_with('\n') && head.len() > 9_000);
    assert!(log.ends_with(tail) && tail.starts_with("line ") && tail.len() > 9_000);
    let left_out_bytes = log.len() - head.len() - tail.len();
    let sentence = format!(
        "{left_out_bytes} bytes here: the log has {}, and the server takes 20000",
        log.len()
    );
    assert_eq!(left_out, sentence);
}

proptest! {
    #[test]
    fn a_log_is_kept_or_its_ends_are(
        text in proptest::collection::vec(prop_oneof![Just(b'\n'), any::<u8>()], 0..3000),
        limit in 0_usize..2000,
        piece in 1_usize..400,
    ) {
        let found = shortened(&text, limit, piece);
        prop_assert_eq!(found.shortened, text.len() > limit);
        prop_assert!(found.bytes.len() <= limit);
        if !found.shortened {
            prop_assert_eq!(found.bytes, text);
        }
    }
}

/// It was a file when it was looked for.
#[test]
fn what_is_no_file_any_more_is_not_waited_for() {
    let directory = tempfile::tempdir().unwrap();
    let pipe = directory.path().join("pipe");
    let made = Command::new("mkfifo").arg(&pipe).status();
    assert!(made.unwrap().success());
    for path in [pipe.as_path(), directory.path(), Path::new("/dev/zero")] {
        for compressed in [false, true] {
            let path = path.to_owned();
            let log = LogFile { path, compressed };
            let error = log.read(100).unwrap_err();
            let refused = regular::Refused::of(&error);
            assert_eq!(refused, Some(regular::Refused::NotRegular), "{log:?}");
        }
    }
}
