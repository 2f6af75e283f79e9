//! The servers, and what can be asked of them.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};

use super::super::nginx::Nginx;
use super::super::setting::Setting;
use super::super::wrk;
use super::data::Data;
use super::plan::{self, USUAL, views};
use crate::http;
use crate::server::Server;

/// The generated data, and nginx with the same narinfos as files.
pub(super) struct Stage<'a> {
    pub(super) setting: &'a Setting,
    pub(super) data: Data,
    pub(super) nginx: Nginx,
    directory: PathBuf,
    /// The slices of the view that most is asked with.
    usual: BTreeSet<u32>,
}

impl<'a> Stage<'a> {
    pub(super) fn set(setting: &'a Setting, fh: &Path) -> Result<Self> {
        let data = Data::open(setting, fh)?;
        let directory = setting.scratch.directory()?;
        let nginx = Nginx::start(&setting.nginx, &directory.join("nginx"))?;
        let usual = slices_of(USUAL)?;
        Ok(Self {
            setting,
            data,
            nginx,
            directory,
            usual,
        })
    }

    /// A server that remembers nothing.
    pub(super) fn serve(&self) -> Result<Server> {
        self.data.serve(self.setting)
    }

    /// The value of `Authorization` for a view.
    pub(super) fn authorization(&self, view: &str) -> Result<String> {
        Ok(http::basic(self.data.token(view)?))
    }

    /// Paths in so many slices, some of them in the usual view. With as many slices as that has, the
    /// first of them is as good as any.
    pub(super) fn inside(&self, holders: u32, most: usize) -> Vec<u32> {
        some(&self.usual, holders, most, true)
    }

    /// Paths in so many slices, none of them in the usual view.
    pub(super) fn outside(&self, holders: u32, most: usize) -> Vec<u32> {
        some(&self.usual, holders, most, false)
    }

    /// What the server answers becomes files of nginx.
    pub(super) fn mirror(&self, server: &Server, paths: &[u32]) -> Result<()> {
        let token = self.data.token(USUAL)?;
        for path in paths {
            let path = address(*path);
            let file = self.nginx.storage().join(path.trim_start_matches('/'));
            if file.exists() {
                continue;
            }
            let answer = http::get(server.port(), &path, Some(token))?;
            ensure!(answer.status == 200, "GET {path}: {}", answer.status);
            fs::write(&file, &answer.body)?;
        }
        Ok(())
    }

    /// A script for wrk, that asks for these paths in turn.
    pub(super) fn script(&self, name: &str, view: &str, paths: &[String]) -> Result<PathBuf> {
        let file = self.directory.join(format!("{name}-{view}.lua"));
        wrk::write_script(&file, paths, &self.authorization(view)?)?;
        Ok(file)
    }
}

/// Paths in so many slices, none of them in a view.
pub(super) fn hidden_from(view: &str, holders: u32, most: usize) -> Result<Vec<u32>> {
    Ok(some(&slices_of(view)?, holders, most, false))
}

fn slices_of(view: &str) -> Result<BTreeSet<u32>> {
    let view = views().into_iter().find(|found| found.name == view);
    Ok(view.context("no such view")?.slices())
}

/// Paths in so many slices, with one of these among them, or with none.
fn some(slices: &BTreeSet<u32>, holders: u32, most: usize, inside: bool) -> Vec<u32> {
    let group = plan::group(holders);
    let is_inside = |path: &u32| group.holders_of(*path).any(|flake| slices.contains(&flake));
    let paths = group.paths.clone();
    paths
        .filter(|path| is_inside(path) == inside)
        .take(most)
        .collect()
}

/// The path of a narinfo below the server's address.
pub(super) fn address(path: u32) -> String {
    format!("/{}.narinfo", plan::hash_part(path))
}

/// Of narinfos of paths that no slice holds.
pub(super) fn nowhere(count: u32) -> Vec<String> {
    let groups = plan::groups();
    let free = groups.last().map_or(0, |group| group.paths.end);
    (free..free + count).map(address).collect()
}
