//! The protocol's other end, as simple as it can be: everything in memory, one lock.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use fh_api::{
    BatchAnswer, CommitSummary, ErrorBody, ErrorCode, LOG_RECORD, LogAnswer, NarAnswer,
    NarRejection, PartAnswer, PathAnswer, PathStatus, PushLimits, PushPlan, PushRequest,
    UploadNeed,
};
use fh_nix::{NarHash, StorePathHash};
use http::{HeaderMap, Method, StatusCode};
use http_body_util::BodyExt;
use uuid::Uuid;

/// Parts small enough that a test has many of them.
pub(crate) const LIMITS: PushLimits = PushLimits {
    part_size: 300_000,
    batched_nar_size: 20_000,
    body_size: 400_000,
    nar_size: 100_000_000,
    log_size: 100_000,
};

/// What to do with a request instead of serving it.
pub(crate) enum Fault {
    /// Answer with this status and these words, once the body was read.
    Refuse(u16, &'static str),
    /// Answer 503 and ask to wait so many seconds.
    Busy(&'static str),
    /// Serve it, and break off in the middle of the answer.
    CutAnswer,
    /// Read nothing and answer nothing.
    Hang,
    /// Read the body slowly: so long a rest for each piece of it.
    Slow(Duration),
    /// Serve it after so long a rest, and no other such request meanwhile: a line that is slow.
    Queue(Duration),
}

/// Whether a request with these headers may be served; it is asked when the request arrives.
pub(crate) type Gate = Box<dyn Fn(&HeaderMap) -> bool + Send + Sync>;

/// What happens on the server meanwhile.
pub(crate) type Change = Box<dyn Fn(&mut Content) + Send + Sync>;

/// Decides on each request; the number counts requests of the same method and path, from 0.
pub(crate) type Faults = Box<dyn Fn(&Method, &str, usize) -> Option<Fault> + Send + Sync>;

/// A request as it came.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) method: Method,
    /// What comes after `/api/v1/flakes/acme/app/pushes`, without the id.
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body_length: usize,
}

/// What the server holds.
#[derive(Default)]
pub(crate) struct Content {
    /// The requests in their order of arrival.
    pub(crate) seen: Vec<Seen>,
    /// Complete NARs: each compressed frame, with the decompressed whole.
    pub(crate) nars: HashMap<NarHash, Vec<u8>>,
    /// Parts of NARs that are not complete.
    pub(crate) parts: HashMap<NarHash, Vec<Bytes>>,
    /// Frames as they came, for a look at their headers.
    pub(crate) frames: Vec<Bytes>,
    /// The last plan asked for.
    pub(crate) request: Option<PushRequest>,
    /// The slice: base names.
    pub(crate) slice: Vec<String>,
    /// Build logs that came, decompressed, by the derivation's path hash.
    pub(crate) logs: Vec<(StorePathHash, Vec<u8>)>,
    /// Whether a push is open.
    pub(crate) open: bool,
    /// NARs that the caller can read elsewhere on the server.
    pub(crate) elsewhere: HashSet<NarHash>,
}

pub(crate) struct Inner {
    pub(crate) content: Mutex<Content>,
    faults: Faults,
    gate: Mutex<Option<Gate>>,
    line: tokio::sync::Mutex<()>,
    limits: PushLimits,
    counts: Mutex<BTreeMap<(String, String), usize>>,
    under_way: AtomicUsize,
    most_under_way: AtomicUsize,
    part_arrived: tokio::sync::Notify,
    /// Changes the plan before it is given out.
    spoil: Mutex<Option<fn(&mut PushPlan)>>,
    /// Changes what there is after a plan was made.
    after_plans: Mutex<Option<Change>>,
}

/// A server that lives as long as this.
pub(crate) struct TestServer {
    address: SocketAddr,
    pub(crate) inner: Arc<Inner>,
    task: tokio::task::JoinHandle<()>,
}

impl TestServer {
    pub(crate) async fn start() -> Self {
        Self::with_faults(|_, _, _| None).await
    }

    pub(crate) async fn with_faults(
        faults: impl Fn(&Method, &str, usize) -> Option<Fault> + Send + Sync + 'static,
    ) -> Self {
        Self::with(LIMITS, faults).await
    }

