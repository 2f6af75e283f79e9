//! What a caller may do with an organisation itself: see it, administer it, decide about it.
//!
//! Invariants: an organisation is looked for only after the token was found good for such things at
//! all; one that the caller may not know of, or that the token does not touch, is answered as one
//! that does not exist; people, teams and grants are shown to no token that was narrowed below
//! `org/*`, or to certain paths.

use std::collections::BTreeSet;

use fh_api::{FlakePattern, Name, OrganizationRole, Permission, Role};

use super::directory::{FlakeEntry, OrganizationEntry};
use super::{Caller, Principal, Scope};
use crate::error::ApiError;

/// An organisation that the caller was found to have the asked standing in.
#[derive(Debug, Clone)]
pub struct OrganizationRef {
    pub id: i64,
    /// Its name, in the case in which it was made.
    pub name: Name,
    /// What the caller is there; none for who was granted `admin` on the whole of it, and for a
    /// server administrator who looks at it.
    pub membership: Option<OrganizationRole>,
}

impl OrganizationRef {
    /// Whether the caller may decide about owners and administrators.
    pub fn is_owner(&self) -> bool {
        self.membership == Some(OrganizationRole::Owner)
    }

    /// That the caller is an owner.
    ///
    /// # Errors
    /// 403 for all others.
    pub fn require_owner(&self) -> Result<(), ApiError> {
        if self.is_owner() {
            return Ok(());
        }
        let name = &self.name;
        Err(ApiError::Forbidden(format!(
            "only owners of {name} may do this"
        )))
    }
}

impl Caller {
    /// An organisation's internal id, if the caller may make and remove flakes in it: its owners and
    /// administrators may, and whoever was granted `admin` on the whole of it.
    ///
    /// # Errors
    /// 401 for the anonymous; 404 where it is not there or the caller may not know of it; 403 where
    /// they may know, but not do.
    pub fn organization_to_manage(&self, name: &str) -> Result<i64, ApiError> {
        let principal = self.require(Permission::Admin)?;
        let entry = self.known_organization(principal, name)?;
        if !administers(principal, entry) {
            return Err(ApiError::Forbidden(format!(
                "only owners and administrators of {} may do this",
                entry.name
            )));
        }
        Ok(entry.id)
    }

    /// An organisation whose members, teams, grants and service accounts the caller may change.
    ///
    /// # Errors
    /// As [`Self::organization_to_manage`], and 403 for a token that does not reach all of it.
    pub fn organization_to_administer(&self, name: &str) -> Result<OrganizationRef, ApiError> {
        self.organization_to_manage(name)?;
        let principal = self.principal()?;
        let entry = self.known_organization(principal, name)?;
        self.require_reach(&FlakePattern::Organization(entry.name.clone()))?;
        Ok(reference(principal, entry))
    }

    /// Whether the caller belongs to an organisation, by its internal id: as a member, as its service account or as
    /// a workload that acts for it. Guests do not, whatever they were granted: what they do puts nothing into the
    /// views of its members.
    pub fn belongs_to(&self, organization: i64) -> bool {
        let principal = self.principal.as_ref();
        principal.is_some_and(|principal| principal.holdings.is_own(organization))
    }

    /// Whether the caller may learn who belongs to an organisation, whatever their token is narrowed to: as one
    /// who belongs there, or administers it.
    pub fn may_know_members_of(&self, organization: i64) -> bool {
        let entry = self.directory.organization(organization);
        let administered = self
            .principal
            .as_ref()
            .zip(entry)
            .is_some_and(|(principal, entry)| administers(principal, entry));
        administered || self.belongs_to(organization)
    }

    /// An organisation whose members and teams the caller may see: its members may, and whoever may
    /// change them.
    ///
    /// # Errors
    /// 401 for the anonymous; 404 where it is not there or the caller may not know of it; 403 where
    /// they may know, but not see.
    pub fn organization_of_member(&self, name: &str) -> Result<OrganizationRef, ApiError> {
        let principal = self.require(Permission::Pull)?;
        let entry = self.known_organization(principal, name)?;
        let inside = principal.holdings.membership(entry.id).is_some();
        if !inside && !administers(principal, entry) {
            return Err(ApiError::Forbidden(format!(
                "only members of {} may see this",
                entry.name
            )));
        }
        self.require_reach(&FlakePattern::Organization(entry.name.clone()))?;
        Ok(reference(principal, entry))
    }

    /// An organisation that the caller may look at: as a member, or as a server administrator.
    ///
    /// # Errors
    /// As [`Self::organization_of_member`].
    pub fn organization_to_show(&self, name: &str) -> Result<OrganizationRef, ApiError> {
        if let Ok(principal) = self.server_administrator()
            && let Some(entry) = self.directory.find_organization(name)
        {
            return Ok(reference(principal, entry));
        }
        self.organization_of_member(name)
    }

