use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;

use secrecy::ExposeSecret;

use super::*;

struct Scratch {
    _directory: tempfile::TempDir,
    base: PathBuf,
    store: CredentialStore,
}

fn scratch() -> Scratch {
    let directory = tempfile::tempdir().unwrap();
    let base = directory.path().join("config/fh");
    let flakehub = directory.path().join("config/flakehub/auth");
    Scratch {
        _directory: directory,
        store: CredentialStore::new(&base, flakehub),
        base,
    }
}

fn url(text: &str) -> ServerUrl {
    text.parse().unwrap()
}

fn token(text: &str) -> SecretString {
    SecretString::from(text)
}

fn get(store: &CredentialStore, server: &str) -> Option<String> {
    let token = store.get_token(&url(server)).unwrap();
    token.map(|token| token.expose_secret().to_owned())
}

/// Forgets a server, as a logout does it.
fn forget(store: &CredentialStore, server: &str) {
    let mut servers = store.load().unwrap();
    let name = servers.name_for(&url(server));
    servers.remove(&name);
    fs::write(store.config_path(), servers.to_text()).unwrap();
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().mode() & 0o777
}

#[test]
fn an_empty_store_knows_nothing_and_creates_nothing() {
    let Scratch { base, store, .. } = scratch();
    assert_eq!(store.list().unwrap(), []);
    assert_eq!(store.default_server().unwrap(), None);
    assert_eq!(get(&store, "https://a.org"), None);
    assert!(matches!(
        store.set_default(&url("https://a.org")),
        Err(Error::UnknownServer { .. })
    ));
    assert!(!base.exists());
}

#[test]
fn the_server_logged_in_to_last_is_the_default() {
    let Scratch { store, .. } = scratch();
    store
        .set(&url("https://a.org"), &token(" fh1_a \n"))
        .unwrap();
    let entry = store
        .set(&url("https://b.org:8443/x"), &token("fh1_b"))
        .unwrap();
    assert_eq!(entry.name, "b.org-8443-x");
    assert_eq!(store.default_server().unwrap().unwrap(), entry);
    assert_eq!(get(&store, "https://a.org/"), Some("fh1_a".to_owned()));
    assert_eq!(
        get(&store, "https://B.org:8443/x"),
        Some("fh1_b".to_owned())
    );
    assert_eq!(get(&store, "http://a.org"), None);
    assert_eq!(
        store.find("a.org").unwrap().unwrap().url,
        url("https://a.org")
    );
    assert_eq!(store.find("b.org-8443-x").unwrap().unwrap(), entry);
    assert_eq!(store.find("c.org").unwrap(), None);
    store.set_default(&url("https://a.org")).unwrap();
    assert_eq!(store.default_server().unwrap().unwrap().name, "a.org");
    store
        .set(&url("https://b.org:8443/x"), &token("fh1_c"))
        .unwrap();
    assert_eq!(store.list().unwrap().len(), 2);
    assert_eq!(
        get(&store, "https://b.org:8443/x"),
        Some("fh1_c".to_owned())
    );
}

#[test]
fn two_servers_never_share_a_token_file() {
    let Scratch { store, .. } = scratch();
    for (server, expected) in [
        ("https://a.org/x", "a.org-x"),
        ("https://a.org/-x", "a.org-x-2"),
        ("http://a.org/x", "a.org-x-3"),
        ("http://[::1]:80/", "1"),
        ("http://[::1]:81/", "1-81"),
    ] {
        let entry = store
            .set(&url(server), &token(&format!("fh1_{expected}")))
            .unwrap();
        assert_eq!(entry.name, expected);
    }
    for entry in store.list().unwrap() {
        let expected = format!("fh1_{}", entry.name);
        assert_eq!(get(&store, entry.url.as_str()), Some(expected));
    }
}

#[test]
fn files_are_the_users_alone() {
    let Scratch { base, store, .. } = scratch();
    store.set(&url("https://a.org"), &token("fh1_a")).unwrap();
    let file = store.token_path(&url("https://a.org")).unwrap();
    assert_eq!(file, base.join("tokens/a.org"));
    assert_eq!(mode(&file), 0o600);
    assert_eq!(mode(&base), 0o700);
    assert_eq!(mode(&base.join("tokens")), 0o700);
    assert!(
        !fs::read_to_string(store.config_path())
            .unwrap()
            .contains("fh1_a")
    );
    let names: Vec<_> = fs::read_dir(base.join("tokens")).unwrap().collect();
    assert_eq!(names.len(), 1, "nothing temporary is left");
}

