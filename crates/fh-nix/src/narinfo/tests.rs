//! Tests of narinfo files. Those that real Nix wrote are in `tests/vectors/mod.rs`.

use proptest::prelude::*;

use super::*;
use crate::{SecretKey, StorePath, StorePathHash};

const NAR_INFO: &str = "\
StorePath: /nix/store/n5wkd9frr45pa74if5gpz9j7mifg27fh-foo
URL: nar/1w1fff338fvdw53sqgamddn1b2xgds473pv6y13gizdbqjv4i5p3.nar.xz
Compression: xz
FileHash: sha256:1w1fff338fvdw53sqgamddn1b2xgds473pv6y13gizdbqjv4i5p3
FileSize: 4029176
NarHash: sha256:0mdqa9w1p6cmli6976v4wi0sw9r4p5prkj7lzfd1877wk11c9c73
NarSize: 34878
References: g1w7hy3qg1w7hy3qg1w7hy3qg1w7hy3q-bar n5wkd9frr45pa74if5gpz9j7mifg27fh-foo
Deriver: g1w7hy3qg1w7hy3qg1w7hy3qg1w7hy3q-bar.drv
Sig: asdf:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA==
Sig: qwer:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA==
CA: fixed:r:sha256:1lr187v6dck1rjh2j6svpikcfz53wyl3qrlcbb405zlh13x0khhh
";

fn parse(text: &str) -> Result<NarInfo> {
    NarInfo::parse(text, &StoreDir::default())
}

/// The example without the lines of this key.
fn without(key: &str) -> String {
    let prefix = format!("{key}:");
    NAR_INFO
        .split_inclusive('\n')
        .filter(|line| !line.starts_with(&prefix))
        .collect()
}

fn with(line: &str) -> String {
    let (key, _) = line.split_once(':').unwrap();
    without(key) + line + "\n"
}

#[test]
fn all_fields() {
    let nar_info = parse(NAR_INFO).unwrap();
    assert_eq!(nar_info.info.path.name(), "foo");
    assert_eq!(
        nar_info.url,
        "nar/1w1fff338fvdw53sqgamddn1b2xgds473pv6y13gizdbqjv4i5p3.nar.xz"
    );
    assert_eq!(nar_info.compression, Compression::Xz);
    assert_eq!(nar_info.file_size, Some(4_029_176));
    assert_eq!(nar_info.info.nar_hash, NarHash::of(b""));
    assert_eq!(nar_info.info.nar_size, 34878);
    assert_eq!(nar_info.info.references.len(), 2);
    assert_eq!(nar_info.info.signatures.len(), 2);
    assert_eq!(nar_info.to_text(&StoreDir::default()), NAR_INFO);
}

#[test]
fn what_may_be_missing() {
    assert_eq!(
        parse(&without("Compression")).unwrap().compression,
        Compression::Bzip2
    );
    assert_eq!(
        parse(&with("Compression: ")).unwrap().compression,
        Compression::Bzip2
    );
    assert_eq!(parse(&without("FileHash")).unwrap().file_hash, None);
    assert_eq!(parse(&without("FileSize")).unwrap().file_size, None);
    assert!(
        parse(&without("References"))
            .unwrap()
            .info
            .references
            .is_empty()
    );
    assert!(
        parse(&with("References: "))
            .unwrap()
            .info
            .references
            .is_empty()
    );
    assert_eq!(parse(&without("Deriver")).unwrap().info.deriver, None);
    assert_eq!(
        parse(&with("Deriver: unknown-deriver"))
            .unwrap()
            .info
            .deriver,
        None
    );
    assert!(parse(&without("Sig")).unwrap().info.signatures.is_empty());
    assert_eq!(parse(&without("CA")).unwrap().info.ca, None);
    assert_eq!(parse(&with("CA: ")).unwrap().info.ca, None);
}

#[test]
fn unknown_keys_are_skipped() {
    let expected = parse(NAR_INFO).unwrap();
    for line in [
        "System: x86_64-linux",
        "Provenance: {\"a\": 1}",
        "X:",
        "X:y",
        ":",
        "Sig2: x",
    ] {
        assert_eq!(
            parse(&format!("{line}\n{NAR_INFO}")).unwrap(),
            expected,
            "{line}"
        );
    }
}

