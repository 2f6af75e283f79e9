//! What the environment and the options mean together.

use std::path::Path;

use secrecy::ExposeSecret;

use super::*;

fn environment(pairs: &[(&str, &str)]) -> Environment {
    Environment::from_lookup(|name| {
        let pair = pairs.iter().find(|(known, _)| *known == name);
        pair.map(|(_, value)| value.into())
    })
}

fn resolve(pairs: &[(&str, &str)]) -> Result<Settings, CommandError> {
    Settings::resolve(GlobalOptions::default(), environment(pairs))
}

#[test]
fn options_win_over_the_environment() {
    let options = GlobalOptions {
        server: Some("https://a.org".to_owned()),
        json: true,
        verbose: 2,
        ..GlobalOptions::default()
    };
    let environment = environment(&[
        ("FH_SERVER", "https://b.org"),
        ("FH_OUTPUT_JSON", "no"),
        ("FH_VERBOSITY", "1"),
    ]);
    let settings = Settings::resolve(options, environment).unwrap();
    assert_eq!(settings.server.unwrap().value, "https://a.org");
    assert!(settings.json);
    assert_eq!(settings.verbosity, 2);
}

#[test]
fn what_is_set_and_empty_is_not_set() {
    let settings = resolve(&[("FH_SERVER", ""), ("FH_TOKEN", ""), ("FH_OUTPUT_JSON", "")]).unwrap();
    assert!(settings.server.is_none() && settings.token.is_none() && !settings.json);
    for (word, json) in [
        ("1", true),
        ("true", true),
        ("0", false),
        ("FALSE", false),
        ("no", false),
    ] {
        assert_eq!(
            resolve(&[("FH_OUTPUT_JSON", word)]).unwrap().json,
            json,
            "{word}"
        );
    }
}

#[test]
fn a_token_itself_goes_before_a_file_of_one_and_is_never_shown() {
    let settings = resolve(&[("FH_TOKEN", "fh1_x"), ("FH_TOKEN_FILE", "/f")]).unwrap();
    assert!(!format!("{settings:?}").contains("fh1_x"));
    match settings.token.unwrap() {
        TokenInEnvironment::Value(token) => assert_eq!(token.expose_secret(), "fh1_x"),
        TokenInEnvironment::File(_) => panic!("the file was taken"),
    }
}

#[test]
fn the_certificates_that_nix_trusts_are_trusted() {
    let settings = resolve(&[("SSL_CERT_FILE", "/b"), ("NIX_SSL_CERT_FILE", "/a")]).unwrap();
    assert_eq!(settings.ca_file.as_deref(), Some(Path::new("/a")));
    let settings = resolve(&[("SSL_CERT_FILE", "/b")]).unwrap();
    assert_eq!(settings.ca_file.as_deref(), Some(Path::new("/b")));
}

#[test]
fn a_verbosity_that_is_no_number_is_a_usage_error() {
    let error = resolve(&[("FH_VERBOSITY", "loud")]).unwrap_err();
    assert_eq!(error.status(), crate::error::Status::Usage);
}

#[test]
fn directories_are_those_that_nix_means() {
    let directories = |pairs: &[(&str, &str)]| resolve(pairs).unwrap().directories();
    let found = directories(&[("HOME", "/h")]).unwrap();
    assert_eq!(found.fh_config, Path::new("/h/.config/fh"));
    assert_eq!(found.user_nix_conf, Path::new("/h/.config/nix/nix.conf"));
    assert_eq!(found.user_netrc, Path::new("/h/.config/nix/netrc"));
    assert_eq!(found.system_netrc, Path::new("/etc/nix/netrc"));
    assert_eq!(
        found.determinate_config,
        Path::new("/etc/determinate/config.json")
    );
    assert_eq!(
        found.determinate_netrc,
        Path::new("/nix/var/determinate/netrc")
    );
    assert_eq!(
        found.earlier_nix_confs,
        [
            Path::new("/etc/nix/nix.conf"),
            Path::new("/etc/xdg/nix/nix.conf")
        ]
    );

    let found = directories(&[
        ("HOME", "/h"),
        ("XDG_CONFIG_HOME", "/c"),
        ("XDG_CONFIG_DIRS", "/x:/y"),
        ("NIX_CONF_DIR", "/n"),
    ])
    .unwrap();
    assert_eq!(found.user_nix_conf, Path::new("/c/nix/nix.conf"));
    assert_eq!(
        found.earlier_nix_confs,
        [
            Path::new("/n/nix.conf"),
            Path::new("/y/nix/nix.conf"),
            Path::new("/x/nix/nix.conf")
        ]
    );

    let found = directories(&[("HOME", "/h"), ("NIX_USER_CONF_FILES", "/a:/b::/c")]).unwrap();
    assert_eq!(found.user_nix_conf, Path::new("/a"));
    assert_eq!(
        found.earlier_nix_confs,
        [
            Path::new("/etc/nix/nix.conf"),
            Path::new("/c"),
            Path::new("/b")
        ]
    );

    // What is set and empty is nothing to Nix, and not the default.
    let (etc, xdg, user) = (
        "/etc/nix/nix.conf",
        "/etc/xdg/nix/nix.conf",
        "/h/.config/nix/nix.conf",
    );
    for (empty, read, unread_because) in [
        (
            "NIX_USER_CONF_FILES",
            &[etc][..],
            Some("NIX_USER_CONF_FILES"),
        ),
        ("XDG_CONFIG_HOME", &[etc, xdg], Some("XDG_CONFIG_HOME")),
        ("XDG_CONFIG_DIRS", &[etc, user], None),
        ("NIX_CONFIG", &[etc, xdg, user], None),
    ] {
        let found = directories(&[("HOME", "/h"), (empty, "")]).unwrap();
        let read: Vec<PathBuf> = read.iter().map(PathBuf::from).collect();
        assert_eq!(found.nix_confs(), read, "{empty}");
        assert_eq!(found.unread_because, unread_because, "{empty}");
    }
    let named = [
        ("HOME", "/h"),
        ("XDG_CONFIG_HOME", ""),
        ("NIX_USER_CONF_FILES", "/a"),
    ];
    let found = directories(&named).unwrap();
    assert_eq!(found.unread_because, None);

    let error = directories(&[("HOME", "/h"), ("XDG_CONFIG_HOME", "relative")]).unwrap_err();
    assert_eq!(error.status(), crate::error::Status::Usage);
}

