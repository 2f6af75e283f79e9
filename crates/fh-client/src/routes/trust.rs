//! Trust policies.

use fh_api::{Name, SetTrustPolicy, TestTrust, TrustPolicyInfo, TrustPolicyList, TrustTest};
use http::Method;

use super::json;
use crate::client::Client;
use crate::error::Result;

#[expect(
    clippy::missing_errors_doc,
    reason = "the module above says it for all"
)]
impl Client {
    /// The trust policies of an organisation.
    pub async fn trust_policies(&self, org: &Name) -> Result<TrustPolicyList> {
        self.get(&format!("/orgs/{org}/trust")).await
    }

    /// One trust policy.
    pub async fn trust_policy(&self, org: &Name, policy: &Name) -> Result<TrustPolicyInfo> {
        self.get(&format!("/orgs/{org}/trust/{policy}")).await
    }

    /// Makes a trust policy, or replaces the one of that name unless it is to be a new one.
    pub async fn set_trust_policy(
        &self,
        org: &Name,
        policy: &Name,
        wanted: &SetTrustPolicy,
    ) -> Result<TrustPolicyInfo> {
        let path = format!("/orgs/{org}/trust/{policy}");
        self.call(Method::PUT, &path, json(wanted)?).await
    }

    /// Removes a trust policy, whether there is one or not.
    pub async fn remove_trust_policy(&self, org: &Name, policy: &Name) -> Result<()> {
        self.delete(&format!("/orgs/{org}/trust/{policy}")).await
    }

    /// What the trust policies of an organisation make of an identity.
    pub async fn test_trust(&self, org: &Name, test: &TestTrust) -> Result<TrustTest> {
        let path = format!("/orgs/{org}/trust-test");
        self.call(Method::POST, &path, json(test)?).await
    }
}
