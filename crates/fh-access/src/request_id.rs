//! The id of a request: in its answer, in its errors and in the lines of the log.

use std::sync::Arc;

tokio::task_local! {
    static CURRENT_REQUEST_ID: Arc<str>;
}

/// Lets the errors of a request and its lines in the log name it.
pub async fn within_request<T>(id: Arc<str>, handling: impl Future<Output = T>) -> T {
    CURRENT_REQUEST_ID.scope(id, handling).await
}

/// The same for what goes on by itself, for the request that is being handled now, if any.
pub fn within_this_request<T>(work: impl Future<Output = T>) -> impl Future<Output = T> {
    let id = CURRENT_REQUEST_ID.try_with(Arc::clone).ok();
    async move {
        match id {
            Some(id) => within_request(id, work).await,
            None => work.await,
        }
    }
}

/// The id of the request that is being handled.
pub fn request_id() -> Option<String> {
    CURRENT_REQUEST_ID
        .try_with(|id| id.as_ref().to_owned())
        .ok()
}
