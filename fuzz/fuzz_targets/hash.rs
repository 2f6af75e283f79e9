//! Base32 is canonical; a hash that is accepted stands there in one of its notations, and each of them reads back.
#![no_main]

use fh_nix::{ContentAddress, NarHash, base32};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Ok(bytes) = base32::decode(text) {
        assert_eq!(base32::encode(&bytes), text);
    }
    if let Ok(hash) = text.parse::<NarHash>() {
        let (sri, hex) = (hash.to_sri(), format!("sha256:{}", hash.to_hex()));
        let notations = [
            hash.to_string(),
            sri.replacen('-', ":", 1),
            sri,
            hex.clone(),
        ];
        assert!(
            notations.iter().any(|notation| notation == text) || hex.eq_ignore_ascii_case(text)
        );
        for notation in notations {
            assert_eq!(notation.parse::<NarHash>().unwrap(), hash);
        }
        assert_eq!(NarHash::from_base32(&hash.to_base32()).unwrap(), hash);
    }
    if let Ok(address) = text.parse::<ContentAddress>() {
        assert_eq!(
            address.to_string().parse::<ContentAddress>().unwrap(),
            address
        );
    }
});
