//! Why a policy is refused.

use fh_api::duration::in_words;
use fh_api::{FlakePattern, Provider};

/// The shortest lifetime that can be asked for.
pub(super) const MIN_LIFETIME: u64 = 60;

/// The most of anything else in a policy.
pub(super) const MAX_ITEMS: usize = 100;

/// Why a policy is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    /// A claim that cannot be one.
    #[error("a claim's name must have 1 to 200 characters")]
    ClaimName,
    /// A condition that cannot be one.
    #[error("the condition on {claim} {reason}")]
    Condition {
        /// The claim that the condition is on.
        claim: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// Nothing keeps strangers out.
    #[error(
        "no condition names the tenant, so strangers' workloads would be let in: {provider} needs one of \
         these, without a wildcard in the part that names the owner: {claims}"
    )]
    Open {
        /// The provider whose workloads were meant.
        provider: Provider,
        /// What would bind it.
        claims: String,
    },
    /// An issuer has to be named.
    #[error("{0} has no default issuer: name one")]
    NoIssuer(Provider),
    /// An issuer that the provider cannot have.
    #[error("{issuer:?} is not an issuer of {provider}: {reason}")]
    Issuer {
        /// What was given for an issuer, cut to 200 characters.
        issuer: String,
        /// The provider that cannot have it.
        provider: Provider,
        /// Why the provider cannot have it.
        reason: String,
    },
    /// A flake of another organisation.
    #[error(
        "{0} is not in this organisation: a trust policy can only grant access to its own flakes"
    )]
    Foreign(FlakePattern),
    /// A part that is empty or too long.
    #[error("the field {0} must have 1 to {MAX_ITEMS} entries")]
    Length(&'static str),
    /// A lifetime out of bounds.
    #[error(
        "the field max_lifetime must be between {} and {}",
        in_words(MIN_LIFETIME),
        in_words(*.most)
    )]
    Lifetime {
        /// The most that the server allows.
        most: u64,
    },
}
