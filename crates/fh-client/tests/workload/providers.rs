//! Each platform: what it is asked, what it answers, and what one reads where it does not.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::response::IntoResponse as _;
use fh_client::workload::{
    Connections, Firmware, GitHubEnvironment, GoogleEnvironment, Manner, Provider, Workload,
    WorkloadEnvironment, WorkloadSource,
};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::json;

use super::stage::{AUDIENCE, HOUR, Heard, Stage, discovery, json_answer, jwt, subject};
use super::{client, told, workload};

fn github(platform: &Stage) -> WorkloadEnvironment {
    WorkloadEnvironment {
        github: GitHubEnvironment {
            present: true,
            request_url: Some(format!("{}/token?api-version=2.0", platform.url())),
            request_token: Some(SecretString::from("job-secret")),
        },
        ..WorkloadEnvironment::default()
    }
}

fn detected(environment: WorkloadEnvironment) -> Option<Provider> {
    let environment = Arc::new(environment);
    Workload::detect(&environment, &Connections::default()).map(|workload| workload.provider())
}

/// A program that notes its arguments and does this.
fn program(directory: &Path, script: &str) -> PathBuf {
    let path = directory.join("program");
    let log = directory.join("arguments");
    let script = format!(
        "#!/bin/sh\nprintf '%s\\n' \"$@\" > {}\n{script}\n",
        log.display()
    );
    fh_testkit::write_program(&path, &script);
    path
}

fn arguments(directory: &Path) -> Vec<String> {
    let text = fs::read_to_string(directory.join("arguments")).unwrap();
    text.lines().map(str::to_owned).collect()
}

#[tokio::test]
async fn a_github_job_asks_for_this_servers_audience_and_shows_the_jwt_itself() {
    let platform = Stage::github(Duration::from_secs(300)).await;
    let server = Stage::fh(|token| subject(token).as_deref() == Some("0")).await;
    let environment = github(&platform);
    assert_eq!(detected(environment.clone()), Some(Provider::GitHub));
    let client = client(
        &server,
        workload(Provider::GitHub, environment),
        Manner::Direct,
    );
    client.whoami().await.unwrap();
    client.whoami().await.unwrap();
    let asked = platform.heard();
    assert_eq!(asked.len(), 1);
    assert_eq!(
        asked[0].query,
        format!(
            "api-version=2.0&audience={}",
            url::form_urlencoded::byte_serialize(server.url().as_bytes()).collect::<String>()
        )
    );
    assert_eq!(asked[0].bearer(), "job-secret");
    assert!(server.at("/oauth/token").is_empty());
    let asked = server.at("/.well-known/fh");
    assert_eq!(asked.len(), 1);
    assert_eq!(
        asked[0].header("authorization"),
        "",
        "before anything is known"
    );
}

#[tokio::test]
async fn a_github_job_can_exchange_its_jwt() {
    let platform = Stage::github(Duration::from_secs(300)).await;
    let server = Stage::fh(|token| subject(token).as_deref() == Some("exchanged-0")).await;
    let client = client(
        &server,
        workload(Provider::GitHub, github(&platform)),
        Manner::Exchanged,
    );
    client.whoami().await.unwrap();
    let form = &server.at("/oauth/token")[0];
    assert_eq!(
        form.field("grant_type"),
        "urn:ietf:params:oauth:grant-type:token-exchange"
    );
    assert_eq!(
        form.field("subject_token_type"),
        "urn:ietf:params:oauth:token-type:jwt"
    );
    assert_eq!(subject(&form.field("subject_token")).unwrap(), "0");
    assert_eq!(
        form.header("content-type"),
        "application/x-www-form-urlencoded"
    );
}

#[tokio::test]
async fn a_server_cannot_ask_for_an_identity_for_somebody_else() {
    let platform = Stage::github(HOUR).await;
    let another = "urn:fh:0192f0c1-0000-7000-8000-00000000000f";
    for said in ["sts.amazonaws.com", another, ""] {
        let server = Stage::start(move |_, _| json_answer(200, &discovery(said))).await;
        let client = client(
            &server,
            workload(Provider::GitHub, github(&platform)),
            Manner::Direct,
        );
        // What it answers is no caller.
        client.whoami().await.unwrap_err();
        let asked = platform.heard().pop().unwrap();
        let audience = url::form_urlencoded::parse(asked.query.as_bytes())
            .find(|(key, _)| key == "audience")
            .map(|(_, value)| value.into_owned());
        assert_eq!(audience, Some(server.url()), "{said}");
    }
}

