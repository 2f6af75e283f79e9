//! `fh serve --check` of a data directory that a server has filled, whole and damaged.

use std::fs;
use std::path::{Path, PathBuf};

use fh_testkit::assert_contains;
use fh_testkit::server::TestServer;
use serde_json::Value;

use crate::push::three_paths;

/// The stored files, sorted.
fn objects(data: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for directory in fs::read_dir(data.join("objects/nar")).unwrap() {
        for file in fs::read_dir(directory.unwrap().path()).unwrap() {
            found.push(file.unwrap().path());
        }
    }
    found.sort();
    found
}

#[test]
fn damage_is_told_marked_and_gone_after_the_next_push() {
    let server = TestServer::start().unwrap();
    let (world, store, app) = three_paths(&server);
    let root = store.root().to_str().unwrap();
    let push = ["push", "acme/app", &app, "--store", root];
    world.fh(&push).success();
    let data = server.data_dir().to_owned();
    let check = |level: &str, json: bool| {
        let check = format!("--check{level}");
        let mut arguments = vec!["serve", &check, "--data-dir", data.to_str().unwrap()];
        arguments.extend(["--listen", "127.0.0.1:0"]);
        arguments.extend(json.then_some("--json"));
        world.fh(&arguments)
    };
    let run = check("", false).success();
    run.says(&[
        "a server is running",
        "The stored data is intact: the database, and 3 NARs (read",
    ]);
    assert_contains(&run.stdout, &["data-dir"]);

    let files = objects(&data);
    let mut bytes = fs::read(&files[0]).unwrap();
    bytes[10] ^= 1;
    fs::write(&files[0], bytes).unwrap();
    fs::remove_file(&files[1]).unwrap();
    let name = |file: &Path| file.strip_prefix(&data).unwrap().display().to_string();

    // The settings alone are fine; the files tell of the missing one, the contents of both.
    check("=settings", false).success();
    let run = check("=files", false).code(1);
    let told = format!(
        "{}: its file is missing; it is the content of 0000",
        name(&files[1])
    );
    run.says(&[&told, "Error: 1 stored NAR is damaged"]);
    run.never_says(&[&name(&files[0])]);
    let answer: Value = check("=contents", true).code(1).json();
    assert_eq!(answer["ok"], false);
    assert_eq!(answer["errors"], serde_json::json!([]));
    assert_eq!(answer["data"]["checked"], "contents");
    assert_eq!(answer["data"]["damaged_count"], 2);
    assert_eq!(answer["settings"]["data-dir"]["origin"], "command line");
    let told: Vec<_> = answer["data"]["damaged"]
        .as_array()
        .unwrap()
        .iter()
        .map(|damaged| (damaged["file"].as_str().unwrap(), damaged["new"] == true))
        .collect();
    assert!(told.contains(&(name(&files[0]).as_str(), true)), "{told:?}");
    assert!(
        told.contains(&(name(&files[1]).as_str(), false)),
        "{told:?}"
    );

    world.fh(&push).success().says(&["2 sent"]);
    let answer = check("", true).success().json();
    assert_eq!(answer["ok"], true);
    assert_eq!(answer["data"]["damaged"], serde_json::json!([]));
    assert_eq!(objects(&data), files);
}

#[test]
fn a_directory_that_was_never_used_has_nothing_to_check() {
    let server = TestServer::start().unwrap();
    let (world, ..) = three_paths(&server);
    let data = world.path("nowhere");
    let arguments = ["serve", "--check", "--listen", "127.0.0.1:0", "--json"];
    let directory = ["--data-dir", data.to_str().unwrap()];
    let answer = world
        .fh(&[&arguments[..], &directory[..]].concat())
        .success()
        .json();
    assert_eq!(answer["ok"], true);
    assert_eq!(answer["data"], Value::Null);
    assert!(!data.exists(), "a check made something");
}
