//! What is to be pushed: the closure of what the user named, asked of nix.
//!
//! Invariants: what nix prints is parsed, never pasted; no argument of the user's can become an
//! option of nix; a nix that is running dies with the future that waits for it, and one that is asked has a
//! limited time; the network is not
//! asked about paths that are not here.

mod argument;
mod built;
mod process;
mod realisations;
#[cfg(test)]
mod tests;
mod tools;

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use fh_nix::{PathInfo, StoreDir, StorePath, parse_path_infos};

use crate::error::{Error, Result};
use argument::{Argument, classify};
pub use built::{BuiltPaths, Outputs};
use process::Nix;
pub use realisations::Realisations;
pub use tools::{BuildMessages, NixTools};

/// A set of store paths with what Nix knows of them.
#[derive(Debug, Clone)]
pub struct Closure {
    /// The store directory that the paths are named by.
    pub store_dir: StoreDir,
    /// Where the files of that directory really are; the same but for chroot stores.
    pub real_store_dir: PathBuf,
    /// Every path once, ordered by path.
    pub paths: Vec<ClosurePath>,
}

/// One path of a closure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClosurePath {
    /// What Nix knows of it.
    pub info: PathInfo,
    /// Not to be pushed: told only because another path refers to it.
    pub context: bool,
}

impl Closure {
    /// What Nix knows of the paths that are to be pushed.
    pub(crate) fn pushed(&self) -> impl Iterator<Item = &PathInfo> {
        let paths = self.paths.iter().filter(|path| !path.context);
        paths.map(|path| &path.info)
    }

    /// Where the files of one of its paths are.
    #[must_use]
    pub fn real_path(&self, path: &StorePath) -> PathBuf {
        self.real_store_dir.join(path.to_string())
    }
}

impl NixTools {
    /// The closure of what the arguments mean: store paths, paths inside of store paths, symbolic
    /// links that lead to one, or flake installables, which are built.
    ///
    /// With `whole` false only the paths named are to be pushed; the rest of the closure is told as
    /// context.
    ///
    /// # Errors
    ///
    /// [`Error::NothingGiven`], [`Error::NoSuchPath`], [`Error::NotInStore`], [`Error::OptionLike`],
    /// [`Error::CannotRun`], [`Error::ProgramFailed`], [`Error::NixHangs`],
    /// [`Error::NixOutput`], [`Error::PathInfos`],
    /// [`Error::InvalidPaths`], [`Error::NoStoreFiles`].
    pub async fn closure(&self, arguments: &[OsString], whole: bool) -> Result<Closure> {
        let named = self.resolve(arguments).await?;
        self.closure_of(&named, whole).await
    }

    /// The closure of store paths, as for [`Self::closure`].
    ///
    /// # Errors
    ///
    /// Those of [`Self::closure`] about what nix tells of paths.
    pub async fn closure_of(&self, named: &BTreeSet<StorePath>, whole: bool) -> Result<Closure> {
        let paths = self
            .path_infos(named)
            .await?
            .into_values()
            .map(|info| ClosurePath {
                context: !whole && !named.contains(&info.path),
                info,
            })
            .collect::<Vec<_>>();
        Ok(Closure {
            real_store_dir: self.real_store_dir(&paths)?,
            store_dir: self.store_dir.clone(),
            paths,
        })
    }

    /// Whether one of the arguments has to be built first.
    ///
    /// # Errors
    ///
    /// Those of [`Self::closure`] about arguments.
    pub fn has_to_build(&self, arguments: &[OsString]) -> Result<bool> {
        let meant = self.classify(arguments)?;
        let mut meant = meant.iter();
        Ok(meant.any(|argument| matches!(argument, Argument::Installable(_))))
    }

    fn classify(&self, arguments: &[OsString]) -> Result<Vec<Argument>> {
        let roots = self.real_store_dirs();
        let arguments = arguments.iter();
        arguments
            .map(|argument| classify(argument, &self.store_dir, &roots))
            .collect()
    }

