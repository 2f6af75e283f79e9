//! Logins on machines that are full, closed, busy, or switched off in the middle.

use std::collections::BTreeSet;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use fh_testkit::server::TestServer;

use crate::world::World;

#[test]
fn thirty_logins_at_once_leave_thirty_entries() {
    // Each at an address of its own, so that each has an entry of its own: all of 127.0.0.0/8 is
    // this machine on Linux, and elsewhere 127.0.0.1 alone.
    if std::net::TcpListener::bind("127.0.0.2:0").is_err() {
        fh_testkit::skipped("thirty logins at once: 127.0.0.2 is not an address of this machine");
        return;
    }
    let servers: Vec<TestServer> = (2..32)
        .map(|last| {
            let listen = format!("127.0.0.{last}:0").parse().unwrap();
            let builder = TestServer::builder();
            let builder = builder.settings(move |settings| settings.listen = vec![listen]);
            builder.start().unwrap()
        })
        .collect();
    let world = World::new();
    world.write(".config/nix/netrc", "machine a.org login me password x\n");
    let before = world.read("nix/netrc");
    std::thread::scope(|scope| {
        for server in &servers {
            let world = &world;
            scope.spawn(move || {
                world.log_in(server);
            });
        }
    });
    let netrc = world.read("nix/netrc");
    let tokens: BTreeSet<&str> = netrc
        .lines()
        .filter_map(|line| line.rsplit(' ').next())
        .collect();
    for server in &servers {
        assert!(tokens.contains(server.admin_token()), "{netrc}");
    }
    let list = world.json("server list");
    assert_eq!(list.as_array().unwrap().len(), 30);
    assert!(netrc.starts_with(&before));
    world.typed("logout --all").success();
    assert_eq!(world.read("nix/netrc"), before);
}

/// What a login has to leave behind, at whatever instant it ends.
fn assert_whole(world: &World, netrc: &str, conf: &str, server: &TestServer) {
    let now = world.read("nix/netrc");
    let new = format!(
        "{netrc}machine 127.0.0.1 login admin password {}\n",
        server.admin_token()
    );
    assert!(now == netrc || now == new, "{now}");
    let now = world.read("nix/nix.conf");
    assert!(
        now == conf || (now.starts_with(conf) && now.ends_with('\n')),
        "{now}"
    );
    for secret in ["fh/tokens", "fh/ledger.json", "nix/netrc"] {
        let path = world.config(secret);
        let files: Vec<_> = match std::fs::read_dir(&path) {
            Ok(entries) => entries.map(|entry| entry.unwrap().path()).collect(),
            Err(_) => vec![path],
        };
        for file in files.into_iter().filter(|file| file.exists()) {
            assert_eq!(crate::world::mode(&file) & 0o077, 0, "{}", file.display());
        }
    }
}

fn killed_at_random(times: u32) {
    let server = TestServer::start().unwrap();
    let (netrc, conf) = ("machine a.org login me password x\n", "max-jobs = 1\n");
    // How long one takes, here and now.
    let world = World::new();
    let login = ["login", "--scope", "user", "--server", server.url()];
    let begin = Instant::now();
    world.with_stdin(&login, server.admin_token()).success();
    let length = begin.elapsed();
    for round in 0..times {
        let world = World::new();
        world.write("token", server.admin_token());
        world.write(".config/nix/netrc", netrc);
        world.write(".config/nix/nix.conf", conf);
        let permissions = std::os::unix::fs::PermissionsExt::from_mode(0o600);
        std::fs::set_permissions(world.config("nix/netrc"), permissions).unwrap();
        let mut child = world
            .process(&login)
            .args(["--token-file", "token"])
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .unwrap();
        // Spread over the whole of it, with a step that no period of its own meets.
        let part = f64::from(round) * 0.618_034 % 1.0;
        // The second half is where files are written.
        std::thread::sleep(length.mul_f64(0.4 + 0.8 * part));
        let _ = child.kill();
        child.wait().unwrap();
        assert_whole(&world, netrc, conf, &server);
        // The next login repairs, and a logout takes all of it back.
        world.with_stdin(&login, server.admin_token()).success();
        world.typed("status").success();
        world.typed("logout").success();
        assert_eq!(
            (world.read("nix/netrc"), world.read("nix/nix.conf")),
            (netrc.to_owned(), conf.to_owned())
        );
        let left: Vec<_> = world
            .everything()
            .into_keys()
            .filter(|path| !path.ends_with("nix/netrc") && !path.ends_with("nix/nix.conf"))
            .collect();
        assert!(left.is_empty(), "{left:?}");
    }
}

