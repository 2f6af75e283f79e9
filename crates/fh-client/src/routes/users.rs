//! Accounts, and names that were given up: for server administrators, but for what an account is called.
//!
//! [The module above](super) says what can go wrong, for all.

use fh_api::{
    AccountInfo, CreateUser, Name, NameKind, ReservedNameList, UpdateUser, UserInfo, UserList,
};

use super::Made;
use crate::client::Client;
use crate::error::Result;

#[expect(clippy::missing_errors_doc, reason = "the module says it for all")]
impl Client {
    /// All accounts.
    pub async fn users(&self) -> Result<UserList> {
        self.get("/users").await
    }

    /// Makes an account.
    pub async fn create_user(&self, new: &CreateUser) -> Result<Made<UserInfo>> {
        self.create("/users", new, new.exist_ok).await
    }

    /// One account.
    pub async fn user(&self, user: &Name) -> Result<UserInfo> {
        self.get(&format!("/users/{user}")).await
    }

    /// What an account is called now that has or had this name.
    pub async fn account(&self, user: &Name) -> Result<AccountInfo> {
        self.get(&format!("/accounts/{user}")).await
    }

    /// Disables an account or not, and lets it manage the server or not.
    pub async fn update_user(&self, user: &Name, change: &UpdateUser) -> Result<UserInfo> {
        self.patch(&format!("/users/{user}"), change).await
    }

    /// The names that were given up, of organisations and of accounts.
    pub async fn reserved_names(&self) -> Result<ReservedNameList> {
        self.get("/reserved-names").await
    }

    /// Lets a name that was given up be used again.
    pub async fn free_name(&self, kind: NameKind, name: &Name) -> Result<()> {
        self.delete(&format!("/reserved-names/{kind}/{name}")).await
    }
}
