//! Files are worked on by blocking threads.

use fh_access::ApiError;
use fh_persistence::storage::StorageError;

/// Does something with files on a blocking thread.
pub(super) async fn blocking<T: Send + 'static>(
    step: impl FnOnce() -> Result<T, StorageError> + Send + 'static,
) -> Result<T, ApiError> {
    Ok(tokio::task::spawn_blocking(step)
        .await
        .map_err(ApiError::internal)??)
}
