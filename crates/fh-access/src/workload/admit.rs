//! What policies together give to an identity: those of the organisation that it acts for, and for reading
//! those of others that it names.

use std::sync::Arc;

use fh_api::{FlakePattern, Name, Permission, Role, WorkloadInfo};
use fh_auth::policy::{Policy, Verdict};
use fh_auth::{Follow, Holdings, TokenScope};
use fh_persistence::database::trust::{self, Target, TrustPolicy};
use fh_persistence::database::{DatabaseError, follows, organizations, renames};
use fh_sql::Read;
use serde_json::{Map, Value};

use super::Identity;
use super::acting::{Acting, Audiences};
use super::key_source::verified_for;

/// The policies that let an identity in.
#[derive(Debug)]
pub struct Admission {
    acting: Acting,
    /// The oldest of the organisation that it acts for.
    first: Admitted,
    /// The others of that organisation.
    further: Vec<Admitted>,
    /// Those of the organisations that it reads besides.
    reads: Vec<Admitted>,
    /// What the organisation that it acts for follows.
    follows: Vec<Follow>,
    /// The same and what everybody follows, as patterns.
    followed: Vec<FlakePattern>,
    /// How often something was renamed before these names were read.
    renames: u64,
}

#[derive(Debug)]
struct Admitted {
    policy: TrustPolicy,
    verdict: Verdict,
    role: Role,
    targets: Vec<Target>,
}

/// What one policy makes of an identity, which its own keys must have verified: with every reason against it.
pub fn examine(policy: &TrustPolicy, identity: &Identity, own: &[String]) -> Verdict {
    verified(policy, identity, own, Policy::examine)
}

/// As [`examine`], with the first reason alone.
fn admit(policy: &TrustPolicy, identity: &Identity, own: &[String]) -> Verdict {
    verified(policy, identity, own, Policy::admit)
}

fn verified(
    policy: &TrustPolicy,
    identity: &Identity,
    own: &[String],
    examine: impl Fn(&Policy, &Map<String, Value>, &[&str]) -> Verdict,
) -> Verdict {
    if !verified_for(identity, policy) {
        return Verdict {
            failures: vec!["the policy's keys have not signed it".to_owned()],
            ..Verdict::default()
        };
    }
    let own: Vec<&str> = own.iter().map(String::as_str).collect();
    examine(&policy.policy, &identity.claims, &own)
}

/// What the policies, as they are now, give to a verified identity; none where no policy of the organisation
/// that it acts for lets it in.
pub fn admission(
    read: &Read,
    identity: &Identity,
    audiences: &Audiences,
    acting: &Acting,
) -> Result<Option<Admission>, DatabaseError> {
    let organization = acting.organization;
    let mut own = admitted(read, identity, audiences, organization)?.into_iter();
    let Some(first) = own.next() else {
        return Ok(None);
    };
    let mut reads = Vec::new();
    for other in &acting.reads {
        reads.extend(admitted(read, identity, audiences, *other)?);
    }
    Ok(Some(Admission {
        acting: acting.clone(),
        first,
        further: own.collect(),
        reads,
        follows: follows::of_organization(read, organization)?,
        followed: follows::patterns(read, organization)?,
        renames: renames::count(read)?,
    }))
}

/// The policies of one organisation that let an identity in, the oldest first.
fn admitted(
    read: &Read,
    identity: &Identity,
    audiences: &Audiences,
    organization: i64,
) -> Result<Vec<Admitted>, DatabaseError> {
    let Some(organization) = organizations::get(read, organization)? else {
        return Ok(Vec::new());
    };
    let names = organizations::names(read, &organization)?;
    let own = audiences.of(&names, &identity.claims);
    let mut admitted = Vec::new();
    for policy in trust::of_issuer_in(read, &identity.issuer, organization.id)? {
        let verdict = admit(&policy, identity, &own);
        if let Some(role) = verdict.role {
            let targets = trust::targets(read, &policy)?;
            admitted.push(Admitted {
                policy,
                verdict,
                role,
                targets,
            });
        }
    }
    Ok(admitted)
}

