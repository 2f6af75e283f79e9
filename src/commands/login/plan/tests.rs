//! Plans over machines that exist as values alone.

use fh_client::ServerKind;

use super::*;
use crate::setup::Files;
use crate::setup::keeper::Determinate;
use crate::site::Line;

const CONF: &str = "/home/me/.config/nix/nix.conf";
const NETRC: &str = "/home/me/.config/nix/netrc";

fn machine(scope: Scope, daemon: Daemon, files: Files) -> Machine {
    Machine {
        scope,
        roots: vec!["/etc/nix/nix.conf".into(), CONF.into()],
        nix_conf: FileToEdit::Path {
            path: CONF.into(),
            included_by: None,
        },
        variable: None,
        default_netrc: NETRC.into(),
        system_netrc: "/etc/nix/netrc".into(),
        determinate: Determinate {
            netrc: "/nix/var/determinate/netrc".into(),
            config: "/etc/determinate/config.json".into(),
        },
        config_is_generated: false,
        config: "/home/me/.config/fh/config.toml".into(),
        ledger: "/home/me/.config/fh/ledger.json".into(),
        daemon,
        files,
    }
}

fn planned(machine: &Machine, token: &str) -> Result<Plan, CommandError> {
    planned_for(&site()?, None, machine, token)
}

fn site() -> Result<Site, CommandError> {
    let entry = ServerEntry::new("a.org".to_owned(), "https://a.org".parse()?, ServerKind::Fh);
    let mut site = Site::remembered(&entry);
    site.substituter = Some("https://a.org".parse()?);
    site.public_keys = vec!["k:new".to_owned()];
    site.retired_keys = vec!["k:old".to_owned()];
    Ok(site)
}

/// A site where each organisation has its own keys, of which these are read from.
fn organizations(names: &[&str]) -> Site {
    let mut site = site().unwrap();
    site.signing = fh_api::Signing::PerOrganization;
    let lines = names.iter().map(|name| Line {
        url: format!("https://a.org/cache/{name}").parse().unwrap(),
        organization: Some(name.parse().unwrap()),
        standing: Some(fh_api::Standing::Own),
        public_keys: [2, 3]
            .map(|number| format!("a.org/{name}-{number}:x"))
            .to_vec(),
    });
    site.read_from(lines.collect());
    site
}

fn planned_for(
    site: &Site,
    reading: Option<&Reading>,
    machine: &Machine,
    token: &str,
) -> Result<Plan, CommandError> {
    let token = SecretString::from(token);
    let wanted = Wanted {
        site,
        reading,
        user: Some("me"),
        token: &token,
        former: None,
        netrc: true,
        nix_conf: true,
        store: None,
        ca_file: None,
    };
    let keeping = keeping(&wanted, machine, |entry| {
        Path::new("/home/me/.config/fh/tokens").join(&entry.name)
    })?;
    plan(&wanted, machine, &keeping, None)
}

/// What a file of this kind will hold.
fn after(plan: &Plan, kind: &str) -> Option<String> {
    let change = plan
        .changes
        .files
        .iter()
        .find(|change| change.kind == kind)?;
    let text = change.after.clone()?;
    Some(String::from_utf8(text).unwrap())
}

#[test]
fn what_was_done_is_not_planned_again() {
    let empty = machine(Scope::User, Daemon::None, Files::default());
    let first = planned(&empty, "fh1_x").unwrap();
    assert!(!first.changes.is_nothing());
    let mut files = Files::default();
    for change in &first.changes.files {
        if let Some(after) = &change.after {
            let text = std::str::from_utf8(after).unwrap();
            files = files.with(change.path.to_str().unwrap(), text, 0o600);
        }
    }
    let second = planned(&machine(Scope::User, Daemon::None, files.clone()), "fh1_x").unwrap();
    assert!(second.changes.is_nothing(), "{:?}", second.changes);
    // Access for others alone is a reason to act.
    let netrc = after(&first, "netrc").unwrap();
    let open = files.with(NETRC, &netrc, 0o644);
    let third = planned(&machine(Scope::User, Daemon::None, open), "fh1_x").unwrap();
    assert!(!third.changes.is_nothing());
}

#[test]
fn keys_that_the_server_retired_come_out() {
    let conf = "extra-trusted-public-keys = k:old mine:x\n";
    let files = Files::default().with(CONF, conf, 0o644);
    let plan = planned(&machine(Scope::User, Daemon::None, files), "fh1_x").unwrap();
    let conf = after(&plan, "nix.conf").unwrap();
    assert!(
        conf.starts_with("extra-trusted-public-keys = mine:x k:new\n"),
        "{conf}"
    );
}

