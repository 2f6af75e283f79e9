//! Disks that are full.

use std::fs;
use std::path::Path;
use std::process::Command;

use fh_testkit::assert_contains;
use fh_testkit::nix::Home;
use serde_json::{Value, json};

use crate::nix::built::newest;
use crate::nix::http::Http;
use crate::nix::process::run;
use crate::nix::served::Served;
use crate::nix::{Person, eventually};
use crate::scene::{SIZES, SMALL_PARTS, Scene};

const FLAKE: &str = "acme/app";

/// A small disk; gone on drop.
struct SmallDisk {
    directory: tempfile::TempDir,
}

impl SmallDisk {
    /// Of so many KiB. None where it cannot be had here, which is told.
    fn new(what: &str, size: u32) -> Option<Self> {
        let directory = tempfile::Builder::new()
            .prefix("fh-disk-")
            .tempdir()
            .unwrap();
        let disk = Self { directory };
        let options = format!("size={size}k");
        if let Err(why) = disk.mount(&["-t", "tmpfs", "-o", &options, "fh-test"]) {
            fh_testkit::skipped(&format!(
                "{what}: a full disk needs a small file system to be mounted, which takes root: {why}"
            ));
            return None;
        }
        Some(disk)
    }

    fn mount(&self, arguments: &[&str]) -> Result<(), String> {
        let output = Command::new("mount")
            .args(arguments)
            .arg(self.path())
            .output()
            .map_err(|error| error.to_string())?;
        if output.status.success() {
            return Ok(());
        }
        Err(String::from_utf8_lossy(&output.stderr).trim().to_owned())
    }

    fn path(&self) -> &Path {
        self.directory.path()
    }

    /// Somebody adds to the disk.
    fn grow(&self, size: u32) {
        let options = format!("remount,size={size}k");
        self.mount(&["-o", &options]).unwrap();
    }

    /// Somebody else fills it to the last byte.
    fn fill(&self) {
        let mut filler = fs::File::create(self.path().join("filler")).unwrap();
        let block = [7; 4096];
        while std::io::Write::write_all(&mut filler, &block).is_ok() {}
    }

    fn empty(&self) {
        fs::remove_file(self.path().join("filler")).unwrap();
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily, since a server that is being killed may have a file open.
        let _ = Command::new("umount").arg("-l").arg(self.path()).status();
    }
}

#[test]
fn a_server_whose_disk_is_full_says_so_and_goes_on_when_there_is_room() {
    let Some(disk) = SmallDisk::new("a server with a full disk", 5_000) else {
        return;
    };
    let data = disk.path().join("data");
    let mut scene = Scene::with(Served::start_in(&data, &SMALL_PARTS), &[FLAKE]);
    let there = scene.stock.add(&mut scene.random, &SIZES);
    let there = [there.last().unwrap().clone()];
    scene.push_rest(FLAKE, &there);

    // More than there is room for, in parts and in batches.
    let sizes = [6_000_000, 60_000, 60_000, 5_000_000, 60_000, 400];
    let new = scene.stock.add(&mut scene.random, &sizes);
    let paths = [new.last().unwrap().clone()];
    let push = |scene: &Scene, paths: &[String]| {
        let url = scene.served.url();
        let mut push = scene.push_command(&url, FLAKE, paths);
        push.args(["--retries", "1"]);
        run(push)
    };
    push(&scene, &paths)
        .code(1)
        .says(&["Error: ", "no room left"]);
    scene.check();

    // To the last byte: not even a plan can be written down.
    disk.fill();
    let small = scene.stock.add(&mut scene.random, &[300]);
    push(&scene, &small)
        .code(1)
        .says(&["Error: ", "no room left"]);
    scene.check();

    // A crash on top of it: the server starts, and serves what it has.
    scene.served.kill_and_start_again();
    scene.check();

    disk.empty();
    disk.grow(100_000);
    scene.push_rest(FLAKE, &small);
    scene.push_rest(FLAKE, &paths);
    scene.check();
    scene.check_storage();
}

