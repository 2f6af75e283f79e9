//! `cargo xtask bench`: ratios against a peer, measured in the same run on the same machine.
//!
//! ```text
//! push, small, warm, read, start, memory, access, former ─► Section ─► Report: table, Markdown, JSON
//!        │ in turns, medians (rounds, statistics)
//!        └─ measure (wall, CPU, memory) · transfer (fh push, nix copy) · limit · fh · nginx
//! ```
//!
//! Nothing here is a test, as nothing here fails by being slow, unless `--enforce` asks for it.
//!
//! Invariants: the sides of a benchmark take turns; both start cold (new server, empty storage, new
//! home and so empty Nix caches) and both read the same warm page cache; what earlier runs wrote is
//! flushed to disk before the clock starts, and nothing of it is deleted before the last run has ended.

mod access;
mod fh;
mod former;
mod former_rows;
mod limit;
mod machine;
mod measure;
mod memory;
mod nginx;
mod push;
mod read;
mod report;
mod rounds;
mod scratch;
mod setting;
mod small;
mod start;
mod statistics;
mod transfer;
mod warm;
mod wrk;

use std::path::PathBuf;

use anyhow::{Result, ensure};

use crate::say;
use machine::Machine;
use report::{Report, Section};
use setting::Setting;

/// Measures fh against a peer, in the same run
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// What to measure
    #[arg(value_name = "WHAT", required = true)]
    what: Vec<What>,

    /// How often each side runs, instead of what each benchmark takes for enough
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    runs: Option<u16>,

    /// Print JSON, with every sample
    #[arg(long, conflicts_with = "markdown")]
    json: bool,

    /// Print a table in Markdown
    #[arg(long)]
    markdown: bool,

    /// Fail when a target is missed
    #[arg(long)]
    enforce: bool,

    /// Use this `fh` instead of a release build of the workspace
    #[arg(long, value_name = "FILE")]
    fh: Option<PathBuf>,

    /// The `fh` of an earlier commit, which `former` compares to
    #[arg(long, value_name = "FILE")]
    former: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum What {
    /// A cold push of 400 paths and 1.25 GiB, against `nix copy` into nginx with DAV
    Push,
    /// A cold push of 500 small paths, near and over a long line, against the same
    Small,
    /// A push of what is there, against `nix path-info`
    Warm,
    /// Narinfos, NARs and `nix copy --from`, against nginx with the same bytes as files
    Read,
    /// `fh --version` and `fh status`
    Start,
    /// Peaks while one NAR of 5 GiB is pushed, and over a slow line; takes minutes, and 10 GiB of disk
    Memory,
    /// Authorised narinfos among 2 million paths in 10 000 slices, by the size of the view and the number
    /// of slices that hold the path, against nginx; takes minutes, and 2 GiB of disk
    Access,
    /// Pushes, reads and narinfos among 2 million paths, against the `fh` that `--former` names; takes
    /// many minutes, and 6 GiB of disk
    Former,
    /// All but `memory`, `access` and `former`
    All,
}

impl What {
    /// What `all` stands for.
    const ALL: [Self; 5] = [Self::Push, Self::Small, Self::Warm, Self::Read, Self::Start];

    fn run(self, setting: &Setting) -> Result<Vec<Section>> {
        let (name, one): (_, fn(&Setting) -> Result<Section>) = match self {
            Self::Push => ("push", push::run),
            Self::Small => ("small", small::run),
            Self::Warm => ("warm", warm::run),
            Self::Read => ("read", read::run),
            Self::Start => ("start", start::run),
            Self::Memory => ("memory", memory::run),
            Self::Access => ("access", access::run),
            Self::Former => ("former", former::run),
            Self::All => {
                let each = Self::ALL.iter().map(|what| what.run(setting));
                return Ok(each.collect::<Result<Vec<_>>>()?.concat());
            }
        };
        setting::progress(name);
        Ok(vec![one(setting)?])
    }
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let setting = Setting::new(
        arguments.fh.as_deref(),
        arguments.former.as_deref(),
        arguments.runs,
    )?;
    let mut report = Report {
        machine: Machine::look(setting.scratch.root())?,
        sections: Vec::new(),
    };
    for what in &arguments.what {
        report.sections.extend(what.run(&setting)?);
    }
    say::line(&if arguments.json {
        report.json()
    } else if arguments.markdown {
        report.markdown()
    } else {
        report.table()
    });
    let missed = report.missed();
    let names: Vec<&str> = missed.iter().map(|row| row.key).collect();
    ensure!(
        !arguments.enforce || missed.is_empty(),
        "missed: {}",
        names.join(", ")
    );
    Ok(())
}
