//! The two decisions that everything else asks for: the role on a flake, and whether a reader's view
//! holds it, and with what standing.
//!
//! A view belongs to its reader. It holds what their own organisations let them read, what the
//! organisations grant that they have accepted as a guest, and the public flakes that they follow.
//! Nobody else can put a flake into it: a grant of any other organisation is not in [`Holdings`].
//!
//! The facts are integers and closed words, so that a decision over thousands of flakes is a walk
//! over small values.

use std::collections::{HashMap, HashSet};

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

/// How much of the flake's name the address says that is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Named {
    /// Nothing of it: the root address is read.
    No,
    /// Its organisation, which opens the public ones.
    Organization,
    /// The flake itself, which opens an unlisted one too.
    Flake,
}

/// How near a slice is to the reader: of two contents for one store path, that of the lower standing
/// is believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Standing {
    /// Of one of the reader's own organisations.
    Own,
    /// Granted by an organisation that the reader has accepted as a guest.
    Accepted,
    /// By a follow; the earlier one in the reader's order is the lower.
    Followed(u32),
    /// Only because the address names it.
    Named,
}

/// The three kinds of [`Standing`] that a search through very many slices tells apart, as numbers 0 to 2.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rank {
    /// The same as [`Standing::Own`].
    Own,
    /// The same as [`Standing::Accepted`].
    Accepted,
    /// What [`Standing::Followed`] and [`Standing::Named`] say, which is no trust in whoever pushed.
    Open,
}

impl Standing {
    /// The kind that it is of.
    #[must_use]
    pub fn rank(self) -> Rank {
        match self {
            Self::Own => Rank::Own,
            Self::Accepted => Rank::Accepted,
            Self::Followed(_) | Self::Named => Rank::Open,
        }
    }
}

/// Public flakes that are followed: one, or all of an organisation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Follow {
    /// The organisation's internal id.
    pub organization: i64,
    /// The flake's internal id; none for all of the organisation.
    pub flake: Option<i64>,
}

/// An ordered list of follows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Follows {
    list: Vec<Follow>,
    flakes: HashMap<i64, u32>,
    organizations: HashMap<i64, u32>,
}

impl Follows {
    /// Adds a follow behind those that are there.
    pub fn push(&mut self, follow: Follow) {
        let position = u32::try_from(self.list.len()).unwrap_or(u32::MAX);
        let places = match follow.flake {
            Some(flake) => self.flakes.entry(flake),
            None => self.organizations.entry(follow.organization),
        };
        places.or_insert(position);
        self.list.push(follow);
    }

    /// The follows in the order in which they were added.
    #[must_use]
    pub fn list(&self) -> &[Follow] {
        &self.list
    }

    /// The place of the first follow that a flake is read by, counted from 0, if it is public.
    #[must_use]
    pub fn position(&self, flake: FlakeFacts) -> Option<u32> {
        if flake.visibility != Visibility::Public {
            return None;
        }
        let by_flake = self.flakes.get(&flake.id);
        let by_organization = self.organizations.get(&flake.organization);
        by_flake.into_iter().chain(by_organization).min().copied()
    }
}

/// All that one principal holds: where they belong, and grants to the account, its teams and all members
/// of its organisations, the strongest where there are several.
///
/// Where they belong is recorded before the grants: it decides what a grant of an organisation counts as.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Holdings {
    memberships: HashMap<i64, OrganizationRole>,
    home: Option<i64>,
    guest_of: HashSet<i64>,
    /// Grants on flakes, first those of organisations that are not the principal's own, then those that are.
    flakes: [HashMap<i64, Role>; 2],
    organizations: HashMap<i64, Role>,
    follows: Follows,
}

impl Holdings {
    /// Records a membership; of several in one organisation the strongest counts.
    pub fn add_membership(&mut self, organization: i64, role: OrganizationRole) {
        raise(&mut self.memberships, organization, role);
    }

    /// Records the organisation that a service account belongs to, or that a workload acts for. It is
    /// its own, though it is no member there.
    pub fn set_home(&mut self, organization: i64) {
        self.home = Some(organization);
    }

