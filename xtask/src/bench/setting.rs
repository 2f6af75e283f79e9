//! What benchmarks are run with: a Nix, an nginx, an `fh`, closures, a place on the disk.

use std::cell::OnceCell;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use fh_testkit::nix::closure::{self, Closure};
use fh_testkit::nix::{Home, Install, Nix, Provisioned, provision};

use super::nginx::Program;
use super::scratch::Scratch;
use crate::cargo::{Profile, build_fh, build_limit};
use crate::{http, say};

/// All of it. What is expensive is made when it is first asked for.
pub(super) struct Setting {
    provisioned: Provisioned,
    pub(super) nginx: Program,
    fh: PathBuf,
    former: Option<PathBuf>,
    pub(super) scratch: Scratch,
    runs: Option<usize>,
    large: OnceCell<Closure>,
    many_small: OnceCell<Closure>,
    limit: OnceCell<PathBuf>,
}

impl Setting {
    /// Finds the programs, or builds them. `fh` is used instead of a release build of the workspace;
    /// `former` is what it is compared to where it is compared to itself.
    pub(super) fn new(fh: Option<&Path>, former: Option<&Path>, runs: Option<u16>) -> Result<Self> {
        let provisioned = provision(Install::Allowed, &mut progress)?;
        provisioned.newest()?;
        Ok(Self {
            provisioned,
            nginx: Program::find(&mut progress)?,
            fh: match fh {
                Some(fh) => std::path::absolute(fh)?,
                None => build_fh(Profile::Release)?,
            },
            former: former.map(std::path::absolute).transpose()?,
            scratch: Scratch::new()?,
            runs: runs.map(usize::from),
            large: OnceCell::new(),
            many_small: OnceCell::new(),
            limit: OnceCell::new(),
        })
    }

    /// The newest version of Nix that is here.
    pub(super) fn nix(&self) -> &Nix {
        // `new` has seen that there is one.
        self.provisioned
            .newest()
            .unwrap_or_else(|_| &self.provisioned.versions[0])
    }

    /// The `fh` that is measured.
    pub(super) fn fh(&self) -> &Path {
        &self.fh
    }

    /// The `fh` of an earlier commit.
    pub(super) fn former(&self) -> Result<&Path> {
        let former = self.former.as_deref();
        former.context("which former `fh`? Name it with --former FILE")
    }

    /// How often each side runs.
    pub(super) fn runs(&self, default: usize) -> usize {
        self.runs.unwrap_or(default)
    }

    /// About 400 paths and 1.25 GiB, in the page cache.
    pub(super) fn large(&self) -> Result<&Closure> {
        made(&self.large, || {
            let closure = closure::large(self.nix(), &Home::new()?, &mut progress)?;
            warm(&closure)?;
            Ok(closure)
        })
    }

    /// 500 paths of 1 to 20 KiB, in the page cache.
    pub(super) fn many_small(&self) -> Result<&Closure> {
        made(&self.many_small, || {
            let closure = closure::many_small(self.nix(), &Home::new()?, &mut progress)?;
            warm(&closure)?;
            Ok(closure)
        })
    }

    /// The program that computes what a push has to compute.
    pub(super) fn limit(&self) -> Result<&Path> {
        made(&self.limit, build_limit).map(PathBuf::as_path)
    }
}

/// The value, made at the first call.
fn made<T>(cell: &OnceCell<T>, make: impl FnOnce() -> Result<T>) -> Result<&T> {
    if let Some(value) = cell.get() {
        return Ok(value);
    }
    let value = make()?;
    Ok(cell.get_or_init(|| value))
}

/// Tells how it goes.
pub(super) fn progress(text: &str) {
    say::note(text);
}

/// Reads every file of the closure once: all runs, the first too, find it in the page cache.
pub(super) fn warm(closure: &Closure) -> Result<()> {
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

/// The part of a store path that its narinfo is named after.
pub(super) fn hash_part(path: &str) -> &str {
    let base = path.strip_prefix("/nix/store/").unwrap_or(path);
    base.get(..32).unwrap_or(base)
}

/// Fails unless every path of the closure can be asked for below `prefix`.
pub(super) fn ensure_complete(
    closure: &Closure,
    port: u16,
    prefix: &str,
    token: Option<&str>,
) -> Result<()> {
    for path in &closure.paths {
        let hash = hash_part(path);
        let answer = http::get(port, &format!("{prefix}/{hash}.narinfo"), token)?;
        ensure!(
            answer.status == 200,
            "{path} was not pushed: the server says {}",
            answer.status
        );
    }
    Ok(())
}
