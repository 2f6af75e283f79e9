//! Of which outputs of derivations the paths of a closure are, where that cannot be told from the derivation alone: of
//! content-addressed derivations, and of those that depend on them.
//!
//! ```text
//! path ─ deriver ─▶ derivation as it was built ─┐
//!                     └─ recognised in ─▶ derivation as it was evaluated ─┴─▶ nix realisation info
//! ```
//!
//! Whoever evaluates an expression asks a cache for the realisation of the derivation that comes of it. Nix builds
//! another one, in which the inputs are replaced by the paths that they were built to, and remembers that one as the
//! deriver of a path. Nobody but Nix's database knows which derivations were resolved to which; so they are looked for among
//! those of the same name in the store, and Nix is asked whether one of them was built to this very path.
//!
//! Invariants: a closure without such paths costs no process, and no more than a look at a few derivation files; what is
//! told of a path is what Nix says of it.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fs::File;
use std::io::Read as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use fh_nix::{Derivation, DrvOutput, Realisation, StorePath, parse_realisations};

use super::process::{Form, Nix};
use super::{Closure, ClosurePath, NixTools};
use crate::error::Error;

/// A derivation file is no longer. Nix writes one of 1 MB for a package with thousands of dependencies.
const LONGEST: u64 = 16 << 20;

/// How many derivations of one name are read, the newest first.
const MOST_OF_A_NAME: usize = 1000;

/// How many derivations are told that may have been resolved to that of a path: servers take 64 realisations of a path,
/// and each has two keys.
const MOST_ORIGINS: usize = 30;

/// What Nix tells of the realisations of a closure.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Realisations {
    /// Of its paths, under each key by which they are asked for. Also of those that are only told of and are signed: a
    /// server that leaves one out because another cache has it remembers which derivation it is of.
    pub found: Vec<Realisation>,
    /// Paths to be pushed, of content-addressed derivations, of whose realisations Nix tells nothing, and what it says.
    pub unknown: BTreeMap<StorePath, String>,
}

/// An output of a derivation.
type Output = (StorePath, String);

/// A path of which there are realisations.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Realised {
    path: StorePath,
    /// The path is to be pushed; else it is only told of.
    is_pushed: bool,
    output: String,
    /// The derivation by which it was built, if realisations of that are asked for.
    deriver: Option<StorePath>,
    /// Derivations that may have been resolved to it.
    origins: Vec<StorePath>,
}

impl NixTools {
    /// The realisations of the paths of a closure that are to be pushed, or are told of and signed.
    pub async fn realisations(&self, closure: &Closure) -> Realisations {
        let directory = closure.real_store_dir.clone();
        let paths: Vec<ClosurePath> = closure.paths.clone();
        let looking = tokio::task::spawn_blocking(move || realised(&directory, &paths));
        let Ok(realised) = looking.await else {
            return Realisations::default();
        };
        let mut told = Realisations::default();
        if realised.is_empty() {
            return told;
        }
        let mut asking = Asking {
            nix: Nix(self),
            form: Form::default(),
        };
        asking.of_derivers(&realised, &mut told).await;
        asking.of_origins(&realised, &mut told).await;
        told
    }
}

struct Asking<'a> {
    nix: Nix<'a>,
    /// How this version of Nix is asked, as far as is known.
    form: Form,
}

