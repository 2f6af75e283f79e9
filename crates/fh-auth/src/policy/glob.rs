//! Patterns for claims: `*` stands for anything but a slash, `**` for anything, `?` for one character.
//!
//! Everything else stands for itself; there is no way to escape, and nothing in a claim is special.
//! Matching follows all possibilities at once, 64 places of the pattern in a step, so that its time is in
//! proportion to pattern × text / 64, whatever an attacker writes into a claim.

use std::collections::HashMap;

/// The longest text that is looked at, in bytes: it is the claim of a stranger, and there may be very many patterns.
const MAX_TEXT: usize = 1024;

/// A pattern, ready to be matched with claims.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Glob {
    source: String,
    parts: Vec<Part>,
    /// Which parts are this character.
    literals: HashMap<char, Places>,
    one: Places,
    segments: Places,
    anything: Places,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Literal(char),
    One,
    /// Anything but a slash: `*`.
    Segment,
    /// Anything at all: `**`.
    Any,
}

/// A set of places in a pattern, a bit each.
type Places = Vec<u64>;

impl Glob {
    pub(super) fn new(source: &str) -> Self {
        let mut parts: Vec<Part> = Vec::with_capacity(source.len());
        let mut characters = source.chars().peekable();
        while let Some(character) = characters.next() {
            let part = match character {
                '*' if characters.next_if_eq(&'*').is_some() => Part::Any,
                '*' => Part::Segment,
                '?' => Part::One,
                literal => Part::Literal(literal),
            };
            match (parts.last_mut(), part) {
                // Stars in a row are one: of `**` where one of them is.
                (Some(last @ (Part::Any | Part::Segment)), Part::Any | Part::Segment) => {
                    *last = Part::Any;
                }
                _ => parts.push(part),
            }
        }
        let none = vec![0; parts.len() / 64 + 1];
        let (mut one, mut segments, mut anything) = (none.clone(), none.clone(), none.clone());
        let mut literals = HashMap::new();
        for (index, part) in parts.iter().enumerate() {
            let places = match part {
                Part::Literal(character) => {
                    literals.entry(*character).or_insert_with(|| none.clone())
                }
                Part::One => &mut one,
                Part::Segment => &mut segments,
                Part::Any => &mut anything,
            };
            places[index / 64] |= 1 << (index % 64);
        }
        Self {
            source: source.to_owned(),
            parts,
            literals,
            one,
            segments,
            anything,
        }
    }

    /// The pattern as it was written.
    pub(super) fn as_str(&self) -> &str {
        &self.source
    }

    /// What every text begins with that matches.
    pub(super) fn literal_prefix(&self) -> String {
        let literal = |part: &Part| match part {
            Part::Literal(character) => Some(*character),
            Part::One | Part::Segment | Part::Any => None,
        };
        self.parts.iter().map_while(literal).collect()
    }

    /// Whether only one text matches.
    pub(super) fn is_literal(&self) -> bool {
        self.parts
            .iter()
            .all(|part| matches!(part, Part::Literal(_)))
    }

    /// A text that is too long matches nothing.
    pub(super) fn matches(&self, text: &str) -> bool {
        if text.len() > MAX_TEXT {
            return false;
        }
        // A bit a place: what was read so far can be matched by all parts before it.
        let mut here = vec![0_u64; self.one.len()];
        here[0] = 1;
        self.skip_stars(&mut here);
        for character in text.chars() {
            let literal = self.literals.get(&character);
            let mut carried = 0;
            for (index, places) in here.iter_mut().enumerate() {
                let literal = literal.map_or(0, |literal| literal[index]);
                let moves = *places & (literal | self.one[index]);
                let mut stars = self.anything[index];
                if character != '/' {
                    stars |= self.segments[index];
                }
                *places = *places & stars | moves << 1 | carried;
                carried = moves >> 63;
            }
            if here.iter().all(|places| *places == 0) {
                return false;
            }
            self.skip_stars(&mut here);
        }
        let end = self.parts.len();
        here[end / 64] >> (end % 64) & 1 == 1
    }