    pub(crate) async fn with(
        limits: PushLimits,
        faults: impl Fn(&Method, &str, usize) -> Option<Fault> + Send + Sync + 'static,
    ) -> Self {
        let inner = Arc::new(Inner {
            content: Mutex::default(),
            faults: Box::new(faults),
            gate: Mutex::default(),
            line: tokio::sync::Mutex::default(),
            limits,
            counts: Mutex::default(),
            under_way: AtomicUsize::new(0),
            most_under_way: AtomicUsize::new(0),
            part_arrived: tokio::sync::Notify::new(),
            spoil: Mutex::default(),
            after_plans: Mutex::default(),
        });
        let router = Router::new().fallback(serve).with_state(inner.clone());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let task = tokio::spawn(async move {
            axum::serve(listener, router).await.unwrap();
        });
        Self {
            address,
            inner,
            task,
        }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn content(&self) -> std::sync::MutexGuard<'_, Content> {
        self.inner.content.lock().unwrap()
    }

    /// Serves nobody else from now on.
    pub(crate) fn guard(&self, gate: impl Fn(&HeaderMap) -> bool + Send + Sync + 'static) {
        *self.inner.gate.lock().unwrap() = Some(Box::new(gate));
    }

    /// Changes every plan before it is given out.
    pub(crate) fn spoil_plans(&self, spoil: fn(&mut PushPlan)) {
        *self.inner.spoil.lock().unwrap() = Some(spoil);
    }

    /// Lets this happen after every plan.
    pub(crate) fn after_plans(&self, change: impl Fn(&mut Content) + Send + Sync + 'static) {
        *self.inner.after_plans.lock().unwrap() = Some(Box::new(change));
    }

    /// `POST /nars` and the like, in order of arrival.
    pub(crate) fn requests(&self) -> Vec<String> {
        let content = self.content();
        let line = |seen: &Seen| format!("{} {}", seen.method, seen.path);
        content.seen.iter().map(line).collect()
    }

    pub(crate) fn count(&self, start: &str) -> usize {
        let requests = self.requests();
        requests
            .iter()
            .filter(|line| line.starts_with(start))
            .count()
    }

    /// The most uploads that were under way at one time.
    pub(crate) fn most_under_way(&self) -> usize {
        self.inner.most_under_way.load(Ordering::SeqCst)
    }

    pub(crate) fn has(&self, hash: NarHash) -> bool {
        self.content().nars.contains_key(&hash)
    }
}

impl Drop for TestServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn error(status: u16, message: &str) -> Response {
    let code = match status {
        401 => ErrorCode::Unauthorized,
        403 => ErrorCode::Forbidden,
        404 => ErrorCode::NotFound,
        422 => ErrorCode::InvalidContent,
        _ => ErrorCode::Unknown,
    };
    let body = ErrorBody {
        code: status,
        error: code,
        message: message.to_owned(),
        request_id: Some("r-1".to_owned()),
    };
    let status = StatusCode::from_u16(status).unwrap();
    (status, axum::Json(body)).into_response()
}

/// Counts an upload while it is served.
struct UnderWay<'a>(&'a Inner);

impl<'a> UnderWay<'a> {
    fn new(inner: &'a Inner) -> Self {
        let now = inner.under_way.fetch_add(1, Ordering::SeqCst) + 1;
        inner.most_under_way.fetch_max(now, Ordering::SeqCst);
        Self(inner)
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.0.under_way.fetch_sub(1, Ordering::SeqCst);
    }
}

async fn serve(State(inner): State<Arc<Inner>>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let path = head.uri.path().to_owned();
    if path == "/.well-known/fh" {
        return axum::Json(super::renewal::discovery()).into_response();
    }
    let Some(path) = path.strip_prefix("/api/v1/flakes/acme/app/pushes") else {
        return error(404, "there is no such thing here");
    };
    // Without the push's id.
    let path = path
        .strip_prefix('/')
        .and_then(|rest| rest.split_once('/'))
        .map_or(String::new(), |(_, rest)| format!("/{rest}"));
    let number = {
        let mut counts = inner.counts.lock().unwrap();
        let count = counts
            .entry((head.method.to_string(), path.clone()))
            .or_default();
        *count += 1;
        *count - 1
    };
    let index = {
        let mut content = inner.content.lock().unwrap();
        content.seen.push(Seen {
            method: head.method.clone(),
            path: path.clone(),
            headers: head.headers.clone(),
            body_length: 0,
        });
        content.seen.len() - 1
    };
    let refused = {
        let gate = inner.gate.lock().unwrap();
        gate.as_ref().is_some_and(|gate| !gate(&head.headers))
    };
    if refused {
        let _ = collect(body, Duration::ZERO).await;
        return error(401, "the token expired");
    }
    let fault = (inner.faults)(&head.method, &path, number);
    let is_upload = path.starts_with("/nars");
    let _under_way = is_upload.then(|| UnderWay::new(&inner));
    let rest = match &fault {
        Some(Fault::Refuse(status, message)) => {
            // All of it first: whoever is answered while it still sends may see the end of the
            // connection before the answer.
            let _ = collect(body, Duration::ZERO).await;
            return error(*status, message);
        }
        Some(Fault::Busy(seconds)) => {
            let mut response = error(503, "busy");
            let headers = response.headers_mut();
            headers.insert("retry-after", seconds.parse().unwrap());
            return response;
        }
        Some(Fault::Hang) => return std::future::pending().await,
        Some(Fault::Slow(rest)) => *rest,
        _ => Duration::ZERO,
    };
    let Some(body) = collect(body, rest).await else {
        return error(400, "the body broke off");
    };
    inner.content.lock().unwrap().seen[index].body_length = body.len();
    if let Some(Fault::Queue(rest)) = fault {
        let _alone = inner.line.lock().await;
        tokio::time::sleep(rest).await;
    }
    let response = answer(&inner, &head.method, &path, body).await;
    if matches!(fault, Some(Fault::CutAnswer)) {
        let pieces: Vec<Result<Bytes, std::io::Error>> = vec![
            Ok(Bytes::from_static(b"{")),
            Err(std::io::Error::other("cut")),
        ];
        return Response::new(Body::from_stream(futures_util::stream::iter(pieces)));
    }
    response
}

