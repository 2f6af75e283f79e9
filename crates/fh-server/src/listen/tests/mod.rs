//! Real sockets, real clients, and clients that misbehave.

mod crowd;
mod pace;
mod sockets;
mod stop;
mod tls;

use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use fh_settings::Settings;
use futures_util::StreamExt as _;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::{BoundAddress, Certificates, Service, Serving, Sockets, body_failure};
use crate::peer::Proxies;
use crate::telemetry::Metrics;

/// Piece of the slow answer, and the pause between two.
const PIECE: &[u8] = &[b'x'; 1000];
const PAUSE: Duration = Duration::from_millis(50);
const PIECES: usize = 20;

/// A server with a few routes of its own.
struct Listening {
    serving: Serving,
    addresses: Vec<BoundAddress>,
    metrics_address: Option<BoundAddress>,
    directory: TempDir,
}

/// Short limits, so that tests are; long enough for a busy machine.
fn settings(directory: &TempDir) -> Settings {
    let mut settings = fh_settings::ephemeral(directory.path()).unwrap();
    settings.timeouts.header = Duration::from_millis(600);
    settings.timeouts.idle = Duration::from_millis(1500);
    settings.timeouts.stall = Duration::from_millis(800);
    settings.limits.body_size = 1 << 20;
    settings.limits.plan_size = 1 << 20;
    settings.limits.body_rate = 0;
    settings
}

fn listening(adjust: impl FnOnce(&mut Settings)) -> Listening {
    let directory = tempfile::tempdir().unwrap();
    let mut settings = settings(&directory);
    adjust(&mut settings);
    let certificates = settings
        .tls
        .clone()
        .map(|files| Certificates::load(files).unwrap());
    let sockets = Sockets::bind(
        &settings.listen,
        settings.metrics_listen.as_ref(),
        Vec::new(),
    )
    .unwrap();
    start(sockets, &settings, certificates, directory)
}

fn start(
    sockets: Sockets,
    settings: &Settings,
    certificates: Option<Certificates>,
    directory: TempDir,
) -> Listening {
    let addresses = sockets.addresses();
    let metrics_address = sockets.metrics_address();
    let service = Service {
        router: routes(),
        certificates,
        limits: settings.limits,
        timeouts: settings.timeouts,
        proxies: Proxies::of(settings),
        metrics: Metrics::new(),
    };
    Listening {
        serving: Serving::start(sockets, service).unwrap(),
        addresses,
        metrics_address,
        directory,
    }
}

impl Listening {
    fn tcp(&self) -> SocketAddr {
        self.addresses
            .iter()
            .find_map(|address| match address {
                BoundAddress::Tcp(address) => Some(*address),
                BoundAddress::Unix(_) => None,
            })
            .unwrap()
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.tcp())
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.tcp()).await.unwrap()
    }

    async fn stop(self) {
        assert!(
            self.serving
                .stop(Duration::from_secs(5), std::future::pending())
                .await
        );
    }
}

fn routes() -> Router {
    Router::new()
        .route("/hello", get(async || "hello"))
        .route(
            "/version",
            get(async |request: Request| format!("{:?}", request.version())),
        )
        .route("/panic", get(panic))
        .route("/slow", get(slow))
        .route("/endless", get(endless))
        .route("/count", post(count))
        .route("/late", post(late))
        .route(
            "/refuse",
            post(async || (http::StatusCode::UNAUTHORIZED, "no")),
        )
        .layer(axum::extract::DefaultBodyLimit::disable())
}

async fn panic() -> Response {
    panic!("as asked")
}

async fn slow() -> Body {
    let pieces = futures_util::stream::iter(0..PIECES).then(async |_| {
        tokio::time::sleep(PAUSE).await;
        Ok::<_, std::io::Error>(Bytes::from_static(PIECE))
    });
    Body::from_stream(pieces)
}

async fn endless() -> Body {
    let pieces = futures_util::stream::repeat_with(|| {
        Ok::<_, std::io::Error>(Bytes::from(vec![0; 256 << 10]))
    });
    Body::from_stream(pieces)
}

/// Counts after longer than a body may stand still.
async fn late(body: Body) -> Response {
    tokio::time::sleep(Duration::from_secs(2)).await;
    count(body).await
}

/// How many bytes came, or why not.
async fn count(body: Body) -> Response {
    let mut frames = body.into_data_stream();
    let mut total = 0;
    while let Some(frame) = frames.next().await {
        match frame {
            Ok(data) => total += data.len(),
            Err(error) => return crate::answer::Failed::from(body_failure(&error)).into_response(),
        }
    }
    total.to_string().into_response()
}

/// Reads until the other end closes. A reset counts as an end.
async fn read_to_end(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    let mut buffer = [0; 4096];
    while let Ok(count @ 1..) = stream.read(&mut buffer).await {
        bytes.extend_from_slice(buffer.get(..count).unwrap());
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Reads until some text has come.
async fn read_until(stream: &mut TcpStream, text: &str) -> String {
    let mut seen = String::new();
    let mut buffer = [0; 4096];
    while !seen.contains(text) {
        let count = stream.read(&mut buffer).await.unwrap();
        assert_ne!(count, 0, "the connection ended after {seen:?}");
        seen.push_str(&String::from_utf8_lossy(buffer.get(..count).unwrap()));
    }
    seen
}

async fn send(stream: &mut TcpStream, text: &str) {
    stream.write_all(text.as_bytes()).await.unwrap();
}

/// Fails rather than hangs.
async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(20), future)
        .await
        .expect("it takes too long")
}
