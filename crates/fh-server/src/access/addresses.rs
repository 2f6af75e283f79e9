//! Where a caller's Nix reads organisation by organisation, in place of the root: the same slices as the
//! root's view, taken apart by what each organisation is to the reader.
//!
//! The order is that of the standings: own organisations in the order in which they were joined, then
//! accepted ones by name, then what is followed in the order of the follows. Nix asks in this order, so
//! that of two contents for one path it takes that of the nearer organisation.

use std::collections::BTreeMap;

use fh_api::{Name, Standing};

use super::Caller;
use super::directory::OrganizationEntry;
use super::organizations::{OrganizationRef, touches};
use crate::error::ApiError;

/// One such address.
#[derive(Debug, Clone)]
pub(crate) struct Address {
    /// The organisation.
    pub(crate) organization: OrganizationRef,
    /// The one flake of it that is read, where it is not all that can be.
    pub(crate) project: Option<Name>,
    /// What the organisation is to the caller; none where it is only readable by name.
    pub(crate) standing: Option<Standing>,
}

impl Caller {
    /// The addresses of the caller. `joined`: the organisations of the account in the order in which it
    /// became their member.
    pub(crate) fn addresses(&self, joined: &[i64]) -> Vec<Address> {
        let mut addresses = Vec::new();
        for entry in self.own_organizations(joined) {
            addresses.push(self.address(entry, Standing::Own));
        }
        let own: Vec<i64> = addresses.iter().map(|own| own.organization.id).collect();
        let mut accepted = BTreeMap::new();
        for (flake, role) in self.view().flakes() {
            let organization = flake.organization_id;
            if role.is_some()
                && !own.contains(&organization)
                && let Some(entry) = self.directory.organization(organization)
            {
                accepted.insert(entry.name.folded(), entry);
            }
        }
        let accepted = accepted.into_values();
        addresses.extend(accepted.map(|entry| self.address(entry, Standing::Accepted)));
        addresses
    }

    /// The address of one organisation, whatever it is to the caller.
    ///
    /// # Errors
    /// 404 where it is not there or the caller may read nothing there.
    pub(crate) fn address_of(&self, name: &str, addresses: &[Address]) -> Result<Address, ApiError> {
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

    fn address(&self, entry: &OrganizationEntry, standing: Standing) -> Address {
        Address {
            organization: self.reference(entry),
            project: None,
            standing: Some(standing),
        }
    }

    /// The caller's own organisations that the token reaches, in the order in which they were joined.
    fn own_organizations(&self, joined: &[i64]) -> Vec<&OrganizationEntry> {
        let Some(principal) = self.reader() else {
            return Vec::new();
        };
        let holdings = &principal.holdings;
        let mut own: Vec<&OrganizationEntry> = holdings
            .memberships()
            .filter_map(|(id, _)| self.directory.organization(id))
            .filter(|entry| touches(principal, &entry.name))
            .collect();
        let place = |entry: &OrganizationEntry| joined.iter().position(|id| *id == entry.id);
        own.sort_by_key(|entry| (place(entry), entry.id));
        own
    }
}
