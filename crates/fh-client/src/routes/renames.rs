//! Other names for what there is.
//!
//! [The module above](super) says what can go wrong, for all.

use fh_api::{FlakeInfo, FlakeName, FormerFlakeNameList, Name, OrganizationInfo, Rename, UserInfo};
use http::Method;
use serde::de::DeserializeOwned;

use super::{flake_path, json};
use crate::client::Client;
use crate::error::Result;

#[expect(clippy::missing_errors_doc, reason = "the module says it for all")]
impl Client {
    /// Renames an organisation.
    pub async fn rename_organization(&self, org: &Name, to: &Name) -> Result<OrganizationInfo> {
        self.rename(&format!("/orgs/{org}"), to).await
    }

    /// Renames a flake within its organisation.
    pub async fn rename_flake(&self, flake: &FlakeName, to: &Name) -> Result<FlakeInfo> {
        self.rename(&flake_path(flake), to).await
    }

    /// Renames an account.
    pub async fn rename_user(&self, user: &Name, to: &Name) -> Result<UserInfo> {
        self.rename(&format!("/users/{user}"), to).await
    }

    /// Renames a service account of an organisation.
    pub async fn rename_service_account(
        &self,
        org: &Name,
        user: &Name,
        to: &Name,
    ) -> Result<UserInfo> {
        self.rename(&format!("/orgs/{org}/service-accounts/{user}"), to)
            .await
    }

    /// The former names of an organisation's flakes.
    pub async fn former_flakes(&self, org: &Name) -> Result<FormerFlakeNameList> {
        self.get(&format!("/orgs/{org}/former-flakes")).await
    }

    /// Lets a former name of a flake be used again in its organisation.
    pub async fn free_flake_name(&self, former: &FlakeName) -> Result<()> {
        let FlakeName { org, project } = former;
        self.delete(&format!("/orgs/{org}/former-flakes/{project}"))
            .await
    }

    /// The same request again changes nothing: the former name leads to what is renamed already.
    async fn rename<T: DeserializeOwned>(&self, path: &str, to: &Name) -> Result<T> {
        let content = json(&Rename { name: to.clone() })?;
        self.call(Method::POST, &format!("{path}/rename"), content)
            .await
    }
}