impl Asking<'_> {
    /// Asks for the realisations of the derivations that paths were built by.
    async fn of_derivers(&mut self, realised: &[Realised], told: &mut Realisations) {
        let output = |it: &Realised| Some((it.deriver.clone()?, it.output.clone()));
        let outputs: Vec<Output> = realised.iter().filter_map(output).collect();
        let (answers, failed) = self.all(&outputs).await;
        for it in realised {
            let Some(output) = output(it) else { continue };
            if !tell(it, &output.0, &answers, told) && it.is_pushed {
                let why = failed.get(&output).cloned();
                let why = why.unwrap_or_else(|| "Nix knows none".to_owned());
                told.unknown.insert(it.path.clone(), why);
            }
        }
    }

    /// Asks for the realisations of the derivations that were evaluated. That one of them was never built is usual.
    async fn of_origins(&mut self, realised: &[Realised], told: &mut Realisations) {
        let (alone, among): (Vec<&Realised>, Vec<&Realised>) = realised
            .iter()
            .filter(|it| !it.origins.is_empty())
            .partition(|it| it.origins.len() == 1);
        let output = |it: &Realised, origin: &StorePath| (origin.clone(), it.output.clone());
        let outputs: BTreeSet<Output> = alone
            .iter()
            .flat_map(|it| it.origins.iter().map(|origin| output(it, origin)))
            .collect();
        let outputs: Vec<Output> = outputs.into_iter().collect();
        let (answers, _) = self.all(&outputs).await;
        for it in alone {
            for origin in &it.origins {
                tell(it, origin, &answers, told);
            }
        }
        // Nix up to 2.34 does not say of which derivation it tells: where there are several, each is asked about alone.
        for it in among {
            for origin in &it.origins {
                let (answers, _) = self.all(&[output(it, origin)]).await;
                tell(it, origin, &answers, told);
            }
        }
    }

    /// Asks for realisations. Nix tells none where one of them is not there: then each half is asked for by itself.
    async fn all(&mut self, outputs: &[Output]) -> (Vec<Realisation>, BTreeMap<Output, String>) {
        let (mut answers, mut failed) = (Vec::new(), BTreeMap::new());
        let mut parts: Vec<&[Output]> = vec![outputs];
        while let Some(part) = parts.pop() {
            if part.is_empty() {
                continue;
            }
            let answer = self.nix.realisations(part, &mut self.form).await;
            let parsed = answer.and_then(|documents| {
                let documents = documents.iter().map(|json| parse_realisations(json));
                let parsed: Result<Vec<_>, _> = documents.collect();
                parsed.map_err(|error| Error::NixOutput {
                    command: "nix realisation info --json".to_owned(),
                    reason: error.to_string(),
                })
            });
            match parsed {
                Ok(documents) => answers.extend(documents.into_iter().flatten()),
                Err(Error::ProgramFailed { .. }) if part.len() > 1 => {
                    let (first, second) = part.split_at(part.len() / 2);
                    parts.extend([second, first]);
                }
                Err(error) => {
                    let why = error.to_string();
                    failed.extend(part.iter().map(|output| (output.clone(), why.clone())));
                }
            }
        }
        (answers, failed)
    }
}

/// Adds what Nix answered of a path, as an output of this derivation; whether it answered something.
fn tell(
    it: &Realised,
    derivation: &StorePath,
    answers: &[Realisation],
    told: &mut Realisations,
) -> bool {
    let answered = answers.iter().find(|answer| {
        let is_of = match &answer.id {
            DrvOutput::Hash { output, .. } => output.as_str() == it.output,
            DrvOutput::Path {
                derivation: of,
                output,
            } => of == derivation && output.as_str() == it.output,
        };
        is_of && answer.out_path == it.path
    });
    let Some(answered) = answered else {
        return false;
    };
    // Two derivations may differ and have one hash, where they differ in how something with a fixed hash is fetched.
    if !told.found.contains(answered) {
        told.found.push(answered.clone());
    }
    // The key of Nix 2.35: what older versions signed is signed under theirs.
    if matches!(answered.id, DrvOutput::Hash { .. })
        && let Ok(id) = DrvOutput::of_path(derivation.clone(), &it.output)
    {
        told.found.push(Realisation {
            id,
            out_path: it.path.clone(),
            signatures: Vec::new(),
        });
    }
    true
}

/// The paths of which there may be realisations. Reads files.
fn realised(directory: &Path, paths: &[ClosurePath]) -> Vec<Realised> {
    let mut store = Store::new(directory);
    let built: Vec<Built<'_>> = paths.iter().filter_map(Built::of).collect();
    let referred: HashSet<&StorePath> = paths
        .iter()
        .flat_map(|path| {
            let references = path.info.references.iter();
            references.filter(|reference| **reference != path.info.path)
        })
        .collect();
    // Where there are any, one of these shows it: what has a content address, or what nothing else refers to.
    let (shows, others): (Vec<&Built<'_>>, Vec<&Built<'_>>) = built
        .iter()
        .partition(|built| built.has_address || !referred.contains(built.path));
    let mut found: Vec<Realised> = shows.iter().filter_map(|it| store.look(it)).collect();
    if !found.is_empty() {
        found.extend(others.iter().filter_map(|it| store.look(it)));
    }
    found
}

