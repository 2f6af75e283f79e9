//! Which rows a push writes, by what its slice has and by who pushes.

use fh_nix::{SecretKey, StoreDir};
use fh_persistence::database::nars::Nar;

use super::super::available::Usable;
use super::*;

fn writer(builder: bool) -> Writer {
    Writer {
        flake_id: 1,
        flake: "acme/app".to_owned(),
        account_id: 7,
        builder,
        store_dir: StoreDir::default(),
    }
}

/// The path `x` with some content, whose bytes are its size.
fn info(content: &str) -> PathInfo {
    PathInfo {
        path: format!("{}-x", "0".repeat(32)).parse().unwrap(),
        nar_hash: NarHash::of(content.as_bytes()),
        nar_size: content.len() as u64,
        references: std::collections::BTreeSet::new(),
        deriver: None,
        signatures: Vec::new(),
        ca: None,
    }
}

/// A person's row of the path.
fn row(content: &str) -> Present {
    let info = info(content);
    Present {
        name: "x".to_owned(),
        nar_hash: info.nar_hash,
        nar_size: info.nar_size,
        damaged: false,
        nar_id: 3,
        references: String::new(),
        builder: false,
        proven: false,
        pusher_id: Some(8),
        signatures: String::new(),
    }
}

/// A NAR that was received for the push.
fn nar(content: &str) -> Usable {
    Usable {
        nar: Nar {
            id: 4,
            nar_hash: NarHash::of(content.as_bytes()),
            nar_size: content.len() as u64,
            file_size: 2,
            checksum: None,
            damaged: false,
            contested: false,
        },
        readable: false,
        received: true,
    }
}

/// Decides about one path, where the slice has this row and this NAR can be used.
fn decided<'a>(
    builder: bool,
    pushed: &'a PathInfo,
    row: Option<&'a Present>,
    usable: Option<Usable>,
) -> Result<Decision<'a>, String> {
    let writer = writer(builder);
    let signed = Signed::default();
    let merged = row.map(|row| PathInfo {
        nar_hash: row.nar_hash,
        nar_size: row.nar_size,
        deriver: Some(format!("{}-x.drv", "1".repeat(32)).parse().unwrap()),
        signatures: row.parsed_signatures(),
        ..info("")
    });
    let facts = Facts {
        fates: vec![(pushed, Fate::of(&writer, &signed, pushed, row))],
        merged: merged
            .map(|row| (pushed.path.hash(), row))
            .into_iter()
            .collect(),
        available: Available {
            nars: usable
                .map(|usable| (pushed.nar_hash, usable))
                .into_iter()
                .collect(),
        },
    };
    decide(&writer, &signed, facts).map_err(|error| error.to_string())
}

