//! Organisations, their members, teams and service accounts.
//!
//! [The module above](super) says what can go wrong, for all.

use fh_api::{
    CreateOrganization, CreateServiceAccount, CreateTeam, MemberInfo, MemberList, Name,
    OrganizationInfo, OrganizationList, OrganizationRole, SetMember, TeamDetails, TeamInfo,
    TeamList, TeamMemberInfo, UpdateOrganization, UserInfo, UserList,
};

use super::{Made, json};
use crate::client::Client;
use crate::error::Result;
use crate::http::Content;

#[expect(clippy::missing_errors_doc, reason = "the module says it for all")]
impl Client {
    /// The organisations that the caller may see.
    pub async fn organizations(&self) -> Result<OrganizationList> {
        self.get("/orgs").await
    }

    /// Makes an organisation.
    pub async fn create_organization(
        &self,
        new: &CreateOrganization,
    ) -> Result<Made<OrganizationInfo>> {
        self.create("/orgs", new, new.exist_ok).await
    }

    /// One organisation.
    pub async fn organization(&self, org: &Name) -> Result<OrganizationInfo> {
        self.get(&format!("/orgs/{org}")).await
    }

    /// Changes who may push to an organisation's flakes.
    pub async fn update_organization(
        &self,
        org: &Name,
        change: &UpdateOrganization,
    ) -> Result<OrganizationInfo> {
        self.patch(&format!("/orgs/{org}"), change).await
    }

    /// Deletes an organisation that has no flakes.
    pub async fn delete_organization(&self, org: &Name) -> Result<()> {
        self.delete(&format!("/orgs/{org}")).await
    }

    /// An organisation's members.
    pub async fn members(&self, org: &Name) -> Result<MemberList> {
        self.get(&format!("/orgs/{org}/members")).await
    }

    /// One member, also by a former name.
    pub async fn member(&self, org: &Name, user: &Name) -> Result<MemberInfo> {
        self.get(&format!("/orgs/{org}/members/{user}")).await
    }

    /// Invites somebody to be a member, or changes what a member is.
    pub async fn set_member(
        &self,
        org: &Name,
        user: &Name,
        role: OrganizationRole,
    ) -> Result<MemberInfo> {
        let content = json(&SetMember { role })?;
        self.put(&format!("/orgs/{org}/members/{user}"), content)
            .await
    }

    /// Takes an account out of an organisation and of its teams; the caller's own leaves.
    pub async fn remove_member(&self, org: &Name, user: &Name) -> Result<()> {
        self.delete(&format!("/orgs/{org}/members/{user}")).await
    }

    /// An organisation's teams.
    pub async fn teams(&self, org: &Name) -> Result<TeamList> {
        self.get(&format!("/orgs/{org}/teams")).await
    }

    /// Makes a team.
    pub async fn create_team(&self, org: &Name, new: &CreateTeam) -> Result<Made<TeamInfo>> {
        self.create(&format!("/orgs/{org}/teams"), new, new.exist_ok)
            .await
    }

    /// A team and who is in it.
    pub async fn team(&self, org: &Name, team: &Name) -> Result<TeamDetails> {
        self.get(&format!("/orgs/{org}/teams/{team}")).await
    }

    /// Deletes a team with all that was granted to it.
    pub async fn delete_team(&self, org: &Name, team: &Name) -> Result<()> {
        self.delete(&format!("/orgs/{org}/teams/{team}")).await
    }

    /// One member of a team, also by a former name.
    pub async fn team_member(
        &self,
        org: &Name,
        team: &Name,
        user: &Name,
    ) -> Result<TeamMemberInfo> {
        self.get(&format!("/orgs/{org}/teams/{team}/members/{user}"))
            .await
    }

    /// Puts a member of the organisation into a team.
    pub async fn add_team_member(
        &self,
        org: &Name,
        team: &Name,
        user: &Name,
    ) -> Result<TeamMemberInfo> {
        let path = format!("/orgs/{org}/teams/{team}/members/{user}");
        self.put(&path, Content::Empty).await
    }

    /// Takes an account out of a team.
    pub async fn remove_team_member(&self, org: &Name, team: &Name, user: &Name) -> Result<()> {
        self.delete(&format!("/orgs/{org}/teams/{team}/members/{user}"))
            .await
    }

    /// An organisation's service accounts.
    pub async fn service_accounts(&self, org: &Name) -> Result<UserList> {
        self.get(&format!("/orgs/{org}/service-accounts")).await
    }

    /// One service account of an organisation, also by a former name.
    pub async fn service_account(&self, org: &Name, user: &Name) -> Result<UserInfo> {
        self.get(&format!("/orgs/{org}/service-accounts/{user}"))
            .await
    }

    /// Makes a service account of an organisation.
    pub async fn create_service_account(
        &self,
        org: &Name,
        new: &CreateServiceAccount,
    ) -> Result<Made<UserInfo>> {
        self.create(&format!("/orgs/{org}/service-accounts"), new, new.exist_ok)
            .await
    }

    /// Removes a service account of an organisation with all its tokens.
    pub async fn remove_service_account(&self, org: &Name, user: &Name) -> Result<()> {
        self.delete(&format!("/orgs/{org}/service-accounts/{user}"))
            .await
    }
}
