//! Keys of realisations that are accepted are written as they were read; what Nix is said to have printed is read again
//! from what would be served of it.
#![no_main]

use fh_nix::{DrvOutput, parse_realisations};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Ok(output) = text.parse::<DrvOutput>() {
        assert_eq!(output.to_string(), text);
    }
    for realisation in parse_realisations(text.as_bytes()).unwrap_or_default() {
        assert!(!realisation.fingerprint().contains('\n'));
        if let DrvOutput::Hash { .. } = realisation.id {
            let served = format!("[{}]", realisation.to_json());
            assert_eq!(parse_realisations(served.as_bytes()).unwrap(), [realisation]);
        }
    }
});
