//! The file: what organisations are to have, in TOML.
//!
//! ```toml
//! users = ["alice"]                    # accounts of people (server administrators)
//!
//! [org.acme]
//! push = "writers"
//! service-accounts = ["acme-ci"]
//! follows = ["nixos/tools"]
//!
//! [org.acme.members]
//! alice = "owner"
//!
//! [org.acme.teams]
//! builders = ["alice"]
//!
//! [org.acme.flakes.app]
//! visibility = "private"
//! grants = { "team:builders" = "write" }
//! ```
//!
//! Invariants: a key that is not known is refused, and so is a name that stands twice, in whatever case; a section
//! that is absent says nothing about what the organisation has of it.

use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::marker::PhantomData;
use std::path::Path;

use fh_api::{
    FlakePattern, Name, OrganizationRole, PushRule, RenewalRule, Role, Subject, UnknownWord,
    Visibility,
};
use serde::de::{Error as _, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use super::policy::Policy;
use crate::cli::OTHER_WORDS;

/// More than any such file has, in bytes.
pub(super) const LARGEST: u64 = 4 << 20;

/// What is to be there.
#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    /// Accounts of people; never removed.
    #[serde(
        default,
        deserialize_with = "distinct_list",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub(super) users: Vec<Name>,
    /// The organisations.
    #[serde(
        default,
        deserialize_with = "distinct",
        skip_serializing_if = "BTreeMap::is_empty"
    )]
    pub(super) org: BTreeMap<Name, Organization>,
}

/// What an organisation is to have. What is none is left as it is.
#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct Organization {
    /// Who may push to its flakes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) push: Option<PushRule>,
    /// Whose tokens may be renewed, of those that it decides about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) renewal: Option<RenewalRule>,
    /// Public keys, `name:base64`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) trusted_keys: Option<Vec<String>>,
    /// What its members follow, in order.
    #[serde(
        default,
        deserialize_with = "some_distinct_list",
        skip_serializing_if = "Option::is_none"
    )]
    pub(super) follows: Option<Vec<FlakePattern>>,
    /// Its service accounts.
    #[serde(
        default,
        deserialize_with = "some_distinct_list",
        skip_serializing_if = "Option::is_none"
    )]
    pub(super) service_accounts: Option<Vec<Name>>,
    /// Its members and what each is.
    #[serde(
        default,
        deserialize_with = "some_distinct",
        skip_serializing_if = "Option::is_none"
    )]
    pub(super) members: Option<BTreeMap<Name, OrganizationRole>>,
    /// Its teams and who is in each.
    #[serde(
        default,
        deserialize_with = "some_distinct",
        skip_serializing_if = "Option::is_none"
    )]
    pub(super) teams: Option<BTreeMap<Name, Users>>,
    /// Roles on all of its flakes.
    #[serde(
        default,
        deserialize_with = "some_distinct",
        skip_serializing_if = "Option::is_none"
    )]
    pub(super) grants: Option<Grants>,
    /// Its flakes.
    #[serde(
        default,
        deserialize_with = "some_distinct",
        skip_serializing_if = "Option::is_none"
    )]
    pub(super) flakes: Option<BTreeMap<Name, Flake>>,
    /// Its trust policies.
    #[serde(
        default,
        deserialize_with = "some_distinct",
        skip_serializing_if = "Option::is_none"
    )]
    pub(super) trust: Option<BTreeMap<Name, Policy>>,
}

/// Who holds what.
pub(super) type Grants = BTreeMap<Subject, GrantedRole>;

/// What a flake is to be.
#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Flake {
    /// Who may read it without a grant; a new one is private.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) visibility: Option<Visibility>,
    /// One line; an empty one removes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) description: Option<String>,
    /// Roles on this flake.
    #[serde(
        default,
        deserialize_with = "some_distinct",
        skip_serializing_if = "Option::is_none"
    )]
    pub(super) grants: Option<Grants>,
}

/// Accounts, each once.
#[derive(Debug, Default, Serialize)]
#[serde(transparent)]
pub(super) struct Users(pub(super) Vec<Name>);

impl<'de> Deserialize<'de> for Users {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        distinct_list(deserializer).map(Self)
    }
}

/// A role, by any of the words that the command line takes for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub(super) struct GrantedRole(pub(super) Role);

