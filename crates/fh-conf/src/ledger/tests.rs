//! Tests of the ledger on files that people have. Random logins are in tests/ledger.

use std::path::{Path, PathBuf};

use super::{Ledger, Standing, TakenBack};
use crate::json::JsonText;
use crate::netrc::{Change, Netrc};
use crate::nix_conf::{NixConf, SetIfUnset};

const PATH: &str = "/home/me/.config/nix/netrc";

/// A netrc with its ledger.
struct Machine {
    ledger: Ledger,
    netrc: Netrc,
}

impl Machine {
    fn new(text: &str) -> Self {
        Self {
            ledger: Ledger::default(),
            netrc: Netrc::parse(text.as_bytes()).unwrap(),
        }
    }

    fn login(&mut self, owner: &str, token: &str) -> Change {
        let change = self
            .ledger
            .set_netrc_entry(
                Path::new(PATH),
                owner,
                &mut self.netrc,
                "x.org",
                "fh",
                token,
            )
            .unwrap();
        // It has to outlive the process.
        let text = serde_json::to_string(&self.ledger).unwrap();
        self.ledger = serde_json::from_str(&text).unwrap();
        change
    }

    #[track_caller]
    fn logout(&mut self, owner: &str, expected: &TakenBack, text: &str) {
        let taken = self
            .ledger
            .take_back_netrc(Path::new(PATH), owner, &mut self.netrc)
            .unwrap();
        assert_eq!(taken, [("x.org".to_owned(), expected.clone())]);
        assert_eq!(self.text(), text);
        assert!(self.ledger.files_of(owner).is_empty());
        assert!(
            self.ledger
                .take_back_netrc(Path::new(PATH), owner, &mut self.netrc)
                .unwrap()
                .is_empty()
        );
    }

    fn standing(&self) -> Standing {
        self.ledger
            .netrc_standing(Path::new(PATH), &self.netrc, "X.org")
    }

    fn edit(&mut self, from: &str, to: &str) {
        self.netrc = Netrc::parse(self.text().replace(from, to).as_bytes()).unwrap();
    }

    fn text(&self) -> String {
        String::from_utf8(self.netrc.to_bytes()).unwrap()
    }
}

#[test]
fn a_replaced_entry_is_given_back() {
    for before in [
        "machine x.org login me password \"my own\"\n",
        "machine X.ORG\r\n\tpassword old # mine\r\n",
        "machine x.org",
        "machine a login b machine x.org login fh machine c",
        "machine x.org account z port 22 password p password q login \"fh\"\n",
    ] {
        let mut machine = Machine::new(before);
        assert_eq!(machine.standing(), Standing::Foreign);
        assert_eq!(machine.login("one", "token-1"), Change::Updated);
        assert_eq!(machine.standing(), Standing::Owned("one".to_owned()));
        // Again, with another token: what was there first is what comes back.
        assert_eq!(machine.login("one", "token-2"), Change::Updated);
        assert_eq!(machine.login("one", "token-2"), Change::Unchanged);
        machine.logout("one", &TakenBack::GivenBack, before);
        assert_eq!(
            machine
                .ledger
                .file_to_remove(Path::new(PATH), before.as_bytes()),
            None
        );
        assert_eq!(machine.ledger, Ledger::default());
    }
}

#[test]
fn two_servers_of_one_host_hand_the_entry_to_each_other() {
    let mut machine = Machine::new("");
    let line = |token: &str| format!("machine x.org login fh password {token}\n");
    assert_eq!(machine.standing(), Standing::Free);
    machine.login("one", "token-1");
    machine.login("two", "token-2");
    assert_eq!(machine.standing(), Standing::Owned("two".to_owned()));
    machine.logout(
        "two",
        &TakenBack::HandedTo("one".to_owned()),
        &line("token-1"),
    );
    machine.login("two", "token-3");
    machine.login("one", "token-4");
    machine.login("three", "token-5");
    machine.logout("one", &TakenBack::NotInUse, &line("token-5"));
    machine.logout(
        "three",
        &TakenBack::HandedTo("two".to_owned()),
        &line("token-3"),
    );
    machine.logout("two", &TakenBack::Removed, "");
}

