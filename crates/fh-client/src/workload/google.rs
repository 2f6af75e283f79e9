//! Google Cloud's metadata server, which signs who the service account of a machine is.
//!
//! The answer has to carry `Metadata-Flavor: Google` as the request does: anything else that listens
//! at that address is no metadata server.

use http::header::{HeaderMap, HeaderName, HeaderValue};

use super::GoogleEnvironment;
use super::identity::{Connections, IdentityToken, Origin, failed, word};
use super::remote::Remote;
use crate::error::{Error, Result};
use crate::http::Answer;

const HOST: &str = "metadata.google.internal";

const FLAVOR: HeaderName = HeaderName::from_static("metadata-flavor");

const GOOGLE: &str = "Google";

pub(super) async fn identity(
    environment: &GoogleEnvironment,
    connections: &Connections,
    audience: &str,
) -> Result<IdentityToken> {
    let host = environment.metadata_host.as_deref().unwrap_or(HOST);
    let answer = ask(host, connections, audience).await.map_err(failed(
        format!("the metadata server at {host} gives no identity token"),
        "The machine, job or service needs a service account. GCE_METADATA_HOST can set another address of \
         the metadata server.",
    ))?;
    let text = String::from_utf8_lossy(&answer.body);
    Ok(IdentityToken {
        token: word("the metadata server's answer", &text)?,
        origin: Origin::Made,
    })
}

async fn ask(host: &str, connections: &Connections, audience: &str) -> Result<Answer> {
    let query = url::form_urlencoded::Serializer::new(String::new())
        .append_pair("audience", audience)
        .append_pair("format", "full")
        .finish();
    let url = format!(
        "http://{host}/computeMetadata/v1/instance/service-accounts/default/identity?{query}"
    );
    let headers = HeaderMap::from_iter([(FLAVOR, HeaderValue::from_static(GOOGLE))]);
    let answer = Remote::near(&url, headers, connections)?.get().await?;
    let flavor = answer.headers.get(FLAVOR);
    if flavor.is_none_or(|flavor| flavor != GOOGLE) {
        return Err(Error::InvalidAnswer {
            url: answer.url,
            reason: "it is not from Google's metadata server".to_owned(),
        });
    }
    Ok(answer)
}
