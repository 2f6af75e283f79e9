//! Roots of forges that organisations own.
//!
//! [The module above](super) says what can go wrong, for all.

use fh_api::{ForgeRoot, Name, OwnRoot, RootInfo, RootList};
use http::Method;

use super::json;
use crate::client::Client;
use crate::error::Result;

#[expect(clippy::missing_errors_doc, reason = "the module says it for all")]
impl Client {
    /// The roots that an organisation owns or has asked for.
    pub async fn roots(&self, org: &Name) -> Result<RootList> {
        self.get(&format!("/orgs/{org}/roots")).await
    }

    /// Asks for a root, or as a server administrator confirms it.
    pub async fn own_root(&self, org: &Name, root: &ForgeRoot) -> Result<RootInfo> {
        let wanted = OwnRoot { root: root.clone() };
        self.call(Method::POST, &format!("/orgs/{org}/roots"), json(&wanted)?)
            .await
    }

    /// Gives a root up, whether it is there or not.
    pub async fn remove_root(&self, org: &Name, root: &ForgeRoot) -> Result<()> {
        let root = root.to_string();
        let root: String = url::form_urlencoded::byte_serialize(root.as_bytes()).collect();
        self.delete(&format!("/orgs/{org}/roots?root={root}")).await
    }
}
