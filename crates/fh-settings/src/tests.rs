use std::path::{Path, PathBuf};
use std::time::Duration;

use proptest::prelude::*;

use super::file::parse;
use super::*;

const FILE: &str = "/etc/fh/server.toml";

fn from_file(text: &str) -> Result<Vec<Given>, ConfigError> {
    parse(Path::new(FILE), text)
}

/// What a file alone gives, with a data directory.
fn settings(text: &str) -> Result<Settings, String> {
    let text = format!("data-dir = \"/data\"\n{text}");
    from_file(&text)
        .and_then(|given| resolve(&given))
        .map(|resolved| resolved.settings)
        .map_err(|error| error.to_string())
}

fn refusal(text: &str) -> String {
    settings(text).unwrap_err()
}

fn given(key: &str, text: &str, origin: Origin) -> Given {
    Given {
        option: option(key).unwrap(),
        texts: vec![text.to_owned()],
        origin,
    }
}

#[test]
fn the_table_is_consistent() {
    for (index, option) in OPTIONS.iter().enumerate() {
        let expected = format!("FH_SERVE_{}", option.key.to_uppercase().replace('-', "_"));
        assert_eq!(option.variable, expected);
        assert!(option.help.ends_with('.'), "{}", option.key);
        assert!(
            option.default.is_some() == option.example.is_empty(),
            "{}: a default or an example",
            option.key
        );
        assert!(
            OPTIONS
                .iter()
                .skip(index + 1)
                .all(|other| other.key != option.key)
        );
        // A section stands in one piece, or its heading would come twice.
        let pieces = OPTIONS
            .chunk_by(|a, b| a.section == b.section)
            .filter(|piece| piece.iter().any(|other| other.section == option.section));
        assert_eq!(pieces.count(), 1, "{:?}", option.section);
    }
}

#[test]
fn defaults() {
    let settings = settings("").unwrap();
    assert_eq!(settings.data_dir, PathBuf::from("/data"));
    assert_eq!(settings.listen, ["127.0.0.1:8484".parse().unwrap()]);
    assert_eq!(settings.limits.part_size, 8 << 20);
    assert_eq!(settings.priority, 40);
    assert_eq!(
        settings.tokens.default_lifetime,
        Duration::from_secs(90 * 86_400)
    );
    assert_eq!(settings.min_key_age, Duration::from_secs(30 * 86_400));
    assert!(settings.limits.verifications >= 1);
    assert_eq!(settings.public_url, None);
    assert_eq!(settings.tls, None);
}

#[test]
fn the_example_file_has_every_option_and_is_taken_whole() {
    let example = example_file();
    let uncommented: String = example
        .lines()
        .map(|line| {
            line.strip_prefix('#')
                .filter(|rest| !rest.starts_with([' ', '#']))
                .unwrap_or(line)
        })
        .map(|line| format!("{line}\n"))
        .collect();
    let given = from_file(&uncommented).unwrap();
    assert_eq!(given.len(), OPTIONS.len());
    resolve(&given).unwrap();
    // As it is shipped, it says nothing.
    assert!(from_file(&example).unwrap().is_empty());
    assert!(example.lines().all(|line| line.len() <= 100));
}

#[test]
fn the_committed_example_file_is_up_to_date() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/fh-server.toml");
    let committed = std::fs::read_to_string(&path).unwrap();
    assert!(
        committed == example_file(),
        "write it anew: fh serve --print-example > docs/fh-server.toml"
    );
}

#[test]
fn the_strongest_origin_counts() {
    let file = |line| Origin::File {
        path: PathBuf::from(FILE),
        line,
    };
    let all = [
        given("priority", "1", Origin::Machine("TEST")),
        given("priority", "2", file(3)),
        given("priority", "3", Origin::Environment),
        given("priority", "4", Origin::Flag),
    ];
    for count in 1..=all.len() {
        let mut some: Vec<Given> = all.iter().take(count).rev().cloned().collect();
        some.push(given("data-dir", "/data", Origin::Flag));
        let resolved = resolve(&some).unwrap();
        assert_eq!(resolved.settings.priority, u32::try_from(count).unwrap());
        assert_eq!(resolved.origin("priority"), Some(&all[count - 1].origin));
    }
    // A list is replaced, not added to.
    let resolved = resolve(&[
        given("data-dir", "/data", Origin::Flag),
        given("listen", "127.0.0.1:1, [::1]:2", file(1)),
        given("listen", "127.0.0.1:3", Origin::Flag),
    ])
    .unwrap();
    assert_eq!(resolved.settings.listen, ["127.0.0.1:3".parse().unwrap()]);
}

