//! AWS: where credentials come from, and what of them reaches the server.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use data_encoding::BASE64URL_NOPAD;
use fh_api::oauth::SignedCallerIdentity;
use fh_client::workload::{
    AwsCredentials, AwsEnvironment, Manner, Provider, Signing, WorkloadEnvironment, sign,
};
use secrecy::SecretString;
use serde_json::json;
use time::OffsetDateTime;

use super::stage::{Stage, json_answer, subject};
use super::{client, told, workload};

const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";

fn with(aws: AwsEnvironment) -> WorkloadEnvironment {
    WorkloadEnvironment {
        aws,
        ..WorkloadEnvironment::default()
    }
}

fn credentials() -> serde_json::Value {
    json!({
        "Code": "Success", "AccessKeyId": "ASIAX", "SecretAccessKey": SECRET, "Token": "session",
        "Expiration": "2030-01-01T00:00:00Z",
    })
}

/// Exchanges, and gives back what the server was handed.
async fn handed(environment: WorkloadEnvironment) -> SignedCallerIdentity {
    let server = Stage::fh(|token| subject(token).as_deref() == Some("exchanged-0")).await;
    let client = client(
        &server,
        workload(Provider::Aws, environment),
        Manner::Direct,
    );
    client.whoami().await.unwrap();
    let form = &server.at("/oauth/token")[0];
    assert_eq!(
        form.field("subject_token_type"),
        "urn:fh:token-type:aws-caller-identity"
    );
    for heard in server.heard() {
        let whole = format!("{heard:?}");
        assert!(
            !whole.contains(SECRET),
            "the secret key stays on this machine"
        );
    }
    let nonces = server.at("/oauth/nonce");
    assert_eq!(nonces.len(), 1);
    assert_eq!(nonces[0].body, "");
    let subject = BASE64URL_NOPAD
        .decode(form.field("subject_token").as_bytes())
        .unwrap();
    assert!(!String::from_utf8_lossy(&subject).contains(SECRET));
    serde_json::from_slice(&subject).unwrap()
}

/// The time of `x-amz-date`.
fn signed_at(headers: &BTreeMap<String, String>) -> OffsetDateTime {
    let text = &headers["x-amz-date"];
    let format = time::macros::format_description!("[year][month][day]T[hour][minute][second]Z");
    time::PrimitiveDateTime::parse(text, &format)
        .unwrap()
        .assume_utc()
}

#[tokio::test]
async fn keys_of_the_environment_sign_for_this_server_and_its_nonce() {
    let signed = handed(with(AwsEnvironment {
        access_key_id: Some("AKIAX".to_owned()),
        secret_access_key: Some(SecretString::from(SECRET)),
        region: Some("eu-central-1".to_owned()),
        ..AwsEnvironment::default()
    }))
    .await;
    assert_eq!(signed.url, "https://sts.eu-central-1.amazonaws.com/");
    assert_eq!(signed.body, "Action=GetCallerIdentity&Version=2011-06-15");
    assert!(signed.headers["x-fh-server"].starts_with("http://127.0.0.1:"));
    assert_eq!(signed.headers["x-fh-nonce"], "nonce-0");
    let age = OffsetDateTime::now_utc() - signed_at(&signed.headers);
    assert!(age.whole_seconds().abs() < 60, "{age}");
    // Anybody who has the key comes to the same signature.
    let again = sign(&Signing {
        credentials: &AwsCredentials {
            access_key_id: "AKIAX".to_owned(),
            secret_access_key: SecretString::from(SECRET),
            session_token: None,
        },
        url: &signed.url,
        region: "eu-central-1",
        audience: &signed.headers["x-fh-server"],
        nonce: "nonce-0",
        now: signed_at(&signed.headers),
    });
    assert_eq!(again, signed);
}

