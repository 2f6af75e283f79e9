//! The signatures of a row, where what it says already is pushed with others.

use std::collections::HashSet;
use std::hash::Hash;

use fh_nix::{SIGNATURES_OF_A_NAME, Signature};

use super::request::MAX_SIGNATURES;
use crate::signatures::first_of_names;

/// Who counts for how much where a push says what a row says already.
#[derive(Debug, Clone, Copy)]
pub(super) struct Builders {
    /// Whether a builder pushes.
    pub(super) pushes: bool,
    /// Whether a builder has pushed the row.
    pub(super) has_pushed: bool,
}

impl Builders {
    /// Whether the row counts for more from now on.
    pub(super) fn raises(self) -> bool {
        self.pushes && !self.has_pushed
    }
}

/// The signatures of a row that holds some, after a push that says the same with others; `None` where that changes
/// nothing. `trusted`: what is known to be a trusted key's of both; `names`: the names of the trusted keys.
///
/// What a trusted key has signed comes first and is always kept, whoever brings it: of many signatures under one name
/// only the first few are looked at. So it comes first too where the row has it behind those, whoever had it put there. A
/// pusher who counts for more comes before what is there, which keeps the room that is left, and room of its own for what
/// may be a trusted key's. A pusher who counts for as much gets the room that is left, and one who counts for less gets
/// none.
///
/// A row has room for as many signatures as a push may have for one path, and for as many again of trusted keys. A builder's
/// has further room, for what builders bring later: of what persons had it filled with it is not known any more that it is
/// theirs.
pub(super) fn merged(
    held: &[Signature],
    pushed: &[Signature],
    trusted: Option<&HashSet<Signature>>,
    names: &HashSet<Box<str>>,
    builders: Builders,
) -> Option<Vec<Signature>> {
    let is_trusted = |it: &&Signature| trusted.is_some_and(|trusted| trusted.contains(*it));
    let is_other = |it: &&Signature| !is_trusted(it);
    let mut row: Vec<Signature> = Vec::new();
    let mut add = |signature: &Signature, room: usize| {
        if row.len() < room && !row.contains(signature) {
            row.push(signature.clone());
        }
    };
    let room = MAX_SIGNATURES * if builders.has_pushed { 3 } else { 2 };
    if builders.raises() {
        let trusted_and_held = held.iter().filter(is_trusted).take(MAX_SIGNATURES);
        pushed
            .iter()
            .filter(is_trusted)
            .for_each(|it| add(it, room));
        trusted_and_held.for_each(|it| add(it, room));
        pushed.iter().filter(is_other).for_each(|it| add(it, room));
        // There may have been no allowance left to verify what somebody has signed with a trusted key.
        let seen = looked_at(held, Signature::key_name);
        let may_be = |it: &&Signature| names.contains(it.key_name()) && seen.contains(*it);
        held.iter().filter(may_be).for_each(|it| add(it, room));
        held.iter().for_each(|it| add(it, MAX_SIGNATURES));
    } else {
        let seen = looked_at(held, Signature::key_name);
        let brought = pushed.iter().filter(is_trusted);
        let brought: Vec<&Signature> = brought.filter(|it| !seen.contains(*it)).collect();
        let moved = brought.iter().filter(|it| held.contains(it)).count();
        let before_held = room.saturating_sub(held.len() - moved);
        brought.into_iter().for_each(|it| add(it, before_held));
        held.iter().for_each(|it| add(it, usize::MAX));
        match (builders.pushes, builders.has_pushed) {
            (true, _) => pushed
                .iter()
                .for_each(|it| put_in_sight(&mut row, it, room)),
            (false, false) => pushed.iter().for_each(|it| add(it, MAX_SIGNATURES)),
            (false, true) => {}
        }
    }
    (row != held).then_some(row)
}

