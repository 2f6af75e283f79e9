//! Accounts, and names that were given up: for server administrators, but for what an account is called.
//!
//! [The module above](super) says what can go wrong, for all.

use fh_api::{
    AccountInfo, CreateUser, Name, NameKind, ReservedNameList, UpdateUser, UserInfo, UserList,
};

use super::Made;
use crate::client::Client;
use crate::error::Result;

routes! {
    /// All accounts, those of services too.
    get users() -> UserList: "/users";
    /// Makes an account, without a token.
    create create_user(new: &CreateUser) -> Made<UserInfo>: "/users", new, new.exist_ok;
    /// The account of that name.
    get user(user: &Name) -> UserInfo: "/users/{user}";
    /// What an account is called now that has or had this name.
    get account(user: &Name) -> AccountInfo: "/accounts/{user}";
    /// Disables an account or not, and lets it manage the server or not.
    patch update_user(user: &Name, change: &UpdateUser) -> UserInfo: "/users/{user}", change;
    /// The names that were given up, of organisations and of accounts.
    get reserved_names() -> ReservedNameList: "/reserved-names";
    /// Lets a name that was given up be used again.
    delete free_name(kind: NameKind, name: &Name) -> (): "/reserved-names/{kind}/{name}";
}
