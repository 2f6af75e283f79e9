//! The identity of a CI job: without a login, with `fh login --workload`, and kept fresh.

use std::fs;
use std::process::Stdio;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use data_encoding::BASE64URL_NOPAD;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::answering::{Asked, answering};
use crate::push::Store;
use crate::world::World;

const KEY: &str = "main:6NCHdD59X431o0gWypbMrAURkbJ16ZPMQFGspcDShjY=";

const AUDIENCE: &str = "urn:fh:0192f0c1-0000-7000-8000-000000000001";

fn now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .as_secs()
}

fn jwt(subject: &str, life: u64) -> String {
    let encode = |value: Value| BASE64URL_NOPAD.encode(value.to_string().as_bytes());
    format!(
        "{}.{}.c2ln",
        encode(json!({ "alg": "RS256" })),
        encode(json!({ "sub": subject, "iat": now(), "exp": now() + life }))
    )
}

fn claims(token: &str) -> Value {
    let payload = token.split('.').nth(1).unwrap();
    serde_json::from_slice(&BASE64URL_NOPAD.decode(payload.as_bytes()).unwrap()).unwrap()
}

/// GitHub and an fh server in one: the first gives JWTs, the second exchanges them.
struct Scene {
    url: String,
    /// A line for each request: its method, its path and its token.
    heard: Arc<Mutex<Vec<String>>>,
    exchanges: Arc<AtomicUsize>,
}

impl Scene {
    /// `refuses` decides by its number whether an exchange is refused.
    fn start(life: u64, refuses: impl Fn(usize) -> bool + Send + Sync + 'static) -> Self {
        Self::with_lives(move |_| life, refuses)
    }

    /// How long the token of an exchange lives, by its number.
    fn with_lives(
        life: impl Fn(usize) -> u64 + Send + Sync + 'static,
        refuses: impl Fn(usize) -> bool + Send + Sync + 'static,
    ) -> Self {
        let heard: Arc<Mutex<Vec<String>>> = Arc::default();
        let exchanges: Arc<AtomicUsize> = Arc::default();
        let (hears, counts) = (heard.clone(), exchanges.clone());
        let url = answering(move |asked| {
            let Asked {
                method,
                path,
                bearer,
                url,
            } = asked;
            hears
                .lock()
                .unwrap()
                .push(format!("{method} {path} {bearer}"));
            let (status, body) = match path.split('?').next().unwrap_or_default() {
                "/oauth/token" => {
                    let number = counts.fetch_add(1, Ordering::SeqCst);
                    if refuses(number) {
                        let error = json!({ "error": "invalid_grant", "error_description": "no trust policy fits" });
                        (400, error)
                    } else {
                        (200, exchanged(number, life(number)))
                    }
                }
                path => answer(path, bearer, url),
            };
            (
                status,
                "Content-Type: application/json\r\n",
                body.to_string(),
            )
        });
        Self {
            url,
            heard,
            exchanges,
        }
    }

