//! `fh push` of real closures: what is named, how Nix is asked, what is left out and what is refused.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::{Arc, Mutex, Weak};

use fh_testkit::assert_contains;
use fh_testkit::nix::{ScratchStore, versions};
use fh_testkit::server::TestServer;

use crate::nix::built::{in_store, newest};
use crate::nix::process::run;
use crate::nix::{Built, Person, Site, counts, shared};

/// The closure that all tests push, each to a server of its own.
fn closure() -> Arc<Built> {
    static CLOSURE: Mutex<Weak<Built>> = Mutex::new(Weak::new());
    shared(&CLOSURE, || Built::new("pushed"))
}

#[test]
fn every_version_tells_what_a_push_needs_and_nobody_gets_around_sending() {
    let (site, built) = (Site::acme(TestServer::builder()), closure());
    for (number, nix) in versions().iter().enumerate() {
        // Somebody who cannot read what the others pushed has to send all of it.
        let (flake, user) = (format!("acme/by-{number}"), format!("user-{number}"));
        site.flake(&flake, "private");
        let user = site.user(nix, &user, &[(&flake, "write")], &["pull", "push"]);
        let pushed = user.fh(["push", &flake, built.top(), "--json"]).ok().json();
        let names = ["paths", "uploaded", "deduplicated", "present", "nar_size"];
        assert_eq!(
            counts(&pushed, names),
            [8, 8, 0, 0, built.closure.nar_bytes],
            "{}",
            nix.version()
        );
        assert_eq!(pushed["complete"], true);
        assert_eq!(site.paths_in(&flake), 8);

        let again = user.fh(["push", &flake, built.top()]).ok();
        again.says(&["Nothing to push", "8 there already"]);
        let again = user.fh(["push", &flake, built.top(), "--json"]).ok().json();
        assert_eq!(counts(&again, ["present", "uploaded", "sent"]), [8, 0, 0]);

        let store = ScratchStore::new().unwrap();
        user.copy(site.url(), &store.uri(), built.top()).ok();
        built.assert_arrived(nix, &store);
    }

    // Who can read it elsewhere need not send it.
    let linked = site
        .admin
        .fh(["push", "acme/app", built.top(), "--json"])
        .ok()
        .json();
    assert_eq!(
        counts(&linked, ["paths", "uploaded", "deduplicated", "sent"]),
        [8, 0, 8, 0]
    );
}

/// The newest Nix can print a third shape of JSON, which one day it may print without being asked.
#[test]
fn the_second_format_of_path_infos_is_understood_too() {
    let nix = newest();
    if !nix.is_at_least(2, 34) {
        fh_testkit::skipped("path infos in JSON format 2: there is no Nix 2.34 or later");
        return;
    }
    let (site, built) = (Site::acme(TestServer::builder()), closure());
    let tools = tempfile::tempdir().unwrap();
    let script = format!(
        "#!/bin/sh\ncase \" $* \" in\n*' path-info '*) set -- \"$@\" --json-format 2; \
         echo asked >> {0}/log ;;\nesac\nexec {1}/nix \"$@\"\n",
        tools.path().display(),
        nix.tools().display()
    );
    let program = tools.path().join("nix");
    fh_testkit::write_program(&program, &script);

    let mut command = site
        .admin
        .fh_command(["push", "acme/app", built.top(), "--json"]);
    let mut path = tools.path().as_os_str().to_owned();
    path.push(":");
    path.push(nix.search_path());
    command.env("PATH", path);
    let pushed = run(command).ok().json();
    assert_eq!(counts(&pushed, ["uploaded"]), [8]);
    assert!(tools.path().join("log").exists());
    site.assert_serves(&built);
}

