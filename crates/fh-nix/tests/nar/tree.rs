//! A file system tree in memory, with an encoder that is written for plainness: what the real one must agree with.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{OpenOptionsExt as _, symlink};
use std::path::Path;

use fh_nix::nar::Event;
use fh_nix::{Limits, NarDecoder, Result};
use proptest::prelude::*;

/// A directory's entries by name.
pub(crate) type Entries = BTreeMap<Vec<u8>, Tree>;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Tree {
    Regular { executable: bool, contents: Vec<u8> },
    Symlink(Vec<u8>),
    Directory(Entries),
}

pub(crate) fn regular(contents: &[u8]) -> Tree {
    Tree::Regular {
        executable: false,
        contents: contents.to_vec(),
    }
}

pub(crate) fn executable(contents: &[u8]) -> Tree {
    Tree::Regular {
        executable: true,
        contents: contents.to_vec(),
    }
}

pub(crate) fn link(target: &str) -> Tree {
    Tree::Symlink(target.into())
}

pub(crate) fn directory<const N: usize>(entries: [(&[u8], Tree); N]) -> Tree {
    Tree::Directory(
        entries
            .into_iter()
            .map(|(name, tree)| (name.to_vec(), tree))
            .collect(),
    )
}

/// One of each, with names that are no UTF-8 and names whose order in bytes is not that of letters.
pub(crate) fn menagerie() -> Tree {
    directory([
        (b"empty", regular(b"")),
        (b"Empty directory", directory([])),
        (b"7 bytes", regular(b"1234567")),
        (b"8 bytes", regular(b"12345678")),
        (b"9 bytes", executable(b"123456789")),
        (b"empty executable", executable(b"")),
        (b"link", link("../up/\u{e9}")),
        (b"dangling", link("/nowhere at all")),
        (b"\xff\xfe\n*", regular(b"not UTF-8")),
        (
            b"\xc3\xa9",
            directory([(
                b"a",
                directory([(b"b", directory([(b"c", regular(b"deep"))]))]),
            )]),
        ),
        (b"large", regular(&vec![b'x'; 300_001])),
        (b"...", regular(b"")),
        (b"a", regular(b"")),
        (b"a.b", regular(b"")),
        (b"a-b", directory([])),
    ])
}

pub(crate) fn string(bytes: &[u8]) -> Vec<u8> {
    let mut out = (bytes.len() as u64).to_le_bytes().to_vec();
    out.extend(bytes);
    while !out.len().is_multiple_of(8) {
        out.push(0);
    }
    out
}

pub(crate) fn strings(list: &[&[u8]]) -> Vec<u8> {
    list.iter().flat_map(|bytes| string(bytes)).collect()
}

impl Tree {
    pub(crate) fn nar(&self) -> Vec<u8> {
        let mut nar = string(b"nix-archive-1");
        self.append_node(&mut nar);
        nar
    }

    fn append_node(&self, nar: &mut Vec<u8>) {
        nar.extend(strings(&[b"(", b"type"]));
        match self {
            Self::Regular {
                executable,
                contents,
            } => {
                nar.extend(string(b"regular"));
                if *executable {
                    nar.extend(strings(&[b"executable", b""]));
                }
                nar.extend(strings(&[b"contents", contents]));
            }
            Self::Symlink(target) => nar.extend(strings(&[b"symlink", b"target", target])),
            Self::Directory(entries) => {
                nar.extend(string(b"directory"));
                for (name, tree) in entries {
                    nar.extend(strings(&[b"entry", b"(", b"name", name, b"node"]));
                    tree.append_node(nar);
                    nar.extend(string(b")"));
                }
            }
        }
        nar.extend(string(b")"));
    }

