//! Flakes.
//!
//! [The module above](super) says what can go wrong, for all.

use fh_api::{CreateFlake, FlakeInfo, FlakeList, FlakeName, Name, PathList, UpdateFlake};

use super::{Made, flake_path};
use crate::client::Client;
use crate::error::Result;

#[expect(clippy::missing_errors_doc, reason = "the module says it for all")]
impl Client {
    /// The caller's view: the flakes that they may read.
    pub async fn flakes(&self) -> Result<FlakeList> {
        self.get("/flakes").await
    }

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

    /// Makes a flake.
    pub async fn create_flake(&self, new: &CreateFlake) -> Result<Made<FlakeInfo>> {
        self.create("/flakes", new, new.exist_ok).await
    }

    /// One flake.
    pub async fn flake(&self, flake: &FlakeName) -> Result<FlakeInfo> {
        self.get(&flake_path(flake)).await
    }

    /// The newest paths of a flake.
    pub async fn flake_paths(&self, flake: &FlakeName, limit: usize) -> Result<PathList> {
        self.get(&format!("{}/paths?limit={limit}", flake_path(flake)))
            .await
    }

    /// Changes a flake's visibility or description.
    pub async fn update_flake(&self, flake: &FlakeName, change: &UpdateFlake) -> Result<FlakeInfo> {
        self.patch(&flake_path(flake), change).await
    }

    /// Deletes a flake with its slice.
    pub async fn delete_flake(&self, flake: &FlakeName) -> Result<()> {
        self.delete(&flake_path(flake)).await
    }
}
