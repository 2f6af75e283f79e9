//! What holds for every file and every edit.

use fh_conf::netrc::{Change, Netrc, check};
use proptest::prelude::*;

use super::files::file;

/// How much of the beginning and of the end two texts share.
fn shared(left: &[u8], right: &[u8]) -> usize {
    let front = left
        .iter()
        .zip(right)
        .take_while(|(left, right)| left == right)
        .count();
    let rest = left.len().min(right.len()) - front;
    let pairs = left.iter().rev().zip(right.iter().rev()).take(rest);
    front + pairs.take_while(|(left, right)| left == right).count()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(mut netrc) = Netrc::parse(&bytes) {
            let _ = netrc.set("h", "l", "p");
            let _ = netrc.put_back("h", None);
        }
    }

    #[test]
    fn no_change_of_a_byte_makes_it_panic(
        text in file(true),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..5),
    ) {
        let mut bytes = text.into_bytes();
        for (place, byte) in changes {
            if !bytes.is_empty() {
                *place.get_mut(&mut bytes) = byte;
            }
        }
        let Ok(mut netrc) = Netrc::parse(&bytes) else { return Ok(()) };
        let known = netrc.hosts().iter().any(|host| host.eq_ignore_ascii_case("new.example"));
        if matches!(netrc.set("new.example", "l", "p"), Ok(Change::Added)) && !known {
            prop_assert!(netrc.put_back("new.example", None).unwrap());
            prop_assert_eq!(netrc.as_bytes(), bytes);
        }
    }

    #[test]
    fn an_added_host_is_found_and_taken_back_exactly(before in file(true)) {
        let Ok(mut netrc) = Netrc::parse(before.as_bytes()) else { return Ok(()) };
        let original = netrc.clone();
        prop_assert_eq!(netrc.set("new.example", "fh", "secret").unwrap(), Change::Added);
        prop_assert!(netrc.get("new.example").unwrap().is("fh", "secret"));
        prop_assert_eq!(shared(before.as_bytes(), netrc.as_bytes()), before.len(), "no byte is lost");
        for host in original.hosts() {
            prop_assert_eq!(netrc.get(&host), original.get(&host));
        }
        prop_assert!(netrc.put_back("new.example", None).unwrap());
        prop_assert_eq!(netrc.as_bytes(), before.as_bytes());
    }

    #[test]
    fn several_hosts_come_and_go_in_any_order(before in file(true), order in Just([0, 1, 2, 3]).prop_shuffle()) {
        let Ok(mut netrc) = Netrc::parse(before.as_bytes()) else { return Ok(()) };
        let host = |number: usize| format!("new{number}.example");
        for number in 0..4 {
            netrc.set(&host(number), "fh", &format!("secret{number}")).unwrap();
        }
        for number in order {
            let found = netrc.get(&host(number)).unwrap().is("fh", &format!("secret{number}"));
            prop_assert!(found);
            prop_assert!(netrc.put_back(&host(number), None).unwrap());
        }
        prop_assert_eq!(netrc.as_bytes(), before.as_bytes());
    }

    #[test]
    fn a_changed_entry_leaves_the_others(before in file(true), choice in any::<prop::sample::Index>()) {
        let Ok(mut netrc) = Netrc::parse(before.as_bytes()) else { return Ok(()) };
        let hosts = netrc.hosts();
        if hosts.is_empty() {
            return Ok(());
        }
        let host = choice.get(&hosts).clone();
        if check(&host, "fh", "secret").is_err() {
            return Ok(());
        }
        let others = hosts.iter().filter(|other| !other.eq_ignore_ascii_case(&host));
        let others: Vec<_> = others.map(|other| (other, netrc.get(other))).collect();
        netrc.set(&host, "fh", "secret").unwrap();
        prop_assert!(netrc.get(&host).unwrap().is("fh", "secret"));
        let edited = netrc.to_bytes();
        prop_assert_eq!(netrc.set(&host, "fh", "secret").unwrap(), Change::Unchanged);
        prop_assert_eq!(netrc.as_bytes(), edited);
        for (other, old) in &others {
            prop_assert_eq!(&netrc.get(other), old);
        }
        while netrc.put_back(&host, None).unwrap() {}
        prop_assert_eq!(netrc.get(&host), None);
        for (other, old) in &others {
            prop_assert_eq!(&netrc.get(other), old);
        }
    }
}