#[test]
fn a_weaker_value_that_is_wrong_does_no_harm() {
    let resolved = resolve(&[
        given("data-dir", "/data", Origin::Flag),
        given("priority", "nonsense", Origin::Environment),
        given("priority", "7", Origin::Flag),
    ]);
    assert_eq!(resolved.unwrap().settings.priority, 7);
}

#[test]
fn errors_name_the_option_as_it_was_written() {
    let flag = resolve(&[given("priority", "x", Origin::Flag)]).unwrap_err();
    assert_eq!(
        flag.to_string(),
        "--priority: \"x\" is not a whole number between 0 and 1000000"
    );
    let variable = resolve(&[given("part-size", "x", Origin::Environment)]).unwrap_err();
    assert!(
        variable.to_string().starts_with("FH_SERVE_PART_SIZE: "),
        "{variable}"
    );
    assert_eq!(
        refusal("\n\nlog-format = \"xml\""),
        "/etc/fh/server.toml, line 4: `log-format`: \"xml\" is not a log format; it must be text or json"
    );
}

#[test]
fn unknown_keys_are_refused_with_their_line() {
    assert_eq!(
        refusal("# a comment\nlisten_on = [\"127.0.0.1:1\"]"),
        "/etc/fh/server.toml, line 3: unknown key `listen_on`"
    );
    assert_eq!(
        refusal("tls_certificate = \"x\""),
        "/etc/fh/server.toml, line 2: unknown key `tls_certificate`; did you mean `tls-certificate`?"
    );
    assert!(refusal("[tls]\nkey = \"x\"").contains("line 2: unknown key `tls`"));
    assert!(refusal("priority = 1\npriority = 2").contains("line 3"));
    assert!(refusal("priority = ").contains("line 2"));
}

#[test]
fn values_of_the_wrong_kind_are_refused() {
    for text in [
        "priority = true",
        "priority = 1.5",
        "priority = [1]",
        "public-url = {}",
        "listen = [[]]",
        "priority = 0x28",
    ] {
        let message = refusal(text);
        assert!(
            message.contains("line 2") && message.contains("needed here"),
            "{message}"
        );
    }
    assert!(refusal("listen = []").contains("at least one is needed"));
}

#[test]
fn numbers_may_be_numbers_or_texts() {
    assert_eq!(
        settings("part-size = 1048576\nbatched-nar-size = 1024")
            .unwrap()
            .limits
            .part_size,
        1 << 20
    );
    assert_eq!(
        settings("part-size = \"16MiB\"").unwrap().limits.part_size,
        16 << 20
    );
}

#[test]
fn paths_in_a_file_count_from_its_directory() {
    let settings =
        settings("tls-certificate = \"tls/cert.pem\"\ntls-key = \"/abs/key.pem\"").unwrap();
    let tls = settings.tls.unwrap();
    assert_eq!(tls.certificate, PathBuf::from("/etc/fh/tls/cert.pem"));
    assert_eq!(tls.key, PathBuf::from("/abs/key.pem"));
    assert!(refusal("tls-key = \"\"").contains("the path is empty"));
}

