//! Path infos from any JSON: no panic, and no line break in what was accepted.
#![no_main]

use fh_nix::{StoreDir, parse_path_infos};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|json: &[u8]| {
    let store_dir = StoreDir::default();
    if let Ok(infos) = parse_path_infos(json, &store_dir) {
        for info in infos.valid {
            assert!(info.nar_size > 0);
            assert!(!info.fingerprint(&store_dir).contains('\n'));
        }
    }
});