/// A renewed token goes where the former one is: into the entry, into what is kept for a server whose entry another
/// one has, and nowhere else.
#[test]
fn a_renewed_token_follows_the_former() {
    let line = |token: &str| format!("machine x.org login fh password {token}\n");
    let renew = |machine: &mut Machine, owner: &str, former: &str, token: &str| -> Vec<String> {
        machine
            .ledger
            .renew_netrc(Path::new(PATH), owner, &mut machine.netrc, former, token)
            .unwrap()
    };
    let host = || vec!["x.org".to_owned()];
    for (what, owner, former, changed, text) in [
        ("its own", "two", "token-2", host(), line("new")),
        ("beneath another", "one", "token-1", vec![], line("token-2")),
        (
            "of an earlier login",
            "two",
            "token-0",
            vec![],
            line("token-2"),
        ),
        ("of nobody", "three", "token-2", vec![], line("token-2")),
    ] {
        let mut machine = Machine::new("");
        machine.login("one", "token-1");
        machine.login("two", "token-2");
        assert_eq!(renew(&mut machine, owner, former, "new"), changed, "{what}");
        assert_eq!(machine.text(), text, "{what}");
        let kept = if owner == "one" { "new" } else { "token-1" };
        machine.logout("two", &TakenBack::HandedTo("one".to_owned()), &line(kept));
        machine.logout("one", &TakenBack::Removed, "");
    }
    let mut machine = Machine::new("");
    machine.login("one", "token-1");
    machine.edit("token-1", "theirs");
    assert!(renew(&mut machine, "one", "token-1", "new").is_empty());
    assert_eq!(machine.text(), line("theirs"));
}

#[test]
fn what_somebody_else_has_changed_stays() {
    let mut machine = Machine::new("");
    machine.login("one", "token-1");
    machine.edit("token-1", "theirs");
    assert_eq!(machine.standing(), Standing::Foreign);
    machine.logout(
        "one",
        &TakenBack::Foreign,
        "machine x.org login fh password theirs\n",
    );

    let mut machine = Machine::new("");
    machine.login("one", "token-1");
    machine.edit("token-1", "theirs");
    // A new login replaces it, and gives it back.
    machine.login("one", "token-2");
    machine.logout(
        "one",
        &TakenBack::GivenBack,
        "machine x.org login fh password theirs\n",
    );

    let mut machine = Machine::new("");
    machine.login("one", "token-1");
    machine.edit("machine x.org login fh password token-1\n", "");
    machine.logout("one", &TakenBack::Gone, "");

    // Changes around the values stay with the entry that is given back.
    let mut machine = Machine::new("machine x.org login me password \"my own\"\n");
    machine.login("one", "token-1");
    machine.edit("login fh", "# theirs\n  account a login fh");
    machine.logout(
        "one",
        &TakenBack::GivenBack,
        "machine x.org # theirs\n  account a login me password \"my own\"\n",
    );
}

#[test]
fn an_entry_that_was_right_already_is_not_ours() {
    let before = "machine x.org login fh password token\n";
    let mut machine = Machine::new(before);
    assert_eq!(machine.login("one", "token"), Change::Unchanged);
    assert_eq!(machine.ledger, Ledger::default());
    // An entry behind `default` is out of reach, and stays where it is.
    let before = "default login a password b\nmachine x.org login c password d\n";
    let mut machine = Machine::new(before);
    assert_eq!(machine.login("one", "token"), Change::Added);
    machine.logout("one", &TakenBack::Removed, before);
}

