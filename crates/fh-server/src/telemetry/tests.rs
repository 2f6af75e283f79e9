use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::routing::post;
use fh_access::within_this_request;
use fh_settings::{LogFormat, ProxyHeader};
use http_body_util::BodyExt as _;
use serde_json::Value;
use tower::ServiceExt as _;
use tracing::Subscriber;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::fmt::format::format;

use super::*;

/// Log lines of one test.
#[derive(Clone, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Log {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

impl Log {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }

    pub(crate) fn lines(&self) -> Vec<Value> {
        self.text()
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }
}

fn routes() -> Router {
    Router::new()
        .route("/things/{name}", get(async || "a thing"))
        .route("/known", get(known))
        .route("/named", get(named))
        .route("/body", post(async |body: String| body))
        .route("/panic", get(panic))
        .route("/log", get(async || tracing::warn!("inside")))
}

async fn known(request: Request) -> &'static str {
    request
        .extensions()
        .get::<PrincipalSlot>()
        .unwrap()
        .set("alice");
    "ok"
}

/// Somebody whose name is the query.
async fn named(request: Request) -> &'static str {
    let slot = request.extensions().get::<PrincipalSlot>();
    slot.unwrap().set(request.uri().query().unwrap());
    "ok"
}

async fn panic() -> Response {
    panic!("secret of the panic")
}

/// Proxies of the network 10.0.0.0/8, which name clients in this header.
fn proxies(header: ProxyHeader) -> Proxies {
    Proxies {
        trusted: Arc::new(["10.0.0.0/8".parse().unwrap()]),
        header,
    }
}

fn json(log: &Log) -> impl Subscriber + Send + Sync + use<> {
    let lines = format().json().flatten_event(true);
    tracing_subscriber::fmt()
        .json()
        .event_format(WithRequestId::new(lines, LogFormat::Json))
        .with_writer(log.clone())
        .finish()
}

/// Sends a request through the layers; the answer with its body, and what was logged.
async fn exchange(metrics: &Metrics, request: Request) -> (http::response::Parts, String, Log) {
    exchange_behind(proxies(ProxyHeader::XForwardedFor), metrics, request).await
}

async fn exchange_behind(
    proxies: Proxies,
    metrics: &Metrics,
    request: Request,
) -> (http::response::Parts, String, Log) {
    let log = Log::default();
    let _guard = tracing::subscriber::set_default(json(&log));
    let response = observed(routes(), metrics.clone(), proxies)
        .oneshot(request)
        .await
        .unwrap();
    let (parts, body) = response.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    (parts, String::from_utf8(body.to_vec()).unwrap(), log)
}

fn request(path: &str) -> Request {
    Request::get(path).body(Body::empty()).unwrap()
}

fn local(mut request: Request, id: &str) -> Request {
    request
        .headers_mut()
        .insert(REQUEST_ID, HeaderValue::from_str(id).unwrap());
    let proxy = SocketAddr::from((Ipv4Addr::LOCALHOST, 1));
    request.extensions_mut().insert(Peer::Tcp(proxy));
    request
}

#[tokio::test]
async fn one_line_a_request_with_what_was_asked_for() {
    let (parts, body, log) = exchange(&Metrics::new(), request("/known?token=hunter2")).await;
    let lines = log.lines();
    let [line] = lines.as_slice() else {
        panic!("{lines:?}")
    };
    assert_eq!(line["level"], "INFO");
    assert_eq!(line["target"], "fh_server::access");
    assert_eq!(line["method"], "GET");
    assert_eq!(line["route"], "/known");
    assert_eq!(line["path"], "/known");
    assert_eq!(line["status"], 200);
    assert_eq!(line["sent"], body.len());
    assert_eq!(line["complete"], true);
    assert_eq!(line["principal"], "alice");
    assert_eq!(
        line["request_id"],
        parts.headers[REQUEST_ID].to_str().unwrap()
    );
    assert!(line["duration_ms"].is_number());
    assert!(!log.text().contains("hunter2"));
}

