//! Getting hold of the Nix versions that tests run against.
//!
//! The Nix that the machine has is one of them, whatever its version. The others are unpacked from
//! the packages of Debian's releases to `<workspace>/target/nix-versions/<suite>/`, where they stay
//! until the directory is deleted. A stamp, written last, says that one is complete; a lock keeps
//! concurrent runs (test processes, another xtask) from unpacking the same thing twice.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use anyhow::{Context as _, Result, ensure};

use super::Nix;
use super::version::INSTALLED;
use crate::debian::{self, Unpacked};

/// A release of Debian whose Nix is worth testing against.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Suite {
    /// Debian's name of the release.
    pub name: &'static str,
    /// What its Nix version begins with; empty for the moving one.
    pub series: &'static str,
}

/// The oldest Nix supported, a middle one, and the newest.
pub const SUITES: &[Suite] = &[
    Suite {
        name: "bookworm",
        series: "2.8.",
    },
    Suite {
        name: "trixie",
        series: "2.26.",
    },
    Suite {
        name: "sid",
        series: "",
    },
];

/// Whether the machine itself may be changed where it has no Nix at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Install {
    /// Install Debian's `nix-bin` where that is possible.
    Allowed,
    /// Leave the machine as it is.
    Never,
}

/// What there is to test with.
#[derive(Debug, Default)]
pub struct Provisioned {
    /// Ascending by version number.
    pub versions: Vec<Nix>,
    /// What could not be had, and why.
    pub missing: Vec<Missing>,
}

impl Provisioned {
    /// The Nix that the machine has installed, or else the oldest of those unpacked.
    ///
    /// # Errors
    /// A sentence that says why there is none.
    pub fn any(&self) -> Result<&Nix> {
        self.versions
            .iter()
            .find(|nix| nix.origin() == INSTALLED)
            .or(self.versions.first())
            .with_context(|| self.explanation())
    }

    /// The newest one.
    ///
    /// # Errors
    /// A sentence that says why there is none.
    pub fn newest(&self) -> Result<&Nix> {
        self.versions.last().with_context(|| self.explanation())
    }

    fn lacks(&mut self, what: &str, error: &anyhow::Error) {
        self.missing.push(Missing {
            what: what.to_owned(),
            reason: format!("{error:#}"),
        });
    }

    fn explanation(&self) -> String {
        let mut text = "there is no Nix to work with:".to_owned();
        for missing in &self.missing {
            text.push_str("\n  ");
            text.push_str(&missing.to_string());
        }
        text
    }
}

/// A version that could not be had.
#[derive(Clone, Debug)]
pub struct Missing {
    /// Which one, such as `Nix of Debian trixie (2.26.x)`.
    pub what: String,
    /// Why, and what to do.
    pub reason: String,
}

impl std::fmt::Display for Missing {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}: {}", self.what, self.reason)
    }
}

const INSTALLED_TITLE: &str = "Nix installed on this machine";

/// Gets every version that can be had, telling `report` of each step that takes time. Quick where
/// it was done before.
///
/// # Errors
/// Only when the workspace's own target directory cannot be used; a version that cannot be had is
/// not an error but [`Provisioned::missing`].
pub fn provision(install: Install, report: &mut dyn FnMut(&str)) -> Result<Provisioned> {
    let base = base()?;
    let _lock = lock(&base)?;
    let mut result = Provisioned::default();
    match installed(&base, install, report) {
        Ok(nix) => result.versions.push(nix),
        Err(error) => result.lacks(INSTALLED_TITLE, &error),
    }
    if let Err(error) = store_is_usable() {
        result.versions.clear();
        result.lacks("the Nix store", &error);
        return Ok(result);
    }
    for suite in SUITES {
        let has = |nix: &Nix| nix.version().starts_with(suite.series);
        if !suite.series.is_empty() && result.versions.iter().any(has) {
            continue;
        }
        match unpacked(&base, *suite, report) {
            Ok(nix) => result.versions.push(nix),
            Err(error) => result.lacks(&suite_title(*suite), &error),
        }
    }
    result.versions.sort_by_key(Nix::ordering_key);
    result
        .versions
        .dedup_by(|later, earlier| later.version() == earlier.version());
    Ok(result)
}

/// Gets one version, whichever is quickest: the one that the machine has, or (where allowed) gets by
/// installing it, else one that is unpacked.
///
/// # Errors
/// A sentence that says why there is none.
pub fn one(install: Install, report: &mut dyn FnMut(&str)) -> Result<Nix> {
    let base = base()?;
    let _lock = lock(&base)?;
    let mut result = Provisioned::default();
    store_is_usable()?;
    match installed(&base, install, report) {
        Ok(nix) => return Ok(nix),
        Err(error) => result.lacks(INSTALLED_TITLE, &error),
    }
    for suite in SUITES {
        match unpacked(&base, *suite, report) {
            Ok(nix) => return Ok(nix),
            Err(error) => result.lacks(&suite_title(*suite), &error),
        }
    }
    anyhow::bail!(result.explanation())
}