#[test]
fn what_is_named_is_found() {
    let (site, built) = (Site::acme(TestServer::builder()), closure());
    let directory = built.directory();
    let push = |arguments: &[&str], directory: &Path, stdin: &str| {
        let input = tempfile::NamedTempFile::new().unwrap();
        fs::write(input.path(), stdin).unwrap();
        let push = ["push", "acme/app", "--json"];
        let mut command = site.admin.fh_command(push.iter().chain(arguments));
        command
            .current_dir(directory)
            .stdin(input.reopen().unwrap());
        run(command)
    };

    // ./result where nothing is named, and nothing where there is none.
    let empty = tempfile::tempdir().unwrap();
    push(&[], empty.path(), "")
        .code(1)
        .says(&["no ./result here"]);
    let pushed = push(&["--dry-run"], directory, "").ok().json();
    let names = ["paths", "to_upload", "uploaded", "sent"];
    assert_eq!(counts(&pushed, names), [8, 8, 0, 0]);
    assert_eq!(site.paths_in("acme/app"), 0);
    let pushed = push(&[], directory, "").ok().json();
    assert_eq!(counts(&pushed, ["paths", "uploaded"]), [8, 8]);
    assert_eq!(site.paths_in("acme/app"), 8);

    // Links and files inside of store paths mean the path, and only that with what it needs.
    let library = [
        built.path("-library-").to_owned(),
        format!("{}/lib/libgreeting.so", built.path("-library-")),
    ];
    for named in &library {
        let pushed = push(&[named], directory, "").ok().json();
        assert_eq!(counts(&pushed, ["paths", "present"]), [1, 1], "{named}");
    }
    // A path that is itself a link out of it is not followed.
    let pushed = push(&[built.path("-pointer-")], directory, "").ok().json();
    assert_eq!(counts(&pushed, ["paths", "present"]), [2, 2]);
    let pushed = push(&["result/share/about"], directory, "").ok().json();
    assert_eq!(counts(&pushed, ["paths", "present"]), [8, 8]);

    // Lines of stdin, whatever ends them.
    let lines = built.paths().join("\r\n");
    let pushed = push(&["--stdin"], empty.path(), &lines).ok().json();
    assert_eq!(counts(&pushed, ["paths", "present"]), [8, 8]);
    let one = format!("\n{}\n\n", built.path("-library-"));
    let pushed = push(&["--stdin"], directory, &one).ok().json();
    assert_eq!(counts(&pushed, ["paths", "present"]), [1, 1]);
    push(&["--stdin"], directory, "")
        .code(1)
        .says(&["stdin named nothing"]);
}

#[test]
fn a_path_that_is_not_in_the_store_is_named() {
    let (site, built) = (Site::acme(TestServer::builder()), closure());
    let absent = format!("/nix/store/{}-absent", "0".repeat(32));
    for nix in versions() {
        let mut command = site
            .admin
            .fh_command(["push", "acme/app", built.top(), &absent]);
        command.env("PATH", nix.search_path());
        run(command).code(1).says(&[&absent]);
    }
    assert_eq!(site.paths_in("acme/app"), 0);
    site.assert_invisible(&built.paths());
}

#[test]
fn without_the_closure_references_must_be_there() {
    let (site, built) = (Site::acme(TestServer::builder()), closure());
    let push = |path: &str| {
        site.admin
            .fh(["push", "acme/app", "--no-closure", "--json", path])
    };
    let refused = push(built.top()).code(1);
    let missing = ["-tool-", "-documents-", "-plugin-"].map(|part| built.path(part));
    assert!(
        missing
            .iter()
            .any(|path| refused.stderr.contains(&path["/nix/store/".len()..])),
        "{refused}"
    );
    assert_eq!(site.paths_in("acme/app"), 0);
    site.assert_invisible(&built.paths());

    // Each after what it refers to; what it refers to itself is no obstacle.
    for path in &built.closure.paths {
        let pushed = push(path).ok().json();
        assert_eq!(counts(&pushed, ["paths", "uploaded"]), [1, 1], "{path}");
    }
    assert_eq!(site.paths_in("acme/app"), 8);
    site.assert_serves(&built);
}

#[test]
fn an_installable_is_built_and_pushed() {
    let site = Site::acme(TestServer::builder());
    site.admin.fh(["user", "create", "reader"]).ok();
    let grant = ["grant", "add", "acme/app", "reader", "read"];
    site.admin.fh(grant).ok();
    for nix in versions() {
        let directory = tempfile::tempdir().unwrap();
        let text = format!("{} {}", nix.version(), std::process::id());
        fs::write(directory.path().join("flake.nix"), flake(&text)).unwrap();
        let push = |installable: &str| {
            let push = ["push", "acme/app", "--json", installable];
            let mut command = site.admin.fh_command(push);
            command
                .env("PATH", nix.search_path())
                .current_dir(directory.path());
            run(command).ok().json()
        };
        let pushed = push(".#app");
        assert_eq!(counts(&pushed, ["paths", "uploaded"]), [2, 2], "{text}");
        // The same by the directory alone: its default package.
        let pushed = push(".");
        assert_eq!(counts(&pushed, ["paths", "present"]), [2, 2], "{text}");

        let mut command = nix.command("nix", &site.admin.home);
        command
            .args(["path-info", "--recursive", ".#app"])
            .current_dir(directory.path());
        let built = run(command).ok().lines();
        let app = built.iter().find(|path| path.contains("-app")).unwrap();
        // The Nix that built it remembers that the server did not have it: somebody else reads.
        let reader = site.token(nix, "reader", &["pull"], &[]);
        let store = ScratchStore::new().unwrap();
        reader.copy(site.url(), &store.uri(), app).ok();
        let content = fs::read_to_string(store.physical(app).join("words")).unwrap();
        assert_contains(&content, &[&text]);

        let source = source(&site.admin, directory.path());
        delete(&site.admin, &built, source);
    }
    // A build that fails is told with what Nix says of it.
    let directory = tempfile::tempdir().unwrap();
    let text = format!(
        "{{ outputs = _: {{ app = throw \"not today {}\"; }}; }}",
        std::process::id()
    );
    fs::write(directory.path().join("flake.nix"), text).unwrap();
    let mut command = site.admin.fh_command(["push", "acme/app", ".#app"]);
    command.current_dir(directory.path());
    run(command).code(1).says(&["not today"]);
    let source = source(&site.admin, directory.path());
    delete(&site.admin, &[], source);
}

