//! How nix is called.

use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use fh_nix::StoreDir;

/// What becomes of what a nix writes to stderr while it builds.
#[derive(Clone, Default)]
pub enum BuildMessages {
    /// It is kept for the error, if there is one.
    #[default]
    Kept,
    /// It is kept, and told line by line, without the line break and without control characters.
    Told(Arc<dyn Fn(&str) + Send + Sync>),
    /// It goes to the stderr of this process: on a terminal Nix shows there what it is doing. The error does not repeat it.
    Inherited,
}

/// Nix tells of a hundred thousand paths within seconds; it may also wait for a daemon that is
/// starting, or for a lock.
const PATIENCE: Duration = Duration::from_secs(10 * 60);

/// How to run nix, and about which store.
#[derive(Clone)]
pub struct NixTools {
    /// The program: `nix`, found by the search path, or a path of it.
    pub program: PathBuf,
    /// Arguments before all others, such as `--option` settings.
    pub extra_args: Vec<OsString>,
    /// Given to nix as `--store`, where it is not the default one.
    pub store: Option<String>,
    /// The store directory that paths are named by: `/nix/store`, or what `NIX_STORE_DIR` says.
    pub store_dir: StoreDir,
    /// The directories below which the files of `store_dir` may be; the first that has them counts.
    /// Where none is given, that of a chroot store in `store`, else `/`.
    pub roots: Vec<PathBuf>,
    /// What becomes of nix's stderr while it builds.
    pub messages: BuildMessages,
    /// How long a nix may take that is asked about paths; one that builds may take any time.
    pub patience: Duration,
}

impl Default for NixTools {
    fn default() -> Self {
        Self {
            program: PathBuf::from("nix"),
            extra_args: Vec::new(),
            store: None,
            store_dir: StoreDir::default(),
            roots: Vec::new(),
            messages: BuildMessages::Kept,
            patience: PATIENCE,
        }
    }
}

impl fmt::Debug for NixTools {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NixTools")
            .field("program", &self.program)
            .field("extra_args", &self.extra_args)
            .field("store", &self.store)
            .field("store_dir", &self.store_dir)
            .field("roots", &self.roots)
            .finish_non_exhaustive()
    }
}
