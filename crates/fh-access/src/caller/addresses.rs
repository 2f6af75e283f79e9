//! Where a caller's Nix reads organisation by organisation, in place of the root: the slices of the root's
//! view, taken apart by what each organisation is to the reader.
//!
//! The order is that of the standings: own organisations in the order in which they were joined, then
//! accepted ones by name, then what is followed in the order of the follows. Nix asks in this order, so
//! that of two contents for one path it takes that of the nearer organisation.
//!
//! An address names its organisation, and what is named opens what is public there, followed or not.

use fh_api::{Name, Standing};
use fh_auth::{Follow, Follows, Holdings, Rank};

use super::Caller;
use super::candidates::candidates_by_rank;
use super::directory::OrganizationEntry;
use super::organizations::OrganizationRef;
use crate::error::ApiError;

#[derive(Debug, Clone)]
pub struct Address {
    pub organization: OrganizationRef,
    /// The one flake of it that is read, where it is not all that can be.
    pub project: Option<Name>,
    /// What the organisation is to the caller; none where it is only readable by name.
    pub standing: Option<Standing>,
}

impl Caller {
    /// The addresses of the caller. `joined`: the organisations of the account in the order in which it
    /// became their member.
    pub fn addresses(&self, joined: &[i64]) -> Vec<Address> {
        let own = self.own_organizations(joined);
        let accepted = self.accepted_organizations();
        let mut near: Vec<i64> = own.iter().chain(&accepted).map(|entry| entry.id).collect();
        let own = own.into_iter().map(|entry| (entry, Standing::Own));
        let accepted = accepted
            .into_iter()
            .map(|entry| (entry, Standing::Accepted));
        let mut addresses: Vec<Address> = own
            .chain(accepted)
            .map(|(entry, standing)| self.address(entry, None, standing))
            .collect();
        let mut flakes = Vec::new();
        for follow in self.follows() {
            let Some(entry) = self.directory.organization(follow.organization) else {
                continue;
            };
            if near.contains(&entry.id) || !self.reads_by(follow) {
                continue;
            }
            match follow.flake {
                None => {
                    near.push(entry.id);
                    addresses.push(self.address(entry, None, Standing::Followed));
                }
                Some(id) if flakes.contains(&id) => {}
                Some(id) => {
                    flakes.push(id);
                    let project = self
                        .directory
                        .flake(id)
                        .map(|flake| flake.name.project.clone());
                    addresses.push(self.address(entry, project, Standing::Followed));
                }
            }
        }
        addresses
    }

    /// The addresses of organisations by their internal ids, in their order, as of organisations that are only
    /// readable by name.
    pub fn addresses_of(&self, organizations: &[i64]) -> Vec<Address> {
        let entries = organizations.iter();
        entries
            .filter_map(|id| self.directory.organization(*id))
            .map(|entry| Address {
                organization: self.reference(entry),
                project: None,
                standing: None,
            })
            .collect()
    }

    /// The address of one organisation, whatever it is to the caller.
    ///
    /// # Errors
    /// 404 where it is not there or the caller may read nothing there.
    pub fn address_of(&self, name: &str, addresses: &[Address]) -> Result<Address, ApiError> {
        let organization = self.organization_to_read(name)?;
        let known = addresses
            .iter()
            .find(|known| known.organization.id == organization.id);
        Ok(Address {
            organization,
            project: None,
            standing: known.and_then(|known| known.standing),
        })
    }

    fn address(
        &self,
        entry: &OrganizationEntry,
        project: Option<Name>,
        standing: Standing,
    ) -> Address {
        Address {
            organization: self.reference(entry),
            project,
            standing: Some(standing),
        }
    }

    /// The caller's own organisations that the token reaches: where it belongs or what it acts for, then
    /// those that it is a member of in the order in which they were joined.
    fn own_organizations(&self, joined: &[i64]) -> Vec<&OrganizationEntry> {
        let Some(principal) = self.reader() else {
            return Vec::new();
        };
        let mut own: Vec<&OrganizationEntry> = principal
            .holdings
            .own_organizations()
            .filter_map(|id| self.directory.organization(id))
            .filter(|entry| principal.touches(&entry.name))
            .collect();
        let place = |entry: &OrganizationEntry| joined.iter().position(|id| *id == entry.id);
        own.sort_by_key(|entry| (place(entry), entry.id));
        own
    }

    /// The organisations that are not the caller's own and of which it was granted something, by name.
    fn accepted_organizations(&self) -> Vec<&OrganizationEntry> {
        let [_, accepted, _] = candidates_by_rank(self.view());
        let mut ids: Vec<i64> = accepted
            .flake_ids()
            .into_iter()
            .filter_map(|id| Some(self.directory.flake(id)?.organization_id))
            .collect();
        ids.sort_unstable();
        ids.dedup();
        let mut found: Vec<&OrganizationEntry> = ids
            .into_iter()
            .filter_map(|id| self.directory.organization(id))
            .collect();
        found.sort_by_key(|entry| entry.name.folded());
        found
    }

    /// What is followed, in its order: by the account, by its organisations, by everybody.
    fn follows(&self) -> impl Iterator<Item = Follow> + '_ {
        let own = self.reader().map(|principal| &principal.holdings);
        let own = own.into_iter().map(Holdings::follows);
        own.chain([self.directory.everybody()])
            .flat_map(Follows::list)
            .copied()
    }

    /// Whether the root's view holds anything by a follow.
    fn reads_by(&self, follow: Follow) -> bool {
        let followed = |id: i64| {
            let standing = self.view().standing_of(id);
            standing.is_some_and(|(_, standing)| standing.rank() == Rank::Open)
        };
        match follow.flake {
            Some(id) => followed(id),
            None => {
                let public = self.directory.ids_of_public(follow.organization);
                public.iter().copied().any(followed)
            }
        }
    }
}
