//! Real Nix downloads for longer than any token lives, with a job's identity from a platform.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use fh_testkit::nix::{Nix, ScratchStore, versions};
use fh_testkit::proxy::Verdict;

use super::oidc::{Issuer, audience};
use crate::nix::{Built, Site, proxy};

/// How long an exchanged token lives, in seconds.
const LIFE: u64 = 9;

/// How long each request of Nix is on its way: shorter than what is left of a token when another takes its
/// place, and those that wait for one another take longer than two tokens live.
const DELAY: Duration = Duration::from_millis(1500);

/// What a runner of GitHub Actions asks for identities, each of which is a new one.
struct Platform {
    url: String,
    asked: Arc<AtomicUsize>,
}

impl Platform {
    fn start(issuer: Issuer, audience: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/identity?a=b", listener.local_addr().unwrap());
        let asked = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&asked);
        let issuer = Mutex::new(issuer);
        thread::spawn(move || {
            for stream in listener.incoming() {
                let number = counted.fetch_add(1, Ordering::SeqCst);
                let identity = {
                    let mut issuer = issuer.lock().unwrap();
                    issuer.sign_numbered(&audience, "builder", number)
                };
                let _ = answer(&stream.unwrap(), &identity);
            }
        });
        Self { url, asked }
    }
}

fn answer(mut stream: &TcpStream, identity: &str) -> std::io::Result<()> {
    let mut head = BufReader::new(stream).lines();
    while head
        .next()
        .transpose()?
        .is_some_and(|line| !line.is_empty())
    {}
    let body = serde_json::json!({ "value": identity }).to_string();
    let length = body.len();
    write!(
        stream,
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
    )
}

/// A policy's tokens last a minute at least, and no test does.
fn shorten(site: &Site) {
    let database = rusqlite::Connection::open(site.server.data_dir().join("fh.sqlite")).unwrap();
    database.busy_timeout(Duration::from_secs(10)).unwrap();
    let sql = "UPDATE trust_policy SET max_lifetime = ?1";
    assert_eq!(
        database
            .execute(sql, [i64::try_from(LIFE).unwrap()])
            .unwrap(),
        1
    );
}

fn downloads(site: &Site, platform: &Platform, built: &Built, nix: &'static Nix) {
    let nobody = site.stranger(nix);
    let proxy = proxy(site.url(), |_, _| Verdict::Delay(DELAY));
    let store = ScratchStore::new().unwrap();
    let tool = nix.command("nix", &nobody.home);
    let mut fh = nobody.fh_command(["login", "--server", site.url()]);
    fh.args(["--scope", "user", "--workload", "--keep-fresh", "--"])
        .env("GITHUB_ACTIONS", "true")
        .env("ACTIONS_ID_TOKEN_REQUEST_URL", &platform.url)
        .env("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "of-the-job")
        .arg(tool.get_program())
        .args(tool.get_args())
        .args(["copy", "--from", &proxy.url()])
        .args(["--to", &store.uri(), built.top()]);
    let begin = Instant::now();
    crate::nix::process::run(fh).ok();
    let took = begin.elapsed();
    built.assert_arrived(nix, &store);
    // The netrc of the beginning was of no use in the end.
    assert!(took > Duration::from_secs(2 * LIFE), "{took:?}");
    assert!(proxy.seen().iter().all(|seen| seen.status == Some(200)));
    // And nothing of it is left.
    let netrc = nobody.home.config().join("nix/netrc");
    assert!(!netrc.exists());
    let store = ScratchStore::new().unwrap();
    nobody.copy(site.url(), &store.uri(), built.top()).failed();
}

#[test]
fn nix_downloads_for_longer_than_any_token_lives() {
    let Some(issuer) = Issuer::start() else {
        return;
    };
    let url = issuer.url.clone();
    let site = Site::acme(issuer.server());
    let built = Built::new("longer than a token");
    site.admin.fh(["push", "acme/app", built.top()]).ok();
    let policy = "--subject builder --flake acme/app --role read";
    let trust = format!("trust add oidc --issuer {url} {policy}");
    site.admin.typed(trust).ok();
    shorten(&site);
    let platform = Platform::start(issuer, audience(&site.server));
    thread::scope(|scope| {
        for nix in versions() {
            let (site, platform, built) = (&site, &platform, &built);
            scope.spawn(move || downloads(site, platform, built, nix));
        }
    });
    assert!(platform.asked.load(Ordering::SeqCst) >= 3 * versions().len());
}
