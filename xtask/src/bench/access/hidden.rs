//! What the time of the API's answers tells: a NAR that other slices hold against one that is nowhere, in the
//! plan of a push; and names that are hidden from the caller against names that nothing has.
//!
//! Whoever wants to know asks often. So each is asked for several times in turns, and it is the medians that
//! are compared: beside them stands how often somebody would be right who takes the slower one of the two for
//! what exists. Half of the time, where time tells nothing.

use anyhow::{Context as _, Result};
use serde_json::json;

use super::super::report::{Row, Unit};
use super::super::statistics::{median, slower};
use super::ask::Asker;
use super::data::{administrator, flake_name, token};
use super::plan::{self, NOTHING, ORGANIZATIONS, SCATTER, views};
use super::stage::{Stage, hidden_from};
use crate::http;
use crate::server::Server;

/// How many hashes of each kind are asked for.
const CANDIDATES: u32 = 80;

/// How often each hash is asked for.
const TIMES: usize = 25;

/// Who pushes, with a view of a thousand slices.
const PUSHER: &str = "view-1000";

/// The peer's name in tables.
const NOWHERE: &str = "nowhere";

/// A request, and the status of its answer.
struct Question {
    method: &'static str,
    path: String,
    body: String,
    status: u16,
}

fn get(path: String) -> Question {
    Question {
        method: "GET",
        path,
        body: String::new(),
        status: 404,
    }
}

/// Rows, and what could be told from the time, as notes.
pub(super) fn run(stage: &Stage<'_>, server: &Server) -> Result<(Vec<Row>, Vec<String>)> {
    let nobody = stage.authorization(NOTHING)?;
    let (flake, pusher) = pusher(server)?;
    let plan_of = |path: u32| plan_of(&flake, path);
    let held = hidden_from(PUSHER, 1, CANDIDATES as usize)?;
    let groups = plan::groups();
    let free = groups.last().map_or(0, |group| group.paths.end);
    let (mut rows, mut notes) = (Vec::new(), Vec::new());
    let cases: [(_, _, _, Vec<Question>, _); 4] = [
        (
            "access.hidden_plan",
            "plan of a push, NAR in another slice, view of 1000",
            &pusher,
            held.into_iter().map(plan_of).collect(),
            of_each(|number| plan_of(free + number)),
        ),
        (
            "access.hidden_org",
            "an organisation by its name",
            &nobody,
            of_each(|number| get(format!("/api/v1/orgs/org-{}", number % ORGANIZATIONS))),
            of_each(|number| get(format!("/api/v1/orgs/none-{number}"))),
        ),
        (
            "access.hidden_flake",
            "a flake by its name",
            &nobody,
            of_each(|number| get(format!("/api/v1/flakes/{}", flake_name(number)))),
            of_each(|number| {
                let organization = number % ORGANIZATIONS;
                get(format!("/api/v1/flakes/org-{organization}/none-{number}"))
            }),
        ),
        (
            "access.hidden_list",
            "the flakes of an organisation",
            &nobody,
            of_each(|number| list(&format!("org-{number}"))),
            of_each(|number| list(&format!("none-{number}"))),
        ),
    ];
    for (key, what, authorization, hidden, absent) in cases {
        let mut asker = Asker::connect(server.port(), authorization)?;
        let (hidden, absent) = medians(&mut asker, &hidden, &absent)?;
        notes.push(format!(
            "{what}: by the median of {TIMES}, slower than nowhere {:.0} of 100 times",
            100.0 * slower(&hidden, &absent)
        ));
        let row = Row::new(key, what, Unit::Seconds, hidden);
        rows.push(row.against(NOWHERE, absent));
    }
    Ok((rows, notes))
}

/// A question for each candidate, from its number.
fn of_each(question: impl Fn(u32) -> Question) -> Vec<Question> {
    (0..CANDIDATES).map(question).collect()
}

fn list(organization: &str) -> Question {
    Question {
        status: 200,
        ..get(format!("/api/v1/flakes?org={organization}"))
    }
}

/// A flake that the pusher may push to, and their credentials.
fn pusher(server: &Server) -> Result<(String, String)> {
    let view = views().into_iter().find(|view| view.name == PUSHER);
    let flake = view.and_then(|view| view.flakes.first().copied());
    let flake = flake_name(flake.context("a view without a flake")?);
    let administrator = administrator(server)?;
    let answer = http::send(
        server.port(),
        "PUT",
        &format!("/api/v1/flakes/{flake}/grants/{PUSHER}"),
        Some(&administrator),
        Some(&json!({ "role": "write" })),
    )?;
    anyhow::ensure!(answer.status < 300, "a grant: {}", answer.status);
    let token = token(server, &administrator, PUSHER, &["pull", "push"])?;
    Ok((flake, http::basic(&token)))
}

/// What a push of one path would come to, whose NAR is that of a generated one.
fn plan_of(flake: &str, path: u32) -> Question {
    let scattered = u64::from(path) * u64::from(SCATTER) % (1 << 32);
    let body = json!({
        "dry_run": true,
        "paths": [{
            // None of the generated ones.
            "path": format!("{}-hidden", "z".repeat(32)),
            "nar_hash": format!("sha256:{scattered:08x}{path:056x}"),
            "nar_size": 100_000 + path,
        }],
    });
    Question {
        method: "POST",
        path: format!("/api/v1/flakes/{flake}/pushes"),
        body: body.to_string(),
        status: 200,
    }
}

/// Of each question, asked in turns with its neighbours.
fn medians(
    asker: &mut Asker,
    hidden: &[Question],
    absent: &[Question],
) -> Result<(Vec<f64>, Vec<f64>)> {
    let mut all = [const { Vec::new() }; 2];
    for (hidden, absent) in hidden.iter().zip(absent) {
        let mut latencies = [const { Vec::new() }; 2];
        for turn in 0..TIMES {
            let pair = [(hidden, 0), (absent, 1)];
            for step in 0..2 {
                let (question, side) = &pair[(turn + step) % 2];
                let Question { path, body, .. } = question;
                let time = asker.send(question.method, path, body, question.status)?;
                latencies[*side].push(time.as_secs_f64());
            }
        }
        for (all, latencies) in all.iter_mut().zip(latencies) {
            all.push(median(&latencies));
        }
    }
    let [hidden, absent] = all;
    Ok((hidden, absent))
}