#[test]
fn a_workload_is_chosen_by_a_word() {
    use fh_client::workload::Provider;

    let choice = |word| resolve(&[("FH_WORKLOAD", word)]).map(|settings| settings.workload);
    assert_eq!(resolve(&[]).unwrap().workload, WorkloadChoice::Detected);
    assert_eq!(choice("auto").unwrap(), WorkloadChoice::Detected);
    for off in ["off", "no", "0", "false"] {
        assert_eq!(choice(off).unwrap(), WorkloadChoice::Off);
    }
    let gcp = WorkloadChoice::Named(Provider::GoogleCloud);
    assert_eq!(choice(" gcp ").unwrap(), gcp);
    insta::assert_snapshot!(choice("azure").unwrap_err().sentence(), @r#"FH_WORKLOAD is "azure", and must be off, auto, or one of github, gitlab, buildkite, circleci, semaphore, gcp, kubernetes, aws, token"#);
    let options = GlobalOptions {
        no_workload: true,
        ..GlobalOptions::default()
    };
    let settings = Settings::resolve(options, environment(&[("FH_WORKLOAD", "gcp")])).unwrap();
    assert_eq!(settings.workload, WorkloadChoice::Off);
}

#[test]
fn the_surroundings_of_a_workload_are_read_from_the_environment() {
    let settings = resolve(&[
        ("HOME", "/home/ann"),
        ("GITHUB_ACTIONS", "true"),
        ("CIRCLECI", "false"),
        ("FH_WORKLOAD_TOKEN_VARIABLE", "MY_TOKEN"),
        ("MY_TOKEN", "jwt"),
        ("AWS_DEFAULT_REGION", "eu-central-1"),
        ("AWS_EC2_METADATA_DISABLED", "true"),
    ])
    .unwrap();
    let workload = settings.workload_environment().unwrap();
    assert!(workload.github.present);
    assert!(!workload.circleci && !workload.gitlab);
    let (name, value) = workload.token_variable.unwrap();
    assert_eq!(
        (name.as_str(), value.unwrap().expose_secret()),
        ("MY_TOKEN", "jwt")
    );
    assert_eq!(workload.aws.region.as_deref(), Some("eu-central-1"));
    assert!(workload.aws.metadata_disabled);
    assert_eq!(
        workload.aws.credentials_file.as_deref(),
        Some(Path::new("/home/ann/.aws/credentials"))
    );
    assert!(!format!("{settings:?}").contains("jwt"));
}

/// The option goes before the variables, and those before what the stream is.
#[test]
fn colours_are_shown_where_somebody_sees_them() {
    for (when, terminal, variables, shown) in [
        (ColorWhen::Auto, true, &[][..], true),
        (ColorWhen::Auto, false, &[], false),
        (ColorWhen::Auto, true, &[("NO_COLOR", "1")], false),
        (ColorWhen::Auto, true, &[("NO_COLOR", "")], true),
        (ColorWhen::Auto, true, &[("TERM", "dumb")], false),
        (ColorWhen::Auto, true, &[("TERM", "xterm")], true),
        (ColorWhen::Always, false, &[("NO_COLOR", "1")], true),
        (ColorWhen::Always, true, &[("TERM", "dumb")], true),
        (ColorWhen::Never, true, &[], false),
    ] {
        let environment = environment(variables);
        let told = shows_color(when, terminal, &environment);
        assert_eq!(told, shown, "{when:?} {terminal} {variables:?}");
    }
}
