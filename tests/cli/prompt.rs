//! Questions on a terminal.

use std::io::Read as _;
use std::process::Command;
use std::time::Duration;

use expectrl::session::OsSession;
use expectrl::{ControlCode, Eof, Expect as _, Session};
use fh_testkit::server::TestServer;
use fh_testkit::{assert_contains, assert_lacks};
use rustix::process::{Pid, Signal, kill_process};

use crate::world::World;

/// Runs `fh` on a terminal of 80 columns that shows what is typed, as terminals do.
pub(crate) fn on_a_terminal(world: &World, arguments: &[&str]) -> OsSession {
    on_a_terminal_of(80, world, arguments)
}

/// The same on one of so many columns.
pub(crate) fn on_a_terminal_of(columns: u16, world: &World, arguments: &[&str]) -> OsSession {
    let mut command = Command::new("/bin/sh");
    command
        .env_clear()
        .envs(world.variables())
        .env("TERM", "xterm")
        .current_dir(world.path(""))
        // The terminal comes without echo; it is set before `fh` can look at it.
        // Whoever runs the tests may ignore SIGHUP, as `nohup` does.
        .args(["-c", "read -r go && exec \"$@\"", "sh"])
        .args(["/usr/bin/env", "--default-signal=HUP"])
        .arg(assert_cmd::cargo::cargo_bin!("fh"))
        .args(arguments);
    let mut session = Session::spawn(command).unwrap();
    session.set_expect_timeout(Some(Duration::from_secs(20)));
    let wait = Some(Duration::from_secs(5));
    assert!(session.get_process_mut().set_echo(true, wait).unwrap());
    session
        .get_process_mut()
        .set_window_size(columns, 24)
        .unwrap();
    session.send("\n").unwrap();
    session
}

/// Somebody who logs in with these options, and has been asked for the token.
fn asked_for_the_token(world: &World, server: &TestServer, more: &[&str]) -> OsSession {
    let login = ["login", "--scope", "user", "--server", server.url()];
    let mut session = on_a_terminal(world, &[&login[..], more].concat());
    session.expect("it is not shown").unwrap();
    session
}

/// What is still to come, up to the end.
pub(crate) fn rest(session: &mut OsSession) -> String {
    let captured = session.expect(Eof).unwrap();
    String::from_utf8_lossy(captured.as_bytes()).into_owned()
}

#[test]
fn a_token_of_any_length_is_taken_and_not_shown() {
    let server = TestServer::start().unwrap();
    let world = World::new();
    let mut session = asked_for_the_token(&world, &server, &[]);
    // Longer than a line that a terminal takes in line mode: blanks around a token do not count.
    let padding = " ".repeat(6000);
    session
        .send(format!("{padding}{}\r", server.admin_token()))
        .unwrap();
    session.expect("Make these changes?").unwrap();
    session.send("\r").unwrap();
    let rest = rest(&mut session);
    assert_contains(&rest, &["Logged in to"]);
    assert_lacks(&rest, &[server.admin_token()]);
    assert!(world.read("nix/netrc").contains(server.admin_token()));
}

#[test]
fn control_c_leaves_everything_as_it_was() {
    let server = TestServer::start().unwrap();
    let world = World::new();
    let mut session = asked_for_the_token(&world, &server, &[]);
    assert!(!session.get_process().get_echo().unwrap());
    session.send("fh1_half").unwrap();
    session.send(ControlCode::EndOfText).unwrap();
    let said = rest(&mut session);
    assert_contains(&said, &["Nothing was changed."]);
    assert_lacks(&said, &["half"]);
    assert!(session.get_process().get_echo().unwrap());
    let status = session.get_process_mut().wait().unwrap();
    assert!(format!("{status:?}").contains("130"), "{status:?}");
    assert!(world.everything().is_empty());
}

#[test]
fn sigterm_leaves_the_terminal_and_the_files_as_they_were() {
    let server = TestServer::start().unwrap();
    let world = World::new();
    let mut session = asked_for_the_token(&world, &server, &[]);
    assert!(!session.get_process().get_echo().unwrap());
    session.send("fh1_half").unwrap();
    // What has not arrived yet would be typed after the end.
    std::thread::sleep(Duration::from_millis(300));
    let pid = Pid::from_raw(session.get_process().pid().as_raw()).unwrap();
    kill_process(pid, Signal::TERM).unwrap();
    let said = rest(&mut session);
    assert_contains(&said, &["Nothing was changed."]);
    assert_lacks(&said, &["half"]);
    assert!(session.get_process().get_echo().unwrap());
    let status = session.get_process_mut().wait().unwrap();
    assert!(format!("{status:?}").contains("143"), "{status:?}");
    assert!(world.everything().is_empty());
}

