//! Tests of keys and signatures. What real Nix signed is in `tests/vectors/mod.rs`.

use proptest::prelude::*;

use super::*;

fn key() -> SecretKey {
    SecretKey::from_seed("cache.example-1", [7; 32]).unwrap()
}

#[test]
fn sign_and_verify() {
    let key = key();
    let signature = key.sign(b"message");
    assert_eq!(signature.key_name(), "cache.example-1");
    assert!(key.public().verify(b"message", &signature));
    assert!(!key.public().verify(b"massage", &signature));
}

#[test]
fn the_name_counts_too() {
    let namesake = SecretKey::from_seed("cache.example-1", [8; 32]).unwrap();
    let renamed = SecretKey::from_seed("cache.example-2", [7; 32]).unwrap();
    for other in [namesake, renamed] {
        assert!(!key().public().verify(b"message", &other.sign(b"message")));
    }
}

#[test]
fn generated_keys_differ() {
    let (one, other) = (
        SecretKey::generate("a").unwrap(),
        SecretKey::generate("a").unwrap(),
    );
    assert_ne!(one.public(), other.public());
    assert!(one.public().verify(b"", &one.sign(b"")));
}

#[test]
fn the_secret_is_shown_by_nothing_but_its_own_method() {
    let key = key();
    let secret = key.to_secret_string();
    assert_eq!(format!("{key:?}"), "SecretKey(cache.example-1:…)");
    assert_eq!(secret.parse::<SecretKey>().unwrap().public(), key.public());

    let (name, base64) = secret.split_once(':').unwrap();
    for broken in [
        format!("{name}:{}", &base64[1..]),
        format!("{name}:{base64}="),
        format!("{name} :{base64}"),
        base64.to_owned(),
        format!(":{base64}"),
    ] {
        let errors = [
            broken.parse::<SecretKey>().unwrap_err(),
            broken.parse::<PublicKey>().unwrap_err(),
        ];
        for error in errors {
            let shown = format!("{error} {error:?}");
            assert!(!shown.contains(&base64[8..24]), "{shown}");
        }
    }
    let error = secret.parse::<PublicKey>().unwrap_err();
    assert!(
        !format!("{error} {error:?}").contains(&base64[8..24]),
        "{error}"
    );
}

#[test]
fn halves_of_two_keys() {
    let mut bytes = key().key.to_keypair_bytes();
    bytes[32..].copy_from_slice(
        SecretKey::from_seed("x", [9; 32])
            .unwrap()
            .public()
            .as_bytes(),
    );
    let error = format!("x:{}", base64::encode(&bytes))
        .parse::<SecretKey>()
        .unwrap_err();
    assert!(error.to_string().contains("does not belong"), "{error}");
}

#[test]
fn weak_and_impossible_public_keys() {
    // The neutral element, a point of order 8, and a number that is no point's coordinate.
    for key in [
        "x:AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
        "x:xxdqcD1N2E+6PAt2DRBnDyogU/osOczGTsf9d5KsA3o=",
        "x:AgAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
    ] {
        let error = key.parse::<PublicKey>().unwrap_err();
        assert!(error.to_string().contains("weak"), "{error}");
    }
}

#[test]
fn a_signature_has_one_form_only() {
    // Adding the group's order to the second half makes a signature that lenient verification takes.
    const ORDER: [u8; 32] = [
        0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde,
        0x14, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
    ];
    let key = key();
    let mut signature = key.sign(b"message");
    let mut carry = 0;
    for (byte, order) in signature.bytes[32..].iter_mut().zip(ORDER) {
        let sum = u16::from(*byte) + u16::from(order) + carry;
        *byte = sum.to_le_bytes()[0];
        carry = sum >> 8;
    }
    assert!(!key.public().verify(b"message", &signature));
}

#[test]
fn names() {
    let base64 = base64::encode(&[1; 64]);
    for name in ["a", "cache.nixos.org-1", &"x".repeat(255), "a/b=c"] {
        let signature: Signature = format!("{name}:{base64}").parse().unwrap();
        assert_eq!(signature.key_name(), name);
    }
    for name in ["", " ", "a b", "a\n", "a\r", "é", &"x".repeat(256), "a\0"] {
        format!("{name}:{base64}").parse::<Signature>().unwrap_err();
        SecretKey::generate(name).unwrap_err();
    }
}

#[test]
fn payloads() {
    let base64 = base64::encode(&[1; 64]);
    let unpadded = base64.trim_end_matches('=');
    for payload in [
        "",
        unpadded,
        &format!("{base64}\n"),
        &format!("{base64} "),
        &base64.replace("AQ==", "AR=="),
        &base64.replacen('A', "-", 1),
        &base64::encode(&[1; 63]),
        &base64::encode(&[1; 65]),
        &base64::encode(&[1; 66]),
        &"A".repeat(1 << 16),
    ] {
        format!("a:{payload}").parse::<Signature>().unwrap_err();
        format!("a:{payload}").parse::<PublicKey>().unwrap_err();
        format!("a:{payload}").parse::<SecretKey>().unwrap_err();
    }
}

/// Found by fuzzing: a public key with padding in the middle, which was another key's.
#[test]
fn padding_in_the_middle() {
    "a:MMMMMMMMMMM=MMMMMMMMMMMMMMMMMMMHMMMMMMMMMMMM"
        .parse::<PublicKey>()
        .unwrap_err();
}

proptest! {
    #[test]
    fn round_trips(name in "[!-9;-~]{1,30}", seed: [u8; 32], message: Vec<u8>) {
        let key = SecretKey::from_seed(&name, seed).unwrap();
        let read: SecretKey = key.to_secret_string().parse().unwrap();
        let public: PublicKey = key.public().to_string().parse().unwrap();
        let signature: Signature = read.sign(&message).to_string().parse().unwrap();
        prop_assert_eq!(&public, &key.public());
        prop_assert!(public.verify(&message, &signature));
    }

    #[test]
    fn a_changed_bit_is_noticed(seed: [u8; 32], bit in 0..512_usize) {
        let key = SecretKey::from_seed("a", seed).unwrap();
        let mut signature = key.sign(b"message");
        signature.bytes[bit / 8] ^= 1 << (bit % 8);
        prop_assert!(!key.public().verify(b"message", &signature));
    }

    #[test]
    fn any_text(text in "([a-z]{0,3}:)?.*") {
        let _ = text.parse::<Signature>();
        let _ = text.parse::<PublicKey>();
        let _ = text.parse::<SecretKey>();
    }

    #[test]
    fn any_key_bytes(bytes: [u8; 32], signature: [u8; 64]) {
        if let Ok(key) = format!("a:{}", base64::encode(&bytes)).parse::<PublicKey>() {
            prop_assert_eq!(key.as_bytes(), &bytes);
            let signature = Signature { key_name: "a".into(), bytes: signature };
            prop_assert!(!key.verify(b"message", &signature));
        }
    }
}
