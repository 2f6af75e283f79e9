//! `cargo xtask bench push`: a cold push of a system-sized closure, against `nix copy` into nginx.

use std::path::Path;

use anyhow::{Result, ensure};
use fh_testkit::nix::closure::{self, Closure};
use fh_testkit::nix::{Home, Install, Nix, provision};

use super::fh::{FLAKE, Installation};
use super::nginx::{Nginx, Program};
use super::report::{Report, Sample};
use super::scratch::{Scratch, bytes_below};
use super::{Contestant, in_turns, measure};
use crate::cargo::{Profile, build_fh};
use crate::{http, say};

/// A cold push of about 400 paths and 1.25 GiB, against `nix copy --to http://…` into nginx with DAV
#[derive(clap::Args)]
pub(super) struct Arguments {
    /// How often each side runs
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..))]
    runs: u16,

    /// Print JSON instead of a table
    #[arg(long)]
    json: bool,

    /// Use this `fh` instead of a release build of the workspace
    #[arg(long, value_name = "FILE")]
    fh: Option<std::path::PathBuf>,

    /// Run the peer alone
    #[arg(long, hide = true)]
    peer_only: bool,
}

pub(super) fn run(arguments: &Arguments) -> Result<()> {
    let mut progress = |text: &str| say::note(text);
    let provisioned = provision(Install::Allowed, &mut progress)?;
    let nix = provisioned.newest()?;
    let program = Program::find(&mut progress)?;
    let closure = closure::large(nix, &Home::new()?, &mut progress)?;
    let scratch = Scratch::new()?;
    warm(&closure)?;

    let peer = NixCopy {
        nix,
        program: &program,
        closure: &closure,
    };
    let ours;
    let fh;
    let mut contestants: Vec<&dyn Contestant> = Vec::new();
    if !arguments.peer_only {
        fh = match &arguments.fh {
            Some(fh) => std::path::absolute(fh)?,
            None => build_fh(Profile::Release)?,
        };
        ours = FhPush {
            nix,
            fh: &fh,
            closure: &closure,
        };
        contestants.push(&ours);
    }
    contestants.push(&peer);

    let samples = in_turns(
        &contestants,
        usize::from(arguments.runs),
        &scratch,
        &mut progress,
    )?;
    let report = Report {
        title: format!(
            "cold push of {} paths, {} ({}, {}, {} cores; medians of {})",
            closure.paths.len(),
            say::bytes(closure.nar_bytes),
            format_args!("Nix {}", nix.version()),
            program.version()?,
            std::thread::available_parallelism()?,
            arguments.runs,
        ),
        sides: contestants
            .iter()
            .map(|contestant| contestant.name())
            .zip(samples)
            .collect(),
    };
    say::line(&if arguments.json {
        report.json(&closure)
    } else {
        report.table()
    });
    Ok(())
}

/// Reads every file of the closure once: all runs, the first too, find it in the page cache.
fn warm(closure: &Closure) -> Result<()> {
    for path in &closure.paths {
        let mut pending = vec![Path::new(path).to_owned()];
        while let Some(current) = pending.pop() {
            let metadata = current.symlink_metadata()?;
            if metadata.is_dir() {
                for entry in std::fs::read_dir(&current)? {
                    pending.push(entry?.path());
                }
            } else if metadata.is_file() {
                let mut file = std::fs::File::open(&current)?;
                std::io::copy(&mut file, &mut std::io::sink())?;
            }
        }
    }
    Ok(())
}

/// Fails unless every path of the closure can be asked for below `prefix`.
fn ensure_complete(closure: &Closure, port: u16, prefix: &str, token: Option<&str>) -> Result<()> {
    for path in &closure.paths {
        let hash = path
            .strip_prefix("/nix/store/")
            .and_then(|base| base.get(..32))
            .unwrap_or_default();
        let answer = http::get(port, &format!("{prefix}/{hash}.narinfo"), token)?;
        ensure!(
            answer.status == 200,
            "{path} was not pushed: the server says {}",
            answer.status
        );
    }
    Ok(())
}

/// Ours.
struct FhPush<'a> {
    nix: &'a Nix,
    fh: &'a Path,
    closure: &'a Closure,
}

impl Contestant for FhPush<'_> {
    fn name(&self) -> String {
        "fh push".to_owned()
    }

    fn run(&self, scratch: &Scratch) -> Result<Sample> {
        let directory = scratch.directory()?;
        let installation = Installation::start(self.fh, self.nix, &directory)?;
        let before = measure::so_far(installation.server.pid());
        let mut command = installation.command();
        command.args(["push", FLAKE, &self.closure.top]);
        let client = measure::run(&mut command, &directory.join("push.log"))?;
        let after = measure::so_far(installation.server.pid());
        let port = installation.server.port();
        let token = installation.token()?;
        ensure_complete(self.closure, port, &format!("/cache/{FLAKE}"), Some(&token))?;
        let data = installation.data.clone();
        installation.server.stop()?;
        Ok(Sample::new(client, before, after, bytes_below(&data)?))
    }
}

/// The peer: Nix's own upload into a web server that stores files.
struct NixCopy<'a> {
    nix: &'a Nix,
    program: &'a Program,
    closure: &'a Closure,
}

impl Contestant for NixCopy<'_> {
    fn name(&self) -> String {
        "nix copy → nginx".to_owned()
    }

    fn run(&self, scratch: &Scratch) -> Result<Sample> {
        let directory = scratch.directory()?;
        let home = Home::at(&directory.join("home"))?;
        let nginx = Nginx::start(self.program, &directory)?;
        let before = measure::so_far(nginx.pid());
        let mut command = self.nix.command("nix", &home);
        command.args([
            "copy",
            "--to",
            &format!("http://127.0.0.1:{}?compression=zstd", nginx.port()),
            &self.closure.top,
        ]);
        let client = measure::run(&mut command, &directory.join("copy.log"))?;
        let after = measure::so_far(nginx.pid());
        ensure_complete(self.closure, nginx.port(), "", None)?;
        let stored = bytes_below(nginx.storage())?;
        nginx.stop()?;
        Ok(Sample::new(client, before, after, stored))
    }
}
