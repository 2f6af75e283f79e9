//! The closed vocabularies of access: roles, visibilities, permissions, kinds of user.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A word that is not in the vocabulary asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown {what} {given:?}, expected one of {}", known.join(", "))]
pub struct UnknownWord {
    /// What was being read, such as `role`.
    pub what: &'static str,
    /// The word that was given.
    pub given: String,
    /// The words that would have been understood.
    pub known: &'static [&'static str],
}

/// `Variant = "word"`; where people are shown another word than programs, `Variant = "word" shown "other"`. Both are
/// understood.
macro_rules! vocabulary {
    ($(#[$meta:meta])* $name:ident, $what:literal, {
        $($(#[$variant_meta:meta])* $variant:ident = $word:literal $(shown $shown:literal)?,)+
    }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
        #[serde(rename_all = "kebab-case")]
        pub enum $name { $($(#[$variant_meta])* $(#[serde(alias = $shown)])? $variant,)+ }

        impl $name {
            /// Every word of this vocabulary as people are shown it, in order.
            pub const WORDS: &'static [&'static str] = &[$(vocabulary!(@shown $word $($shown)?)),+];

            /// The word as it stands in JSON and in the database.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)+ }
            }
        }

        /// The word as people are shown it.
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(match self { $(Self::$variant => vocabulary!(@shown $word $($shown)?),)+ })
            }
        }

        impl FromStr for $name {
            type Err = UnknownWord;

            fn from_str(word: &str) -> Result<Self, UnknownWord> {
                match word {
                    $($word $(| $shown)? => Ok(Self::$variant),)+
                    _ => Err(UnknownWord { what: $what, given: word.chars().take(40).collect(), known: Self::WORDS }),
                }
            }
        }
    };
    (@shown $word:literal) => { $word };
    (@shown $word:literal $shown:literal) => { $shown };
}

vocabulary! {
    /// What a grant lets its holder do with a flake. Each role includes those before it.
    Role, "role", {
        /// Substitute from the flake's slice.
        Read = "read",
        /// Push to the flake's slice.
        Write = "write",
        /// Grant, change visibility, delete.
        Admin = "admin",
    }
}

vocabulary! {
    /// Who may read a flake without any grant.
    Visibility, "visibility", {
        /// Everybody, and it is listed.
        Public = "public",
        /// Everybody who names it (`/cache/org/project`); it is in no list and in no wider view.
        Unlisted = "unlisted",
        /// Only who was granted it.
        Private = "private",
    }
}

vocabulary! {
    /// What a token may be used for; it can only narrow what its principal may do. People are shown the words of
    /// roles. JSON, the database and the scopes of OAuth keep theirs, which scripts compare.
    Permission, "permission", {
        /// Read: substitute, list. Shown as `read`.
        Pull = "pull" shown "read",
        /// Write to slices. Shown as `write`.
        Push = "push" shown "write",
        /// Mint further, narrower tokens.
        Mint = "mint",
        /// Manage organisations, flakes, users and grants.
        Admin = "admin",
    }
}

vocabulary! {
    /// What kind of account a user is.
    UserKind, "kind of user", {
        /// A person, who logs in and mints tokens.
        Human = "human",
        /// A machine or a service.
        Service = "service",
    }
}

vocabulary! {
    /// What a member is in an organisation. Each includes those before it.
    OrganizationRole, "organisation role", {
        /// Holds what was granted to all members, and what was granted to them.
        Member = "member",
        /// Administers every flake of the organisation, its teams, members and trust policies.
        Admin = "admin",
        /// As an administrator, and decides about the organisation and its owners; there is always at
        /// least one.
        Owner = "owner",
    }
}

vocabulary! {
    /// What an account is to an organisation.
    Affiliation, "affiliation", {
        /// An owner, who decides about the organisation itself.
        Owner = "owner",
        /// An administrator of its flakes, members and teams.
        Admin = "admin",
        /// A member without more than that.
        Member = "member",
        /// A service account of the organisation.
        ServiceAccount = "service-account",
        /// A workload that acts for the organisation.
        Workload = "workload",
        /// A guest: its grants count, and it is no member.
        Guest = "guest",
        /// Invited: it has accepted nothing, and nothing counts.
        Invited = "invited",
    }
}

impl From<OrganizationRole> for Affiliation {
    fn from(role: OrganizationRole) -> Self {
        match role {
            OrganizationRole::Owner => Self::Owner,
            OrganizationRole::Admin => Self::Admin,
            OrganizationRole::Member => Self::Member,
        }
    }
}

vocabulary! {
    /// What a name is of.
    NameKind, "kind of name", {
        /// An organisation, the first part of a flake's name.
        Organization = "organization",
        /// Of an account, a person's or a service's.
        Account = "account",
    }
}

vocabulary! {
    /// Who may push to the flakes of an organisation.
    PushRule, "push rule", {
        /// Whoever holds `write` on the flake.
        Writers = "writers",
        /// Trusted workloads alone: tokens of people and of service accounts never push.
        Builders = "builders",
    }
}

vocabulary! {
    /// Whose tokens may be renewed by whoever holds them.
    RenewalRule, "renewal rule", {
        /// Those of people; not those of service accounts.
        People = "people",
        /// Those of people and of service accounts.
        Everybody = "everybody",
        /// Nobody's: a token ends when it was made to.
        Nobody = "nobody",
    }
}

vocabulary! {
    /// Whose keys sign what a server serves.
    Signing, "kind of signing", {
        /// The server's: the same for all organisations.
        Shared = "shared",
        /// Those of the organisation whose slice it is from.
        PerOrganization = "per-organization",
    }
}

vocabulary! {
    /// What an organisation is to a reader. The earlier one is asked first.
    Standing, "standing", {
        /// They are a member of it, belong to it, or act for it.
        Own = "own",
        /// They are its guest.
        Accepted = "accepted",
        /// They, their organisations or everybody follow flakes of it.
        Followed = "followed",
    }
}

vocabulary! {
    /// Who vouches for workloads, and so which claims theirs have and which traps they set.
    Provider, "provider", {
        /// GitHub Actions, also of a GitHub Enterprise Server.
        Github = "github",
        /// GitLab CI, also self-managed.
        Gitlab = "gitlab",
        /// Buildkite, whose agents ask for the identity of a job.
        Buildkite = "buildkite",
        /// CircleCI, with an issuer for each organisation.
        Circleci = "circleci",
        /// Semaphore, with an issuer for each organisation.
        Semaphore = "semaphore",
        /// Service accounts of Google Cloud.
        Gcp = "gcp",
        /// Service accounts of a Kubernetes cluster.
        Kubernetes = "kubernetes",
        /// AWS, by a signed `sts:GetCallerIdentity` instead of a JWT.
        Aws = "aws",
        /// Any other issuer of OpenID Connect.
        Oidc = "oidc",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_the_same_in_json_and_in_text() {
        for word in Role::WORDS {
            let role: Role = word.parse().unwrap();
            assert_eq!(serde_json::to_string(&role).unwrap(), format!("{word:?}"));
        }
        assert!(Role::Read < Role::Write && Role::Write < Role::Admin);
        let error = "owner".parse::<Role>().unwrap_err().to_string();
        assert_eq!(
            error,
            "unknown role \"owner\", expected one of read, write, admin"
        );
    }

    #[test]
    fn people_are_shown_the_words_of_roles_for_permissions_and_programs_keep_theirs() {
        for (permission, json, shown) in [
            (Permission::Pull, "pull", "read"),
            (Permission::Push, "push", "write"),
            (Permission::Mint, "mint", "mint"),
            (Permission::Admin, "admin", "admin"),
        ] {
            assert_eq!(permission.to_string(), shown);
            assert_eq!(permission.as_str(), json);
            let quoted = serde_json::to_string(&permission).unwrap();
            assert_eq!(quoted, format!("{json:?}"));
            for word in [json, shown] {
                assert_eq!(word.parse(), Ok(permission), "{word}");
                let read = serde_json::from_str::<Permission>(&format!("{word:?}"));
                assert_eq!(read.unwrap(), permission, "{word}");
            }
        }
        let error = "owner".parse::<Permission>().unwrap_err().to_string();
        assert_eq!(
            error,
            "unknown permission \"owner\", expected one of read, write, mint, admin"
        );
        // Another vocabulary has one word for each thing, for people and for programs.
        assert_eq!(
            Visibility::Unlisted.to_string(),
            Visibility::Unlisted.as_str()
        );
    }
}
