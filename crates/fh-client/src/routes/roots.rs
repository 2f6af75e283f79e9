//! Roots of forges that organisations own.
//!
//! [The module above](super) says what can go wrong, for all.

use fh_api::{ForgeRoot, Name, OwnRoot, RootInfo, RootList};

use crate::client::Client;
use crate::error::Result;

routes! {
    /// The roots that an organisation owns or has asked for.
    get roots(org: &Name) -> RootList: "/orgs/{org}/roots";
    /// Asks for a root, or as a server administrator confirms it.
    post own_root(org: &Name, root: &ForgeRoot) -> RootInfo: "/orgs/{org}/roots", &OwnRoot { root: root.clone() };
}

#[expect(clippy::missing_errors_doc, reason = "the module says it for all")]
impl Client {
    /// Gives a root up, whether it is there or not.
    pub async fn remove_root(&self, org: &Name, root: &ForgeRoot) -> Result<()> {
        let root = root.to_string();
        let root: String = url::form_urlencoded::byte_serialize(root.as_bytes()).collect();
        self.delete(&format!("/orgs/{org}/roots?root={root}")).await
    }
}
