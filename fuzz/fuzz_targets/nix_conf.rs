//! A nix.conf that is accepted: what is added counts, nothing else changes, and it is taken back, byte for byte.
//! Behind the first byte 0xff stands the text of the file that it may include.
#![no_main]

use std::path::Path;

use fh_conf::diff::{FileKind, unified};
use fh_conf::ledger::Ledger;
use fh_conf::nix_conf::{NixConf, SetIfUnset};
use libfuzzer_sys::fuzz_target;

const NAMES: [&str; 4] = ["trusted-public-keys", "trusted-substituters", "cores", "max-jobs"];

fuzz_target!(|text: &[u8]| {
    let path = Path::new("/etc/nix/nix.conf");
    let mut parts = text.splitn(2, |&byte| byte == 0xff);
    let (text, included) = (parts.next().unwrap_or_default(), parts.next());
    let mut load = |path: &Path| Ok(included.filter(|_| path.ends_with("i")).map(<[u8]>::to_vec));
    let Ok(original) = NixConf::parse(text, path, &mut load) else { return };
    let mut conf = original.clone();
    let mut ledger = Ledger::default();
    for owner in ["one", "two"] {
        ledger.add_to_list(path, owner, &mut conf, "extra-substituters", &["https://new.example"]).unwrap();
        let set = ledger.set_if_unset(path, owner, &mut conf, "netrc-file", "/new/netrc").unwrap();
        assert_eq!(set == SetIfUnset::Set, owner == "one" && original.effective("netrc-file").is_none());
    }
    assert!(conf.list_contains("substituters", "https://new.example"));
    let again = NixConf::parse(conf.as_bytes(), path, &mut load).unwrap();
    for name in NAMES {
        assert_eq!(conf.effective(name), original.effective(name));
        assert_eq!(again.effective(name), original.effective(name));
    }
    let _ = unified(path, FileKind::NixConf, Some(text), Some(conf.as_bytes()));
    for owner in ["one", "two"] {
        ledger.take_back_nix_conf(path, owner, &mut conf).unwrap();
    }
    assert_eq!(conf.as_bytes(), text);
    conf.remove_public_keys(&["a-1:AAAA"]).unwrap();
    assert!(conf.remove_public_keys(&["a-1:AAAA"]).unwrap().is_empty());
});
