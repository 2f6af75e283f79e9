//! What failures look like.

use std::io;
use std::path::Path;

use fh_api::{ErrorBody, ErrorCode};
use fh_client::Error as ClientError;
use fh_client::UnreachableCause;

use super::*;
use crate::text::{CYAN, RED};

fn api(code: u16, error: ErrorCode, message: &str) -> CommandError {
    CommandError::from(ClientError::Api {
        url: "https://x.org/api/v1/flakes".to_owned(),
        status: code,
        body: Box::new(ErrorBody {
            code,
            error,
            message: message.to_owned(),
            request_id: Some("42".to_owned()),
        }),
    })
}

#[test]
fn an_error_says_what_why_and_what_next() {
    let error = CommandError::from(ClientError::Unreachable {
        url: "https://x.org".to_owned(),
        cause: UnreachableCause::Refused,
    })
    .context("cannot list the flakes");
    insta::assert_snapshot!(error.to_text(), @r"
    Error: cannot list the flakes
    Caused by: cannot reach https://x.org: the connection was refused
    Hint: Check the address and the port, and that the server runs (`fh serve`).
    ");
}

#[test]
fn a_request_id_is_shown_where_the_log_has_more() {
    let error = api(500, ErrorCode::Internal, "the server failed");
    insta::assert_snapshot!(error.to_text(), @r"
    Error: the server failed
    Hint: Try again later.
    Hint: The server's log has more under the request id 42.
    ");
    let error = api(
        403,
        ErrorCode::Forbidden,
        "this needs the role admin on acme/app",
    );
    insta::assert_snapshot!(error.to_text(), @r"
    Error: this needs the role admin on acme/app
    Hint: `fh status` shows what your token may do.
    ");
}

#[test]
fn colours_are_an_addition_only() {
    let error = CommandError::failed("it\nbroke").hint("Mend it.");
    let colored = error.render(true);
    assert_eq!(
        colored
            .replace(RED, "")
            .replace(CYAN, "")
            .replace("\x1b[0m", ""),
        error.to_text()
    );
    insta::assert_snapshot!(error.to_text(), @r"
    Error: it
      broke
    Hint: Mend it.
    ");
}

#[test]
fn a_cause_that_was_said_already_is_not_repeated() {
    let inner = io::Error::other("no space");
    let error = CommandError::new(
        Status::Failed,
        anyhow::Error::new(inner).context("cannot write x: no space"),
    );
    assert_eq!(error.to_text(), "Error: cannot write x: no space\n");
}

#[test]
fn text_of_others_cannot_play_on_the_terminal() {
    let error = api(400, ErrorCode::BadRequest, "\x1b]0;owned\x07\x1b[2Jbad");
    assert!(!error.to_text().contains('\x1b'));
    let error = CommandError::file("read", Path::new("a\x1b[2Jb"), io::Error::other("x"));
    assert!(!error.to_text().contains('\x1b'));
}

#[test]
fn exit_codes_are_as_documented() {
    for (status, code) in [
        (Status::Quiet, 0),
        (Status::Information, 0),
        (Status::Failed, 1),
        (Status::Usage, 2),
        (Status::LoggedOut, 3),
        (Status::CannotTell, 4),
        (Status::Interrupted, 130),
        (Status::Terminated, 143),
        (Status::HungUp, 129),
    ] {
        assert_eq!(status.code(), code);
    }
    let gone = CommandError::output(io::ErrorKind::BrokenPipe.into());
    assert_eq!(gone.status(), Status::Quiet);
    let full = CommandError::output(io::ErrorKind::StorageFull.into());
    assert_eq!(full.status(), Status::Failed);
}

#[test]
fn where_a_proxy_limits_bodies_the_settings_of_both_ends_are_named() {
    let error = CommandError::from(ClientError::TooLargeForProxy {
        url: "https://x.org/api/v1".to_owned(),
        excerpt: String::new(),
    });
    let said = error.to_text();
    assert!(said.contains("`client_max_body_size`"), "{said}");
    // As they are called, and what they are where nobody sets them.
    let documented = include_str!("../../docs/fh-server.toml");
    for (name, default) in [("max-body-size", "30 MiB"), ("max-plan-size", "30 MiB")] {
        assert!(said.contains(&format!("`{name}`")), "{said}");
        assert!(said.contains(default), "{said}");
        let written = default.replace(' ', "");
        let line = format!("{name} = \"{written}");
        assert!(documented.contains(&line), "{line}");
    }
}

#[test]
fn a_proposed_command_takes_a_path_as_one_word() {
    for (path, command) in [
        ("/h/t", "`chmod 600 /h/t`"),
        ("/a b/t; touch PWN", "`chmod 600 '/a b/t; touch PWN'`"),
        ("-R", "`chmod 600 ./-R`"),
    ] {
        let error = CommandError::from(ClientError::InsecureTokenFile {
            path: path.into(),
            mode: 0o644,
        });
        let hint = format!("Protect it: {command}");
        assert_eq!(error.hints(), [hint]);
    }
}
