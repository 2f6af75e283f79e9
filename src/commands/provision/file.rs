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

use std::collections::BTreeMap;

use fh_api::text::MAX_LINE;
use fh_api::{
    FlakePattern, Name, OrganizationRole, PushRule, RenewalRule, Role, Subject, Visibility,
};
use fh_nix::PublicKey;
use serde::Serialize;
use toml::de::DeTable;

use super::policy::Policy;
use super::problem::{Problem, Said, Spot};
use super::reader::{Named, Reader, Table, Value, role};
use crate::arguments::NO_TARGET;

/// More than any such file has, in bytes.
pub(super) const LARGEST: u64 = 4 << 20;

/// What is to be there.
#[derive(Debug, Default, Clone, Serialize)]
pub(super) struct File {
    /// Accounts of people; never removed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) users: Vec<Said<Name>>,
    /// Organisations and what each is to have.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) org: BTreeMap<Said<Name>, Organization>,
}

/// What an organisation is to have. What is none is left as it is.
#[derive(Debug, Default, Clone, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Organization {
    /// Who may push to its flakes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) push: Option<Said<PushRule>>,
    /// Whose tokens may be renewed, of those that it decides about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) renewal: Option<Said<RenewalRule>>,
    /// Public keys whose signatures it trusts, each as `name:base64`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) trusted_keys: Option<Vec<Said<String>>>,
    /// What its members follow, in order.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) follows: Option<Vec<Said<FlakePattern>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) service_accounts: Option<Vec<Said<Name>>>,
    /// Its members and what each is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) members: Option<BTreeMap<Said<Name>, OrganizationRole>>,
    /// Its teams and who is in each.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) teams: Option<BTreeMap<Said<Name>, Vec<Said<Name>>>>,
    /// Roles on all of its flakes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) grants: Option<Grants>,
    /// Its flakes by project.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) flakes: Option<BTreeMap<Said<Name>, Flake>>,
    /// Its trust policies by name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) trust: Option<BTreeMap<Said<Name>, Policy>>,
    /// Where its sections begin, by their keys.
    #[serde(skip)]
    pub(super) sections: BTreeMap<&'static str, Spot>,
}

impl Organization {
    /// Every list of grants, with that of the whole organisation.
    pub(super) fn all_grants(&self) -> impl Iterator<Item = &Grants> {
        let flakes = self.flakes.iter().flat_map(BTreeMap::values);
        self.grants
            .iter()
            .chain(flakes.filter_map(|flake| flake.grants.as_ref()))
    }

    /// Whether it says who holds what.
    pub(super) fn grants_something(&self) -> bool {
        self.all_grants().next().is_some()
    }

    /// Where a section begins.
    pub(super) fn section(&self, key: &str) -> Spot {
        self.sections.get(key).cloned().unwrap_or_default()
    }
}

/// The role of each user, team or all members on a flake or an organisation.
pub(super) type Grants = BTreeMap<Said<Subject>, Role>;

/// What a flake is to be.
#[derive(Debug, Default, Clone, Serialize)]
pub(super) struct Flake {
    /// Who may read it without a grant; a new one is private.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) visibility: Option<Visibility>,
    /// One line; an empty one removes it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) description: Option<String>,
    /// Roles on this flake.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) grants: Option<Grants>,
}

/// Reads the text of a file.
///
/// # Errors
/// All that is wrong with it.
pub(super) fn parse(text: &str) -> Result<File, Vec<Problem>> {
    let reader = Reader::new(text);
    let document = DeTable::parse(text).map_err(|error| vec![reader.no_toml(&error)])?;
    let mut table = reader.document(document.get_ref());
    let users = table.take("users").and_then(|users| users.names());
    let org = table
        .take("org")
        .and_then(|orgs| orgs.table("[org.acme]"))
        .map(|orgs| orgs.by_name(organization));
    table.finish();
    match reader.problems() {
        problems if problems.is_empty() => Ok(File {
            users: users.unwrap_or_default(),
            org: org.unwrap_or_default(),
        }),
        problems => Err(problems),
    }
}

