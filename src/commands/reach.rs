//! What a token reaches, in words: its flakes, and the limits that narrow them.

use fh_api::{FlakePattern, Network, TokenInfo, Whoami};

use crate::text::joined;

/// What narrows a token, as a server tells it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reach<'a> {
    flakes: &'a [FlakePattern],
    closures: &'a [String],
    signed_by: &'a [String],
    networks: &'a [Network],
}

impl<'a> From<&'a TokenInfo> for Reach<'a> {
    fn from(token: &'a TokenInfo) -> Self {
        Self {
            flakes: &token.flakes,
            closures: &token.closures,
            signed_by: &token.signed_by,
            networks: &token.networks,
        }
    }
}

impl<'a> From<&'a Whoami> for Reach<'a> {
    fn from(whoami: &'a Whoami) -> Self {
        Self {
            flakes: &whoami.flakes,
            closures: &whoami.closures,
            signed_by: &whoami.signed_by,
            networks: &whoami.networks,
        }
    }
}

impl Reach<'_> {
    /// For a sentence, behind what the token may do: `on acme/*`, `on the closure of /nix/store/…`.
    pub(super) fn in_words(self) -> String {
        let flakes = joined(self.flakes);
        let keys: Vec<&str> = self
            .signed_by
            .iter()
            .map(|key| key.split(':').next().unwrap_or(key))
            .collect();
        let signed = (!keys.is_empty()).then(|| format!("what {} has signed", keys.join(" or ")));
        let closure = (!self.closures.is_empty())
            .then(|| format!("the closure of {}", self.closures.join(" and ")));
        let mut text = match (signed, closure) {
            (None, None) => format!("on {flakes}"),
            (Some(paths), None) | (None, Some(paths)) => format!("on {paths}"),
            (Some(signed), Some(closure)) => format!("on {signed} in {closure}"),
        };
        if self.is_of_certain_paths() && flakes != "*" {
            text.push_str(&format!(", within {flakes}"));
        }
        if !self.networks.is_empty() {
            text.push_str(&format!(", only from {}", joined(self.networks)));
        }
        text
    }

    /// The flakes, for a line of a list of details: not as if all that they hold could be read.
    pub(super) fn flakes(self) -> String {
        let flakes = joined(self.flakes);
        if self.is_of_certain_paths() {
            format!("{flakes} (only certain paths)")
        } else {
            flakes
        }
    }

    /// The limits beside the flakes, for such a list; those that there are.
    pub(super) fn limits(self) -> Vec<(&'static str, String)> {
        [
            ("Closures of", joined(self.closures)),
            ("Signed by", joined(self.signed_by)),
            ("Networks", joined(self.networks)),
        ]
        .into_iter()
        .filter(|(_, items)| !items.is_empty())
        .collect()
    }

    fn is_of_certain_paths(self) -> bool {
        !self.closures.is_empty() || !self.signed_by.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_token_reaches_is_told_with_its_limits() {
        const A: &str = "/nix/store/0-a";
        const B: &str = "/nix/store/1-b";
        for (flakes, closures, signed_by, networks, words, line) in [
            ("*", vec![], vec![], vec![], "on *", "*"),
            ("acme/*", vec![], vec![], vec![], "on acme/*", "acme/*"),
            (
                "*",
                vec![A],
                vec![],
                vec![],
                "on the closure of /nix/store/0-a",
                "* (only certain paths)",
            ),
            (
                "acme/*",
                vec![A, B],
                vec![],
                vec!["10.0.0.0/8"],
                "on the closure of /nix/store/0-a and /nix/store/1-b, within acme/*, only from 10.0.0.0/8",
                "acme/* (only certain paths)",
            ),
            (
                "*",
                vec![],
                vec!["ci-1:AAAA", "ci-2:BBBB"],
                vec![],
                "on what ci-1 or ci-2 has signed",
                "* (only certain paths)",
            ),
            (
                "*",
                vec![A],
                vec!["ci-1:AAAA"],
                vec![],
                "on what ci-1 has signed in the closure of /nix/store/0-a",
                "* (only certain paths)",
            ),
            (
                "acme/app",
                vec![],
                vec![],
                vec!["10.0.0.0/8", "192.0.2.0/24"],
                "on acme/app, only from 10.0.0.0/8 192.0.2.0/24",
                "acme/app",
            ),
        ] {
            let owned = |words: Vec<&str>| words.into_iter().map(str::to_owned).collect();
            let (closures, signed_by): (Vec<String>, Vec<String>) =
                (owned(closures), owned(signed_by));
            let networks: Vec<Network> = networks
                .into_iter()
                .map(|network: &str| network.parse().unwrap())
                .collect();
            let flakes: [FlakePattern; 1] = [flakes.parse().unwrap()];
            let reach = Reach {
                flakes: &flakes,
                closures: &closures,
                signed_by: &signed_by,
                networks: &networks,
            };
            assert_eq!(reach.in_words(), words);
            assert_eq!(reach.flakes(), line);
            let expected = usize::from(!closures.is_empty())
                + usize::from(!signed_by.is_empty())
                + usize::from(!networks.is_empty());
            assert_eq!(reach.limits().len(), expected, "{words}");
        }
    }
}
