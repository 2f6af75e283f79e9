//! Tests of the netrc editor: files as people and tools write them, and what is refused. Random
//! ones are in tests/netrc.

use super::{Change, Netrc, check, second_reader};
use crate::Error;

fn parse(text: &str) -> Netrc {
    Netrc::parse(text.as_bytes()).expect("a netrc that is understood")
}

fn text(netrc: &Netrc) -> String {
    String::from_utf8_lossy(netrc.as_bytes()).into_owned()
}

/// Sets the entry of `new.example` and compares the whole text.
#[track_caller]
fn assert_set(before: &str, after: &str, change: Change) {
    let mut netrc = parse(before);
    assert_eq!(
        netrc.set("new.example", "fh", "secret").expect("set"),
        change
    );
    assert_eq!(text(&netrc), after);
    assert!(
        netrc
            .get("new.example")
            .expect("an entry")
            .is("fh", "secret")
    );
    assert_eq!(
        netrc.set("new.example", "fh", "secret").expect("again"),
        Change::Unchanged
    );
    assert_eq!(text(&netrc), after);
    if change == Change::Added {
        assert!(netrc.put_back("new.example", None).expect("put back"));
        assert_eq!(text(&netrc), before, "taken back");
    }
}

#[track_caller]
fn assert_added(before: &str, after: &str) {
    assert_set(before, after, Change::Added);
}

#[track_caller]
fn assert_updated(before: &str, after: &str) {
    assert_set(before, after, Change::Updated);
}

#[track_caller]
fn assert_refused(before: &[u8], at: (usize, usize), expected: &str) {
    match Netrc::parse(before) {
        Err(Error::Syntax {
            format,
            line,
            column,
            reason,
        }) => {
            assert_eq!((format, (line, column)), ("netrc", at));
            assert_eq!(reason, expected);
        }
        other => panic!("not refused: {other:?}"),
    }
}

#[test]
fn a_new_host_goes_to_the_end() {
    let entry = "machine new.example login fh password secret";
    assert_added("", &format!("{entry}\n"));
    assert_added(
        "machine a login b password c\n",
        &format!("machine a login b password c\n{entry}\n"),
    );
    assert_added(
        "machine a login b password c",
        &format!("machine a login b password c\n{entry}"),
    );
    assert_added(
        "# only a remark\n\n\n",
        &format!("# only a remark\n\n\n{entry}\n"),
    );
    assert_added("# only a remark", &format!("# only a remark\n{entry}"));
    assert_added("   ", &format!("   \n{entry}"));
    assert_added("\n", &format!("\n{entry}\n"));
    assert_added(
        "machine a\n\tlogin b\n\tpassword c\n\n",
        &format!("machine a\n\tlogin b\n\tpassword c\n\n{entry}\n"),
    );
}

/// For it, some curl takes something else for the value.
#[test]
fn an_entry_that_some_reader_misreads_gets_another_above_it() {
    let entry = "machine new.example login fh password secret";
    for before in [
        "machine new.example login\r\nold password old\n",
        "machine new.example login old password\n\n old\n",
        "machine new.example login old #a password b\n",
    ] {
        let mut netrc = parse(&format!("machine a login b\n{before}"));
        assert!(!netrc.is_in_reach("new.example"));
        assert_eq!(
            netrc.set("new.example", "fh", "secret").unwrap(),
            Change::Added
        );
        let end = if before.contains('\r') { "\r\n" } else { "\n" };
        assert_eq!(
            text(&netrc),
            format!("machine a login b\n{entry}{end}{before}")
        );
        assert!(netrc.is_in_reach("new.example"));
        assert!(netrc.put_back("new.example", None).unwrap());
        assert_eq!(text(&netrc), format!("machine a login b\n{before}"));
    }
}