#[test]
fn all_changes_are_shown_without_secrets_and_asked_for() {
    let server = TestServer::start().unwrap();
    let world = World::new();
    world.write(
        ".config/nix/netrc",
        "machine a.org login me password hunter2\n",
    );
    let mut session = asked_for_the_token(&world, &server, &[]);
    session.send(format!("{}\r", server.admin_token())).unwrap();
    let until_asked = |session: &mut OsSession| {
        let shown = session.expect("Make these changes?").unwrap();
        let shown = String::from_utf8_lossy(shown.as_bytes()).into_owned();
        let has_secret = shown.contains("hunter2") || shown.contains(server.admin_token());
        assert!(!has_secret, "{shown}");
        shown
    };
    let summary = [
        "Logging in changes these files:",
        "nix/netrc",
        "an entry for 127.0.0.1",
        "extra-substituters, extra-trusted-public-keys",
        "fh/config.toml",
    ];
    let diff = [
        "+machine 127.0.0.1 login admin password [hidden, new]",
        "+extra-substituters",
        "+url = ",
    ];
    let shown = until_asked(&mut session);
    assert_contains(&shown, &summary);
    assert_lacks(&shown, &diff);
    // The whole of it, for who wants to see it, and asked again.
    session.send("d\r").unwrap();
    let shown = until_asked(&mut session);
    assert_contains(&shown, &diff);
    session.send("no\r").unwrap();
    let said = rest(&mut session);
    assert_contains(&said, &["Nothing was changed."]);
    assert!(!world.config("fh").exists());

    // With `--diff` it is shown at once. Ctrl-C is another way to say no.
    let mut session = asked_for_the_token(&world, &server, &["--diff"]);
    session.send(format!("{}\r", server.admin_token())).unwrap();
    let shown = until_asked(&mut session);
    assert_contains(&shown, &diff);
    assert_lacks(&shown, &[summary[0]]);
    session.send(ControlCode::EndOfText).unwrap();
    let said = rest(&mut session);
    assert_contains(&said, &["Nothing was changed."]);
    assert!(!world.config("fh").exists());

    // With `--yes` nobody is asked.
    let mut session = asked_for_the_token(&world, &server, &["--yes"]);
    session.send(format!("{}\r", server.admin_token())).unwrap();
    session.expect("Logged in to").unwrap();
}