    /// Creates the tree at `path`.
    pub(crate) fn create(&self, path: &Path) {
        match self {
            Self::Regular {
                executable,
                contents,
            } => {
                let mode = if *executable { 0o755 } else { 0o644 };
                let mut file = fs::OpenOptions::new()
                    .write(true)
                    .create_new(true)
                    .mode(mode)
                    .open(path)
                    .unwrap();
                std::io::Write::write_all(&mut file, contents).unwrap();
            }
            Self::Symlink(target) => symlink(OsStr::from_bytes(target), path).unwrap(),
            Self::Directory(entries) => {
                fs::create_dir(path).unwrap();
                for (name, tree) in entries {
                    tree.create(&path.join(OsStr::from_bytes(name)));
                }
            }
        }
    }
}

/// Puts a tree together from a decoder's events.
#[derive(Default)]
pub(crate) struct Builder {
    directories: Vec<(Vec<u8>, Entries)>,
    name: Vec<u8>,
    file: Option<(bool, u64, Vec<u8>)>,
    root: Option<Tree>,
}

impl Builder {
    pub(crate) fn take(&mut self, event: Event<'_>) {
        match event {
            Event::DirectoryStart => {
                self.directories
                    .push((std::mem::take(&mut self.name), BTreeMap::new()));
            }
            Event::Entry { name } => self.name = name.to_vec(),
            Event::DirectoryEnd => {
                let (name, entries) = self.directories.pop().unwrap();
                self.name = name;
                self.add(Tree::Directory(entries));
            }
            Event::RegularStart {
                executable, size, ..
            } => {
                self.file = Some((executable, size, Vec::new()));
            }
            Event::Data(data) => {
                assert!(!data.is_empty());
                self.file.as_mut().unwrap().2.extend(data);
            }
            Event::RegularEnd => {
                let (executable, size, contents) = self.file.take().unwrap();
                assert_eq!(size, contents.len() as u64);
                self.add(Tree::Regular {
                    executable,
                    contents,
                });
            }
            Event::Symlink { target } => self.add(Tree::Symlink(target.to_vec())),
        }
    }

    fn add(&mut self, tree: Tree) {
        match self.directories.last_mut() {
            Some((_, entries)) => {
                assert!(
                    entries
                        .insert(std::mem::take(&mut self.name), tree)
                        .is_none()
                );
            }
            None => assert!(self.root.replace(tree).is_none()),
        }
    }
}

/// Decodes a NAR that is cut into pieces.
pub(crate) fn decode_pieces<'a>(
    limits: Limits,
    pieces: impl IntoIterator<Item = &'a [u8]>,
) -> Result<Tree> {
    let mut builder = Builder::default();
    let mut decoder = NarDecoder::new(limits);
    let mut fed = 0;
    for piece in pieces {
        decoder.feed(piece, &mut |event| {
            builder.take(event);
            Ok(())
        })?;
        fed += piece.len() as u64;
        assert_eq!(decoder.position(), fed);
    }
    decoder.finish()?;
    Ok(builder.root.unwrap())
}

pub(crate) fn decode(nar: &[u8]) -> Result<Tree> {
    decode_pieces(Limits::default(), [nar])
}

/// Any tree that a Linux file system can hold.
pub(crate) fn any_tree() -> impl Strategy<Value = Tree> {
    let name = prop::collection::vec(any::<u8>(), 1..6).prop_filter("a file name", |name| {
        !matches!(name.as_slice(), b"." | b"..") && !name.contains(&0) && !name.contains(&b'/')
    });
    let target = prop::collection::vec(1..=u8::MAX, 1..20);
    let leaf = prop_oneof![
        (any::<bool>(), prop::collection::vec(any::<u8>(), 0..40)).prop_map(
            |(executable, contents)| Tree::Regular {
                executable,
                contents
            }
        ),
        target.prop_map(Tree::Symlink),
        Just(Tree::Directory(BTreeMap::new())),
    ];
    leaf.prop_recursive(4, 24, 6, move |inner| {
        prop::collection::btree_map(name.clone(), inner, 0..6).prop_map(Tree::Directory)
    })
}