/// Puts a builder's signature into a builder's row, where it is looked at: behind the first ones of its name, which may be
/// an earlier builder's, and before those that are too many.
fn put_in_sight(row: &mut Vec<Signature>, signature: &Signature, room: usize) {
    if looked_at(&*row, Signature::key_name).contains(signature) {
        return;
    }
    if let Some(there) = row.iter().position(|it| it == signature) {
        row.remove(there);
    } else if row.len() >= room {
        return;
    }
    let is_of_name = |(_, it): &(usize, &Signature)| it.key_name() == signature.key_name();
    let mut of_name = row.iter().enumerate().filter(is_of_name);
    let too_many = of_name.nth(SIGNATURES_OF_A_NAME / 2);
    let at = too_many.map_or(row.len(), |(at, _)| at);
    row.insert(at, signature.clone());
}

/// Those of a row's signatures that whoever reads it looks at: the first few of each name.
pub(super) fn looked_at<'a, T: Eq + Hash + ?Sized>(
    held: impl IntoIterator<Item = &'a T>,
    name: impl Fn(&'a T) -> &'a str,
) -> HashSet<&'a T> {
    first_of_names(held, name).map(|(_, it)| it).collect()
}

#[cfg(test)]
mod tests {
    use fh_nix::SecretKey;

    use super::*;

    const PERSONS: Builders = Builders {
        pushes: false,
        has_pushed: false,
    };
    const RAISES: Builders = Builders {
        pushes: true,
        ..PERSONS
    };
    const AFTER_BUILDER: Builders = Builders {
        has_pushed: true,
        ..PERSONS
    };
    const BUILDERS: Builders = Builders {
        pushes: true,
        ..AFTER_BUILDER
    };

    /// Signatures by so many keys whose names begin with this.
    fn by(name: &str, count: u8) -> Vec<Signature> {
        let sign = |number: u8| {
            let name = format!("{name}-{number}");
            let key = SecretKey::from_seed(&name, [number; 32]).unwrap();
            key.sign(b"")
        };
        (0..count).map(sign).collect()
    }

    fn names_of(signatures: &[Signature]) -> HashSet<Box<str>> {
        signatures.iter().map(|it| it.key_name().into()).collect()
    }

    #[test]
    fn what_may_be_a_trusted_key_s_is_kept_although_it_was_not_verified() {
        let trusted = by("trusted", 1);
        let forger = SecretKey::from_seed("trusted-0", [99; 32]).unwrap();
        let of_its_name =
            |count: u8| -> Vec<Signature> { (0..count).map(|text| forger.sign(&[text])).collect() };
        // It is the last of a full row: the first one behind those that are looked at, and among them.
        for (before, is_kept) in [(4, false), (3, true), (0, true)] {
            let junk = by("junk", 63 - before);
            let held = [&of_its_name(before)[..], &junk[..], &trusted[..]].concat();
            let pushed = by("own", 1);
            let row = merged(&held, &pushed, None, &names_of(&trusted), RAISES).unwrap();
            assert_eq!(row.contains(&trusted[0]), is_kept, "{before}");
            assert_eq!((&row[0], row.len()), (&pushed[0], 64), "{before}");
            // All places are the builder's, and the trusted one has one besides.
            let row = merged(&held, &by("own", 64), None, &names_of(&trusted), RAISES).unwrap();
            assert_eq!(row.contains(&trusted[0]), is_kept, "{before}");
            assert!(row.len() <= 64 + SIGNATURES_OF_A_NAME, "{before}");
        }
    }