#[test]
fn a_token_that_others_can_read_is_tightened() {
    let Scratch { store, .. } = scratch();
    store.set(&url("https://a.org"), &token("fh1_a")).unwrap();
    let file = store.token_path(&url("https://a.org")).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    assert_eq!(get(&store, "https://a.org"), Some("fh1_a".to_owned()));
    assert_eq!(mode(&file), 0o600);
    fs::set_permissions(&file, fs::Permissions::from_mode(0o666)).unwrap();
    store.set(&url("https://a.org"), &token("fh1_b")).unwrap();
    assert_eq!(mode(&file), 0o600);
}

#[test]
fn a_config_that_was_opened_for_others_stays_so() {
    let Scratch { store, .. } = scratch();
    store.set(&url("https://a.org"), &token("fh1_a")).unwrap();
    fs::set_permissions(store.config_path(), fs::Permissions::from_mode(0o644)).unwrap();
    store.set(&url("https://b.org"), &token("fh1_b")).unwrap();
    assert_eq!(mode(&store.config_path()), 0o644);
}

#[test]
fn comments_and_order_stay() {
    let Scratch { base, store, .. } = scratch();
    fs::create_dir_all(&base).unwrap();
    let text = "# mine\ndefault-server = \"work\" # for now\n\n[servers.work] # the office\n\
                url = \"https://FH.work.example/\"\nnote = 1\n\n# private\n[servers.home]\n\
                url = \"http://localhost:8484\"\n";
    fs::write(store.config_path(), text).unwrap();
    assert_eq!(store.default_server().unwrap().unwrap().name, "work");
    store
        .set(&url("http://localhost:8484"), &token("fh1_h"))
        .unwrap();
    let expected = text.replace("\"work\" #", "\"home\" #");
    assert_eq!(fs::read_to_string(store.config_path()).unwrap(), expected);
    store
        .set(&url("https://new.example"), &token("fh1_n"))
        .unwrap();
    let expected = text.replace("\"work\" #", "\"new.example\" #")
        + "\n[servers.\"new.example\"]\nurl = \"https://new.example\"\n";
    assert_eq!(fs::read_to_string(store.config_path()).unwrap(), expected);
    forget(&store, "https://new.example");
    forget(&store, "http://localhost:8484");
    let left = fs::read_to_string(store.config_path()).unwrap();
    assert!(left.contains("[servers.work] # the office"), "{left}");
    assert!(
        !left.contains("new.example") && !left.contains("localhost"),
        "{left}"
    );
}

#[test]
fn a_removed_server_is_forgotten_and_the_only_one_left_is_the_default() {
    let Scratch { store, .. } = scratch();
    store.set(&url("https://a.org"), &token("fh1_a")).unwrap();
    store.set(&url("https://b.org"), &token("fh1_b")).unwrap();
    forget(&store, "https://b.org");
    assert_eq!(store.default_server().unwrap().unwrap().name, "a.org");
    forget(&store, "https://a.org");
    assert_eq!(store.list().unwrap(), []);
    assert_eq!(store.default_server().unwrap(), None);
    // And from here on again.
    store.set(&url("https://a.org"), &token("fh1_a")).unwrap();
    assert_eq!(get(&store, "https://a.org"), Some("fh1_a".to_owned()));
}

#[test]
fn a_config_that_is_a_symbolic_link_stays_one() {
    let Scratch { base, store, .. } = scratch();
    let dotfiles = base.with_file_name("dotfiles.toml");
    fs::create_dir_all(&base).unwrap();
    symlink("../dotfiles.toml", store.config_path()).unwrap();
    store.set(&url("https://a.org"), &token("fh1_a")).unwrap();
    assert!(store.config_path().is_symlink());
    assert!(fs::read_to_string(dotfiles).unwrap().contains("a.org"));
}

#[test]
fn a_broken_config_is_named_and_not_replaced() {
    let Scratch { base, store, .. } = scratch();
    fs::create_dir_all(&base).unwrap();
    for text in [
        "servers = [",
        "servers = 1",
        "default-server = 1",
        "[servers.a]\n",
        "[servers.a]\nurl = \"ftp://x\"\n",
        "[servers.\"../../x\"]\nurl = \"https://x.org\"\n",
        "[servers.\".x\"]\nurl = \"https://x.org\"\n",
    ] {
        fs::write(store.config_path(), text).unwrap();
        let error = store
            .set(&url("https://a.org"), &token("fh1_a"))
            .unwrap_err();
        assert!(
            matches!(error, Error::InvalidConfig { .. }),
            "{text}: {error}"
        );
        assert!(error.to_string().contains("config.toml"), "{error}");
        assert_eq!(fs::read_to_string(store.config_path()).unwrap(), text);
    }
}

