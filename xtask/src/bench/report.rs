//! What was measured, as a table for a terminal, as Markdown for docs/PERFORMANCE.md, and as JSON.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::machine::Machine;
use super::statistics::{median, ratios};
use crate::say;

#[cfg(test)]
mod tests;

/// What a number counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unit {
    Seconds,
    Bytes,
    BytesPerSecond,
    PerSecond,
    Count,
}

impl Unit {
    fn name(self) -> &'static str {
        match self {
            Self::Seconds => "seconds",
            Self::Bytes => "bytes",
            Self::BytesPerSecond => "bytes per second",
            Self::PerSecond => "per second",
            Self::Count => "count",
        }
    }

    /// A value with its unit, for people.
    pub(super) fn text(self, value: f64) -> String {
        match self {
            Self::Seconds if value < 0.001 => format!("{:.0} µs", value * 1e6),
            Self::Seconds if value < 1.0 => format!("{:.1} ms", value * 1e3),
            Self::Seconds => format!("{value:.2} s"),
            Self::Bytes => say::bytes(value as u64),
            Self::BytesPerSecond => format!("{:.0} MB/s", value / 1e6),
            Self::PerSecond => format!("{value:.0}/s"),
            Self::Count => format!("{value:.0}"),
        }
    }
}

/// The ratio or the value that was promised.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Target {
    /// Ours by the peer's is at most this.
    RatioAtMost(f64),
    /// Ours by the peer's is at least this.
    RatioAtLeast(f64),
    /// Ours is at most this, in the row's unit.
    AtMost(f64),
    /// Ours is at most the peer's, times the first, plus the second in the row's unit.
    TimesPlus(f64, f64),
}

/// Who ours is compared to.
#[derive(Clone, Debug)]
pub(super) struct Peer {
    pub(super) name: String,
    /// One a round, as ours.
    pub(super) samples: Vec<f64>,
}

/// A line of the table.
#[derive(Clone, Debug)]
pub(super) struct Row {
    /// What scripts know it by; does not change.
    pub(super) key: &'static str,
    pub(super) what: String,
    pub(super) unit: Unit,
    /// Ours, one a round.
    pub(super) fh: Vec<f64>,
    pub(super) peer: Option<Peer>,
    pub(super) target: Option<Target>,
}

impl Row {
    /// Ours alone, without a target.
    pub(super) fn new(
        key: &'static str,
        what: impl Into<String>,
        unit: Unit,
        ours: Vec<f64>,
    ) -> Self {
        Self {
            key,
            what: what.into(),
            unit,
            fh: ours,
            peer: None,
            target: None,
        }
    }

    /// Compared to somebody, whom tables call so.
    pub(super) fn against(mut self, name: &str, samples: Vec<f64>) -> Self {
        let name = name.to_owned();
        self.peer = Some(Peer { name, samples });
        self
    }

    /// With what was promised.
    pub(super) fn promised(mut self, target: Target) -> Self {
        self.target = Some(target);
        self
    }

    fn ratio(&self) -> Option<f64> {
        let peer = self.peer.as_ref()?;
        Some(median(&self.fh) / median(&peer.samples))
    }

    /// Whether the target is met, by the medians.
    pub(super) fn met(&self) -> Option<bool> {
        let ours = median(&self.fh);
        Some(match self.target? {
            Target::RatioAtMost(most) => self.ratio()? <= most,
            Target::RatioAtLeast(least) => self.ratio()? >= least,
            Target::AtMost(most) => ours <= most,
            Target::TimesPlus(times, plus) => {
                ours <= median(&self.peer.as_ref()?.samples) * times + plus
            }
        })
    }

    fn target_text(&self) -> String {
        match self.target {
            None => String::new(),
            Some(Target::RatioAtMost(most)) => format!("≤ {most:.2}"),
            Some(Target::RatioAtLeast(least)) => format!("≥ {least:.2}"),
            Some(Target::AtMost(most)) => format!("≤ {}", self.unit.text(most)),
            Some(Target::TimesPlus(times, plus)) => {
                format!("≤ {times} × + {}", self.unit.text(plus))
            }
        }
    }

    /// What, ours, the peer's, the ratio with those of the single rounds, the target, the verdict.
    fn cells(&self) -> [String; COLUMNS] {
        let peer = self.peer.as_ref();
        let single = peer.map(|peer| ratios(&self.fh, &peer.samples));
        let range = single.filter(|single| single.len() > 1).map(|single| {
            let least = single.iter().copied().fold(f64::INFINITY, f64::min);
            let most = single.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            format!(" ({} to {})", ratio_text(least), ratio_text(most))
        });
        [
            self.what.clone(),
            self.unit.text(median(&self.fh)),
            peer.map(|peer| format!("{} {}", peer.name, self.unit.text(median(&peer.samples))))
                .unwrap_or_default(),
            self.ratio()
                .map(|ratio| ratio_text(ratio) + &range.unwrap_or_default())
                .unwrap_or_default(),
            self.target_text(),
            match self.met() {
                None => String::new(),
                Some(true) => "met".to_owned(),
                Some(false) => "missed".to_owned(),
            },
        ]
    }