impl<'de> Deserialize<'de> for GrantedRole {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let word = String::deserialize(deserializer)?;
        let other = OTHER_WORDS.iter().find(|(other, _)| *other == word);
        let role = other.map_or(word.as_str(), |(_, role)| role).parse();
        role.map(Self)
            .map_err(|error: UnknownWord| D::Error::custom(error))
    }
}

/// Text that is no such file: where, and why.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct InvalidFile {
    /// Counted from 1.
    line: usize,
    /// The keys down to the value, joined by dots; empty where the text is no TOML.
    key: String,
    /// What is wrong with it.
    reason: String,
}

impl InvalidFile {
    /// The error of a file at a path.
    pub(super) fn of(&self, path: &Path) -> String {
        let Self { line, key, reason } = self;
        let path = path.display();
        match key.as_str() {
            "" => format!("{path}, line {line}: {reason}"),
            key => format!("{path}, line {line}, {key}: {reason}"),
        }
    }
}

/// Reads the text of a file.
pub(super) fn parse(text: &str) -> Result<File, InvalidFile> {
    let invalid = |error: &toml::de::Error, key: String| {
        let start = error.span().map_or(0, |span| span.start);
        let before = text.bytes().take(start);
        InvalidFile {
            line: 1 + before.filter(|byte| *byte == b'\n').count(),
            key,
            reason: error.message().to_owned(),
        }
    };
    let document =
        toml::Deserializer::parse(text).map_err(|error| invalid(&error, String::new()))?;
    serde_path_to_error::deserialize(document).map_err(|error| {
        let key = match error.path().to_string() {
            root if root == "." => String::new(),
            key => key,
        };
        invalid(error.inner(), key)
    })
}

/// The text of a file.
pub(super) fn to_text(file: &File) -> Result<String, toml::ser::Error> {
    toml::to_string(file)
}

/// What names something in a file, and is compared without regard to case.
pub(super) trait Named: Ord {
    /// What two names have in common when they are the same.
    fn folded(&self) -> String;
}

impl Named for Name {
    fn folded(&self) -> String {
        self.folded()
    }
}

impl Named for Subject {
    fn folded(&self) -> String {
        self.to_string().to_ascii_lowercase()
    }
}

impl Named for FlakePattern {
    fn folded(&self) -> String {
        self.to_string().to_ascii_lowercase()
    }
}

fn twice<E: serde::de::Error>(name: &impl Named) -> E {
    E::custom(format_args!(
        "{:?} stands here twice: names are compared without regard to case",
        name.folded()
    ))
}

/// A table that names nothing twice.
fn distinct<'de, D, K, V>(deserializer: D) -> Result<BTreeMap<K, V>, D::Error>
where
    D: Deserializer<'de>,
    K: Deserialize<'de> + Named,
    V: Deserialize<'de>,
{
    struct Table<K, V>(PhantomData<(K, V)>);

    impl<'de, K: Deserialize<'de> + Named, V: Deserialize<'de>> Visitor<'de> for Table<K, V> {
        type Value = BTreeMap<K, V>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a table")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let (mut found, mut seen) = (BTreeMap::new(), HashSet::new());
            while let Some((key, value)) = map.next_entry::<K, V>()? {
                if !seen.insert(key.folded()) {
                    return Err(twice(&key));
                }
                found.insert(key, value);
            }
            Ok(found)
        }
    }

    deserializer.deserialize_map(Table(PhantomData))
}

fn some_distinct<'de, D, K, V>(deserializer: D) -> Result<Option<BTreeMap<K, V>>, D::Error>
where
    D: Deserializer<'de>,
    K: Deserialize<'de> + Named,
    V: Deserialize<'de>,
{
    distinct(deserializer).map(Some)
}

/// A list that names nothing twice.
fn distinct_list<'de, D, T>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de> + Named,
{
    struct List<T>(PhantomData<T>);

    impl<'de, T: Deserialize<'de> + Named> Visitor<'de> for List<T> {
        type Value = Vec<T>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a list")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
            let (mut found, mut seen) = (Vec::new(), HashSet::new());
            while let Some(one) = list.next_element::<T>()? {
                if !seen.insert(one.folded()) {
                    return Err(twice(&one));
                }
                found.push(one);
            }
            Ok(found)
        }
    }

    deserializer.deserialize_seq(List(PhantomData))
}

fn some_distinct_list<'de, D, T>(deserializer: D) -> Result<Option<Vec<T>>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de> + Named,
{
    distinct_list(deserializer).map(Some)
}
