//! What a change of a name makes of patterns that name what is renamed.
//!
//! Patterns are kept as text. So when an organisation or a flake gets another name, those that are stored are written
//! anew in the same transaction. Invariant: afterwards a pattern reaches the same flakes as before, no more and no
//! less; and none names the former name, so that whoever gets that one later is reached by none of them.

use fh_api::{FlakeName, FlakePattern, Name};

/// A change of a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Renaming {
    /// An organisation gets another name.
    Organization {
        /// What it was called.
        from: Name,
        /// What it is called now.
        to: Name,
    },
    /// A flake gets another name in its organisation.
    Flake {
        /// What it was called.
        from: FlakeName,
        /// Its new name within the organisation.
        to: Name,
    },
}

impl Renaming {
    /// A pattern that reaches what this one did; none where it can stay as it is.
    #[must_use]
    pub fn of(&self, pattern: &FlakePattern) -> Option<FlakePattern> {
        let same = |one: &Name, other: &Name| one.folded() == other.folded();
        match (self, pattern) {
            (Self::Organization { from, to }, FlakePattern::Organization(org))
                if same(org, from) =>
            {
                Some(FlakePattern::Organization(to.clone()))
            }
            (Self::Organization { from, to }, FlakePattern::Flake(flake))
                if same(&flake.org, from) =>
            {
                Some(FlakePattern::Flake(FlakeName {
                    org: to.clone(),
                    project: flake.project.clone(),
                }))
            }
            (Self::Flake { from, to }, FlakePattern::Flake(flake))
                if same(&flake.org, &from.org) && same(&flake.project, &from.project) =>
            {
                Some(FlakePattern::Flake(FlakeName {
                    org: flake.org.clone(),
                    project: to.clone(),
                }))
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The flakes of a server: organisation and project.
    const FLAKES: [(&str, &str); 5] = [
        ("acme", "app"),
        ("acme", "web"),
        ("acme2", "app"),
        ("corp", "app"),
        ("corp", "web"),
    ];

    fn patterns() -> impl Strategy<Value = FlakePattern> {
        let texts = prop::sample::select(vec![
            "*",
            "acme/*",
            "ACME/*",
            "acme/app",
            "Acme/App",
            "acme/web",
            "acme2/*",
            "acme2/app",
            "corp/app",
        ]);
        texts.prop_map(|text| text.parse().unwrap())
    }

    fn renamings() -> impl Strategy<Value = Renaming> {
        let org = Renaming::Organization {
            from: "acme".parse().unwrap(),
            to: "new".parse().unwrap(),
        };
        let case = Renaming::Organization {
            from: "acme".parse().unwrap(),
            to: "ACME".parse().unwrap(),
        };
        let flake = Renaming::Flake {
            from: "acme/app".parse().unwrap(),
            to: "other".parse().unwrap(),
        };
        prop::sample::select(vec![org, case, flake])
    }

    /// What a flake is called afterwards.
    fn renamed(renaming: &Renaming, (org, project): (&str, &str)) -> (String, String) {
        match renaming {
            Renaming::Organization { from, to } if from.as_str() == org => {
                (to.to_string(), project.to_owned())
            }
            Renaming::Flake { from, to }
                if from.org.as_str() == org && from.project.as_str() == project =>
            {
                (org.to_owned(), to.to_string())
            }
            _ => (org.to_owned(), project.to_owned()),
        }
    }

    #[test]
    fn each_kind_of_pattern_is_written_anew_where_it_names_what_is_renamed() {
        let org = |from: &str, to: &str| Renaming::Organization {
            from: from.parse().unwrap(),
            to: to.parse().unwrap(),
        };
        let flake = |from: &str, to: &str| Renaming::Flake {
            from: from.parse().unwrap(),
            to: to.parse().unwrap(),
        };
        for (renaming, pattern, anew) in [
            (org("acme", "new"), "*", None),
            (org("acme", "new"), "Acme/*", Some("new/*")),
            (org("acme", "new"), "ACME/App", Some("new/App")),
            (org("acme", "new"), "acme2/*", None),
            (org("acme", "new"), "corp/acme", None),
            (org("acme", "Acme"), "acme/app", Some("Acme/app")),
            (flake("acme/app", "shop"), "*", None),
            (flake("acme/app", "shop"), "acme/*", None),
            (flake("acme/app", "shop"), "Acme/APP", Some("Acme/shop")),
            (flake("acme/app", "shop"), "acme/web", None),
            (flake("acme/app", "shop"), "corp/app", None),
            (flake("acme/app", "shop"), "app/acme", None),
        ] {
            let found = renaming.of(&pattern.parse().unwrap());
            let found = found.map(|pattern| pattern.to_string());
            assert_eq!(found.as_deref(), anew, "{renaming:?} {pattern}");
        }
    }

    proptest! {
        #[test]
        fn a_pattern_reaches_the_same_flakes_under_their_new_names(
            pattern in patterns(),
            renaming in renamings(),
        ) {
            let after = renaming.of(&pattern).unwrap_or_else(|| pattern.clone());
            for (org, project) in FLAKES {
                let (new_org, new_project) = renamed(&renaming, (org, project));
                prop_assert_eq!(
                    pattern.matches(org, project),
                    after.matches(&new_org, &new_project),
                    "{} {}/{}", after, new_org, new_project
                );
            }
            // Whoever gets the former name later is not meant.
            let former = match &renaming {
                Renaming::Organization { from, to } if from.folded() != to.folded() => {
                    Some((from.as_str(), "app"))
                }
                Renaming::Organization { .. } => None,
                Renaming::Flake { from, .. } => Some((from.org.as_str(), from.project.as_str())),
            };
            if let (Some((org, project)), FlakePattern::Flake(_)) = (former, &after) {
                prop_assert!(!after.matches(org, project));
            }
        }
    }
}