#[tokio::test]
async fn keys_of_a_profile_sign_too() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("credentials");
    let text = format!(
        "[ci]\naws_access_key_id = AKIAP\naws_secret_access_key = {SECRET}\nregion = us-west-2\n"
    );
    fs::write(&file, text).unwrap();
    let signed = handed(with(AwsEnvironment {
        profile: Some("ci".to_owned()),
        credentials_file: Some(file),
        config_file: Some(directory.path().join("config")),
        ..AwsEnvironment::default()
    }))
    .await;
    assert_eq!(signed.url, "https://sts.us-west-2.amazonaws.com/");
    assert!(signed.headers["authorization"].contains("Credential=AKIAP/"));
}

#[tokio::test]
async fn a_container_gets_its_keys_with_the_token_of_its_file() {
    let agent = Stage::start(|_, _| json_answer(200, &credentials())).await;
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("token");
    fs::write(&file, "container-secret\n").unwrap();
    let signed = handed(with(AwsEnvironment {
        container_full_uri: Some(format!("{}/v1/credentials?a=b", agent.url())),
        container_token_file: Some(file),
        ..AwsEnvironment::default()
    }))
    .await;
    let asked = &agent.heard()[0];
    assert_eq!(
        (asked.path.as_str(), asked.query.as_str()),
        ("/v1/credentials", "a=b")
    );
    assert_eq!(asked.header("authorization"), "container-secret");
    assert_eq!(signed.url, "https://sts.amazonaws.com/");
    assert_eq!(signed.headers["x-amz-security-token"], "session");
    assert!(signed.headers["authorization"].contains("/us-east-1/sts/aws4_request"));
}

#[tokio::test]
async fn a_machine_gets_its_keys_by_version_2_of_the_metadata_service() {
    let service = Stage::start(|heard, _| match heard.path.as_str() {
        "/latest/api/token" if heard.method == "PUT" => {
            assert_eq!(heard.header("x-aws-ec2-metadata-token-ttl-seconds"), "300");
            axum::response::IntoResponse::into_response("imds-session")
        }
        _ if heard.header("x-aws-ec2-metadata-token") != "imds-session" => {
            json_answer(401, &json!({}))
        }
        "/latest/meta-data/iam/security-credentials/" => {
            axum::response::IntoResponse::into_response("ci-role\n")
        }
        "/latest/meta-data/iam/security-credentials/ci-role" => json_answer(200, &credentials()),
        _ => json_answer(404, &json!({})),
    })
    .await;
    let aws = AwsEnvironment {
        metadata_endpoint: Some(service.url()),
        ..AwsEnvironment::default()
    };
    let signed = handed(with(aws.clone())).await;
    assert!(signed.headers["authorization"].contains("Credential=ASIAX/"));
    let disabled = AwsEnvironment {
        metadata_disabled: true,
        ..aws
    };
    let before = service.heard().len();
    let server = Stage::fh(|_| true).await;
    let client = client(
        &server,
        workload(Provider::Aws, with(disabled)),
        Manner::Direct,
    );
    let text = told(&client.whoami().await.unwrap_err());
    assert!(text.contains("AWS_EC2_METADATA_DISABLED is set"), "{text}");
    assert_eq!(service.heard().len(), before);
}

#[tokio::test]
async fn each_attempt_at_an_exchange_has_a_nonce_of_its_own() {
    let server = Stage::start(|heard, number| match (heard.path.as_str(), number) {
        ("/oauth/token", 0) => json_answer(503, &json!({})),
        _ => super::stage::fh(heard, number, &|_| true),
    })
    .await;
    let environment = with(AwsEnvironment {
        access_key_id: Some("AKIAX".to_owned()),
        secret_access_key: Some(SecretString::from(SECRET)),
        ..AwsEnvironment::default()
    });
    let client = client(
        &server,
        workload(Provider::Aws, environment),
        Manner::Direct,
    );
    client.whoami().await.unwrap();
    assert_eq!(server.at("/oauth/nonce").len(), 2);
    assert_eq!(server.at("/oauth/token").len(), 2);
}