#[test]
fn refused() {
    let base_name = "n5wkd9frr45pa74if5gpz9j7mifg27fh-foo";
    for (text, problem) in [
        (String::new(), "StorePath is missing"),
        (without("StorePath"), "StorePath is missing"),
        (without("URL"), "URL is missing"),
        (without("NarHash"), "NarHash is missing"),
        (without("NarSize"), "NarSize is missing or 0"),
        (with("NarSize: 0"), "NarSize is missing or 0"),
        (with("NarSize: +1"), "not a number of bytes"),
        (
            with("NarSize: 18446744073709551616"),
            "not a number of bytes",
        ),
        (with("FileSize: -1"), "not a number of bytes"),
        (with("FileSize: "), "not a number of bytes"),
        (with("URL: "), "URL: it is empty"),
        (with("URL: a b"), "control character"),
        (with("URL: a\r"), "control character"),
        (
            with("Compression: zip"),
            "\"zip\" is not a compression method",
        ),
        (
            with(&format!("StorePath: {base_name}")),
            "is not in /nix/store",
        ),
        (
            with(&format!("StorePath: /gnu/store/{base_name}")),
            "is not in /nix/store",
        ),
        (
            with(&format!("StorePath: /nix/store/{base_name}/x")),
            "is not a store path",
        ),
        (
            with(&format!("References: /nix/store/{base_name}")),
            "is not a store path",
        ),
        (
            with(&format!("Deriver: /nix/store/{base_name}")),
            "is not a store path",
        ),
        (
            with("NarHash: sha1:vw46m23bizj4n8afrc0fj19wrp7mj3c0"),
            "is not a SHA-256 hash",
        ),
        (with("Sig: x"), "is not a signature"),
        (with("CA: x"), "is not a content address"),
        (
            format!("{NAR_INFO}{NAR_INFO}"),
            "at line 13: StorePath appears twice",
        ),
        (
            format!("{NAR_INFO}References: \n"),
            "References appears twice",
        ),
        (format!("{NAR_INFO}CA: \n"), "CA appears twice"),
        (
            format!("{NAR_INFO}Deriver: unknown-deriver\n"),
            "Deriver appears twice",
        ),
        (
            NAR_INFO.trim_end().to_owned(),
            "at line 12: it does not end with a line break",
        ),
        (format!("{NAR_INFO}\n"), "at line 13: there is no colon"),
        (NAR_INFO.replace("URL: ", "URL:"), "URL: there is no space"),
        (NAR_INFO.replace('\n', "\r\n"), "at line 1"),
    ] {
        let error = parse(&text).unwrap_err().to_string();
        assert!(
            error.contains(problem),
            "{error}\ninstead of: {problem}\n{text}"
        );
    }
}

#[test]
fn no_field_can_add_a_line() {
    let mut nar_info = parse(NAR_INFO).unwrap();
    nar_info.url = "nar/x\nSig: evil:AAAA\r\u{85}\u{2028} \0é".to_owned();
    let text = nar_info.to_text(&StoreDir::default());
    assert!(
        text.contains("URL: nar/x%0ASig:%20evil:AAAA%0D%C2%85%E2%80%A8%20%00é\n"),
        "{text}"
    );
    assert_eq!(text.lines().count(), NAR_INFO.lines().count());
}

#[test]
fn an_empty_list_of_references_keeps_its_space() {
    let mut nar_info = parse(NAR_INFO).unwrap();
    nar_info.info.references.clear();
    assert!(
        nar_info
            .to_text(&StoreDir::default())
            .contains("\nReferences: \nDeriver:")
    );
}

#[test]
fn compression_names() {
    for (compression, _) in Compression::NAMES {
        assert_eq!(
            compression.to_string().parse::<Compression>().unwrap(),
            compression
        );
    }
    for name in ["", "Zstd", "zstd ", "brotli"] {
        name.parse::<Compression>().unwrap_err();
    }
}

fn store_path() -> impl Strategy<Value = StorePath> {
    (any::<[u8; 20]>(), "[0-9a-zA-Z+_?=][0-9a-zA-Z+._?=-]{0,20}")
        .prop_map(|(hash, name)| StorePath::new(StorePathHash::from_bytes(hash), &name).unwrap())
}

fn hash() -> impl Strategy<Value = NarHash> {
    any::<[u8; 32]>().prop_map(NarHash::from_bytes)
}

fn nar_info() -> impl Strategy<Value = NarInfo> {
    let info = (
        store_path(),
        hash(),
        1..=u64::MAX,
        prop::collection::btree_set(store_path(), 0..5),
        prop::option::of(store_path()),
        prop::collection::vec((1..=3_u8, any::<[u8; 8]>()), 0..3),
        prop::option::of(hash()),
    )
        .prop_map(
            |(path, nar_hash, nar_size, references, deriver, signatures, ca)| PathInfo {
                path,
                nar_hash,
                nar_size,
                references,
                deriver,
                signatures: signatures
                    .into_iter()
                    .map(|(seed, message)| {
                        SecretKey::from_seed(&format!("key-{seed}"), [seed; 32])
                            .unwrap()
                            .sign(&message)
                    })
                    .collect(),
                ca: ca.map(|hash| format!("fixed:r:{hash}").parse().unwrap()),
            },
        );
    let compression = prop::sample::select(
        Compression::NAMES
            .map(|(compression, _)| compression)
            .to_vec(),
    );
    (
        info,
        ".{1,20}",
        compression,
        prop::option::of(hash()),
        any::<Option<u64>>(),
    )
        .prop_map(|(info, url, compression, file_hash, file_size)| NarInfo {
            info,
            url,
            compression,
            file_hash,
            file_size,
        })
}

proptest! {
    #[test]
    fn round_trip(nar_info in nar_info()) {
        let store_dir = StoreDir::default();
        let text = nar_info.to_text(&store_dir);
        let read = NarInfo::parse(&text, &store_dir).unwrap();
        prop_assert_eq!(&read.to_text(&store_dir), &text);
        let mut expected = nar_info;
        expected.url = read.url.clone();
        prop_assert_eq!(read, expected);
    }

    #[test]
    fn any_text(text: String) {
        let _ = parse(&text);
    }

    #[test]
    fn any_change_of_a_line(line in 0..12_usize, replacement in "[A-Za-z]{0,12}:? ?.{0,40}\n?") {
        let text: String = NAR_INFO
            .split_inclusive('\n')
            .enumerate()
            .map(|(number, old)| if number == line { replacement.as_str() } else { old })
            .collect();
        if let Ok(nar_info) = parse(&text) {
            let store_dir = StoreDir::default();
            prop_assert_eq!(parse(&nar_info.to_text(&store_dir)).unwrap(), nar_info);
        }
    }
}
