//! Which file, or which variable, says what: the words of a finding name it.
//!
//! Nix tells the value of a setting and not where it is from. So the files that Nix reads are read here
//! too. Where one of them is wrong Nix itself does not start, and names the line with its text, which may
//! be an access token: what is found here names the place alone.

use std::collections::BTreeSet;
use std::fmt;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use fh_conf::Error;
use fh_conf::nix_conf::{NixConf, VARIABLE, read_include};

use super::finding::{Check, Finding};
use crate::access::{Denied, Kind, Obstacle, quoted};
use crate::context::Context;
use crate::error::CommandError;
use crate::setup::daemon::Daemon;
use crate::setup::keeper::is_generated;

pub(super) const NAME: Check = Check("nix.conf");

/// What the files and NIX_CONFIG say.
pub(super) struct Origins {
    /// The files that Nix reads for this user.
    files: NixConf,
    /// Those that the daemon reads, too.
    machine: NixConf,
    variable: Option<NixConf>,
    /// The last of the files, if it is there and cannot be read.
    unread: Option<PathBuf>,
}

/// A file with a line, or the variable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    path: PathBuf,
    line: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_variable() {
            return f.write_str(VARIABLE);
        }
        write!(f, "line {} of {}", self.line, self.path.display())
    }
}

impl From<(&Path, usize)> for Place {
    fn from((path, line): (&Path, usize)) -> Self {
        Self {
            path: path.to_owned(),
            line,
        }
    }
}

impl Place {
    pub(super) fn is_variable(&self) -> bool {
        self.path == Path::new(VARIABLE)
    }

    /// A setting as it is called where a person changes it, and where that is. Where NixOS, nix-darwin or
    /// home-manager generates the file, which nobody edits then, this is an option of theirs.
    pub(super) fn edited(&self, name: &str) -> (String, String) {
        if is_generated(&self.path) {
            (format!("`{}`", option(name)), generated_from(&self.path))
        } else {
            (format!("`{name}`"), self.to_string())
        }
    }

    /// How to mend a setting whose value is wrong.
    pub(super) fn corrected(&self, name: &str) -> String {
        let (setting, place) = self.edited(name);
        format!("correct {setting} in {place}")
    }

    /// How to mend a setting that should not be there.
    pub(super) fn removed(&self, name: &str) -> String {
        let (setting, place) = self.edited(name);
        format!("remove {setting} from {place}")
    }

    /// The file or the variable alone, with the setting where that is how a person finds it.
    pub(super) fn of_value(&self, name: &str) -> String {
        if is_generated(&self.path) {
            let (setting, place) = self.edited(name);
            format!("{setting} in {place}")
        } else {
            self.to_string()
        }
    }
}

/// The option for a setting of Nix, which is called the same for all three.
pub(super) fn option(name: &str) -> String {
    format!("nix.settings.{name}")
}

/// What a person edits in place of a file that is generated.
pub(super) fn generated_from(path: &Path) -> String {
    format!(
        "the configuration (NixOS, nix-darwin or home-manager) that {} is generated from",
        path.display()
    )
}

impl Origins {
    /// Reads all that Nix reads; what Nix would refuse is a check that failed.
    pub(super) fn read(context: &Context) -> Result<Self, Finding> {
        let directories = context.settings.directories();
        let roots = directories
            .map_err(|error| NAME.of_error(&error, "correct the variable"))?
            .nix_confs();
        let variable = context.settings.nix_config();
        Self::parse(&roots, variable.map(OsStrExt::as_bytes)).map_err(|error| refused(&error))
    }

    pub(super) fn parse(roots: &[PathBuf], variable: Option<&[u8]>) -> Result<Self, Error> {
        let among = |roots: &[PathBuf]| {
            let last = roots.last().map_or(Path::new(""), PathBuf::as_path);
            // What cannot be read counts as empty, as it does for Nix.
            let text = read_include(last).ok().flatten().unwrap_or_default();
            NixConf::parse_among(&text, last, roots, &mut read_include)
        };
        let last = roots.last().map(PathBuf::as_path);
        let unread = last.filter(|last| read_include(last).is_err());
        let parsed = |text| NixConf::parse_variable(text, &mut read_include);
        Ok(Self {
            files: among(roots)?,
            machine: among(&roots[..1.min(roots.len())])?,
            variable: variable.map(parsed).transpose()?,
            unread: unread.map(Path::to_owned),
        })
    }

