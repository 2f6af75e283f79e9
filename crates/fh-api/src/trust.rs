//! Trust policies: which workloads are let in by the identity that somebody else gives them.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::{FlakePattern, Name, Provider, Role, int64, object};

/// What the names of the accounts of trust policies begin with, and no other's.
pub const POLICY_ACCOUNT_PREFIX: &str = "trust-";

/// What a claim has to be: exactly one of the tests is given. If the claim is a list, one of its members has to pass
/// `equals`, `glob` or `one_of`; not so where the claim tells the tenant, which is one text.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct ConditionSpec {
    /// The claim: its name, or where it begins with `/` a JSON Pointer (RFC 6901) to a nested one.
    pub claim: String,
    /// It is this text. Numbers and booleans are compared as JSON writes them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub equals: Option<String>,
    /// It matches: `*` matches anything but a slash, `**` anything, `?` one character.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub glob: Option<String>,
    /// It is one of these texts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub one_of: Option<Vec<String>>,
    /// It is a list that holds all of these texts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub all_of: Option<Vec<String>>,
}

/// `PUT /api/v1/orgs/{org}/trust/{policy}`, for the organisation's administrators: creates a policy, or
/// replaces the one of that name unless `only_new` is set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct SetTrustPolicy {
    /// Who vouches for the workloads.
    pub provider: Provider,
    /// The exact claim `iss`; by default the provider's usual one. None for AWS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issuer: Option<String>,
    /// Audiences, of which the token must carry one. Default: this server's own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub audiences: Vec<String>,
    /// All must hold. At least one has to bind the tenant.
    #[serde(deserialize_with = "object::list")]
    pub conditions: Vec<ConditionSpec>,
    /// Claims that never change for one workload (ids): each is remembered at the first use, and must be
    /// the same from then on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pin: Vec<String>,
    /// What is granted on: flakes of this organisation, `org/project` or `org/*`.
    pub flakes: Vec<FlakePattern>,
    /// The role that the workloads get on these flakes.
    pub role: Role,
    /// Whether the workload may derive narrower tokens from an exchanged one.
    #[serde(default)]
    pub mint: bool,
    /// Whether workloads of pull requests and forks hold the role too; otherwise they hold `read` at
    /// most.
    #[serde(default)]
    pub pull_requests: bool,
    /// Whether these workloads are the organisation's builders: if slices disagree about a path, what a builder
    /// pushed is served. Only owners can set this.
    #[serde(default)]
    pub builder: bool,
    /// The maximum lifetime of an exchanged token, in seconds. Default: one hour.
    #[serde(default, with = "int64", skip_serializing_if = "Option::is_none")]
    pub max_lifetime: Option<u64>,
    /// The issuer's keys (RFC 7517), for one that the server cannot reach.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jwks: Option<Value>,
    /// Whether only a new policy is created: if one of that name has other content, it stays, and the answer is 409.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub only_new: bool,
}

/// A claim that is remembered at the first use.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct PinnedClaim {
    /// The claim, by its name or by a JSON Pointer.
    pub claim: String,
    /// What it was at the first use; none before that.
    pub value: Option<String>,
}

/// A trust policy, as administrators of the organisation see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct TrustPolicyInfo {
    /// Its id, which the server has given it.
    pub id: Uuid,
    /// The organisation that trusts.
    pub organization: Name,
    /// Its name in the organisation.
    pub name: Name,
    /// Who vouches for the workloads.
    pub provider: Provider,
    /// The exact claim `iss`; for AWS `aws`.
    pub issuer: String,
    /// Audiences, of which the token must carry one.
    pub audiences: Vec<String>,
    /// What the claims have to be; all of it must hold.
    pub conditions: Vec<ConditionSpec>,
    /// Claims that are remembered at the first use.
    pub pins: Vec<PinnedClaim>,
    /// What is granted on.
    pub flakes: Vec<FlakePattern>,
    /// The role that the workloads get on these flakes.
    pub role: Role,
    /// Whether narrower tokens may be derived.
    pub mint: bool,
    /// Whether pull requests and forks have the role too.
    pub pull_requests: bool,
    /// Whether these workloads are the organisation's builders.
    pub builder: bool,
    /// Seconds that an exchanged token lasts at most.
    pub max_lifetime: u64,
    /// Whether the keys were given with the policy, and are not fetched.
    pub inline_keys: bool,
    /// When it was created.
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
    /// When it let somebody in last, within about a minute.
    #[serde(with = "time::serde::rfc3339::option")]
    pub last_used_at: Option<OffsetDateTime>,
}

/// `GET /api/v1/orgs/{org}/trust`, for the organisation's administrators.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct TrustPolicyList {
    /// The organisation's policies, sorted by name.
    pub policies: Vec<TrustPolicyInfo>,
}

/// `POST /api/v1/orgs/{org}/trust-test`, for the organisation's administrators: what the policies make
/// of an identity. This grants no access and changes nothing.
#[derive(Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct TestTrust {
    /// The identity token, a JWT. A secret.
    pub token: String,
}

crate::debug_fields! {
    TestTrust: ;
}

/// What the policies of an organisation make of an identity.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct TrustTest {
    /// Why the identity itself is refused (signature, times, issuer); absent if it is valid.
    pub refused: Option<String>,
    /// The claims, unverified where `refused` says so.
    pub claims: Value,
    /// What each policy makes of it.
    pub policies: Vec<PolicyVerdict>,
}

/// What one policy makes of an identity.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct PolicyVerdict {
    /// The policy that was tried, by its name.
    pub policy: Name,
    /// What the workload holds by it; none where something fails.
    pub role: Option<Role>,
    /// Whether it is one of the organisation's builders by it.
    #[serde(default)]
    pub builder: bool,
    /// Each thing that fails, as a sentence that names the claim, what was wanted and what it is.
    pub failures: Vec<String>,
    /// What is worth knowing though nothing fails, such as that a pull request only reads.
    pub remarks: Vec<String>,
}