/// As it counts for limits, tokens and the audit log: nobody but a trusted proxy can name the client, and a
/// refused or unknown request has its address too.
#[tokio::test]
async fn the_line_has_the_client_s_address() {
    let tcp = |address: &str| Some(Peer::Tcp(address.parse().unwrap()));
    let x = (ProxyHeader::XForwardedFor, "x-forwarded-for");
    let rfc = (ProxyHeader::Forwarded, "forwarded");
    for (peer, (header, name), value, path, client) in [
        (tcp("192.0.2.1:80"), x, None, "/known", Some("192.0.2.1")),
        (tcp("192.0.2.1:80"), x, None, "/nowhere", Some("192.0.2.1")),
        (tcp("192.0.2.1:80"), x, None, "/panic", Some("192.0.2.1")),
        (
            tcp("[2001:db8::1]:80"),
            x,
            None,
            "/known",
            Some("2001:db8::1"),
        ),
        (
            tcp("[::ffff:192.0.2.1]:80"),
            x,
            None,
            "/known",
            Some("192.0.2.1"),
        ),
        // Who is not a trusted proxy is not believed.
        (
            tcp("192.0.2.1:80"),
            x,
            Some("203.0.113.9"),
            "/known",
            Some("192.0.2.1"),
        ),
        (
            tcp("10.0.0.1:80"),
            x,
            Some("203.0.113.9"),
            "/known",
            Some("203.0.113.9"),
        ),
        (
            tcp("10.0.0.1:80"),
            x,
            Some("1.1.1.1, 203.0.113.9"),
            "/known",
            Some("203.0.113.9"),
        ),
        (tcp("10.0.0.1:80"), x, None, "/known", Some("10.0.0.1")),
        (
            tcp("10.0.0.1:80"),
            rfc,
            Some("for=\"[2001:db8::2]:9\""),
            "/known",
            Some("2001:db8::2"),
        ),
        // The header that the settings do not name comes from the client.
        (
            tcp("10.0.0.1:80"),
            (rfc.0, x.1),
            Some("203.0.113.9"),
            "/known",
            Some("10.0.0.1"),
        ),
        // Nothing that was sent goes into the line but an address.
        (tcp("10.0.0.1:80"), x, Some("hunter2"), "/known", None),
        (
            Some(Peer::Unix),
            x,
            Some("203.0.113.9"),
            "/known",
            Some("203.0.113.9"),
        ),
        (Some(Peer::Unix), x, None, "/known", None),
        (None, x, Some("203.0.113.9"), "/known", None),
    ] {
        let mut request = request(path);
        if let Some(peer) = peer {
            request.extensions_mut().insert(peer);
        }
        if let Some(value) = value {
            let value = HeaderValue::from_static(value);
            request.headers_mut().insert(name, value);
        }
        let (.., log) = exchange_behind(proxies(header), &Metrics::new(), request).await;
        let lines = log.lines();
        let line = lines
            .iter()
            .find(|line| line["target"] == "fh_server::access");
        let logged = line.unwrap().get("client").and_then(Value::as_str);
        assert_eq!(logged, client, "{peer:?} {name}: {value:?}");
        assert!(!log.text().contains("hunter2"), "{}", log.text());
    }
}

#[tokio::test]
async fn nothing_secret_is_logged() {
    let signature = "c2lnbmF0dXJl".repeat(4);
    let rest = format!("yJhbGciOiJFZERTQSJ9.eyJqdGkiOiIwIn0.{signature}");
    let token = &format!("fh1_e{rest}");
    for path in [
        format!("/things/{token}"),
        format!("/nowhere/{token}"),
        format!("/known?{token}"),
        format!("/things/e{rest}"),
        format!("/things/%66h1_%65{rest}"),
        // Encoded twice.
        format!("/things/%2565{}", rest.replace('.', "%252E")),
        format!("/things/name=fh1%5fe{rest}"),
        format!("/things/flakehub1_{}", signature.repeat(2)),
        // A header that begins with a blank.
        format!("/things/eyAiYWxnIjoi.eyAiYWxnIjoi.{signature}"),
        format!("/known?token={token}#{token}"),
        // A token whose beginning is behind what is shown of a long path.
        format!("/things/{}%2F{token}", "x".repeat(400)),
    ] {
        let mut request = request(&path);
        let headers = request.headers_mut();
        headers.insert(
            "authorization",
            HeaderValue::from_str(&format!("Bearer {token}")).unwrap(),
        );
        for name in [
            "cookie",
            "referer",
            "user-agent",
            "x-forwarded-for",
            "x-request-id",
        ] {
            headers.insert(name, HeaderValue::from_static("c2lnbmF0dXJl"));
        }
        let (_, _, log) = exchange(&Metrics::new(), request).await;
        assert!(!log.text().contains("c2lnbmF0dXJl"), "{}", log.text());
    }
}

