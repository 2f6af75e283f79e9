//! Lines that are cut, stalled and throttled at any byte, in both directions.

use std::sync::Arc;
use std::time::Duration;

use fh_client::closure::{Closure, ClosurePath};
use fh_client::push::NoObserver;
use fh_client::{Client, PushOptions};
use fh_nix::StoreDir;
use fh_testkit::nix::{ScratchStore, versions};
use fh_testkit::proxy::{End, Fault, Line, Plan, Proxy};
use fh_testkit::{assert_contains, assert_lacks};

use crate::nix::built::in_store;
use crate::nix::process::{Running, run};
use crate::nix::{Person, address};
use crate::scene::{SIZES, Scene, assert_sound};

const FLAKE: &str = "acme/app";

/// How often in the short form.
const SHORT: usize = 15;

/// How often in the long form.
const LONG: usize = 200;

/// A proxy before the server of a scene on whose lines something goes wrong by chance.
fn by_chance(scene: &mut Scene, bytes: u64) -> Proxy {
    let random = fh_testkit::random::Random::seeded(scene.random.next_u64());
    Proxy::start(address(&scene.served.url()), move |number| {
        Plan::random(&mut random.derived(number), bytes)
    })
    .unwrap()
}

fn push_over_bad_lines(times: usize) {
    let mut scene = Scene::new(&[FLAKE], &[]);
    let (mut succeeded, mut faults) = (0, 0);
    for _ in 0..times {
        let new = scene.stock.add(&mut scene.random, &SIZES);
        let paths = [new.last().unwrap().clone()];
        let bytes = scene.stock.nar_size(&new);
        let proxy = by_chance(&mut scene, bytes);
        let mut push = scene.push_command(&proxy.url(), FLAKE, &paths);
        push.args(["--retries", "4"]);
        // Sometimes nobody answers in the beginning.
        let refused = scene.random.one_in(3);
        if refused {
            proxy.refuse().unwrap();
        }
        let running = Running::start(push);
        if refused {
            std::thread::sleep(Duration::from_millis(scene.random.below(500)));
            proxy.accept().unwrap();
        }
        // It comes to an end by itself, whatever the line does.
        let ended = running.wait();
        faults += proxy.counts().faults;
        drop(proxy);
        if ended.status.success() {
            assert_eq!(ended.json()["complete"], true, "{ended}");
            scene.acknowledge(FLAKE, &paths);
            succeeded += 1;
        } else {
            let ended = ended.code(1);
            assert_contains(&ended.stderr, &["Error: "]);
            assert_lacks(&ended.stderr, &["panicked"]);
            scene.settle(FLAKE, &paths);
        }
        scene.check_flake(FLAKE, &paths);
        scene.push_rest(FLAKE, &paths);
        scene.check_flake(FLAKE, &paths);
    }
    assert!(faults > 0, "nothing went wrong in {times} pushes");
    assert!(
        succeeded > 0 || times < LONG,
        "no push of {times} got over what went wrong"
    );
    scene.check();
    scene.check_storage();
}

#[test]
fn pushes_over_bad_lines_succeed_or_say_why() {
    push_over_bad_lines(SHORT);
}

#[test]
#[ignore = "long: `cargo xtask test --long`"]
fn very_many_pushes_over_bad_lines_succeed_or_say_why() {
    push_over_bad_lines(LONG);
}

/// Lines on which nothing moves any more, at a random byte of either direction: nobody waits for
/// ever. One such connection is got over; a server of which all are so is given up, with words.
#[test]
fn a_line_that_stands_still_is_given_up() {
    let mut scene = Scene::new(&[FLAKE], &["--stall-timeout", "2s"]);
    for (round, forever) in [(0, false), (1, false), (2, true), (3, true)] {
        let new = scene.stock.add(&mut scene.random, &SIZES);
        let paths = [new.last().unwrap().clone()];
        let bytes = scene.stock.nar_size(&new) / 2;
        let line = |scene: &mut Scene| Line::stalled(scene.random.magnitude_below(bytes), None);
        let stalled = if round % 2 == 0 {
            Plan {
                to_server: line(&mut scene),
                ..Plan::CLEAR
            }
        } else {
            // So that the answer to the plan does not come.
            Plan {
                to_client: Line::stalled(scene.random.below(100), None),
                ..Plan::CLEAR
            }
        };
        // Lines that each carry something would get all of it through in the end.
        let dead = Plan {
            to_server: Line::stalled(scene.random.below(100), None),
            ..Plan::CLEAR
        };
        let proxy = Proxy::start(address(&scene.served.url()), move |number| {
            if number == 0 {
                stalled
            } else if forever {
                dead
            } else {
                Plan::CLEAR
            }
        })
        .unwrap();
        let result = push_impatiently(&scene, &proxy.url(), &new);
        if forever {
            let error = result.unwrap_err();
            assert!(
                error.contains("in time") || error.contains("connection was closed"),
                "{error}"
            );
            scene.settle(FLAKE, &paths);
        } else {
            result.unwrap();
            scene.acknowledge(FLAKE, &paths);
        }
        drop(proxy);
        scene.check_flake(FLAKE, &paths);
        scene.push_rest(FLAKE, &paths);
        scene.check_flake(FLAKE, &paths);
    }
    scene.check_storage();
}

