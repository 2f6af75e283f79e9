//! What a workload's surroundings say, as plain values: whoever starts this reads them.

use std::fmt;
use std::path::{Path, PathBuf};

use fh_conf::regular;
use secrecy::SecretString;

/// Where the kubelet puts the token for fh, where nothing else is said.
const KUBERNETES_TOKEN_FILE: &str = "/var/run/secrets/fh/token";

/// The surroundings of a workload. Empty ones are of a machine like any other.
#[derive(Debug, Clone, Default)]
pub struct WorkloadEnvironment {
    /// A variable that holds a JWT: its name, and what is in it.
    pub token_variable: Option<(String, Option<SecretString>)>,
    /// A file that holds a JWT.
    pub token_file: Option<PathBuf>,
    /// `FH_ID_TOKEN`, which holds a JWT.
    pub id_token: Option<SecretString>,
    /// What GitHub Actions says to its jobs.
    pub github: GitHubEnvironment,
    /// This is a job of GitLab CI.
    pub gitlab: bool,
    /// This is a job of Buildkite.
    pub buildkite: bool,
    /// The program of Buildkite's agent, where it is not the `buildkite-agent` of the PATH.
    pub buildkite_agent: Option<PathBuf>,
    /// This is a job of CircleCI.
    pub circleci: bool,
    /// CircleCI's program in its jobs, where it is not the `circleci` of the PATH.
    pub circleci_program: Option<PathBuf>,
    /// `CIRCLE_OIDC_TOKEN_V2`: a JWT whose audience is the organisation.
    pub circleci_token: Option<SecretString>,
    /// This is a job of Semaphore.
    pub semaphore: bool,
    /// `SEMAPHORE_OIDC_TOKEN`: the only JWT of the job.
    pub semaphore_token: Option<SecretString>,
    /// This runs in a cluster of Kubernetes.
    pub kubernetes: bool,
    /// Where a pod's token is, where it is not at the usual place and nobody names a file.
    pub kubernetes_token_file: Option<PathBuf>,
    /// What Google Cloud says to what runs there.
    pub google: GoogleEnvironment,
    /// What says where keys of AWS are.
    pub aws: AwsEnvironment,
    /// What the firmware says of the machine.
    pub firmware: Firmware,
}

impl WorkloadEnvironment {
    /// Where a pod's token is.
    pub(super) fn kubernetes_token_file(&self) -> &Path {
        let named = self.kubernetes_token_file.as_deref();
        named.unwrap_or(Path::new(KUBERNETES_TOKEN_FILE))
    }
}

/// What GitHub Actions says to its jobs.
#[derive(Debug, Clone, Default)]
pub struct GitHubEnvironment {
    /// This is a job of GitHub Actions.
    pub present: bool,
    /// `ACTIONS_ID_TOKEN_REQUEST_URL`: where a JWT is asked for.
    pub request_url: Option<String>,
    /// `ACTIONS_ID_TOKEN_REQUEST_TOKEN`, with which it is asked for.
    pub request_token: Option<SecretString>,
}

/// What Google Cloud says to what runs there.
#[derive(Debug, Clone, Default)]
pub struct GoogleEnvironment {
    /// `GCE_METADATA_HOST`: the metadata server, as `host` or `host:port`.
    pub metadata_host: Option<String>,
    /// A variable of Cloud Run is set.
    pub cloud_run: bool,
}

/// AWS, as its SDKs read it.
#[derive(Clone, Default)]
pub struct AwsEnvironment {
    /// `AWS_ACCESS_KEY_ID`: the name of a key.
    pub access_key_id: Option<String>,
    /// `AWS_SECRET_ACCESS_KEY`: the key itself.
    pub secret_access_key: Option<SecretString>,
    /// `AWS_SESSION_TOKEN`, which belongs to temporary keys.
    pub session_token: Option<SecretString>,
    /// `AWS_PROFILE`: which profile of the shared files counts.
    pub profile: Option<String>,
    /// AWS's command line, where it is not the `aws` of the PATH.
    pub program: Option<PathBuf>,
    /// `AWS_SHARED_CREDENTIALS_FILE`, else the usual place.
    pub credentials_file: Option<PathBuf>,
    /// `AWS_CONFIG_FILE`, else the usual place.
    pub config_file: Option<PathBuf>,
    /// `AWS_REGION`, else `AWS_DEFAULT_REGION`: whose Security Token Service is asked.
    pub region: Option<String>,
    /// `AWS_ENDPOINT_URL_STS`: another address of that service.
    pub sts_endpoint: Option<String>,
    /// `AWS_CONTAINER_CREDENTIALS_RELATIVE_URI`: a path at the agent of ECS.
    pub container_relative_uri: Option<String>,
    /// `AWS_CONTAINER_CREDENTIALS_FULL_URI`: the whole address of an agent.
    pub container_full_uri: Option<String>,
    /// `AWS_CONTAINER_AUTHORIZATION_TOKEN`, which is shown to the agent.
    pub container_token: Option<SecretString>,
    /// `AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE`: where that token is kept fresh.
    pub container_token_file: Option<PathBuf>,
    /// `AWS_EC2_METADATA_DISABLED`: the metadata service is not to be asked.
    pub metadata_disabled: bool,
    /// `AWS_EC2_METADATA_SERVICE_ENDPOINT`: another address of that service.
    pub metadata_endpoint: Option<String>,
    /// A variable of Lambda is set.
    pub lambda: bool,
    /// `AWS_WEB_IDENTITY_TOKEN_FILE`: a token that is exchanged for keys.
    pub web_identity_token_file: Option<PathBuf>,
    /// `AWS_ROLE_ARN`: the role whose keys these are.
    pub role_arn: Option<String>,
    /// `AWS_ROLE_SESSION_NAME`: what that session is called.
    pub role_session_name: Option<String>,
}

impl fmt::Debug for AwsEnvironment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AwsEnvironment")
            .field("profile", &self.profile)
            .field("region", &self.region)
            .finish_non_exhaustive()
    }
}

/// More than a line of a machine's firmware has.
const FIRMWARE_LIMIT: u64 = 4096;

/// What a machine's firmware says it is, on Linux: below `/sys/class/dmi/id`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Firmware {
    /// The file `product_name` there.
    pub product: String,
    /// The file `sys_vendor` there.
    pub vendor: String,
}

impl Firmware {
    /// What this machine's says; nothing where it says nothing.
    #[must_use]
    pub fn of_this_machine() -> Self {
        let read = |name: &str| {
            let path = format!("/sys/class/dmi/id/{name}");
            let text = regular::read(Path::new(&path), FIRMWARE_LIMIT)
                .ok()
                .flatten();
            let text = text.and_then(|text| String::from_utf8(text).ok());
            text.map(|text| text.trim().to_owned()).unwrap_or_default()
        };
        Self {
            product: read("product_name"),
            vendor: read("sys_vendor"),
        }
    }

    /// A machine of Google Cloud.
    pub(super) fn is_google(&self) -> bool {
        self.product.contains("Google")
    }

    /// A machine of AWS EC2.
    pub(super) fn is_amazon(&self) -> bool {
        self.vendor == "Amazon EC2"
    }
}