fn organization(value: &Value<'_>) -> Option<Organization> {
    let mut table = value.table("push = \"writers\"")?;
    let mut sections = BTreeMap::new();
    let mut section = |key: &'static str| {
        let value = table.take(key)?;
        sections.insert(key, value.spot.clone());
        Some(value)
    };
    let push = section("push").and_then(|it| {
        let rule = it.word(PushRule::WORDS, &[])?;
        Some(Said::at(rule, it.spot))
    });
    let renewal = section("renewal").and_then(|it| {
        let rule = it.word(RenewalRule::WORDS, &[])?;
        Some(Said::at(rule, it.spot))
    });
    let trusted_keys = section("trusted-keys").and_then(|it| it.list(public_key));
    let follows = section("follows").and_then(|it| it.names::<FlakePattern>());
    let service_accounts = section("service-accounts").and_then(|it| it.names());
    let members = section("members")
        .and_then(|it| it.table("alice = \"member\""))
        .map(|it| it.by_name(|role| role.word(OrganizationRole::WORDS, &[])));
    let teams = section("teams")
        .and_then(|it| it.table("builders = [\"alice\"]"))
        .map(|it| it.by_name(Value::names));
    let grants = section("grants").and_then(|it| grants(&it));
    let flakes = section("flakes")
        .and_then(|it| it.table("[org.acme.flakes.app]"))
        .map(|it| it.by_name(flake));
    let trust = section("trust")
        .and_then(|it| it.table("[org.acme.trust.ci]"))
        .map(|it| it.by_name(super::policy::read));
    for follow in follows.iter().flatten() {
        if follow.value == FlakePattern::All {
            let reason = format!("\"*\" cannot be followed: {NO_TARGET}");
            table.refuse_at(&follow.spot, reason);
        }
    }
    table.finish();
    Some(Organization {
        push,
        renewal,
        trusted_keys,
        follows,
        service_accounts,
        members,
        teams,
        grants,
        flakes,
        trust,
        sections,
    })
}

/// A public key, in the one form that servers write.
fn public_key(value: &Value<'_>) -> Option<String> {
    // The error shows the name alone: it may be a secret key, given by mistake.
    let key: PublicKey = match value.text()?.trim().parse() {
        Ok(key) => key,
        Err(error) => {
            value.refuse(error.to_string());
            return None;
        }
    };
    Some(key.to_string())
}

fn grants(value: &Value<'_>) -> Option<Grants> {
    let table = value.table("alice = \"read\"")?;
    Some(table.by_name(role))
}

fn flake(value: &Value<'_>) -> Option<Flake> {
    let mut table: Table<'_> = value.table("visibility = \"private\"")?;
    let visibility = table
        .take("visibility")
        .and_then(|it| it.word(Visibility::WORDS, &[]));
    let description = table.take("description").and_then(|it| description(&it));
    let grants = table.take("grants").and_then(|it| grants(&it));
    table.finish();
    Some(Flake {
        visibility,
        description,
        grants,
    })
}

/// A line as servers take and keep it.
fn description(value: &Value<'_>) -> Option<String> {
    let text = value.text()?;
    if text.chars().any(char::is_control) {
        value.refuse("this must be one line without control characters");
        return None;
    }
    if text.chars().count() > MAX_LINE {
        value.refuse(format!(
            "this is too long: a description has at most {MAX_LINE} characters"
        ));
        return None;
    }
    Some(text.trim().to_owned())
}

/// The text of a file.
pub(super) fn to_text(file: &File) -> Result<String, toml::ser::Error> {
    toml::to_string(file)
}

impl Named for Name {
    fn folded(&self) -> String {
        self.folded()
    }
}

impl Named for Subject {
    fn folded(&self) -> String {
        self.folded()
    }
}

impl Named for FlakePattern {
    fn folded(&self) -> String {
        self.folded()
    }
}