    /// A job of GitHub Actions that knows the server.
    fn job(&self) -> World {
        let mut world = World::new();
        world.set("FH_WORKLOAD", "auto");
        world.set("FH_SERVER", &self.url);
        world.set("GITHUB_ACTIONS", "true");
        world.set(
            "ACTIONS_ID_TOKEN_REQUEST_URL",
            format!("{}/github?a=b", self.url),
        );
        world.set("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "job-secret");
        world
    }

    fn heard(&self) -> Vec<String> {
        self.heard.lock().unwrap().clone()
    }

    /// The bearer of the last request whose line begins so.
    fn bearer(&self, begin: &str) -> String {
        let heard = self.heard();
        let line = heard.iter().rfind(|line| line.starts_with(begin)).unwrap();
        line.rsplit(' ').next().unwrap().to_owned()
    }
}

fn exchanged(number: usize, life: u64) -> Value {
    json!({
        "access_token": format!("fh1_{}", jwt(&format!("exchanged-{number}"), life)),
        "issued_token_type": "urn:ietf:params:oauth:token-type:access_token",
        "token_type": "Bearer", "expires_in": life, "scope": "pull push",
    })
}

fn answer(path: &str, bearer: &str, url: &str) -> (u16, Value) {
    let is_good = || bearer.contains('.') && claims(bearer)["exp"].as_u64().unwrap() > now();
    match path {
        "/github" if bearer == "job-secret" => (200, json!({ "value": jwt("job", 300) })),
        "/.well-known/fh" => (
            200,
            json!({
                "name": "fh", "version": "1", "audience": AUDIENCE, "api_url": url,
                "web_url": url, "cache_url": url, "store_dir": "/nix/store",
                "public_keys": [{ "public_key": KEY, "state": "active" }],
                "login": ["token"], "now": "2026-11-22T12:00:00Z",
            }),
        ),
        "/api/v1/whoami" | "/api/v1/users" if !is_good() => (
            401,
            json!({ "code": 401, "error": "unauthorized", "message": "the token is not good" }),
        ),
        // Only tokens of its own: a refused workload is refused altogether.
        "/api/v1/whoami" if !bearer.starts_with("fh1_") => (
            401,
            json!({ "code": 401, "error": "unauthorized", "message": "no trust policy fits" }),
        ),
        "/api/v1/whoami" => (
            200,
            json!({
                "user": "ci", "kind": "service", "server_admin": false,
                "token_id": "00000000-0000-0000-0000-000000000001", "token_description": null,
                "permissions": ["pull", "push"], "flakes": ["*"],
                "expires_at": "2030-01-01T00:00:00Z",
            }),
        ),
        "/api/v1/users" => (200, json!({ "users": [] })),
        // A server of before there were lines for organisations.
        "/api/v1/substituters" => (
            404,
            json!({ "code": 404, "error": "not-found", "message": "there is nothing here" }),
        ),
        _ => (
            403,
            json!({ "code": 403, "error": "forbidden", "message": "you may not do this" }),
        ),
    }
}

/// The files that are there.
fn left(world: &World) -> Vec<String> {
    let names = world.everything().into_keys();
    names.map(|path| path.display().to_string()).collect()
}

fn script(text: &str) -> Vec<String> {
    let text = format!("PATH=/usr/bin:/bin; {text}");
    ["/bin/sh", "-c", &text].map(str::to_owned).to_vec()
}

fn keep_fresh(command: &[String]) -> Vec<&str> {
    let mut words = vec![
        "login",
        "--scope",
        "user",
        "--workload",
        "--keep-fresh",
        "--",
    ];
    words.extend(command.iter().map(String::as_str));
    words
}

#[test]
fn a_job_that_nobody_logged_in_uses_its_identity_and_says_so_once() {
    let scene = Scene::start(3600, |_| false);
    let world = scene.job();
    let run = world.typed("user list").success();
    assert_eq!(
        run.stderr
            .matches("Authenticating with the identity of this GitHub Actions job.")
            .count(),
        1,
        "{}",
        run.stderr
    );
    assert_eq!(claims(&scene.bearer("GET /api/v1/users"))["sub"], "job");
    let asked = &scene.heard()[1];
    assert!(
        asked.starts_with("GET /github?a=b&audience=http%3A%2F%2F127.0.0.1%3A"),
        "{asked}"
    );
    assert_eq!(left(&world), [""; 0], "nothing is stored");
}

#[test]
fn a_push_uses_the_identity_too() {
    let scene = Scene::start(3600, |_| false);
    let world = scene.job();
    let mut store = Store::new(&world);
    let path = store.add("app", "the program", &[]);
    store.install(&world);
    let uri = format!("local?root={}", store.root().display());
    let run = world
        .fh(&["push", "acme/app", &path, "--store", &uri])
        .code(1);
    assert!(
        run.stderr
            .starts_with("Authenticating with the identity of this GitHub Actions job.\n"),
        "{}",
        run.stderr
    );
    let bearer = scene.bearer("POST /api/v1/flakes/acme/app/pushes");
    assert_eq!(claims(&bearer)["sub"], "job");
}

#[test]
fn the_identity_can_be_left_alone_and_a_token_goes_before_it() {
    let scene = Scene::start(3600, |_| false);
    let mut world = scene.job();
    world
        .typed("user list --no-workload")
        .code(1)
        .says(&["you are not logged in"]);
    world.set("FH_TOKEN", jwt("given", 3600));
    world.typed("user list").success().never_says(&["identity"]);
    assert_eq!(claims(&scene.bearer("GET /api/v1/users"))["sub"], "given");
    world.set("FH_WORKLOAD", "off");
    world.set("FH_TOKEN", "");
    world.typed("user list").code(1);
    assert!(
        !scene
            .heard()
            .iter()
            .any(|line| line.starts_with("GET /github"))
    );
    world.set("FH_WORKLOAD", "azure");
    world
        .typed("user list")
        .code(2)
        .says(&["FH_WORKLOAD is \"azure\""]);
}

#[test]
fn a_stored_token_that_has_ended_gives_way_to_the_identity() {
    let scene = Scene::start(1, |_| false);
    let mut world = scene.job();
    world.typed("login --scope user --workload").success();
    std::thread::sleep(Duration::from_millis(2100));
    world.typed("user list").success().says(&["The stored token has expired: authenticating with the identity of this GitHub Actions job."]);
    world.set("FH_WORKLOAD", "off");
    world.typed("user list").code(1);
}

#[test]
fn a_job_without_the_permission_is_told_the_lines() {
    let scene = Scene::start(3600, |_| false);
    let mut world = scene.job();
    world.set("ACTIONS_ID_TOKEN_REQUEST_URL", "");
    let run = world.typed("user list").code(1);
    insta::assert_snapshot!(run.stderr, @r"
    Authenticating with the identity of this GitHub Actions job.
    Error: cannot list the accounts
    Caused by: this GitHub Actions job may not ask for an identity token: ACTIONS_ID_TOKEN_REQUEST_URL is not set
    Hint: Give the job the permission to ask for one, in the workflow:
        permissions:
          contents: read
          id-token: write
      Pull requests from forks do not get it.
      Or use a token: `fh login`, or FH_TOKEN_FILE. With FH_WORKLOAD=off no identity is looked for.
    ");
    // What needs no token goes on without.
    world
        .typed("list flakes")
        .code(1)
        .says(&["you may not do this"]);
}

#[test]
fn status_tells_of_the_identity() {
    let scene = Scene::start(3600, |_| false);
    scene
        .job()
        .typed("status")
        .code(3)
        .says(&["use the identity of this GitHub Actions job."]);
}

#[test]
fn a_workload_logs_in_and_its_token_is_not_the_jwt() {
    let scene = Scene::start(3600, |_| false);
    let world = scene.job();
    world
        .typed("login --scope user --workload")
        .success()
        .says(&["as ci"]);
    let netrc = world.read("nix/netrc");
    let password = netrc.split_whitespace().last().unwrap();
    assert_eq!(
        claims(password.trim_start_matches("fh1_"))["sub"],
        "exchanged-0"
    );
    assert!(world.read("nix/nix.conf").contains(KEY));
    world.typed("logout").success();
    assert!(!world.config("nix/netrc").exists());
}

#[test]
fn an_identity_that_no_netrc_carries_is_exchanged_and_never_written() {
    for (what, groups, more, exchanges, code) in [
        ("as GitLab's with many groups", 5_000, None, 1, 0),
        ("all that a server looks at", 12_000, None, 1, 0),
        ("one that fits is shown as it is", 1_000, None, 0, 1),
        ("without a netrc", 5_000, Some("--no-netrc"), 0, 1),
        ("more than a server looks at", 13_000, None, 0, 1),
    ] {
        let scene = Scene::start(3600, |_| false);
        let mut world = World::new();
        world.set("FH_SERVER", &scene.url);
        let identity = jwt(&"g".repeat(groups), 300);
        let mut login = vec!["login", "--scope", "user"];
        login.extend(more);
        let run = world.with_stdin(&login, &identity).code(code);
        let made = scene.exchanges.load(Ordering::SeqCst);
        assert_eq!(made, exchanges, "{what}: {}", run.stderr);
        for (path, (content, ..)) in world.everything() {
            let text = String::from_utf8(content).unwrap();
            assert!(!text.contains(&identity), "{what}: {}", path.display());
        }
        if code == 0 {
            let length = format!("The identity has {} bytes", identity.len());
            run.says(&[&length]);
            let netrc = world.read("nix/netrc");
            let password = netrc.split_whitespace().last().unwrap();
            let subject = &claims(password.trim_start_matches("fh1_"))["sub"];
            assert_eq!(subject, "exchanged-0", "{what}");
        }
        if identity.len() > 16 * 1024 {
            let said = format!("it has {} bytes, and at most 16384", identity.len());
            run.says(&[&said]);
        }
    }
}

#[test]
fn a_refused_workload_is_told_why_and_nothing_is_changed() {
    let scene = Scene::start(3600, |_| true);
    let world = scene.job();
    world
        .typed("login --scope user --workload")
        .code(1)
        .says(&["no trust policy fits"]);
    assert_eq!(left(&world), [""; 0]);
    world
        .typed("login --workload --provider gitlab")
        .code(1)
        .says(&["aud: http://127.0.0.1:"]);
}

#[test]
fn a_command_has_a_good_token_for_longer_than_any_lives() {
    let scene = Scene::start(4, |_| false);
    let world = scene.job();
    let log = world.path("log");
    let netrc = world.config("nix/netrc");
    let command = script(&format!(
        "i=0; while [ $i -lt 20 ]; do echo $(date +%s) $(cat {}) >> {}; sleep 0.5; i=$((i+1)); done; echo out; exit 7",
        netrc.display(),
        log.display()
    ));
    let run = world.fh(&keep_fresh(&command)).code(7);
    assert_eq!(run.stdout, "out\n");
    let mut tokens = std::collections::BTreeSet::new();
    for line in fs::read_to_string(&log).unwrap().lines() {
        let seen: u64 = line.split(' ').next().unwrap().parse().unwrap();
        let token = line.split_whitespace().last().unwrap();
        let claims = claims(token.trim_start_matches("fh1_"));
        assert!(claims["exp"].as_u64().unwrap() > seen, "{line}");
        tokens.insert(token.to_owned());
    }
    assert!(tokens.len() >= 3, "{tokens:?}");
    assert_eq!(left(&world), [""; 0], "the login was taken back");
}

#[test]
fn a_login_that_was_there_before_stays_with_the_freshest_token() {
    let scene = Scene::start(3, |_| false);
    let world = scene.job();
    world.typed("login --scope user --workload").success();
    world.fh(&keep_fresh(&script("sleep 3"))).success();
    let netrc = world.read("nix/netrc");
    let password = netrc.split_whitespace().last().unwrap();
    let last = scene.exchanges.load(Ordering::SeqCst) - 1;
    assert!(last >= 2, "{last}");
    assert_eq!(
        claims(password.trim_start_matches("fh1_"))["sub"],
        format!("exchanged-{last}")
    );
}

#[test]
fn a_token_is_not_replaced_by_one_that_ends_before_it() {
    let scene = Scene::with_lives(|number| if number == 0 { 8 } else { 2 }, |_| false);
    let world = scene.job();
    let netrc = world.config("nix/netrc");
    let command = script(&format!("sleep 5; cat {}", netrc.display()));
    let run = world.fh(&keep_fresh(&command)).success();
    assert!(scene.exchanges.load(Ordering::SeqCst) >= 2);
    let password = run.stdout.split_whitespace().last().unwrap();
    let subject = claims(password.trim_start_matches("fh1_"))["sub"].clone();
    assert_eq!(subject, "exchanged-0");
}

#[test]
fn a_renewal_that_fails_is_told_and_tried_again_while_the_command_goes_on() {
    let scene = Scene::start(4, |number| number == 1 || number == 2);
    let world = scene.job();
    let netrc = world.config("nix/netrc");
    let command = script(&format!("sleep 7; cat {}", netrc.display()));
    let run = world.fh(&keep_fresh(&command)).success();
    let warning = "could not be renewed, and the command continues";
    run.says(&[warning, "The token was renewed."]);
    let password = run.stdout.split_whitespace().last().unwrap();
    let subject = claims(password.trim_start_matches("fh1_"))["sub"].clone();
    assert!(
        subject == "exchanged-3" || subject == "exchanged-4",
        "{subject}"
    );
}

#[test]
fn a_signal_goes_to_the_command_and_the_login_is_taken_back() {
    let scene = Scene::start(3600, |_| false);
    let world = scene.job();
    let ready = world.path("ready");
    let command = script(&format!("touch {}; exec sleep 60", ready.display()));
    let words = keep_fresh(&command);
    let mut fh = world
        .process(&words)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let start = Instant::now();
    while !ready.exists() {
        assert!(start.elapsed() < Duration::from_secs(30));
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(world.config("nix/netrc").exists());
    let pid = Pid::from_raw(i32::try_from(fh.id()).unwrap()).unwrap();
    kill_process(pid, Signal::TERM).unwrap();
    assert_eq!(fh.wait().unwrap().code(), Some(143));
    assert_eq!(left(&world), [""; 0]);
}

#[test]
fn a_command_that_cannot_be_started_has_the_code_of_shells_and_leaves_nothing() {
    let scene = Scene::start(3600, |_| false);
    let world = scene.job();
    let missing = vec!["/nowhere/at/all".to_owned()];
    world.fh(&keep_fresh(&missing)).code(127);
    assert_eq!(left(&world), [""; 0]);
    world.typed("login --workload --keep-fresh").code(2);
    world.typed("login --keep-fresh -- true").code(2);
}
