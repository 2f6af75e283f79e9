//! For which organisation an identity speaks.
//!
//! ```text
//! the exchange's `organization` ─▶ an audience that carries one ─▶ the address
//!                     ─▶ who owns the forge's root ─▶ the server's default
//! ```
//!
//! Invariants:
//! - it is never told by whose policies an identity meets: one organisation's policies change nothing in
//!   another;
//! - an audience that carries an organisation binds: who holds such an identity cannot use it for another;
//! - an id that is remembered behind a root's name must be there again: who gets the name later does not
//!   inherit.

use fh_api::{ForgeRoot, Name};
use fh_auth::root::{owner_id, roots_of};
use fh_persistence::database::organizations::{self, Organization};
use fh_persistence::database::tokens::TokenActing;
use fh_persistence::database::{DatabaseError, roots};
use fh_settings::DefaultOrganization;
use fh_sql::Read;
use serde_json::{Map, Value};

/// What stands between a server's own audience and the name of the organisation that it is for.
const CARRIES: &str = "/cache/";

/// The most organisations that one identity speaks for.
pub const MAX_ORGANIZATIONS: usize = 20;

/// For which organisations an identity speaks, internal ids.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Acting {
    /// Whose policies decide account, lifetime and permissions.
    pub organization: i64,
    /// Those that it reads besides, each by its own policies.
    pub reads: Vec<i64>,
}

impl Acting {
    fn of(organizations: &[Organization]) -> Option<Self> {
        let (first, others) = organizations.split_first()?;
        let mut reads = Vec::with_capacity(others.len());
        for other in others {
            if other.id != first.id && !reads.contains(&other.id) {
                reads.push(other.id);
            }
        }
        Some(Self {
            organization: first.id,
            reads,
        })
    }

    /// As the row of a token says it. Of those that it reads, some may be gone.
    pub fn of_token(read: &Read, acting: &TokenActing) -> Result<Self, DatabaseError> {
        let mut reads = Vec::with_capacity(acting.reads.len());
        for uuid in &acting.reads {
            let found = organizations::find_by_uuid(read, *uuid)?;
            reads.extend(found.map(|organization| organization.id));
        }
        Ok(Self {
            organization: acting.organization_id,
            reads,
        })
    }

    /// As the row of a token is to say it.
    pub fn for_token(&self, read: &Read) -> Result<TokenActing, DatabaseError> {
        let mut reads = Vec::with_capacity(self.reads.len());
        for id in &self.reads {
            reads.extend(organizations::uuid(read, *id)?);
        }
        Ok(TokenActing {
            organization_id: self.organization,
            reads,
        })
    }

    /// All of them, the one that it acts for first.
    pub(super) fn all(&self) -> impl Iterator<Item = i64> + '_ {
        std::iter::once(self.organization).chain(self.reads.iter().copied())
    }
}

/// What a request says of the organisation.
#[derive(Debug, Clone)]
pub enum Named {
    Nothing,
    /// The address is one of this organisation, internal id.
    Address(i64),
    /// The address is one of an organisation that does not exist.
    Unknown,
    /// The exchange names them; the first one acts.
    Organizations(Vec<String>),
}

/// The server's own audiences.
#[derive(Debug, Clone)]
pub struct Audiences([String; 2]);

impl Audiences {
    /// Its id and its public URL.
    pub(super) fn new(audience: &str, public_url: &str) -> Self {
        Self([audience.to_owned(), public_url.to_owned()])
    }

    /// Those that an identity may have for an organisation: the server's own, bare or with one of the
    /// organisation's `names` behind them, the present one and former ones.
    pub fn of(&self, names: &[Name], claims: &Map<String, Value>) -> Vec<String> {
        let bare = self.0.iter().cloned();
        let named = names.iter().flat_map(|name| {
            let own = self.0.iter();
            own.map(move |own| format!("{own}{CARRIES}{name}"))
        });
        // In whatever case it is written.
        let written = texts(claims).filter(|text| {
            let carried = self.carried_by(text);
            carried.is_some_and(|carried| {
                let mut names = names.iter();
                names.any(|name| name.folded() == carried.folded())
            })
        });
        let written: Vec<String> = written.map(str::to_owned).collect();
        bare.chain(named).chain(written).collect()
    }

    /// Whether an audience is one of the server's own, for whichever organisation.
    pub(super) fn accepts(&self, text: &str) -> bool {
        self.0.iter().any(|own| own == text) || self.carried_by(text).is_some()
    }

