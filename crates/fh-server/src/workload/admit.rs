//! What the policies together give to an identity.

use std::sync::Arc;

use fh_api::{FlakePattern, Permission, Role, WorkloadInfo};
use fh_auth::policy::Verdict;
use fh_auth::{Holdings, TokenScope};
use rusqlite::Connection;

use super::Identity;
use crate::database::DatabaseError;
use crate::database::trust::{self, Target, TrustPolicy};

/// The policies that let an identity in, the oldest first; at least one.
#[derive(Debug)]
pub(crate) struct Admission {
    first: Admitted,
    further: Vec<Admitted>,
}

#[derive(Debug)]
struct Admitted {
    policy: TrustPolicy,
    verdict: Verdict,
    role: Role,
    targets: Vec<Target>,
}

/// What one policy makes of an identity, which its own keys must have verified.
pub(crate) fn examine(policy: &TrustPolicy, identity: &Identity, own: &[&str]) -> Verdict {
    if !identity.verified_for(policy) {
        return Verdict {
            failures: vec!["the policy's keys have not signed it".to_owned()],
            ..Verdict::default()
        };
    }
    policy.policy.examine(&identity.claims, own)
}

/// What the policies, as they are now, give to a verified identity; none where no policy lets it in.
pub(crate) fn admission(
    connection: &Connection,
    identity: &Identity,
    own: &[&str],
) -> Result<Option<Admission>, DatabaseError> {
    let mut admitted = Vec::new();
    for policy in trust::of_issuer(connection, &identity.issuer)? {
        let verdict = examine(&policy, identity, own);
        if let Some(role) = verdict.role {
            let targets = trust::targets(connection, &policy)?;
            admitted.push(Admitted {
                policy,
                verdict,
                role,
                targets,
            });
        }
    }
    let mut admitted = admitted.into_iter();
    Ok(admitted.next().map(|first| Admission {
        first,
        further: admitted.collect(),
    }))
}

impl Admission {
    fn all(&self) -> impl Iterator<Item = &Admitted> {
        std::iter::once(&self.first).chain(&self.further)
    }

    /// The policy whose account the workload has.
    pub(crate) fn policy(&self) -> &TrustPolicy {
        &self.first.policy
    }

    /// Every policy that lets it in.
    pub(crate) fn policies(&self) -> impl Iterator<Item = &TrustPolicy> {
        self.all().map(|admitted| &admitted.policy)
    }

    /// Their internal ids.
    pub(crate) fn policy_ids(&self) -> Vec<i64> {
        self.policies().map(|policy| policy.id).collect()
    }

    /// Whether it is a builder.
    pub(crate) fn is_builder(&self) -> bool {
        self.all().any(|admitted| admitted.verdict.builder)
    }

    /// Whether there are ids to be remembered.
    pub(super) fn remembers(&self) -> bool {
        self.all()
            .any(|admitted| !admitted.verdict.first_seen.is_empty())
    }

    /// All that the policies grant.
    pub(crate) fn holdings(&self) -> Holdings {
        let mut holdings = Holdings::default();
        holdings.set_home(self.first.policy.organization_id);
        for admitted in self.all() {
            for target in &admitted.targets {
                match target {
                    Target::Organization(id) => holdings.add_organization_grant(*id, admitted.role),
                    Target::Flake(id) => {
                        let organization = admitted.policy.organization_id;
                        holdings.add_flake_grant(organization, *id, admitted.role);
                    }
                }
            }
        }
        holdings
    }

    /// How far the workload reaches: the permissions that its roles need, on the flakes that the
    /// policies name. `exchanged`: by a token, which alone can mint.
    pub(crate) fn scope(&self, exchanged: bool) -> TokenScope {
        let role = self.all().map(|admitted| admitted.role).max();
        let mut permissions = vec![Permission::Pull];
        permissions.extend((role >= Some(Role::Write)).then_some(Permission::Push));
        permissions.extend((role >= Some(Role::Admin)).then_some(Permission::Admin));
        let mints = exchanged && self.all().any(|admitted| admitted.verdict.mint);
        permissions.extend(mints.then_some(Permission::Mint));
        let flakes: Vec<FlakePattern> = self
            .policies()
            .flat_map(|policy| policy.policy.flakes.iter().cloned())
            .collect();
        TokenScope::new(permissions, flakes)
    }

    /// Seconds that an exchanged token lasts at most.
    pub(crate) fn max_lifetime(&self) -> u64 {
        let lifetimes = self.policies().map(|policy| policy.policy.max_lifetime);
        lifetimes.min().unwrap_or(0)
    }

    /// For the workload's owner.
    pub(crate) fn info(&self, identity: &Identity) -> WorkloadInfo {
        WorkloadInfo {
            issuer: identity.issuer.clone(),
            subject: identity.subject(),
            policies: self.policies().map(TrustPolicy::full_name).collect(),
        }
    }

    /// For the audit log.
    pub(crate) fn audited(&self, identity: &Identity) -> Arc<str> {
        let told = self.first.policy.policy.telling(&identity.claims);
        told.to_string().into()
    }
}
