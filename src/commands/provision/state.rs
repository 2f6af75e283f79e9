//! What organisations have at present, as the server tells it, and that as a file.

use std::collections::BTreeMap;

use fh_api::{
    FlakeInfo, FlakeName, FlakePattern, GrantInfo, MemberInfo, Name, OrganizationRole, PushRule,
    RenewalRule, Role, Subject, TrustPolicyInfo, Visibility,
};
use fh_client::{Client, Follower};

use super::file::{Flake, Grants, Organization};
use super::policy::Policy;
use super::problem::Said;
use crate::similar::is_same_name;

/// What an organisation has. Sections that nobody asked for are empty.
#[derive(Debug, Clone)]
pub(super) struct Present {
    /// It is not there yet.
    pub(super) is_new: bool,
    /// What it is called now.
    pub(super) name: Name,
    /// What the caller is there; none for who is no member.
    pub(super) role: Option<OrganizationRole>,
    pub(super) push: PushRule,
    pub(super) renewal: RenewalRule,
    pub(super) trusted_keys: Vec<String>,
    pub(super) follows: Vec<FlakePattern>,
    pub(super) service_accounts: Vec<Name>,
    /// Those who are invited are among them.
    pub(super) members: Vec<MemberInfo>,
    pub(super) teams: Vec<Team>,
    pub(super) grants: Vec<Grant>,
    pub(super) flakes: Vec<PresentFlake>,
    pub(super) policies: Vec<TrustPolicyInfo>,
}

/// A team and who is in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Team {
    pub(super) name: Name,
    pub(super) members: Vec<Name>,
}

/// Who holds which role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Grant {
    pub(super) subject: Subject,
    pub(super) role: Role,
    /// It waits for the account to accept the invitation of the organisation.
    pub(super) pending: bool,
}

/// A flake as the server has it.
#[derive(Debug, Clone)]
pub(super) struct PresentFlake {
    pub(super) name: FlakeName,
    pub(super) visibility: Visibility,
    pub(super) description: String,
    /// How many store paths it has.
    pub(super) paths: u64,
    pub(super) grants: Vec<Grant>,
}

impl Present {
    pub(super) fn member(&self, user: &Name) -> Option<&MemberInfo> {
        let mut members = self.members.iter();
        members.find(|member| is_same_name(&member.user, user))
    }

    pub(super) fn team(&self, name: &Name) -> Option<&Team> {
        self.teams
            .iter()
            .find(|team| is_same_name(&team.name, name))
    }

    pub(super) fn flake(&self, project: &Name) -> Option<&PresentFlake> {
        let mut flakes = self.flakes.iter();
        flakes.find(|flake| is_same_name(&flake.name.project, project))
    }

    pub(super) fn policy(&self, name: &Name) -> Option<&TrustPolicyInfo> {
        let mut policies = self.policies.iter();
        policies.find(|policy| is_same_name(&policy.name, name))
    }

    /// An organisation that is made for this file.
    pub(super) fn nothing(name: Name) -> Self {
        Self {
            is_new: true,
            name,
            role: Some(OrganizationRole::Owner),
            push: PushRule::Writers,
            renewal: RenewalRule::People,
            trusted_keys: Vec::new(),
            follows: Vec::new(),
            service_accounts: Vec::new(),
            members: Vec::new(),
            teams: Vec::new(),
            grants: Vec::new(),
            flakes: Vec::new(),
            policies: Vec::new(),
        }
    }

    /// Asks the server for the sections that the file has; for all without a file. What is granted on flakes is asked
    /// for by [`Self::ask_grants`].
    ///
    /// # Errors
    /// Of the requests. An organisation that the caller cannot see is none: it is made, or that fails.
    pub(super) async fn ask(
        client: &Client,
        org: &Name,
        wanted: Option<&Organization>,
    ) -> fh_client::Result<Self> {
        let found = match client.organization(org).await {
            Ok(found) => found,
            Err(error) if error.status() == Some(404) && wanted.is_some() => {
                return Ok(Self::nothing(org.clone()));
            }
            Err(error) => return Err(error),
        };
        // Answers to what is asked under a former name have the present one.
        let org = &found.name;
        let asks = |section: fn(&Organization) -> bool| wanted.is_none_or(section);
        let mut present = Self {
            is_new: false,
            role: found.role,
            push: found.push,
            renewal: found.renewal,
            trusted_keys: found.trusted_keys,
            ..Self::nothing(org.clone())
        };
        let grants_something = asks(Organization::grants_something);
        let has_people =
            grants_something || asks(|file| file.members.is_some() || file.teams.is_some());
        if has_people || asks(|file| file.service_accounts.is_some()) {
            let accounts = client.service_accounts(org).await?.users;
            present.service_accounts = accounts.into_iter().map(|account| account.name).collect();
        }
        if has_people {
            present.members = client.members(org).await?.members;
            let on = FlakePattern::Organization(org.clone());
            present.grants = grants(client, &on).await?;
        }
        if grants_something || asks(|file| file.teams.is_some()) {
            for team in client.teams(org).await?.teams {
                let members = client.team(org, &team.name).await?.members;
                present.teams.push(Team {
                    name: team.name,
                    members: members.into_iter().map(|member| member.user).collect(),
                });
            }
        }
        // Trust policies name flakes.
        if asks(|file| file.flakes.is_some() || file.trust.is_some()) {
            let flakes = client.flakes_of(Some(org), None).await?.flakes;
            present.flakes = flakes.into_iter().map(PresentFlake::from).collect();
        }
        if asks(|file| file.trust.is_some()) {
            present.policies = client.trust_policies(org).await?.policies;
        }
        if asks(|file| file.follows.is_some()) {
            let follower = Follower::Organization(org.clone());
            present.follows = client.follows(&follower).await?.follows;
        }
        Ok(present)
    }