    /// Where a setting gets the value that counts for substitution: a daemon that does not trust the user
    /// has the machine's files alone.
    pub(super) fn of(&self, name: &str, daemon: Daemon) -> Option<Place> {
        if daemon == Daemon::Distrusting {
            return self.machine.set_by(name).map(Place::from);
        }
        let of_files = || self.files.set_by(name).map(Place::from);
        self.replaced_by_variable(name).or_else(of_files)
    }

    /// Where a list gets this value, letter by letter.
    pub(super) fn giving(&self, name: &str, value: &str, daemon: Daemon) -> Option<Place> {
        let files = match daemon {
            Daemon::Distrusting => [Some(&self.machine), None],
            _ => [self.variable.as_ref(), Some(&self.files)],
        };
        let mut files = files.into_iter().flatten();
        let given_by = files.find_map(|conf| conf.given_by(name, value));
        given_by.map(Place::from)
    }

    /// The files that are there and that this user cannot read, which is what Nix passes over without a word.
    pub(super) fn unreadable(&self) -> Vec<Finding> {
        let files = self.files.unreadable();
        let variable = self.variable.iter().flat_map(NixConf::unreadable);
        let own = self.unread.as_deref();
        let unreadable: BTreeSet<&Path> = files.chain(variable).chain(own).collect();
        let findings = unreadable.into_iter().filter_map(|path| {
            let found = Obstacle::on_the_way_to(path)?;
            let about = format!("{found}: Nix leaves it out");
            match (&found.kind, found.command()) {
                (Kind::Mode { .. }, Some(fix)) => Some(NAME.failed(about, fix)),
                // It can be read: it is no file.
                (
                    Kind::Foreign {
                        denied: Denied::Writing,
                        ..
                    },
                    _,
                ) => None,
                // Nix that root runs, such as a daemon, reads it all the same.
                (Kind::Foreign { .. }, _) => {
                    let fix = format!("sudo chmod a+r {}   unless it holds secrets", quoted(path));
                    Some(NAME.warning(about).fix(fix))
                }
                (_, fix) => {
                    let fix = fix.unwrap_or_else(|| format!("ls -l {}", quoted(path)));
                    Some(NAME.warning(about).fix(fix))
                }
            }
        });
        findings.collect()
    }

    /// Where NIX_CONFIG, or what it includes, gives a setting another value than the files.
    pub(super) fn replaced_by_variable(&self, name: &str) -> Option<Place> {
        self.variable.as_ref()?.set_by(name).map(Place::from)
    }
}

