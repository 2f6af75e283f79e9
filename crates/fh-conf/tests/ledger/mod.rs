//! Random logins and logouts on random files: when the last is gone, all is as it was.

use std::path::Path;

use fh_conf::ledger::{Ledger, Standing};
use fh_conf::netrc::Netrc;
use fh_conf::nix_conf::NixConf;
use proptest::prelude::*;

use crate::netrc::files as netrc_files;
use crate::nix_conf::files as nix_conf_files;

const NETRC: &str = "/etc/nix/netrc";
const NIX_CONF: &str = "/etc/nix/nix.conf";

/// What a server does.
#[derive(Debug, Clone, Copy)]
enum Act {
    /// Its login with the token of this number.
    In(usize),
    Out,
    /// Its token is renewed: the token of this number takes its place.
    Renew(usize),
}

/// Acts of ten servers.
fn acts() -> impl Strategy<Value = Vec<(usize, Act)>> {
    let number = || 0..3_usize;
    let act = prop_oneof![
        3 => number().prop_map(Act::In),
        2 => Just(Act::Out),
        1 => number().prop_map(Act::Renew),
    ];
    prop::collection::vec((0..10_usize, act), 0..40)
}

fn name(server: usize) -> String {
    format!("server{server}")
}

/// The host of a server: of ten servers, some share one, and some have one that is in the file.
fn host(server: usize) -> &'static str {
    [
        "new0.example",
        "new1.example",
        "new2.example",
        "a",
        "b.example",
    ][server % 5]
}

fn token(server: usize, number: usize) -> String {
    format!("fh1_{server}_{number}")
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn netrc_is_as_before_when_the_last_is_gone(
        before in netrc_files::file(true),
        acts in acts(),
        rest in Just((0..10_usize).collect::<Vec<_>>()).prop_shuffle(),
    ) {
        let Ok(mut netrc) = Netrc::parse(before.as_bytes()) else { return Ok(()) };
        let path = Path::new(NETRC);
        let mut ledger = Ledger::default();
        // Who is logged in, the last one last, with the token.
        let mut inside: Vec<(usize, usize)> = Vec::new();
        for (server, act) in acts {
            let owner = name(server);
            match act {
                Act::In(number) => {
                    ledger.set_netrc_entry(path, &owner, &mut netrc, host(server), "fh", &token(server, number)).unwrap();
                    inside.retain(|(other, _)| *other != server);
                    inside.push((server, number));
                }
                Act::Out => {
                    ledger.take_back_netrc(path, &owner, &mut netrc).unwrap();
                    inside.retain(|(other, _)| *other != server);
                }
                Act::Renew(number) => {
                    let found = inside.iter_mut().find(|(other, _)| *other == server);
                    let former = found.as_ref().map_or(0, |(_, former)| *former);
                    ledger.renew_netrc(path, &owner, &mut netrc, &token(server, former), &token(server, number)).unwrap();
                    if let Some((_, former)) = found {
                        *former = number;
                    }
                }
            }
            let json = serde_json::to_string(&ledger).unwrap();
            ledger = serde_json::from_str(&json).unwrap();
            for of_host in 0..5 {
                let last = inside.iter().rfind(|(server, _)| server % 5 == of_host);
                let standing = ledger.netrc_standing(path, &netrc, host(of_host));
                match last {
                    Some(&(server, number)) => {
                        prop_assert_eq!(standing, Standing::Owned(name(server)));
                        prop_assert!(netrc.get(host(server)).unwrap().is("fh", &token(server, number)));
                    }
                    None => prop_assert!(!matches!(standing, Standing::Owned(_))),
                }
            }
        }
        for server in rest {
            ledger.take_back_netrc(path, &name(server), &mut netrc).unwrap();
        }
        prop_assert_eq!(netrc.as_bytes(), before.as_bytes());
        prop_assert!(ledger.owners().is_empty());
    }

    #[test]
    fn nix_conf_is_as_before_when_the_last_is_gone(
        before in nix_conf_files::file(true),
        included in nix_conf_files::file(false),
        acts in acts(),
        rest in Just((0..10_usize).collect::<Vec<_>>()).prop_shuffle(),
    ) {
        let path = Path::new(NIX_CONF);
        let mut load = |path: &Path| {
            let is_included = path.ends_with(nix_conf_files::INCLUDED);
            Ok(is_included.then(|| included.as_bytes().to_vec()))
        };
        let mut conf = NixConf::parse(before.as_bytes(), path, &mut load).unwrap();
        let original = conf.clone();
        let mut ledger = Ledger::default();
        for (server, act) in acts {
            let owner = name(server);
            match act {
                Act::In(number) => {
                    // Some servers share a cache, some caches are in the file already.
                    // Each login is of other ones, in another order.
                    let mut caches = [
                        "https://new.example", "https://x.example", "https://other.example/cache", "https://new.example/cache/b",
                    ];
                    caches.rotate_left((server + number) % 4);
                    let caches = &caches[..1 + (server + 3 * number) % 4];
                    ledger.set_if_unset(path, &owner, &mut conf, "netrc-file", "/new/netrc").unwrap();
                    let list = ["extra-substituters", "extra-trusted-substituters"][server % 2];
                    ledger.set_list(path, &owner, &mut conf, list, caches).unwrap();
                    for cache in caches {
                        prop_assert!(conf.list_contains(list, cache));
                    }
                    let again = ledger.clone().set_list(path, &owner, &mut conf.clone(), list, caches).unwrap();
                    prop_assert!(again.is_nothing());
                    // A server moves from key to key.
                    let keys = [0, 1].map(|next| format!("new-{}:KEY{}", number + next, server % 4));
                    ledger.add_to_list(path, &owner, &mut conf, "extra-trusted-public-keys", &keys).unwrap();
                    let retired: Vec<_> = (0..number).map(|old| format!("new-{old}:KEY{}", server % 4)).collect();
                    ledger.remove_public_keys(path, &mut conf, &retired).unwrap();
                    for key in &keys {
                        prop_assert!(conf.list_contains("trusted-public-keys", key));
                    }
                }
                // No line of nix.conf has a token.
                Act::Renew(_) => {}
                Act::Out => {
                    ledger.take_back_nix_conf(path, &owner, &mut conf).unwrap();
                }
            }
            let json = serde_json::to_string(&ledger).unwrap();
            ledger = serde_json::from_str(&json).unwrap();
        }
        for server in rest {
            ledger.take_back_nix_conf(path, &name(server), &mut conf).unwrap();
        }
        prop_assert_eq!(conf.as_bytes(), original.as_bytes());
        prop_assert!(ledger.owners().is_empty());
    }
}

