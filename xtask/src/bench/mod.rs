//! `cargo xtask bench`: ratios against a peer, measured in the same run on the same machine.
//!
//! Each benchmark is a module that runs [`Contestant`]s in turns and gives the samples to
//! [`report::Report`]. Numbers are medians; nothing here is a test, as nothing here can fail by being
//! slow.
//!
//! Invariants: both sides start cold (new server, empty storage, new home and so empty Nix caches)
//! and both read the same warm page cache; what earlier runs wrote is flushed to disk before the
//! clock starts, and nothing of it is deleted before the last run has ended.

mod fh;
mod measure;
mod nginx;
mod push;
mod report;
mod scratch;

use anyhow::Result;

/// Measures fh against a peer, in the same run
#[derive(clap::Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    what: What,
}

#[derive(clap::Subcommand)]
enum What {
    Push(push::Arguments),
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    match &arguments.what {
        What::Push(arguments) => push::run(arguments),
    }
}

/// One side of a benchmark.
trait Contestant {
    /// What the table calls it.
    fn name(&self) -> String;

    /// One cold run in a new directory below `scratch`.
    fn run(&self, scratch: &scratch::Scratch) -> Result<report::Sample>;
}

/// Runs the contestants in turns, `runs` times each; who begins alternates.
fn in_turns(
    contestants: &[&dyn Contestant],
    runs: usize,
    scratch: &scratch::Scratch,
    progress: &mut dyn FnMut(&str),
) -> Result<Vec<Vec<report::Sample>>> {
    let mut samples = vec![Vec::new(); contestants.len()];
    for round in 0..runs {
        for turn in 0..contestants.len() {
            let index = (round + turn) % contestants.len();
            let contestant = contestants[index];
            rustix::fs::sync();
            let sample = contestant.run(scratch)?;
            progress(&format!(
                "run {} of {runs}: {:<24} {:7.2} s",
                round + 1,
                contestant.name(),
                sample.wall.as_secs_f64()
            ));
            samples[index].push(sample);
        }
    }
    Ok(samples)
}
