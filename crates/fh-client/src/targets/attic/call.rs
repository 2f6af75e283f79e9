//! One request of attic's protocol.

use http::Method;

use crate::client::Client;
use crate::error::Result;
use crate::http::{Answer, Content, Request};
use crate::push::{PushEvent, PushObserver};
use crate::retry::{Repeat, RetryEvent};

/// Sends a request; the observer hears of retries. All of the protocol's do the same when repeated.
pub(super) async fn call(
    client: &Client,
    method: Method,
    path: String,
    content: Content,
    observer: &dyn PushObserver,
) -> Result<Answer> {
    let request = Request {
        method,
        path,
        content,
        repeat: Repeat::Safe,
    };
    let listen = |event: &RetryEvent<'_>| {
        observer.event(&PushEvent::Retrying {
            error: event.error,
            wait: event.wait,
            asked: event.asked,
        });
    };
    client.transport.send_telling(&request, &listen).await
}
