//! Organisations, their members, teams and service accounts.
//!
//! [The module above](super) says what can go wrong, for all.

use fh_api::{
    CreateOrganization, CreateServiceAccount, CreateTeam, MemberInfo, MemberList, Name,
    OrganizationInfo, OrganizationList, OrganizationRole, SetMember, TeamDetails, TeamInfo,
    TeamList, TeamMemberInfo, UpdateOrganization, UserInfo, UserList,
};

use super::Made;
use crate::client::Client;
use crate::error::Result;

routes! {
    /// The organisations that the caller may see.
    get organizations() -> OrganizationList: "/orgs";
    /// Makes an organisation, which the caller owns.
    create create_organization(new: &CreateOrganization) -> Made<OrganizationInfo>: "/orgs", new, new.exist_ok;
    /// One organisation that the caller may see.
    get organization(org: &Name) -> OrganizationInfo: "/orgs/{org}";
    /// Changes who may push to an organisation's flakes.
    patch update_organization(org: &Name, change: &UpdateOrganization) -> OrganizationInfo: "/orgs/{org}", change;
    /// Deletes an organisation that has no flakes.
    delete delete_organization(org: &Name) -> (): "/orgs/{org}";

    /// The members of an organisation, owners among them.
    get members(org: &Name) -> MemberList: "/orgs/{org}/members";
    /// One member, also by a former name.
    get member(org: &Name, user: &Name) -> MemberInfo: "/orgs/{org}/members/{user}";
    /// Invites somebody to be a member, or changes what a member is.
    put set_member(org: &Name, user: &Name, role: OrganizationRole) -> MemberInfo:
        "/orgs/{org}/members/{user}", &SetMember { role };
    /// Takes an account out of an organisation and of its teams; the caller's own leaves.
    delete remove_member(org: &Name, user: &Name) -> (): "/orgs/{org}/members/{user}";

    /// The teams of an organisation, without who is in them.
    get teams(org: &Name) -> TeamList: "/orgs/{org}/teams";
    /// Makes a team, with nobody in it.
    create create_team(org: &Name, new: &CreateTeam) -> Made<TeamInfo>: "/orgs/{org}/teams", new, new.exist_ok;
    /// A team and who is in it.
    get team(org: &Name, team: &Name) -> TeamDetails: "/orgs/{org}/teams/{team}";
    /// Deletes a team with all that was granted to it.
    delete delete_team(org: &Name, team: &Name) -> (): "/orgs/{org}/teams/{team}";
    /// One member of a team, also by a former name.
    get team_member(org: &Name, team: &Name, user: &Name) -> TeamMemberInfo: "/orgs/{org}/teams/{team}/members/{user}";
    /// Puts a member of the organisation into a team.
    put_nothing add_team_member(org: &Name, team: &Name, user: &Name) -> TeamMemberInfo:
        "/orgs/{org}/teams/{team}/members/{user}";
    /// Takes an account out of a team.
    delete remove_team_member(org: &Name, team: &Name, user: &Name) -> (): "/orgs/{org}/teams/{team}/members/{user}";

    /// The service accounts that belong to an organisation.
    get service_accounts(org: &Name) -> UserList: "/orgs/{org}/service-accounts";
    /// One service account of an organisation, also by a former name.
    get service_account(org: &Name, user: &Name) -> UserInfo: "/orgs/{org}/service-accounts/{user}";
    /// Makes a service account of an organisation.
    create create_service_account(org: &Name, new: &CreateServiceAccount) -> Made<UserInfo>:
        "/orgs/{org}/service-accounts", new, new.exist_ok;
    /// Removes a service account of an organisation with all its tokens.
    delete remove_service_account(org: &Name, user: &Name) -> (): "/orgs/{org}/service-accounts/{user}";
}
