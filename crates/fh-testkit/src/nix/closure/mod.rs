//! Closures made for the occasion, built by real Nix into the machine's own store.
//!
//! There is no nixpkgs here: a closure is a graph of raw `derivation`s whose builder is `/bin/sh`,
//! which copies prepared files into its output and writes the store paths of its inputs next to
//! them, so that Nix finds real references.
//!
//! - [`small()`]: eight paths of every shape a NAR can have, different for each seed.
//! - [`large`]: 400 paths, 1.25 GiB, most of them tiny and a few huge, from the machine's own files.
//! - [`many_small`]: 500 paths of 1 to 20 KiB.
//! - [`huge()`]: one path of gigabytes, a single file.
//!
//! [`large`] and [`many_small`] take a while, are the same every time, and are kept below `target/closures`.

mod expression;
mod huge;
mod plan;
mod small;
#[cfg(test)]
mod tests;
mod trees;

use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

use super::{Home, Nix};
use expression::Node;
use plan::Profile;

pub use huge::huge;
pub use small::small;

/// A closure in the machine's `/nix/store`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Closure {
    /// The store path from which all others can be reached.
    pub top: String,
    /// All store paths, the top included, in an order in which references come first.
    pub paths: Vec<String>,
    /// The sum of the sizes of their NARs, in bytes.
    pub nar_bytes: u64,
}

impl Closure {
    /// Asks Nix for the closure of `top`.
    ///
    /// # Errors
    /// When Nix does not know the path.
    pub fn of(nix: &Nix, home: &Home, top: &str) -> Result<Self> {
        let paths: Vec<String> = nix
            .run("nix-store", home, ["--query", "--requisites", top])?
            .lines()
            .map(str::to_owned)
            .collect();
        let sizes = nix.run(
            "nix-store",
            home,
            ["--query", "--size"]
                .into_iter()
                .chain(paths.iter().map(String::as_str)),
        )?;
        let nar_bytes = sizes
            .lines()
            .map(|line| line.trim().parse::<u64>())
            .sum::<Result<u64, _>>()
            .context("nix-store --query --size printed something else than numbers")?;
        Ok(Self {
            top: top.to_owned(),
            paths,
            nar_bytes,
        })
    }

    /// Deletes the paths and the derivations they were built by from the machine's store. Nothing
    /// may hold them: the link that [`small()`] made has to be gone.
    ///
    /// # Errors
    /// When Nix refuses.
    pub fn delete(&self, nix: &Nix, home: &Home) -> Result<()> {
        let derivers = nix.run(
            "nix-store",
            home,
            ["--query", "--deriver"]
                .into_iter()
                .chain(self.paths.iter().map(String::as_str)),
        )?;
        let derivers: Vec<&str> = derivers
            .lines()
            .filter(|deriver| deriver.starts_with('/') && Path::new(deriver).exists())
            .collect();
        // Each path is deleted after those that refer to it.
        let arguments = ["--delete"]
            .into_iter()
            .chain(self.paths.iter().rev().map(String::as_str))
            .chain(derivers.into_iter().rev());
        nix.run("nix-store", home, arguments).map(drop)
    }

    fn from_json(value: &Value) -> Option<Self> {
        Some(Self {
            top: value.get("top")?.as_str()?.to_owned(),
            paths: value
                .get("paths")?
                .as_array()?
                .iter()
                .map(|path| path.as_str().map(str::to_owned))
                .collect::<Option<_>>()?,
            nar_bytes: value.get("nar_bytes")?.as_u64()?,
        })
    }

    fn to_json(&self, profile: &Profile) -> Value {
        json!({
            "profile": profile.fingerprint(),
            "top": self.top,
            "paths": self.paths,
            "nar_bytes": self.nar_bytes,
        })
    }
}

/// About 400 paths and 1.25 GiB with a heavy tail: what a system's closure looks like. Made of the
/// machine's own libraries, programs, documents and sources; built once, then reused.
///
/// # Errors
/// When the machine has not enough files to make it of, or Nix fails.
pub fn large(nix: &Nix, home: &Home, report: &mut dyn FnMut(&str)) -> Result<Closure> {
    cached(nix, home, &plan::LARGE, report)
}

/// 500 paths of 1 to 20 KiB each: where the number of round trips shows.
///
/// # Errors
/// As [`large`].
pub fn many_small(nix: &Nix, home: &Home, report: &mut dyn FnMut(&str)) -> Result<Closure> {
    cached(nix, home, &plan::MANY_SMALL, report)
}

fn cached(
    nix: &Nix,
    home: &Home,
    profile: &Profile,
    report: &mut dyn FnMut(&str),
) -> Result<Closure> {
    let directory = crate::target().join("closures").join(profile.name);
    fs::create_dir_all(&directory)?;
    let lock = File::create(directory.join("lock"))?;
    lock.lock()?;

    let record = directory.join("closure.json");
    if let Some(closure) = recorded(&record, profile) {
        let arguments = ["--check-validity"]
            .into_iter()
            .chain(closure.paths.iter().map(String::as_str));
        if nix.run("nix-store", home, arguments).is_ok() {
            return Ok(closure);
        }
    }

    report(&format!(
        "building the closure `{}` ({} paths, {} MiB) from files of this machine; it is kept for \
         later runs",
        profile.name,
        profile.paths,
        profile.bytes >> 20
    ));
    let forest = trees::of_this_machine(profile.bytes)?;
    let units = plan::units(&forest, profile)?;
    let stage = directory.join("stage");
    remove(&stage)?;
    let nodes = units
        .iter()
        .enumerate()
        .map(|(index, unit)| {
            let source = stage.join(format!("{index:03}"));
            for file in &unit.files {
                let link = source.join(&file.relative);
                if let Some(parent) = link.parent() {
                    fs::create_dir_all(parent)?;
                }
                symlink(&file.path, &link)
                    .with_context(|| format!("cannot link {}", link.display()))?;
            }
            fs::create_dir_all(&source)?;
            Ok(Node {
                name: unit.name(index),
                source,
                script: COPY_AND_REFER,
                inputs: unit.references.clone(),
            })
        })
        .collect::<Result<Vec<_>>>()?;
    let top = expression::build(nix, home, &nodes, &directory)?;
    remove(&stage)?;
    let closure = Closure::of(nix, home, &top)?;
    ensure!(
        closure.paths.len() == units.len(),
        "the closure has {} paths where {} were planned: a file held the store path of another",
        closure.paths.len(),
        units.len()
    );
    fs::write(&record, format!("{:#}\n", closure.to_json(profile)))?;
    Ok(closure)
}

/// Copies the staged files (links to files of the machine) and writes down what is referred to:
/// in a file as a linker would, and once as a link.
const COPY_AND_REFER: &str = "\
mkdir \"$out\"
cp -RL \"$source/.\" \"$out/\"
mkdir -p \"$out/nix-support\"
printf '%s\\n' $inputs > \"$out/nix-support/requisites\"
for input in $inputs; do ln -s \"$input\" \"$out/nix-support/first\"; break; done
";

fn recorded(record: &Path, profile: &Profile) -> Option<Closure> {
    let value: Value = serde_json::from_str(&fs::read_to_string(record).ok()?).ok()?;
    (value.get("profile")?.as_str()? == profile.fingerprint())
        .then(|| Closure::from_json(&value))
        .flatten()
}

fn remove(directory: &PathBuf) -> Result<()> {
    match fs::remove_dir_all(directory) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", directory.display()))
        }
        _ => Ok(()),
    }
}
