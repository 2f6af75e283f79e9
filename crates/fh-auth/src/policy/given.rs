//! What whoever sets a policy has to be allowed to give.

use fh_api::{FlakePattern, Permission, Role};

/// The permissions that a policy with this role gives to workloads; `mint`: whether they may make narrower tokens.
pub fn permissions_given(role: Role, mint: bool) -> impl Iterator<Item = Permission> {
    let given = [
        (Permission::Pull, true),
        (Permission::Push, role >= Role::Write),
        (Permission::Mint, mint),
        (Permission::Admin, role >= Role::Admin),
    ];
    given
        .into_iter()
        .filter_map(|(permission, is_given)| is_given.then_some(permission))
}

/// Whether workloads administer the organisation by a policy with this role on these flakes, as members do by a grant
/// of `admin` on the whole organisation. A policy is on flakes of its own organisation alone.
#[must_use]
pub fn makes_administrators(role: Role, flakes: &[FlakePattern]) -> bool {
    let is_whole = |pattern: &FlakePattern| !matches!(pattern, FlakePattern::Flake(_));
    role == Role::Admin && flakes.iter().any(is_whole)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_gives_what_its_role_needs_and_minting_where_it_says_so() {
        use Permission::{Admin, Mint, Pull, Push};
        for (role, mint, given) in [
            (Role::Read, false, &[Pull][..]),
            (Role::Read, true, &[Pull, Mint]),
            (Role::Write, false, &[Pull, Push]),
            (Role::Write, true, &[Pull, Push, Mint]),
            (Role::Admin, false, &[Pull, Push, Admin]),
            (Role::Admin, true, &[Pull, Push, Mint, Admin]),
        ] {
            let found: Vec<Permission> = permissions_given(role, mint).collect();
            assert_eq!(found, given, "{role}, mint: {mint}");
        }
    }

    #[test]
    fn only_admin_on_a_whole_organisation_makes_administrators() {
        for (role, flakes, expected) in [
            (Role::Admin, &["acme/*"][..], true),
            (Role::Admin, &["acme/app", "acme/*"], true),
            (Role::Admin, &["*"], true),
            (Role::Admin, &["acme/app"], false),
            (Role::Admin, &["acme/app", "acme/lib"], false),
            (Role::Admin, &[], false),
            (Role::Write, &["acme/*"], false),
            (Role::Read, &["acme/*"], false),
        ] {
            let flakes: Vec<FlakePattern> = flakes.iter().map(|it| it.parse().unwrap()).collect();
            let found = makes_administrators(role, &flakes);
            assert_eq!(found, expected, "{role} on {flakes:?}");
        }
    }
}