/// What stands in the place of a file.
fn no_files(directory: &Path) -> [(PathBuf, &'static str); 4] {
    let at = |name: &str| directory.join(name);
    let made = std::process::Command::new("mkfifo")
        .arg(at("pipe"))
        .status();
    assert!(made.unwrap().success());
    fs::create_dir(at("directory")).unwrap();
    // Sparse: it takes no room.
    let huge = fs::File::create(at("huge")).unwrap();
    huge.set_len(300 << 20).unwrap();
    [
        (at("pipe"), "it is not a regular file"),
        (at("directory"), "it is not a regular file"),
        ("/dev/zero".into(), "it is not a regular file"),
        (at("huge"), "it is longer than"),
    ]
}

#[tokio::test]
async fn a_file_that_is_none_is_named_and_not_waited_for() {
    let directory = tempfile::tempdir().unwrap();
    let server = Stage::fh(|_| true).await;
    let agent = Stage::start(|_, _| json_answer(200, &credentials())).await;
    for (file, reason) in no_files(directory.path()) {
        let named = Some(file.clone());
        let of_aws = [
            AwsEnvironment {
                credentials_file: named.clone(),
                ..AwsEnvironment::default()
            },
            AwsEnvironment {
                config_file: named.clone(),
                ..AwsEnvironment::default()
            },
            AwsEnvironment {
                container_full_uri: Some(format!("{}/v1/credentials", agent.url())),
                container_token_file: named.clone(),
                ..AwsEnvironment::default()
            },
            AwsEnvironment {
                web_identity_token_file: named.clone(),
                role_arn: Some("arn:aws:iam::123456789012:role/ci".to_owned()),
                ..AwsEnvironment::default()
            },
        ];
        let of_aws = of_aws.map(|aws| (Provider::Aws, with(aws)));
        let others = [
            (
                Provider::Token,
                WorkloadEnvironment {
                    token_file: named.clone(),
                    ..WorkloadEnvironment::default()
                },
            ),
            (
                Provider::Kubernetes,
                WorkloadEnvironment {
                    kubernetes: true,
                    kubernetes_token_file: Some(file.clone()),
                    ..WorkloadEnvironment::default()
                },
            ),
        ];
        for (provider, environment) in of_aws.into_iter().chain(others) {
            let client = client(&server, workload(provider, environment), Manner::Direct);
            let asked = tokio::time::timeout(Duration::from_secs(20), client.whoami()).await;
            let error = asked.expect("it was waited for").unwrap_err();
            let said = told(&error);
            let name = file.display().to_string();
            assert!(said.contains(&name) && said.contains(reason), "{said}");
        }
    }
    assert!(agent.heard().is_empty());
}

/// As AWS's command line does it, which alone knows what single sign-on has left behind.
#[tokio::test]
async fn a_profile_that_leads_elsewhere_is_asked_of_the_command_line_of_aws() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    fs::write(
        at("config"),
        "[profile sso]\nsso_session = acme\nregion = eu-west-1\n",
    )
    .unwrap();
    let program = |script: &str| {
        fs::write(at("aws"), format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(at("aws"), fs::Permissions::from_mode(0o755)).unwrap();
    };
    let environment = || {
        with(AwsEnvironment {
            profile: Some("sso".to_owned()),
            config_file: Some(at("config")),
            program: Some(at("aws")),
            ..AwsEnvironment::default()
        })
    };
    let printed = json!({"Version": 1, "AccessKeyId": "ASIAS", "SecretAccessKey": SECRET});
    program(&format!(
        "[ \"$*\" = 'configure export-credentials --format process --profile sso' ] && echo '{printed}'"
    ));
    let signed = handed(environment()).await;
    assert_eq!(signed.url, "https://sts.eu-west-1.amazonaws.com/");
    assert!(signed.headers["authorization"].contains("Credential=ASIAS/"));

    let refused = async || {
        let server = Stage::fh(|_| true).await;
        let workload = workload(Provider::Aws, environment());
        let client = client(&server, workload, Manner::Direct);
        told(&client.whoami().await.unwrap_err())
    };
    program("echo 'The SSO session has expired' >&2; exit 255");
    let said = refused().await;
    assert!(said.contains("has no keys but sso_session"), "{said}");
    assert!(said.contains("The SSO session has expired"), "{said}");
    fs::remove_file(at("aws")).unwrap();
    let said = refused().await;
    assert!(
        said.contains("version 2 of `aws` has to be in the PATH"),
        "{said}"
    );
}