    /// Asks what is granted on the flakes whose grants the file lists, by their present names; on all without a file.
    ///
    /// # Errors
    /// Of the requests.
    pub(super) async fn ask_grants(
        &mut self,
        client: &Client,
        wanted: Option<&Organization>,
    ) -> fh_client::Result<()> {
        let in_file = wanted.and_then(|file| file.flakes.as_ref());
        for flake in &mut self.flakes {
            let in_file = in_file.and_then(|flakes| find(flakes, &flake.name.project));
            if wanted.is_none() || in_file.is_some_and(|flake| flake.grants.is_some()) {
                let on = FlakePattern::Flake(flake.name.clone());
                flake.grants = grants(client, &on).await?;
            }
        }
        Ok(())
    }

    /// As a file says it, every section.
    pub(super) fn to_file(&self) -> Organization {
        let flakes = self.flakes.iter().map(|flake| {
            let description = (!flake.description.is_empty()).then(|| flake.description.clone());
            let wanted = Flake {
                visibility: Some(flake.visibility),
                description,
                grants: Some(as_table(&flake.grants)),
            };
            (flake.name.project.clone().into(), wanted)
        });
        let members = self
            .members
            .iter()
            .map(|it| (it.user.clone().into(), it.role));
        let teams = self
            .teams
            .iter()
            .map(|it| (it.name.clone().into(), said(&it.members)));
        let policies = self
            .policies
            .iter()
            .map(|it| (it.name.clone().into(), Policy::of(it)));
        Organization {
            push: Some(self.push.into()),
            renewal: Some(self.renewal.into()),
            trusted_keys: Some(said(&self.trusted_keys)),
            follows: Some(said(&self.follows)),
            service_accounts: Some(said(&self.service_accounts)),
            members: Some(members.collect()),
            teams: Some(teams.collect()),
            grants: Some(as_table(&self.grants)),
            flakes: Some(flakes.collect()),
            trust: Some(policies.collect()),
            sections: BTreeMap::new(),
        }
    }
}

impl From<FlakeInfo> for PresentFlake {
    fn from(flake: FlakeInfo) -> Self {
        Self {
            visibility: flake.visibility,
            description: flake.description.unwrap_or_default(),
            paths: flake.paths,
            grants: Vec::new(),
            name: flake.flake,
        }
    }
}

/// As a file says it.
fn said<T: Clone>(items: &[T]) -> Vec<Said<T>> {
    items.iter().cloned().map(Said::from).collect()
}

/// The entry of a name, in whatever case.
pub(super) fn find<'a, T>(table: &'a BTreeMap<Said<Name>, T>, name: &Name) -> Option<&'a T> {
    let folded = name.folded();
    let mut entries = table.iter();
    entries
        .find(|(there, _)| there.folded() == folded)
        .map(|(_, entry)| entry)
}

fn as_table(grants: &[Grant]) -> Grants {
    let entries = grants.iter();
    entries
        .map(|grant| (grant.subject.clone().into(), grant.role))
        .collect()
}

/// The grants on this alone, and not what counts there because it is on more.
async fn grants(client: &Client, on: &FlakePattern) -> fh_client::Result<Vec<Grant>> {
    let is_on = |grant: &GrantInfo| grant.on.folded() == on.folded();
    let found = client.grants(on).await?.grants;
    let here = found.into_iter().filter(is_on);
    Ok(here
        .map(|grant| Grant {
            subject: grant.subject,
            role: grant.role,
            pending: grant.pending,
        })
        .collect())
}