    /// Records an organisation that was accepted as a guest.
    pub fn add_guest_of(&mut self, organization: i64) {
        self.guest_of.insert(organization);
    }

    /// Records a grant on one flake.
    pub fn add_flake_grant(&mut self, organization: i64, flake: i64, role: Role) {
        let own = self.is_own(organization);
        raise(&mut self.flakes[usize::from(own)], flake, role);
    }

    /// Records a grant on every flake of an organisation.
    pub fn add_organization_grant(&mut self, organization: i64, role: Role) {
        raise(&mut self.organizations, organization, role);
    }

    /// Records a follow, behind those that are there.
    pub fn add_follow(&mut self, follow: Follow) {
        self.follows.push(follow);
    }

    /// What the principal is in an organisation.
    #[must_use]
    pub fn membership(&self, organization: i64) -> Option<OrganizationRole> {
        self.memberships.get(&organization).copied()
    }

    /// Whether an organisation is one of the principal's own.
    #[must_use]
    pub fn is_own(&self, organization: i64) -> bool {
        self.home == Some(organization) || self.memberships.contains_key(&organization)
    }

    /// The principal's own organisations, in no order.
    pub fn own_organizations(&self) -> impl Iterator<Item = i64> + '_ {
        let home = self
            .home
            .filter(|home| !self.memberships.contains_key(home));
        self.memberships.keys().copied().chain(home)
    }

    /// The organisations that were accepted as a guest, in no order.
    pub fn accepted_organizations(&self) -> impl Iterator<Item = i64> + '_ {
        let guest_of = self.guest_of.iter().copied();
        guest_of.filter(|organization| !self.is_own(*organization))
    }

    /// The follows, those of the account before those of its organisations.
    #[must_use]
    pub fn follows(&self) -> &Follows {
        &self.follows
    }

    /// The role granted on the whole of an organisation; what a membership gives is not in it.
    #[must_use]
    pub fn organization_grant(&self, organization: i64) -> Option<Role> {
        self.organizations.get(&organization).copied()
    }

    /// The flakes with a grant of their own, in no order: of own organisations, or of all others.
    #[must_use]
    pub fn granted_flakes(&self, own: bool) -> impl ExactSizeIterator<Item = i64> + '_ {
        self.flakes[usize::from(own)].keys().copied()
    }

    /// The organisations of which every flake is held, in no order, some perhaps twice: of own ones, or of
    /// all others.
    pub fn whole_organizations(&self, own: bool) -> impl Iterator<Item = i64> + '_ {
        let administered = self
            .memberships
            .iter()
            .filter(move |(_, role)| own && **role >= OrganizationRole::Admin);
        let granted = self.organizations.keys().copied();
        administered
            .map(|(organization, _)| *organization)
            .chain(granted.filter(move |organization| self.is_own(*organization) == own))
    }

    /// How many facts are held: what this takes in memory is in proportion.
    #[must_use]
    pub fn size(&self) -> usize {
        self.memberships.len()
            + self.guest_of.len()
            + self.flakes.iter().map(HashMap::len).sum::<usize>()
            + self.organizations.len()
            + self.follows.list.len()
    }

    /// The role on a flake, by membership and grants; visibility gives none.
    #[must_use]
    pub fn role(&self, flake: FlakeFacts) -> Option<Role> {
        let by_membership = self
            .membership(flake.organization)
            .filter(|role| *role >= OrganizationRole::Admin)
            .map(|_| Role::Admin);
        let by_organization = self.organizations.get(&flake.organization).copied();
        let by_flake = &self.flakes[usize::from(self.is_own(flake.organization))];
        by_membership
            .max(by_organization)
            .max(by_flake.get(&flake.id).copied())
    }

    /// With what standing the view holds a flake, if it does. `everybody`: the follows that the server's
    /// administrator has given to everybody.
    #[must_use]
    pub fn standing(
        &self,
        flake: FlakeFacts,
        named: Named,
        everybody: &Follows,
    ) -> Option<Standing> {
        let held = self.role(flake).is_some();
        if self.is_own(flake.organization) && (held || flake.visibility == Visibility::Public) {
            return Some(Standing::Own);
        }
        if held {
            return Some(Standing::Accepted);
        }
        let own_follows = u32::try_from(self.follows.list.len()).unwrap_or(u32::MAX);
        let followed = self.follows.position(flake).or_else(|| {
            let position = everybody.position(flake)?;
            Some(own_follows.saturating_add(position))
        });
        if let Some(position) = followed {
            return Some(Standing::Followed(position));
        }
        match (flake.visibility, named) {
            (Visibility::Public, Named::Organization | Named::Flake)
            | (Visibility::Unlisted, Named::Flake) => Some(Standing::Named),
            (Visibility::Public | Visibility::Unlisted | Visibility::Private, _) => None,
        }
    }
}

