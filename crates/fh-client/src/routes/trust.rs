//! Trust policies: which workloads an organisation lets in.
//!
//! [The module above](super) says what can go wrong, for all.

use fh_api::{Name, SetTrustPolicy, TestTrust, TrustPolicyInfo, TrustPolicyList, TrustTest};

use crate::client::Client;
use crate::error::Result;

routes! {
    /// The trust policies of an organisation.
    get trust_policies(org: &Name) -> TrustPolicyList: "/orgs/{org}/trust";
    /// The trust policy of that name.
    get trust_policy(org: &Name, policy: &Name) -> TrustPolicyInfo: "/orgs/{org}/trust/{policy}";
    /// Makes a trust policy, or replaces the one of that name unless it is to be a new one.
    put set_trust_policy(org: &Name, policy: &Name, wanted: &SetTrustPolicy) -> TrustPolicyInfo:
        "/orgs/{org}/trust/{policy}", wanted;
    /// Removes a trust policy, whether there is one or not.
    delete remove_trust_policy(org: &Name, policy: &Name) -> (): "/orgs/{org}/trust/{policy}";
    /// What the trust policies of an organisation make of an identity.
    post test_trust(org: &Name, test: &TestTrust) -> TrustTest: "/orgs/{org}/trust-test", test;
}