#[tokio::test]
async fn a_github_job_without_the_permission_is_told_the_lines_to_add() {
    let environment = WorkloadEnvironment {
        github: GitHubEnvironment {
            present: true,
            ..GitHubEnvironment::default()
        },
        ..WorkloadEnvironment::default()
    };
    let error = workload(Provider::GitHub, environment)
        .identity(AUDIENCE)
        .await
        .unwrap_err();
    insta::assert_snapshot!(told(&error), @r"
    this GitHub Actions job may not ask for an identity token: ACTIONS_ID_TOKEN_REQUEST_URL is not set
    Give the job the permission to ask for one, in the workflow:
      permissions:
        contents: read
        id-token: write
    Pull requests from forks do not get it.
    ");
}

#[tokio::test]
async fn what_github_refuses_is_told_without_its_secret() {
    let platform = Stage::start(|_, _| json_answer(403, &json!({ "message": "no" }))).await;
    let error = workload(Provider::GitHub, github(&platform))
        .identity(AUDIENCE)
        .await
        .unwrap_err();
    let text = format!("{}{error:?}", told(&error));
    assert!(
        text.contains("GitHub gives this job no identity token"),
        "{text}"
    );
    assert!(!text.contains("job-secret"));
    assert_eq!(platform.heard().len(), 1, "a refusal is no hiccup");
}

#[tokio::test]
async fn a_gitlab_job_has_one_jwt_which_is_shown_as_long_as_it_lives() {
    let server = Stage::fh(|token| subject(token).as_deref() == Some("job")).await;
    let environment = WorkloadEnvironment {
        gitlab: true,
        id_token: Some(SecretString::from(format!("{}\n", jwt("job", HOUR)))),
        ..WorkloadEnvironment::default()
    };
    assert_eq!(detected(environment.clone()), Some(Provider::GitLab));
    let client = client(
        &server,
        workload(Provider::GitLab, environment),
        Manner::Direct,
    );
    client.whoami().await.unwrap();
    assert!(server.at("/oauth/token").is_empty());
}

#[tokio::test]
async fn the_only_jwt_of_a_job_is_exchanged_when_it_is_about_to_end() {
    let accepted = Arc::new(Mutex::new("job"));
    let known = accepted.clone();
    let server =
        Stage::fh(move |token| subject(token).as_deref() == Some(*known.lock().unwrap())).await;
    let environment = WorkloadEnvironment {
        gitlab: true,
        id_token: Some(SecretString::from(jwt("job", Duration::from_secs(300)))),
        ..WorkloadEnvironment::default()
    };
    let client = client(
        &server,
        workload(Provider::GitLab, environment),
        Manner::Direct,
    );
    client.whoami().await.unwrap();
    assert!(server.at("/oauth/token").is_empty());
    // By the server's clock it has ended.
    *accepted.lock().unwrap() = "exchanged-0";
    client.whoami().await.unwrap();
    assert_eq!(server.at("/oauth/token").len(), 1);
}

#[tokio::test]
async fn a_jwt_that_was_exchanged_before_serves_as_it_is() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("token");
    fs::write(&file, jwt("pod", HOUR)).unwrap();
    let server = Stage::start(|heard, number| match heard.path.as_str() {
        "/oauth/token" => json_answer(
            400,
            &json!({ "error": "invalid_grant", "error_description": "exchanged already" }),
        ),
        _ => super::stage::fh(heard, number, &|token| {
            subject(token).as_deref() == Some("pod")
        }),
    })
    .await;
    let environment = WorkloadEnvironment {
        kubernetes_token_file: Some(file),
        ..WorkloadEnvironment::default()
    };
    let client = client(
        &server,
        workload(Provider::Kubernetes, environment),
        Manner::Exchanged,
    );
    client.whoami().await.unwrap();
    client.whoami().await.unwrap();
    assert_eq!(server.at("/oauth/token").len(), 1);
}

