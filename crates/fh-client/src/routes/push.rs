//! The push protocol; [`crate::push()`] is what drives it.
//!
//! [The module above](super) says what can go wrong, for all.

use fh_api::{
    API_PREFIX, BatchAnswer, CommitSummary, FlakeName, NAR_BATCH_MEDIA_TYPE, PartAnswer, PushPlan,
    PushRequest,
};
use fh_nix::NarHash;
use http::Method;
use uuid::Uuid;

use super::{flake_path, json, parse, request};
use crate::client::Client;
use crate::error::Result;
use crate::http::{Content, Request, UploadBody};
use crate::retry::{Repeat, RetryListener};

/// The media type of one part of a NAR.
const PART_MEDIA_TYPE: &str = "application/zstd";

#[expect(clippy::missing_errors_doc, reason = "the module says it for all")]
impl Client {
    /// Asks what a push would have to send, and begins it where something is to be sent.
    pub async fn plan_push(
        &self,
        flake: &FlakeName,
        push: &PushRequest,
        listener: &RetryListener<'_>,
    ) -> Result<PushPlan> {
        let path = format!("{API_PREFIX}{}/pushes", flake_path(flake));
        let request = request(Method::POST, path, json(push)?);
        parse(&self.transport.send_telling(&request, listener).await?)
    }

    /// Sends a batch of NARs; sending it twice does no harm.
    pub async fn upload_batch(
        &self,
        flake: &FlakeName,
        push: Uuid,
        batch: UploadBody,
        listener: &RetryListener<'_>,
    ) -> Result<BatchAnswer> {
        let path = format!("{API_PREFIX}{}/pushes/{push}/nars", flake_path(flake));
        let content = Content::Upload(NAR_BATCH_MEDIA_TYPE, batch);
        let request = of_plan(Method::POST, path, content);
        parse(&self.transport.send_telling(&request, listener).await?)
    }

    /// Sends one part of a large NAR; sending it twice does no harm.
    pub async fn upload_part(
        &self,
        flake: &FlakeName,
        push: Uuid,
        nar: NarHash,
        number: u64,
        part: UploadBody,
        listener: &RetryListener<'_>,
    ) -> Result<PartAnswer> {
        let path = format!(
            "{API_PREFIX}{}/pushes/{push}/nars/{}/parts/{number}",
            flake_path(flake),
            nar.to_base32()
        );
        let request = of_plan(Method::PUT, path, Content::Upload(PART_MEDIA_TYPE, part));
        parse(&self.transport.send_telling(&request, listener).await?)
    }

    /// Makes the whole push visible, or nothing of it.
    pub async fn commit_push(
        &self,
        flake: &FlakeName,
        push: Uuid,
        listener: &RetryListener<'_>,
    ) -> Result<CommitSummary> {
        let path = format!("{API_PREFIX}{}/pushes/{push}/commit", flake_path(flake));
        let request = of_plan(Method::POST, path, Content::Empty);
        parse(&self.transport.send_telling(&request, listener).await?)
    }

    /// Tells the server to forget a push.
    pub async fn abandon_push(&self, flake: &FlakeName, push: Uuid) -> Result<()> {
        self.delete(&format!("{}/pushes/{push}", flake_path(flake)))
            .await
    }
}

/// A request for a push that a plan has begun for this caller.
fn of_plan(method: Method, path: String, content: Content) -> Request {
    Request {
        repeat: Repeat::Known,
        ..request(method, path, content)
    }
}
