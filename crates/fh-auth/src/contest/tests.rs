use std::collections::HashSet;

use proptest::prelude::*;

use super::*;

/// A row of slice `flake` of organisation 1, pushed by the account of the same number as `pusher`.
fn row(flake: i64, content: u32, pusher: i64, age: i64) -> Claim {
    Claim {
        standing: Standing::Own,
        organization: 1,
        flake,
        content,
        held: true,
        proven: false,
        signed: false,
        builder: false,
        pusher: Some(pusher),
        age: (age, 0),
    }
}

/// Which content it comes to. Nobody else's rights are asked for than those that have to be known.
#[track_caller]
fn settle(claims: &[Claim], may_write: impl Fn(i64, i64) -> bool) -> Settled {
    let persons = disagreeing_persons(claims);
    let may_write = |person, flake| {
        assert!(persons.contains(&person), "{person}: {claims:?}");
        may_write(person, flake)
    };
    settle_and_silence(claims, may_write).0
}

fn nobody(_: i64, _: i64) -> bool {
    false
}

/// Each writes to the slice of their own number alone.
fn own(pusher: i64, flake: i64) -> bool {
    pusher == flake
}

#[test]
fn the_order_is_proof_standing_signature_builder_and_then_persons() {
    use Settled::{Ambiguous, Content, Nothing};
    let standing = |standing, claim| Claim { standing, ..claim };
    let (accepted, followed) = (Standing::Accepted, Standing::Followed);
    let proven = |claim| Claim {
        proven: true,
        ..claim
    };
    let signed = |claim| Claim {
        signed: true,
        ..claim
    };
    let builder = |claim| Claim {
        builder: true,
        ..claim
    };
    let of = |organization, claim| Claim {
        organization,
        ..claim
    };
    let (a, b, c) = (row(1, 1, 1, 1), row(2, 2, 2, 2), row(3, 3, 3, 3));
    for (what, claims, settled) in [
        ("nothing", vec![], Nothing),
        ("agreement", vec![a, row(2, 1, 2, 2)], Content(1)),
        ("persons", vec![a, b], Ambiguous),
        ("the nearer", vec![standing(accepted, a), b], Content(2)),
        (
            "a proof beats the nearer",
            vec![proven(standing(followed(3), a)), b],
            Content(1),
        ),
        (
            "a signature beats a builder",
            vec![builder(a), signed(b)],
            Content(2),
        ),
        (
            "a signature does not beat the nearer",
            vec![signed(standing(accepted, a)), b],
            Content(2),
        ),
        ("a builder beats a person", vec![a, builder(b)], Content(2)),
        (
            "the oldest builder",
            vec![builder(c), builder(b), a],
            Content(2),
        ),
        (
            "two own organisations",
            vec![builder(a), of(2, b)],
            Ambiguous,
        ),
        (
            "two that agree",
            vec![a, of(2, row(2, 1, 2, 2)), standing(accepted, c)],
            Content(1),
        ),
        (
            "two accepted",
            vec![standing(accepted, a), standing(accepted, of(2, b))],
            Ambiguous,
        ),
        (
            "an ambiguous one spoils both",
            vec![a, b, of(2, row(4, 1, 4, 4))],
            Ambiguous,
        ),
        (
            "the earlier follow",
            vec![standing(followed(1), a), standing(followed(0), b)],
            Content(2),
        ),
        (
            "a follow is not ambiguous",
            vec![standing(followed(0), a), standing(followed(0), b)],
            Content(1),
        ),
        (
            "but what is nearer still is",
            vec![a, b, standing(followed(0), c)],
            Ambiguous,
        ),
        (
            "named",
            vec![standing(Standing::Named, a), standing(Standing::Named, b)],
            Ambiguous,
        ),
    ] {
        assert_eq!(settle(&claims, own), settled, "{what}");
        let reversed: Vec<Claim> = claims.iter().rev().copied().collect();
        assert_eq!(settle(&reversed, own), settled, "{what}, reversed");
    }
}

