//! `fh push`, with a store of our own and a `nix` that knows its paths.

use std::fs;
use std::io::Read as _;
use std::net::TcpListener;
use std::path::PathBuf;

use fh_nix::{Hasher, NarReader, PathInfo, SecretKey, StoreDir, StorePath};
use fh_testkit::server::TestServer;
use fh_testkit::{assert_contains, assert_lacks};
use serde_json::{Value, json};

use crate::world::World;

/// A store below the home directory, and what `nix path-info` says of it.
pub(crate) struct Store {
    pub(crate) root: PathBuf,
    infos: Vec<(PathInfo, Value)>,
}

impl Store {
    pub(crate) fn new(world: &World) -> Self {
        let root = world.path("root");
        fs::create_dir_all(root.join("nix/store")).unwrap();
        Self {
            root,
            infos: Vec::new(),
        }
    }

    /// Adds a file; gives back its full store path.
    pub(crate) fn add(
        &mut self,
        name: &str,
        content: impl AsRef<[u8]>,
        references: &[&str],
    ) -> String {
        let seed = format!("{:0>32}", self.infos.len() + 1);
        let path: StorePath = format!("{seed}-{name}").parse().unwrap();
        let file = self.root.join("nix/store").join(path.to_string());
        fs::write(&file, content).unwrap();
        let mut nar = Vec::new();
        let mut reader = NarReader::new(&file).unwrap();
        reader.read_to_end(&mut nar).unwrap();
        let mut hasher = Hasher::new();
        hasher.update(&nar);
        let store = StoreDir::default();
        let info = PathInfo {
            nar_hash: hasher.finish(),
            nar_size: nar.len() as u64,
            references: references
                .iter()
                .map(|full| store.parse_path(full).unwrap())
                .collect(),
            deriver: None,
            signatures: Vec::new(),
            ca: None,
            path,
        };
        let full = store.display(&info.path);
        let json = json!({
            "path": full,
            "narHash": info.nar_hash.to_sri(),
            "narSize": info.nar_size,
            "references": references,
            "signatures": [],
        });
        self.infos.push((info, json));
        full
    }

    /// Where the store is.
    pub(crate) fn root(&self) -> &std::path::Path {
        &self.root
    }

    fn sign(&mut self, index: usize, key: &SecretKey) {
        let (info, json) = &mut self.infos[index];
        json["signatures"] = json!([info.sign(&StoreDir::default(), key).to_string()]);
    }

    /// The file of a path.
    fn file(&self, index: usize) -> PathBuf {
        let path = self.infos[index].0.path.to_string();
        self.root.join("nix/store").join(path)
    }

    /// Puts a `nix` into the search path that knows all paths.
    pub(crate) fn install(&self, world: &World) {
        let infos: Vec<&Value> = self.infos.iter().map(|(_, json)| json).collect();
        world.program(
            "nix",
            &format!(
                "#!/bin/sh\nprintf '%s\\n' '{}'\n",
                serde_json::to_string(&infos).unwrap()
            ),
        );
    }
}

/// Somebody who may push to acme/app, three paths, and their `nix`.
pub(crate) fn three_paths(server: &TestServer) -> (World, Store, String) {
    server.create_flake("acme/app", "private").unwrap();
    let world = World::logged_in(server, server.admin_token());
    let mut store = Store::new(&world);
    let glibc = store.add("glibc", "a library", &[]);
    let lib = store.add("lib", "compressible ".repeat(10_000), &[&glibc]);
    let app = store.add("app", "the program", &[&lib, &glibc]);
    store.install(&world);
    (world, store, app)
}

fn pushed(server: &TestServer) -> u64 {
    let flake = server
        .get("/api/v1/flakes/acme/app", Some(server.admin_token()))
        .unwrap();
    flake.json().unwrap()["paths"].as_u64().unwrap()
}