/// Nobody chooses a name, of an account or of what they use, for which the log does not tell what they do.
#[tokio::test]
async fn no_name_hides_who_did_what() {
    let longest = format!("eyJhbGciOi.eyJqdGkiOi.{}", "c".repeat(42));
    for name in [
        "keyJar",
        "fh1_fh1_",
        "flakehub1_app",
        "eyJhbGciOiJFZERTQSJ9.a.b",
        &longest,
    ] {
        name.parse::<fh_api::Name>().unwrap();
        assert_eq!(
            logged(&format!("/things/{name}")).await,
            format!("/things/{name}")
        );
        let (_, _, log) = exchange(&Metrics::new(), request(&format!("/named?{name}"))).await;
        assert_eq!(log.lines()[0]["principal"], name);
    }
}

#[tokio::test]
async fn no_path_of_an_unknown_route_is_logged_and_a_long_one_is_cut() {
    let (_, _, log) = exchange(&Metrics::new(), request("/wp-login.php")).await;
    assert!(!log.text().contains("wp-login"));
    assert_eq!(log.lines()[0]["route"], "unmatched");
    assert_eq!(log.lines()[0]["principal"], "anonymous");
    let long = format!("/things/{}", "x".repeat(5000));
    let (_, _, log) = exchange(&Metrics::new(), request(&long)).await;
    assert!(log.text().len() < 1000);
}

