//! Every organisation and flake by name and by id, in memory.
//!
//! This is where names in requests become ids. A name that something had before it was renamed leads to it.
//!
//! The names are the same for all callers; what a caller may see of them is decided by the view. A
//! directory is a copy that is made anew after every change of an organisation or a flake, so that a
//! name is resolved, and a slice is ranked, without asking the database.

use std::collections::HashMap;

use fh_api::{FlakeName, Name, PushRule, Visibility};
use fh_auth::{FlakeFacts, Follows};
use fh_persistence::database::{DatabaseError, flakes, follows, organizations, renames};
use fh_sql::Read;

#[derive(Debug, Clone)]
pub struct FlakeEntry {
    /// The internal id, also that of the slice.
    pub id: i64,
    /// The organisation's internal id.
    pub organization_id: i64,
    /// `org/project`.
    pub name: FlakeName,
    /// Who may read it without a grant.
    pub visibility: Visibility,
}

impl FlakeEntry {
    /// What decisions need to know.
    pub fn facts(&self) -> FlakeFacts {
        FlakeFacts {
            id: self.id,
            organization: self.organization_id,
            visibility: self.visibility,
        }
    }
}

#[derive(Debug, Clone)]
pub struct OrganizationEntry {
    pub id: i64,
    pub name: Name,
    /// Who may push to its flakes.
    pub push: PushRule,
    /// Whether it takes the signatures of some keys for a proof.
    pub trusts_keys: bool,
}

/// A copy of all names.
#[derive(Debug, Default)]
pub struct Directory {
    /// Of which state this is a copy.
    generation: u64,
    /// How often something was renamed before.
    renames: u64,
    flakes: HashMap<i64, FlakeEntry>,
    /// By folded name; the flakes by `org/project`.
    flake_ids: HashMap<String, i64>,
    organizations: HashMap<String, OrganizationEntry>,
    /// Internal ids by folded former name.
    former_organizations: HashMap<String, i64>,
    /// Internal ids by organisation and folded former name.
    former_flakes: HashMap<(i64, String), i64>,
    /// Their folded names by id.
    organization_names: HashMap<i64, String>,
    organization_flakes: HashMap<i64, Vec<i64>>,
    /// Of each organisation those that are public.
    public_flakes: HashMap<i64, Vec<i64>>,
    everybody: Follows,
    /// Whether one of the organisations trusts keys.
    anybody_trusts_keys: bool,
}

impl Directory {
    /// Whether an organisation takes the signatures of some keys for a proof.
    pub fn anybody_trusts_keys(&self) -> bool {
        self.anybody_trusts_keys
    }

    /// Copies the present state, of which the caller knew the generation beforehand.
    pub fn load(read: &Read, generation: u64) -> Result<Self, DatabaseError> {
        let by_id: HashMap<i64, OrganizationEntry> = organizations::list(read)?
            .into_iter()
            .map(|organization| {
                let entry = OrganizationEntry {
                    id: organization.id,
                    name: organization.name,
                    push: organization.push,
                    trusts_keys: !organization.trusted_keys.is_empty(),
                };
                (entry.id, entry)
            })
            .collect();
        let mut directory = Self {
            generation,
            anybody_trusts_keys: by_id.values().any(|organization| organization.trusts_keys),
            renames: renames::count(read)?,
            former_organizations: renames::former_organizations(read)?,
            former_flakes: renames::former_flakes(read)?,
            ..Self::default()
        };
        for row in flakes::directory(read)? {
            // A foreign key holds the two together.
            let Some(organization) = by_id.get(&row.organization_id) else {
                continue;
            };
            directory
                .organization_flakes
                .entry(organization.id)
                .or_default()
                .push(row.id);
            if row.visibility == Visibility::Public {
                directory
                    .public_flakes
                    .entry(organization.id)
                    .or_default()
                    .push(row.id);
            }
            let name = FlakeName {
                org: organization.name.clone(),
                project: row.project,
            };
            directory
                .flake_ids
                .insert(folded(name.org.as_str(), name.project.as_str()), row.id);
            let entry = FlakeEntry {
                id: row.id,
                organization_id: row.organization_id,
                name,
                visibility: row.visibility,
            };
            directory.flakes.insert(row.id, entry);
        }
        for follow in follows::of_everybody(read)? {
            directory.everybody.push(follow);
        }
        directory.organization_names = by_id
            .values()
            .map(|organization| (organization.id, organization.name.folded()))
            .collect();
        directory.organizations = by_id
            .into_values()
            .map(|organization| (organization.name.folded(), organization))
            .collect();
        Ok(directory)
    }

