//! What holds for every file and every edit.

use std::path::Path;

use fh_conf::nix_conf::{NixConf, SetIfUnset};
use proptest::prelude::*;

use super::files::{INCLUDED, file};

const NAMES: [&str; 6] = [
    "substituters",
    "trusted-substituters",
    "trusted-public-keys",
    "cores",
    "netrc-file",
    "max-jobs",
];

fn parse(text: &[u8], included: &str) -> Result<NixConf, fh_conf::Error> {
    NixConf::parse(text, Path::new("/etc/nix/nix.conf"), &mut |path| {
        Ok(path
            .ends_with(INCLUDED)
            .then(|| included.as_bytes().to_vec()))
    })
}

fn settings(conf: &NixConf) -> Vec<Option<String>> {
    NAMES.iter().map(|name| conf.effective(name)).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_bytes_make_it_panic(
        text in file(true),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
    ) {
        let mut bytes = text.into_bytes();
        for (place, byte) in changes {
            if !bytes.is_empty() {
                *place.get_mut(&mut bytes) = byte;
            }
        }
        let Ok(mut conf) = parse(&bytes, "cores = 1") else { return Ok(()) };
        let set = conf.set_if_unset("never-set", "/n").unwrap();
        prop_assert_eq!(set, SetIfUnset::Set);
        prop_assert!(conf.unset("never-set", "/n").unwrap());
        prop_assert_eq!(conf.as_bytes(), bytes);
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..120)) {
        let _ = parse(&bytes, "");
    }

    #[test]
    fn an_added_value_counts_and_is_taken_back_exactly(before in file(true), included in file(false)) {
        let original = parse(before.as_bytes(), &included).unwrap();
        let mut conf = original.clone();
        let added = conf.add_to_list("extra-substituters", &["https://new.example"]).unwrap();
        prop_assert_eq!(added, ["https://new.example"]);
        let mut expected = original.effective_list("substituters");
        expected.push("https://new.example".to_owned());
        prop_assert!(conf.list_contains("substituters", "https://new.example/"));
        let mut actual = conf.effective_list("substituters");
        expected.sort();
        actual.sort();
        prop_assert_eq!(actual, expected, "nothing else comes or goes");
        prop_assert_eq!(&settings(&conf)[1..], &settings(&original)[1..]);
        // The very text says so as well, not only what is remembered of it.
        prop_assert_eq!(settings(&parse(conf.as_bytes(), &included).unwrap()), settings(&conf));
        let edited = conf.to_bytes();
        prop_assert!(conf.add_to_list("extra-substituters", &["https://new.example"]).unwrap().is_empty());
        prop_assert_eq!(conf.as_bytes(), edited);
        conf.remove_from_list("extra-substituters", &["https://new.example"]).unwrap();
        prop_assert_eq!(conf.as_bytes(), before.as_bytes());
    }

    #[test]
    fn a_whole_login_comes_and_goes_in_any_order(
        before in file(true),
        included in file(false),
        order in Just([0, 1, 2]).prop_shuffle(),
    ) {
        let mut conf = parse(before.as_bytes(), &included).unwrap();
        let set = conf.set_if_unset("netrc-file", "/new/netrc").unwrap();
        conf.add_to_list("extra-substituters", &["https://new.example"]).unwrap();
        conf.add_to_list("extra-trusted-public-keys", &["new-1:NEW1", "new-2:NEW2"]).unwrap();
        for step in order {
            match step {
                0 if set == SetIfUnset::Set => prop_assert!(conf.unset("netrc-file", "/new/netrc").unwrap()),
                0 => {}
                1 => prop_assert_eq!(conf.remove_from_list("extra-substituters", &["https://new.example/"]).unwrap().len(), 1),
                _ => prop_assert_eq!(conf.remove_from_list("extra-trusted-public-keys", &["new-2:NEW2", "new-1:NEW1"]).unwrap().len(), 2),
            }
        }
        prop_assert_eq!(conf.as_bytes(), before.as_bytes());
    }

    #[test]
    fn removing_leaves_everything_else(before in file(true), included in file(false)) {
        let original = parse(before.as_bytes(), &included).unwrap();
        let mut conf = original.clone();
        conf.remove_from_list("extra-substituters", &["https://x.example"]).unwrap();
        prop_assert_eq!(&settings(&conf)[1..], &settings(&original)[1..]);
        let without = |conf: &NixConf| {
            let mut words = conf.effective_list("substituters");
            words.retain(|word| word.trim_end_matches('/') != "https://x.example");
            words
        };
        prop_assert_eq!(without(&conf), without(&original));
    }
}