/// A file that Nix refuses, and so refuses to start.
fn refused(error: &Error) -> Finding {
    let fix = match error {
        Error::NixConfSyntax { path, .. } if path == Path::new(VARIABLE) => {
            format!("correct {VARIABLE}, or unset it")
        }
        Error::NixConfSyntax { path, line, .. }
        | Error::IncludeCycle { path, line, .. }
        | Error::IncludeLimit { path, line } => {
            let place = Place::from((path.as_path(), *line));
            if is_generated(path) {
                let from = generated_from(path);
                format!("correct `nix.settings` or `nix.extraOptions` in {from}: {place} is wrong")
            } else {
                format!("correct {place}")
            }
        }
        Error::IncludeMissing {
            path,
            line,
            included,
        } => {
            let place = Place::from((path.as_path(), *line));
            format!(
                "create {}, or write `!include` in {place}",
                included.display()
            )
        }
        Error::NotRegular { path } | Error::TooLarge { path, .. } => {
            format!("move {} away", path.display())
        }
        _ => "nix store ping   shows what Nix says".to_owned(),
    };
    let said = CommandError::failed(format!("Nix does not start: {error}"));
    NAME.failed(said.sentence(), fix)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIST: &str = "substituters";
    const NETRC: &str = "\nnetrc-file = /b";

    /// Origins of two files and a variable.
    fn origins(
        directory: &Path,
        system: &str,
        user: &str,
        variable: Option<&str>,
    ) -> Result<Origins, Error> {
        let roots = [directory.join("system.conf"), directory.join("user.conf")];
        std::fs::write(&roots[0], system).unwrap();
        std::fs::write(&roots[1], user).unwrap();
        Origins::parse(&roots, variable.map(str::as_bytes))
    }

    #[test]
    fn where_a_file_is_generated_the_option_of_the_setting_is_named() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        let store = "/nix/store/00000000000000000000000000000000-nix.conf";
        std::os::unix::fs::symlink(store, at("static")).unwrap();
        std::os::unix::fs::symlink("static", at("generated.conf")).unwrap();
        std::fs::write(at("own.conf"), "store = daemon\n").unwrap();
        for (path, setting) in [
            (at("own.conf"), "`store`"),
            (at("absent.conf"), "`store`"),
            (PathBuf::from(VARIABLE), "`store`"),
            (at("generated.conf"), "`nix.settings.store`"),
            (PathBuf::from(store), "`nix.settings.store`"),
        ] {
            let (named, place) = Place::from((path.as_path(), 3)).edited("store");
            assert_eq!(named, setting);
            let is_generated = setting.contains("nix.settings");
            assert_eq!(place.contains("NixOS"), is_generated, "{place}");
            assert_eq!(
                place.contains("line 3 of"),
                !is_generated && path != Path::new(VARIABLE)
            );
            let error = Error::IncludeLimit {
                path: path.clone(),
                line: 3,
            };
            let fix = refused(&error).to_text();
            assert_eq!(fix.contains("`nix.extraOptions`"), is_generated, "{fix}");
        }
    }

    #[test]
    fn the_place_that_counts_is_named() {
        const SYSTEM: &str = "netrc-file = /a\nsubstituters = x\n";
        const USER: &str = "\nsubstituters = y\n";
        let directory = tempfile::tempdir().unwrap();
        let place =
            |file: &str, line| format!("line {line} of {}", directory.path().join(file).display());
        let variable = || VARIABLE.to_owned();
        let (of_system, of_user) = (place("system.conf", 1), place("user.conf", 2));
        for (said, daemon, name, expected) in [
            (None, Daemon::None, "netrc-file", Some(of_system.clone())),
            (None, Daemon::Trusting, LIST, Some(of_user.clone())),
            (
                Some("extra-substituters = z"),
                Daemon::None,
                LIST,
                Some(of_user),
            ),
            (
                Some("binary-caches = z"),
                Daemon::None,
                LIST,
                Some(variable()),
            ),
            (Some(NETRC), Daemon::Silent, "netrc-file", Some(variable())),
            (
                Some(NETRC),
                Daemon::Distrusting,
                "netrc-file",
                Some(of_system),
            ),
            (Some("cores = 1"), Daemon::None, "substitute", None),
        ] {
            let origins = origins(directory.path(), SYSTEM, USER, said).unwrap();
            let found = origins.of(name, daemon).map(|place| place.to_string());
            assert_eq!(found, expected, "{said:?} {name}");
        }
    }

    #[test]
    fn what_nix_refuses_has_a_line_with_what_mends_it_and_no_text_of_the_file() {
        let directory = tempfile::tempdir().unwrap();
        let user = directory.path().join("user.conf");
        let of_user = format!("correct line 2 of {}", user.display());
        for (user, variable, fix) in [
            (
                "cores = 1\naccess-tokens github.com=SECRET",
                None,
                of_user.as_str(),
            ),
            (
                "",
                Some("access-tokens SECRET"),
                "correct NIX_CONFIG, or unset it",
            ),
            (
                "",
                Some("include SECRET"),
                "correct NIX_CONFIG, or unset it",
            ),
            (
                "",
                Some("include /nowhere/nix.conf"),
                "create /nowhere/nix.conf, or write `!include` in NIX_CONFIG",
            ),
        ] {
            let error = origins(directory.path(), "", user, variable)
                .map(drop)
                .unwrap_err();
            let said = refused(&error).to_text();
            assert!(said.contains(&format!("\u{2192} {fix}\n")), "{said}");
            assert!(!said.contains("SECRET"), "{said}");
        }
    }
}