#[test]
fn a_row_stays_is_merged_or_gives_way_by_what_counts_for_more() {
    let built = |content| Present {
        builder: true,
        ..row(content)
    };
    let lost = |content| Present {
        damaged: true,
        ..row(content)
    };
    let proven = |content| Present {
        proven: true,
        ..row(content)
    };
    const BUILDER: bool = true;
    const PERSON: bool = false;
    // Whether a NAR is there, then the row that is written, whether its content is added, and whether a clash is noted.
    for (what, who, there, has_nar, written, added, clash) in [
        (
            "nothing is there",
            PERSON,
            None,
            true,
            Some(How::Add),
            true,
            false,
        ),
        ("the same", PERSON, Some(row("a")), true, None, false, false),
        (
            "the same of a builder",
            PERSON,
            Some(built("a")),
            true,
            None,
            false,
            false,
        ),
        (
            "the same, built",
            BUILDER,
            Some(row("a")),
            false,
            Some(How::Replace),
            false,
            false,
        ),
        (
            "the same, built twice",
            BUILDER,
            Some(built("a")),
            false,
            None,
            false,
            false,
        ),
        (
            "another content",
            PERSON,
            Some(row("bb")),
            true,
            None,
            false,
            true,
        ),
        (
            "of a builder",
            PERSON,
            Some(built("bb")),
            true,
            None,
            false,
            true,
        ),
        (
            "of another builder",
            BUILDER,
            Some(built("bb")),
            true,
            None,
            false,
            true,
        ),
        (
            "that is proven",
            BUILDER,
            Some(proven("bb")),
            true,
            None,
            false,
            true,
        ),
        (
            "of a person",
            BUILDER,
            Some(row("bb")),
            true,
            Some(How::Replace),
            true,
            false,
        ),
        (
            "lost",
            PERSON,
            Some(lost("a")),
            true,
            Some(How::Replace),
            true,
            false,
        ),
        (
            "another one lost",
            PERSON,
            Some(lost("bb")),
            true,
            Some(How::Replace),
            true,
            false,
        ),
    ] {
        let pushed = info("a");
        let usable = has_nar.then(|| nar("a"));
        let decision = decided(who, &pushed, there.as_ref(), usable).expect(what);
        let change = decision.changes.first();
        assert_eq!(change.map(|change| change.how), written, "{what}");
        assert_eq!(decision.summary.added, u64::from(added), "{what}");
        assert_eq!(decision.nars.len(), usize::from(added), "{what}");
        assert_eq!(decision.clashes.len(), usize::from(clash), "{what}");
        assert!(decision.clashes.iter().all(|clash| clash.kept), "{what}");
        let grows = if !added {
            0
        } else {
            1 - there.as_ref().map_or(0, |lost| nars::signed(lost.nar_size))
        };
        assert_eq!(decision.growth, grows, "{what}");
        assert_eq!(decision.new_paths, u64::from(there.is_none()), "{what}");
        if let Some(change) = change {
            assert_eq!(change.nar_id, if added { 4 } else { 3 }, "{what}");
            assert_eq!(change.origin, writer(who).origin(false), "{what}");
        }
    }
}

#[test]
fn what_is_merged_keeps_what_is_there_and_gets_signatures() {
    let sign = |name: &str| SecretKey::from_seed(name, [1; 32]).unwrap().sign(b"");
    let (held, brought) = (sign("held"), sign("brought"));
    let there = Present {
        signatures: held.to_string(),
        ..row("a")
    };
    let pushed = PathInfo {
        signatures: vec![brought.clone()],
        ..info("a")
    };
    for (builder, how, signatures) in [
        (false, How::Update, [&held, &brought]),
        (true, How::Replace, [&brought, &held]),
    ] {
        let decision = decided(builder, &pushed, Some(&there), None).unwrap();
        let [change] = &decision.changes[..] else {
            panic!("{decision:?}");
        };
        assert_eq!(change.how, how);
        assert!(change.info.signatures.iter().eq(signatures));
        assert!(change.info.deriver.is_some());
    }
    // Nothing of a person is added to what a builder has pushed.
    let there = Present {
        builder: true,
        ..there
    };
    let decision = decided(false, &pushed, Some(&there), None).unwrap();
    assert_eq!(decision.changes, []);
}

#[test]
fn nothing_is_committed_whose_content_is_missing_or_has_another_size() {
    let pushed = info("a");
    let lost = Present {
        damaged: true,
        ..row("a")
    };
    for there in [None, Some(&lost)] {
        let refusal = decided(false, &pushed, there, None).unwrap_err();
        assert_eq!(
            refusal,
            format!(
                "1 of the push's paths have no content yet; upload it or plan the push again: {}",
                pushed.path
            )
        );
    }
    let mut larger = nar("a");
    larger.nar.nar_size = 5;
    let refusal = decided(false, &pushed, None, Some(larger)).unwrap_err();
    assert!(refusal.contains("has 5 bytes, not 1"), "{refusal}");
    let names = ["a", "b", "c", "d", "e", "f", "g"].map(str::to_owned);
    assert_eq!(shortened(&names), "a, b, c, d, e and 2 more");
    assert_eq!(shortened(&names[..2]), "a, b");
}