#[test]
fn options_must_agree() {
    for (text, part) in [
        ("tls-certificate = \"a\"", "`tls-key` is not set"),
        ("tls-key = \"a\"", "`tls-certificate` is not set"),
        ("part-size = \"30MiB\"", "line 2: `part-size`"),
        ("max-body-size = \"1MiB\"", "the default of `part-size`"),
        ("batched-nar-size = \"9MiB\"", "larger than part-size"),
        ("token-lifetime = \"3000d\"", "max-token-lifetime"),
        (
            "listen = [\"127.0.0.1:1\", \"127.0.0.1:1\"]",
            "listed twice",
        ),
        (
            "metrics-listen = \"127.0.0.1:8484\"",
            "also an address of `listen`",
        ),
    ] {
        let message = refusal(text);
        assert!(message.contains(part), "{text}: {message}");
    }
    let ephemeral = settings("listen = [\"127.0.0.1:0\", \"127.0.0.1:0\"]").unwrap();
    assert_eq!(ephemeral.listen.len(), 2);
    let missing = resolve(&[]).unwrap_err().to_string();
    assert!(missing.contains("`data-dir` is not set"), "{missing}");
}

#[test]
fn addresses() {
    for text in [
        "127.0.0.1:8484",
        "[::1]:8484",
        "0.0.0.0:0",
        "unix:/run/fh.sock",
        "unix:/run/fh.sock?mode=666",
    ] {
        assert_eq!(text.parse::<ListenAddress>().unwrap().to_string(), text);
    }
    for text in [
        "",
        "8484",
        ":8484",
        "localhost:8484",
        "127.0.0.1",
        "::1:8484x",
        "unix:relative",
        "unix:",
        "unix:/a?mode=999",
        "unix:/a?mode=",
        "unix:/a?mode=1777",
    ] {
        assert!(text.parse::<ListenAddress>().is_err(), "{text}");
    }
    assert!(
        format!("unix:/{}", "a".repeat(107))
            .parse::<ListenAddress>()
            .is_err()
    );
    assert!(
        format!("unix:/{}/s", "a".repeat(97))
            .parse::<ListenAddress>()
            .is_err()
    );
    assert!(
        format!("unix:/{}/s", "a".repeat(90))
            .parse::<ListenAddress>()
            .is_ok()
    );
}

#[test]
fn public_urls() {
    for (text, url, host) in [
        (
            "https://cache.example.org/",
            "https://cache.example.org",
            "cache.example.org",
        ),
        ("http://[::1]:8484", "http://[::1]:8484", "::1"),
        (
            "https://example.org/fh/",
            "https://example.org/fh",
            "example.org",
        ),
        (
            "HTTPS://Example.ORG:443",
            "https://example.org",
            "example.org",
        ),
    ] {
        let parsed: PublicUrl = text.parse().unwrap();
        assert_eq!((parsed.as_str(), parsed.host()), (url, host));
    }
    for text in [
        "",
        "cache.example.org",
        "ftp://a",
        "https://a/?b",
        "https://a/#b",
        "https://",
    ] {
        assert!(text.parse::<PublicUrl>().is_err(), "{text}");
    }
    let message = "https://user:hunter2@example.org"
        .parse::<PublicUrl>()
        .unwrap_err();
    assert!(!message.contains("hunter2"));
}

proptest! {
    #[test]
    fn no_text_makes_the_reader_panic(text in "\\PC*") {
        let _ = from_file(&text).and_then(|given| resolve(&given));
    }

    #[test]
    fn no_value_makes_an_option_panic(text in "\\PC*", index in 0..OPTIONS.len()) {
        let value = Given { option: &OPTIONS[index], texts: vec![text], origin: Origin::Flag };
        let _ = resolve(&[value]);
    }
}

#[test]
fn a_file_that_is_none_or_too_large_is_named_and_not_waited_for() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("config.toml");
    let made = std::process::Command::new("mkfifo").arg(&path).status();
    assert!(made.unwrap().success());
    let told = |path: &Path| fh_api::with_causes(&read_file(path).unwrap_err());
    let named = format!("cannot read the configuration file {}: ", path.display());
    assert_eq!(
        told(&path),
        format!("{named}it is a pipe, and not a regular file")
    );
    std::fs::remove_file(&path).unwrap();
    // 300 MB that take up no room.
    let file = std::fs::File::create(&path).unwrap();
    file.set_len(300 << 20).unwrap();
    assert_eq!(
        told(&path),
        format!("{named}it has more than 1048576 bytes")
    );
}
