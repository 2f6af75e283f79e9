//! Following `include` and `!include`.

use std::collections::BTreeMap;
use std::io;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use super::line::{self, Fault, Line, Setting};
use super::value::split_name;
use crate::atomic::LARGEST_FILE;
use crate::regular::{self, Refused};
use crate::{Error, Result};

/// The variable whose settings Nix reads after all files; also the `path` that stands for it in errors
/// and in [`NixConf::set_by`](super::NixConf::set_by).
pub const VARIABLE: &str = "NIX_CONFIG";

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
    Text(Arc<[u8]>),
}

/// One `NAME = …` or `extra-NAME = …`, wherever it stands.
#[derive(Clone)]
pub(super) struct Assignment {
    /// The setting, with aliases resolved.
    pub(super) base: String,
    /// Whether it adds to the value.
    pub(super) extra: bool,
    pub(super) words: Vec<String>,
    /// The index among the edited file's own settings, if it is one of them.
    pub(super) own: Option<usize>,
    /// The file that it stands in.
    pub(super) path: Arc<Path>,
    /// Line, counted from 1.
    pub(super) line: usize,
}

/// The file that is edited, of which the text is given and not loaded.
#[derive(Clone, Copy)]
pub(super) struct Edited<'a> {
    pub(super) path: &'a Path,
    pub(super) text: &'a [u8],
}

/// Reads an included file from the file system, for [`super::NixConf::parse`].
///
/// # Errors
///
/// The operating system's, for a file that exists but cannot be read; [`Refused`] for what is no regular
/// file or too long for one, of which `parse` makes an error, as Nix would wait for it or choke on it.
pub fn read_include(path: &Path) -> io::Result<Option<Vec<u8>>> {
    match std::fs::symlink_metadata(path) {
        Ok(_) => match regular::read(path, LARGEST_FILE) {
            Ok(Some(text)) => Ok(Some(text)),
            // A link that leads nowhere.
            Ok(None) => Err(regular::missing()),
            // Which Nix passes over.
            Err(_) if path.is_dir() => Err(io::ErrorKind::IsADirectory.into()),
            Err(error) => Err(error),
        },
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

/// Reads files and what they include.
struct Reader<'a> {
    load: &'a mut dyn FnMut(&Path) -> io::Result<Option<Vec<u8>>>,
    edited: Edited<'a>,
    /// The normalized path of the edited file.
    edited_path: PathBuf,
    /// Its own settings, once it was read.
    own: Option<Vec<Setting>>,
    known: BTreeMap<PathBuf, Included>,
    assignments: Vec<Assignment>,
    /// The files being read, from the outermost.
    open: Vec<PathBuf>,
    count: usize,
}

/// What was read of all files.
pub(super) struct Read {
    /// The settings of the edited file.
    pub(super) own: Vec<Setting>,
    /// All settings, in the order in which they count.
    pub(super) assignments: Vec<Assignment>,
    /// All files but the edited one.
    pub(super) known: BTreeMap<PathBuf, Included>,
}

/// Reads the files with which Nix begins, in its order, of which those that are missing or cannot be read count as
/// empty; if none of them leads to the edited file, that one last. `known` files are not loaded again.
pub(super) fn read(
    roots: &[PathBuf],
    edited: Edited<'_>,
    known: BTreeMap<PathBuf, Included>,
    load: &mut dyn FnMut(&Path) -> io::Result<Option<Vec<u8>>>,
) -> Result<Read> {
    let mut reader = Reader {
        load,
        edited,
        edited_path: normalized(edited.path),
        own: None,
        known,
        assignments: Vec::new(),
        open: Vec::new(),
        count: 0,
    };
    for root in roots {
        let path = normalized(root);
        if path == reader.edited_path {
            reader.read_edited()?;
        } else if let Included::Text(text) = reader.look(&path)? {
            reader.read_text(&path, &text, false)?;
        }
    }
    if reader.own.is_none() {
        reader.read_edited()?;
    }
    Ok(Read {
        own: reader.own.unwrap_or_default(),
        assignments: reader.assignments,
        known: reader.known,
    })
}

impl Reader<'_> {
    fn read_edited(&mut self) -> Result<()> {
        let Edited { path, text } = self.edited;
        self.own = Some(self.read_text(path, text, true)?);
        Ok(())
    }

    /// Reads one text and gives back its settings.
    fn read_text(&mut self, path: &Path, text: &[u8], is_edited: bool) -> Result<Vec<Setting>> {
        self.open.push(normalized(path));
        let shared: Arc<Path> = path.into();
        let mut settings = Vec::new();
        let mut position = 0;
        let mut number = 0;
        while position < text.len() {
            number += 1;
            let (line, next) = line::read(text, position);
            position = next;
            let understood = line.map_err(|fault| fault.error(path, text))?;
            match understood {
                Line::Nothing => {}
                Line::Setting(setting) => {
                    let name = String::from_utf8_lossy(&text[setting.name.clone()]);
                    let (base, extra) = split_name(&name);
                    self.assignments.push(Assignment {
                        base: base.to_owned(),
                        extra,
                        words: setting.words(text),
                        own: is_edited.then_some(settings.len()),
                        path: Arc::clone(&shared),
                        line: number,
                    });
                    settings.push(setting);
                }
                Line::Include {
                    file,
                    may_be_missing,
                } => {
                    let name = path_from_bytes(&text[file.clone()]);
                    if name.is_relative() && path == Path::new(VARIABLE) {
                        let fault = Fault {
                            position: file.start,
                            reason: "an included file needs an absolute path here",
                        };
                        return Err(fault.error(path, text));
                    }
                    let included = included_from(path, &name);
                    self.include(path, number, included, may_be_missing)?;
                }
            }
        }
        self.open.pop();
        Ok(settings)
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
        if included == self.edited_path {
            return self.read_edited();
        }
        match self.look(&included)? {
            Included::Text(text) => self.read_text(&included, &text, false).map(drop),
            Included::Missing if !may_be_missing => Err(Error::IncludeMissing {
                path: path.to_owned(),
                line,
                included,
            }),
            Included::Missing | Included::Unreadable => Ok(()),
        }
    }

    /// What is known of a file, after a look at it if it is a new one.
    fn look(&mut self, path: &Path) -> Result<Included> {
        if let Some(known) = self.known.get(path) {
            return Ok(known.clone());
        }
        let found = match (self.load)(path) {
            Ok(Some(text)) => Included::Text(text.into()),
            Ok(None) => Included::Missing,
            Err(error) => match Refused::of(&error) {
                Some(refused) => return Err(Error::refused(path, refused)),
                None => Included::Unreadable,
            },
        };
        self.known.insert(path.to_owned(), found.clone());
        Ok(found)
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

/// What a name in a file means: it is relative to the directory of the file.
pub(super) fn included_from(path: &Path, name: &Path) -> PathBuf {
    normalized(&path.parent().unwrap_or(Path::new("/")).join(name))
}

pub(super) fn path_from_bytes(bytes: &[u8]) -> PathBuf {
    use std::os::unix::ffi::OsStrExt;
    PathBuf::from(std::ffi::OsStr::from_bytes(bytes))
}