#[tokio::test]
async fn the_only_jwt_of_a_job_is_exchanged_once_where_little_is_left_of_it() {
    let server = Stage::fh(|token| subject(token).as_deref() == Some("exchanged-0")).await;
    let environment = WorkloadEnvironment {
        gitlab: true,
        token_variable: Some((
            "OTHER_TOKEN".to_owned(),
            Some(SecretString::from(jwt("job", Duration::from_secs(50)))),
        )),
        ..WorkloadEnvironment::default()
    };
    let client = client(
        &server,
        workload(Provider::GitLab, environment),
        Manner::Direct,
    );
    client.whoami().await.unwrap();
    client.whoami().await.unwrap();
    let exchanges = server.at("/oauth/token");
    assert_eq!(exchanges.len(), 1);
    assert_eq!(
        subject(&exchanges[0].field("subject_token")).unwrap(),
        "job"
    );
}

#[tokio::test]
async fn a_gitlab_job_without_a_token_is_told_the_lines_to_add() {
    let environment = WorkloadEnvironment {
        gitlab: true,
        ..WorkloadEnvironment::default()
    };
    let error = workload(Provider::GitLab, environment)
        .identity(AUDIENCE)
        .await
        .unwrap_err();
    insta::assert_snapshot!(told(&error), @r"
    this GitLab CI job has no identity token: FH_ID_TOKEN is not set
    Let GitLab give the job a token, in .gitlab-ci.yml:
      id_tokens:
        FH_ID_TOKEN:
          aud: urn:fh:0192f0c1-0000-7000-8000-000000000001
    A variable of another name is named by FH_WORKLOAD_TOKEN_VARIABLE.
    ");
}

#[tokio::test]
async fn buildkites_agent_is_asked_and_its_failure_is_shown() {
    let directory = tempfile::tempdir().unwrap();
    let environment = |script: &str| WorkloadEnvironment {
        buildkite: true,
        buildkite_agent: Some(program(directory.path(), script)),
        ..WorkloadEnvironment::default()
    };
    let good = environment(&format!("echo {}", jwt("step", HOUR)));
    assert_eq!(detected(good.clone()), Some(Provider::Buildkite));
    let identity = workload(Provider::Buildkite, good).identity(AUDIENCE).await;
    let token = identity.unwrap().unwrap().token;
    assert_eq!(subject(token.expose_secret()).unwrap(), "step");
    assert_eq!(
        arguments(directory.path()),
        ["oidc", "request-token", "--audience", AUDIENCE]
    );
    let bad = environment("echo 'no access token' >&2; exit 3");
    let error = workload(Provider::Buildkite, bad).identity(AUDIENCE).await;
    let text = told(&error.unwrap_err());
    assert!(text.contains("no access token"), "{text}");
    assert!(text.contains("BUILDKITE_AGENT_ACCESS_TOKEN"), "{text}");
}

#[tokio::test]
async fn circlecis_program_goes_before_its_variable() {
    let directory = tempfile::tempdir().unwrap();
    let environment = |circleci_program| WorkloadEnvironment {
        circleci: true,
        circleci_program: Some(circleci_program),
        circleci_token: Some(SecretString::from(jwt("variable", HOUR))),
        ..WorkloadEnvironment::default()
    };
    let script = format!("echo {}", jwt("program", HOUR));
    let missing = directory.path().join("missing");
    for (path, expected) in [
        (program(directory.path(), &script), "program"),
        (missing.clone(), "variable"),
    ] {
        let workload = workload(Provider::CircleCi, environment(path));
        let token = workload.identity(AUDIENCE).await.unwrap().unwrap().token;
        assert_eq!(subject(token.expose_secret()).unwrap(), expected);
    }
    assert_eq!(
        arguments(directory.path()),
        [
            "run",
            "oidc",
            "get",
            "--claims",
            &json!({ "aud": AUDIENCE }).to_string()
        ]
    );
    let nothing = WorkloadEnvironment {
        circleci_token: None,
        ..environment(missing)
    };
    let error = workload(Provider::CircleCi, nothing)
        .identity(AUDIENCE)
        .await;
    let text = told(&error.unwrap_err());
    assert!(text.contains("CIRCLE_OIDC_TOKEN_V2 is not set"), "{text}");
    assert!(text.contains("context"), "{text}");
}

#[tokio::test]
async fn googles_metadata_server_has_to_say_that_it_is_one() {
    for flavor in ["Google", "other"] {
        let metadata = Stage::start(move |_, _| {
            ([("metadata-flavor", flavor)], jwt("account", HOUR)).into_response()
        })
        .await;
        let environment = WorkloadEnvironment {
            google: GoogleEnvironment {
                metadata_host: Some(metadata.url().replace("http://", "")),
                cloud_run: false,
            },
            ..WorkloadEnvironment::default()
        };
        assert_eq!(detected(environment.clone()), Some(Provider::GoogleCloud));
        let workload = workload(Provider::GoogleCloud, environment);
        let identity = workload.identity(AUDIENCE).await;
        assert_eq!(identity.is_ok(), flavor == "Google", "{identity:?}");
        let asked = &metadata.heard()[0];
        assert_eq!(
            asked.path,
            "/computeMetadata/v1/instance/service-accounts/default/identity"
        );
        assert_eq!(
            asked.query,
            "audience=urn%3Afh%3A0192f0c1-0000-7000-8000-000000000001&format=full"
        );
        assert_eq!(asked.header("metadata-flavor"), "Google");
    }
}

#[tokio::test]
async fn a_pods_token_is_read_again_for_each_request() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("token");
    let server = Stage::fh(|token| subject(token).is_some()).await;
    let environment = WorkloadEnvironment {
        kubernetes: true,
        kubernetes_token_file: Some(file.clone()),
        ..WorkloadEnvironment::default()
    };
    fs::write(&file, jwt("first", HOUR)).unwrap();
    assert_eq!(detected(environment.clone()), Some(Provider::Kubernetes));
    let client = client(
        &server,
        workload(Provider::Kubernetes, environment),
        Manner::Direct,
    );
    client.whoami().await.unwrap();
    // The kubelet has rotated it.
    fs::write(&file, jwt("second", HOUR)).unwrap();
    client.whoami().await.unwrap();
    let shown: Vec<_> = server.at("/api/v1/whoami");
    let shown: Vec<_> = shown
        .iter()
        .map(|heard| subject(heard.bearer()).unwrap())
        .collect();
    assert_eq!(shown, ["first", "second"]);
    fs::remove_file(&file).unwrap();
    let text = told(&client.whoami().await.unwrap_err());
    assert!(text.contains("serviceAccountToken"), "{text}");
    assert!(text.contains(&server.url()), "{text}");
}