impl Admission {
    /// Those of the organisation that the workload acts for: they alone decide anything but what it reads
    /// elsewhere.
    fn own(&self) -> impl Iterator<Item = &Admitted> {
        std::iter::once(&self.first).chain(&self.further)
    }

    fn all(&self) -> impl Iterator<Item = &Admitted> {
        self.own().chain(&self.reads)
    }

    /// For whom the workload speaks.
    pub fn acting(&self) -> &Acting {
        &self.acting
    }

    /// The policy whose account the workload has.
    pub fn policy(&self) -> &TrustPolicy {
        &self.first.policy
    }

    /// The name of the organisation that the workload acts for.
    fn organization(&self) -> &Name {
        &self.first.policy.organization
    }

    /// The internal ids of every policy that lets it in.
    pub fn policy_ids(&self) -> Vec<i64> {
        self.all().map(|admitted| admitted.policy.id).collect()
    }

    /// How often something was renamed before the policies were read.
    pub fn renames(&self) -> u64 {
        self.renames
    }

    /// Whether it is a builder of the organisation that it acts for.
    pub fn is_builder(&self) -> bool {
        self.own().any(|admitted| admitted.verdict.builder)
    }

    /// Whether there are ids to be remembered.
    pub(super) fn remembers(&self) -> bool {
        self.all()
            .any(|admitted| !admitted.verdict.first_seen.is_empty())
    }

    /// All that the policies grant; those of others grant reading alone.
    pub fn holdings(&self) -> Holdings {
        let mut holdings = Holdings::default();
        holdings.set_home(self.acting.organization);
        for other in &self.acting.reads {
            holdings.add_guest_of(*other);
        }
        let own = self.own().map(|admitted| (admitted, admitted.role));
        let reads = self.reads.iter().map(|admitted| (admitted, Role::Read));
        for (admitted, role) in own.chain(reads) {
            for target in &admitted.targets {
                match target {
                    Target::Organization(id) => holdings.add_organization_grant(*id, role),
                    Target::Flake(id) => {
                        let organization = admitted.policy.organization_id;
                        holdings.add_flake_grant(organization, *id, role);
                    }
                }
            }
        }
        for follow in &self.follows {
            holdings.add_follow(*follow);
        }
        holdings
    }

    /// How far the workload reaches: the permissions that its roles need, on the flakes that the
    /// policies name and that its organisation follows. `exchanged`: by a token, which alone can mint.
    pub fn scope(&self, exchanged: bool) -> TokenScope {
        let role = self.own().map(|admitted| admitted.role).max();
        let mut permissions = vec![Permission::Pull];
        permissions.extend((role >= Some(Role::Write)).then_some(Permission::Push));
        permissions.extend((role >= Some(Role::Admin)).then_some(Permission::Admin));
        let mints = exchanged && self.own().any(|admitted| admitted.verdict.mint);
        permissions.extend(mints.then_some(Permission::Mint));
        let flakes: Vec<FlakePattern> = self
            .all()
            .flat_map(|admitted| admitted.policy.policy.flakes.iter())
            .chain(&self.followed)
            .cloned()
            .collect();
        TokenScope::new(permissions, flakes)
    }

    /// Seconds that an exchanged token lasts at most.
    pub fn max_lifetime(&self) -> u64 {
        let lifetimes = self
            .own()
            .map(|admitted| admitted.policy.policy.max_lifetime);
        lifetimes.min().unwrap_or(0)
    }

    /// For the workload's owner.
    pub fn info(&self, identity: &Identity) -> WorkloadInfo {
        WorkloadInfo {
            issuer: identity.issuer.clone(),
            subject: identity.subject(),
            organization: Some(self.organization().clone()),
            policies: self
                .all()
                .map(|admitted| admitted.policy.full_name())
                .collect(),
        }
    }

    /// For the audit log.
    pub fn audited(&self, identity: &Identity) -> Arc<str> {
        let told = self.first.policy.policy.telling(&identity.claims);
        told.to_string().into()
    }
}
