//! What is to be pushed: asked of nix.

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;

use fh_nix::{PathInfo, StoreDir};

use crate::error::{Error, Result};

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

/// Hears what nix writes to stderr, line by line, without the line break.
pub type NixMessages = Arc<dyn Fn(&str) + Send + Sync>;

/// How to run nix, and about which store.
#[derive(Clone)]
pub struct NixTools {
    /// The program: `nix`, found by the search path, or a path of it.
    pub program: PathBuf,
    /// Arguments before all others, such as `--option` settings.
    pub extra_args: Vec<OsString>,
    /// Given to nix as `--store`, where it is not the default one.
    pub store: Option<String>,
    /// The store directory that paths are named by: `/nix/store` unless `NIX_STORE_DIR` says otherwise.
    pub store_dir: StoreDir,
    /// The directories that may hold the store directory's files, tried in this order: `/` where
    /// this is empty and `store` names no other.
    pub roots: Vec<PathBuf>,
    /// Hears nix's stderr while it runs.
    pub messages: Option<NixMessages>,
}

impl Default for NixTools {
    fn default() -> Self {
        Self {
            program: PathBuf::from("nix"),
            extra_args: Vec::new(),
            store: None,
            store_dir: StoreDir::default(),
            roots: Vec::new(),
            messages: None,
        }
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
    /// [`Error::CannotRun`], [`Error::NixFailed`], [`Error::NixOutput`], [`Error::PathInfos`],
    /// [`Error::InvalidPaths`].
    pub async fn closure(&self, arguments: &[OsString], whole: bool) -> Result<Closure> {
        let _ = (arguments, whole);
        Err(Error::NothingGiven)
    }
}
