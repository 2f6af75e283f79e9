//! What organisations have at present, as the server tells it, and that as a file.

use std::collections::BTreeMap;

use fh_api::{
    FlakeName, FlakePattern, GrantInfo, MemberInfo, Name, PushRule, RenewalRule, Role, Subject,
    TrustPolicyInfo, Visibility,
};
use fh_client::{Client, Follower};

use super::file::{Flake, GrantedRole, Grants, Organization, Users};
use super::policy::Policy;

/// What an organisation has. Sections that nobody asked for are empty.
#[derive(Debug, Clone)]
pub(super) struct Present {
    /// It is not there yet.
    pub(super) is_new: bool,
    /// What it is called, where it has another name than the one that was asked for.
    pub(super) renamed: Option<Name>,
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
}

/// A flake.
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
    /// An organisation that is made for this file.
    pub(super) fn nothing() -> Self {
        Self {
            is_new: true,
            renamed: None,
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

    /// Asks the server for the sections that the file has; for all without a file.
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
                return Ok(Self::nothing());
            }
            Err(error) => return Err(error),
        };
        let asks = |section: fn(&Organization) -> bool| wanted.is_none_or(section);
        let mut present = Self {
            is_new: false,
            renamed: (found.name.folded() != org.folded()).then_some(found.name),
            push: found.push,
            renewal: found.renewal,
            trusted_keys: found.trusted_keys,
            ..Self::nothing()
        };
        if asks(|file| file.service_accounts.is_some()) {
            let accounts = client.service_accounts(org).await?.users;
            present.service_accounts = accounts.into_iter().map(|account| account.name).collect();
        }
        if asks(|file| file.members.is_some() || file.teams.is_some()) {
            present.members = client.members(org).await?.members;
        }
        if asks(|file| file.teams.is_some()) {
            for team in client.teams(org).await?.teams {
                let members = client.team(org, &team.name).await?.members;
                present.teams.push(Team {
                    name: team.name,
                    members: members.into_iter().map(|member| member.user).collect(),
                });
            }
        }
        if asks(|file| file.grants.is_some()) {
            let on = FlakePattern::Organization(org.clone());
            present.grants = grants(client, &on).await?;
        }
        if asks(|file| file.flakes.is_some()) {
            for flake in client.flakes_of(Some(org), None).await?.flakes {
                let in_file = wanted
                    .and_then(|file| file.flakes.as_ref())
                    .and_then(|flakes| find(flakes, &flake.flake.project));
                let asks_grants =
                    wanted.is_none() || in_file.is_some_and(|flake| flake.grants.is_some());
                let on = FlakePattern::Flake(flake.flake.clone());
                present.flakes.push(PresentFlake {
                    visibility: flake.visibility,
                    description: flake.description.unwrap_or_default(),
                    paths: flake.paths,
                    grants: match asks_grants {
                        true => grants(client, &on).await?,
                        false => Vec::new(),
                    },
                    name: flake.flake,
                });
            }
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

    /// As a file says it, every section.
    pub(super) fn to_file(&self) -> Organization {
        let flakes = self.flakes.iter().map(|flake| {
            let description = (!flake.description.is_empty()).then(|| flake.description.clone());
            let wanted = Flake {
                visibility: Some(flake.visibility),
                description,
                grants: Some(as_table(&flake.grants)),
            };
            (flake.name.project.clone(), wanted)
        });
        let teams = self.teams.iter();
        let members = self.members.iter();
        let policies = self.policies.iter();
        Organization {
            push: Some(self.push),
            renewal: Some(self.renewal),
            trusted_keys: Some(self.trusted_keys.clone()),
            follows: Some(self.follows.clone()),
            service_accounts: Some(self.service_accounts.clone()),
            members: Some(
                members
                    .map(|member| (member.user.clone(), member.role))
                    .collect(),
            ),
            teams: Some(
                teams
                    .map(|team| (team.name.clone(), Users(team.members.clone())))
                    .collect(),
            ),
            grants: Some(as_table(&self.grants)),
            flakes: Some(flakes.collect()),
            trust: Some(
                policies
                    .map(|policy| (policy.name.clone(), Policy::of(policy)))
                    .collect(),
            ),
        }
    }
}

/// The entry of a name, in whatever case.
pub(super) fn find<'a, T>(table: &'a BTreeMap<Name, T>, name: &Name) -> Option<&'a T> {
    let folded = name.folded();
    let mut entries = table.iter();
    entries
        .find(|(there, _)| there.folded() == folded)
        .map(|(_, entry)| entry)
}

fn as_table(grants: &[Grant]) -> Grants {
    let entries = grants.iter();
    entries
        .map(|grant| (grant.subject.clone(), GrantedRole(grant.role)))
        .collect()
}

/// The grants on this alone, and not what counts there because it is on more.
async fn grants(client: &Client, on: &FlakePattern) -> fh_client::Result<Vec<Grant>> {
    let is_on = |grant: &GrantInfo| {
        let (there, here) = (grant.on.to_string(), on.to_string());
        there.eq_ignore_ascii_case(&here)
    };
    let found = client.grants(on).await?.grants;
    let here = found.into_iter().filter(is_on);
    Ok(here
        .map(|grant| Grant {
            subject: grant.subject,
            role: grant.role,
        })
        .collect())
}