/// Pushes in this process, with less patience than the program has. The error is told with all that
/// caused it.
fn push_impatiently(scene: &Scene, url: &str, new: &[String]) -> Result<(), String> {
    let token = scene.admin().token.clone().unwrap();
    let client = Client::builder(url)
        .unwrap()
        .token(token.into())
        .read_timeout(Duration::from_millis(400))
        .first_retry_wait(Duration::from_millis(10))
        .build()
        .unwrap();
    let closure = scene.stock.closure(new);
    let closure = Closure {
        store_dir: StoreDir::default(),
        real_store_dir: scene.stock.physical("/nix/store"),
        paths: closure
            .iter()
            .map(|path| ClosurePath {
                info: scene.stock.info(path).clone(),
                context: false,
            })
            .collect(),
    };
    let options = PushOptions {
        retries: 2,
        ..PushOptions::default()
    };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let flake = FLAKE.parse().unwrap();
    let pushing = fh_client::push(&client, &flake, &closure, &options, Arc::new(NoObserver));
    let report = runtime.block_on(pushing).map_err(|error| {
        let sources = std::iter::successors(Some(&error as &dyn std::error::Error), |error| {
            error.source()
        });
        sources
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join(": ")
    })?;
    match report.failed.first() {
        Some(failed) => Err(failed.reason.clone()),
        None => Ok(()),
    }
}

/// A connection that is cut at each of many bytes, in either direction and either way. The push gets
/// over each.
#[test]
fn a_connection_that_is_cut_once_is_got_over_wherever_it_is_cut() {
    let mut scene = Scene::new(&[FLAKE], &[]);
    let mut bytes: u64 = 1;
    // Each half as far again: heads, the plan, its answer, batches, parts.
    while bytes < 400_000 {
        let new = scene.stock.add(&mut scene.random, &[100, 30_000, 300_000]);
        let paths = [new.last().unwrap().clone()];
        let at = bytes + scene.random.below(bytes);
        let end = *scene.random.pick(&[End::Close, End::Reset]);
        let line = Line::cut(at, end);
        let plan = if bytes < 3000 && scene.random.one_in(2) {
            Plan {
                to_client: line,
                ..Plan::CLEAR
            }
        } else {
            Plan {
                to_server: line,
                ..Plan::CLEAR
            }
        };
        let proxy = Proxy::start(address(&scene.served.url()), move |number| {
            if number == 0 { plan } else { Plan::CLEAR }
        })
        .unwrap();
        run(scene.push_command(&proxy.url(), FLAKE, &paths)).ok();
        scene.acknowledge(FLAKE, &paths);
        scene.check_flake(FLAKE, &paths);
        bytes = bytes * 3 / 2 + 1;
    }
    scene.check_storage();
}

#[test]
fn a_push_over_a_slow_line_is_not_taken_for_a_dead_one() {
    let mut scene = Scene::new(&[FLAKE], &["--stall-timeout", "2s"]);
    let new = scene.stock.add(&mut scene.random, &SIZES);
    let paths = [new.last().unwrap().clone()];
    let bytes = scene.stock.nar_size(&new);
    // Three seconds for all of it.
    let server = address(&scene.served.url());
    let proxy = Proxy::start(server, move |_| Plan::throttled(bytes / 3)).unwrap();
    push_impatiently(&scene, &proxy.url(), &new).unwrap();
    scene.acknowledge(FLAKE, &paths);
    scene.check();
}

/// Every version of Nix reads over bad lines: all of it or an error, and the next time all of it.
#[test]
fn nix_reads_over_bad_lines_and_never_takes_a_part_for_the_whole() {
    let mut scene = Scene::new(&[FLAKE], &[]);
    let new = scene.stock.add(&mut scene.random, &SIZES);
    let top = new.last().unwrap().clone();
    scene.push_rest(FLAKE, std::slice::from_ref(&top));
    let bytes = scene.stock.nar_size(&new);
    let mut faults = 0;
    for nix in versions() {
        let person = Person::new(None, nix);
        person.log_in(&scene.served.url(), &scene.served.admin_token());
        // Nix waits longer and longer between five attempts; that they help is Nix's business.
        person.home.configure("download-attempts = 2").unwrap();
        for _ in 0..4 {
            let store = ScratchStore::new().unwrap();
            let proxy = by_chance(&mut scene, bytes);
            let copied = person.copy(&proxy.url(), &store.uri(), &top);
            faults += proxy.counts().faults;
            drop(proxy);
            if !copied.status.success() {
                copied.failed().says(&["error"]);
            }
            assert_sound(nix, &store);
            person.copy(&scene.served.url(), &store.uri(), &top).ok();
            assert_sound(nix, &store);
            let arrived = ["--query", "--requisites", &top];
            let arrived = in_store(nix, &store.uri(), "nix-store", &arrived).ok();
            let expected: Vec<String> = scene.stock.closure([&top]).into_iter().collect();
            assert_eq!(arrived.lines(), expected);
        }
    }
    assert!(faults > 0, "nothing went wrong");
    // Half of a NAR, each time, for ever.
    let half = Plan {
        to_client: Line {
            fault: Some((bytes / 4, Fault::Cut(End::Close))),
            ..Line::CLEAR
        },
        ..Plan::CLEAR
    };
    let proxy = Proxy::start(address(&scene.served.url()), move |_| half).unwrap();
    for nix in versions() {
        let person = Person::new(None, nix);
        person.log_in(&scene.served.url(), &scene.served.admin_token());
        person.home.configure("download-attempts = 1").unwrap();
        let store = ScratchStore::new().unwrap();
        person.copy(&proxy.url(), &store.uri(), &top).failed();
        assert_sound(nix, &store);
        assert!(!store.physical(&top).exists(), "{}", nix.version());
    }
}
