//! `nix copy --from` of the whole closure into an empty store.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use fh_testkit::nix::closure::Closure;
use fh_testkit::nix::{Home, ScratchStore};

use super::super::fh::Installation;
use super::super::machine::file_system;
use super::super::measure;
use super::super::report::{Row, Target, Unit};
use super::super::rounds::{Side, interleaved};
use super::super::setting::Setting;
use super::stage::{PEER, Stage};

/// Both sides are given the same nix.conf and netrc, which `fh login` wrote: signatures are checked,
/// and credentials sent, in both. Also says where the stores are.
pub(super) fn run(
    setting: &Setting,
    stage: &Stage<'_>,
    closure: &Closure,
) -> Result<(Row, String)> {
    let place = Place::choose(setting, closure)?;
    let configuration = stage.installation.home().config().join("nix/nix.conf");
    let copy = |url: String, directory: &Path| -> Result<f64> {
        let home = Home::at(&directory.join("home"))?;
        let own = home.config().join("nix");
        fs::create_dir_all(&own)?;
        fs::copy(&configuration, own.join("nix.conf"))
            .with_context(|| format!("`fh login` wrote no {}", configuration.display()))?;
        let store = place.store()?;
        let mut command = setting.nix().command("nix", &home);
        command.args(["copy", "--from", &url, "--to", &store.uri(), &closure.top]);
        let measured = measure::run(&mut command, &directory.join("copy.log"))?;
        anyhow::ensure!(
            closure
                .paths
                .iter()
                .all(|path| store.physical(path).symlink_metadata().is_ok()),
            "nix copy --from {url} left paths out"
        );
        place.leave(store);
        Ok(measured.wall)
    };
    let ours = format!(
        "{}{}",
        stage.installation.server.url(),
        Installation::cache()
    );
    let sides = [
        Side::new("nix copy --from fh", |directory| {
            copy(ours.clone(), directory)
        }),
        Side::new("nix copy --from nginx", |directory| {
            copy(stage.nginx.url(), directory)
        }),
    ];
    let [ours, peer] = interleaved(setting, setting.runs(5), sides, |wall| {
        Unit::Seconds.text(*wall)
    })?;
    let what = "nix copy --from, whole closure";
    let row = Row::new("read.copy", what, Unit::Seconds, ours)
        .against(PEER, peer)
        .promised(Target::RatioAtMost(1.05));
    let note = format!(
        "`nix copy --from` writes to an empty store on {}",
        place.file_system
    );
    Ok((row, note))
}

/// Where the stores are.
struct Place {
    directory: PathBuf,
    file_system: String,
}

const TMPFS: &str = "tmpfs";

impl Place {
    /// Memory, where there is enough: creating files on a disk takes longer than all else, and varies.
    /// Otherwise where the servers store things.
    fn choose(setting: &Setting, closure: &Closure) -> Result<Self> {
        let memory = Path::new("/dev/shm");
        let enough = rustix::fs::statvfs(memory)
            .is_ok_and(|free| free.f_bavail * free.f_frsize > 3 * closure.nar_bytes);
        if enough && file_system(memory)? == TMPFS {
            return Ok(Self {
                directory: memory.to_owned(),
                file_system: TMPFS.to_owned(),
            });
        }
        let directory = setting.scratch.directory()?;
        Ok(Self {
            file_system: file_system(&directory)?,
            directory,
        })
    }

    fn store(&self) -> Result<ScratchStore> {
        ScratchStore::new_in(&self.directory)
    }

    /// Deletes a store from memory. On a disk that would slow down the next runs: it goes in the end,
    /// with everything else.
    fn leave(&self, store: ScratchStore) {
        if self.file_system == TMPFS {
            drop(store);
        } else {
            store.keep();
        }
    }
}