#[test]
fn a_server_whose_disk_is_full_tells_the_truth_and_always_takes_access_away() {
    let Some(disk) = SmallDisk::new("a server that takes access away on a full disk", 64_000)
    else {
        return;
    };
    let data = disk.path().join("data");
    let mut scene = Scene::with(Served::start_in(&data, &SMALL_PARTS), &[FLAKE]);
    let admin = scene.served.admin();
    let reserve = data.join("reserve");
    eventually("the reserve", || reserve.exists());
    assert_eq!(admin.get("/readyz").status, 200);
    let there = scene.stock.add(&mut scene.random, &SIZES);
    let there = [there.last().unwrap().clone()];
    scene.push_rest(FLAKE, &there);
    let tokens: Vec<Value> = (0..30)
        .map(|number| {
            let name = format!("user-{number}");
            let user = json!({ "name": name });
            admin.send("POST", "/api/v1/users", &user).expect(201);
            let grant = format!("/api/v1/flakes/{FLAKE}/grants/{name}");
            admin
                .send("PUT", &grant, &json!({ "role": "read" }))
                .expect(200);
            let token = json!({ "user": name, "permissions": ["pull"], "flakes": ["*"] });
            let minted = admin.send("POST", "/api/v1/tokens", &token);
            minted.expect(201).json()
        })
        .collect();
    let as_user = |token: &Value| Http {
        token: Some(token["token"].as_str().unwrap().to_owned()),
        ..admin.clone()
    };
    for token in &tokens {
        as_user(token).get("/api/v1/whoami").expect(200);
    }

    disk.fill();
    eventually("that it is not ready", || {
        let ready = admin.get("/readyz");
        ready.status == 503 && ready.text() == "not ready: there is no space left on the disk\n"
    });
    // What is made goes on as long as the write-ahead log has room of its own, and is then refused with the reason.
    let refused = |path: &str, body: &dyn Fn(usize) -> Value| {
        let mut refused = 0;
        for number in 0..3000 {
            let answer = admin.send("POST", path, &body(number));
            if answer.status != 201 {
                let told = answer.expect(503).text();
                assert_contains(&told, &["no room left on its disk"]);
                refused += 1;
            }
            if refused == 3 {
                return;
            }
        }
        panic!("the disk is not full: {path}");
    };
    refused(
        "/api/v1/flakes",
        &|number| json!({ "flake": format!("acme/new-{number}"), "visibility": "private" }),
    );
    refused(
        "/api/v1/tokens",
        &|_| json!({ "permissions": ["pull"], "flakes": ["*"] }),
    );
    // What is so already, and what is refused for another reason, leaves the reserve as it is, however often.
    let flake = format!("/api/v1/flakes/{FLAKE}");
    let same = json!({ "visibility": admin.get(&flake).expect(200).json()["visibility"] });
    for _ in 0..300 {
        for (method, path, body) in [
            ("PATCH", flake.as_str(), &same),
            ("PATCH", "/api/v1/orgs/acme", &json!({})),
            ("DELETE", "/api/v1/orgs/acme/members/admin", &json!({})),
            ("DELETE", "/api/v1/orgs/acme", &json!({})),
            ("DELETE", "/api/v1/invitations/acme", &json!({})),
        ] {
            assert_ne!(
                admin.send(method, path, body).status,
                500,
                "{method} {path}"
            );
            assert!(reserve.exists(), "{method} {path}");
        }
    }
    let hash = &Path::new(&there[0]).file_name().unwrap().to_str().unwrap()[..32];
    let listing = admin.get(&format!("/{hash}.ls")).expect(503);
    assert!(listing.text().contains("no room left on its disk"));

    for (number, token) in tokens.iter().enumerate() {
        let name = format!("user-{number}");
        match number % 3 {
            0 => {
                let path = format!("/api/v1/tokens/{}", token["info"]["id"].as_str().unwrap());
                admin.send("DELETE", &path, &json!({})).expect(200);
            }
            1 => {
                let path = format!("/api/v1/users/{name}");
                let disabled = json!({ "disabled": true });
                admin.send("PATCH", &path, &disabled).expect(200);
            }
            _ => {
                let path = format!("/api/v1/flakes/{FLAKE}/grants/{name}");
                admin.send("DELETE", &path, &json!({})).expect(204);
            }
        }
    }
    assert!(!reserve.exists());
    for (number, token) in tokens.iter().enumerate() {
        if number % 3 == 2 {
            let narinfo = format!("/cache/{FLAKE}/{hash}.narinfo");
            as_user(token).get(&narinfo).expect(404);
        } else {
            as_user(token).get("/api/v1/whoami").expect(401);
        }
    }
    scene.check();

    // It is so after a crash, too.
    scene.served.kill_and_start_again();
    let admin = scene.served.admin();
    for (number, token) in tokens
        .iter()
        .enumerate()
        .filter(|(number, _)| number % 3 < 2)
    {
        let http = Http {
            token: Some(token["token"].as_str().unwrap().to_owned()),
            ..admin.clone()
        };
        assert_eq!(http.get("/api/v1/whoami").status, 401, "{number}");
    }
    scene.check();

    disk.empty();
    eventually("room", || admin.get("/readyz").status == 200);
    eventually("the reserve", || reserve.exists());
    let flake = json!({ "flake": "acme/last", "visibility": "private" });
    admin.send("POST", "/api/v1/flakes", &flake).expect(201);
    admin.get(&format!("/{hash}.ls")).expect(200);
    scene.check_storage();
}