async fn collect(mut body: Body, rest: Duration) -> Option<Bytes> {
    let mut all = Vec::new();
    while let Some(frame) = body.frame().await {
        all.extend_from_slice(frame.ok()?.data_ref()?);
        if !rest.is_zero() {
            tokio::time::sleep(rest).await;
        }
    }
    Some(all.into())
}

async fn answer(inner: &Inner, method: &Method, path: &str, body: Bytes) -> Response {
    if body.len() as u64 > inner.limits.body_size && !path.is_empty() {
        return error(413, "too large");
    }
    let names: Vec<&str> = path.split('/').skip(1).collect();
    match (method.as_str(), names.as_slice()) {
        ("POST", []) => plan(inner, &body),
        ("POST", ["nars"]) => batch(inner, body),
        ("PUT", ["nars", hash, "parts", number]) => {
            let hash = NarHash::from_base32(hash).unwrap();
            part(inner, hash, number.parse().unwrap(), body).await
        }
        ("POST", ["commit"]) => commit(inner),
        _ => error(405, "not so"),
    }
}

fn plan(inner: &Inner, body: &[u8]) -> Response {
    let request: PushRequest = serde_json::from_slice(body).unwrap();
    let mut content = inner.content.lock().unwrap();
    let mut uploads: Vec<UploadNeed> = Vec::new();
    let mut paths = Vec::new();
    for path in request.paths.iter().filter(|path| !path.context) {
        let base = path.path.strip_prefix("/nix/store/").unwrap().to_owned();
        let hash: NarHash = path.nar_hash.parse().unwrap();
        let status = if content.slice.contains(&base) {
            PathStatus::Present
        } else if content.elsewhere.contains(&hash) {
            PathStatus::Linked
        } else if content.nars.contains_key(&hash) {
            PathStatus::Received
        } else {
            let nar_hash = hash.to_base32();
            if uploads.iter().all(|need| need.nar_hash != nar_hash) {
                uploads.push(UploadNeed {
                    nar_hash,
                    parts_received: content.parts.get(&hash).map_or(0, |p| p.len() as u64),
                });
            }
            PathStatus::Upload
        };
        paths.push(PathAnswer {
            hash: base[..32].to_owned(),
            status,
        });
    }
    let logs: Vec<String> = request
        .logs
        .iter()
        .filter(|log| {
            content
                .logs
                .iter()
                .all(|(hash, _)| !log.starts_with(&hash.to_string()))
        })
        .cloned()
        .collect();
    let done = paths.iter().all(|path| path.status == PathStatus::Present);
    let begun = (!done || !logs.is_empty()) && !request.dry_run;
    content.open |= begun && !done;
    content.request = Some(request);
    let mut plan = PushPlan {
        id: begun.then(|| Uuid::from_u128(7)),
        committed: done.then(|| CommitSummary {
            paths: paths.len() as u64,
            ..CommitSummary::default()
        }),
        paths,
        uploads,
        limits: inner.limits,
        expires_at: None,
        logs,
    };
    if let Some(spoil) = *inner.spoil.lock().unwrap() {
        spoil(&mut plan);
    }
    if let Some(change) = &*inner.after_plans.lock().unwrap() {
        change(&mut content);
    }
    let status = if begun {
        StatusCode::CREATED
    } else {
        StatusCode::OK
    };
    (status, axum::Json(plan)).into_response()
}

