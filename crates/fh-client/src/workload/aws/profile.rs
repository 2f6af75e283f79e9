//! The shared files of AWS: `~/.aws/credentials` and `~/.aws/config`.
//!
//! Sections are `[name]` in the first and `[profile name]` (but `[default]`) in the second; the first
//! wins. Lines that are indented belong to the setting above them, and none of those is needed here.

use std::collections::HashMap;
use std::io;
use std::path::Path;

use secrecy::zeroize::Zeroizing;

use super::keys::AwsCredentials;
use super::web_identity::WebIdentity;
use crate::error::{Error, Result};
use crate::workload::identity::{failed, no_identity};
use crate::workload::{AwsEnvironment, files};

/// The profile that counts where none is named.
pub(super) const DEFAULT: &str = "default";

/// What the profile says.
#[derive(Default)]
pub(super) struct Profile {
    pub(super) region: Option<String>,
    /// How it leads to keys, if it does.
    pub(super) way: Option<Way>,
}

/// How a profile leads to keys.
pub(super) enum Way {
    /// The profile itself holds them.
    Keys(AwsCredentials),
    /// A token is exchanged for them.
    WebIdentity(WebIdentity),
    /// A line for the shell prints them.
    Process(String),
    /// By this setting, which AWS's command line knows what to do with.
    Other(&'static str),
}

/// The settings of one profile in one file.
type Settings = HashMap<String, Zeroizing<String>>;

/// Settings that lead to keys by ways that are left to AWS's command line.
const OTHER_WAYS: [&str; 4] = ["role_arn", "sso_session", "sso_start_url", "login_session"];

/// Reads the profile that is named, else the default one.
pub(super) fn read(environment: &AwsEnvironment) -> Result<Profile> {
    let name = environment.profile.as_deref().unwrap_or(DEFAULT);
    let settings = |path: Option<&Path>, in_config| match path.map(files::read) {
        None => Ok(None),
        Some(Ok(text)) => Ok(section(&text, name, in_config)),
        Some(Err(Error::File { source, .. })) if source.kind() == io::ErrorKind::NotFound => {
            Ok(None)
        }
        Some(Err(error)) => Err(failed(
            "cannot look for credentials of AWS",
            "AWS_SHARED_CREDENTIALS_FILE and AWS_CONFIG_FILE name the files.",
        )(error)),
    };
    let keys = settings(environment.credentials_file.as_deref(), false)?;
    let config = settings(environment.config_file.as_deref(), true)?;
    if environment.profile.is_some() && keys.is_none() && config.is_none() {
        return Err(no_identity(
            format!(
                "AWS_PROFILE names the profile {name:?}, which is in neither of the shared files"
            ),
            "They are ~/.aws/credentials and ~/.aws/config, or what AWS_SHARED_CREDENTIALS_FILE and \
             AWS_CONFIG_FILE name.",
        ));
    }
    let (keys, config) = (keys.unwrap_or_default(), config.unwrap_or_default());
    let get = |key: &str| {
        let value = config.get(key).or_else(|| keys.get(key));
        value.map(|value| value.as_str().to_owned())
    };
    let mut way = None;
    for settings in [&keys, &config] {
        let get = |key: &str| settings.get(key).map(|value| value.as_str());
        if let (Some(id), Some(secret)) = (get("aws_access_key_id"), get("aws_secret_access_key")) {
            let place = format!("the profile {name:?}");
            let token = get("aws_session_token");
            way = Some(Way::Keys(AwsCredentials::new(&place, id, secret, token)?));
            break;
        }
    }
    let web_identity = || {
        Some(Way::WebIdentity(WebIdentity {
            token_file: get("web_identity_token_file")?.into(),
            role_arn: get("role_arn")?,
            session_name: get("role_session_name"),
        }))
    };
    let other = || OTHER_WAYS.into_iter().find(|way| get(way).is_some());
    Ok(Profile {
        region: get("region"),
        way: way
            .or_else(web_identity)
            .or_else(|| get("credential_process").map(Way::Process))
            .or_else(|| other().map(Way::Other)),
    })
}

/// The settings of a profile; none where it is not there.
fn section(text: &str, name: &str, in_config: bool) -> Option<Settings> {
    let mut found: Option<Settings> = None;
    let mut inside = false;
    for line in text.lines() {
        let trimmed = line.trim();
        if trimmed.is_empty() || trimmed.starts_with(['#', ';']) {
            continue;
        }
        if let Some(title) = trimmed.strip_prefix('[') {
            let title = title.split(']').next().unwrap_or_default().trim();
            inside = is_profile(title, name, in_config);
            if inside {
                found.get_or_insert_default();
            }
            continue;
        }
        if !inside || line.starts_with([' ', '\t']) {
            continue;
        }
        if let (Some((key, value)), Some(settings)) = (trimmed.split_once('='), &mut found) {
            settings.insert(
                key.trim().to_ascii_lowercase(),
                Zeroizing::new(value.trim().to_owned()),
            );
        }
    }
    found
}

fn is_profile(title: &str, name: &str, in_config: bool) -> bool {
    if !in_config {
        return title == name;
    }
    match title.split_once([' ', '\t']) {
        Some(("profile", profile)) => profile.trim() == name,
        Some(_) => false,
        None => title == name && name == DEFAULT,
    }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret as _;

    use super::*;

    fn environment(
        credentials: &str,
        config: &str,
        profile: Option<&str>,
    ) -> (tempfile::TempDir, AwsEnvironment) {
        let directory = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let path = directory.path().join(name);
            std::fs::write(&path, text).unwrap();
            Some(path)
        };
        let environment = AwsEnvironment {
            credentials_file: write("credentials", credentials),
            config_file: write("config", config),
            profile: profile.map(str::to_owned),
            ..AwsEnvironment::default()
        };
        (directory, environment)
    }

