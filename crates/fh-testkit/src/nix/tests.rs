//! What other tests rely on, proved with every version of Nix on this machine.

use std::path::Path;

use super::{Daemon, Home, Nix, ScratchStore, closure, versions};

fn small(nix: &Nix, home: &Home, directory: &Path, test: &str) -> closure::Closure {
    let seed = format!("testkit {test} {} {}", nix.version(), std::process::id());
    closure::small(nix, home, &seed, directory).unwrap()
}

#[test]
fn a_small_closure_has_every_shape_and_real_references() {
    for nix in versions() {
        let home = Home::new().unwrap();
        let directory = tempfile::tempdir().unwrap();
        let closure = small(nix, &home, directory.path(), "shapes");
        assert_eq!(closure.paths.len(), 8, "{:?}", closure.paths);
        assert_eq!(closure.paths.last(), Some(&closure.top));
        assert!(closure.nar_bytes > 3 << 20);

        let kind = |part: &str| {
            let path = closure.paths.iter().find(|path| path.contains(part));
            Path::new(path.unwrap()).symlink_metadata().unwrap()
        };
        assert!(kind("-pointer-").is_symlink());
        assert!(kind("-settings-").is_file());
        assert!(kind("-data-").is_dir());
        let documents = closure
            .paths
            .iter()
            .find(|path| path.contains("-documents-"));
        let references = nix
            .run(
                "nix-store",
                &home,
                ["--query", "--references", documents.unwrap()],
            )
            .unwrap();
        assert_eq!(references.trim(), documents.unwrap(), "refers to itself");

        let deriver = nix
            .run("nix-store", &home, ["--query", "--deriver", &closure.top])
            .unwrap();
        std::fs::remove_file(directory.path().join("result")).unwrap();
        closure.delete(nix, &home).unwrap();
        assert!(!Path::new(&closure.top).exists());
        assert!(!Path::new(deriver.trim()).exists());
    }
}

#[test]
fn a_second_store_takes_a_closure_and_is_gone_afterwards() {
    for nix in versions() {
        let home = Home::new().unwrap();
        let directory = tempfile::tempdir().unwrap();
        let closure = small(nix, &home, directory.path(), "store");
        let store = ScratchStore::new().unwrap();
        let root = store.root().to_owned();
        nix.run(
            "nix",
            &home,
            [
                "copy",
                "--no-check-sigs",
                "--to",
                &store.uri(),
                &closure.top,
            ],
        )
        .unwrap();
        for path in &closure.paths {
            assert!(store.physical(path).symlink_metadata().is_ok(), "{path}");
        }
        drop(store);
        assert!(!root.exists());
        std::fs::remove_file(directory.path().join("result")).unwrap();
        closure.delete(nix, &home).unwrap();
    }
}

#[test]
fn a_daemon_serves_its_own_store_with_its_own_configuration() {
    for nix in versions() {
        let home = Home::new().unwrap();
        let directory = tempfile::tempdir().unwrap();
        let closure = small(nix, &home, directory.path(), "daemon");
        let daemon = Daemon::start(nix, "trusted-public-keys = a:b").unwrap();
        nix.run(
            "nix",
            &home,
            [
                "copy",
                "--no-check-sigs",
                "--to",
                &daemon.uri(),
                &closure.top,
            ],
        )
        .unwrap();
        let valid = nix
            .command("nix-store", &home)
            .env("NIX_REMOTE", daemon.uri())
            .args(["--check-validity", &closure.top])
            .status()
            .unwrap();
        assert!(valid.success());
        assert!(daemon.store().physical(&closure.top).exists());
        assert!(daemon.log().contains("accepted connection"));
        std::fs::remove_file(directory.path().join("result")).unwrap();
        closure.delete(nix, &home).unwrap();
    }
}

#[test]
fn a_child_finds_the_version_as_nix_and_nothing_of_the_persons_environment() {
    for nix in versions() {
        let home = Home::new().unwrap();
        let mut shell = std::process::Command::new("/bin/sh");
        shell.env("FH_TOKEN", "secret");
        nix.adopt(&mut shell, &home);
        let output = shell
            .args(["-c", "nix --version; echo \"$HOME,$FH_TOKEN\""])
            .output()
            .unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(text.contains(nix.version()), "{text}");
        assert!(
            text.ends_with(&format!("{},\n", home.path().display())),
            "{text}"
        );
    }
}