/// Where unpacked versions are kept between runs: `<workspace>/target/nix-versions`.
fn base() -> Result<PathBuf> {
    let base = crate::target().join("nix-versions");
    fs::create_dir_all(&base).with_context(|| format!("cannot create {}", base.display()))?;
    // Where several worktrees share one directory through links, its scripts name it the same way.
    Ok(base.canonicalize()?)
}

/// Held until the file is dropped.
fn lock(base: &Path) -> Result<File> {
    let path = base.join("lock");
    let file = File::create(&path).with_context(|| format!("cannot write {}", path.display()))?;
    file.lock()?;
    Ok(file)
}

/// The versions for tests: all that can be had without changing the machine, found once per
/// process. Each that is missing is recorded as [`crate::skipped()`].
///
/// # Panics
/// When there is none at all: then no test that wants one can say anything, and it must not pass.
#[must_use]
#[expect(clippy::panic, reason = "the way a test fails")]
pub fn versions() -> &'static [Nix] {
    static VERSIONS: OnceLock<Provisioned> = OnceLock::new();
    let provisioned = VERSIONS.get_or_init(|| {
        let provisioned =
            provision(Install::Never, &mut |_| {}).unwrap_or_else(|error| Provisioned {
                versions: Vec::new(),
                missing: vec![Missing {
                    what: "Nix".to_owned(),
                    reason: format!("{error:#}"),
                }],
            });
        for missing in &provisioned.missing {
            crate::skipped(&missing.to_string());
        }
        provisioned
    });
    if let Err(error) = provisioned.any() {
        panic!("{error}\n(`cargo xtask test` sees to that where it can)");
    }
    &provisioned.versions
}

fn suite_title(suite: Suite) -> String {
    if suite.series.is_empty() {
        format!("Nix of Debian {} (the newest)", suite.name)
    } else {
        format!("Nix of Debian {} ({}x)", suite.name, suite.series)
    }
}

fn installed(base: &Path, install: Install, report: &mut dyn FnMut(&str)) -> Result<Nix> {
    let program = match (find_nix(base), install) {
        (Some(program), _) => program,
        (None, Install::Never) => anyhow::bail!("there is no `nix` in PATH"),
        (None, Install::Allowed) => {
            debian::may_install().context(
                "there is no `nix` in PATH, and it cannot be installed from here: \
                 as root on Debian `apt-get install nix-bin` does it, elsewhere see \
                 https://nixos.org/download",
            )?;
            report("installing nix-bin with apt-get, as there is no Nix yet");
            debian::install(&["nix-bin"])?;
            find_nix(base).context("nix-bin was installed, but there is no `nix` in PATH")?
        }
    };
    Nix::installed(&program, &base.join("installed"))
}

/// The machine's own `nix`: the first in `PATH` (or where Nix's installer puts it) that is not one
/// of ours.
fn find_nix(base: &Path) -> Option<PathBuf> {
    let mut directories: Vec<PathBuf> = std::env::var_os("PATH")
        .map(|path| std::env::split_paths(&path).collect())
        .unwrap_or_default();
    directories.push("/nix/var/nix/profiles/default/bin".into());
    directories.push("/run/current-system/sw/bin".into());
    directories.retain(|directory| !directory.starts_with(base));
    crate::find_program("nix", &std::env::join_paths(directories).ok()?)
}

/// Tests build in the machine's own store, which all versions share.
fn store_is_usable() -> Result<()> {
    let writable = |path: &str| rustix::fs::access(path, rustix::fs::Access::WRITE_OK).is_ok();
    ensure!(
        rustix::process::geteuid().is_root()
            || writable("/nix/store")
            || writable("/nix/var/nix/daemon-socket/socket"),
        "/nix/store cannot be written: run this as root, or start nix-daemon, or (as root) make \
         /nix/store and give /nix to this user"
    );
    Ok(())
}

/// Version of the layout below `nix-versions/<suite>`; a change makes every run start afresh.
const LAYOUT: u32 = 1;

fn unpacked(base: &Path, suite: Suite, report: &mut dyn FnMut(&str)) -> Result<Nix> {
    let directory = base.join(suite.name);
    let stamp = directory.join("stamp");
    // The scripts name the directory, so a workspace that was moved needs new ones.
    let complete = format!("layout {LAYOUT} at {}\n", directory.display());
    let origin = format!("Debian {}", suite.name);
    if fs::read_to_string(&stamp).is_ok_and(|text| text == complete) {
        return Nix::opened(origin, directory.join("bin"));
    }
    report(&format!(
        "unpacking Nix of Debian {} to {}",
        suite.name,
        directory.display()
    ));
    fs::create_dir_all(&directory)?;
    let unpacked = match Unpacked::open(&directory) {
        Ok(unpacked) if unpacked.has("usr/bin/nix") => unpacked,
        _ => debian::unpack(suite.name, "nix-bin", &directory)?,
    };
    let nix = Nix::unpacked(origin, &unpacked, &directory)?;
    ensure!(
        nix.version().starts_with(suite.series),
        "Debian {} has Nix {}, where {}x was expected",
        suite.name,
        nix.version(),
        suite.series
    );
    fs::write(&stamp, complete)?;
    Ok(nix)
}