    const CREDENTIALS: &str = "\
# a comment
[default]
aws_access_key_id = AKIA1
aws_secret_access_key=one

[ci]
aws_access_key_id=AKIA2
aws_secret_access_key = t=wo
aws_session_token = session
";

    const CONFIG: &str = "\
[default]
region = us-west-2
[profile ci]
region = eu-west-1
s3 =
  region = not-this
[profile other]
role_arn = arn:aws:iam::1:role/x
[profile program]
credential_process = /usr/bin/keys --for me
[profile pod]
role_arn = arn:aws:iam::1:role/pod
web_identity_token_file = /run/token
role_session_name = build
[ci]
region = nor-this
";

    #[test]
    fn profiles_are_found_by_name_in_both_files() {
        let (_directory, named) = environment(CREDENTIALS, CONFIG, Some("ci"));
        let profile = read(&named).unwrap();
        let keys = keys_of(profile.way);
        assert_eq!(keys.access_key_id, "AKIA2");
        assert_eq!(keys.secret_access_key.expose_secret(), "t=wo");
        assert_eq!(keys.session_token.unwrap().expose_secret(), "session");
        assert_eq!(profile.region.as_deref(), Some("eu-west-1"));
        let (_directory, usual) = environment(CREDENTIALS, CONFIG, None);
        let profile = read(&usual).unwrap();
        assert_eq!(keys_of(profile.way).access_key_id, "AKIA1");
        assert_eq!(profile.region.as_deref(), Some("us-west-2"));
    }

    fn keys_of(way: Option<Way>) -> AwsCredentials {
        match way {
            Some(Way::Keys(keys)) => keys,
            _ => panic!("there are no keys"),
        }
    }

    #[test]
    fn each_way_to_keys_is_known() {
        let way = |profile: &str| {
            let (_directory, named) = environment("", CONFIG, Some(profile));
            read(&named).map(|profile| profile.way.unwrap())
        };
        assert!(matches!(way("other"), Ok(Way::Other("role_arn"))));
        match way("program") {
            Ok(Way::Process(line)) => assert_eq!(line, "/usr/bin/keys --for me"),
            _ => panic!("it names a program"),
        }
        match way("pod") {
            Ok(Way::WebIdentity(identity)) => {
                assert_eq!(identity.role_arn, "arn:aws:iam::1:role/pod");
                assert_eq!(identity.session_name.as_deref(), Some("build"));
            }
            _ => panic!("it names a token"),
        }
        assert!(way("nobody").is_err());
        let nothing = AwsEnvironment::default();
        assert!(read(&nothing).unwrap().way.is_none());
    }
}
