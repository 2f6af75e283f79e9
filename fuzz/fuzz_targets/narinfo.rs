//! A narinfo that is accepted says the same after it was written and read again, with one line for each field.
#![no_main]

use fh_nix::{NarInfo, StoreDir};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let store_dir = StoreDir::default();
    if let Ok(nar_info) = NarInfo::parse(text, &store_dir) {
        let written = nar_info.to_text(&store_dir);
        assert_eq!(NarInfo::parse(&written, &store_dir).unwrap(), nar_info);
        let optional = [
            nar_info.file_hash.is_some(),
            nar_info.file_size.is_some(),
            nar_info.info.deriver.is_some(),
            nar_info.info.ca.is_some(),
        ];
        let fields = 6
            + optional.into_iter().filter(|&present| present).count()
            + nar_info.info.signatures.len();
        assert_eq!(written.lines().count(), fields);
    }
});
