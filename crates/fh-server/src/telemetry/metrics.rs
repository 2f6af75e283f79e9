//! Metrics in Prometheus' text format.
//!
//! One [`Metrics`] a server, handed to whoever counts; there is no global recorder, so that several
//! servers in one process (tests) do not count for each other.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use metrics::{
    Counter, Gauge, Histogram, Key, KeyName, Label, Level, Metadata, Recorder as _, Unit,
};
use metrics_exporter_prometheus::{
    Matcher, PrometheusBuilder, PrometheusHandle, PrometheusRecorder,
};
use parking_lot::RwLock;

/// Upper ends of the buckets of durations, in seconds: from an answer out of memory to a large
/// upload on a slow line.
const DURATION_BUCKETS: [f64; 14] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0, 300.0,
];

/// How often observations are put into their buckets; until then they take memory one by one.
const UPKEEP_INTERVAL: Duration = Duration::from_secs(5);

const METADATA: Metadata<'static> =
    Metadata::new("fh_server", Level::INFO, Some("fh_server::telemetry"));

const REQUESTS: &str = "fh_http_requests_total";
const DURATION: &str = "fh_http_request_duration_seconds";
const CACHE_ANSWERS: &str = "fh_cache_answers_total";

/// Which of Nix's questions was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CacheRoute {
    /// `/<hash>.narinfo`
    NarInfo,
    /// `/nar/<nar hash>.nar.zst`
    Nar,
    /// `/<hash>.ls`
    Listing,
    /// `/log/<derivation>`
    Log,
    /// `/realisations/<id>.doi` and `/build-trace-v2/<derivation>/<output>.doi`
    Realisation,
}

/// The same as labels, in their order.
const CACHE_ROUTES: [&str; 5] = ["narinfo", "nar", "listing", "log", "realisation"];

/// How it was answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CacheAnswer {
    /// With what was in memory.
    Memory,
    /// From the database or the storage.
    Stored,
    /// Not in the caller's view.
    Absent,
}

/// The same as labels, in their order.
const HOW_ANSWERED: [&str; 3] = ["memory", "stored", "absent"];

/// A server's metrics. Clones share them.
#[derive(Clone)]
pub(crate) struct Metrics {
    shared: Arc<Shared>,
}

struct Shared {
    recorder: PrometheusRecorder,
    handle: PrometheusHandle,
    requests_in_progress: Gauge,
    connections: Gauge,
    uploads_in_progress: Gauge,
    nars_stored: Counter,
    nar_bytes_stored: Counter,
    file_bytes_stored: Counter,
    nars_verified: Counter,
    nars_refused: Counter,
    nars_damaged: Counter,
    nars_healed: Counter,
    damaged_now: Gauge,
    verification: Histogram,
    paths_committed: Counter,
    paths_contested: Counter,
    listings_made: Counter,
    bytes_received: Counter,
    bytes_sent: Counter,
    /// By [`CacheRoute`] and [`CacheAnswer`], registered when first counted.
    cache_answers: [[OnceLock<Counter>; HOW_ANSWERED.len()]; CACHE_ROUTES.len()],
    /// By route. Routes, methods and statuses are few, and none is a client's choice.
    series: RwLock<HashMap<String, Vec<Series>>>,
}

/// A request that is over.
pub(super) struct Finished<'a> {
    pub(super) method: &'static str,
    pub(super) route: &'a str,
    pub(super) status: Option<u16>,
    pub(super) duration: Duration,
    pub(super) received: u64,
    pub(super) sent: u64,
}

/// The metrics of requests with the same labels: looking them up by their labels costs more than
/// counting.
#[derive(Clone)]
struct Series {
    method: &'static str,
    status: Option<u16>,
    requests: Counter,
    duration: Histogram,
}

fn find<'a>(route: &'a [Series], finished: &Finished<'_>) -> Option<&'a Series> {
    route
        .iter()
        .find(|series| series.method == finished.method && series.status == finished.status)
}

/// Something that a gauge counts as long as this lives.
#[must_use]
pub(crate) struct InProgress(Gauge);

impl InProgress {
    fn new(gauge: &Gauge) -> Self {
        gauge.increment(1.0);
        Self(gauge.clone())
    }
}

impl Drop for InProgress {
    fn drop(&mut self) {
        self.0.decrement(1.0);
    }
}

