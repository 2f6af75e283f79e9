//! Samples to medians, medians to a table or JSON.

use std::fmt::Write as _;
use std::time::Duration;

use fh_testkit::nix::closure::Closure;
use serde_json::{Value, json};

use super::measure::{Cost, Measured};
use crate::say;

/// One run of one side.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sample {
    pub(super) wall: Duration,
    pub(super) client: Cost,
    pub(super) server: Cost,
    /// Bytes on the server's disk afterwards.
    pub(super) stored: u64,
}

impl Sample {
    /// From the client's measurement and the server's state before and after.
    pub(super) fn new(client: Measured, before: Cost, after: Cost, stored: u64) -> Self {
        Self {
            wall: client.wall,
            client: client.cost,
            server: Cost {
                cpu: after.cpu.saturating_sub(before.cpu),
                peak_memory: after.peak_memory,
            },
            stored,
        }
    }
}

/// A line of the table: its title, what it takes from a sample, and how it is written.
struct Row {
    title: &'static str,
    key: &'static str,
    value: fn(&Sample) -> f64,
    text: fn(f64) -> String,
}

const ROWS: &[Row] = &[
    Row {
        title: "wall time",
        key: "wall_seconds",
        value: |sample| sample.wall.as_secs_f64(),
        text: seconds,
    },
    Row {
        title: "client CPU time",
        key: "client_cpu_seconds",
        value: |sample| sample.client.cpu.as_secs_f64(),
        text: seconds,
    },
    Row {
        title: "client peak memory",
        key: "client_peak_bytes",
        value: |sample| sample.client.peak_memory as f64,
        text: bytes,
    },
    Row {
        title: "server CPU time",
        key: "server_cpu_seconds",
        value: |sample| sample.server.cpu.as_secs_f64(),
        text: seconds,
    },
    Row {
        title: "server peak memory",
        key: "server_peak_bytes",
        value: |sample| sample.server.peak_memory as f64,
        text: bytes,
    },
    Row {
        title: "stored",
        key: "stored_bytes",
        value: |sample| sample.stored as f64,
        text: bytes,
    },
];

/// The result of a benchmark. The first side is ours, the second is what it is compared to.
pub(super) struct Report {
    pub(super) title: String,
    pub(super) sides: Vec<(String, Vec<Sample>)>,
}

impl Report {
    /// For people. A ratio below 1 means that ours needs less.
    pub(super) fn table(&self) -> String {
        let mut table = format!("{}\n\n{:<20}", self.title, "");
        for (name, _) in &self.sides {
            let _ = write!(table, " {name:>18}");
        }
        if self.sides.len() == 2 {
            table.push_str("    ratio");
        }
        table.push('\n');
        for row in ROWS {
            let _ = write!(table, "{:<20}", row.title);
            let medians: Vec<f64> = self
                .sides
                .iter()
                .map(|(_, samples)| row.median(samples))
                .collect();
            for median in &medians {
                let _ = write!(table, " {:>18}", (row.text)(*median));
            }
            if let [ours, peer] = medians[..] {
                let _ = write!(table, " {:>8.2}", ours / peer);
            }
            table.push('\n');
        }
        table.push('\n');
        for (name, samples) in &self.sides {
            let all: Vec<String> = samples
                .iter()
                .map(|sample| format!("{:.2}", sample.wall.as_secs_f64()))
                .collect();
            let _ = writeln!(table, "wall times of {name}: {} s", all.join(", "));
        }
        if let [(_, ours), (_, peer)] = &self.sides[..] {
            let all: Vec<String> = ours
                .iter()
                .zip(peer)
                .map(|(ours, peer)| format!("{:.2}", ours.wall.div_duration_f64(peer.wall)))
                .collect();
            let _ = writeln!(table, "their ratio, run by run: {}", all.join(", "));
        }
        table.truncate(table.trim_end().len());
        table
    }

    /// For programs: medians, ratios and every sample.
    pub(super) fn json(&self, closure: &Closure) -> String {
        let sides: Vec<Value> = self
            .sides
            .iter()
            .map(|(name, samples)| {
                let median: serde_json::Map<String, Value> = ROWS
                    .iter()
                    .map(|row| (row.key.to_owned(), json!(row.median(samples))))
                    .collect();
                let runs: Vec<Value> = samples
                    .iter()
                    .map(|sample| {
                        ROWS.iter()
                            .map(|row| (row.key.to_owned(), json!((row.value)(sample))))
                            .collect::<serde_json::Map<_, _>>()
                            .into()
                    })
                    .collect();
                json!({"name": name, "median": median, "runs": runs})
            })
            .collect();
        let mut report = json!({
            "title": self.title,
            "paths": closure.paths.len(),
            "nar_bytes": closure.nar_bytes,
            "sides": sides,
        });
        if let [(_, ours), (_, peer)] = &self.sides[..] {
            let ratio: serde_json::Map<String, Value> = ROWS
                .iter()
                .map(|row| {
                    let ratio = row.median(ours) / row.median(peer);
                    (row.key.to_owned(), json!(ratio))
                })
                .collect();
            report["ratio"] = ratio.into();
        }
        format!("{report:#}")
    }
}

impl Row {
    fn median(&self, samples: &[Sample]) -> f64 {
        let mut values: Vec<f64> = samples.iter().map(self.value).collect();
        values.sort_by(f64::total_cmp);
        let middle = values.len() / 2;
        match (values.get(middle), values.len() % 2) {
            (None, _) => f64::NAN,
            (Some(upper), 0) => f64::midpoint(values[middle - 1], *upper),
            (Some(value), _) => *value,
        }
    }
}

fn seconds(value: f64) -> String {
    format!("{value:.2} s")
}

fn bytes(value: f64) -> String {
    say::bytes(value as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(seconds: u64) -> Sample {
        Sample {
            wall: Duration::from_secs(seconds),
            client: Cost {
                cpu: Duration::from_secs(1),
                peak_memory: 3 << 20,
            },
            server: Cost::default(),
            stored: 5,
        }
    }

    #[test]
    fn medians_and_ratios() {
        let report = Report {
            title: "title".to_owned(),
            sides: vec![
                ("ours".to_owned(), vec![sample(9), sample(1), sample(2)]),
                ("peer".to_owned(), vec![sample(4), sample(6)]),
            ],
        };
        let table = report.table();
        let wall = table
            .lines()
            .find(|line| line.starts_with("wall time "))
            .unwrap();
        assert_eq!(
            wall.split_whitespace().collect::<Vec<_>>(),
            ["wall", "time", "2.00", "s", "5.00", "s", "0.40"]
        );
        assert!(
            table.contains("wall times of peer: 4.00, 6.00 s"),
            "{table}"
        );
        assert!(table.ends_with("run by run: 2.25, 0.17"), "{table}");
        let closure = Closure {
            top: String::new(),
            paths: vec![],
            nar_bytes: 7,
        };
        let json: Value = serde_json::from_str(&report.json(&closure)).unwrap();
        assert_eq!(json["ratio"]["wall_seconds"], 0.4);
        assert_eq!(json["sides"][0]["median"]["client_peak_bytes"], 3_145_728.0);
        assert_eq!(json["sides"][1]["runs"][1]["wall_seconds"], 6.0);
    }
}
