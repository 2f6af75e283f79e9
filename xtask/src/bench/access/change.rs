//! From a grant that is given or taken away to the narinfo that shows it.

use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use serde_json::json;

use super::super::report::{Row, Unit};
use super::super::rounds::{Side, interleaved};
use super::super::statistics::median;
use super::ask::Asker;
use super::data::{administrator, flake_name};
use super::plan::{self, USUAL};
use super::stage::{Stage, address};
use crate::http;
use crate::server::Server;

/// Grants that are given and taken away in one run.
const TIMES: u32 = 20;

/// What a change and the next read took, in seconds.
#[derive(Clone, Copy, Debug)]
struct Effect {
    /// From the change that is sent to the answer that shows it.
    whole: f64,
    /// Of which the first question after the change.
    question: f64,
}

/// A grant to somebody who reads 5 000 slices, on one more. That the very next answer shows it is
/// demanded, not measured.
pub(super) fn run(stage: &Stage<'_>, server: &Server) -> Result<Vec<Row>> {
    let path = *stage.outside(1, 1).first().context("no path outside")?;
    let flake = plan::group(1).holders_of(path).next();
    let flake = flake_name(flake.context("a path that nobody holds")?);
    let grant = format!("/api/v1/flakes/{flake}/grants/{USUAL}");
    let narinfo = address(path);
    let administrator = administrator(server)?;
    let authorization = stage.authorization(USUAL)?;
    let change = |method: &str, body, status: u16| -> Result<f64> {
        let mut asker = Asker::connect(server.port(), &authorization)?;
        asker.get(&narinfo, if status == 200 { 404 } else { 200 })?;
        let answer = http::send(server.port(), method, &grant, Some(&administrator), body)?;
        ensure!(
            (200..300).contains(&answer.status),
            "{method} {grant}: {} {}",
            answer.status,
            String::from_utf8_lossy(&answer.body)
        );
        Ok(asker.get(&narinfo, status)?.as_secs_f64())
    };
    let role = json!({ "role": "read" });
    let sides = [
        ("given", "PUT", Some(&role), 200),
        ("taken away", "DELETE", None, 404),
    ];
    let samples = interleaved(
        stage.setting,
        stage.setting.runs(3),
        [Side::new("a grant given, and taken away", |_| {
            let mut effects = [const { Vec::new() }; 2];
            for _ in 0..TIMES {
                for ((_, method, body, status), effects) in sides.iter().zip(&mut effects) {
                    let begin = Instant::now();
                    let question = change(method, *body, *status)?;
                    let whole = begin.elapsed().as_secs_f64();
                    effects.push(Effect { whole, question });
                }
            }
            Ok(effects.map(|effects| middle(&effects)))
        })],
        |[given, taken]| {
            format!(
                "{} and {}",
                Unit::Seconds.text(given.whole),
                Unit::Seconds.text(taken.whole)
            )
        },
    )?;
    let [samples] = samples;
    let mut rows = Vec::new();
    for (index, what, [whole, question]) in [
        (0, "given", ["access.given", "access.given_question"]),
        (1, "taken away", ["access.taken", "access.taken_question"]),
    ] {
        let row = |key, what: String, value: fn(&Effect) -> f64| {
            let of = samples
                .iter()
                .map(|effects: &[Effect; 2]| value(&effects[index]));
            Row::new(key, what, Unit::Seconds, of.collect())
        };
        let what = format!("a grant is {what}, until the next answer shows it");
        let read = "of which that answer, from what is read anew".to_owned();
        rows.push(row(whole, what, |effect| effect.whole));
        rows.push(row(question, read, |effect| effect.question));
    }
    Ok(rows)
}

fn middle(effects: &[Effect]) -> Effect {
    let of = |value: fn(&Effect) -> f64| median(&effects.iter().map(value).collect::<Vec<_>>());
    Effect {
        whole: of(|effect| effect.whole),
        question: of(|effect| effect.question),
    }
}