#[test]
fn the_page_of_the_token_is_shown_and_opened_if_one_likes() {
    let mut world = World::new();
    world.set("DISPLAY", ":0");
    world.program(
        "xdg-open",
        "#!/bin/sh\necho \"$1\" > opened.tmp\n/bin/mv opened.tmp opened\n",
    );
    let mut session = on_a_terminal(&world, &["login", "flakehub"]);
    session
        .expect("https://flakehub.com/user/settings?editview=tokens")
        .unwrap();
    session.expect("Open this page in a browser?").unwrap();
    session.send("y\r").unwrap();
    session.expect("it is not shown").unwrap();
    session.send(ControlCode::EndOfText).unwrap();
    rest(&mut session);
    for _ in 0..200 {
        if world.path("opened").exists() {
            break;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    let opened = std::fs::read_to_string(world.path("opened")).unwrap();
    assert_eq!(
        opened,
        "https://flakehub.com/user/settings?editview=tokens\n"
    );
    assert!(world.everything().is_empty());
}

#[test]
fn a_terminal_gets_a_table() {
    let server = TestServer::start().unwrap();
    server.create_flake("acme/app", "private").unwrap();
    let world = World::logged_in(&server, server.admin_token());
    let mut session = on_a_terminal(&world, &["list", "flakes"]);
    let mut text = String::new();
    let _ = session.read_to_string(&mut text);
    assert_contains(&text, &["LAST PUSH", "never"]);
}

#[test]
fn where_no_server_is_known_it_is_asked_for() {
    let server = TestServer::start().unwrap();
    server.create_user("alice").unwrap();
    let token = server.token_for("alice", &["pull"]).unwrap();
    let world = World::new();
    let mut session = on_a_terminal(&world, &["login", "--scope", "user", "--yes"]);
    session.expect("Which server?").unwrap();
    session.send(format!("{}\r", server.url())).unwrap();
    session.expect("it is not shown").unwrap();
    session.send(format!("{token}\r")).unwrap();
    session.expect("Logged in to").unwrap();
    rest(&mut session);

    // From then on it is known, and so is its token.
    let mut session = on_a_terminal(&world, &["login", "--scope", "user"]);
    session.expect("Already set up").unwrap();
    rest(&mut session);
    // One that does no longer is asked for again.
    let id = fh_auth::read_unverified(&token).unwrap().jti.to_string();
    let admin = World::logged_in(&server, server.admin_token());
    admin.fh(&["token", "revoke", &id, "--yes"]).success();
    let mut session = on_a_terminal(&world, &["login", "--scope", "user", "--yes"]);
    session.expect("no longer valid").unwrap();
    session.expect("it is not shown").unwrap();
    session.send(ControlCode::EndOfText).unwrap();
    rest(&mut session);
    world
        .with_stdin(&["login", "--scope", "user"], "")
        .code(1)
        .says(&["This is the stored token"]);
}

#[test]
fn where_several_servers_are_known_and_none_is_the_default_one_is_chosen() {
    let server = TestServer::start().unwrap();
    let (world, login) = (World::new(), ["login", "--scope", "user", "--yes"]);
    let another = "[servers.a]\nurl = \"https://a.example.org\"\n";
    let config = format!("{another}[servers.b]\nurl = \"{}\"\n", server.url());
    world.write(".config/fh/config.toml", &config);
    let mut session = on_a_terminal(&world, &login);
    let shown = session.expect("  another one").unwrap();
    let shown = String::from_utf8_lossy(shown.as_bytes()).into_owned();
    assert!(shown.contains("> https://a.example.org"), "{shown}");
    session.send("\x1b[B\r").unwrap();
    let prompt = format!("Token for {} (it is not shown)", server.url());
    session.expect(prompt).unwrap();
    session.send(format!("{}\r", server.admin_token())).unwrap();
    session.expect("Logged in to").unwrap();
    rest(&mut session);
    assert!(session.get_process().get_echo().unwrap());

    // By its address it can be another one too.
    world.write(".config/fh/config.toml", another);
    let mut session = on_a_terminal(&world, &login);
    session.expect("  another one").unwrap();
    session.send("\x1b[A\r").unwrap();
    session.expect("Enter for FlakeHub:").unwrap();
    session.send(format!("{}\r", server.url())).unwrap();
    session.expect("it is not shown").unwrap();
    session.send(ControlCode::EndOfText).unwrap();
    let said = rest(&mut session);
    assert!(said.contains("Nothing was changed."), "{said}");
}

/// A login that asks for one of two servers, and one that asks whether it may change files.
fn asking(world: &World, server: &TestServer, question: &str) -> OsSession {
    let mut login = vec!["login", "--scope", "user"];
    world.write("token", server.admin_token());
    let token = world.path("token");
    if question == "another one" {
        let known = "[servers.a]\nurl = \"https://a.org\"\n[servers.b]\nurl = \"https://b.org\"\n";
        world.write(".config/fh/config.toml", known);
    } else {
        login.extend([
            "--server",
            server.url(),
            "--token-file",
            token.to_str().unwrap(),
        ]);
    }
    let mut session = on_a_terminal(world, &login);
    session.expect(question).unwrap();
    session
}

#[test]
fn whatever_ends_a_question_the_terminal_shows_what_is_typed_and_its_cursor() {
    let server = TestServer::start().unwrap();
    for question in ["another one", "Make these changes?"] {
        for (signal, code) in [
            (None, 130),
            (Some(Signal::TERM), 143),
            (Some(Signal::HUP), 129),
        ] {
            let case = format!("{question} {signal:?}");
            let world = World::new();
            let mut session = asking(&world, &server, question);
            session.send("n").unwrap();
            std::thread::sleep(Duration::from_millis(300));
            assert!(!session.get_process().get_echo().unwrap(), "{case}");
            match signal {
                None => session.send(ControlCode::EndOfText).unwrap(),
                Some(signal) => {
                    let pid = Pid::from_raw(session.get_process().pid().as_raw()).unwrap();
                    kill_process(pid, signal).unwrap();
                    // Also a key that comes too late must not take the echo again.
                    session.send("j").unwrap();
                }
            }
            let said = rest(&mut session);
            assert!(said.contains("Nothing was changed."), "{case}: {said}");
            let hidden = said.rfind("\u{1b}[?25l");
            assert!(said.rfind("\u{1b}[?25h") > hidden, "{case}: {said}");
            assert!(session.get_process().get_echo().unwrap(), "{case}");
            let status = session.get_process_mut().wait().unwrap();
            assert!(
                format!("{status:?}").contains(&code.to_string()),
                "{case}: {status:?}"
            );
        }
    }
}

#[test]
fn only_a_whole_word_is_an_answer() {
    let server = TestServer::start().unwrap();
    for (answer, done) in [("no", false), ("yes", true), ("", true)] {
        let world = World::new();
        let mut session = asking(&world, &server, "Make these changes?");
        // A letter of it would be one.
        for typed in ["not yet", "why", "never"] {
            session.send(format!("{typed}\r")).unwrap();
            session.expect("answer yes or no").unwrap();
            session.expect("d shows the diff] ").unwrap();
        }
        session.send(format!("x\x7f{answer}\r")).unwrap();
        let said = rest(&mut session);
        assert_eq!(said.contains("Logged in to"), done, "{answer}: {said}");
        assert_eq!(world.config("fh").exists(), done, "{answer}");
    }
}