/// The decompressed content of whole frames.
fn decompress(frames: &[u8]) -> Option<Vec<u8>> {
    use std::io::Read;
    let mut content = Vec::new();
    let mut decoder = zstd::stream::read::Decoder::new(frames).ok()?;
    decoder.read_to_end(&mut content).ok()?;
    Some(content)
}

fn batch(inner: &Inner, body: Bytes) -> Response {
    let mut content = inner.content.lock().unwrap();
    let mut nars = Vec::new();
    let mut logs = Vec::new();
    let mut rest = body;
    while !rest.is_empty() {
        let header = rest.split_to(40);
        let hash = NarHash::from_bytes(header[..32].try_into().unwrap());
        let length = u64::from_le_bytes(header[32..].try_into().unwrap());
        let frame = rest.split_to(usize::try_from(length).unwrap());
        let nar = decompress(&frame).unwrap();
        if let Some(derivation) = header[..32].strip_prefix(&LOG_RECORD) {
            let derivation = StorePathHash::from_bytes(derivation.try_into().unwrap());
            let refused = nar.starts_with(b"refuse");
            logs.push(LogAnswer {
                derivation: derivation.to_string(),
                rejected: refused.then(|| NarRejection {
                    message: "no such log".to_owned(),
                }),
            });
            if !refused {
                content.logs.push((derivation, nar));
            }
            continue;
        }
        let right = NarHash::of(&nar) == hash;
        if right {
            content.nars.insert(hash, nar);
            content.frames.push(frame);
        }
        nars.push(NarAnswer {
            nar_hash: hash.to_base32(),
            rejected: (!right).then(|| NarRejection {
                message: "another hash".to_owned(),
            }),
        });
    }
    axum::Json(BatchAnswer { nars, logs }).into_response()
}

async fn part(inner: &Inner, hash: NarHash, number: usize, body: Bytes) -> Response {
    loop {
        let arrived = inner.part_arrived.notified();
        tokio::pin!(arrived);
        arrived.as_mut().enable();
        if let Some(response) = try_part(inner, hash, number, &body) {
            inner.part_arrived.notify_waiters();
            return response;
        }
        arrived.await;
    }
}

/// None where a predecessor has yet to come.
fn try_part(inner: &Inner, hash: NarHash, number: usize, body: &Bytes) -> Option<Response> {
    let mut content = inner.content.lock().unwrap();
    let answer = |parts_received: usize, complete| {
        let answer = PartAnswer {
            parts_received: parts_received as u64,
            complete,
        };
        Some(axum::Json(answer).into_response())
    };
    if content.nars.contains_key(&hash) {
        return answer(number + 1, true);
    }
    let request = content.request.as_ref().unwrap();
    let size = request
        .paths
        .iter()
        .find(|path| path.nar_hash.parse::<NarHash>().unwrap() == hash)
        .unwrap()
        .nar_size;
    let count = fh_api::part_count(size, inner.limits.part_size) as usize;
    let parts = content.parts.entry(hash).or_default();
    if number < parts.len() {
        return answer(parts.len(), false);
    }
    if number > parts.len() {
        return None;
    }
    parts.push(body.clone());
    let received = parts.len();
    if received < count {
        content.frames.push(body.clone());
        return answer(received, false);
    }
    let whole: Vec<u8> = parts.concat();
    content.parts.remove(&hash);
    match decompress(&whole) {
        Some(nar) if NarHash::of(&nar) == hash => {
            content.nars.insert(hash, nar);
            content.frames.push(body.clone());
            answer(count, true)
        }
        _ => Some(error(422, "the NAR has another hash")),
    }
}

fn commit(inner: &Inner) -> Response {
    let mut content = inner.content.lock().unwrap();
    if !content.open {
        return error(404, "there is no such push");
    }
    content.open = false;
    let request = content.request.clone().unwrap();
    let mut paths = 0;
    for path in request.paths.iter().filter(|path| !path.context) {
        let hash: NarHash = path.nar_hash.parse().unwrap();
        if !content.nars.contains_key(&hash) && !content.elsewhere.contains(&hash) {
            return error(409, "a NAR is missing");
        }
        let base = path.path.strip_prefix("/nix/store/").unwrap().to_owned();
        content.slice.push(base);
        paths += 1;
    }
    axum::Json(CommitSummary {
        paths,
        added: paths,
        ..CommitSummary::default()
    })
    .into_response()
}