    /// A star may also stand for nothing. No two stand in a row, so once is enough.
    fn skip_stars(&self, here: &mut [u64]) {
        let mut carried = 0;
        for (index, places) in here.iter_mut().enumerate() {
            let stars = *places & (self.segments[index] | self.anything[index]);
            *places |= stars << 1 | carried;
            carried = stars >> 63;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn matches(pattern: &str, text: &str) -> bool {
        Glob::new(pattern).matches(text)
    }

    #[test]
    fn stars_stop_at_slashes_and_double_stars_do_not() {
        for (pattern, text) in [
            ("refs/heads/*", "refs/heads/main"),
            ("refs/heads/*", "refs/heads/"),
            ("refs/heads/**", "refs/heads/release/1.0"),
            ("**/main", "refs/heads/main"),
            ("v?.*", "v1.22"),
            ("acme/*/*", "acme/a/b"),
            ("*a*b*", "xaxxb"),
            ("", ""),
            ("***", "a/b"),
        ] {
            assert!(matches(pattern, text), "{pattern} {text}");
        }
        for (pattern, text) in [
            ("refs/heads/*", "refs/heads/a/b"),
            ("refs/heads/*", "xrefs/heads/a"),
            ("acme/*", "acme-evil/x"),
            ("v?", "v"),
            ("v?", "v12"),
            ("a.c", "abc"),
            ("Main", "main"),
            ("", "x"),
        ] {
            assert!(!matches(pattern, text), "{pattern} {text}");
        }
    }

    #[test]
    fn a_hostile_claim_costs_no_more_than_its_length() {
        let pattern = "*a".repeat(100);
        let started = std::time::Instant::now();
        assert!(!matches(
            &pattern,
            &format!("{}b", "a".repeat(MAX_TEXT - 1))
        ));
        assert!(started.elapsed() < std::time::Duration::from_secs(5));
    }

    #[test]
    fn a_text_that_is_too_long_matches_nothing() {
        assert!(matches("a**", &"a".repeat(MAX_TEXT)));
        assert!(!matches("a**", &"a".repeat(MAX_TEXT + 1)));
    }

    /// The obvious matcher, which takes for ever in bad cases.
    fn reference(parts: &[Part], text: &[char]) -> bool {
        match (parts.split_first(), text.split_first()) {
            (None, None) => true,
            (Some((Part::Literal(literal), rest)), Some((character, text))) => {
                literal == character && reference(rest, text)
            }
            (Some((Part::One, rest)), Some((_, text))) => reference(rest, text),
            (None, Some(_)) | (Some((Part::Literal(_) | Part::One, _)), None) => false,
            (Some((star, rest)), _) => {
                reference(rest, text)
                    || text.split_first().is_some_and(|(character, text)| {
                        (*star == Part::Any || *character != '/') && reference(parts, text)
                    })
            }
        }
    }

    proptest! {
        #[test]
        fn it_agrees_with_the_obvious_matcher(pattern in "[ab/*?]{0,8}", text in "[ab/]{0,8}") {
            let glob = Glob::new(&pattern);
            let characters: Vec<char> = text.chars().collect();
            prop_assert_eq!(glob.matches(&text), reference(&glob.parts, &characters));
            if glob.matches(&text) {
                prop_assert!(text.starts_with(&glob.literal_prefix()));
                prop_assert!(!glob.is_literal() || text == pattern);
            }
        }

        #[test]
        fn a_long_pattern_is_like_a_short_one(
            pattern in "[ab/*?]{0,8}",
            text in "[ab/]{0,8}",
            before in 50_usize..140,
        ) {
            let before = "x".repeat(before);
            let long = matches(&format!("{before}{pattern}"), &format!("{before}{text}"));
            prop_assert_eq!(long, matches(&pattern, &text));
        }

        #[test]
        fn a_text_without_wildcards_matches_itself_alone(text in "[^*?]{0,20}", other in ".{0,20}") {
            prop_assert!(matches(&text, &text));
            prop_assert_eq!(matches(&text, &other), text == other);
        }
    }
}
