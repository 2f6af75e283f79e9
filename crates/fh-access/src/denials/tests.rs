use std::iter;

use serde_json::json;

use super::*;

fn denial(address: &str) -> Denial {
    Denial {
        at: now(),
        action: "denied.user.list".to_owned(),
        actor: None,
        address: Some(address.parse().unwrap()),
        request_id: None,
        organization: None,
        project: None,
        subject: String::new(),
        detail: json!({}),
    }
}

#[test]
fn of_one_origin_so_many_a_minute_are_told_apart_and_the_rest_is_counted() {
    let mut noted = Noted::default();
    let start = Instant::now();
    for _ in 0..100 {
        noted.note(denial("192.0.2.1"), None, start);
        // Others are not silenced by it.
        noted.note(denial("2001:db8::1"), None, start);
    }
    noted.note(denial("198.51.100.1"), None, start);
    assert_eq!(noted.take(false, start).len(), 121);
    // Nothing new within the minute.
    noted.note(denial("192.0.2.1"), None, start + WINDOW / 2);
    assert!(noted.take(false, start + WINDOW / 2).is_empty());
    let later = noted.take(false, start + WINDOW);
    let mut counts: Vec<u64> = later
        .iter()
        .map(|event| {
            assert_eq!(event.action, MORE);
            event.detail["count"].as_u64().unwrap()
        })
        .collect();
    counts.sort_unstable();
    assert_eq!(counts, [40, 41]);
    noted.note(denial("192.0.2.1"), None, start + WINDOW);
    assert_eq!(noted.take(false, start + WINDOW).len(), 1);
}

#[test]
fn a_new_minute_of_an_origin_tells_of_the_one_before() {
    let mut noted = Noted::default();
    let start = Instant::now();
    for _ in 0..70 {
        noted.note(denial("192.0.2.1"), None, start);
    }
    noted.note(denial("192.0.2.1"), None, start + WINDOW);
    let events = noted.take(false, start + WINDOW);
    let told: Vec<_> = events[60..].iter().map(|event| &event.detail).collect();
    assert_eq!(
        told,
        [
            &json!({ "count": 10, "last": "denied.user.list" }),
            &json!({})
        ]
    );
}

#[test]
fn what_has_no_room_is_counted() {
    let mut noted = Noted::default();
    let start = Instant::now();
    let total = (ORIGINS + WAITING) as u32;
    for number in 0..total {
        let address = std::net::Ipv4Addr::from_bits(number).to_string();
        noted.note(denial(&address), None, start);
    }
    assert!(noted.windows.len() <= ORIGINS);
    let events = noted.take(true, start);
    assert!(events.len() <= WAITING + 1);
    let lost = events.last().unwrap().detail["count"].as_u64().unwrap();
    assert_eq!(events.len() as u64 - 1 + lost, u64::from(total));
    // And what could not be written is not lost.
    noted.put_back(&events[..10]);
    assert_eq!(noted.take(true, start).len(), 10);
}

/// Somebody shows nonsense from so many networks that there is no room for more, and somebody else is refused then.
#[test]
fn many_addresses_keep_nobody_with_an_account_out() {
    let mut noted = Noted::default();
    let start = Instant::now();
    let with_account = |account_id| {
        let (denial, place) = in_organization("acme");
        let actor = Actor {
            account_id,
            user: format!("user-{account_id}"),
            token_uuid: None,
            workload: None,
            acting: None,
            address: None,
            request_id: None,
        };
        let actor = Some(actor);
        (Denial { actor, ..denial }, place)
    };
    for number in 0..2 * ORIGINS as u32 {
        let network = u128::from(number) << 64 | 0x2001 << 112;
        let address = std::net::Ipv6Addr::from_bits(network).to_string();
        noted.note(denial(&address), None, start);
        if number == 100 {
            let (early, place) = with_account(1);
            noted.note(early, place, start);
        }
        if number % 1000 == 0 {
            // As the task does each second.
            noted.take(false, start);
        }
    }
    noted.take(false, start);
    for account in [1, 2] {
        let (late, place) = with_account(account);
        noted.note(late, place, start);
    }
    let told = noted.take(false, start);
    let of_acme = told
        .iter()
        .filter(|event| event.organization.as_deref() == Some("acme"));
    assert_eq!(of_acme.count(), 2);
    assert!(noted.windows.len() <= ORIGINS);
}

