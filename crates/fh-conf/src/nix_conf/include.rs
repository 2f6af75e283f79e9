//! Following `include` and `!include`.

use std::collections::BTreeMap;
use std::io;
use std::path::{Component, Path, PathBuf};

use super::line::{self, Line, Setting};
use super::value::split_name;
use crate::{Error, Result};

/// How deep includes may be nested. Real configurations have two or three levels.
const DEEPEST: usize = 32;

/// How often files may be included in all: without it, files that include each other twice could
/// take for ever.
const MOST: usize = 512;

/// What is known of an included file.
#[derive(Debug, Clone)]
pub(super) enum Included {
    Missing,
    Unreadable,
    Text(Vec<u8>),
}

/// One `NAME = …` or `extra-NAME = …`, wherever it stands.
#[derive(Clone)]
pub(super) struct Assignment {
    /// The setting, with aliases resolved.
    pub(super) base: String,
    /// Whether it adds to the value.
    pub(super) extra: bool,
    pub(super) words: Vec<String>,
    /// The index among the file's own settings, if it is not from an included file.
    pub(super) own: Option<usize>,
}

/// Reads an included file from the file system, for [`super::NixConf::parse`].
///
/// # Errors
///
/// The operating system's, for a file that exists but cannot be read.
pub fn read_include(path: &Path) -> io::Result<Option<Vec<u8>>> {
    match std::fs::symlink_metadata(path) {
        Ok(_) => std::fs::read(path).map(Some),
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
            ) =>
        {
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// Reads a file and what it includes.
pub(super) struct Reader<'a> {
    load: &'a mut dyn FnMut(&Path) -> io::Result<Option<Vec<u8>>>,
    known: BTreeMap<PathBuf, Included>,
    assignments: Vec<Assignment>,
    /// The files being read, from the outermost.
    open: Vec<PathBuf>,
    count: usize,
}

impl<'a> Reader<'a> {
    /// `known` files are not loaded again.
    pub(super) fn new(
        known: BTreeMap<PathBuf, Included>,
        load: &'a mut dyn FnMut(&Path) -> io::Result<Option<Vec<u8>>>,
    ) -> Self {
        Self {
            load,
            known,
            assignments: Vec::new(),
            open: Vec::new(),
            count: 0,
        }
    }

    pub(super) fn finish(self) -> (Vec<Assignment>, BTreeMap<PathBuf, Included>) {
        (self.assignments, self.known)
    }

    /// Reads a file and gives back its own settings.
    pub(super) fn read(&mut self, path: &Path, text: &[u8]) -> Result<Vec<Setting>> {
        self.open.push(normalized(path));
        let outermost = self.open.len() == 1;
        let mut own = Vec::new();
        let mut position = 0;
        let mut number = 0;
        while position < text.len() {
            number += 1;
            let (line, next) = line::read(text, position);
            position = next;
            let understood = line.map_err(|reason| Error::NixConfSyntax {
                path: path.to_owned(),
                line: number,
                reason,
            })?;
            match understood {
                Line::Nothing => {}
                Line::Setting(setting) => {
                    let assignment = assignment(text, &setting, outermost.then_some(own.len()));
                    self.assignments.push(assignment);
                    own.push(setting);
                }
                Line::Include {
                    file,
                    may_be_missing,
                } => {
                    let name = path_from_bytes(&text[file]);
                    let included = normalized(&path.parent().unwrap_or(Path::new("/")).join(name));
                    self.include(path, number, included, may_be_missing)?;
                }
            }
        }
        self.open.pop();
        Ok(own)
    }

    fn include(
        &mut self,
        path: &Path,
        line: usize,
        included: PathBuf,
        may_be_missing: bool,
    ) -> Result<()> {
        self.count += 1;
        if self.open.contains(&included) {
            return Err(Error::IncludeCycle {
                path: path.to_owned(),
                line,
                included,
            });
        }
        if self.open.len() > DEEPEST || self.count > MOST {
            return Err(Error::IncludeLimit {
                path: path.to_owned(),
                line,
            });
        }
        let known = match self.known.get(&included) {
            Some(known) => known.clone(),
            None => match (self.load)(&included) {
                Ok(Some(text)) => Included::Text(text),
                Ok(None) => Included::Missing,
                Err(_) => Included::Unreadable,
            },
        };
        self.known.insert(included.clone(), known.clone());
        match known {
            Included::Text(text) => self.read(&included, &text).map(drop),
            Included::Missing if !may_be_missing => Err(Error::IncludeMissing {
                path: path.to_owned(),
                line,
                included,
            }),
            Included::Missing | Included::Unreadable => Ok(()),
        }
    }
}

fn assignment(text: &[u8], setting: &Setting, own: Option<usize>) -> Assignment {
    let name = String::from_utf8_lossy(&text[setting.name.clone()]);
    let (base, extra) = split_name(&name);
    let words = setting
        .words
        .iter()
        .map(|word| String::from_utf8_lossy(&text[word.clone()]).into_owned());
    Assignment {
        base: base.to_owned(),
        extra,
        words: words.collect(),
        own,
    }
}

/// Takes `.` and `..` out of a path by its text alone, as Nix does.
fn normalized(path: &Path) -> PathBuf {
    let mut result = PathBuf::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir => {
                result.pop();
            }
            other => result.push(other),
        }
    }
    result
}

fn path_from_bytes(bytes: &[u8]) -> PathBuf {
    use std::os::unix::ffi::OsStrExt;
    PathBuf::from(std::ffi::OsStr::from_bytes(bytes))
}
