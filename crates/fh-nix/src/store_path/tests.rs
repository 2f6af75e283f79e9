//! Tests of store directories and store paths.

use proptest::prelude::*;

use super::*;

const HASH: &str = "n5wkd9frr45pa74if5gpz9j7mifg27fh";

/// Any store path, its hash from bytes and its name from Nix's alphabet.
fn store_path() -> impl Strategy<Value = StorePath> {
    let name = "[0-9a-zA-Z+_?=][0-9a-zA-Z+._?=-]{0,40}";
    (any::<[u8; 20]>(), name)
        .prop_map(|(hash, name)| StorePath::new(StorePathHash::from_bytes(hash), &name).unwrap())
}

#[test]
fn base_names() {
    let path: StorePath = format!("{HASH}-hello-2.12.1").parse().unwrap();
    assert_eq!(path.name(), "hello-2.12.1");
    assert_eq!(path.hash().to_string(), HASH);
    assert_eq!(path.to_string(), format!("{HASH}-hello-2.12.1"));
    assert!(!path.is_derivation());
    assert!(
        format!("{HASH}-hello.drv")
            .parse::<StorePath>()
            .unwrap()
            .is_derivation()
    );
    assert_eq!(
        format!("{path:?}"),
        format!("StorePath({HASH}-hello-2.12.1)")
    );
}

#[test]
fn names_as_nix_checks_them() {
    for name in [
        "x",
        ".x",
        "..x",
        "...",
        "-",
        "--",
        ".+-x",
        "+-._?=",
        &"x".repeat(211),
        "a.-",
    ] {
        let path = format!("{HASH}-{name}");
        assert_eq!(path.parse::<StorePath>().unwrap().name(), name);
    }
    for (name, problem) in [
        ("", "empty"),
        (".", ". or .."),
        ("..", ". or .."),
        (".-x", ". or .."),
        ("..-x", ". or .."),
        ("a/b", "character"),
        ("a b", "character"),
        ("a\n", "character"),
        ("a\0", "character"),
        ("é", "character"),
        (&"x".repeat(212), "211"),
    ] {
        let error = format!("{HASH}-{name}")
            .parse::<StorePath>()
            .unwrap_err()
            .to_string();
        assert!(error.contains(problem), "{name}: {error}");
        assert!(!error.contains(['\n', '\0']), "{error}");
    }
}

#[test]
fn broken_base_names() {
    for (text, problem) in [
        ("", "too short"),
        (&HASH[1..], "too short"),
        (HASH, "dash"),
        (&format!("{HASH}x-y"), "dash"),
        (&format!("{}-x", HASH.replace('f', "e")), "base32"),
        (&format!("{}-x", HASH.to_uppercase()), "base32"),
        ("ééééééééééééééééé-x", "base32"),
        (&format!("{}é-x", &HASH[1..]), "too short"),
    ] {
        let error = text.parse::<StorePath>().unwrap_err().to_string();
        assert!(error.contains(problem), "{text}: {error}");
    }
}

#[test]
fn an_error_shows_only_the_beginning_of_a_long_text() {
    let error = "x"
        .repeat(1 << 20)
        .parse::<StorePath>()
        .unwrap_err()
        .to_string();
    assert!(error.len() < 500 && error.contains('…'), "{error}");
}

#[test]
fn full_paths() {
    let store_dir = StoreDir::default();
    assert_eq!(store_dir.as_str(), "/nix/store");
    let path = store_dir
        .parse_path(&format!("/nix/store/{HASH}-x"))
        .unwrap();
    assert_eq!(store_dir.display(&path), format!("/nix/store/{HASH}-x"));
    for text in [
        format!("/nix/store/{HASH}-x/"),
        format!("/nix/store/{HASH}-x/bin/x"),
        format!("/nix/store//{HASH}-x"),
        format!("/nix/./store/{HASH}-x"),
        format!("/nix/store{HASH}-x"),
        format!("/nix/stores/{HASH}-x"),
        format!("/gnu/store/{HASH}-x"),
        format!("{HASH}-x"),
        "/nix/store".to_owned(),
        "/nix/store/".to_owned(),
        "/nix/store/..".to_owned(),
    ] {
        store_dir.parse_path(&text).unwrap_err();
    }
}

#[test]
fn store_directories() {
    for directory in [
        "/nix/store",
        "/s",
        "/home/me/.local/share/nix/root/nix/store",
        "/a/...",
        "/ü",
    ] {
        assert_eq!(directory.parse::<StoreDir>().unwrap().as_str(), directory);
    }
    for directory in [
        "",
        "/",
        "nix/store",
        "/nix/store/",
        "/nix//store",
        "/nix/../store",
        "/nix/./s",
        "/a b",
        "/a\n",
    ] {
        StoreDir::new(directory).unwrap_err();
    }
}

#[test]
fn as_json() {
    let path: StorePath = format!("{HASH}-x").parse().unwrap();
    let json = serde_json::to_string(&path).unwrap();
    assert_eq!(json, format!("\"{HASH}-x\""));
    assert_eq!(serde_json::from_str::<StorePath>(&json).unwrap(), path);
    serde_json::from_str::<StorePath>("\"x\"").unwrap_err();
    serde_json::from_str::<StorePathHash>("1").unwrap_err();
}

proptest! {
    #[test]
    fn round_trip(path in store_path()) {
        prop_assert_eq!(&path.to_string().parse::<StorePath>().unwrap(), &path);
        prop_assert_eq!(&path.hash().to_string().parse::<StorePathHash>().unwrap(), &path.hash());
        let store_dir = StoreDir::default();
        prop_assert_eq!(store_dir.parse_path(&store_dir.display(&path)).unwrap(), path);
    }

    #[test]
    fn ordered_like_their_texts(a in store_path(), b in store_path()) {
        prop_assert_eq!(a.cmp(&b), a.to_string().cmp(&b.to_string()));
        prop_assert_eq!(a.hash().cmp(&b.hash()), a.hash().to_string().cmp(&b.hash().to_string()));
    }

    #[test]
    fn any_text(text: String) {
        let _ = text.parse::<StorePath>();
        let _ = text.parse::<StorePathHash>();
        let _ = StoreDir::new(&text);
        let _ = StoreDir::default().parse_path(&text);
    }

    #[test]
    fn what_is_accepted_is_written_the_same(text in "[0-9a-z]{32}-[ -~]{0,5}") {
        if let Ok(path) = text.parse::<StorePath>() {
            prop_assert_eq!(path.to_string(), text);
        }
    }
}
