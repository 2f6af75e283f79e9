//! One request of attic's protocol.

use crate::client::Client;
use crate::error::Result;
use crate::http::{Answer, Request};
use crate::push::{PushObserver, listener};

/// Sends a request; the observer hears of retries. All of the protocol's do the same when repeated.
pub(super) async fn call(
    client: &Client,
    request: Request,
    observer: &dyn PushObserver,
) -> Result<Answer> {
    let listen = listener(observer);
    client.transport.send_telling(&request, &listen).await
}
