//! Both servers with the same bytes: what `fh serve` answers, nginx has as files.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use fh_testkit::nix::closure::Closure;

use super::super::fh::Installation;
use super::super::measure;
use super::super::nginx::Nginx;
use super::super::setting::{Setting, hash_part};
use super::download::{File, Source};
use crate::http;

/// The peer's name in tables.
pub(super) const PEER: &str = "nginx";

/// The servers, and what can be asked of each.
pub(super) struct Stage<'a> {
    pub(super) installation: Installation<'a>,
    pub(super) nginx: Nginx,
    /// The value of the header `Authorization`: both are sent the same.
    pub(super) authorization: String,
    /// The names of all narinfos, below the root of the cache.
    pub(super) narinfos: Vec<String>,
    /// All NARs, the largest first, with paths below the root of the cache.
    pub(super) nars: Vec<File>,
    pub(super) directory: PathBuf,
}

impl<'a> Stage<'a> {
    /// Pushes the closure to a new server of this `fh`, and takes from it what nginx is to have.
    pub(super) fn set(setting: &'a Setting, fh: &'a Path, closure: &Closure) -> Result<Self> {
        let directory = setting.scratch.directory()?;
        let installation = Installation::start(setting, fh, &directory)?;
        measure::run(&mut installation.push(closure), &directory.join("push.log"))?;
        installation.ensure_has(closure)?;
        let nginx = Nginx::start(&setting.nginx, &directory.join("nginx"))?;
        let mut stage = Self {
            authorization: http::basic(&installation.token()?),
            installation,
            nginx,
            narinfos: Vec::new(),
            nars: Vec::new(),
            directory,
        };
        stage.mirror("nix-cache-info")?;
        for path in &closure.paths {
            let name = format!("{}.narinfo", hash_part(path));
            let narinfo = stage.mirror(&name)?;
            stage.narinfos.push(name);
            let narinfo = String::from_utf8(narinfo)?;
            let url = narinfo
                .lines()
                .find_map(|line| line.strip_prefix("URL: "))
                .context("a narinfo without a URL")?;
            // Two paths may have the same content.
            if stage.nars.iter().any(|nar| nar.path == url) {
                continue;
            }
            let bytes = stage.mirror(url)?.len() as u64;
            stage.nars.push(File {
                path: url.to_owned(),
                bytes,
            });
        }
        stage.nars.sort_by(|left, right| {
            right
                .bytes
                .cmp(&left.bytes)
                .then_with(|| left.path.cmp(&right.path))
        });
        Ok(stage)
    }

    /// What the server answers becomes a file of nginx.
    fn mirror(&self, name: &str) -> Result<Vec<u8>> {
        let path = format!("{}/{name}", Installation::cache());
        let token = self.installation.token()?;
        let answer = http::get(self.installation.server.port(), &path, Some(&token))?;
        ensure!(answer.status == 200, "GET {path}: {}", answer.status);
        let file = self.nginx.storage().join(name);
        if let Some(parent) = file.parent() {
            fs::create_dir_all(parent)?;
        }
        fs::write(&file, &answer.body)
            .with_context(|| format!("cannot write {}", file.display()))?;
        Ok(answer.body)
    }

    /// Ours, and the root of the cache there.
    pub(super) fn ours(&self) -> (Source<'_>, String) {
        let source = Source {
            port: self.installation.server.port(),
            authorization: &self.authorization,
        };
        (source, format!("{}/", Installation::cache()))
    }

    /// The peer, and the root of the cache there.
    pub(super) fn peer(&self) -> (Source<'_>, String) {
        let source = Source {
            port: self.nginx.port(),
            authorization: &self.authorization,
        };
        (source, "/".to_owned())
    }

    /// Stops both servers, which must end well.
    pub(super) fn strike(self) -> Result<()> {
        self.nginx.stop()?;
        self.installation.server.stop()
    }
}