#[test]
fn between_persons_who_may_write_the_others_slice_decides() {
    let (a, b, c) = (row(1, 1, 1, 1), row(2, 2, 2, 2), row(3, 3, 3, 3));
    let everywhere = |pusher: i64| move |who: i64, flake: i64| who == pusher || who == flake;
    assert_eq!(
        settle(&[a, b], |_, _| true),
        Settled::Content(1),
        "the older"
    );
    assert_eq!(settle(&[a, b], everywhere(2)), Settled::Content(2));
    assert_eq!(settle(&[a, b, c], everywhere(3)), Settled::Content(3));
    assert_eq!(settle(&[a, b, c], everywhere(4)), Settled::Ambiguous);
    // 1 and 2 may write each other's, 2 may write 3's too, 3 its own alone: the third takes the victory from
    // the first and does not hand it to the second.
    let may = |who: i64, flake: i64| who <= 2 && flake <= 2 || (who, flake) == (2, 3);
    assert_eq!(settle(&[a, b], may), Settled::Content(1));
    assert_eq!(settle(&[a, b, c], may), Settled::Ambiguous);
    // In a follow it is the oldest that nobody beats.
    let followed = |claim| Claim {
        standing: Standing::Followed(0),
        ..claim
    };
    let follow = [followed(a), followed(b)];
    assert_eq!(settle(&follow, everywhere(2)), Settled::Content(2));
    assert_eq!(settle(&follow, own), Settled::Content(1));
    // Where each is beaten by another one, nobody there has a say, and what is followed later is served.
    let circle =
        |who: i64, flake: i64| who == flake || matches!((who, flake), (1, 2) | (2, 3) | (3, 1));
    let later = Claim {
        organization: 2,
        standing: Standing::Followed(1),
        ..row(4, 4, 4, 4)
    };
    let claims = [followed(a), followed(b), followed(c), later];
    assert_eq!(settle(&claims, circle), Settled::Content(4));
    // Of two of one age none is the older.
    let twin = Claim { age: a.age, ..b };
    assert_eq!(settle(&[a, twin], |_, _| true), Settled::Ambiguous);
    let unknown = Claim { pusher: None, ..a };
    assert_eq!(settle(&[unknown, b], |_, _| true), Settled::Content(2));
    assert_eq!(settle(&[a, b], nobody), Settled::Ambiguous);
}

#[test]
fn of_one_content_the_row_of_the_highest_word_is_served() {
    let followed = |place, claim| Claim {
        standing: Standing::Followed(place),
        ..claim
    };
    let builder = |claim| Claim {
        builder: true,
        ..claim
    };
    let signed = |claim| Claim {
        signed: true,
        ..claim
    };
    let proven = |claim| Claim {
        proven: true,
        ..claim
    };
    let (old, new) = (row(1, 1, 1, 1), row(2, 1, 2, 2));
    for (what, served, other) in [
        ("the older", old, new),
        ("a builder's", builder(new), old),
        ("the oldest builder's", builder(old), builder(new)),
        ("a signed one", signed(new), builder(old)),
        ("the nearer", new, followed(0, old)),
        (
            "the nearer, whoever knows its address",
            new,
            followed(0, proven(old)),
        ),
        (
            "the nearer, whoever built it",
            new,
            followed(0, signed(builder(old))),
        ),
        ("the earlier follow", followed(0, new), followed(1, old)),
        ("the older, whoever knows its address", old, proven(new)),
        ("a builder's without", builder(new), proven(old)),
    ] {
        assert!(served.place() < other.place(), "{what}");
    }
}