#[test]
fn a_login_that_is_killed_leaves_whole_files() {
    killed_at_random(12);
}

#[test]
#[ignore = "long: 200 kills"]
fn a_login_that_is_killed_leaves_whole_files_200_times() {
    killed_at_random(200);
}

/// A directory on a file system of its own of so many bytes; none where this user cannot have one.
struct SmallDisk<'a> {
    path: &'a Path,
}

impl<'a> SmallDisk<'a> {
    fn mount(path: &'a Path, options: &str) -> Option<Self> {
        std::fs::create_dir_all(path).unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", options, "tmpfs"])
            .arg(path)
            .stderr(Stdio::null())
            .status();
        if mounted.is_ok_and(|status| status.success()) {
            return Some(Self { path });
        }
        fh_testkit::skipped("full and read-only disks: mounting a tmpfs needs root");
        None
    }

    fn remount(&self, options: &str) {
        let status = Command::new("mount")
            .args(["-o", &format!("remount,{options}")])
            .arg(self.path)
            .status()
            .unwrap();
        assert!(status.success());
    }
}

impl Drop for SmallDisk<'_> {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.path).status();
    }
}

#[test]
fn a_full_disk_leaves_everything_as_it_was() {
    let server = TestServer::start().unwrap();
    let world = World::new();
    let path = world.config("");
    let Some(_disk) = SmallDisk::mount(&path, "size=64k") else {
        return;
    };
    world.write(".config/nix/netrc", "machine a.org login me password x\n");
    world.write(".config/nix/nix.conf", "max-jobs = 1\n");
    // One page after the other is left free, until a login fits.
    let contents = || -> Vec<_> {
        let all = world.everything().into_iter();
        all.filter(|(path, _)| !path.ends_with("ballast"))
            .map(|(path, (content, _, _))| (path, content))
            .collect()
    };
    let before = contents();
    let ballast = world.config("ballast");
    let mut failed = 0;
    for pages in (0..14).rev() {
        let _ = std::fs::write(&ballast, vec![0; pages * 4096]);
        let run = world.with_stdin(
            &["login", "--scope", "user", "--server", server.url()],
            server.admin_token(),
        );
        if run.code == Some(0) {
            break;
        }
        failed += 1;
        let run = run.code(1);
        run.says(&["No space left"]);
        assert_eq!(contents(), before, "{}", run.stderr);
    }
    assert!(failed > 0, "the disk was never full");
    world.typed("status").success();
}

#[test]
fn a_home_that_cannot_be_written_is_told_of() {
    let server = TestServer::start().unwrap();
    let world = World::new();
    let path = world.config("");
    let Some(disk) = SmallDisk::mount(&path, "size=1m") else {
        return;
    };
    disk.remount("ro");
    let login = ["login", "--scope", "user", "--server", server.url()];
    world
        .with_stdin(&login, server.admin_token())
        .code(1)
        .says(&["Read-only file system"]);
    assert!(world.everything().is_empty());
    // It can still be said what would have to be written.
    world
        .with_stdin(&[&login[..], &["--print"]].concat(), server.admin_token())
        .success();
}

#[test]
fn nobody_waits_for_ever_for_a_login_that_hangs() {
    let server = TestServer::start().unwrap();
    let world = World::new();
    world.write("token", server.admin_token());
    // An empty pipe that stays open, as some CI systems give it to every job.
    let begin = Instant::now();
    let mut child = world
        .process(&["login", "--scope", "user", "--server", server.url()])
        .env("FH_TOKEN_FILE", world.path("token"))
        .stdin(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let stdin = child.stdin.take();
    assert!(child.wait().unwrap().success());
    drop(stdin);
    assert!(begin.elapsed() < Duration::from_secs(60));
}