impl Metrics {
    /// Nothing counted yet, but for the start of the process.
    pub(crate) fn new() -> Self {
        let builder = PrometheusBuilder::new();
        // The one error is an empty list of buckets.
        let recorder = builder
            .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &DURATION_BUCKETS)
            .unwrap_or_else(|_| PrometheusBuilder::new())
            .build_recorder();
        let counter = |name: &'static str, text: &'static str| {
            describe_counter(&recorder, name, text);
            recorder.register_counter(&Key::from_name(name), &METADATA)
        };
        let gauge = |name: &'static str, text: &'static str| {
            recorder.describe_gauge(KeyName::from(name), None, text.into());
            recorder.register_gauge(&Key::from_name(name), &METADATA)
        };
        let seconds = |name: &'static str, text: &'static str| {
            recorder.describe_histogram(KeyName::from(name), Some(Unit::Seconds), text.into());
            Key::from_name(name)
        };
        // These have labels, and are registered when they are first counted.
        describe_counter(&recorder, REQUESTS, "Requests answered.");
        describe_counter(&recorder, CACHE_ANSWERS, "Answers to Nix, by source.");
        seconds(
            DURATION,
            "From a request's headers to its answer's last byte.",
        );

        let started = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        let text = "When the server started, since 1970.";
        gauge("process_start_time_seconds", text).set(started.as_secs_f64());
        let version = Label::from_static_parts("version", env!("CARGO_PKG_VERSION"));
        let build = Key::from_parts("fh_build_info", vec![version]);
        recorder.describe_gauge("fh_build_info".into(), None, "The server's version.".into());
        recorder.register_gauge(&build, &METADATA).set(1.0);