#[test]
fn the_line_ends_of_the_file_are_kept() {
    let entry = "machine new.example login fh password secret";
    assert_added(
        "machine a login b password c\r\n",
        &format!("machine a login b password c\r\n{entry}\r\n"),
    );
    assert_added(
        "# x\r\nmachine a login b password c",
        &format!("# x\r\nmachine a login b password c\r\n{entry}"),
    );
    assert_added(
        "machine a login b\r\n password c\r\ndefault login x\r\n",
        &format!("machine a login b\r\n password c\r\n{entry}\r\ndefault login x\r\n"),
    );
    assert_added(
        "# ends with a lone CR\r",
        &format!("# ends with a lone CR\r\n{entry}"),
    );
}

#[test]
fn a_new_host_goes_before_what_hides_the_rest() {
    let entry = "machine new.example login fh password secret";
    assert_added(
        "machine a login b password c\ndefault login x password y\n",
        &format!("machine a login b password c\n{entry}\ndefault login x password y\n"),
    );
    assert_added(
        "machine a login b password c default login x password y\n",
        &format!("machine a login b password c {entry} default login x password y\n"),
    );
    assert_added("  default login x", &format!("{entry}\n  default login x"));
    // The remark above it belongs to it; one at the top is about the file.
    assert_added(
        "machine a login b\n# all others\n  # really\ndefault login x\n",
        &format!("machine a login b\n{entry}\n# all others\n  # really\ndefault login x\n"),
    );
    assert_added(
        "# my netrc\ndefault login x\n",
        &format!("# my netrc\n{entry}\ndefault login x\n"),
    );
    // An entry of the host behind it is never reached, and stays.
    let mut netrc =
        parse("default login x password y\nmachine new.example login old password old\n");
    assert_eq!(
        netrc.set("new.example", "fh", "secret").unwrap(),
        Change::Added
    );
    assert_eq!(
        text(&netrc),
        format!(
            "{entry}\ndefault login x password y\nmachine new.example login old password old\n"
        )
    );
    // A macro that runs to the end of the file would swallow a new line.
    assert_added(
        "machine a login b\nmacdef init\ncd /pub\n",
        &format!("{entry}\nmachine a login b\nmacdef init\ncd /pub\n"),
    );
    assert_added(
        "macdef init\ncd /pub",
        &format!("{entry}\nmacdef init\ncd /pub"),
    );
    assert_added(
        "machine a login b\nmacdef init\ncd /pub\n\n",
        &format!("machine a login b\nmacdef init\ncd /pub\n\n{entry}\n"),
    );
    assert_added(
        "machine a login b\r\nmacdef init\r\ncd /pub\r\n\r\n",
        // curl 8.11 and some later ones give up at the CR of an empty line.
        &format!("{entry}\r\nmachine a login b\r\nmacdef init\r\ncd /pub\r\n\r\n"),
    );
    assert_added(
        "machine a login b\r\nmachine c login d\r\n\r\nmachine e login f\r\n",
        &format!("machine a login b\r\n{entry}\r\nmachine c login d\r\n\r\nmachine e login f\r\n"),
    );
    assert_added("# top\r\n\r\n", &format!("# top\r\n{entry}\r\n\r\n"));
    assert_added(
        "machine a login b password c \r\n",
        &format!("{entry}\r\nmachine a login b password c \r\n"),
    );
    // A line of blanks ends a macro for curl 8.11.
    assert_added(
        "macdef init\ncd /pub\n \ndefault login x password y\n\n",
        &format!("{entry}\nmacdef init\ncd /pub\n \ndefault login x password y\n\n"),
    );
    // Values that curl takes for keywords when it looks for another host.
    assert_added(
        "machine a login default password c\n",
        &format!("{entry}\nmachine a login default password c\n"),
    );
    assert_added(
        "machine a login b password \"machine\"\n",
        &format!("{entry}\nmachine a login b password \"machine\"\n"),
    );
    assert_added(
        "machine z login b password c\nmachine a login b password c # this machine\n",
        &format!(
            "machine z login b password c\n{entry}\nmachine a login b password c # this machine\n"
        ),
    );
}

