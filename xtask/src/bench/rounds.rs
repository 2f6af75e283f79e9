//! Several sides, measured in turns.

use std::path::Path;

use anyhow::Result;

use super::setting::{Setting, progress};

/// What one side of a benchmark does in one run, in a new directory of its own.
type Run<'a, S> = Box<dyn FnMut(&Path) -> Result<S> + 'a>;

/// One side of a benchmark.
pub(super) struct Side<'a, S> {
    name: String,
    run: Run<'a, S>,
}

impl<'a, S> Side<'a, S> {
    pub(super) fn new(name: impl Into<String>, run: impl FnMut(&Path) -> Result<S> + 'a) -> Self {
        Self {
            name: name.into(),
            run: Box::new(run),
        }
    }
}

/// Runs the sides in turns, `runs` times each; who begins alternates. What was written before is on
/// the disk when a run begins. Gives back the samples of each side.
pub(super) fn interleaved<S, const N: usize>(
    setting: &Setting,
    runs: usize,
    mut sides: [Side<'_, S>; N],
    text: impl Fn(&S) -> String,
) -> Result<[Vec<S>; N]> {
    let mut samples = [const { Vec::new() }; N];
    for round in 0..runs {
        for index in order(round, N) {
            let side = &mut sides[index];
            let directory = setting.scratch.directory()?;
            rustix::fs::sync();
            let sample = (side.run)(&directory)?;
            progress(&format!(
                "  {} of {runs}: {:<32} {}",
                round + 1,
                side.name,
                text(&sample)
            ));
            samples[index].push(sample);
        }
    }
    Ok(samples)
}

/// The order of the sides in a round.
fn order(round: usize, sides: usize) -> impl Iterator<Item = usize> {
    (0..sides).map(move |turn| (round + turn) % sides)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everybody_runs_once_a_round_and_begins_sometimes() {
        let orders: Vec<Vec<usize>> = (0..3).map(|round| order(round, 3).collect()).collect();
        assert_eq!(orders, [[0, 1, 2], [1, 2, 0], [2, 0, 1]]);
    }
}