#[test]
fn settings_go_with_their_last_owner() {
    let path = Path::new("/etc/nix/nix.conf");
    let before = "extra-substituters = https://a https://own\n# end";
    let mut conf = NixConf::parse(before.as_bytes(), path, &mut |_| Ok(None)).unwrap();
    let mut ledger = Ledger::default();
    let list = "extra-substituters";
    for owner in ["one", "two"] {
        let set = ledger
            .set_if_unset(path, owner, &mut conf, "netrc-file", "/n")
            .unwrap();
        assert_eq!(set == SetIfUnset::Set, owner == "one");
        ledger
            .add_to_list(path, owner, &mut conf, list, &["https://own/", "https://x"])
            .unwrap();
    }
    ledger
        .add_to_list(
            path,
            "one",
            &mut conf,
            "extra-trusted-public-keys",
            &["k:1", "k:2"],
        )
        .unwrap();
    assert_eq!(
        ledger
            .remove_public_keys(path, &mut conf, &["k:1"])
            .unwrap(),
        ["k:1"]
    );
    assert_eq!(
        ledger.take_back_nix_conf(path, "one", &mut conf).unwrap(),
        ["extra-trusted-public-keys"]
    );
    assert_eq!(
        String::from_utf8_lossy(conf.as_bytes()),
        "extra-substituters = https://a https://own https://x\n# end\nnetrc-file = /n"
    );
    assert_eq!(ledger.owners().into_iter().collect::<Vec<_>>(), ["two"]);
    assert_eq!(
        ledger.take_back_nix_conf(path, "two", &mut conf).unwrap(),
        ["netrc-file", "extra-substituters"]
    );
    assert_eq!(conf.as_bytes(), before.as_bytes());
    assert_eq!(ledger.file_to_remove(path, conf.as_bytes()), None);
    assert_eq!(ledger, Ledger::default());
}

#[test]
fn a_later_login_replaces_the_lines_of_the_former_in_their_order() {
    let path = Path::new("/etc/nix/nix.conf");
    let before = "extra-substituters = https://mine\nmax-jobs = 4";
    let mut conf = NixConf::parse(before.as_bytes(), path, &mut |_| Ok(None)).unwrap();
    let mut ledger = Ledger::default();
    let list = "extra-substituters";
    let text = |conf: &NixConf| conf.effective_list(list).join(" ");
    let set = |ledger: &mut Ledger, conf: &mut NixConf, owner: &str, values: &[&str]| {
        let change = ledger.set_list(path, owner, conf, list, values).unwrap();
        (change.added.join(" "), change.removed.join(" "))
    };
    let words = |added: &str, removed: &str| (added.to_owned(), removed.to_owned());

    let (a, b, c) = (
        "https://x/cache/a",
        "https://x/cache/b",
        "https://x/cache/c",
    );
    let added = set(&mut ledger, &mut conf, "one", &[a, c]);
    assert_eq!(added, words(&format!("{a} {c}"), ""));
    // What comes behind is only added; what comes between is not.
    assert_eq!(set(&mut ledger, &mut conf, "one", &[a, c]), words("", ""));
    assert_eq!(set(&mut ledger, &mut conf, "one", &[a, c, b]), words(b, ""));
    set(&mut ledger, &mut conf, "one", &[a, b, c]);
    assert_eq!(text(&conf), format!("https://mine {a} {b} {c}"));
    // Another owner's part stays, and so does what the person wrote.
    set(&mut ledger, &mut conf, "two", &[b]);
    let narrowed = set(&mut ledger, &mut conf, "one", &["https://mine", c]);
    assert_eq!(narrowed, words("", a));
    assert_eq!(text(&conf), format!("https://mine {b} {c}"));
    assert_eq!(set(&mut ledger, &mut conf, "two", &[]), words("", b));
    // What two owners share stays where it is, whatever the order that the later one asks for.
    set(&mut ledger, &mut conf, "two", &[b, a]);
    assert_eq!(
        set(&mut ledger, &mut conf, "one", &[a, c, b]),
        words("", "")
    );
    assert_eq!(
        set(&mut ledger, &mut conf, "one", &[a, c, b]),
        words("", "")
    );
    assert_eq!(text(&conf), format!("https://mine {c} {b} {a}"));
    assert_eq!(set(&mut ledger, &mut conf, "two", &[]), words("", ""));
    ledger.take_back_nix_conf(path, "one", &mut conf).unwrap();
    assert_eq!(conf.as_bytes(), before.as_bytes());
    assert_eq!(ledger.owners().len(), 0);
}