/// What a path is in the log.
async fn logged(path: &str) -> String {
    let (_, _, log) = exchange(&Metrics::new(), request(path)).await;
    let lines = log.lines();
    let [line] = lines.as_slice() else {
        panic!("{path}: {lines:?}")
    };
    line["path"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_path_is_logged_in_printable_ascii() {
    for (path, shown) in [
        ("/things/a-b_c.d~e", "/things/a-b_c.d~e"),
        ("/things/%0a%1B%C2%9B", "/things/%0a%1B%C2%9B"),
        ("/things/100%", "/things/100%"),
        ("/things/\u{9b}31mred\u{85}", "/things/%C2%9B31mred%C2%85"),
        ("/things/\u{202e}gpj.exe", "/things/%E2%80%AEgpj.exe"),
        ("/things/\u{2066}a\u{2069}", "/things/%E2%81%A6a%E2%81%A9"),
        ("/things/a\u{200b}b\u{ad}", "/things/a%E2%80%8Bb%C2%AD"),
        ("/things/\u{2028}\u{e0041}", "/things/%E2%80%A8%F3%A0%81%81"),
        ("/things/ä\u{1f600}", "/things/%C3%A4%F0%9F%98%80"),
    ] {
        assert_eq!(logged(path).await, shown);
    }
}

#[tokio::test]
async fn a_long_path_is_cut_between_two_characters_and_says_so() {
    // As it is sent, as it is shown, and one character of it.
    for (sent, shown) in [
        ("x", "x"),
        ("ä", "%C3%A4"),
        ("€", "%E2%82%AC"),
        ("\u{1f600}", "%F0%9F%98%80"),
        ("%e2%82%ac", "%e2%82%ac"),
        ("%f0%9f%98%80", "%f0%9f%98%80"),
    ] {
        for before in 0..12 {
            let before = "x".repeat(before);
            let path = logged(&format!("/things/{before}{}", sent.repeat(2000))).await;
            let rest = path.strip_prefix(&format!("/things/{before}"));
            let rest = rest.and_then(|rest| rest.strip_suffix('…')).unwrap();
            assert_eq!(rest, shown.repeat(rest.len() / shown.len()), "{path}");
            let length = path.chars().count();
            assert!((289..=301).contains(&length), "{length}: {path}");
        }
    }
    // What is no character at all is not looked at for long.
    let path = logged(&format!("/things/{}", "%80".repeat(2000))).await;
    assert!(path.len() > 280 && path.ends_with('…'), "{path}");
    // What just fits is whole.
    let fits = format!("/things/{}", "x".repeat(292));
    assert_eq!(logged(&fits).await, fits);
}

#[tokio::test]
async fn a_proxy_on_this_machine_may_number_requests_and_nobody_else() {
    let metrics = Metrics::new();
    let answered = async |request| {
        let (parts, ..) = exchange(&metrics, request).await;
        parts.headers[REQUEST_ID].to_str().unwrap().to_owned()
    };
    assert_eq!(
        answered(local(request("/known"), "proxy-1.a_b")).await,
        "proxy-1.a_b"
    );
    let long = "x".repeat(65);
    for bad in ["", "with space", "a\"b", &long, "{}"] {
        let id = answered(local(request("/known"), bad)).await;
        assert!(id.parse::<Uuid>().is_ok(), "{bad:?} became {id}");
    }
    let mut far = local(request("/known"), "far");
    far.extensions_mut()
        .insert(Peer::Tcp("192.0.2.1:1".parse().unwrap()));
    assert!(answered(far).await.parse::<Uuid>().is_ok());
    let mut unknown = request("/known");
    unknown
        .headers_mut()
        .insert(REQUEST_ID, HeaderValue::from_static("unknown"));
    assert!(answered(unknown).await.parse::<Uuid>().is_ok());
    let mut unix = local(request("/known"), "unix");
    unix.extensions_mut().insert(Peer::Unix);
    assert_eq!(answered(unix).await, "unix");
}

#[tokio::test]
async fn a_panic_is_a_500_that_tells_nothing_but_the_id() {
    let (parts, body, log) = exchange(&Metrics::new(), request("/panic")).await;
    assert_eq!(parts.status, 500);
    assert!(!body.contains("secret of the panic"), "{body}");
    let id = parts.headers[REQUEST_ID].to_str().unwrap();
    assert!(body.contains(id), "{body}");
    assert!(log.text().contains("secret of the panic"));
    for line in log.lines() {
        assert_eq!(line["request_id"], id, "{line}");
    }
    // Of two fields of one name each reader takes another one.
    for line in log.text().lines() {
        assert_eq!(line.matches("\"request_id\"").count(), 1, "{line}");
    }
}

#[tokio::test]
async fn lines_of_a_request_carry_its_id() {
    let (parts, _, log) = exchange(&Metrics::new(), request("/log")).await;
    let lines = log.lines();
    let inside = lines
        .iter()
        .find(|line| line["message"] == "inside")
        .unwrap();
    assert_eq!(
        inside["request_id"],
        parts.headers[REQUEST_ID].to_str().unwrap()
    );
}

#[tokio::test]
async fn lines_of_text_carry_the_id_too_and_others_none() {
    for color in [false, true] {
        let log = Log::default();
        let lines = format().with_ansi(color);
        let subscriber = tracing_subscriber::fmt()
            .event_format(WithRequestId::new(lines, LogFormat::Text))
            .with_writer(log.clone());
        let _guard = tracing::subscriber::set_default(subscriber.finish());
        tracing::info!("outside");
        within_request("proxy-1".into(), async {
            let work = within_this_request(async { tracing::info!("inside") });
            // A task of its own, as of a commit that goes on when its request is gone.
            tokio::spawn(work).await.unwrap();
        })
        .await;
        let text = log.text();
        let [outside, inside] = text.lines().collect::<Vec<_>>()[..] else {
            panic!("{text}")
        };
        assert!(outside.ends_with("outside"), "{outside}");
        assert!(inside.ends_with("inside request_id=proxy-1"), "{inside}");
        assert_eq!(inside.contains('\u{1b}'), color, "{inside}");
    }
}

#[tokio::test]
async fn an_answer_that_nobody_waited_for_is_recorded() {
    let metrics = Metrics::new();
    let log = Log::default();
    let _guard = tracing::subscriber::set_default(json(&log));
    let hanging = Router::new().route("/hang", get(async || std::future::pending::<()>().await));
    let proxies = proxies(ProxyHeader::XForwardedFor);
    let call = observed(hanging, metrics.clone(), proxies).oneshot(request("/hang"));
    assert!(
        tokio::time::timeout(Duration::from_millis(50), call)
            .await
            .is_err()
    );
    assert_eq!(log.lines()[0]["status"], 499);
    assert!(
        metrics
            .render()
            .contains(r#"route="/hang",status="aborted"} 1"#),
        "{}",
        metrics.render()
    );
}

#[tokio::test]
async fn metrics_count_by_route_and_nothing_a_client_chooses() {
    let metrics = Metrics::new();
    for path in ["/things/a", "/things/b", "/nowhere/a", "/nowhere/b"] {
        exchange(&metrics, request(path)).await;
    }
    let strange = Request::builder()
        .method("BREW")
        .uri("/known")
        .body(Body::empty())
        .unwrap();
    exchange(&metrics, strange).await;
    let mut post = Request::post("/body").body(Body::from("1234")).unwrap();
    let traffic = Traffic::default();
    traffic.received(4);
    post.extensions_mut().insert(traffic);
    exchange(&metrics, post).await;

    let text = metrics.render();
    for line in [
        r#"fh_http_requests_total{method="GET",route="/things/{name}",status="200"} 2"#,
        r#"fh_http_requests_total{method="GET",route="unmatched",status="404"} 2"#,
        r#"fh_http_requests_total{method="other",route="/known",status="405"} 1"#,
        r#"fh_http_request_duration_seconds_count{method="POST",route="/body"} 1"#,
        r#"fh_http_request_duration_seconds_bucket{method="POST",route="/body",le="+Inf"} 1"#,
        "fh_http_received_bytes_total 4",
        "fh_http_requests_in_progress 0",
        "# HELP fh_nars_stored_total NARs written to the storage.",
        "# TYPE process_start_time_seconds gauge",
    ] {
        assert!(text.contains(line), "{line}\n{text}");
    }
    assert!(
        !text.contains("nowhere") && !text.contains("BREW"),
        "{text}"
    );
}

#[test]
fn what_the_other_parts_count() {
    let metrics = Metrics::new();
    let upload = metrics.upload_started();
    metrics.nar_verified(Duration::from_millis(3), true);
    metrics.nar_verified(Duration::from_millis(3), false);
    metrics.nar_stored(1000, 100);
    metrics.paths_committed(7);
    metrics.cache_answered(CacheRoute::NarInfo, CacheAnswer::Memory);
    metrics.cache_answered(CacheRoute::Nar, CacheAnswer::Absent);
    metrics.cache_answered(CacheRoute::NarInfo, CacheAnswer::Stored);
    let text = metrics.render();
    for line in [
        "fh_uploads_in_progress 1",
        "fh_nars_verified_total 1",
        "fh_nars_refused_total 1",
        "fh_nar_verification_seconds_count 2",
        "fh_nars_stored_total 1",
        "fh_nar_bytes_stored_total 1000",
        "fh_file_bytes_stored_total 100",
        "fh_paths_committed_total 7",
        r#"fh_cache_answers_total{kind="narinfo",answer="memory"} 1"#,
        r#"fh_cache_answers_total{kind="nar",answer="absent"} 1"#,
    ] {
        assert!(text.contains(line), "{line}\n{text}");
    }
    drop(upload);
    assert!(metrics.render().contains("fh_uploads_in_progress 0"));
}
