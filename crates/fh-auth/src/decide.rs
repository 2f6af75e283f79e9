//! The two decisions that everything else asks for: the role on a flake, and whether it is readable.
//!
//! The facts are integers and closed words, so that a decision over thousands of flakes is a walk
//! over small values.

use std::collections::HashMap;

use fh_api::{OrganizationRole, Role, Visibility};

/// What a decision needs to know of a flake.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FlakeFacts {
    /// The flake's internal id.
    pub id: i64,
    /// The organisation's internal id.
    pub organization: i64,
    /// Who may read it without a grant.
    pub visibility: Visibility,
}

/// How specific the reason is for which a flake is readable; the lower, the more specific.
///
/// Where one store path stands in several slices of a view with different contents, the lowest rank
/// is served.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rank {
    /// By a grant on this very flake.
    Flake,
    /// By a grant on the whole organisation, or by administering it.
    Organization,
    /// By visibility alone.
    Public,
}

/// All that one principal holds: memberships, and grants to the account, its teams and all members
/// of its organisations, the strongest where there are several.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Holdings {
    memberships: HashMap<i64, OrganizationRole>,
    flakes: HashMap<i64, Role>,
    organizations: HashMap<i64, Role>,
}

impl Holdings {
    /// Records a membership.
    pub fn add_membership(&mut self, organization: i64, role: OrganizationRole) {
        let held = self.memberships.entry(organization).or_insert(role);
        *held = role.max(*held);
    }

    /// Records a grant on one flake.
    pub fn add_flake_grant(&mut self, flake: i64, role: Role) {
        let held = self.flakes.entry(flake).or_insert(role);
        *held = role.max(*held);
    }

    /// Records a grant on every flake of an organisation.
    pub fn add_organization_grant(&mut self, organization: i64, role: Role) {
        let held = self.organizations.entry(organization).or_insert(role);
        *held = role.max(*held);
    }

    /// The organisations that the principal is a member of, and what it is there, in no order.
    pub fn memberships(&self) -> impl Iterator<Item = (i64, OrganizationRole)> + '_ {
        let memberships = self.memberships.iter();
        memberships.map(|(organization, role)| (*organization, *role))
    }

    /// What the principal is in an organisation.
    #[must_use]
    pub fn membership(&self, organization: i64) -> Option<OrganizationRole> {
        self.memberships.get(&organization).copied()
    }

    /// The role granted on the whole of an organisation; what a membership gives is not in it.
    #[must_use]
    pub fn organization_grant(&self, organization: i64) -> Option<Role> {
        self.organizations.get(&organization).copied()
    }

    /// The flakes with a grant of their own, in no order: all that are readable with [`Rank::Flake`].
    #[must_use]
    pub fn granted_flakes(&self) -> impl ExactSizeIterator<Item = i64> + '_ {
        self.flakes.keys().copied()
    }

    /// The organisations of which every flake is held, in no order, some perhaps twice: those of all
    /// flakes that are readable with [`Rank::Organization`].
    pub fn whole_organizations(&self) -> impl Iterator<Item = i64> + '_ {
        let administered = self
            .memberships
            .iter()
            .filter(|(_, role)| **role >= OrganizationRole::Admin);
        administered
            .map(|(organization, _)| *organization)
            .chain(self.organizations.keys().copied())
    }

    /// How many facts are held: what this takes in memory is in proportion.
    #[must_use]
    pub fn size(&self) -> usize {
        self.memberships.len() + self.flakes.len() + self.organizations.len()
    }

    /// The role on a flake, by membership and grants; visibility gives none.
    #[must_use]
    pub fn role(&self, flake: FlakeFacts) -> Option<Role> {
        let by_membership = self
            .membership(flake.organization)
            .filter(|role| *role >= OrganizationRole::Admin)
            .map(|_| Role::Admin);
        let by_organization = self.organizations.get(&flake.organization).copied();
        let by_flake = self.flakes.get(&flake.id).copied();
        by_membership.max(by_organization).max(by_flake)
    }

    /// Why the flake is readable, if it is. `named`: the caller named this very flake, which is what
    /// opens an unlisted one.
    #[must_use]
    pub fn readable(&self, flake: FlakeFacts, named: bool) -> Option<Rank> {
        if self.flakes.contains_key(&flake.id) {
            return Some(Rank::Flake);
        }
        if self.role(flake).is_some() {
            return Some(Rank::Organization);
        }
        match flake.visibility {
            Visibility::Public => Some(Rank::Public),
            Visibility::Unlisted if named => Some(Rank::Public),
            Visibility::Unlisted | Visibility::Private => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flake(visibility: Visibility) -> FlakeFacts {
        FlakeFacts {
            id: 7,
            organization: 3,
            visibility,
        }
    }

    #[test]
    fn nothing_held_reads_only_what_is_open() {
        let nobody = Holdings::default();
        assert_eq!(
            nobody.readable(flake(Visibility::Public), false),
            Some(Rank::Public)
        );
        assert_eq!(nobody.readable(flake(Visibility::Unlisted), false), None);
        assert_eq!(
            nobody.readable(flake(Visibility::Unlisted), true),
            Some(Rank::Public)
        );
        assert_eq!(nobody.readable(flake(Visibility::Private), true), None);
        assert_eq!(nobody.role(flake(Visibility::Public)), None);
    }

    #[test]
    fn a_plain_member_holds_nothing_by_membership() {
        let mut member = Holdings::default();
        member.add_membership(3, OrganizationRole::Member);
        assert_eq!(member.readable(flake(Visibility::Private), true), None);
        member.add_membership(3, OrganizationRole::Admin);
        assert_eq!(member.role(flake(Visibility::Private)), Some(Role::Admin));
        assert_eq!(
            member.readable(flake(Visibility::Private), false),
            Some(Rank::Organization)
        );
    }

    #[test]
    fn the_strongest_grant_counts_and_another_organisation_does_not() {
        let mut holdings = Holdings::default();
        holdings.add_flake_grant(7, Role::Write);
        holdings.add_flake_grant(7, Role::Read);
        holdings.add_organization_grant(3, Role::Read);
        holdings.add_membership(4, OrganizationRole::Owner);
        assert_eq!(holdings.role(flake(Visibility::Private)), Some(Role::Write));
        assert_eq!(
            holdings.readable(flake(Visibility::Private), false),
            Some(Rank::Flake)
        );
        let other = FlakeFacts {
            id: 8,
            organization: 5,
            visibility: Visibility::Private,
        };
        assert_eq!(holdings.role(other), None);
        assert_eq!(holdings.readable(other, true), None);
    }
}