#[test]
fn a_text_in_a_json_file_goes_with_its_last_owner() {
    let path = Path::new("/etc/determinate/config.json");
    let keys = ["authentication", "additionalNetrcSources"];
    for (before, is_ours) in [
        ("", true),
        ("{\"builder\": {\"state\": \"enabled\"}}\n", true),
        // The person's own stays.
        (
            "{\"authentication\": {\"additionalNetrcSources\": [\"/x\"]}}",
            false,
        ),
    ] {
        let mut json = match before {
            "" => JsonText::default(),
            text => JsonText::parse(text.as_bytes()).unwrap(),
        };
        let mut ledger = Ledger::default();
        if before.is_empty() {
            ledger.will_create(path, &[]);
        }
        for owner in ["one", "two", "one"] {
            ledger
                .add_to_json(path, owner, &mut json, &keys, "/x")
                .unwrap();
        }
        assert_eq!(ledger.is_json(path), is_ours, "{before}");
        assert!(!ledger.is_netrc(path));
        // It survives being stored.
        let stored = serde_json::to_string(&ledger).unwrap();
        assert_eq!(serde_json::from_str::<Ledger>(&stored).unwrap(), ledger);

        ledger.take_back_json(path, "one", &mut json).unwrap();
        assert!(json.list_holds(&keys, "/x").unwrap());
        assert_eq!(ledger.file_to_remove(path, &json.to_bytes()), None);
        ledger.take_back_json(path, "two", &mut json).unwrap();
        assert_eq!(json.to_bytes(), before.as_bytes());
        let goes = ledger.file_to_remove(path, &json.to_bytes());
        assert_eq!(goes.is_some(), before.is_empty(), "{before}");
        assert_eq!(ledger.owners().len(), 0);
    }
}

#[test]
fn a_file_that_was_made_goes_when_it_is_empty() {
    let directories = ["/home/me/.config", "/home/me/.config/nix"].map(PathBuf::from);
    let mut ledger = Ledger::default();
    let paths = [PATH, "/home/me/.config/nix/other"].map(Path::new);
    let mut netrcs = [(); 2].map(|()| Netrc::parse(b"").unwrap());
    for (path, netrc) in paths.iter().zip(&mut netrcs) {
        if ledger.owners().is_empty() {
            ledger.will_create(path, &directories);
        } else {
            ledger.will_create(path, &[]);
        }
        for owner in ["one", "two"] {
            ledger
                .set_netrc_entry(path, owner, netrc, &format!("{owner}.org"), "fh", "t")
                .unwrap();
        }
    }
    ledger
        .take_back_netrc(paths[0], "one", &mut netrcs[0])
        .unwrap();
    assert_eq!(ledger.file_to_remove(paths[0], netrcs[0].as_bytes()), None);
    ledger
        .take_back_netrc(paths[0], "two", &mut netrcs[0])
        .unwrap();
    assert_eq!(netrcs[0].as_bytes(), b"");
    assert_eq!(
        ledger.file_to_remove(paths[0], b"").as_deref(),
        Some(&directories[..])
    );
    // The directories that could not go yet go with the other file.
    for owner in ["two", "one"] {
        ledger
            .take_back_netrc(paths[1], owner, &mut netrcs[1])
            .unwrap();
    }
    assert_eq!(
        ledger.file_to_remove(paths[1], b"").as_deref(),
        Some(&directories[..])
    );
    // What somebody has written into it since keeps it.
    ledger.will_create(paths[0], &[]);
    let mut netrc = Netrc::parse(b"").unwrap();
    ledger
        .set_netrc_entry(paths[0], "one", &mut netrc, "x.org", "fh", "t")
        .unwrap();
    ledger.take_back_netrc(paths[0], "one", &mut netrc).unwrap();
    assert_eq!(ledger.file_to_remove(paths[0], b"# mine"), None);
    assert_eq!(ledger, Ledger::default());
}