    /// The organisations that an identity's audiences are for, in their order.
    pub(super) fn carried(&self, claims: &Map<String, Value>) -> Vec<Name> {
        let mut names: Vec<Name> = Vec::new();
        for name in texts(claims).filter_map(|text| self.carried_by(text)) {
            if names.iter().all(|known| known.folded() != name.folded()) {
                names.push(name);
            }
        }
        names
    }

    fn carried_by(&self, text: &str) -> Option<Name> {
        let rest = self.0.iter().find_map(|own| text.strip_prefix(own))?;
        rest.strip_prefix(CARRIES)?.parse().ok()
    }
}

/// The audiences of an identity.
fn texts(claims: &Map<String, Value>) -> impl Iterator<Item = &str> {
    let (one, many) = match claims.get("aud") {
        Some(Value::String(text)) => (Some(text.as_str()), None),
        Some(Value::Array(texts)) => (None, Some(texts)),
        _ => (None, None),
    };
    let many = many.into_iter().flatten().filter_map(Value::as_str);
    one.into_iter().chain(many)
}

/// For whom an identity speaks, once it is verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolved {
    pub acting: Acting,
    /// Whether the request or the identity itself names an organisation.
    pub(super) is_named: bool,
    /// The id behind the root by which it was found, to be remembered.
    pub(super) remember: Option<(ForgeRoot, String)>,
}

/// How looking for the organisation ended.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Resolution {
    For(Resolved),
    /// There is none: nobody lets it in.
    Nobody,
    /// What names it contradicts itself; a sentence for the one who asks.
    Contradiction(String),
}

/// Looks for the organisation that an identity acts for. The claims may be unverified: what is given is
/// decided by that organisation's policies, whose keys must have signed them.
pub(super) fn resolve(
    read: &Read,
    claims: &Map<String, Value>,
    named: &Named,
    audiences: &Audiences,
    default: &DefaultOrganization,
) -> Result<Resolution, DatabaseError> {
    let carried = audiences.carried(claims);
    let found = |acting: Option<Acting>| match acting {
        Some(acting) => Resolution::For(Resolved {
            acting,
            is_named: true,
            remember: None,
        }),
        None => Resolution::Nobody,
    };
    match named {
        Named::Organizations(names) if !names.is_empty() => {
            let asked = present_names(read, names)?;
            let meant = present_names(read, &carried)?;
            let meant: Vec<Name> = meant.iter().filter_map(|name| name.parse().ok()).collect();
            if let Some(sentence) = contradiction(&meant, &asked) {
                return Ok(Resolution::Contradiction(sentence));
            }
            let names = names.iter().map(|name| name.parse().ok());
            Ok(found(of_names(read, names)?))
        }
        _ if !carried.is_empty() => {
            let names = carried.into_iter().take(MAX_ORGANIZATIONS).map(Some);
            Ok(found(of_names(read, names)?))
        }
        Named::Unknown => Ok(Resolution::Nobody),
        Named::Address(id) => Ok(found(Some(Acting {
            organization: *id,
            reads: Vec::new(),
        }))),
        Named::Nothing | Named::Organizations(_) => unnamed(read, claims, default),
    }
}

/// What organisations are called now; of those that do not exist, what was said.
fn present_names<T: ToString>(read: &Read, names: &[T]) -> Result<Vec<String>, DatabaseError> {
    let mut present = Vec::with_capacity(names.len());
    for name in names {
        let text = name.to_string();
        let found = match text.parse() {
            Ok(name) => organizations::find(read, &name)?,
            Err(_) => None,
        };
        present.push(found.map_or(text, |found| found.name.to_string()));
    }
    Ok(present)
}

/// What is wrong where an audience is for other organisations than those that are asked for.
fn contradiction(carried: &[Name], names: &[String]) -> Option<String> {
    let first = carried.first()?;
    let folded: Vec<String> = carried.iter().map(Name::folded).collect();
    let other = names
        .iter()
        .find(|name| !folded.contains(&name.to_ascii_lowercase()))?;
    let other: String = other.chars().take(64).collect();
    Some(format!(
        "the identity's audience is for the organisation {first}, and the field organization names \
         {other:?}: ask for an identity whose audience is for that one, or for the whole server"
    ))
}

/// The first must exist, else it acts for nobody. Others that do not, are as those that let it read nothing.
fn of_names(
    read: &Read,
    names: impl Iterator<Item = Option<Name>>,
) -> Result<Option<Acting>, DatabaseError> {
    let mut found = Vec::new();
    for name in names {
        let organization = match name {
            Some(name) => organizations::find(read, &name)?,
            None => None,
        };
        if organization.is_none() && found.is_empty() {
            return Ok(None);
        }
        found.extend(organization);
    }
    Ok(Acting::of(&found))
}