/// Sets what is held to a role, unless it is held with a stronger one.
fn raise<R: Ord + Copy>(held: &mut HashMap<i64, R>, on: i64, role: R) {
    let held = held.entry(on).or_insert(role);
    *held = role.max(*held);
}

#[cfg(test)]
mod tests {
    use super::*;

    const ACME: i64 = 3;
    const OTHER: i64 = 5;
    fn no_follows() -> Follows {
        Follows::default()
    }

    fn flake(organization: i64, id: i64, visibility: Visibility) -> FlakeFacts {
        FlakeFacts {
            id,
            organization,
            visibility,
        }
    }

    #[test]
    fn what_is_open_is_read_by_name_and_not_trusted_by_everybody() {
        use Visibility::{Private, Public, Unlisted};
        let nobody = Holdings::default();
        for (visibility, named, standing) in [
            (Public, Named::No, None),
            (Public, Named::Organization, Some(Standing::Named)),
            (Public, Named::Flake, Some(Standing::Named)),
            (Unlisted, Named::No, None),
            (Unlisted, Named::Organization, None),
            (Unlisted, Named::Flake, Some(Standing::Named)),
            (Private, Named::No, None),
            (Private, Named::Organization, None),
            (Private, Named::Flake, None),
        ] {
            let flake = flake(ACME, 7, visibility);
            assert_eq!(nobody.standing(flake, named, &no_follows()), standing);
            assert_eq!(nobody.role(flake), None);
        }
    }

    #[test]
    fn what_is_granted_on_a_whole_organisation_is_told_apart_from_membership_and_all_is_counted() {
        let mut holdings = Holdings::default();
        assert_eq!(holdings.size(), 0);
        holdings.add_membership(ACME, OrganizationRole::Admin);
        assert_eq!(holdings.organization_grant(ACME), None);
        assert_eq!(holdings.size(), 1);
        holdings.add_organization_grant(ACME, Role::Write);
        assert_eq!(holdings.organization_grant(ACME), Some(Role::Write));
        assert_eq!(holdings.organization_grant(OTHER), None);
        holdings.add_guest_of(OTHER);
        holdings.add_flake_grant(ACME, 7, Role::Read);
        holdings.add_flake_grant(OTHER, 8, Role::Read);
        holdings.add_flake_grant(OTHER, 9, Role::Read);
        holdings.add_follow(Follow {
            organization: OTHER,
            flake: None,
        });
        assert_eq!(holdings.size(), 7);
    }

    #[test]
    fn a_member_reads_what_is_public_there_as_their_own_and_the_rest_by_grants() {
        let mut member = Holdings::default();
        member.add_membership(ACME, OrganizationRole::Member);
        let private = flake(ACME, 7, Visibility::Private);
        let public = flake(ACME, 8, Visibility::Public);
        assert_eq!(member.standing(private, Named::Flake, &no_follows()), None);
        assert_eq!(
            member.standing(public, Named::No, &no_follows()),
            Some(Standing::Own)
        );
        assert_eq!(member.role(public), None);
        member.add_flake_grant(ACME, 7, Role::Read);
        assert_eq!(
            member.standing(private, Named::No, &no_follows()),
            Some(Standing::Own)
        );
        let mut administrator = Holdings::default();
        administrator.add_membership(ACME, OrganizationRole::Member);
        administrator.add_membership(ACME, OrganizationRole::Admin);
        assert_eq!(administrator.role(private), Some(Role::Admin));
        let elsewhere = flake(OTHER, 9, Visibility::Private);
        assert_eq!(administrator.role(elsewhere), None);
        assert_eq!(
            administrator.whole_organizations(true).collect::<Vec<_>>(),
            [ACME]
        );
        assert_eq!(administrator.whole_organizations(false).count(), 0);
    }