fn in_organization(name: &str) -> (Denial, Option<String>) {
    let denial = Denial {
        organization: Some(name.to_owned()),
        ..denial("192.0.2.1")
    };
    (denial, Some(name.to_owned()))
}

/// The organisations of the events that stand for many, and how many each stands for.
fn counts(events: &[Denial]) -> Vec<(Option<&str>, u64)> {
    let many = events.iter().filter(|event| event.action == MORE);
    many.map(|event| {
        let count = event.detail["count"].as_u64().unwrap();
        (event.organization.as_deref(), count)
    })
    .collect()
}

#[test]
fn what_is_refused_in_one_organisation_is_not_hidden_by_what_is_refused_elsewhere() {
    let mut noted = Noted::default();
    let start = Instant::now();
    for _ in 0..100 {
        noted.note(denial("192.0.2.1"), None, start);
        // What an address names that is no organisation is one place, as there is no end of such names.
        let (nowhere, _) = in_organization("nowhere");
        noted.note(nowhere, None, start);
        let (other, place) = in_organization("other");
        noted.note(other, place, start);
    }
    for _ in 0..4 {
        let (acme, place) = in_organization("acme");
        noted.note(acme, place, start);
    }
    let events = noted.take(false, start);
    assert_eq!(events.len(), 60 + 60 + 4);
    let of_acme = events
        .iter()
        .filter(|event| event.organization.as_deref() == Some("acme"));
    assert_eq!(of_acme.count(), 4);
    let later = noted.take(false, start + WINDOW);
    assert_eq!(counts(&later), [(None, 140), (Some("other"), 40)]);
    assert_eq!(noted.places, 0);
}

#[test]
fn who_goes_through_all_organisations_is_counted_in_each_with_bounded_memory() {
    let mut noted = Noted::default();
    let start = Instant::now();
    for _ in 0..A_WINDOW {
        for number in 0..20 {
            let (denial, place) = in_organization(&format!("org{number}"));
            noted.note(denial, place, start);
        }
    }
    assert_eq!(noted.take(false, start).len(), IN_ALL as usize);
    let later = noted.take(true, start);
    let told = counts(&later);
    assert_eq!(told.len(), 20);
    let total: u64 = told.iter().map(|(_, count)| count).sum();
    assert_eq!(total, u64::from(20 * A_WINDOW - IN_ALL));

    // However many organisations there are, and from however many addresses: none is forgotten.
    let neighbourhoods = (0..40).map(|number| format!("2001:db8:{number}::1"));
    let addresses = iter::once("192.0.2.1".to_owned()).chain(neighbourhoods);
    let mut events = Vec::new();
    let organizations = 2 * PLACES_OF_ONE;
    let mut noted_ones = 0;
    for address in addresses {
        for number in 0..organizations {
            let (of_address, place) = in_organization(&format!("org{number}"));
            let address = address.parse().ok();
            noted.note(
                Denial {
                    address,
                    ..of_address
                },
                place,
                start,
            );
            noted_ones += 1;
            assert!(noted.places <= PLACES);
        }
        events.extend(noted.take(false, start));
    }
    events.extend(noted.take(true, start));
    assert_eq!((noted.places, noted.windows.len()), (0, 0));
    let mut of_organizations: HashMap<_, u64> = HashMap::new();
    for event in &events {
        let count = event.detail["count"].as_u64().unwrap_or(1);
        *of_organizations
            .entry(event.organization.clone())
            .or_default() += count;
    }
    assert_eq!(of_organizations.len(), organizations);
    assert_eq!(of_organizations.values().sum::<u64>(), noted_ones);
}