/// The examples that the fuzz targets begin with.
fn seeds(kind: &str) -> Vec<Vec<u8>> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/seeds")
        .join(kind);
    let files = std::fs::read_dir(directory).unwrap();
    let texts: Vec<_> = files
        .map(|file| std::fs::read(file.unwrap().path()).unwrap())
        .collect();
    assert!(texts.len() > 5);
    texts
}

#[test]
fn the_seeds_are_accepted_and_given_back() {
    for text in seeds("netrc") {
        let path = Path::new(NETRC);
        let mut netrc = Netrc::parse(&text).unwrap();
        let mut ledger = Ledger::default();
        for server in [0, 3, 4, 5] {
            ledger
                .set_netrc_entry(
                    path,
                    &name(server),
                    &mut netrc,
                    host(server),
                    "fh",
                    &token(server, 0),
                )
                .unwrap();
            assert!(netrc.is_in_reach(host(server)));
        }
        for server in [3, 5, 4, 0] {
            ledger
                .take_back_netrc(path, &name(server), &mut netrc)
                .unwrap();
        }
        assert_eq!(netrc.as_bytes(), text);
    }
    for seed in seeds("nix_conf") {
        let path = Path::new(NIX_CONF);
        let mut parts = seed.splitn(2, |&byte| byte == 0xff);
        let (text, included) = (parts.next().unwrap(), parts.next());
        let mut load =
            |path: &Path| Ok(included.filter(|_| path.ends_with("i")).map(<[u8]>::to_vec));
        let mut conf = NixConf::parse(text, path, &mut load).unwrap();
        let mut ledger = Ledger::default();
        ledger
            .add_to_list(
                path,
                "one",
                &mut conf,
                "extra-substituters",
                &["https://new.example"],
            )
            .unwrap();
        assert!(conf.list_contains("substituters", "https://new.example"));
        ledger.take_back_nix_conf(path, "one", &mut conf).unwrap();
        assert_eq!(conf.as_bytes(), text);
    }
}