#[tokio::test]
async fn a_named_token_goes_before_the_ci_system_and_keys_alone_are_no_workload() {
    let named = WorkloadEnvironment {
        token_file: Some("/x".into()),
        github: GitHubEnvironment {
            present: true,
            ..GitHubEnvironment::default()
        },
        ..WorkloadEnvironment::default()
    };
    assert_eq!(detected(named), Some(Provider::Token));
    let mut desk = WorkloadEnvironment::default();
    desk.aws.access_key_id = Some("AKIA".to_owned());
    desk.aws.secret_access_key = Some(SecretString::from("x"));
    desk.kubernetes_token_file = Some("/nowhere/at/all".into());
    assert_eq!(detected(desk.clone()), None);
    desk.firmware = Firmware {
        product: "t3.micro".to_owned(),
        vendor: "Amazon EC2".to_owned(),
    };
    assert_eq!(detected(desk), Some(Provider::Aws));
}

#[tokio::test]
async fn what_is_no_token_is_not_sent() {
    for text in ["", "two words", "é"] {
        let environment = WorkloadEnvironment {
            semaphore_token: Some(SecretString::from(text)),
            ..WorkloadEnvironment::default()
        };
        let error = workload(Provider::Semaphore, environment)
            .identity(AUDIENCE)
            .await
            .unwrap_err();
        assert!(told(&error).contains("SEMAPHORE_OIDC_TOKEN holds no identity token"));
    }
}