    #[test]
    fn a_guest_reads_what_was_granted_after_their_own() {
        let mut guest = Holdings::default();
        guest.add_guest_of(ACME);
        guest.add_flake_grant(ACME, 7, Role::Write);
        guest.add_flake_grant(ACME, 7, Role::Read);
        let private = flake(ACME, 7, Visibility::Private);
        let standing = |flake| guest.standing(flake, Named::No, &no_follows());
        assert_eq!(guest.role(private), Some(Role::Write));
        assert_eq!(standing(private), Some(Standing::Accepted));
        assert_eq!(standing(flake(ACME, 8, Visibility::Public)), None);
        assert_eq!(guest.accepted_organizations().collect::<Vec<_>>(), [ACME]);
        assert_eq!(guest.granted_flakes(false).collect::<Vec<_>>(), [7]);
        assert_eq!(guest.granted_flakes(true).len(), 0);

        let mut service = Holdings::default();
        service.set_home(ACME);
        service.add_organization_grant(ACME, Role::Read);
        service.add_organization_grant(OTHER, Role::Read);
        let elsewhere = flake(OTHER, 9, Visibility::Private);
        assert_eq!(
            service.standing(private, Named::No, &no_follows()),
            Some(Standing::Own)
        );
        assert_eq!(
            service.standing(elsewhere, Named::No, &no_follows()),
            Some(Standing::Accepted)
        );
        assert_eq!(service.own_organizations().collect::<Vec<_>>(), [ACME]);
        assert_eq!(
            service.whole_organizations(true).collect::<Vec<_>>(),
            [ACME]
        );
        assert_eq!(
            service.whole_organizations(false).collect::<Vec<_>>(),
            [OTHER]
        );
        assert_eq!(service.membership(ACME), None);
    }

    #[test]
    fn follows_count_in_their_order_and_everybodys_come_last() {
        let all_of = |organization| Follow {
            organization,
            flake: None,
        };
        let one = |organization, flake| Follow {
            organization,
            flake: Some(flake),
        };
        let mut reader = Holdings::default();
        reader.add_follow(one(OTHER, 9));
        reader.add_follow(all_of(ACME));
        reader.add_follow(one(ACME, 7));
        reader.add_follow(one(OTHER, 9));
        let mut everybody = Follows::default();
        everybody.push(all_of(6));
        everybody.push(all_of(OTHER));
        let standing = |flake| reader.standing(flake, Named::No, &everybody);
        let public = |organization, id| flake(organization, id, Visibility::Public);
        assert_eq!(standing(public(OTHER, 9)), Some(Standing::Followed(0)));
        assert_eq!(standing(public(ACME, 7)), Some(Standing::Followed(1)));
        assert_eq!(standing(public(ACME, 8)), Some(Standing::Followed(1)));
        assert_eq!(standing(public(6, 1)), Some(Standing::Followed(4)));
        assert_eq!(standing(public(OTHER, 2)), Some(Standing::Followed(5)));
        assert_eq!(standing(public(1, 1)), None);
        for visibility in [Visibility::Unlisted, Visibility::Private] {
            assert_eq!(standing(flake(ACME, 7, visibility)), None);
        }
        assert_eq!(reader.follows().list().len(), 4);
        assert_eq!(reader.size(), 4);
        let order = [
            Standing::Own,
            Standing::Accepted,
            Standing::Followed(0),
            Standing::Followed(1),
            Standing::Named,
        ];
        assert!(order.is_sorted());
        let ranks = order.map(Standing::rank);
        use Rank::{Accepted, Open, Own};
        assert_eq!(ranks, [Own, Accepted, Open, Open, Open]);
    }
}