#[test]
fn a_content_that_is_not_there_takes_away_what_only_the_own_may() {
    use Settled::{Ambiguous, Content};
    let standing = |standing, claim| Claim { standing, ..claim };
    let left_out = |claim| Claim {
        held: false,
        ..claim
    };
    let builder = |claim| Claim {
        builder: true,
        ..claim
    };
    let of = |organization, claim| Claim {
        organization,
        ..claim
    };
    let (accepted, followed) = (Standing::Accepted, Standing::Followed);
    let (a, b, c) = (row(1, 1, 1, 1), of(2, row(2, 2, 2, 2)), row(3, 3, 3, 3));
    for (what, claims, settled) in [
        (
            "of an own organisation it is this or nothing",
            vec![left_out(a), standing(followed(0), b)],
            Content(1),
        ),
        (
            "so it is where it is named",
            vec![
                left_out(builder(standing(Standing::Named, a))),
                standing(Standing::Named, c),
            ],
            Content(1),
        ),
        ("two own organisations", vec![left_out(a), b], Ambiguous),
        (
            "where nobody says anything else, it is that",
            vec![standing(followed(0), left_out(a))],
            Content(1),
        ),
        (
            "an accepted organisation of two minds that has neither",
            vec![
                standing(accepted, left_out(a)),
                standing(accepted, left_out(c)),
                standing(followed(1), b),
            ],
            Content(2),
        ),
        (
            "an own one of two minds that has neither",
            vec![left_out(a), left_out(c), standing(followed(1), b)],
            Ambiguous,
        ),
        (
            "an earlier follow",
            vec![standing(followed(0), left_out(a)), standing(followed(1), b)],
            Content(2),
        ),
        (
            "an accepted organisation, and what is followed",
            vec![standing(accepted, left_out(a)), standing(followed(1), b)],
            Content(2),
        ),
        (
            "two accepted organisations",
            vec![standing(accepted, left_out(a)), standing(accepted, b)],
            Content(2),
        ),
        (
            "among its own slices it counts",
            vec![
                standing(followed(0), left_out(builder(a))),
                standing(followed(0), c),
                standing(followed(1), b),
            ],
            Content(2),
        ),
        (
            "and for those that are followed later",
            vec![
                standing(followed(0), left_out(builder(a))),
                standing(followed(1), c),
            ],
            Ambiguous,
        ),
        (
            "what is there of it is served",
            vec![
                standing(followed(0), left_out(builder(a))),
                standing(followed(0), row(4, 1, 4, 4)),
                standing(followed(1), b),
            ],
            Content(1),
        ),
        (
            "nobody of the same organisation serves another in its place",
            vec![
                standing(accepted, left_out(builder(a))),
                standing(accepted, c),
            ],
            Ambiguous,
        ),
        (
            "what it rules out, a follow still serves",
            vec![
                standing(accepted, left_out(builder(a))),
                standing(accepted, c),
                standing(followed(1), of(4, row(4, 3, 4, 4))),
            ],
            Content(3),
        ),
        (
            "until somebody there has what the builder says, which is nearer",
            vec![
                standing(accepted, left_out(builder(a))),
                standing(accepted, c),
                standing(accepted, row(4, 1, 4, 4)),
                standing(followed(1), of(4, row(5, 3, 5, 5))),
            ],
            Content(1),
        ),
    ] {
        assert_eq!(settle(&claims, own), settled, "{what}");
        let reversed: Vec<Claim> = claims.iter().rev().copied().collect();
        assert_eq!(settle(&reversed, own), settled, "{what}, reversed");
    }
}

fn claim() -> impl Strategy<Value = Claim> {
    let standing = prop_oneof![
        Just(Standing::Own),
        Just(Standing::Accepted),
        Just(Standing::Followed(0)),
        Just(Standing::Followed(1)),
    ];
    (
        standing,
        (0..2_i64, 0..3_i64, 0..3_u32),
        (
            prop::bool::weighted(0.05),
            prop::bool::weighted(0.2),
            prop::bool::weighted(0.3),
            prop::bool::weighted(0.8),
        ),
        0..4_i64,
        0..100_i64,
    )
        .prop_map(
            |(standing, (organization, slice, content), class, pusher, age)| {
                let (proven, signed, builder, held) = class;
                // A follow is of one organisation, and an organisation has one of the nearer standings.
                let organization = match standing {
                    Standing::Own => organization,
                    Standing::Accepted => 2 + organization,
                    Standing::Followed(position) => 4 + i64::from(position),
                    Standing::Named => 6,
                };
                Claim {
                    standing,
                    organization,
                    flake: organization * 10 + slice,
                    content,
                    // An address is recomputed from the content.
                    held: held || proven,
                    proven,
                    signed,
                    builder,
                    pusher: Some(pusher),
                    age: (age, 0),
                }
            },
        )
}

/// Claims as a view has them: a slice has one row of a path, and no two are of one age.
fn claims() -> impl Strategy<Value = Vec<Claim>> {
    prop::collection::vec(claim(), 1..7).prop_map(|mut claims| {
        let mut seen = HashSet::new();
        claims.retain(|claim| seen.insert(claim.flake));
        for (index, claim) in claims.iter_mut().enumerate() {
            claim.age = (claim.age.0, u8::try_from(index).unwrap());
        }
        claims
    })
}