#[test]
fn only_the_values_of_the_entry_change() {
    assert_updated(
        "machine new.example login old password old\n",
        "machine new.example login fh password secret\n",
    );
    assert_updated(
        "machine NEW.Example\tlogin\told  password\told # mine\r\n",
        "machine NEW.Example\tlogin\tfh  password\tsecret # mine\r\n",
    );
    assert_updated(
        "# a\nmachine\n  new.example\n  # the token\n  password old\n  account z\n  login \"o\\\"l d\"\nmachine b login c password d",
        "# a\nmachine\n  new.example\n  # the token\n  password secret\n  account z\n  login fh\nmachine b login c password d",
    );
    assert_updated(
        "machine a login b password c machine new.example login fh password old machine d login e password f",
        "machine a login b password c machine new.example login fh password secret machine d login e password f",
    );
    // The right value in quotes is right.
    let quoted = "machine new.example login \"fh\" password \"sec\\ret\"\n";
    assert!(
        parse(quoted)
            .get("new.example")
            .unwrap()
            .password()
            .is_some_and(|password| password == b"sec\ret")
    );
    assert_set(
        "machine \"new.example\" login \"fh\" password \"\\secret\"\n",
        "machine \"new.example\" login \"fh\" password \"\\secret\"\n",
        Change::Unchanged,
    );
    // The first entry is the one that counts.
    assert_updated(
        "machine new.example login a password b\nmachine new.example login c password d\n",
        "machine new.example login fh password secret\nmachine new.example login c password d\n",
    );
    // Its own remark or value hides what follows, not itself.
    assert_updated(
        "machine new.example login default password c # default\n",
        "machine new.example login fh password secret # default\n",
    );
    assert_updated(
        "machine new.example login a password b\nmacdef init\nmachine new.example login x password y\n",
        "machine new.example login fh password secret\nmacdef init\nmachine new.example login x password y\n",
    );
    // Words of other programs stay.
    assert_updated(
        "machine new.example port 993 login a password b\n",
        "machine new.example port 993 login fh password secret\n",
    );
}

#[test]
fn missing_values_are_added_to_the_entry() {
    assert_updated(
        "machine new.example\n",
        "machine new.example login fh password secret\n",
    );
    assert_updated(
        "machine new.example # later\nmachine b",
        "machine new.example login fh password secret # later\nmachine b",
    );
    assert_updated(
        "machine new.example\n  login old\n",
        "machine new.example password secret\n  login fh\n",
    );
    assert_updated(
        "machine new.example password old",
        "machine new.example login fh password secret",
    );
    assert_updated(
        "machine new.example password secret login a login b\n",
        "machine new.example password secret login fh login fh\n",
    );
}

#[test]
fn removing_takes_the_entry_and_nothing_else() {
    let cases = [
        (
            "machine a login b\nmachine x login y password z\nmachine c login d\n",
            "machine a login b\nmachine c login d\n",
        ),
        (
            "machine x login y password z\nmachine c login d",
            "machine c login d",
        ),
        (
            "machine a login b\nmachine x login y password z",
            "machine a login b",
        ),
        (
            "machine a login b machine x login y password z machine c login d\n",
            "machine a login b machine c login d\n",
        ),
        (
            "machine a login b machine x login y password z  \r\nmachine c\r\n",
            "machine a login b\r\nmachine c\r\n",
        ),
        (
            "machine a login b machine x login y password z",
            "machine a login b",
        ),
        ("  machine x login y password z # mine\n", "  # mine\n"),
        (
            "# head\nmachine x\n  # why\n  login y\n\n  password z\n\n# next\nmachine b\n",
            "# head\n\n# next\nmachine b\n",
        ),
        (
            "machine x login y\nmacdef init\ncd /\n\nmachine b\n",
            "macdef init\ncd /\n\nmachine b\n",
        ),
        (
            "machine a machine x login y\r\nmacdef init\r\ncd /\r\n\r\nmachine b\r\n",
            "machine a\r\nmacdef init\r\ncd /\r\n\r\nmachine b\r\n",
        ),
        (
            "machine b\nmachine x login y\nmacdef init\ncd /",
            "machine b\nmacdef init\ncd /",
        ),
        (
            "machine x login a\nmachine b login c\nmachine X login d\ndefault login e\nmachine x password f\n",
            "machine b login c\ndefault login e\nmachine x password f\n",
        ),
        ("machine x", ""),
        ("machine x\n", ""),
        ("\n\nmachine x\n\n", "\n\n\n"),
    ];
    for (before, after) in cases {
        let mut netrc = parse(before);
        assert!(netrc.put_back("x", None).unwrap());
        while netrc.put_back("x", None).unwrap() {}
        assert_eq!(text(&netrc), after, "from {before:?}");
    }
}

