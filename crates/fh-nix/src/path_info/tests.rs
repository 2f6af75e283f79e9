//! Tests of fingerprints and of what they are signed for. What real Nix signed is in `tests/vectors/mod.rs`.

use super::*;

fn info() -> PathInfo {
    let path = |text: &str| text.parse().unwrap();
    PathInfo {
        path: path("n5wkd9frr45pa74if5gpz9j7mifg27fh-foo"),
        nar_hash: NarHash::of(b""),
        nar_size: 34878,
        references: BTreeSet::from([
            path("n5wkd9frr45pa74if5gpz9j7mifg27fh-foo"),
            path("g1w7hy3qg1w7hy3qg1w7hy3qg1w7hy3q-bar"),
        ]),
        deriver: None,
        signatures: Vec::new(),
        ca: None,
    }
}

fn key(name: &str, seed: u8) -> SecretKey {
    SecretKey::from_seed(name, [seed; 32]).unwrap()
}

#[test]
fn fingerprint() {
    assert_eq!(
        info().fingerprint(&StoreDir::default()),
        "1;/nix/store/n5wkd9frr45pa74if5gpz9j7mifg27fh-foo;\
         sha256:0mdqa9w1p6cmli6976v4wi0sw9r4p5prkj7lzfd1877wk11c9c73;34878;\
         /nix/store/g1w7hy3qg1w7hy3qg1w7hy3qg1w7hy3q-bar,/nix/store/n5wkd9frr45pa74if5gpz9j7mifg27fh-foo"
    );
    let without_references = PathInfo {
        references: BTreeSet::new(),
        ..info()
    };
    assert!(
        without_references
            .fingerprint(&StoreDir::default())
            .ends_with(";34878;")
    );
}

#[test]
fn any_signature_of_the_key_will_do() {
    let store_dir = StoreDir::default();
    let (ours, other, namesake) = (key("ours", 1), key("other", 2), key("ours", 3));
    let mut info = info();
    assert!(!info.verify(&store_dir, &ours.public()));
    info.signatures = vec![
        info.sign(&store_dir, &other),
        info.sign(&store_dir, &namesake),
    ];
    assert!(!info.verify(&store_dir, &ours.public()));
    info.signatures.push(info.sign(&store_dir, &ours));
    assert!(info.verify(&store_dir, &ours.public()));
}

#[test]
fn a_signature_is_of_everything_in_the_fingerprint_and_nothing_else() {
    let store_dir = StoreDir::default();
    let key = key("ours", 1);
    let mut signed = info();
    signed.signatures.push(signed.sign(&store_dir, &key));

    let altered = [
        PathInfo {
            path: "n5wkd9frr45pa74if5gpz9j7mifg27fh-fop".parse().unwrap(),
            ..signed.clone()
        },
        PathInfo {
            nar_hash: NarHash::of(b"x"),
            ..signed.clone()
        },
        PathInfo {
            nar_size: 34879,
            ..signed.clone()
        },
        PathInfo {
            references: BTreeSet::new(),
            ..signed.clone()
        },
    ];
    for info in &altered {
        assert!(!info.verify(&store_dir, &key.public()), "{info:?}");
    }
    assert!(!signed.verify(&StoreDir::new("/gnu/store").unwrap(), &key.public()));

    let same = PathInfo {
        deriver: Some("g1w7hy3qg1w7hy3qg1w7hy3qg1w7hy3q-bar.drv".parse().unwrap()),
        ca: Some(format!("fixed:r:{}", NarHash::of(b"")).parse().unwrap()),
        ..signed
    };
    assert!(same.verify(&store_dir, &key.public()));
}

fn path(name: &str) -> StorePath {
    format!("00000000000000000000000000000000-{name}")
        .parse()
        .unwrap()
}

#[test]
fn everything_that_a_machine_runs_counts_and_nothing_else() {
    let info = PathInfo {
        path: path("x"),
        nar_hash: NarHash::from_bytes([1; 32]),
        nar_size: 120,
        references: BTreeSet::from([path("a"), path("b")]),
        deriver: None,
        signatures: Vec::new(),
        ca: None,
    };
    let first = info.content_fingerprint();
    let mut others = vec![info.clone(); 5];
    others[0].nar_hash = NarHash::from_bytes([2; 32]);
    others[1].nar_size = 121;
    others[2].references.remove(&path("b"));
    others[3].references.insert(path("c"));
    others[4].references = BTreeSet::from([path("ab")]);
    let mut seen = vec![first];
    for other in others {
        let fingerprint = other.content_fingerprint();
        assert!(!seen.contains(&fingerprint), "{other:?}");
        seen.push(fingerprint);
    }
    let mut same = info.clone();
    same.deriver = Some(path("x.drv"));
    assert_eq!(same.content_fingerprint(), first);
    assert_eq!(same.named_fingerprint(), info.named_fingerprint());
    assert_ne!(same.named_fingerprint(), first);
    same.path = path("another");
    assert_eq!(same.content_fingerprint(), first);
    assert_ne!(same.named_fingerprint(), info.named_fingerprint());
    // It is stored.
    assert_eq!(ContentFingerprint::from_bytes(*first.as_bytes()), first);
}
