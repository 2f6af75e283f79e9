//! Google Cloud's metadata server, which signs who the service account of a machine is.
//!
//! The answer has to carry `Metadata-Flavor: Google` as the request does: anything else that listens
//! at that address is no metadata server.

use http::header::{HeaderMap, HeaderValue};

use super::GoogleEnvironment;
use super::identity::{Connections, IdentityToken, Origin, failed, word};
use super::remote::Remote;
use crate::error::{Error, Result};
use crate::provider::Provider;

const HOST: &str = "metadata.google.internal";

const FLAVOR: &str = "metadata-flavor";

const GOOGLE: &str = "Google";

pub(super) async fn identity(
    environment: &GoogleEnvironment,
    connections: &Connections,
    audience: &str,
) -> Result<IdentityToken> {
    let provider = Provider::GoogleCloud;
    let host = environment.metadata_host.as_deref().unwrap_or(HOST);
    let broken = |error: Error| {
        failed(
            provider,
            format!("the metadata server at {host} gives no identity token"),
            "The machine, job or service needs a service account. GCE_METADATA_HOST can set another address of \
             the metadata server.",
            error,
        )
    };
    let query = url::form_urlencoded::Serializer::new(String::new())
        .append_pair("audience", audience)
        .append_pair("format", "full")
        .finish();
    let url = format!(
        "http://{host}/computeMetadata/v1/instance/service-accounts/default/identity?{query}"
    );
    let mut headers = HeaderMap::new();
    headers.insert(FLAVOR, HeaderValue::from_static(GOOGLE));
    let remote = Remote::near(&url, headers, connections).map_err(broken)?;
    let answer = remote.get().await.map_err(broken)?;
    if answer
        .headers
        .get(FLAVOR)
        .is_none_or(|flavor| flavor != GOOGLE)
    {
        return Err(broken(Error::InvalidAnswer {
            url: answer.url,
            reason: "it is not from Google's metadata server".to_owned(),
        }));
    }
    let text = String::from_utf8_lossy(&answer.body);
    Ok(IdentityToken {
        token: word(provider, "the metadata server's answer", &text)?,
        origin: Origin::Made,
    })
}
