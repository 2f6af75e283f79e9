//! A netrc that is accepted: an entry that is set is found and in reach, and taken back, byte for byte; nothing is shown
//! that is not to be.
#![no_main]

use std::path::Path;

use fh_conf::diff::{FileKind, unified};
use fh_conf::ledger::Ledger;
use fh_conf::netrc::{Change, Netrc};
use libfuzzer_sys::fuzz_target;

const HOSTS: [&str; 3] = ["new.example", "a", "b.example"];

fuzz_target!(|text: &[u8]| {
    let path = Path::new("/etc/nix/netrc");
    let Ok(mut netrc) = Netrc::parse(text) else { return };
    let mut ledger = Ledger::default();
    for (number, host) in HOSTS.iter().enumerate() {
        let owner = number.to_string();
        let token = format!("fh1_{number}_verysecret");
        if ledger.set_netrc_entry(path, &owner, &mut netrc, host, "fh", &token).is_err() {
            // Too long a line or file; nothing has changed then.
            continue;
        }
        assert!(netrc.is_in_reach(host) && netrc.get(host).unwrap().is("fh", &token));
        assert_eq!(netrc.clone().set(host, "fh", &token).unwrap(), Change::Unchanged);
    }
    let shown = unified(path, FileKind::Netrc, Some(text), Some(netrc.as_bytes()));
    // Unless the file has it for the name of a host.
    let is_named = text.windows(10).any(|part| part == b"verysecret");
    assert!(is_named || !shown.contains("verysecret"));
    for number in [1, 0, 2] {
        ledger.take_back_netrc(path, &number.to_string(), &mut netrc).unwrap();
    }
    assert_eq!(netrc.as_bytes(), text);
});