    fn json(&self) -> Value {
        let peer = self.peer.as_ref().map(|peer| {
            json!({
                "name": peer.name,
                "median": median(&peer.samples),
                "samples": peer.samples,
                "ratios": ratios(&self.fh, &peer.samples),
            })
        });
        let target = self.target.map(|target| match target {
            Target::RatioAtMost(most) => json!({"ratio_at_most": most}),
            Target::RatioAtLeast(least) => json!({"ratio_at_least": least}),
            Target::AtMost(most) => json!({"at_most": most}),
            Target::TimesPlus(times, plus) => json!({"times": times, "plus": plus}),
        });
        json!({
            "key": self.key,
            "what": self.what,
            "unit": self.unit.name(),
            "fh": {"median": median(&self.fh), "samples": self.fh},
            "peer": peer,
            "ratio": self.ratio(),
            "target": target,
            "met": self.met(),
        })
    }
}

/// Two digits, or more where those would say nothing.
fn ratio_text(ratio: f64) -> String {
    if ratio < 0.1 {
        format!("{ratio:.3}")
    } else {
        format!("{ratio:.2}")
    }
}

const COLUMNS: usize = 6;
const HEAD: [&str; COLUMNS] = ["", "fh", "peer", "ratio (rounds)", "target", ""];

/// The result of one benchmark.
#[derive(Clone, Debug)]
pub(super) struct Section {
    pub(super) name: &'static str,
    /// What was done, to what, how often.
    pub(super) title: String,
    pub(super) rows: Vec<Row>,
    /// What has to be known besides.
    pub(super) notes: Vec<String>,
}

/// All that was measured in one run of the program.
pub(super) struct Report {
    pub(super) machine: Machine,
    pub(super) sections: Vec<Section>,
}

impl Report {
    /// The rows whose target is missed.
    pub(super) fn missed(&self) -> Vec<&Row> {
        let rows = self.sections.iter().flat_map(|section| &section.rows);
        rows.filter(|row| row.met() == Some(false)).collect()
    }

    /// The report as a table for a terminal.
    pub(super) fn table(&self) -> String {
        let lines: Vec<[String; COLUMNS]> = self
            .sections
            .iter()
            .flat_map(|section| &section.rows)
            .map(Row::cells)
            .collect();
        let mut widths = HEAD.map(|title| title.chars().count());
        for cells in &lines {
            for (width, cell) in widths.iter_mut().zip(cells) {
                *width = (*width).max(cell.chars().count());
            }
        }
        let line = |table: &mut String, cells: &[String; COLUMNS]| {
            let mut text = String::new();
            for (width, cell) in widths.iter().zip(cells) {
                let blanks = width - cell.chars().count() + 2;
                let _ = write!(text, "{cell}{:blanks$}", "");
            }
            let _ = writeln!(table, "{}", text.trim_end());
        };
        let mut table = format!("{}\n", self.machine.text());
        for section in &self.sections {
            let _ = writeln!(table, "\n{}: {}", section.name, section.title);
            line(&mut table, &HEAD.map(str::to_owned));
            for row in &section.rows {
                line(&mut table, &row.cells());
            }
            for note in &section.notes {
                let _ = writeln!(table, "note: {note}");
            }
        }
        let _ = writeln!(table, "\n{}", self.machine.others().join("\n"));
        table.trim_end().to_owned()
    }

    /// One table, to be pasted.
    pub(super) fn markdown(&self) -> String {
        let mut text = format!("{}\n", self.machine.text());
        let line = |text: &mut String, cells: &[String; COLUMNS]| {
            let escaped = cells.clone().map(|cell| cell.replace('|', "\\|"));
            let _ = writeln!(text, "| {} |", escaped.join(" | "));
        };
        text.push('\n');
        line(&mut text, &HEAD.map(str::to_owned));
        text.push_str("|---|---|---|---|---|---|\n");
        for section in &self.sections {
            let mut heading = [const { String::new() }; COLUMNS];
            heading[0] = format!("**{}**", section.name);
            line(&mut text, &heading);
            for row in &section.rows {
                line(&mut text, &row.cells());
            }
        }
        text.push('\n');
        for section in &self.sections {
            let _ = writeln!(text, "- **{}**: {}.", section.name, section.title);
            for note in &section.notes {
                let _ = writeln!(text, "  {note}.");
            }
        }
        for other in self.machine.others() {
            let _ = writeln!(text, "- {other}.");
        }
        text.trim_end().to_owned()
    }

    /// For programs: every sample.
    pub(super) fn json(&self) -> String {
        let sections: Vec<Value> = self
            .sections
            .iter()
            .map(|section| {
                json!({
                    "name": section.name,
                    "title": section.title,
                    "rows": section.rows.iter().map(Row::json).collect::<Vec<_>>(),
                    "notes": section.notes,
                })
            })
            .collect();
        let report = json!({"machine": self.machine.json(), "sections": sections});
        format!("{report:#}")
    }
}
