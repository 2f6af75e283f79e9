//! The push protocol; [`crate::push()`] is what drives it.
//!
//! [The module above](super) says what can go wrong, for all.

use fh_api::{
    BatchAnswer, CommitSummary, FlakeName, NAR_BATCH_MEDIA_TYPE, PartAnswer, PushPlan, PushRequest,
};
use fh_nix::NarHash;
use http::Method;
use serde::de::DeserializeOwned;
use uuid::Uuid;

use super::below_prefix;
use crate::client::Client;
use crate::error::Result;
use crate::http::{Content, UploadBody};
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
        let path = format!("/flakes/{flake}/pushes");
        let request = below_prefix(Method::POST, &path, Content::json(push)?);
        let answer = self.transport.send_telling(&request, listener).await?;
        answer.json()
    }

    /// Sends a batch of NARs; sending it twice does no harm.
    pub async fn upload_batch(
        &self,
        flake: &FlakeName,
        push: Uuid,
        batch: UploadBody,
        listener: &RetryListener<'_>,
    ) -> Result<BatchAnswer> {
        let path = format!("/flakes/{flake}/pushes/{push}/nars");
        let content = Content::Upload(NAR_BATCH_MEDIA_TYPE, batch);
        self.of_plan(Method::POST, path, content, listener).await
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
        let nar = nar.to_base32();
        let path = format!("/flakes/{flake}/pushes/{push}/nars/{nar}/parts/{number}");
        let content = Content::Upload(PART_MEDIA_TYPE, part);
        self.of_plan(Method::PUT, path, content, listener).await
    }

    /// Makes the whole push visible, or nothing of it.
    pub async fn commit_push(
        &self,
        flake: &FlakeName,
        push: Uuid,
        listener: &RetryListener<'_>,
    ) -> Result<CommitSummary> {
        let path = format!("/flakes/{flake}/pushes/{push}/commit");
        self.of_plan(Method::POST, path, Content::Empty, listener)
            .await
    }

    /// A request for a push that a plan has begun for this caller.
    async fn of_plan<T: DeserializeOwned>(
        &self,
        method: Method,
        path: String,
        content: Content,
        listener: &RetryListener<'_>,
    ) -> Result<T> {
        let mut request = below_prefix(method, &path, content);
        request.repeat = Repeat::Known;
        let answer = self.transport.send_telling(&request, listener).await?;
        answer.json()
    }
}

routes! {
    /// Tells the server to forget a push.
    delete abandon_push(flake: &FlakeName, push: Uuid) -> (): "/flakes/{flake}/pushes/{push}";
}
