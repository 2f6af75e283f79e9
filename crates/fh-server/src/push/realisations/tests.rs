//! Whose word on an output a slice has after a push.

use fh_nix::{SecretKey, Signature, StoreDir};

use super::*;

fn realisation(path: &str, signatures: &[&Signature]) -> Realisation {
    Realisation {
        id: format!("{}-x.drv^out", "1".repeat(32)).parse().unwrap(),
        out_path: format!("{}-{path}", "0".repeat(32)).parse().unwrap(),
        signatures: signatures.iter().copied().cloned().collect(),
    }
}

#[test]
fn a_word_stays_is_signed_or_gives_way_by_what_counts_for_more() {
    let sign = |name: &str| SecretKey::from_seed(name, [1; 32]).unwrap().sign(b"");
    let (held, brought) = (sign("held"), sign("brought"));
    let (same, signed) = (realisation("x", &[]), realisation("x", &[&brought]));
    let other = realisation("y", &[]);
    // Who has said `x`, whether a builder pushes, what is pushed, and what is written with which signatures.
    for (there, builder, pushed, written, kept) in [
        (None, false, &same, Some((Write::Put, vec![])), 0),
        (Some(false), false, &same, None, 0),
        (
            Some(false),
            false,
            &signed,
            Some((Write::Sign, vec![&held, &brought])),
            0,
        ),
        (Some(false), true, &same, Some((Write::Put, vec![&held])), 0),
        (
            Some(false),
            true,
            &signed,
            Some((Write::Put, vec![&brought, &held])),
            0,
        ),
        (Some(true), false, &signed, None, 0),
        (Some(true), true, &same, None, 0),
        (Some(false), false, &other, None, 1),
        (Some(true), true, &other, None, 1),
        (Some(false), true, &other, Some((Write::Put, vec![])), 0),
    ] {
        let word = |builder| Word {
            flake_id: 1,
            row_id: 2,
            realisation: realisation("x", &[&held]),
            pusher_id: Some(3),
            builder,
            held: true,
        };
        let writer = Writer {
            flake_id: 1,
            flake: "acme/app".to_owned(),
            account_id: 7,
            builder,
            store_dir: StoreDir::default(),
        };
        let facts = Facts {
            known: HashSet::from([pushed.out_path.clone()]),
            words: there
                .map(|builder| (pushed.id.clone(), word(builder)))
                .into_iter()
                .collect(),
        };
        let wanted = [pushed.clone()];
        let what = format!("{there:?} {builder} {pushed:?}");
        let decision = decide(&writer, &Signed::default(), &wanted, &facts);
        let found = decision.writes.first();
        let found = found.map(|(word, how)| (*how, word.signatures.iter().collect()));
        assert_eq!(found, written, "{what}");
        assert_eq!(decision.clashes.len(), kept, "{what}");
        // Of a path that the slice neither holds nor has left out nothing is said.
        let facts = Facts {
            known: HashSet::new(),
            ..facts
        };
        let decision = decide(&writer, &Signed::default(), &wanted, &facts);
        assert_eq!(decision, Decision::default(), "{what}");
    }
}
