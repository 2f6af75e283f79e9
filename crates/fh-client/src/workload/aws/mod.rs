//! Proving an AWS identity: a signed `sts:GetCallerIdentity` request that somebody else may send.
//!
//! AWS signs no JWT for a role, but answers such a request with who signed it. The workload signs it
//! with Signature Version 4 and gives it, never the credentials, to the server, which sends it on.
//! Two more headers are signed: the server's audience, so that no other server can use what this one
//! was given, and a nonce of the server, so that it can be used once.

mod chain;
mod endpoint;
mod keys;
mod metadata;
mod process;
mod profile;
mod sign;
mod web_identity;

use fh_api::oauth::SignedCallerIdentity;
use time::OffsetDateTime;

pub use keys::AwsCredentials;
pub use sign::{Signing, sign};

use super::AwsEnvironment;
use super::identity::Connections;
use crate::error::Result;

/// The region of the one global endpoint of the Security Token Service.
const GLOBAL_REGION: &str = "us-east-1";

/// Signs a request for a server's audience and nonce, with the credentials that are found.
pub(super) async fn caller_identity(
    environment: &AwsEnvironment,
    connections: &Connections,
    audience: &str,
    nonce: &str,
) -> Result<SignedCallerIdentity> {
    let found = chain::find(environment, connections).await?;
    let region = environment.region.clone().or(found.region);
    let endpoint = endpoint::endpoint(environment.sts_endpoint.as_deref(), region.as_deref())?;
    Ok(sign(&Signing {
        credentials: &found.credentials,
        url: &endpoint,
        region: region.as_deref().unwrap_or(GLOBAL_REGION),
        audience,
        nonce,
        now: OffsetDateTime::now_utc(),
    }))
}
