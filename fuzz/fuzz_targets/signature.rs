//! Signatures and keys that are accepted are written as they were read, and verifying takes any of them.
#![no_main]

use fh_nix::{PublicKey, SecretKey, Signature};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let (first, second) = text.split_once('\n').unwrap_or((text, text));
    let (signature, key) = (first.parse::<Signature>(), second.parse::<PublicKey>());
    if let Ok(signature) = &signature {
        assert_eq!(signature.to_string(), first);
    }
    if let Ok(key) = &key {
        assert_eq!(key.to_string(), second);
    }
    if let (Ok(signature), Ok(key)) = (signature, key) {
        let _ = key.verify(b"message", &signature);
    }
    if let Ok(secret) = text.parse::<SecretKey>() {
        assert_eq!(*secret.to_secret_string(), text);
        assert!(secret.public().verify(b"message", &secret.sign(b"message")));
    }
});
