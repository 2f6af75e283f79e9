//! The environment variables that `fh` reads: each one a documented constant, and no other is read.
//!
//! The help texts and the man pages take their words from here.

/// An environment variable that `fh` reads.
#[derive(Debug)]
pub(crate) struct Variable {
    /// As the environment has it.
    pub(crate) name: &'static str,
    /// What it does, for the manual.
    pub(crate) help: &'static str,
}

macro_rules! variables {
    ($($(#[doc = $help:literal])+ $constant:ident,)+) => {
        $(
            $(#[doc = $help])+
            pub(crate) const $constant: Variable = Variable {
                name: stringify!($constant),
                help: concat!($($help, "\n",)+),
            };
        )+

        /// All of them, in the order of the manual.
        pub(crate) const ALL: &[&Variable] = &[$(&$constant),+];
    };
}

variables! {
    /// The server to talk to, as `--server`.
    FH_SERVER,
    /// The token to use instead of the stored one. Environments leak into logs and child processes:
    /// prefer FH_TOKEN_FILE.
    FH_TOKEN,
    /// A file with the token to use instead of the stored one.
    FH_TOKEN_FILE,
    /// Whose identity is used where there is no token: `off` for none, `auto` (the default) for that of
    /// the CI job, the machine or the pod that this is, or one of github, gitlab, buildkite, circleci,
    /// semaphore, gcp, kubernetes, aws and token, whatever this looks like.
    FH_WORKLOAD,
    /// A file with the identity token of this workload, a JWT, which is read anew for each use.
    FH_WORKLOAD_TOKEN_FILE,
    /// The name of a variable with the identity token of this workload; FH_ID_TOKEN by default.
    FH_WORKLOAD_TOKEN_VARIABLE,
    /// The identity token of this workload: what `id_tokens:` of a GitLab job should fill.
    FH_ID_TOKEN,
    /// FlakeHub's web site, as `--frontend-addr`.
    FH_FRONTEND_ADDR,
    /// Print JSON, as `--json`. Empty, 0, false, no and off mean no.
    FH_OUTPUT_JSON,
    /// The address of FlakeHub's API, as `--api-addr` of `fh push`.
    FH_API_ADDR,
    /// The address of FlakeHub's cache, as `--cache-addr` of `fh push`.
    FH_CACHE_ADDR,
    /// How much to tell of what is being done, 0 to 3, as that many `-v`.
    FH_VERBOSITY,
    /// Not empty: no colours.
    NO_COLOR,
    /// `dumb`: no colours, and no bars.
    TERM,
    /// An X display: there is a browser.
    DISPLAY,
    /// A Wayland display: there is a browser.
    WAYLAND_DISPLAY,
    /// The home directory.
    HOME,
    /// The user's name, for advice that has to name it.
    USER,
    /// Where configuration is kept; ~/.config by default.
    XDG_CONFIG_HOME,
    /// Directories whose nix/nix.conf Nix reads before the user's, separated by colons; /etc/xdg by
    /// default.
    XDG_CONFIG_DIRS,
    /// Where names for completions are remembered; ~/.cache by default.
    XDG_CACHE_HOME,
    /// Where data is kept; ~/.local/share by default.
    XDG_DATA_HOME,
    /// The data directory of `fh serve` under systemd.
    STATE_DIRECTORY,
    /// The configuration file of `fh serve`, as `--config`. Each of its options has a variable too:
    /// see fh-serve(1).
    FH_SERVE_CONFIG,
    /// The shell that asks what can be typed next; set by the scripts of `fh completion`.
    FH_COMPLETE,
    /// The socket on which `fh serve` tells systemd that it serves, and that it is stopping.
    NOTIFY_SOCKET,
    /// Certificate authorities to trust, a PEM file; Nix reads it too.
    NIX_SSL_CERT_FILE,
    /// The same, where NIX_SSL_CERT_FILE is not set.
    SSL_CERT_FILE,
    /// The directory of Nix's system-wide nix.conf and netrc; /etc/nix by default.
    NIX_CONF_DIR,
    /// Nix's state directory; /nix/var/nix by default. Determinate Nix has its netrc in `determinate` beside it, and its
    /// config.json in `determinate` beside NIX_CONF_DIR.
    NIX_STATE_DIR,
    /// The nix.conf files of the user, separated by colons, instead of those below XDG_CONFIG_HOME.
    /// `fh login` edits the first.
    NIX_USER_CONF_FILES,
    /// Settings of Nix, which it reads after all nix.conf files: `fh login` writes to the netrc that they
    /// name. `fh push --watch-exec` adds its hook to them for its command.
    NIX_CONFIG,
    /// Where `fh push --watch-exec` keeps its hook while it runs.
    XDG_RUNTIME_DIR,
    /// The same, where XDG_RUNTIME_DIR is not set; /tmp by default.
    TMPDIR,
    /// What was built: Nix tells it to the hook of `fh push --watch-exec`.
    OUT_PATHS,
    /// By which derivation, where Nix does not tell what.
    DRV_PATH,
    /// The Nix store that `fh push` takes paths from, as its `--store`.
    NIX_REMOTE,
    /// Where Nix's daemon listens, where it is not the usual place.
    NIX_DAEMON_SOCKET_PATH,
    /// The directory that Nix names store paths by; /nix/store by default.
    NIX_STORE_DIR,
    /// The directory of Nix's build logs, which `fh push` sends along; /nix/var/log/nix by default.
    NIX_LOG_DIR,
    /// This is a job of GitHub Actions.
    GITHUB_ACTIONS,
    /// Where such a job asks for an identity token; set where it has `permissions: id-token: write`.
    ACTIONS_ID_TOKEN_REQUEST_URL,
    /// With which token it asks.
    ACTIONS_ID_TOKEN_REQUEST_TOKEN,
    /// This is a job of GitLab CI.
    GITLAB_CI,
    /// This is a job of Buildkite, whose `buildkite-agent` is asked for an identity token.
    BUILDKITE,
    /// This is a job of CircleCI, whose `circleci` is asked for an identity token.
    CIRCLECI,
    /// The identity token of such a job, where it cannot be asked for.
    CIRCLE_OIDC_TOKEN_V2,
    /// This is a job of Semaphore.
    SEMAPHORE,
    /// The identity token of such a job.
    SEMAPHORE_OIDC_TOKEN,
    /// This runs in a cluster of Kubernetes.
    KUBERNETES_SERVICE_HOST,
    /// Where Google Cloud's metadata server is, where it is not the usual place.
    GCE_METADATA_HOST,
    /// This is a service of Google Cloud Run.
    K_SERVICE,
    /// This is a job of Google Cloud Run.
    CLOUD_RUN_JOB,
    /// This is a function of AWS Lambda.
    AWS_LAMBDA_FUNCTION_NAME,
    /// With the next two: keys that tell AWS who this is.
    AWS_ACCESS_KEY_ID,
    /// See AWS_ACCESS_KEY_ID.
    AWS_SECRET_ACCESS_KEY,
    /// See AWS_ACCESS_KEY_ID.
    AWS_SESSION_TOKEN,
    /// The profile whose keys are taken from AWS's shared files.
    AWS_PROFILE,
    /// AWS's file of keys; ~/.aws/credentials by default.
    AWS_SHARED_CREDENTIALS_FILE,
    /// AWS's file of settings; ~/.aws/config by default.
    AWS_CONFIG_FILE,
    /// The region of AWS whose Security Token Service the server asks.
    AWS_REGION,
    /// The same, where AWS_REGION is not set.
    AWS_DEFAULT_REGION,
    /// The address of the Security Token Service, where it is not the region's.
    AWS_ENDPOINT_URL_STS,
    /// Where a container on ECS has its keys from.
    AWS_CONTAINER_CREDENTIALS_RELATIVE_URI,
    /// Where another container has its keys from, such as a pod on EKS.
    AWS_CONTAINER_CREDENTIALS_FULL_URI,
    /// With which token.
    AWS_CONTAINER_AUTHORIZATION_TOKEN,
    /// With the token in which file.
    AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE,
    /// Do not ask the metadata service of an EC2 machine for keys.
    AWS_EC2_METADATA_DISABLED,
    /// Where that service is, where it is not the usual place.
    AWS_EC2_METADATA_SERVICE_ENDPOINT,
    /// With the next two: a token that AWS exchanges for keys of a role, such as a pod on EKS has.
    AWS_WEB_IDENTITY_TOKEN_FILE,
    /// See AWS_WEB_IDENTITY_TOKEN_FILE.
    AWS_ROLE_ARN,
    /// See AWS_WEB_IDENTITY_TOKEN_FILE; by default it has the time in it.
    AWS_ROLE_SESSION_NAME,
}