    /// An organisation that the caller belongs to, as a member or as a guest, or is invited to: to leave it.
    /// Guests know of it whether anything of it can be seen or not.
    ///
    /// # Errors
    /// 401 for the anonymous; 404 where they do not belong there; 403 for a token that does not reach all of
    /// it.
    pub fn organization_to_leave(&self, name: &str) -> Result<OrganizationRef, ApiError> {
        let principal = self.require(Permission::Admin)?;
        let entry = self
            .directory
            .find_organization(name)
            .filter(|entry| principal.touches(&entry.name))
            .ok_or(ApiError::NotFound)?;
        let mut accepted = principal.holdings.accepted_organizations();
        let belongs = principal.holdings.membership(entry.id).is_some()
            || accepted.any(|organization| organization == entry.id);
        if !belongs {
            return Err(ApiError::NotFound);
        }
        self.require_reach(&FlakePattern::Organization(entry.name.clone()))?;
        Ok(reference(principal, entry))
    }

    /// An organisation in which the caller may read something, or which is theirs whether there is
    /// something or not. Nobody has to show a token for what everybody may read; one for certain paths is told
    /// of no organisation.
    ///
    /// # Errors
    /// 404 where it is not there or the caller may read nothing there.
    pub fn organization_to_read(&self, name: &str) -> Result<OrganizationRef, ApiError> {
        let view = self.named_view()?;
        let entry = self
            .directory
            .find_organization(name)
            .filter(|_| view.narrow(Scope::Organization(name)).is_some())
            .ok_or(ApiError::NotFound)?;
        Ok(self.reference(entry))
    }

    /// Whether the caller may know which organisation has or had a name: they may look at it, or read something there.
    pub fn knows_organization(&self, name: &str) -> bool {
        self.organization_to_show(name).is_ok() || self.organization_to_read(name).is_ok()
    }

    /// An organisation as the caller knows it, whoever that is.
    pub(super) fn reference(&self, entry: &OrganizationEntry) -> OrganizationRef {
        let principal = self.principal.as_ref();
        OrganizationRef {
            id: entry.id,
            name: entry.name.clone(),
            membership: principal.and_then(|principal| principal.holdings.membership(entry.id)),
        }
    }

    /// An organisation whose signing keys the caller may rotate, or which they may rename: its owners may, and server
    /// administrators.
    ///
    /// # Errors
    /// As [`Self::organization_to_administer`], and 403 for who is neither.
    pub fn organization_of_owner(&self, name: &str) -> Result<OrganizationRef, ApiError> {
        if let Ok(principal) = self.server_administrator()
            && let Some(entry) = self.directory.find_organization(name)
        {
            return Ok(reference(principal, entry));
        }
        let organization = self.organization_to_administer(name)?;
        organization.require_owner()?;
        Ok(organization)
    }

    /// The organisations that the caller administers, with a token that reaches all of them, sorted by internal id.
    ///
    /// # Errors
    /// 401 for the anonymous, 403 for a token without the permission `admin`.
    pub fn administered_organizations(&self) -> Result<Vec<OrganizationRef>, ApiError> {
        let principal = self.require(Permission::Admin)?;
        let held = [true, false]
            .into_iter()
            .flat_map(|own| principal.holdings.whole_organizations(own));
        let held: BTreeSet<i64> = held.collect();
        let entries = held
            .into_iter()
            .filter_map(|id| self.directory.organization(id));
        let administered =
            entries.filter_map(|entry| self.organization_to_administer(entry.name.as_str()).ok());
        Ok(administered.collect())
    }

    /// An organisation's name by its internal id, for who may know of it.
    pub fn organization_name(&self, id: i64) -> Option<&Name> {
        self.directory.organization(id).map(|entry| &entry.name)
    }

    /// Every flake, or those of one organisation, in no order: for who administers them, or the server.
    pub fn flakes_there(
        &self,
        organization: Option<i64>,
    ) -> Box<dyn Iterator<Item = &FlakeEntry> + '_> {
        match organization {
            Some(id) => Box::new(self.directory.of_organization(id)),
            None => Box::new(self.directory.all()),
        }
    }

    /// A flake that the caller administers, by its internal id; none for all others.
    pub fn administered_flake(&self, id: i64) -> Option<&FlakeEntry> {
        let entry = self.directory.flake(id)?;
        let (org, project) = (entry.name.org.as_str(), entry.name.project.as_str());
        self.flake(org, project, Role::Admin, Permission::Admin)
            .is_ok()
            .then_some(entry)
    }

    fn known_organization(
        &self,
        principal: &Principal,
        name: &str,
    ) -> Result<&OrganizationEntry, ApiError> {
        let view = self.named_view()?;
        let entry = self
            .directory
            .find_organization(name)
            .filter(|entry| principal.touches(&entry.name))
            .ok_or(ApiError::NotFound)?;
        let known = principal.holdings.membership(entry.id).is_some()
            || administers(principal, entry)
            || view.narrow(Scope::Organization(name)).is_some();
        known.then_some(entry).ok_or(ApiError::NotFound)
    }
}

fn administers(principal: &Principal, entry: &OrganizationEntry) -> bool {
    principal.holdings.membership(entry.id) >= Some(OrganizationRole::Admin)
        || principal.holdings.organization_grant(entry.id) >= Some(Role::Admin)
}

fn reference(principal: &Principal, entry: &OrganizationEntry) -> OrganizationRef {
    OrganizationRef {
        id: entry.id,
        name: entry.name.clone(),
        membership: principal.holdings.membership(entry.id),
    }
}