    #[test]
    fn a_row_keeps_the_signatures_of_trusted_keys_and_of_who_counts_for_most() {
        let (junk, own, trusted) = (by("junk", 64), by("own", 64), by("trusted", 3));
        // By nobody, under the name of the first trusted one.
        let forger = SecretKey::from_seed("trusted-0", [99; 32]).unwrap();
        let of_its_name: Vec<Signature> = (0..4).map(|text| forger.sign(&[text])).collect();
        let by_its_name = [forger.sign(b"a builder's")];
        for (what, held, pushed, builders, expected) in [
            (
                "a builder's only signature",
                junk.clone(),
                own[..1].to_vec(),
                RAISES,
                [&own[..1], &junk[..63]].concat(),
            ),
            (
                "as many as a push may have",
                junk.clone(),
                own.clone(),
                RAISES,
                own.clone(),
            ),
            (
                "what a trusted key has signed is kept in any case",
                [&junk[..61], &trusted[..]].concat(),
                own.clone(),
                RAISES,
                [&trusted[..], &own[..]].concat(),
            ),
            (
                "and comes before what is brought with it",
                junk.clone(),
                [&own[..2], &trusted[..1]].concat(),
                RAISES,
                [&trusted[..1], &own[..2], &junk[..61]].concat(),
            ),
            (
                "a person after the builder",
                own.clone(),
                [&junk[..60], &trusted[..1]].concat(),
                AFTER_BUILDER,
                [&trusted[..1], &own[..]].concat(),
            ),
            (
                "nothing of theirs alone",
                own[..1].to_vec(),
                junk.clone(),
                AFTER_BUILDER,
                own[..1].to_vec(),
            ),
            (
                "who counts for as much comes last",
                trusted[..1].to_vec(),
                junk.clone(),
                PERSONS,
                [&trusted[..1], &junk[..63]].concat(),
            ),
            (
                "also where the row is full",
                junk.clone(),
                [&own[..], &trusted[..]].concat(),
                PERSONS,
                [&trusted[..], &junk[..]].concat(),
            ),
            (
                "what a trusted key has signed, behind as many of its name as are looked at",
                [&of_its_name[..], &trusted[..1]].concat(),
                trusted[..1].to_vec(),
                PERSONS,
                [&trusted[..1], &of_its_name[..]].concat(),
            ),
            (
                "also of a builder",
                [&of_its_name[..], &own[..], &trusted[..1]].concat(),
                trusted[..1].to_vec(),
                AFTER_BUILDER,
                [&trusted[..1], &of_its_name[..], &own[..]].concat(),
            ),
            (
                "but not where it is looked at",
                [&of_its_name[1..], &trusted[..1]].concat(),
                trusted[..1].to_vec(),
                PERSONS,
                [&of_its_name[1..], &trusted[..1]].concat(),
            ),
            (
                "a builder after the builder, where persons had filled the row",
                [&own[..1], &junk[..63]].concat(),
                own[1..3].to_vec(),
                BUILDERS,
                [&own[..1], &junk[..63], &own[1..3]].concat(),
            ),
            (
                "also under the name that they had filled it with",
                [&own[..1], &of_its_name[..], &own[1..60]].concat(),
                by_its_name.to_vec(),
                BUILDERS,
                [
                    &own[..1],
                    &of_its_name[..2],
                    &by_its_name[..],
                    &of_its_name[2..],
                    &own[1..60],
                ]
                .concat(),
            ),
            (
                "the same once more",
                own.clone(),
                own[..3].to_vec(),
                PERSONS,
                own.clone(),
            ),
        ] {
            let known: HashSet<Signature> = trusted.iter().cloned().collect();
            let names = names_of(&trusted);
            let row = merged(&held, &pushed, Some(&known), &names, builders);
            assert_eq!(row.is_none(), expected == held, "{what}");
            let row = row.unwrap_or(held);
            assert_eq!(row, expected, "{what}");
            // Who pushes all of it again adds nothing.
            let again = merged(&row, &pushed, Some(&known), &names, AFTER_BUILDER);
            assert_eq!(again, None, "{what}");
        }
    }

    #[test]
    fn rows_do_not_grow_without_end_by_trusted_signatures() {
        let known: HashSet<Signature> = by("trusted", 255).into_iter().collect();
        let names = names_of(&by("trusted", 255));
        let mut row = by("junk", 64);
        for pushed in by("trusted", 255).chunks(64) {
            row = merged(&row, pushed, Some(&known), &names, PERSONS).unwrap_or(row);
            assert!(row.len() <= 2 * MAX_SIGNATURES, "{}", row.len());
        }
        let raised = merged(&row, &by("own", 64), Some(&known), &names, RAISES).unwrap();
        assert_eq!(raised.len(), 2 * MAX_SIGNATURES);
        assert!(by("own", 64).iter().all(|it| raised.contains(it)));
        // Nor by those of one builder after the other.
        for pushed in by("built", 255).chunks(64) {
            row = merged(&row, pushed, Some(&known), &names, BUILDERS).unwrap_or(row);
            assert!(row.len() <= 3 * MAX_SIGNATURES, "{}", row.len());
        }
    }
}