#[test]
fn secrets_are_in_no_error_and_no_debug_output() {
    let Scratch { store, .. } = scratch();
    let error = store
        .set(&url("https://a.org"), &token("fh1_sec ret"))
        .unwrap_err();
    assert!(!format!("{error:?}").contains("sec"));
    store
        .set(&url("https://a.org"), &token("fh1_secret"))
        .unwrap();
    let token = store.get_token(&url("https://a.org")).unwrap();
    assert!(!format!("{token:?} {store:?}").contains("secret"));
    fs::write(store.token_path(&url("https://a.org")).unwrap(), "a b").unwrap();
    let error = store.get_token(&url("https://a.org")).unwrap_err();
    assert!(matches!(error, Error::InvalidToken { .. }));
}

#[test]
fn writers_at_the_same_time_lose_nothing() {
    let Scratch { store, .. } = scratch();
    std::thread::scope(|scope| {
        for number in 0..8 {
            let store = &store;
            scope.spawn(move || {
                let server = url(&format!("https://s{number}.example"));
                store
                    .set(&server, &token(&format!("fh1_{number}")))
                    .unwrap();
            });
        }
    });
    assert_eq!(store.list().unwrap().len(), 8);
    for number in 0..8 {
        let server = format!("https://s{number}.example");
        assert_eq!(get(&store, &server), Some(format!("fh1_{number}")));
    }
}

proptest::proptest! {
    #[test]
    fn any_config_is_read_without_panic(text in "[a-z\"=\\[\\]\\.\n# {}:/1]{0,200}") {
        let _ = ServerList::parse(Path::new("config.toml"), Some(&text));
    }
}

#[test]
fn what_a_login_learnt_is_remembered_and_the_text_around_it_stays() {
    let text = "# mine\ntoken-store = \"keyring\" # safer\n\n[servers.a] # first\nurl = \"https://A.org/\"\n";
    let path = Path::new("config.toml");
    let mut servers = ServerList::parse(path, Some(text)).unwrap();
    assert_eq!(servers.preferred_store(), Some(TokenStore::Keyring));
    let mut entry = servers.entry(&url("https://a.org")).unwrap().clone();
    assert_eq!(
        (entry.kind, entry.store),
        (ServerKind::Fh, TokenStore::File)
    );
    servers.record(&entry);
    assert_eq!(servers.to_text(), text, "nothing new, nothing written");

    entry.kind = ServerKind::Attic;
    entry.store = TokenStore::Keyring;
    entry.substituter = Some(url("https://a.org/cache"));
    entry.public_keys = vec!["k:x".to_owned()];
    entry.substituters = vec![url("https://a.org/cache/b"), url("https://a.org/cache/a")];
    entry.reading = Reading::Organizations(vec!["b".parse().unwrap(), "a".parse().unwrap()]);
    entry.is_default = true;
    servers.record(&entry);
    let written = servers.to_text();
    assert!(
        written.contains("# mine\ntoken-store = \"keyring\" # safer\n"),
        "{written}"
    );
    assert!(
        written.contains("[servers.a] # first\nurl = \"https://A.org/\"\n"),
        "{written}"
    );
    let again = ServerList::parse(path, Some(&written)).unwrap();
    assert_eq!(again.entries(), [entry.clone()]);
    // Back to the defaults, which are not written.
    entry.kind = ServerKind::Fh;
    entry.store = TokenStore::File;
    entry.substituters = Vec::new();
    entry.reading = Reading::Root;
    servers.record(&entry);
    let written = servers.to_text();
    for absent in ["kind =", "substituters =", "organizations ="] {
        assert!(!written.contains(absent), "{written}");
    }
    let again = ServerList::parse(path, Some(&written)).unwrap();
    assert_eq!(again.entries(), [entry.clone()]);
    entry.reading = Reading::Usual;
    servers.record(&entry);
    assert!(!servers.to_text().contains("root"));
}

#[test]
fn the_beginning_of_a_name_is_enough_where_it_is_clear() {
    let Scratch { store, .. } = scratch();
    for server in [
        "https://cache.example.org",
        "https://other.example.org",
        "http://localhost:1",
        "http://localhost:2",
    ] {
        store.set(&url(server), &token("fh1_x")).unwrap();
    }
    let find = |given: &str| {
        store
            .find(given)
            .unwrap()
            .map(|entry| entry.url.to_string())
    };
    assert_eq!(find("cache").as_deref(), Some("https://cache.example.org"));
    assert_eq!(
        find("cache.example").as_deref(),
        Some("https://cache.example.org")
    );
    assert_eq!(find("localhost-2").as_deref(), Some("http://localhost:2"));
    assert_eq!(find("localhost"), None, "two begin like that");
    assert_eq!(find("cac"), None, "names end at a dot or a dash");
}