/// The files as a plan leaves them.
fn carried_out(plan: &Plan) -> Files {
    let mut files = Files::default();
    for change in &plan.changes.files {
        if let Some(after) = &change.after {
            let text = std::str::from_utf8(after).unwrap();
            files = files.with(change.path.to_str().unwrap(), text, 0o600);
        }
    }
    files
}

#[test]
fn a_later_login_replaces_the_lines_and_keys_of_the_former_and_no_others() {
    let mine = "extra-trusted-public-keys = a.org/beta-2:x a.org/acme-1:x\n";
    let files = Files::default().with(CONF, mine, 0o644);
    let before = machine(Scope::User, Daemon::None, files);
    let both = organizations(&["acme", "beta"]);
    let first = planned_for(&both, None, &before, "fh1_x").unwrap();
    let conf = after(&first, "nix.conf").unwrap();
    let substituters = "extra-substituters = https://a.org/cache/acme https://a.org/cache/beta\n";
    assert!(conf.contains(substituters), "{conf}");
    let now = machine(Scope::User, Daemon::None, carried_out(&first));
    assert!(
        planned_for(&both, None, &now, "fh1_x")
            .unwrap()
            .changes
            .is_nothing()
    );

    let chosen = Reading::Organizations(vec!["acme".parse().unwrap()]);
    let alone = organizations(&["acme"]);
    let second = planned_for(&alone, Some(&chosen), &now, "fh1_x").unwrap();
    let conf = after(&second, "nix.conf").unwrap();
    assert!(
        conf.contains("extra-substituters = https://a.org/cache/acme\n"),
        "{conf}"
    );
    // What stood there before a login stays, though it is a key of one that is not read any more.
    let keys =
        "extra-trusted-public-keys = a.org/beta-2:x a.org/acme-1:x a.org/acme-2:x a.org/acme-3:x\n";
    assert!(conf.contains(keys), "{conf}");
    let config = after(&second, "config").unwrap();
    assert!(config.contains("organizations = [\"acme\"]"), "{config}");
    assert!(
        config.contains("substituters = [\"https://a.org/cache/acme\"]"),
        "{config}"
    );

    // One that was remembered and has a successor was rotated, and goes whoever wrote it.
    let files = carried_out(&second).with(
        "/home/me/.config/fh/config.toml",
        &config.replace("a.org/acme-2:x", "a.org/acme-1:x"),
        0o600,
    );
    let now = machine(Scope::User, Daemon::None, files);
    let third = planned_for(&alone, None, &now, "fh1_x").unwrap();
    let conf = after(&third, "nix.conf").unwrap();
    assert!(
        !conf.contains("acme-1") && conf.contains("a.org/beta-2:x"),
        "{conf}"
    );

    let root = planned(&now, "fh1_x").unwrap();
    let conf = after(&root, "nix.conf").unwrap();
    assert!(
        conf.contains("extra-substituters = https://a.org\n"),
        "{conf}"
    );
}

#[test]
fn a_daemon_that_does_not_trust_gets_only_what_it_heeds() {
    let plan = planned(
        &machine(Scope::User, Daemon::Distrusting, Files::default()),
        "fh1_x",
    )
    .unwrap();
    assert!(plan.needs_administrator);
    assert_eq!(
        after(&plan, "nix.conf").unwrap(),
        format!("netrc-file = {NETRC}\n")
    );
    // The machine's own files are always heeded.
    let plan = planned(
        &machine(Scope::System, Daemon::Distrusting, Files::default()),
        "fh1_x",
    )
    .unwrap();
    assert!(!plan.needs_administrator);
    assert!(
        after(&plan, "nix.conf")
            .unwrap()
            .contains("extra-substituters = https://a.org")
    );
}

/// A machine where NIX_CONFIG is set.
fn machine_with(scope: Scope, daemon: Daemon, files: Files, variable: &str) -> Machine {
    let parsed = NixConf::parse_variable(variable.as_bytes(), &mut |_| Ok(None));
    Machine {
        variable: Some(parsed.unwrap()),
        ..machine(scope, daemon, files)
    }
}