/// Times and compressed sizes differ from run to run.
fn stable(text: &str) -> String {
    let mut words: Vec<&str> = text.split(' ').collect();
    for index in 1..words.len() {
        if words[index].starts_with("s:") || words[index].starts_with("s)") {
            words[index - 1] = "[TIME]";
        }
        if words[index].starts_with("compressed") && index > 1 {
            words[index - 2] = "[SIZE]";
        }
    }
    words.join(" ")
}

#[test]
fn a_closure_is_pushed_once() {
    let server = TestServer::start().unwrap();
    let (world, store, app) = three_paths(&server);
    let root = store.root.to_str().unwrap();
    let push = ["push", "acme/app", &app, "--store", root];

    let run = world.fh(&[&push[..], &["--dry-run"]].concat()).success();
    insta::assert_snapshot!(run.said(&server), @r"Would push 3 paths to acme/app: 3 to send (127 KiB). Nothing was sent.");
    insta::assert_snapshot!(run.stdout, @r"
    nar_size,path
    128,/nix/store/00000000000000000000000000000001-glibc
    130112,/nix/store/00000000000000000000000000000002-lib
    128,/nix/store/00000000000000000000000000000003-app
    ");
    assert_eq!(pushed(&server), 0);

    let run = world.fh(&push).success();
    assert_eq!(run.stdout, "");
    insta::assert_snapshot!(stable(&run.said(&server)), @r"
    Pushing 3 paths to acme/app: 3 to send (127 KiB)
    Pushed 3 paths to acme/app in [TIME] s: 3 sent (127 KiB, [SIZE] B compressed).
    ");
    assert_eq!(pushed(&server), 3);

    let run = world.fh(&push).success();
    insta::assert_snapshot!(stable(&run.said(&server)), @r"Nothing to push to acme/app: 3 there already (3 paths, [TIME] s).");
}

#[test]
fn json_is_one_object_on_stdout() {
    let server = TestServer::start().unwrap();
    let (world, store, app) = three_paths(&server);
    let mut push = vec!["push", "acme/app", &app, "--json", "--dry-run", "--store"];
    push.push(store.root.to_str().unwrap());
    let report = world.fh(&push).success().json();
    assert_eq!(report["to_upload"], 3);
    assert_eq!(report["uploaded"], 0);
    assert_eq!(report["would_send"].as_array().unwrap().len(), 3);
    push.retain(|word| *word != "--dry-run");
    let report = world.fh(&push).success().json();
    assert_eq!(report["complete"], true);
    assert_eq!(report["uploaded"], 3);
    assert!(report["sent"].as_u64().unwrap() < report["nar_size"].as_u64().unwrap());
    assert!(report["seconds"].as_f64().is_some());
    let report = world.fh(&push).success().json();
    assert_eq!(report["present"], 3);
    assert_eq!(report["uploaded"], 0);
}

#[test]
fn a_link_named_result_is_the_default() {
    let server = TestServer::start().unwrap();
    let (mut world, store, app) = three_paths(&server);
    world.set("NIX_REMOTE", &store.root);
    let run = world.typed("push acme/app").code(1);
    insta::assert_snapshot!(run.said(&server), @r"
    Error: there is no ./result here to push
    Hint: Build something first (`nix build`), or name what to push: a store path, a link into the store, or an installable such as .#app
    ");
    std::os::unix::fs::symlink(&app, world.path("result")).unwrap();
    world.typed("push acme/app").success();
    assert_eq!(pushed(&server), 3);
}

#[test]
fn what_stdin_names_is_pushed() {
    let server = TestServer::start().unwrap();
    let (world, store, app) = three_paths(&server);
    let push = [
        "push",
        "acme/app",
        "--stdin",
        "--store",
        store.root.to_str().unwrap(),
    ];
    world
        .with_stdin(&push, "\n")
        .code(1)
        .says(&["stdin named nothing"]);
    assert_eq!(pushed(&server), 0);
    for text in [
        format!("{app}\r\n\n"),
        format!("  {app} \n"),
        format!("{app} {app}"),
        format!("{app}\t{app}\n {app}\n"),
    ] {
        world.with_stdin(&push, &text).success();
        assert_eq!(pushed(&server), 3, "{text:?}");
    }
    // As one argument, as `"$OUT_PATHS"` gives it.
    let both = format!("{app} {app}");
    world
        .fh(&[
            "push",
            "acme/app",
            &both,
            "--store",
            store.root.to_str().unwrap(),
        ])
        .success();
    // A name with a blank is one name.
    let link = world.path("a link");
    std::os::unix::fs::symlink(store.root.join(app.trim_start_matches('/')), &link).unwrap();
    world
        .with_stdin(&push, &format!("{}\n", link.display()))
        .success();
}

#[test]
fn without_the_closure_only_what_is_named_is_pushed() {
    let server = TestServer::start().unwrap();
    let (world, store, app) = three_paths(&server);
    let root = store.root.to_str().unwrap();
    let run = world.fh(&["push", "acme/app", &app, "--no-closure", "--store", root]);
    // Whether the server takes a path whose references it lacks is the server's matter; more than
    // the one path is never sent.
    assert!(matches!(run.code, Some(0 | 1)), "{}", run.stderr);
    assert!(pushed(&server) <= 1);
    world
        .fh(&["push", "acme/app", &app, "--store", root])
        .success();
    assert_eq!(pushed(&server), 3);
}

#[test]
fn what_a_trusted_key_signed_is_left_out_and_a_forgery_is_not() {
    let server = TestServer::start().unwrap();
    let (world, mut store, app) = three_paths(&server);
    let key = SecretKey::from_seed("upstream-1", [7; 32]).unwrap();
    let forger = SecretKey::from_seed("upstream-1", [8; 32]).unwrap();
    store.sign(0, &key);
    store.sign(1, &forger);
    store.install(&world);
    let public = key.public().to_string();
    let root = store.root.to_str().unwrap();
    let push = |keys: &[&str]| {
        let mut words = vec![
            "push",
            "acme/app",
            &app,
            "--json",
            "--dry-run",
            "--store",
            root,
        ];
        for key in keys {
            words.extend(["--skip-signed-by", key]);
        }
        let report = world.fh(&words).success().json();
        (report["upstream"].as_u64(), report["to_upload"].as_u64())
    };
    assert_eq!(push(&[]), (Some(0), Some(3)));
    assert_eq!(push(&[&public]), (Some(1), Some(2)));
    assert_eq!(push(&["none"]), (Some(0), Some(3)));
}

#[test]
fn a_path_that_was_corrupted_is_named_and_nothing_is_visible() {
    let server = TestServer::start().unwrap();
    let (world, store, app) = three_paths(&server);
    fs::write(store.file(1), "x".repeat("compressible ".len() * 10_000)).unwrap();
    let push = [
        "push",
        "acme/app",
        &app,
        "--store",
        store.root.to_str().unwrap(),
    ];
    world
        .fh(&push)
        .code(1)
        .says(&["00000000000000000000000000000002-lib", "--repair-path"]);
    assert_eq!(pushed(&server), 0);
    let mut words = push.to_vec();
    words.push("--json");
    let report = world.fh(&words).code(1).json();
    assert_eq!(report["complete"], false);
    assert_eq!(report["failed"].as_array().unwrap().len(), 1);
}

#[test]
fn each_path_that_fails_is_named_and_the_next_push_sends_what_is_missing() {
    let server = TestServer::start().unwrap();
    let (world, store, app) = three_paths(&server);
    let lib = fs::read(store.file(1)).unwrap();
    fs::write(store.file(1), "x".repeat(lib.len())).unwrap();
    fs::rename(store.file(2), world.path("away")).unwrap();
    let root = store.root.to_str().unwrap();
    let push = ["push", "acme/app", &app, "--store", root];
    let run = world.fh(&push).code(1);
    insta::assert_snapshot!(run.said(&server), @r"
    Pushing 3 paths to acme/app: 3 to send (127 KiB)
    Error: 2 of 3 paths could not be pushed, so nothing new is visible in acme/app
      /nix/store/00000000000000000000000000000002-lib: its files are not what Nix recorded: the NAR hash is sha256:0fmqw3183dxhn69h04v2sqzhd0g4lyjd61i5zxq3afh7i4w22ldl, recorded is sha256:0p49riiagszv982l19kv70bny72lyir6ldlh6307zll3c7hf8avv
      /nix/store/00000000000000000000000000000003-app: cannot read ~/root/nix/store/00000000000000000000000000000003-app: No such file or directory (os error 2)
    Hint: What is on the disk is not what Nix built: `nix-store --repair-path PATH` fetches it again.
    Hint: What was sent is kept for a while: the same command again sends only what is missing.
    ");
    let report = world.fh(&[&push[..], &["--json"]].concat()).code(1).json();
    assert_eq!(report["complete"], false);
    assert_eq!(report["error"], Value::Null);
    assert_eq!(report["received"], 1);
    let failed = report["failed"].as_array().unwrap();
    let kinds: Vec<&str> = failed.iter().map(|f| f["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["corrupted", "unreadable"]);
    assert_eq!(failed[1]["path"], app);
    assert_eq!(pushed(&server), 0);

    fs::write(store.file(1), lib).unwrap();
    fs::rename(world.path("away"), store.file(2)).unwrap();
    let run = world.fh(&push).success();
    run.says(&["2 sent"]);
    // Whether that was interrupted or runs beside this one, nobody knows.
    run.says(&["1 sent before"]);
    run.never_says(&["interrupt"]);
    assert_eq!(pushed(&server), 3);
}

#[test]
fn a_push_whose_time_is_over_says_so() {
    let server = TestServer::start().unwrap();
    let (mut world, store, app) = three_paths(&server);
    let root = store.root.to_str().unwrap();
    let push = ["push", "acme/app", &app, "--store", root, "--timeout", "1s"];
    // It takes connections and never answers.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    world.acts_at(
        format!("http://{}", listener.local_addr().unwrap()),
        "fh1_x",
    );
    let mut said = world.fh(&push).code(124).said(&server);
    // By itself, so that it dies with the shell that it replaces.
    world.program("nix", "#!/bin/sh\nexec /bin/sleep 60\n");
    said.push_str(&world.fh(&push).code(124).said(&server));
    insta::assert_snapshot!(said, @r"
    Error: cannot push to acme/app
    Caused by: the time limit of 1 s was reached
    Hint: Give it more time: `--timeout`
    Error: cannot find out from Nix what to push
    Caused by: the time limit of 1 s was reached
    Hint: Give it more time: `--timeout`
    ");
    for wrong in ["0s", "1", "soon"] {
        world.fh(&["push", "acme/app", "--timeout", wrong]).code(2);
    }
}

/// What has to be built is not begun for a push that would be refused.
#[test]
fn a_push_that_is_refused_is_refused_before_anything_is_built() {
    let server = TestServer::start().unwrap();
    let (mut world, ..) = three_paths(&server);
    server.create_user("reader").unwrap();
    server.grant("acme/app", "reader", "read").unwrap();
    let reader = server.token_for("reader", &["pull", "push"]).unwrap();
    let started = world.path("started");
    world.program(
        "nix",
        &format!(
            "#!/bin/sh\ncase \" $* \" in *\" build \"*) : > {} ;; esac\nexit 1\n",
            started.display()
        ),
    );
    let told = |flake: &str, token: &str, world: &mut World| {
        world.acts_at(server.url(), token);
        let build = world.fh(&["push", flake, ".#slow"]).code(1).stderr;
        let watch = ["push", flake, "--watch-exec", "--", "nix", "build"];
        let watched = world.fh(&watch).code(1).stderr;
        assert!(!started.exists(), "{build}{watched}");
        for told in [&build, &watched] {
            assert_lacks(&told, &["Nothing was built"]);
        }
        build
    };
    let pull_only = server.token_for("reader", &["pull"]).unwrap();
    for (flake, token, reason) in [
        ("acme/app", "fh1_bad", "does not accept"),
        ("acme/absent", server.admin_token(), "not found"),
        ("acme/app", &reader, "needs the role write"),
        ("acme/app", &pull_only, "permission"),
    ] {
        let told = told(flake, token, &mut world);
        assert!(told.contains(reason), "{flake} {reason}: {told}");
    }
    // A server that cannot be reached may be there when something is built.
    world.acts_at("http://127.0.0.1:9", server.admin_token());
    let watch = ["push", "acme/app", "--watch-exec", "--", "nix", "build"];
    let told = world.fh(&watch).code(1).stderr;
    assert!(started.exists(), "{told}");
    assert_contains(&told, &["cannot push to acme/app now"]);
}

#[test]
fn each_failure_has_its_own_words() {
    let server = TestServer::start().unwrap();
    let (world, store, app) = three_paths(&server);
    let root = store.root.to_str().unwrap();
    let reader = server.user_with_role("alice", "acme/app", "read").unwrap();
    let mut said = String::new();
    for arguments in [
        &["push", "acme/other", &app, "--store", root][..],
        &["push", "acme/app", "nonsense", "--store", root],
        &["push", "acme/app", "token", "--store", root],
        &["push", "acme/app", "--store", root, "--", "--help"],
    ] {
        world.write("token", "no store path");
        let run = world.fh(arguments);
        assert!(matches!(run.code, Some(1 | 2)), "{:?}", run.code);
        said.push_str(&run.said(&server));
    }
    let anonymous = World::new();
    let run = anonymous
        .fh(&["push", "acme/app", &app, "--server", server.url()])
        .code(1);
    said.push_str(&run.said(&server));
    let reader_world = World::at(server.url(), reader);
    store.install(&reader_world);
    let run = reader_world
        .fh(&["push", "acme/app", &app, "--store", root])
        .code(1);
    said.push_str(&run.said(&server));
    reader_world.program(
        "nix",
        "#!/bin/sh\necho 'error: path is not valid' >&2\nexit 1\n",
    );
    let run = reader_world
        .fh(&["push", "acme/app", &app, "--store", root])
        .code(1);
    said.push_str(&run.said(&server));
    fs::remove_file(reader_world.path("bin/nix")).unwrap();
    let run = reader_world
        .fh(&["push", "acme/app", &app, "--store", root])
        .code(1);
    said.push_str(&run.said(&server));
    insta::assert_snapshot!(said.replace(root, "[ROOT]"), @r#"
    Error: cannot push to acme/other
    Caused by: not found, or you do not have access
    Hint: `fh list flakes` shows what you may see.
    Error: "nonsense" is neither a path that exists nor a flake installable
    Hint: Give a store path, a link into the store such as ./result, or an installable such as .#app.
    Error: token is not a link into the store /nix/store
    Hint: Give a store path, a link into the store such as ./result, or an installable such as .#app.
    Error: "--help" is neither a store path nor an installable: it begins with a dash
    Error: you are not logged in to [SERVER]
    Hint: Log in: `fh login --server [SERVER]`
    Error: cannot push to acme/app
    Caused by: this needs the role write on acme/app (yours is read) and a token with the permission "write" (this one has it)
    Hint: The role can be granted by the administrators of acme: `fh grant add acme/app alice write`
    Hint: `fh status` shows what your token may do.
    Error: `nix --extra-experimental-features 'nix-command flakes' path-info --store [ROOT] --json -r --option substituters '' /nix/store/00000000000000000…` failed (exit status: 1):
      error: path is not valid
    Error: cannot run nix
    Caused by: No such file or directory (os error 2)
    Hint: Install Nix, or put it in the PATH.
    "#);
    assert_eq!(pushed(&server), 0);
}
