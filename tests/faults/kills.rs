//! A client and a server that are killed at random instants.

use std::time::{Duration, Instant};

use fh_testkit::assert_contains;

use crate::nix::process::{Running, run};
use crate::scene::{SIZES, Scene};

pub(crate) const FLAKES: [&str; 3] = ["acme/one", "acme/two", "other/three"];

/// How often in the short form.
const SHORT: usize = 12;

/// How often in the long form.
const LONG: usize = 200;

/// A random push: new paths, and some of those that are there.
pub(crate) fn choose(scene: &mut Scene) -> (&'static str, Vec<String>) {
    let flake = scene.random.pick(&FLAKES);
    let before: Vec<String> = scene.stock.paths().into_iter().collect();
    let sizes: Vec<usize> = SIZES
        .iter()
        .map(|size| size / 2 + below(scene, *size))
        .collect();
    let new = scene.stock.add(&mut scene.random, &sizes);
    let mut paths = vec![new.last().unwrap().clone()];
    for _ in 0..below(scene, 3) {
        if !before.is_empty() {
            paths.push(scene.random.pick(&before).clone());
        }
    }
    (flake, paths)
}

fn below(scene: &mut Scene, end: usize) -> usize {
    usize::try_from(scene.random.below(end as u64)).unwrap()
}

/// How long a push takes that nobody disturbs.
pub(crate) fn undisturbed(scene: &mut Scene) -> Duration {
    let (flake, paths) = choose(scene);
    let begin = Instant::now();
    let url = scene.served.url();
    run(scene.push_command(&url, flake, &paths)).ok();
    let time = begin.elapsed();
    scene.acknowledge(flake, &paths);
    time
}

/// Waits for a random instant of so long a time.
pub(crate) fn wait_by_chance(scene: &mut Scene, time: Duration) {
    let micros = u64::try_from(time.as_micros()).unwrap();
    std::thread::sleep(Duration::from_micros(scene.random.below(micros)));
}

fn kill_clients(times: usize) {
    // Collections in between find nothing that is still needed.
    let mut scene = Scene::new(&FLAKES, &["--collect-interval", "100ms"]);
    let mut time = undisturbed(&mut scene);
    let mut killed = 0;
    for _ in 0..times {
        let (flake, paths) = choose(&mut scene);
        let url = scene.served.url();
        let running = Running::start(scene.push_command(&url, flake, &paths));
        wait_by_chance(&mut scene, time * 5 / 4);
        running.kill();
        let ended = running.wait();
        if ended.status.success() {
            scene.acknowledge(flake, &paths);
            // The one that was measured may have been slow by chance.
            time = time * 3 / 4;
        } else {
            killed += 1;
            scene.settle(flake, &paths);
        }
        scene.check_flake(flake, &paths);
        scene.push_rest(flake, &paths);
        scene.check_flake(flake, &paths);
    }
    assert!(killed > 0, "no push was killed in {times}");
    scene.check();
    scene.check_storage();
}

fn kill_servers(times: usize) {
    let mut scene = Scene::new(&FLAKES, &["--collect-interval", "100ms"]);
    let time = undisturbed(&mut scene);
    let mut went_on = 0;
    for _ in 0..times {
        let (flake, paths) = choose(&mut scene);
        let url = scene.served.url();
        let running = Running::start(scene.push_command(&url, flake, &paths));
        for _ in 0..=below(&mut scene, 2) {
            wait_by_chance(&mut scene, time);
            scene.served.kill();
            scene.check_stored();
            scene.served.start_again();
        }
        let ended = running.wait();
        if ended.status.success() {
            // Acknowledged, and the next crash comes at once.
            scene.acknowledge(flake, &paths);
            scene.served.kill_and_start_again();
            went_on += 1;
        } else {
            let ended = ended.code(1);
            assert_contains(&ended.stderr, &["\nError: "]);
            scene.settle(flake, &paths);
        }
        scene.check_flake(flake, &paths);
        scene.push_rest(flake, &paths);
        scene.check_flake(flake, &paths);
    }
    assert!(
        went_on > 0 || times < LONG,
        "no push of {times} got over a restart of the server"
    );
    scene.check();
    scene.check_storage();
}

#[test]
fn clients_that_are_killed_leave_all_or_nothing() {
    kill_clients(SHORT);
}

#[test]
#[ignore = "long: `cargo xtask test --long`"]
fn clients_that_are_killed_very_often_leave_all_or_nothing() {
    kill_clients(LONG);
}

#[test]
fn servers_that_are_killed_lose_nothing() {
    kill_servers(SHORT);
}

#[test]
#[ignore = "long: `cargo xtask test --long`"]
fn servers_that_are_killed_very_often_lose_nothing() {
    kill_servers(LONG);
}