        let text = "Time to decompress and check a NAR.";
        let verification = seconds("fh_nar_verification_seconds", text);
        Self {
            shared: Arc::new(Shared {
                requests_in_progress: gauge(
                    "fh_http_requests_in_progress",
                    "Requests that are being answered.",
                ),
                connections: gauge("fh_connections", "Connections that are open."),
                uploads_in_progress: gauge(
                    "fh_uploads_in_progress",
                    "Uploads that are being received.",
                ),
                nars_stored: counter("fh_nars_stored_total", "NARs written to the storage."),
                nar_bytes_stored: counter(
                    "fh_nar_bytes_stored_total",
                    "Their bytes, uncompressed.",
                ),
                file_bytes_stored: counter("fh_file_bytes_stored_total", "Their bytes, as stored."),
                nars_verified: counter(
                    "fh_nars_verified_total",
                    "NARs that matched their description.",
                ),
                nars_refused: counter(
                    "fh_nars_refused_total",
                    "NARs that did not match their description.",
                ),
                nars_damaged: counter(
                    "fh_nars_damaged_total",
                    "Stored NARs that were found to be missing or altered.",
                ),
                nars_healed: counter("fh_nars_healed_total", "Damaged NARs that were sent again."),
                damaged_now: gauge(
                    "fh_nars_damaged",
                    "Stored NARs that are known to be damaged.",
                ),
                verification: recorder.register_histogram(&verification, &METADATA),
                paths_committed: counter(
                    "fh_paths_committed_total",
                    "Store paths added to slices.",
                ),
                paths_contested: counter(
                    "fh_paths_contested_total",
                    "Store paths about which slices have begun to disagree.",
                ),
                listings_made: counter(
                    "fh_listings_made_total",
                    "Listings of NARs created on request.",
                ),
                bytes_received: counter("fh_http_received_bytes_total", "Bytes of request bodies."),
                bytes_sent: counter("fh_http_sent_bytes_total", "Bytes of response bodies."),
                cache_answers: Default::default(),
                series: RwLock::default(),
                handle: recorder.handle(),
                recorder,
            }),
        }
    }

    /// All of them as text.
    pub(crate) fn render(&self) -> String {
        self.shared.handle.render()
    }

    /// Keeps the memory of the histograms bounded; never returns.
    pub(crate) async fn upkeep(self) {
        let mut ticks = tokio::time::interval(UPKEEP_INTERVAL);
        loop {
            ticks.tick().await;
            self.shared.handle.run_upkeep();
        }
    }

    /// A request has come.
    pub(super) fn request_started(&self) -> InProgress {
        InProgress::new(&self.shared.requests_in_progress)
    }

    /// A request is over.
    pub(super) fn request_finished(&self, finished: &Finished<'_>) {
        let known = {
            let series = self.shared.series.read();
            let of_route = series.get(finished.route);
            of_route.and_then(|route| find(route, finished)).cloned()
        };
        let series = known.unwrap_or_else(|| self.new_series(finished));
        series.requests.increment(1);
        series.duration.record(finished.duration.as_secs_f64());
        self.shared.bytes_received.increment(finished.received);
        self.shared.bytes_sent.increment(finished.sent);
    }

    /// The metrics of requests that end like this one, registered.
    fn new_series(&self, finished: &Finished<'_>) -> Series {
        let method = Label::from_static_parts("method", finished.method);
        let route = Label::new("route", finished.route.to_owned());
        let status = finished
            .status
            .map_or_else(|| "aborted".to_owned(), |status| status.to_string());
        let labels = vec![method.clone(), route.clone(), Label::new("status", status)];
        let recorder = &self.shared.recorder;
        let requests = Key::from_parts(REQUESTS, labels);
        let duration = Key::from_parts(DURATION, vec![method, route]);
        let series = Series {
            method: finished.method,
            status: finished.status,
            requests: recorder.register_counter(&requests, &METADATA),
            duration: recorder.register_histogram(&duration, &METADATA),
        };
        let mut all = self.shared.series.write();
        let of_route = all.entry(finished.route.to_owned()).or_default();
        if find(of_route, finished).is_none() {
            of_route.push(series.clone());
        }
        series
    }

    /// A connection was accepted.
    pub(crate) fn connection_opened(&self) -> InProgress {
        InProgress::new(&self.shared.connections)
    }

    /// A batch or a part is being received.
    pub(crate) fn upload_started(&self) -> InProgress {
        InProgress::new(&self.shared.uploads_in_progress)
    }

    /// A NAR was decompressed and checked.
    pub(crate) fn nar_verified(&self, duration: Duration, accepted: bool) {
        self.shared.verification.record(duration.as_secs_f64());
        if accepted {
            self.shared.nars_verified.increment(1);
        } else {
            self.shared.nars_refused.increment(1);
        }
    }

    /// A NAR that was not there before is on disk; bytes uncompressed and as stored.
    pub(crate) fn nar_stored(&self, nar_size: u64, file_size: u64) {
        self.shared.nars_stored.increment(1);
        self.shared.nar_bytes_stored.increment(nar_size);
        self.shared.file_bytes_stored.increment(file_size);
    }

    /// The listing of a NAR was made and is kept.
    pub(crate) fn listing_made(&self) {
        self.shared.listings_made.increment(1);
    }

    /// A stored NAR was found to be missing or altered.
    pub(crate) fn nar_damaged(&self) {
        self.shared.nars_damaged.increment(1);
    }

    /// One that was damaged is whole again.
    pub(crate) fn nar_healed(&self) {
        self.shared.nars_healed.increment(1);
    }

    /// So many stored NARs are damaged at present.
    pub(crate) fn damaged_now(&self, count: u64) {
        #[expect(clippy::cast_precision_loss, reason = "nobody has 2^53 of them")]
        self.shared.damaged_now.set(count as f64);
    }

    /// A push became visible.
    pub(crate) fn paths_committed(&self, paths: u64) {
        self.shared.paths_committed.increment(paths);
    }

    /// A push has made slices disagree about so many paths.
    pub(crate) fn paths_contested(&self, paths: u64) {
        self.shared.paths_contested.increment(paths);
    }

    pub(crate) fn cache_answered(&self, route: CacheRoute, answer: CacheAnswer) {
        let counter =
            self.shared.cache_answers[route as usize][answer as usize].get_or_init(|| {
                let labels = vec![
                    Label::from_static_parts("kind", CACHE_ROUTES[route as usize]),
                    Label::from_static_parts("answer", HOW_ANSWERED[answer as usize]),
                ];
                let key = Key::from_parts(CACHE_ANSWERS, labels);
                self.shared.recorder.register_counter(&key, &METADATA)
            });
        counter.increment(1);
    }
}

fn describe_counter(recorder: &PrometheusRecorder, name: &'static str, text: &'static str) {
    recorder.describe_counter(KeyName::from(name), Some(Unit::Count), text.into());
}