#[test]
fn a_client_whose_disk_is_full_pushes_and_logs_in_or_leaves_everything_as_it_was() {
    let Some(disk) = SmallDisk::new("a client with a full disk", 1_000) else {
        return;
    };
    let mut scene = Scene::new(&[FLAKE], &[]);
    let mut home = Home::at(disk.path()).unwrap();
    home.set_variable("TMPDIR", disk.path());
    scene.person = Person {
        home,
        nix: newest(),
    };
    let url = scene.served.url();
    // What somebody has in their files stays, whatever happens.
    let config = scene.person.home.config().join("nix");
    fs::create_dir_all(&config).unwrap();
    let netrc = "machine example.org login a password b\n";
    fs::write(config.join("netrc"), netrc).unwrap();
    let nix_conf = "# mine\nmax-jobs = 3\n";
    fs::write(config.join("nix.conf"), nix_conf).unwrap();
    let files = || tree(&config);
    let before = files();
    disk.fill();

    let token = scene.served.admin_token();
    let login = ["login", "--scope", "user", "--server", &url, "--token-file"];
    let mut command = scene.person.fh_command(login);
    command.arg(&token);
    run(command)
        .code(1)
        .says(&["Error: ", "No space left on device"]);
    assert_eq!(files(), before);

    // A push writes nothing, so it needs no room.
    let new = scene.stock.add(&mut scene.random, &SIZES);
    scene.push_rest(FLAKE, &[new.last().unwrap().clone()]);
    scene.check();

    disk.empty();
    scene.person.log_in(&url, &token);
    let now = fs::read_to_string(config.join("netrc")).unwrap();
    assert!(now.starts_with(netrc), "{now}");
    let now = fs::read_to_string(config.join("nix.conf")).unwrap();
    assert!(now.starts_with(nix_conf), "{now}");
}

/// The names and contents of all files in a directory.
fn tree(directory: &Path) -> Vec<(String, String)> {
    let mut files: Vec<(String, String)> = fs::read_dir(directory)
        .unwrap()
        .map(|entry| {
            let path = entry.unwrap().path();
            (
                path.display().to_string(),
                fs::read_to_string(path).unwrap(),
            )
        })
        .collect();
    files.sort();
    files
}