    /// The store paths that the arguments mean, as for [`Self::closure`]; installables are built.
    ///
    /// # Errors
    ///
    /// Those of [`Self::closure`] about arguments and builds.
    pub async fn resolve(&self, arguments: &[OsString]) -> Result<BTreeSet<StorePath>> {
        let mut named = BTreeSet::new();
        let mut installables = Vec::new();
        for argument in self.classify(arguments)? {
            match argument {
                Argument::Path(path) => {
                    named.insert(path);
                }
                Argument::Installable(installable) => installables.push(installable),
            }
        }
        if !installables.is_empty() {
            named.extend(Nix(self).build(&installables).await?);
        }
        if named.is_empty() {
            return Err(Error::NothingGiven);
        }
        Ok(named)
    }

    async fn path_infos(
        &self,
        named: &BTreeSet<StorePath>,
    ) -> Result<BTreeMap<StorePath, PathInfo>> {
        let mut infos = BTreeMap::new();
        let mut invalid = BTreeSet::new();
        for json in Nix(self).path_infos(named).await? {
            let answer = parse_path_infos(&json, &self.store_dir).map_err(Error::PathInfos)?;
            invalid.extend(answer.invalid);
            infos.extend(
                answer
                    .valid
                    .into_iter()
                    .map(|info| (info.path.clone(), info)),
            );
        }
        // A path that nix is silent about is no more pushed than one that it calls invalid.
        invalid.extend(
            named
                .iter()
                .filter(|path| !infos.contains_key(path))
                .cloned(),
        );
        if invalid.is_empty() {
            return Ok(infos);
        }
        Err(Error::InvalidPaths {
            paths: invalid
                .iter()
                .map(|path| self.store_dir.display(path))
                .collect(),
        })
    }

    /// Where the files of the store are.
    #[must_use]
    pub fn store_directory(&self) -> PathBuf {
        let mut directories = self.real_store_dirs();
        let there = directories.iter().position(|directory| directory.is_dir());
        directories.swap_remove(there.unwrap_or(0))
    }

    /// The places where the store's files may be.
    fn real_store_dirs(&self) -> Vec<PathBuf> {
        let below = self.store_dir.as_str().trim_start_matches('/');
        let roots = if self.roots.is_empty() {
            vec![self.chroot().unwrap_or_else(|| PathBuf::from("/"))]
        } else {
            self.roots.clone()
        };
        roots.into_iter().map(|root| root.join(below)).collect()
    }

    /// The root of the chroot store that `store` names, if it does: `/path` or `local?root=/path`.
    fn chroot(&self) -> Option<PathBuf> {
        let store = self.store.as_deref()?;
        let path = if store.starts_with('/') {
            store
        } else {
            let (_, query) = store.strip_prefix("local")?.split_once('?')?;
            query
                .split('&')
                .find_map(|setting| setting.strip_prefix("root="))?
        };
        (path != "/").then(|| PathBuf::from(path))
    }

    /// The place that has the files of these paths, or of one of them: what is missing beside it
    /// was lost, and is told path by path.
    fn real_store_dir(&self, paths: &[ClosurePath]) -> Result<PathBuf> {
        let candidates = self.real_store_dirs();
        let Some(first) = paths.first().map(|path| &path.info.path) else {
            return Err(Error::NothingGiven);
        };
        let has = |directory: &&PathBuf| {
            let mut files = paths.iter().map(|path| path.info.path.to_string());
            files.any(|file| directory.join(file).symlink_metadata().is_ok())
        };
        candidates
            .iter()
            .find(has)
            .cloned()
            .ok_or_else(|| Error::NoStoreFiles {
                path: self.store_dir.display(first),
                tried: candidates
                    .iter()
                    .map(|directory| Path::display(directory).to_string())
                    .collect(),
            })
    }
}