#[test]
fn a_login_of_the_existing_fh_is_known() {
    let Scratch { base, store, .. } = scratch();
    let auth = base.with_file_name("flakehub").join("auth");
    fs::create_dir_all(auth.parent().unwrap()).unwrap();
    fs::write(&auth, "flakehub1_x\n").unwrap();
    let entry = store.default_server().unwrap().unwrap();
    assert_eq!(
        (entry.name.as_str(), entry.kind),
        ("flakehub", ServerKind::FlakeHub)
    );
    assert_eq!(
        get(&store, "https://api.flakehub.com").as_deref(),
        Some("flakehub1_x")
    );
    assert!(!base.exists(), "looking writes nothing");
    // A server that one has chosen goes before it.
    store.set(&url("https://a.org"), &token("fh1_a")).unwrap();
    assert_eq!(store.default_server().unwrap().unwrap().name, "a.org");
    assert_eq!(store.list().unwrap().len(), 2);
}

#[test]
fn what_is_no_regular_file_is_refused_at_once() {
    let scratch = scratch();
    let server = url("https://a.org");
    scratch.store.set(&server, &token("secret")).unwrap();
    let files = [
        scratch.store.config_path(),
        scratch.store.token_path(&server).unwrap(),
        scratch.base.join(".lock"),
    ];
    for path in files {
        let kept = fs::read(&path).ok();
        let _ = fs::remove_file(&path);
        let made = std::process::Command::new("mkfifo").arg(&path).status();
        assert!(made.unwrap().success());
        let error = scratch.store.set(&server, &token("other")).map(drop);
        // A token is replaced, whatever stands there.
        let error = error.and_then(|()| scratch.store.get_token(&server).map(drop));
        if path.ends_with(".lock") || path.ends_with("config.toml") {
            let error = error.unwrap_err();
            let source = std::error::Error::source(&error).unwrap();
            assert_eq!(source.to_string(), "it is not a regular file");
            assert!(
                error
                    .to_string()
                    .contains(path.file_name().unwrap().to_str().unwrap())
            );
        } else {
            error.unwrap();
        }
        let _ = fs::remove_file(&path);
        if let Some(kept) = kept {
            fs::write(&path, kept).unwrap();
        }
    }
    let path = scratch.store.token_path(&server).unwrap();
    fs::remove_file(&path).unwrap();
    let made = std::process::Command::new("mkfifo").arg(&path).status();
    assert!(made.unwrap().success());
    let error = scratch.store.get_token(&server).unwrap_err();
    assert!(error.to_string().contains("a.org"), "{error}");
    // One without end.
    fs::remove_file(&path).unwrap();
    fs::File::create(&path).unwrap().set_len(300 << 20).unwrap();
    let error = scratch.store.get_token(&server).unwrap_err();
    let source = std::error::Error::source(&error).unwrap();
    assert_eq!(source.to_string(), "it is longer than 65536 bytes");
}

#[test]
fn a_directory_that_a_logout_removes_is_made_again() {
    let scratch = scratch();
    let over = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(std::sync::atomic::Ordering::Relaxed) {
                let _ = fs::remove_dir(&scratch.base);
                // Without it the kernel hands the directory to this thread after each `mkdir`, without end.
                std::thread::sleep(std::time::Duration::from_micros(200));
            }
        });
        let locked = (0..500)
            .map(|_| scratch.store.lock().map(drop))
            .collect::<Result<Vec<_>>>();
        over.store(true, std::sync::atomic::Ordering::Relaxed);
        locked.unwrap();
    });
}

#[test]
fn certificates_of_a_server_are_for_its_addresses_alone() {
    let text = "\
        [servers.a]\nurl = \"https://a.org/fh\"\nca-file = \"/etc/a.pem\"\n\
        substituter = \"https://cache.a.org\"\n\
        [servers.b]\nurl = \"https://b.org:8443\"\n\
        [servers.c]\nurl = \"https://c.org/main\"\nsubstituters = [\"https://d.org/x\"]\nca-file = \"/etc/c.pem\"\n";
    let servers = ServerList::parse(Path::new("config.toml"), Some(text)).unwrap();
    for (address, file) in [
        ("https://a.org/fh", Some("/etc/a.pem")),
        ("https://a.org", Some("/etc/a.pem")),
        ("https://cache.a.org/acme", Some("/etc/a.pem")),
        ("https://d.org", Some("/etc/c.pem")),
        ("https://b.org:8443", None),
        ("https://a.org:8443", None),
        ("https://x.a.org", None),
        ("http://a.org", None),
    ] {
        assert_eq!(
            servers.ca_file(&url(address)),
            file.map(Path::new),
            "{address}"
        );
    }
    let relative = text.replace("/etc/a.pem", "a.pem");
    let error = ServerList::parse(Path::new("config.toml"), Some(&relative)).unwrap_err();
    assert!(error.to_string().contains("ca-file"), "{error}");
}