#[tokio::test]
async fn a_server_that_knows_no_exchange_is_named() {
    let platform = Stage::github(HOUR).await;
    let server = Stage::start(|heard, number| match heard.path.as_str() {
        "/oauth/token" => json_answer(404, &json!({})),
        _ => super::stage::fh(heard, number, &|_| true),
    })
    .await;
    let client = client(
        &server,
        workload(Provider::GitHub, github(&platform)),
        Manner::Exchanged,
    );
    let text = told(&client.whoami().await.unwrap_err());
    assert!(
        text.contains("does not accept workload identities"),
        "{text}"
    );
}

#[tokio::test]
async fn a_refused_exchange_is_told_in_the_servers_words_and_not_tried_again() {
    let platform = Stage::github(HOUR).await;
    for status in [400, 401] {
        let server = Stage::start(move |heard, number| match heard.path.as_str() {
            "/oauth/token" => json_answer(
                status,
                &json!({ "error": "invalid_grant", "error_description": "no policy matches" }),
            ),
            _ => super::stage::fh(heard, number, &|_| false),
        })
        .await;
        let client = client(
            &server,
            workload(Provider::GitHub, github(&platform)),
            Manner::Exchanged,
        );
        let error = client.whoami().await.unwrap_err();
        assert!(
            error
                .to_string()
                .ends_with("refuses the exchange: no policy matches")
        );
        assert_eq!(error.status(), Some(status));
        assert_eq!(server.at("/oauth/token").len(), 1);
    }
}

#[tokio::test]
async fn an_exchange_names_the_organisations_in_their_order() {
    let platform = Stage::github(HOUR).await;
    let server = Stage::fh(|_| true).await;
    let named = |names: &[&str]| {
        let source = WorkloadSource::new(
            workload(Provider::GitHub, github(&platform)),
            &super::nobody(&server),
            Manner::Exchanged,
        );
        source.for_organizations(names.iter().map(|name| name.parse().unwrap()).collect())
    };
    named(&[]).exchange().await.unwrap();
    named(&["acme", "beta"]).exchange().await.unwrap();
    let organizations: Vec<Vec<String>> = server
        .at("/oauth/token")
        .iter()
        .map(|heard| {
            url::form_urlencoded::parse(heard.body.as_bytes())
                .filter(|(key, _)| key == "organization")
                .map(|(_, value)| value.into_owned())
                .collect()
        })
        .collect();
    assert_eq!(
        organizations,
        [vec![], vec!["acme".to_owned(), "beta".to_owned()]]
    );
}

#[tokio::test]
async fn a_jwt_that_acts_for_somebody_else_does_not_stand_in_for_a_refused_exchange() {
    let platform = Stage::github(HOUR).await;
    let acts_for_acme = |heard: &Heard, number: usize| match heard.path.as_str() {
        "/oauth/token" => json_answer(
            400,
            &json!({ "error": "invalid_grant", "error_description": "exchanged already" }),
        ),
        "/api/v1/whoami" => json_answer(
            200,
            &json!({
                "user": "ci", "kind": "service", "server_admin": false, "token_id": null,
                "token_description": null, "permissions": ["pull"], "flakes": ["acme/*"],
                "expires_at": "2030-01-01T00:00:00Z",
                "workload": {
                    "issuer": "x", "subject": "y", "organization": "acme", "policies": ["acme/ci"],
                },
            }),
        ),
        _ => super::stage::fh(heard, number, &|_| true),
    };
    let server = Stage::start(acts_for_acme).await;
    for (names, stands_in) in [
        (&[][..], true),
        (&["ACME"][..], true),
        (&["beta"][..], false),
        (&["acme", "beta"][..], false),
    ] {
        let source = WorkloadSource::new(
            workload(Provider::GitHub, github(&platform)),
            &super::nobody(&server),
            Manner::Exchanged,
        );
        let names = names.iter().map(|name| name.parse().unwrap()).collect();
        let result = source.for_organizations(names).exchange().await;
        assert_eq!(result.is_ok(), stands_in, "{result:?}");
    }
}
