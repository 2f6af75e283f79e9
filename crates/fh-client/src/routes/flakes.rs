//! Flakes, and the newest paths of one.
//!
//! [The module above](super) says what can go wrong, for all.

use fh_api::{CreateFlake, FlakeInfo, FlakeList, FlakeName, Name, PathList, UpdateFlake};

use super::Made;
use crate::client::Client;
use crate::error::Result;

#[expect(clippy::missing_errors_doc, reason = "the module says it for all")]
impl Client {
    /// The caller's view, of one organisation only, or of so many flakes at most.
    pub async fn flakes_of(&self, org: Option<&Name>, limit: Option<usize>) -> Result<FlakeList> {
        let org = org.map(|org| format!("org={org}"));
        let limit = limit.map(|limit| format!("limit={limit}"));
        let query: Vec<String> = org.into_iter().chain(limit).collect();
        if query.is_empty() {
            return self.flakes().await;
        }
        self.get(&format!("/flakes?{}", query.join("&"))).await
    }
}

routes! {
    /// The caller's view: the flakes that they may read.
    get flakes() -> FlakeList: "/flakes";
    /// Makes a flake, with an empty slice.
    create create_flake(new: &CreateFlake) -> Made<FlakeInfo>: "/flakes", new, new.exist_ok;
    /// One flake that the caller may see.
    get flake(flake: &FlakeName) -> FlakeInfo: "/flakes/{flake}";
    /// The newest paths of a flake.
    get flake_paths(flake: &FlakeName, limit: usize) -> PathList: "/flakes/{flake}/paths?limit={limit}";
    /// Changes a flake's visibility or description.
    patch update_flake(flake: &FlakeName, change: &UpdateFlake) -> FlakeInfo: "/flakes/{flake}", change;
    /// Deletes a flake with its slice.
    delete delete_flake(flake: &FlakeName) -> (): "/flakes/{flake}";
}