/// A path that has a deriver, and is to be pushed or signed.
struct Built<'a> {
    path: &'a StorePath,
    is_pushed: bool,
    deriver: &'a StorePath,
    output: String,
    has_address: bool,
}

impl<'a> Built<'a> {
    fn of(path: &'a ClosurePath) -> Option<Self> {
        let info = &path.info;
        let deriver = info.deriver.as_ref()?;
        let name = deriver.name().strip_suffix(".drv")?;
        let output = match info.path.name().strip_prefix(name)? {
            "" => "out",
            rest => rest.strip_prefix('-')?,
        };
        (!path.context || !info.signatures.is_empty()).then(|| Self {
            path: &info.path,
            is_pushed: !path.context,
            deriver,
            output: output.to_owned(),
            has_address: info.ca.is_some(),
        })
    }
}

/// The derivations of a store.
struct Store {
    directory: PathBuf,
    /// By name, once anybody has asked.
    listed: Option<HashMap<String, Vec<StorePath>>>,
    read: HashMap<StorePath, Option<Rc<Derivation>>>,
}

impl Store {
    fn new(directory: &Path) -> Self {
        Self {
            directory: directory.to_owned(),
            listed: None,
            read: HashMap::new(),
        }
    }

    /// What there is of a path.
    fn look(&mut self, built: &Built<'_>) -> Option<Realised> {
        let deriver = self.derivation(built.deriver);
        let needed = deriver
            .as_ref()
            .is_some_and(|deriver| deriver.needs_realisations());
        let may_have_origins = match &deriver {
            Some(derivation) => derivation.may_be_resolved(),
            // It came from another cache, and only what was evaluated here is here.
            None => built.has_address,
        };
        let mut origins = Vec::new();
        if may_have_origins {
            for candidate in self.of_name(built.deriver.name()) {
                if candidate == *built.deriver {
                    continue;
                }
                let Some(origin) = self.derivation(&candidate) else {
                    continue;
                };
                let fits = match &deriver {
                    Some(resolved) => origin.resolves_to(resolved),
                    None => origin.needs_realisations(),
                };
                if fits {
                    origins.push(candidate);
                }
                if origins.len() == MOST_ORIGINS {
                    break;
                }
            }
        }
        (needed || !origins.is_empty()).then(|| Realised {
            path: built.path.clone(),
            is_pushed: built.is_pushed,
            output: built.output.clone(),
            deriver: needed.then(|| built.deriver.clone()),
            origins,
        })
    }

    /// The derivation of that path, if it is there and can be read.
    fn derivation(&mut self, path: &StorePath) -> Option<Rc<Derivation>> {
        if let Some(known) = self.read.get(path) {
            return known.clone();
        }
        let file = self.directory.join(path.to_string());
        let derivation = read(&file).and_then(|bytes| Derivation::parse(&bytes).ok());
        let derivation = derivation.map(Rc::new);
        self.read.insert(path.clone(), derivation.clone());
        derivation
    }

    /// The derivations of that name, the newest first.
    fn of_name(&mut self, name: &str) -> Vec<StorePath> {
        let directory = &self.directory;
        let listed = self.listed.get_or_insert_with(|| {
            let mut listed: HashMap<String, Vec<StorePath>> = HashMap::new();
            for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
                let name = entry.file_name();
                let path = name.to_str().filter(|name| name.ends_with(".drv"));
                if let Some(path) = path.and_then(|path| path.parse::<StorePath>().ok()) {
                    let same = listed.entry(path.name().to_owned()).or_default();
                    same.push(path);
                }
            }
            listed
        });
        let mut found = listed.get(name).cloned().unwrap_or_default();
        // Nix sets the time of what a file holds to the same for all; not that of the file itself.
        let changed = |path: &StorePath| {
            let file = self.directory.join(path.to_string());
            let times = file
                .symlink_metadata()
                .map(|it| (it.ctime(), it.ctime_nsec()));
            times.unwrap_or_default()
        };
        found.sort_by_cached_key(|path| Reverse(changed(path)));
        found.truncate(MOST_OF_A_NAME);
        found
    }
}

fn read(file: &Path) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    let file = File::open(file).ok()?;
    file.take(LONGEST).read_to_end(&mut bytes).ok()?;
    Some(bytes)
}

#[cfg(test)]
mod tests;