/// A flake without inputs, whose `app` refers to one more path.
fn flake(text: &str) -> String {
    let search_path = std::env::var("PATH").unwrap();
    let system = in_store(
        newest(),
        "local",
        "nix-instantiate",
        &["--eval", "--expr", "builtins.currentSystem"],
    );
    let system = system.ok().stdout.trim().to_owned();
    format!(
        r#"{{
  outputs = _:
    let
      make = name: script: derivation {{
        inherit name;
        system = {system};
        builder = "/bin/sh";
        args = [ "-euc" script ];
        PATH = "{search_path}";
      }};
      part = make "part" "echo part of {text} > $out";
      app = make "app" "mkdir $out; echo {text} ${{part}} > $out/words";
    in {{ app = app; packages.${{{system}}}.default = app; }};
}}
"#
    )
}

/// Where Nix has copied a flake to.
fn source(person: &Person, flake: &Path) -> String {
    let reference = format!("path:{}", flake.display());
    let told = person.nix("nix", ["flake", "metadata", "--json", &reference]);
    told.ok().json()["path"].as_str().unwrap().to_owned()
}

/// Deletes what an installable left in the machine's store.
fn delete(person: &Person, built: &[String], source: String) {
    let mut arguments = vec!["--delete".to_owned()];
    arguments.extend(built.iter().rev().cloned());
    if !built.is_empty() {
        let query = ["--query", "--deriver"].map(str::to_owned);
        let derivers = person.nix("nix-store", query.iter().chain(built)).ok();
        arguments.extend(derivers.stdout.lines().map(str::to_owned));
    }
    // The newest Nix copies a flake only where it has to.
    arguments.extend(Some(source).filter(|path| Path::new(path).exists()));
    if arguments.len() > 1 {
        person.nix("nix-store", &arguments).ok();
    }
}

#[test]
fn a_path_corrupted_on_disk_is_named_and_nothing_becomes_visible() {
    let (site, built) = (Site::acme(TestServer::builder()), closure());
    let store = ScratchStore::new().unwrap();
    let uri = store.uri();
    in_store(
        newest(),
        "local",
        "nix",
        &["copy", "--no-check-sigs", "--to", &uri, built.top()],
    )
    .ok();

    // Another byte in a large file; a small file cut short; a bit of a mode; no file at all.
    let data = built.path("-data-");
    let blob = store.physical(data).join("share/blob");
    let about = store.physical(built.top()).join("share/about");
    let tool = store.physical(built.path("-tool-")).join("libexec/tool.sh");
    let settings = store.physical(built.path("-settings-"));
    let mode = |path: &Path, mode| {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    };
    let overwrite = |path: &Path, content: &[u8]| {
        mode(path, 0o644);
        fs::write(path, content).unwrap();
        mode(path, 0o444);
    };
    let (blob_before, about_before) = (fs::read(&blob).unwrap(), fs::read(&about).unwrap());
    let settings_before = fs::read(&settings).unwrap();
    let mut flipped = blob_before.clone();
    let last = flipped.len() - 1;
    flipped[last] ^= 1;
    overwrite(&blob, &flipped);
    overwrite(&about, &about_before[1..]);
    mode(&tool, 0o444);
    fs::remove_file(&settings).unwrap();

    let push = |json: bool| {
        let push = ["push", "acme/app", "--store", &uri, built.top()];
        site.admin.fh(push.iter().chain(json.then_some(&"--json")))
    };
    let corrupted = [
        data,
        built.top(),
        built.path("-tool-"),
        built.path("-settings-"),
    ];
    push(false).code(1).says(&[
        "4 of 8 paths could not be pushed",
        "nothing new is visible in acme/app",
        &format!("{data}: its files are not what Nix recorded: the NAR hash is"),
        &format!("{}: its files are not what Nix recorded", built.top()),
        &format!(
            "{}: its files are not what Nix recorded",
            built.path("-tool-")
        ),
        &format!("{}: ", built.path("-settings-")),
    ]);
    let refused = push(true).code(1).json();
    assert_eq!(refused["complete"], false);
    let mut failed: Vec<&str> = refused["failed"]
        .as_array()
        .unwrap()
        .iter()
        .map(|failed| failed["path"].as_str().unwrap())
        .collect();
    failed.sort_unstable();
    let mut expected = corrupted;
    expected.sort_unstable();
    assert_eq!(failed, expected);
    assert_eq!(site.paths_in("acme/app"), 0);
    site.assert_invisible(&built.paths());

    // Once mended, the rest is sent, and all of it is as it was built.
    overwrite(&blob, &blob_before);
    overwrite(&about, &about_before);
    mode(&tool, 0o555);
    fs::write(&settings, &settings_before).unwrap();
    mode(&settings, 0o444);
    let mut command = site
        .admin
        .fh_command(["push", "acme/app", "--json", built.top()]);
    command.env("NIX_REMOTE", &uri);
    let pushed = run(command).ok().json();
    assert_eq!(counts(&pushed, ["uploaded", "received"]), [4, 4]);
    site.assert_serves(&built);
}

