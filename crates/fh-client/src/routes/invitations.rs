//! Invitations, and what is followed.
//!
//! [The module above](super) says what can go wrong, for all.

use fh_api::{
    AcceptInvitation, FollowList, InvitationInfo, InvitationList, Name, OrganizationRole,
    SetFollows,
};

use crate::client::Client;
use crate::error::Result;

/// Whose list of follows is meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Follower {
    /// The caller, for themselves.
    Caller,
    /// An organisation, for its members.
    Organization(Name),
    /// Everybody on the server.
    Everybody,
}

#[expect(clippy::missing_errors_doc, reason = "the module says it for all")]
impl Client {
    /// What organisations offer to the caller, or to a service account that the caller decides for.
    pub async fn invitations(&self, user: Option<&Name>) -> Result<InvitationList> {
        self.get(&format!("/invitations{}", of(user))).await
    }

    /// Accepts what an organisation offers, with the membership that was seen to be a part of it.
    pub async fn accept_invitation(
        &self,
        org: &Name,
        user: Option<&Name>,
        membership: Option<OrganizationRole>,
    ) -> Result<InvitationInfo> {
        let path = format!("/invitations/{org}{}", of(user));
        self.put(&path, &AcceptInvitation { membership }).await
    }

    /// Declines what an organisation offers, or ends the standing of a guest there.
    pub async fn decline_invitation(&self, org: &Name, user: Option<&Name>) -> Result<()> {
        self.delete(&format!("/invitations/{org}{}", of(user)))
            .await
    }

    /// What the caller, an organisation or everybody follows.
    pub async fn follows(&self, follower: &Follower) -> Result<FollowList> {
        let query = match follower {
            Follower::Caller => String::new(),
            Follower::Organization(org) => format!("?org={org}"),
            Follower::Everybody => "?everybody=true".to_owned(),
        };
        self.get(&format!("/follows{query}")).await
    }
}

routes! {
    /// Sets what is followed, if it is still what it was.
    put set_follows(wanted: &SetFollows) -> FollowList: "/follows", wanted;
}

fn of(user: Option<&Name>) -> String {
    user.map(|user| format!("?user={user}")).unwrap_or_default()
}