#[test]
fn bytes_that_are_no_text_stay() {
    let before = b"# caf\xe9 \xff\xfe\nmachine b\xe9 login \xff password \xfe\nmachine x login a password b\n";
    let mut netrc = Netrc::parse(before).unwrap();
    netrc.set("x", "fh", "secret").unwrap();
    netrc.set("y", "fh", "secret").unwrap();
    let after = b"# caf\xe9 \xff\xfe\nmachine b\xe9 login \xff password \xfe\nmachine x login fh password secret\nmachine y login fh password secret\n";
    assert_eq!(netrc.as_bytes(), after);
    assert_eq!(netrc.hosts(), ["b\u{fffd}", "x", "y"]);
}

#[test]
fn what_readers_do_not_understand_is_refused_with_its_place() {
    assert_refused(
        b"machine a login b password \"c\nmachine d\n",
        (1, 28),
        "a quote that is not closed on its line",
    );
    assert_refused(
        b"machine a login b password \"c\\",
        (1, 28),
        "a quote that is not closed on its line",
    );
    assert_refused(
        b"machine a login b\n  password \"c\"d\n",
        (2, 15),
        "a word that continues after its closing quote",
    );
    assert_refused(b"{\"machine\": 1}\n", (1, 1), "not a netrc keyword");
    assert_refused(
        b"\xef\xbb\xbfmachine a login b\n",
        (1, 1),
        "not a netrc keyword",
    );
    assert_refused(
        b"machine a\n\nlogin b password\n",
        (3, 9),
        "password without a value",
    );
    assert_refused(
        b"machine a login\nmachine b login c\n",
        (1, 11),
        "login without a value",
    );
    assert_refused(
        b"machine a\r\nmachine # b\r\n\r\nmachine",
        (4, 1),
        "machine without a name",
    );
    assert_refused(b"login a password b\n", (1, 1), "login outside of an entry");
    assert_refused(
        b"machine a\nmacdef x\ny\n\npassword b\n",
        (5, 1),
        "password outside of an entry",
    );
    assert_refused(
        b"machine a\nmacdef \ncd\n\n",
        (2, 1),
        "macdef without a name",
    );
    assert_refused(b"machine a login b\0\n", (1, 18), "a NUL byte");
    assert_refused(b"\"machine\" a login b\n", (1, 1), "a keyword in quotes");
}

#[test]
fn a_value_may_begin_with_a_hash() {
    let netrc = parse("machine a login b password #c\nmachine # d\nlogin x\n# e\npassword # f\n");
    assert_eq!(netrc.get("a").unwrap().password(), Some(&b"#c"[..]));
    assert_eq!(netrc.hosts(), ["a", "#"]);
}

#[test]
fn values_that_netrc_cannot_carry_are_refused() {
    let reason = |host: &str, login: &str, password: &str| match check(host, login, password) {
        Err(Error::NetrcValue { what, reason }) => (what, reason),
        other => panic!("not refused: {other:?}"),
    };
    for bad in [
        "", "a b", "a\tb", "a\nb", "a\r", "a\0", "\u{7f}", "é", "a\"b", "a\\b", "#a", "default",
        "Machine", "MACDEF", "login", "a\u{b}",
    ] {
        assert_eq!(reason("h", bad, "p").0, "login", "{bad:?}");
        assert_eq!(reason("h", "l", bad).0, "password", "{bad:?}");
        assert_eq!(reason(bad, "l", "p").0, "host", "{bad:?}");
        let mut netrc = parse("machine h login a password b\n");
        assert!(netrc.set("h", "l", bad).is_err());
        assert_eq!(text(&netrc), "machine h login a password b\n");
    }
    for bad in [
        "h:80",
        "http://h",
        "h/x",
        "u@h",
        "[::1]",
        "h?x",
        "fe80::1%eth0",
    ] {
        assert_eq!(reason(bad, "l", "p").0, "host", "{bad:?}");
    }
    for good in [
        "h",
        "127.0.0.1",
        "::1",
        "fd00::2",
        "xn--bcher-kva.example",
        "a_b.example",
    ] {
        check(good, "o'brien@x", "fh1_eyJ.a-b_c=+/~!$&*()#:;,?").unwrap();
    }
}

