//! What organisations offer to accounts outside, and when that takes effect.

use fh_api::{Name, OrganizationRole};
use fh_client::Client;

/// When what was offered to an account takes effect, and who has to do what for that: the end of a sentence.
pub(crate) fn takes_effect(user: &Name, org: &Name, is_service_account: bool) -> String {
    if is_service_account {
        return format!(
            "it takes effect when an owner of its own organisation accepts: `fh invitation accept {org} --user {user}`"
        );
    }
    format!("it takes effect when they accept: `fh invitation accept {org}`")
}

/// Whether an account is a service account, whose invitations others accept. Where that cannot be found out, it is taken
/// for a person's.
pub(crate) async fn is_service_account(user: &Name, client: &Client) -> bool {
    let account = client.account(user).await;
    account.is_ok_and(|account| account.of_organization)
}

/// What somebody is in an organisation, for a sentence.
pub(crate) fn with_article(role: OrganizationRole) -> &'static str {
    match role {
        OrganizationRole::Member => "a member",
        OrganizationRole::Admin => "an admin",
        OrganizationRole::Owner => "an owner",
    }
}