/// Whether a slice has this content.
fn is_held(claims: &[Claim], content: u32) -> bool {
    claims
        .iter()
        .any(|claim| claim.held && claim.content == content)
}

/// What a claim is worth within its organisation.
fn class(claim: &Claim) -> (bool, bool, bool) {
    (claim.proven, claim.signed, claim.builder)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    /// Whoever pushes to a slice of lower standing or class, or of the same where they may not write to the slice
    /// that is served, gives the reader no other content; nor none, but for the one case: two persons of
    /// one organisation neither of whom may write the other's slice.
    #[test]
    fn lower_never_moves_higher(
        before in claims(),
        added in claim(),
        rights in prop::collection::hash_set((0..4_i64, 0..60_i64), 0..60),
    ) {
        let may_write = |who, flake| rights.contains(&(who, flake));
        let Settled::Content(content) = settle(&before, may_write) else { return Ok(()); };
        // Of what is served alone the property says something.
        if !is_held(&before, content) { return Ok(()); }
        if !(before.iter().all(|claim| claim.flake != added.flake)) { return Ok(()); }
        // A recomputed content address is one content; what is proven here agrees.
        if added.proven { return Ok(()); }
        let newest = before.iter().map(|claim| claim.age.0).max().unwrap_or(0);
        let added = Claim { age: (newest + 1, 0), ..added };
        let after: Vec<Claim> = before.iter().copied().chain([added]).collect();
        let settled = settle(&after, may_write);
        // The best row of that content decides, of the organisations that say so by themselves. Where the builder
        // of one has another content signed elsewhere, it does not; nor where it is not the reader's own
        // and has left this content out.
        let says_so = |claim: &Claim| {
            let alone: Vec<Claim> =
                before.iter().copied().filter(|it| it.organization == claim.organization).collect();
            (claim.standing == Standing::Own || is_held(&alone, content))
                && settle(&alone, may_write) == Settled::Content(content)
        };
        let deciding = before.iter()
            .filter(|claim| claim.content == content && says_so(claim))
            .min_by_key(|claim| (!claim.proven, claim.standing, !claim.signed, !claim.builder, claim.age))
            .unwrap();
        // And the reader is served by the best row with the content whose organisation has a say.
        let (_, silent) = settle_and_silence(&before, may_write);
        let served = before.iter()
            .filter(|claim| claim.content == content && claim.held)
            .min_by_key(|claim| (silent.contains(&claim.organization), claim.place()))
            .unwrap();
        prop_assert!(!silent.contains(&served.organization), "{:?}", served);
        let pusher = added.pusher.unwrap();
        for row in [deciding, served] {
            let lower = added.standing > row.standing
                || added.organization == row.organization && class(&added) < class(row);
            let sideways = added.organization == row.organization
                && class(&added) == class(row)
                && before.iter().filter(|claim| claim.content == content)
                    .all(|claim| !may_write(pusher, claim.flake));
            if lower {
                prop_assert_eq!(settled, Settled::Content(content));
            } else if sideways {
                let excused = !added.builder && settled == Settled::Ambiguous;
                prop_assert!(excused || settled == Settled::Content(content), "{:?}", settled);
            }
        }
    }

    /// A follow never takes a path away, with content or without, from other organisations.
    #[test]
    fn a_follow_never_takes_a_path_away(
        before in claims(),
        follow in claim(),
        rights in prop::collection::hash_set((0..4_i64, 0..60_i64), 0..60),
    ) {
        let may_write = |who, flake| rights.contains(&(who, flake));
        if !(matches!(follow.standing, Standing::Followed(_))) { return Ok(()); }
        if !(before.iter().all(|claim| claim.organization != follow.organization)) { return Ok(()); }
        let settled = settle(&before, may_write);
        let after: Vec<Claim> = before.iter().copied().chain([follow]).collect();
        let is_served =
            |claims: &[Claim], settled| matches!(settled, Settled::Content(it) if is_held(claims, it));
        if is_served(&before, settled) {
            prop_assert!(is_served(&after, settle(&after, may_write)));
        }
    }
}
