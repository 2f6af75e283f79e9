use std::net::Ipv6Addr;
use std::sync::atomic::AtomicU64;

use futures_util::FutureExt as _;

use super::*;

const SECOND: Duration = Duration::from_secs(1);

fn limits() -> Limits {
    fh_settings::ephemeral(std::path::Path::new("/data"))
        .unwrap()
        .limits
}

#[test]
fn a_bucket_gives_what_it_holds_and_then_as_fast_as_it_fills() {
    let rate = Rate::new(10, SECOND, 20);
    let bucket = AtomicU64::new(0);
    let mut now = SECOND * 1000;
    let mut taken = 0;
    while rate.take(&bucket, now).is_ok() {
        taken += 1;
    }
    assert_eq!(taken, 20);
    assert_eq!(rate.take(&bucket, now), Err(SECOND / 10));
    now += SECOND / 10;
    assert_eq!(rate.take(&bucket, now), Ok(()));
    assert!(rate.take(&bucket, now).is_err());
    // However long nobody comes, it holds no more.
    now += SECOND * 3600;
    let taken = (0..100).filter(|_| rate.take(&bucket, now).is_ok()).count();
    assert_eq!(taken, 20);
}

#[test]
fn origins_do_not_empty_the_buckets_of_others() {
    let mut limits = limits();
    limits.request_rate = 5;
    let limiter = Limiter::new(&limits);
    let busy = Origin::Account(1);
    let passed = (0..1000).filter(|_| limiter.request(busy).is_ok()).count();
    assert!((10..50).contains(&passed), "{passed}");
    for id in 2..500 {
        assert!(limiter.request(Origin::Account(id)).is_ok(), "{id}");
    }
    for origin in [
        Origin::Workload(1, "a"),
        Origin::Workload(1, "b"),
        Origin::Address(None),
        Origin::Address(Some("192.0.2.1".parse().unwrap())),
    ] {
        assert!(limiter.request(origin).is_ok(), "{origin:?}");
    }
}

#[test]
fn identities_of_one_address_leave_others_their_turn_to_be_examined() {
    let limiter = Limiter::new(&limits());
    let examined = |address: &str| {
        let address = Some(address.parse().unwrap());
        let examination = limiter.examination(Source { address });
        examination.now_or_never().flatten()
    };
    let mut held = Vec::new();
    let mut all_of = |addresses: [&str; 2]| {
        let before = held.len();
        held.extend((0..100).map_while(|number| examined(addresses[number % 2])));
        held.len() - before
    };
    // Of IPv6 the first half is one address.
    assert_eq!(all_of(["192.0.2.1"; 2]), 8);
    assert_eq!(all_of(["2001:db8::1", "2001:db8::ffff:0:0:2"]), 4);
    assert!(examined("192.0.2.2").is_some());
}

#[test]
fn so_many_addresses_as_there_are_take_no_more_memory() {
    let limiter = Limiter::new(&limits());
    for number in 0..ADDRESSES * 3 {
        let address = Ipv6Addr::from_bits(u128::from(number) << 64).into();
        let source = Source {
            address: Some(address),
        };
        limiter.login_failed(source).unwrap();
    }
    let failures = limiter.failures.as_ref().unwrap();
    failures.buckets.run_pending_tasks();
    assert!(failures.buckets.entry_count() <= ADDRESSES);
}
