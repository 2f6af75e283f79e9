//! A crate as files and arrows: file A has an arrow to file B if A names something that B defines,
//! through however many re-exports. Declaring a module and re-exporting from it is no arrow.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use super::source::{Meaning, Segments, Source};

/// Re-exports that are followed before a path is given up: a circle of them would be endless.
const DEEPEST: usize = 16;

/// The files of one crate and what they take from each other.
#[derive(Debug, Default)]
pub(super) struct Graph {
    /// Relative to the crate's source directory.
    pub(super) files: Vec<PathBuf>,
    /// From, to (positions in `files`) → the names that are taken.
    pub(super) arrows: BTreeMap<(usize, usize), BTreeSet<String>>,
    /// The types whose methods stand in another file than the type itself: type, file of the methods,
    /// file of the type.
    pub(super) strayed: BTreeSet<(String, usize, usize)>,
}

/// A module of the crate.
struct Module {
    file: usize,
    parent: Option<usize>,
    children: BTreeMap<String, usize>,
    source: Source,
}

/// The modules of a crate while they are read.
#[derive(Default)]
struct Modules {
    files: Vec<PathBuf>,
    all: Vec<Module>,
}

impl Graph {
    /// Of the crate whose root (`lib.rs`, `main.rs`) is `root`.
    pub(super) fn read(root: &Path) -> Result<Self> {
        let directory = root.parent().unwrap_or(Path::new("."));
        let mut modules = Modules::default();
        modules.file(root, directory, None)?;
        let mut graph = Self::default();
        for (position, module) in modules.all.iter().enumerate() {
            graph.add(&modules, position, module);
        }
        graph.files = modules
            .files
            .iter()
            .map(|file| file.strip_prefix(directory).unwrap_or(file).to_path_buf())
            .collect();
        Ok(graph)
    }

    fn add(&mut self, modules: &Modules, position: usize, module: &Module) {
        for path in &module.source.paths {
            if let Some(to) = modules.file_of(position, path, 0)
                && to != module.file
            {
                let name = path.last().cloned().unwrap_or_default();
                self.arrows
                    .entry((module.file, to))
                    .or_default()
                    .insert(name);
            }
        }
        for path in &module.source.methods_of {
            if let Some(of) = modules.file_of(position, path, 0)
                && of != module.file
            {
                self.strayed.insert((path.join("::"), module.file, of));
            }
        }
    }
}

impl Modules {
    /// Reads the module that is the file `path`, and its submodules, which stand in `directory`.
    fn file(&mut self, path: &Path, directory: &Path, parent: Option<usize>) -> Result<usize> {
        let text =
            fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        let source =
            Source::parse(&text).with_context(|| format!("cannot parse {}", path.display()))?;
        self.files.push(path.to_path_buf());
        self.module(source, self.files.len() - 1, directory, parent)
    }

    fn module(
        &mut self,
        mut source: Source,
        file: usize,
        directory: &Path,
        parent: Option<usize>,
    ) -> Result<usize> {
        let files = std::mem::take(&mut source.files);
        let inline = std::mem::take(&mut source.inline);
        let position = self.all.len();
        self.all.push(Module {
            file,
            parent,
            children: BTreeMap::new(),
            source,
        });
        for name in files {
            let below = directory.join(&name);
            let single = directory.join(format!("{name}.rs"));
            let path = if single.is_file() {
                single
            } else {
                below.join("mod.rs")
            };
            let child = self.file(&path, &below, Some(position))?;
            self.all[position].children.insert(name, child);
        }
        for (name, source) in inline {
            let child = self.module(source, file, &directory.join(&name), Some(position))?;
            self.all[position].children.insert(name, child);
        }
        Ok(position)
    }

    /// In which file the thing is defined that `path` means inside the module `from`; `None` for what
    /// other crates define, and for a module as such.
    fn file_of(&self, from: usize, path: &[String], depth: usize) -> Option<usize> {
        let (first, rest) = path.split_first()?;
        match first.as_str() {
            "crate" => self.below(0, rest, depth),
            "self" => self.below(from, rest, depth),
            "super" => self.below(self.all[from].parent?, rest, depth),
            _ => self.below(from, path, depth),
        }
    }

    /// The same for what follows after the path has led to `module`.
    fn below(&self, module: usize, path: &[String], depth: usize) -> Option<usize> {
        let (first, rest) = path.split_first()?;
        if depth > DEEPEST {
            return None;
        }
        let here = &self.all[module];
        if first == "super" {
            return self.below(here.parent?, rest, depth);
        }
        if let Some(child) = here.children.get(first)
            && !rest.is_empty()
        {
            return self.below(*child, rest, depth);
        }
        match here.source.names.get(first) {
            Some(Meaning::Item) => return Some(here.file),
            Some(Meaning::Import(import)) => {
                let whole: Segments = import.iter().chain(rest).cloned().collect();
                // `use time::Time` beside a module `time` of this crate means the crate of that name
                // only where no such module is known, which `file_of` decides.
                return (import.first() != Some(first) || import.len() > 1)
                    .then(|| self.file_of(module, &whole, depth + 1))
                    .flatten();
            }
            None => {}
        }
        here.source.globs.iter().find_map(|glob| {
            let whole: Segments = glob.iter().chain(path).cloned().collect();
            self.file_of(module, &whole, depth + 1)
        })
    }
}
