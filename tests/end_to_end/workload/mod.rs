//! Workloads with identities of real providers, against a real server in this process, with the real `fh`.

mod aws;
mod downloads;
mod oidc;

use std::process::Output;

use assert_cmd::Command;
use fh_testkit::server::TestServer;
use serde_json::Value;
use tempfile::TempDir;

/// The organisation acme, with the private flakes acme/app and acme/lib.
fn company(server: &TestServer) {
    server.create_organization("acme").unwrap();
    server.create_flake("acme/app", "private").unwrap();
    server.create_flake("acme/lib", "private").unwrap();
}

/// Runs a command line of `fh` as the administrator.
fn admin(server: &TestServer, line: &str) -> Output {
    let home = TempDir::new().unwrap();
    let output = Command::new(assert_cmd::cargo::cargo_bin!("fh"))
        .env_clear()
        .env("HOME", home.path())
        .env("FH_SERVER", server.url())
        .env("FH_TOKEN", server.admin_token())
        .args(line.split(' '))
        .output()
        .unwrap();
    assert!(output.status.success(), "{line}: {output:?}");
    output
}

/// Runs `fh` in a job that has these variables, and no login.
fn job(server: &TestServer, variables: &[(&str, &str)], arguments: &[&str]) -> Output {
    let home = TempDir::new().unwrap();
    Command::new(assert_cmd::cargo::cargo_bin!("fh"))
        .env_clear()
        .env("HOME", home.path())
        .env("FH_SERVER", server.url())
        .envs(variables.iter().copied())
        .args(arguments)
        .output()
        .unwrap()
}

/// The flakes that a token reads.
fn reads(server: &TestServer, token: &str) -> Vec<String> {
    let answer = server.get("/api/v1/flakes", Some(token)).unwrap();
    assert_eq!(answer.status, 200, "{answer:?}");
    let list: Value = serde_json::from_slice(&answer.body).unwrap();
    let flakes = list["flakes"].as_array().unwrap();
    let names = flakes.iter().map(|flake| flake["flake"].as_str().unwrap());
    names.map(str::to_owned).collect()
}
