//! Questions on a terminal.

use std::io::Read as _;
use std::process::Command;
use std::time::Duration;

use expectrl::session::OsSession;
use expectrl::{ControlCode, Eof, Expect as _, Session};
use fh_testkit::server::TestServer;

use crate::world::World;

/// Runs `fh` on a terminal that shows what is typed, as terminals do.
pub(crate) fn on_a_terminal(world: &World, arguments: &[&str]) -> OsSession {
    let mut command = Command::new("/bin/sh");
    command
        .env_clear()
        .envs(world.variables())
        .env("TERM", "xterm")
        .current_dir(world.path(""))
        // The terminal comes without echo; it is set before `fh` can look at it.
        .args(["-c", "read -r go && exec \"$@\"", "sh"])
        .arg(assert_cmd::cargo::cargo_bin!("fh"))
        .args(arguments);
    let mut session = Session::spawn(command).unwrap();
    session.set_expect_timeout(Some(Duration::from_secs(20)));
    let wait = Some(Duration::from_secs(5));
    assert!(session.get_process_mut().set_echo(true, wait).unwrap());
    session.send("\n").unwrap();
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
    let mut session = on_a_terminal(&world, &["login", "--server", server.url()]);
    session.expect("it is not shown").unwrap();
    // Longer than a line that a terminal takes in line mode: blanks around a token do not count.
    let padding = " ".repeat(6000);
    session
        .send(format!("{padding}{}\r", server.admin_token()))
        .unwrap();
    session.expect("Logged in to").unwrap();
    let rest = rest(&mut session);
    assert!(!rest.contains(server.admin_token()), "{rest}");
    assert!(world.read("nix/netrc").contains(server.admin_token()));
}

#[test]
fn control_c_leaves_everything_as_it_was() {
    let server = TestServer::start().unwrap();
    let world = World::new();
    let mut session = on_a_terminal(&world, &["login", "--server", server.url()]);
    session.expect("it is not shown").unwrap();
    assert!(!session.get_process().get_echo().unwrap());
    session.send("fh1_half").unwrap();
    session.send(ControlCode::EndOfText).unwrap();
    let said = rest(&mut session);
    assert!(said.contains("Nothing was changed."), "{said}");
    assert!(!said.contains("half"), "{said}");
    assert!(session.get_process().get_echo().unwrap());
    let status = session.get_process_mut().wait().unwrap();
    assert!(format!("{status:?}").contains("130"), "{status:?}");
    assert!(world.everything().is_empty());
}

#[test]
fn the_address_is_asked_for_where_nothing_names_one() {
    let server = TestServer::start().unwrap();
    let world = World::new();
    let mut session = on_a_terminal(&world, &["login"]);
    session.expect("Address of the server").unwrap();
    session.send(format!("{}\r", server.url())).unwrap();
    session.expect("it is not shown").unwrap();
    session.send(format!("{}\r", server.admin_token())).unwrap();
    session.expect("Logged in to").unwrap();
}

#[test]
fn a_terminal_gets_a_table() {
    let server = TestServer::start().unwrap();
    server.create_flake("acme/app", "private").unwrap();
    let world = World::logged_in(&server, server.admin_token());
    let mut session = on_a_terminal(&world, &["list", "flakes"]);
    let mut text = String::new();
    let _ = session.read_to_string(&mut text);
    assert!(text.contains("LAST PUSH"), "{text}");
    assert!(text.contains("never"), "{text}");
}
