//! The OpenAPI document against the server that it describes: schemathesis, which others have written, asks a real
//! server what the document allows and what it does not, and compares each answer with it.
//!
//! What it asks follows from the seed: `FH_TEST_SEED` gives another one. `schemathesis.toml` has the bounds and the
//! exceptions, each with its reason, and `hooks.py` values of the formats that the document names.

use std::process::Command;

use fh_testkit::assert_contains;
use fh_testkit::server::{Method, TestServer};
use serde_json::json;

/// What is asked where nothing is said.
const SEED: u64 = 1;

/// An organisation with something of each kind in it, under the names that `hooks.py` prefers.
fn inhabited() -> TestServer {
    let server = TestServer::builder()
        .settings(|settings| {
            // All that is asked comes from one address, and much of it is refused.
            settings.limits.login_failures = 0;
            settings.limits.request_rate = 0;
        })
        .start()
        .unwrap();
    server.create_organization("acme").unwrap();
    server.create_flake("acme/app", "private").unwrap();
    server.create_flake("acme/site", "public").unwrap();
    server.create_user("ann").unwrap();
    server.grant("acme/app", "ann", "read").unwrap();
    let policy = json!({
        "provider": "github",
        "conditions": [{ "claim": "repository", "equals": "acme/app" }],
        "flakes": ["acme/app"],
        "role": "write",
    });
    for (method, path, body) in [
        (Method::PUT, "members/ann", json!({ "role": "member" })),
        (Method::POST, "teams", json!({ "name": "builders" })),
        (Method::POST, "service-accounts", json!({ "name": "robot" })),
        (Method::POST, "roots", json!({ "root": "github:acme" })),
        (Method::PUT, "trust/github", policy),
    ] {
        let path = format!("/api/v1/orgs/acme/{path}");
        let answer = server
            .request(method, &path, Some(server.admin_token()), Some(&body))
            .unwrap();
        assert!(answer.status < 300, "{path}: {answer:?}");
    }
    server
}

/// Asks the server all of it, with a token or without.
fn ask(server: &TestServer, token: Option<&str>) {
    let Some(program) = fh_testkit::schemathesis::program() else {
        fh_testkit::skipped("no schemathesis: `cargo xtask test --long` installs it with pip");
        return;
    };
    let directory = fh_testkit::workspace().join("tests/end_to_end/openapi");
    let seed = std::env::var("FH_TEST_SEED").unwrap_or_else(|_| SEED.to_string());
    let mut command = Command::new(program);
    command
        .current_dir(server.scratch())
        .env("SCHEMATHESIS_HOOKS", directory.join("hooks.py"))
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .arg("--config-file")
        .arg(directory.join("schemathesis.toml"))
        .arg("run")
        .arg(format!("{}/api/v1/openapi.json", server.url()))
        .args(["--seed", &seed]);
    if let Some(token) = token {
        // Not an argument: whoever lists processes would read it.
        command.env("FH_TOKEN", token);
    }
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "seed {seed}\n{said}\n{errors}");
    assert_contains(&said, &["No issues found"]);
}

#[test]
#[ignore = "takes minutes, and schemathesis: `cargo xtask test --long`"]
fn the_document_says_what_an_administrator_is_answered() {
    let server = inhabited();
    ask(&server, Some(server.admin_token()));
    // Else nothing was asked with it for a part of the time.
    let answer = server
        .get("/api/v1/whoami", Some(server.admin_token()))
        .unwrap();
    assert_eq!(answer.status, 200, "the administrator's token was revoked");
}

#[test]
#[ignore = "takes minutes, and schemathesis: `cargo xtask test --long`"]
fn the_document_says_what_anybody_is_answered() {
    ask(&inhabited(), None);
}

/// The document that is committed is the one that a server answers.
#[test]
fn a_server_answers_the_document_of_the_docs() {
    let server = TestServer::start().unwrap();
    let answer = server.get("/api/v1/openapi.json", None).unwrap();
    let committed = std::fs::read(fh_testkit::workspace().join("docs/openapi.json")).unwrap();
    assert_eq!(answer.status, 200);
    assert!(answer.body == committed, "`cargo xtask gen` writes it anew");
}