    /// Of which state this is a copy.
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// How often something was renamed before: what names something as text is understood by the copy of that state.
    pub fn renames(&self) -> u64 {
        self.renames
    }

    /// The flake of that internal id.
    pub fn flake(&self, id: i64) -> Option<&FlakeEntry> {
        self.flakes.get(&id)
    }

    /// The flake that has or had that name, in whatever case. Text that is no name is the name of nothing.
    pub fn find_flake(&self, org: &str, project: &str) -> Option<&FlakeEntry> {
        let id = self.flake_ids.get(&folded(org, project));
        let id = id.or_else(|| self.find_renamed_flake(org, project))?;
        self.flakes.get(id)
    }

    /// The flake that had that name, or whose organisation had it.
    fn find_renamed_flake(&self, org: &str, project: &str) -> Option<&i64> {
        if self.former_organizations.is_empty() && self.former_flakes.is_empty() {
            return None;
        }
        let organization = self.find_organization(org)?;
        let id = self
            .flake_ids
            .get(&folded(organization.name.as_str(), project));
        let former = (organization.id, project.to_ascii_lowercase());
        id.or_else(|| self.former_flakes.get(&former))
    }

    /// The organisation that has or had that name, in whatever case.
    pub fn find_organization(&self, name: &str) -> Option<&OrganizationEntry> {
        let name = name.to_ascii_lowercase();
        self.organizations
            .get(&name)
            .or_else(|| self.organization(*self.former_organizations.get(&name)?))
    }

    /// The present name of an organisation; that of none stays as it came.
    pub fn present_organization(&self, org: Name) -> Name {
        let found = self.find_organization(org.as_str());
        found.map_or(org, |found| found.name.clone())
    }

    /// The organisation of that internal id.
    pub fn organization(&self, id: i64) -> Option<&OrganizationEntry> {
        self.organizations.get(self.organization_names.get(&id)?)
    }

    /// Who may push to a flake.
    pub fn push_rule(&self, flake: &FlakeEntry) -> PushRule {
        self.find_organization(flake.name.org.as_str())
            .map_or(PushRule::Builders, |organization| organization.push)
    }

    /// The flakes of an organisation, sorted by name.
    pub fn of_organization(&self, id: i64) -> impl Iterator<Item = &FlakeEntry> {
        let ids = self.ids_of_organization(id).iter();
        ids.filter_map(|id| self.flakes.get(id))
    }

    /// The internal ids of the same.
    pub fn ids_of_organization(&self, id: i64) -> &[i64] {
        self.organization_flakes.get(&id).map_or(&[], Vec::as_slice)
    }

    /// The internal ids of an organisation's public flakes.
    pub fn ids_of_public(&self, organization: i64) -> &[i64] {
        self.public_flakes
            .get(&organization)
            .map_or(&[], Vec::as_slice)
    }

    /// What the server's administrator has put into everybody's view.
    pub fn everybody(&self) -> &Follows {
        &self.everybody
    }

    /// Every flake, in no order.
    pub fn all(&self) -> impl Iterator<Item = &FlakeEntry> {
        self.flakes.values()
    }
}

/// No name holds a slash, so that two different pairs never fold into one key.
fn folded(org: &str, project: &str) -> String {
    let mut key = String::with_capacity(org.len() + 1 + project.len());
    key.push_str(org);
    key.push('/');
    key.push_str(project);
    key.make_ascii_lowercase();
    key
}