#[test]
fn the_netrc_that_nix_config_names_gets_the_token() {
    let named = "netrc-file = /ci/netrc";
    for (scope, conf, variable, netrcs, names_default) in [
        (Scope::User, "", named, &["/ci/netrc"][..], false),
        (
            Scope::User,
            "netrc-file = /a/netrc\n",
            "cores = 1\nnetrc-file = /ci/netrc # c",
            &["/ci/netrc"],
            false,
        ),
        (
            Scope::User,
            "netrc-file = /a/netrc\n",
            "extra-substituters = https://b.org",
            &["/a/netrc"],
            false,
        ),
        (
            Scope::User,
            "",
            "access-tokens = github.com=x",
            &[NETRC],
            true,
        ),
        // The machine's serves the daemon and others, who do not have the variable.
        (Scope::System, "", named, &[NETRC, "/ci/netrc"], false),
        (
            Scope::System,
            "netrc-file = /ci/netrc\n",
            named,
            &["/ci/netrc"],
            false,
        ),
        (Scope::System, "", "cores = 1", &[NETRC], false),
    ] {
        let files = Files::default().with(CONF, conf, 0o644);
        let machine = machine_with(scope, Daemon::None, files, variable);
        let plan = planned(&machine, "fh1_x").unwrap();
        let changes = plan.changes.files.iter();
        let written = changes.filter(|change| change.kind == "netrc" && change.is_new());
        let written: Vec<&Path> = written.map(|change| change.path.as_path()).collect();
        let expected: Vec<&Path> = netrcs.iter().map(Path::new).collect();
        assert_eq!(written, expected, "{scope:?} {variable}");
        let conf = after(&plan, "nix.conf").unwrap();
        let line = format!("netrc-file = {NETRC}\n");
        assert_eq!(
            conf.contains(&line),
            names_default,
            "{scope:?} {variable}: {conf}"
        );
        // What the variable says may not be there the next time.
        assert!(
            conf.contains("extra-substituters = https://a.org\n"),
            "{conf}"
        );
        assert_eq!(plan.netrc_lines.len(), 1, "{:?}", plan.netrc_lines.len());
    }
}

#[test]
fn what_nix_config_replaces_is_refused_or_said() {
    let (substituters, keys) = ("substituters", "trusted-public-keys");
    let (user, system) = (Scope::User, Scope::System);
    for (scope, daemon, variable, replaced) in [
        (
            user,
            Daemon::None,
            "substituters = https://b.org",
            Some(substituters),
        ),
        (
            user,
            Daemon::Trusting,
            "cores = 1\nbinary-caches =",
            Some(substituters),
        ),
        (
            user,
            Daemon::Distrusting,
            "substituters = https://b.org",
            Some(substituters),
        ),
        (user, Daemon::None, "trusted-public-keys = b:x", Some(keys)),
        // Such a daemon has the machine's keys.
        (user, Daemon::Distrusting, "trusted-public-keys = b:x", None),
        (
            user,
            Daemon::None,
            "extra-substituters = https://b.org\nextra-trusted-public-keys = b:x",
            None,
        ),
        (
            user,
            Daemon::None,
            "substituters = https://b.org https://A.org:443/\ntrusted-public-keys = k:new",
            None,
        ),
        (
            user,
            Daemon::None,
            "substituters =\nextra-binary-caches = https://a.org",
            None,
        ),
        (
            system,
            Daemon::None,
            "substituters = https://b.org",
            Some(substituters),
        ),
        (
            system,
            Daemon::None,
            "binary-cache-public-keys = b:x",
            Some(keys),
        ),
    ] {
        let machine = machine_with(scope, daemon, Files::default(), variable);
        let case = format!("{scope:?} {daemon:?} {variable}");
        match (planned(&machine, "fh1_x"), replaced) {
            (Ok(plan), None) => assert!(plan.warnings.is_empty(), "{case}: {:?}", plan.warnings),
            (Ok(plan), Some(name)) => {
                assert_eq!(scope, system, "{case}");
                let words = format!("NIX_CONFIG sets `{name}` at line 1");
                assert!(
                    plan.warnings[0].contains(&words),
                    "{case}: {:?}",
                    plan.warnings
                );
                assert!(
                    after(&plan, "nix.conf").unwrap().contains("https://a.org"),
                    "{case}"
                );
            }
            (Err(error), Some(name)) => {
                assert_eq!(scope, user, "{case}");
                let said = error.to_text();
                for words in [
                    format!(
                        "what is added to {name} would have no effect: NIX_CONFIG sets it at line "
                    ),
                    format!(
                        "Write `extra-{name} = …` there in place of `{name} = …`, or unset NIX_CONFIG."
                    ),
                    "Nothing was changed.".to_owned(),
                ] {
                    assert!(said.contains(&words), "{case}: {said}");
                }
            }
            (Err(error), None) => panic!("{case}: {}", error.to_text()),
        }
    }
}

#[test]
fn only_tokens_are_replaced() {
    for (password, replaced) in [
        ("hunter2", false),
        ("fh1_other", true),
        ("flakehub1_x", true),
        ("eyJh.b.c", true),
        ("eye", false),
    ] {
        let netrc = format!("machine a.org login x password {password}\n");
        let files = Files::default().with(NETRC, &netrc, 0o600);
        let plan = planned(&machine(Scope::User, Daemon::None, files), "fh1_x");
        assert_eq!(plan.is_ok(), replaced, "{password}");
        if let Err(error) = plan {
            assert!(!error.to_text().contains(password));
        }
    }
}

