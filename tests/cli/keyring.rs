//! Tokens in a real keyring, and in keyrings that are locked, gone or dead.

use std::os::unix::net::UnixListener;
use std::time::{Duration, Instant};

use fh_testkit::server::TestServer;

use crate::world::{Run, World};

/// Longer than anybody would wait, for what is told within three seconds.
const ENDLESS: Duration = Duration::from_secs(30);

/// Runs a shell script in a session of its own with a bus and, where it starts one, a keyring. None
/// where this machine has no keyring.
fn in_a_session(world: &World, script: &str, arguments: &[&str]) -> Option<Run> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    for (program, package) in [
        ("dbus-run-session", "dbus"),
        ("gnome-keyring-daemon", "gnome-keyring"),
        ("secret-tool", "libsecret-tools"),
    ] {
        if fh_testkit::find_program(program, &path).is_none() {
            fh_testkit::skipped(&format!(
                "the keyring: there is no {program} (Debian package {package})"
            ));
            return None;
        }
    }
    let fh = assert_cmd::cargo::cargo_bin!("fh");
    let mut command = assert_cmd::Command::new("dbus-run-session");
    command
        .env_clear()
        .envs(world.variables())
        .env("PATH", path)
        .env("XDG_RUNTIME_DIR", world.path(""))
        .current_dir(world.path(""))
        .args(["--", "sh", "-euc", script, "sh"])
        .arg(fh)
        .args(arguments);
    Some(world.finish(&mut command))
}

/// A keyring that is open, as after logging in to a desktop.
const UNLOCKED: &str = "
    printf password | gnome-keyring-daemon --unlock --components=secrets >&2
    fh=$1 server=$2
";

#[test]
fn a_token_is_kept_in_a_real_keyring_and_goes_with_the_logout() {
    let server = TestServer::start().unwrap();
    let world = World::new();
    world.write("token", server.admin_token());
    let script = format!(
        "{UNLOCKED}
        $fh login --scope user --server $server --token-file token --store keyring >&2
        secret-tool lookup service fh username $server
        echo
        $fh status --json | tr -d '\\n'
        echo
        # Remembered, and nothing to do the second time.
        $fh login --scope user --token-file token --json | tr -d '\\n'
        echo
        ls .config/fh
        $fh logout >&2
        secret-tool lookup service fh username $server || echo gone"
    );
    let Some(run) = in_a_session(&world, &script, &[server.url()]) else {
        return;
    };
    let run = run.success();
    let lines: Vec<&str> = run.stdout.lines().collect();
    assert_eq!(lines[0], server.admin_token(), "{}", run.stderr);
    assert!(lines[1].contains("the system's keyring"), "{}", lines[1]);
    assert!(lines[2].contains("\"changed\": false"), "{}", lines[2]);
    assert_eq!(lines[3..], ["config.toml", "ledger.json", "gone"]);
    assert!(!world.config("fh").exists());
}

#[test]
fn a_token_moves_between_file_and_keyring() {
    let (server, world) = World::administrator();
    world.write("token", server.admin_token());
    let script = format!(
        "{UNLOCKED}
        $fh login --scope user --token-file token --store keyring >&2
        ls .config/fh/tokens 2>/dev/null | wc -l
        $fh login --scope user --token-file token --store file >&2
        ls .config/fh/tokens | wc -l
        secret-tool lookup service fh username $server || echo gone"
    );
    let Some(run) = in_a_session(&world, &script, &[server.url()]) else {
        return;
    };
    assert_eq!(run.success().stdout, "0\n1\ngone\n");
}

#[test]
fn a_renewed_token_takes_the_place_of_the_former_in_the_keyring() {
    let server = TestServer::start().unwrap();
    server.create_user("ann").unwrap();
    let former = server.token_for("ann", &["pull"]).unwrap();
    let world = World::new();
    world.write("token", &former);
    let script = format!(
        "{UNLOCKED}
        $fh login --scope user --server $server --token-file token --store keyring >&2
        $fh token renew --json | tr -d '\\n'
        echo
        secret-tool lookup service fh username $server
        echo
        cat .config/nix/netrc
        ls .config/fh"
    );
    let Some(run) = in_a_session(&world, &script, &[server.url()]) else {
        return;
    };
    let run = run.success();
    let lines: Vec<&str> = run.stdout.lines().collect();
    assert!(lines[0].contains("\"in_keyring\": true"), "{}", lines[0]);
    assert!(lines[1].starts_with("fh1_") && lines[1] != former);
    assert!(lines[2].ends_with(lines[1]), "the netrc has the new one");
    assert_eq!(lines[3..], ["config.toml", "ledger.json"]);
}

#[test]
fn a_locked_keyring_is_told_of_and_no_file_is_written_instead() {
    let server = TestServer::start().unwrap();
    let world = World::new();
    world.write("token", server.admin_token());
    // The first session makes the keyring, the second does not know its password.
    let Some(made) = in_a_session(&world, UNLOCKED, &[server.url()]) else {
        return;
    };
    made.success();
    let begin = Instant::now();
    let script = "
        gnome-keyring-daemon --start --components=secrets >&2
        $1 login --scope user --server $2 --token-file token --store keyring";
    let run = in_a_session(&world, script, &[server.url()]).unwrap();
    assert!(begin.elapsed() < ENDLESS);
    let run = run.code(1);
    run.says(&["--store file"]);
    assert!(world.everything().is_empty(), "{}", run.stderr);
}

#[test]
fn a_bus_that_never_answers_is_given_up_and_no_file_is_written_instead() {
    let server = TestServer::start().unwrap();
    let mut world = World::new();
    let socket = world.path("bus");
    // Connections are taken by the system, and nobody ever reads from them.
    let _bus = UnixListener::bind(&socket).unwrap();
    world.set(
        "DBUS_SESSION_BUS_ADDRESS",
        format!("unix:path={}", socket.display()),
    );
    let login = ["login", "--scope", "user", "--server", server.url()];
    let begin = Instant::now();
    let run = world
        .with_stdin(
            &[&login[..], &["--store", "keyring"]].concat(),
            server.admin_token(),
        )
        .code(1);
    assert!(begin.elapsed() < ENDLESS);
    insta::assert_snapshot!(run.said(&server), @r"
    Error: cannot read the token for [SERVER]
    Caused by: the keyring did not answer in time: it hangs, or waits to be unlocked
    Hint: Unlock it (logging in to a desktop does), and try again.
    Hint: Or keep the token in a file that only you can read: `fh login --server [SERVER] --store file`; or pass it for this command: FH_TOKEN_FILE.
    ");
    assert!(world.everything().is_empty());

    // Looking after a login: it cannot be told.
    world.with_stdin(&login, server.admin_token()).success();
    let config = world
        .read("fh/config.toml")
        .replace("url =", "token-store = \"keyring\"\nurl =");
    world.write(".config/fh/config.toml", &config);
    world.typed("status").code(4).says(&["did not answer"]);
    // What needs no token needs no keyring.
    world.typed("--help").success();
    world.typed("server list").success();
}

#[test]
fn without_a_bus_there_is_no_keyring() {
    let server = TestServer::start().unwrap();
    let mut world = World::new();
    world.set("DBUS_SESSION_BUS_ADDRESS", "unix:path=/nonexistent/bus");
    let login = format!(
        "login --scope user --server {} --store keyring",
        server.url()
    );
    world
        .given(&login, server.admin_token())
        .code(1)
        .says(&["there is no usable keyring"]);
    assert!(world.everything().is_empty());
}
