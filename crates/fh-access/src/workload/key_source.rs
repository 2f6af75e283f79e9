//! Whose keys verify an identity.

use fh_api::Provider;
use fh_auth::policy::AWS_ISSUER;
use fh_persistence::database::trust::TrustPolicy;
use fh_persistence::identity::Identity;
use sha2::{Digest as _, Sha256};

/// The name of keys that were fetched from the issuer. Those of AWS are named like its issuer.
pub(super) const FETCHED: &str = "issuer";

/// Whether the keys that a policy trusts have verified an identity.
pub(super) fn verified_for(identity: &Identity, policy: &TrustPolicy) -> bool {
    identity.keys.contains(&key_source(policy))
}

/// Whose keys a policy trusts.
pub(super) fn key_source(policy: &TrustPolicy) -> String {
    match (&policy.jwks, policy.policy.provider) {
        (_, Provider::Aws) => AWS_ISSUER.to_owned(),
        (Some(jwks), _) => data_encoding::HEXLOWER.encode(&Sha256::digest(jwks.as_bytes())),
        (None, _) => FETCHED.to_owned(),
    }
}
