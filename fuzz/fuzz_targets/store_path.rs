//! A store path that is accepted is written as it was read, and never holds a line break.
#![no_main]

use fh_nix::{StoreDir, StorePath, StorePathHash};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Ok(path) = text.parse::<StorePath>() {
        assert_eq!(path.to_string(), text);
        assert!(text.bytes().all(|byte| byte.is_ascii_graphic()));
        let store_dir = StoreDir::default();
        assert_eq!(
            store_dir.parse_path(&store_dir.display(&path)).unwrap(),
            path
        );
    }
    if let Ok(hash) = text.parse::<StorePathHash>() {
        assert_eq!(hash.to_string(), text);
    }
    let _ = StoreDir::default().parse_path(text);
    if let Ok(store_dir) = StoreDir::new(text) {
        assert_eq!(store_dir.as_str(), text);
    }
});