#[test]
fn a_generated_nix_conf_gets_a_snippet_and_no_change() {
    let mut machine = machine(Scope::System, Daemon::None, Files::default());
    machine.nix_conf = FileToEdit::Generated {
        path: CONF.into(),
        target: "/nix/store/x".into(),
        by: fh_conf::nix_conf::Generator::NixOs,
    };
    let plan = planned(&machine, "fh1_x").unwrap();
    assert_eq!(after(&plan, "nix.conf"), None);
    assert_eq!(
        plan.snippet.as_deref(),
        Some(
            "nix.settings = {\n  extra-substituters = [ \"https://a.org\" ];\n  \
             extra-trusted-public-keys = [ \"k:new\" ];\n};"
        )
    );
    assert!(after(&plan, "netrc").unwrap().contains("fh1_x"));

    // Offline nobody has told the keys: what the configuration has to say is named, unless it does.
    let mut unasked = site().unwrap();
    (unasked.substituter, unasked.public_keys) = (None, Vec::new());
    for (conf, told) in [
        ("", true),
        ("substituters = https://a.org.evil\n", true),
        ("substituters = https://b.org https://a.org\n", false),
        (
            "extra-substituters = https://a.org/cache/acme?priority=1\n",
            false,
        ),
    ] {
        machine.files = Files::default().with(CONF, conf, 0o644);
        let plan = planned_for(&unasked, None, &machine, "fh1_x").unwrap();
        assert_eq!(plan.snippet, None);
        assert!(after(&plan, "netrc").unwrap().contains("fh1_x"));
        let warnings = plan.warnings.join("");
        assert_eq!(
            warnings.contains("`nix.settings`"),
            told,
            "{conf}: {warnings}"
        );
    }
}

#[test]
fn a_netrc_of_somebody_else_is_left_and_missed_only_where_it_lacks_the_token() {
    const KEPT: &str = "/nix/var/determinate/netrc";
    const SECRET: &str = "/run/secrets/fh-test/netrc";
    let ours = "machine a.org login me password fh1_x\n";
    let other = "machine a.org login me password fh1_y\n";
    for (netrc, text, is_missed) in [
        (KEPT, "", true),
        (KEPT, ours, false),
        (KEPT, other, true),
        (SECRET, "", true),
        (SECRET, ours, false),
        (SECRET, "machine \"", true),
    ] {
        let conf = format!("netrc-file = {netrc}\n");
        let files = Files::default()
            .with(CONF, &conf, 0o644)
            .with(netrc, text, 0o640);
        let plan = planned(&machine(Scope::User, Daemon::None, files), "fh1_x").unwrap();
        let case = format!("{netrc} {text}");
        assert!(
            plan.changes
                .files
                .iter()
                .all(|change| change.kind != "netrc"),
            "{case}"
        );
        assert_eq!(plan.netrc_lines.len(), 1, "{case}");
        let is_said = plan.netrc_of_machine.is_some() || !plan.warnings.is_empty();
        assert_eq!(is_said, is_missed, "{case}: {:?}", plan.warnings);
    }
}

#[test]
fn a_group_may_go_on_reading_the_netrc_of_root_alone_and_that_is_said() {
    let netrc = "machine b.org login x password y\n";
    // What becomes of these modes: taken away, or kept for the group.
    let (closed, kept, well) = ("closed", "kept", "well");
    for (scope, of_root, mode, expected) in [
        (Scope::User, true, 0o640, closed),
        (Scope::User, false, 0o640, closed),
        (Scope::User, true, 0o660, closed),
        (Scope::User, true, 0o644, closed),
        (Scope::User, true, 0o600, well),
        (Scope::User, true, 0o400, well),
        (Scope::System, true, 0o640, kept),
        (Scope::System, true, 0o440, kept),
        (Scope::System, false, 0o640, closed),
        (Scope::System, true, 0o644, closed),
        (Scope::System, true, 0o641, closed),
        (Scope::System, true, 0o600, well),
    ] {
        let mut files = Files::default().with(NETRC, netrc, mode);
        if !of_root {
            files = files.of_nobody();
        }
        let plan = planned(&machine(scope, Daemon::None, files), "fh1_x").unwrap();
        let mut changes = plan.changes.files.iter();
        let change = changes.find(|change| change.kind == "netrc").unwrap();
        let case = format!("{scope:?} {of_root} {mode:o}");
        let tightened = (expected == closed).then_some(mode);
        assert_eq!(change.tightened_from(), tightened, "{case}");
        let group = (expected == kept).then_some(mode);
        assert_eq!(change.kept_for_group(), group, "{case}");
        let shown = super::super::report::difference(&plan.changes);
        let line = format!(
            "{NETRC}: its group can still read it (mode {mode:03o}); `chmod 600 {NETRC}` prevents that\n"
        );
        assert_eq!(shown.contains(&line), expected == kept, "{case}: {shown}");
    }
}