#[test]
fn what_an_upstream_key_has_signed_is_left_out_and_a_forged_signature_is_not_believed() {
    let (site, built) = (Site::acme(TestServer::builder()), closure());
    let store = ScratchStore::new().unwrap();
    let uri = store.uri();
    let copy = ["copy", "--no-check-sigs", "--to", &uri, built.top()];
    in_store(newest(), "local", "nix", &copy).ok();
    let keys = tempfile::tempdir().unwrap();
    let key = |file: &str| {
        let secret = keys.path().join(file).display().to_string();
        let public = format!("{secret}.public");
        let generate = ["--generate-binary-cache-key", "up-1", &secret, &public];
        in_store(newest(), "local", "nix-store", &generate).ok();
        (
            secret,
            fs::read_to_string(public).unwrap().trim().to_owned(),
        )
    };
    let (honest, public) = key("honest");
    let (forger, _) = key("forger");
    let sign = |secret: &str, path: &str| {
        let sign = ["store", "sign", "--key-file", secret, path];
        let features = ["--extra-experimental-features", "nix-command"];
        in_store(newest(), &uri, "nix", &[&features[..], &sign].concat()).ok();
    };
    let (library, data) = (built.path("-library-"), built.path("-data-"));
    sign(&honest, library);
    sign(&forger, data);

    let push = ["push", "acme/app", "--store", &uri, built.top(), "--json"];
    let pushed = site
        .admin
        .fh(push.iter().chain(&["--skip-signed-by", &public]));
    assert_eq!(
        counts(&pushed.ok().json(), ["paths", "uploaded", "upstream"]),
        [8, 7, 1]
    );
    site.assert_invisible(&[library.to_owned()]);
    assert_eq!(site.paths_in("acme/app"), 7);
    let pushed = site
        .admin
        .fh(push.iter().chain(&["--skip-signed-by", "none"]));
    assert_eq!(
        counts(&pushed.ok().json(), ["paths", "uploaded", "present"]),
        [8, 1, 7]
    );
    site.assert_serves(&built);
}

#[test]
fn what_cannot_be_pushed_to_is_refused_before_anything_is_sent() {
    let (site, built) = (Site::acme(TestServer::builder()), closure());
    let reads = site.user(
        newest(),
        "reader",
        &[("acme/app", "read")],
        &["pull", "push"],
    );
    let pulls = site.user(newest(), "puller", &[("acme/app", "write")], &["pull"]);
    let stranger = site.stranger(newest());
    for (person, flake, code, words) in [
        (&site.admin, "acme/absent", 1, "acme/absent"),
        (&site.admin, "absent/app", 1, "absent/app"),
        (&site.admin, "acme/..", 2, ".."),
        (&site.admin, "../app", 2, ".."),
        (&site.admin, "acme", 2, "acme"),
        (&reads, "acme/app", 1, "acme/app"),
        (&pulls, "acme/app", 1, "push"),
        (&stranger, "acme/app", 1, "not logged in"),
    ] {
        person
            .fh(["push", flake, built.top()])
            .code(code)
            .says(&[words]);
    }
    assert_eq!(site.paths_in("acme/app"), 0);
    site.assert_invisible(&built.paths());
}
