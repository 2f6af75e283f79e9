//! The user's nix.conf: the substituter, its public keys, and which netrc Nix reads.

use std::path::{Path, PathBuf};

use fh_conf::atomic::{self, EditOptions};
use fh_conf::netrc::Netrc;
use fh_conf::nix_conf::{NixConf, SetIfUnset, read_include};

use super::files::{FileReport, Login, edit};
use super::steps::Steps;
use crate::error::CommandError;
use crate::settings::Directories;

/// The lines of nix.conf.
pub(super) struct NixConfEdit<'a> {
    path: &'a Path,
    earlier: &'a [PathBuf],
    cache: &'a str,
    public_keys: &'a [String],
    /// The netrc that Nix reads, or will read from now on.
    pub(super) netrc_file: PathBuf,
    /// Whether `netrc-file` is set by this login.
    sets_netrc_file: bool,
}

impl<'a> NixConfEdit<'a> {
    pub(super) fn plan(
        login: &Login<'a>,
        directories: &'a Directories,
    ) -> Result<Self, CommandError> {
        let mut edit = Self {
            path: &directories.user_nix_conf,
            earlier: &directories.earlier_nix_confs,
            cache: login.facts.cache.as_str(),
            public_keys: &login.facts.public_keys,
            netrc_file: directories.user_netrc.clone(),
            sets_netrc_file: true,
        };
        let text = atomic::read_private(edit.path)?.map(|file| file.content);
        if let Some(named) = edit.effective(text.as_deref())?.effective("netrc-file") {
            edit.sets_netrc_file = false;
            edit.netrc_file = PathBuf::from(&named);
            if !edit.netrc_file.is_absolute() {
                return Err(CommandError::failed(format!(
                    "nix.conf sets netrc-file to {named:?}, which is not an absolute path"
                ))
                .hint(format!(
                    "Let it name a file, or remove the setting: it stands in {} or a file read before it.",
                    edit.path.display()
                )));
            }
        }
        edit.apply(text.as_deref())?;
        Ok(edit)
    }

    /// All that Nix reads, this file with the given text last.
    fn effective(&self, text: Option<&[u8]>) -> Result<NixConf, CommandError> {
        let mut all = String::new();
        for path in self.earlier.iter().map(PathBuf::as_path).chain([self.path]) {
            let path = path
                .to_str()
                .filter(|path| !path.contains(char::is_whitespace));
            let Some(path) = path else {
                // Such a name cannot stand behind `include`; the file is read by itself below.
                continue;
            };
            all.push_str(&format!("!include {path}\n"));
        }
        let mut load = |path: &Path| {
            if path == self.path {
                Ok(text.map(<[u8]>::to_vec))
            } else {
                read_include(path)
            }
        };
        Ok(NixConf::parse(
            all.as_bytes(),
            Path::new("/nix.conf"),
            &mut load,
        )?)
    }

    /// The new text, and which settings changed.
    fn apply(&self, text: Option<&[u8]>) -> Result<(Vec<u8>, Vec<String>), CommandError> {
        let effective = self.effective(text)?;
        let mut conf = NixConf::parse(text.unwrap_or_default(), self.path, &mut read_include)?;
        let mut changes = Vec::new();
        if self.sets_netrc_file {
            let netrc_file = self.netrc_file.to_string_lossy();
            if conf.set_if_unset("netrc-file", &netrc_file)? == SetIfUnset::Set {
                changes.push("netrc-file".to_owned());
            }
        }
        if !effective.list_contains("substituters", self.cache) {
            let added = conf.add_to_list("extra-substituters", &[self.cache])?;
            changes.extend(added.first().map(|_| "extra-substituters".to_owned()));
        }
        let missing: Vec<&String> = self
            .public_keys
            .iter()
            .filter(|key| !effective.list_contains("trusted-public-keys", key))
            .collect();
        let added = conf.add_to_list("extra-trusted-public-keys", &missing)?;
        changes.extend(
            added
                .first()
                .map(|_| "extra-trusted-public-keys".to_owned()),
        );
        Ok((conf.to_bytes(), changes))
    }

    pub(super) fn write(&self, steps: &mut Steps) -> Result<FileReport, CommandError> {
        let options = EditOptions::shared();
        let result = edit(self.path, &options, steps, |text| self.apply(text));
        let (edited, changes) = result.map_err(|error| self.in_store_hint(error))?;
        Ok(FileReport {
            kind: "nix.conf",
            path: edited.path,
            changes,
            tightened_from: None,
        })
    }

    /// A nix.conf in the store is made by home-manager or NixOS, which is where to add the lines.
    fn in_store_hint(&self, error: CommandError) -> CommandError {
        let Some(fh_conf::Error::InStore { .. }) = error.downcast_ref() else {
            return error;
        };
        let keys: Vec<String> = self
            .public_keys
            .iter()
            .map(|key| format!("{key:?}"))
            .collect();
        error.hint(format!(
            "It is made by home-manager or NixOS: add this to that configuration, and try again.\n\
             nix.settings = {{\n  netrc-file = {:?};\n  extra-substituters = [ {:?} ];\n  \
             extra-trusted-public-keys = [ {} ];\n}};",
            self.netrc_file.display().to_string(),
            self.cache,
            keys.join(" ")
        ))
    }

    /// What to say where a netrc of the system goes out of sight: Nix reads one only.
    pub(super) fn hides(&self, system: &Path) -> Option<String> {
        if !self.sets_netrc_file || !system.exists() {
            return None;
        }
        let hosts = match atomic::read_private(system) {
            Ok(Some(file)) => Netrc::parse(&file.content).map(|netrc| netrc.hosts()).ok(),
            _ => None,
        };
        let what = match hosts {
            Some(hosts) if hosts.is_empty() => return None,
            Some(hosts) => format!("has entries for {}", hosts.join(", ")),
            None => "may have entries".to_owned(),
        };
        Some(format!(
            "Nix reads one netrc only, yours from now on. {} {what}: copy what you need to {}.",
            system.display(),
            self.netrc_file.display()
        ))
    }
}
