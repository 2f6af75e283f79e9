//! Derivations from any bytes: no panic, also where two are compared.
#![no_main]

use fh_nix::Derivation;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let mut halves = bytes.splitn(2, |byte| *byte == b'\n');
    let mut next = || Derivation::parse(halves.next().unwrap_or_default());
    if let (Ok(first), Ok(second)) = (next(), next()) {
        let _ = first.resolves_to(&second);
        assert!(!first.resolves_to(&first));
    }
});