#[test]
fn what_is_too_long_for_curl_is_refused() {
    let mut netrc = parse("");
    let fixed = "machine h login fh password ".len();
    let longest = "p".repeat(4094 - fixed);
    assert_eq!(netrc.set("h", "fh", &longest).unwrap(), Change::Added);
    let error = netrc.set("h", "fh", &format!("{longest}p")).unwrap_err();
    assert!(matches!(
        error,
        Error::NetrcValue {
            what: "password",
            ..
        }
    ));
    assert!(netrc.get("h").unwrap().is("fh", &longest));
    // The same value fits into a line of its own.
    let mut split = parse("machine h\nlogin a\npassword b\n");
    split.set("h", "fh", &format!("{longest}p")).unwrap();

    let large = format!(
        "machine a login b\n{}",
        "machine x login y password z\n".repeat(4520)
    );
    assert!(matches!(
        parse(&large).set("h", "fh", "p").unwrap_err(),
        Error::NetrcTooLarge { limit: 131_071, .. }
    ));
    // What is too large already is not made worse by a change, nor by a removal.
    let mut netrc = parse(&large.replace("machine a login b", "machine h login b password c"));
    netrc.set("h", "b", "d").unwrap();
    assert!(netrc.put_back("h", None).unwrap());
}

#[test]
fn secrets_are_not_shown() {
    let netrc = parse("machine a login b password verysecret\n");
    let shown = format!("{netrc:?} {:?}", netrc.get("a"));
    assert!(
        !shown.contains("verysecret") && shown.contains("[redacted]"),
        "{shown}"
    );
    let error = Netrc::parse(b"machine a login b password \"verysecret\n").unwrap_err();
    assert!(!format!("{error} {error:?}").contains("verysecret"));
    let error = check("h", "l", "very secret").unwrap_err();
    assert!(
        !format!("{error} {error:?}").contains("secret\""),
        "{error:?}"
    );
}

#[test]
fn the_entry_that_readers_use_is_found() {
    let netrc = parse(
        "machine a login b\nmachine A login c password d\nmachine e password f password g login h login i\ndefault login x\nmachine z login z\n",
    );
    let entry = netrc.get("A").unwrap();
    assert_eq!((entry.login(), entry.password()), (Some(&b"b"[..]), None));
    assert!(netrc.get("e").unwrap().is("h", "g"));
    assert_eq!(netrc.get("z"), None);
    assert_eq!(netrc.hosts(), ["a", "A", "e", "z"]);
}

#[test]
fn the_second_reader_agrees_on_plain_words_alone() {
    let both = (Some(b"me".as_slice()), Some(b"pass".as_slice()));
    for (entry, is_same) in [
        ("machine A.example login me password pass", true),
        (
            "machine a.example\n\tpassword pass\n\tlogin me account x",
            true,
        ),
        ("machine a.example login me password other", false),
        ("machine a.example login me", false),
        ("machine b.example login me password pass", false),
        ("machine a.example login \"me\" password pass", false),
        ("machine a.example login me # mine\npassword pass", false),
        ("machine a.example login x login me password pass", false),
        ("machine a.example port 22 login me password pass", false),
        ("machine a.example login me password pass machine b", false),
        ("default login me password pass", false),
    ] {
        assert_eq!(
            second_reader::agrees(entry.as_bytes(), "a.example", both),
            is_same,
            "{entry}"
        );
    }
    assert!(second_reader::agrees(
        b"machine a.example",
        "a.example",
        (None, None)
    ));
    let other = b"machine a.example login me password pass\xff";
    assert!(!second_reader::agrees(
        other,
        "a.example",
        (both.0, Some(b"pass\xff"))
    ));
}
