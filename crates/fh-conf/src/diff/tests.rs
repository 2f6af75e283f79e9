//! Tests of what is shown, and of what is not.

use std::path::Path;

use proptest::prelude::*;

use super::{FileKind, unified};
use crate::netrc::Netrc;

fn of(kind: FileKind, before: &str, after: &str) -> String {
    unified(
        Path::new("/f"),
        kind,
        Some(before.as_bytes()),
        Some(after.as_bytes()),
    )
}

#[test]
fn the_same_is_no_difference() {
    assert_eq!(of(FileKind::Plain, "a\n", "a\n"), "");
    assert_eq!(unified(Path::new("/f"), FileKind::Netrc, None, None), "");
}

#[test]
fn files_come_and_go() {
    let made = unified(Path::new("/f"), FileKind::Plain, None, Some(b"a\nb"));
    assert_eq!(
        made,
        "--- /dev/null\n+++ /f\n@@ -0,0 +1,2 @@\n+a\n+b\n\\ No newline at end of file\n"
    );
    let gone = unified(
        Path::new("/f"),
        FileKind::Secret,
        Some(b"fh1_secret\n"),
        None,
    );
    assert_eq!(gone, "--- /f\n+++ /dev/null\n@@ -1 +0,0 @@\n-[hidden]\n");
}

#[test]
fn a_netrc_shows_hosts_and_logins_alone() {
    let before = "# my password is PRIVATE\nmachine a login me password PRIVATE account PRIVATE # PRIVATE\nmachine b\n\tpassword \"PRIVATE x\"\n\tport PRIVATE\nmacdef init\nPRIVATE\n\ndefault login anonymous password PRIVATE\n";
    let mut netrc = Netrc::parse(before.as_bytes()).unwrap();
    netrc.set("b", "fh", "fh1_PRIVATE").unwrap();
    netrc.set("c", "fh", "PRIVATE").unwrap();
    let after = String::from_utf8(netrc.to_bytes()).unwrap();
    assert_eq!(
        of(FileKind::Netrc, before, &after),
        "--- /f\n+++ /f\n@@ -1,9 +1,10 @@\n \
         [hidden]\n \
         machine a login me password [hidden] account [hidden]\n\
         -machine b\n\
         -\tpassword [hidden]\n\
         +machine b login fh\n\
         +\tpassword [hidden, new]\n \
         \t[hidden]\n \
         macdef init\n \
         [hidden]\n \
         \n\
         +machine c login fh password [hidden]\n \
         default login anonymous password [hidden]\n"
    );
    // Some services take the token for the login.
    let shown = of(
        FileKind::Netrc,
        "",
        "machine a login ghp_PRIVATE0123456 password x",
    );
    assert!(!shown.contains("PRIVATE"), "{shown}");
    // Not understood: nothing is shown.
    let shown = of(
        FileKind::Netrc,
        "machine a password \"PRIVATE\n",
        "PRIVATE\n",
    );
    assert!(
        !shown.contains("PRIVATE") && shown.contains("-[hidden]\n+[hidden"),
        "{shown}"
    );
}

#[test]
fn nix_conf_hides_tokens_and_passwords_in_addresses() {
    let before = "cores = 3\nextra-access-tokens = github.com=PRIVATE gitlab.com=PRIVATE # PRIVATE token\n# access-tokens = github.com=PRIVATE\nsubstituters = https://me:PRIVATE@a.org https://b.org # https://x:PRIVATE@c.org\naccess-tokens PRIVATE";
    let after = before.replace("cores = 3", "cores = 4 # mine");
    assert_eq!(
        of(FileKind::NixConf, before, &after),
        "--- /f\n+++ /f\n@@ -1,4 +1,4 @@\n\
         -cores = 3\n\
         +cores = 4 # mine\n \
         extra-access-tokens = [hidden] # [hidden]\n \
         # [hidden]\n \
         substituters = https://[hidden]@a.org https://b.org # https://[hidden]@c.org\n"
    );
    let shown = of(FileKind::NixConf, before, "");
    assert!(!shown.contains("PRIVATE"), "{shown}");
}

#[test]
fn a_file_cannot_drive_the_terminal() {
    let shown = of(
        FileKind::NixConf,
        "",
        "cores = 3 \u{1b}[2J\u{7}\u{202e} \t#\r\n",
    );
    assert_eq!(
        shown,
        "--- /f\n+++ /f\n@@ -0,0 +1 @@\n+cores = 3 \\u{1b}[2J\\u{7}\\u{202e} \t#\n"
    );
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_bytes_make_it_panic(
        before in prop::collection::vec(prop::sample::select(b"a#\"= \n\r:/@\xff\x1bmachine password".to_vec()), 0..60),
        after in prop::collection::vec(any::<u8>(), 0..60),
    ) {
        for kind in [FileKind::Netrc, FileKind::NixConf, FileKind::Secret, FileKind::Plain] {
            let shown = unified(Path::new("/f"), kind, Some(&before), Some(&after));
            prop_assert_eq!(shown.is_empty(), before == after);
            prop_assert!(shown.chars().all(|letter| !letter.is_control() || "\n\t".contains(letter)));
        }
    }
}
