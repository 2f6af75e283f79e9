//! Other names for what there is. The same request again changes nothing: the former name leads to what is renamed
//! already.
//!
//! [The module above](super) says what can go wrong, for all.

use fh_api::{FlakeInfo, FlakeName, FormerFlakeNameList, Name, OrganizationInfo, Rename, UserInfo};

use crate::client::Client;
use crate::error::Result;

routes! {
    /// Gives an organisation another name.
    post rename_organization(org: &Name, to: &Name) -> OrganizationInfo:
        "/orgs/{org}/rename", &Rename { name: to.clone() };
    /// Renames a flake within its organisation.
    post rename_flake(flake: &FlakeName, to: &Name) -> FlakeInfo:
        "/flakes/{flake}/rename", &Rename { name: to.clone() };
    /// Gives an account another name.
    post rename_user(user: &Name, to: &Name) -> UserInfo: "/users/{user}/rename", &Rename { name: to.clone() };
    /// Renames a service account of an organisation.
    post rename_service_account(org: &Name, user: &Name, to: &Name) -> UserInfo:
        "/orgs/{org}/service-accounts/{user}/rename", &Rename { name: to.clone() };
    /// The former names of an organisation's flakes.
    get former_flakes(org: &Name) -> FormerFlakeNameList: "/orgs/{org}/former-flakes";
}

#[expect(clippy::missing_errors_doc, reason = "the module says it for all")]
impl Client {
    /// Lets a former name of a flake be used again in its organisation.
    pub async fn free_flake_name(&self, former: &FlakeName) -> Result<()> {
        let FlakeName { org, project } = former;
        self.delete(&format!("/orgs/{org}/former-flakes/{project}"))
            .await
    }
}