/// The owner of the closest root, else the default.
fn unnamed(
    read: &Read,
    claims: &Map<String, Value>,
    default: &DefaultOrganization,
) -> Result<Resolution, DatabaseError> {
    let resolved = |organization, remember| {
        Resolution::For(Resolved {
            acting: Acting {
                organization,
                reads: Vec::new(),
            },
            is_named: false,
            remember,
        })
    };
    for root in roots_of(claims) {
        let Some(owned) = roots::owner(read, &root)? else {
            continue;
        };
        let organization = owned.organization_id;
        match (owned.owner_id, owner_id(&root, claims)) {
            (None, None) => return Ok(resolved(organization, None)),
            (None, Some(id)) => return Ok(resolved(organization, Some((root, id)))),
            (Some(remembered), Some(id)) if remembered == id => {
                return Ok(resolved(organization, None));
            }
            // Somebody else has the name now.
            (Some(_), _) => {}
        }
    }
    let default = default_organization(read, default)?;
    Ok(default.map_or(Resolution::Nobody, |organization| {
        resolved(organization.id, None)
    }))
}

/// The organisation that identities act for which name none and whose root nobody owns.
pub fn default_organization(
    read: &Read,
    setting: &DefaultOrganization,
) -> Result<Option<Organization>, DatabaseError> {
    match setting {
        DefaultOrganization::FirstMade => organizations::first_made(read),
        DefaultOrganization::Named(name) => organizations::find(read, name),
        DefaultOrganization::Nobody => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const URL: &str = "https://cache.example";
    const ID: &str = "urn:fh:1";

    #[allow(
        clippy::needless_pass_by_value,
        reason = "called with `json!` throughout"
    )]
    fn claims(aud: Value) -> Map<String, Value> {
        json!({ "aud": aud }).as_object().unwrap().clone()
    }

    #[test]
    fn an_audience_carries_an_organisation_by_its_whole_name() {
        let audiences = Audiences::new(ID, URL);
        let carried = |aud| {
            let names = audiences.carried(&claims(aud));
            names.iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        assert_eq!(carried(json!(format!("{URL}/cache/acme"))), ["acme"]);
        assert_eq!(carried(json!(format!("{ID}/cache/Acme"))), ["Acme"]);
        let several = [
            format!("{URL}/cache/acme"),
            URL.to_owned(),
            format!("{ID}/cache/ACME"),
            format!("{URL}/cache/other"),
        ];
        assert_eq!(carried(json!(several)), ["acme", "other"]);
        for aud in [
            json!(URL),
            json!(format!("{URL}/cache/")),
            json!(format!("{URL}/cache/acme/app")),
            json!(format!("{URL}/cache/acme/")),
            json!(format!("{URL}.evil.example/cache/acme")),
            json!(format!("{URL}/x/cache/acme")),
            json!("https://other.example/cache/acme"),
            json!(7),
        ] {
            assert!(carried(aud.clone()).is_empty(), "{aud}");
        }
    }

    #[test]
    fn an_audience_of_one_organisation_is_none_of_another() {
        let audiences = Audiences::new(ID, URL);
        let shown = claims(json!(format!("{URL}/cache/ACME")));
        let own = |name: &str| audiences.of(&[name.parse().unwrap()], &shown);
        // What it was called before is meant too.
        let renamed: [Name; 2] = ["new", "acme"].map(|name| name.parse().unwrap());
        let both = audiences.of(&renamed, &shown);
        assert!(both.contains(&format!("{URL}/cache/new")));
        assert!(both.contains(&format!("{URL}/cache/ACME")));
        assert!(own("acme").contains(&format!("{URL}/cache/ACME")));
        assert!(own("acme").contains(&format!("{ID}/cache/acme")));
        assert!(own("other").iter().all(|own| !own.ends_with("ACME")));
        assert!(own("other").contains(&URL.to_owned()));
        assert!(audiences.accepts(URL) && audiences.accepts(&format!("{ID}/cache/x")));
        assert!(!audiences.accepts("https://other.example"));
    }

    #[test]
    fn what_is_asked_for_must_be_what_the_audience_is_for() {
        let names = |names: &[&str]| {
            names
                .iter()
                .map(|name| (*name).to_owned())
                .collect::<Vec<_>>()
        };
        let acme: Name = "acme".parse().unwrap();
        let carried = [acme];
        assert_eq!(contradiction(&[], &names(&["evil"])), None);
        assert_eq!(contradiction(&carried, &names(&["ACME"])), None);
        for asked in [&["evil"][..], &["acme", "evil"]] {
            let sentence = contradiction(&carried, &names(asked)).unwrap();
            assert!(sentence.contains("\"evil\""), "{sentence}");
        }
    }
}