#[test]
fn secrets_are_kept_but_not_shown() {
    let mut machine = Machine::new("machine x.org login me password verysecret\n");
    machine.login("one", "token-1");
    machine.login("two", "token-2");
    let shown = format!("{:?}", machine.ledger);
    assert!(
        !shown.contains("verysecret") && !shown.contains("token-"),
        "{shown}"
    );
    for bad in [
        r#"{"files":[{"path":"/n","hosts":[{"host":"x","before":"not base64","holders":[]}]}]}"#,
        r#"{"files":[],"of_a_later_version":1}"#,
    ] {
        let error = serde_json::from_str::<Ledger>(bad).unwrap_err().to_string();
        assert!(!error.contains("not base64\""), "{error}");
    }
}

#[test]
fn permission_bits_come_back_with_the_last_owner_if_they_are_still_ours() {
    let path = Path::new(PATH);
    // What the file had, what somebody made of it after the login, and what a logout gives back.
    for (before, now, given_back) in [
        (0o640, 0o600, Some(0o640)),
        (0o644, 0o600, Some(0o644)),
        (0o660, 0o600, Some(0o660)),
        (0o640, 0o400, None),
        (0o640, 0o640, None),
    ] {
        let mut machine = Machine::new("machine a.org login me password x\n");
        machine.login("one", "token-1");
        machine.ledger.will_set_mode(path, "one", before, 0o600);
        // The second login finds the file as the first has left it.
        machine.login("two", "token-2");
        let text = serde_json::to_string(&machine.ledger).unwrap();
        let mut ledger: Ledger = serde_json::from_str(&text).unwrap();
        assert!(ledger.is_netrc(path));
        for (owner, expected) in [("one", None), ("two", given_back)] {
            ledger
                .take_back_netrc(path, owner, &mut machine.netrc)
                .unwrap();
            let mode = ledger.take_back_mode(path, owner, now);
            assert_eq!(mode, expected, "{before:o} {now:o} {owner}");
            ledger.file_to_remove(path, machine.netrc.as_bytes());
        }
        assert_eq!(ledger, Ledger::default());
    }
}

#[test]
fn permission_bits_that_somebody_has_changed_between_logins_are_what_comes_back() {
    let path = Path::new(PATH);
    for (second, given_back) in [(None, 0o640), (Some(0o604), 0o604), (Some(0o600), 0o640)] {
        let mut ledger = Ledger::default();
        ledger.will_set_mode(path, "one", 0o640, 0o600);
        if let Some(mode) = second {
            ledger.will_set_mode(path, "one", mode, 0o600);
        }
        assert_eq!(ledger.files_of("one"), [path]);
        assert_eq!(ledger.take_back_mode(path, "one", 0o600), Some(given_back));
        assert_eq!(ledger.file_to_remove(path, b"x"), None);
        assert_eq!(ledger, Ledger::default());
    }
}

#[test]
fn a_ledger_of_before_modes_were_noted_is_understood() {
    let text = r#"{"files":[{"path":"/n","hosts":[{"host":"x","holders":[
        {"owner":"one","login":"fh","token":"t"}]}]}]}"#;
    let mut ledger: Ledger = serde_json::from_str(text).unwrap();
    assert_eq!(ledger.files_of("one"), [Path::new("/n")]);
    assert!(ledger.is_netrc(Path::new("/n")));
    let mode = ledger.take_back_mode(Path::new("/n"), "one", 0o600);
    assert_eq!(mode, None);
    let settings = r#"{"files":[{"path":"/c"}]}"#;
    let ledger: Ledger = serde_json::from_str(settings).unwrap();
    assert!(!ledger.is_netrc(Path::new("/c")));
}
