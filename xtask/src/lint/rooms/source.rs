//! One module of a crate, as far as its imports are concerned: what it defines, what it imports, and
//! which paths it names. Tests are left out.

use std::collections::BTreeMap;

use proc_macro2::{TokenStream, TokenTree};
use quote::ToTokens as _;
use syn::{Attribute, Item, UseTree, Visibility};

/// A path as it is written, `crate` and `super` included.
pub(super) type Segments = Vec<String>;

/// What a name means inside a module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    /// An item that the module defines.
    Item,
    /// Something that it imports.
    Import(Segments),
}

/// What was read of one module.
#[derive(Debug, Default)]
pub(super) struct Source {
    /// Items and imports by their names. Modules are not among them.
    pub(super) names: BTreeMap<String, Meaning>,
    /// What it imports whole (`use a::*`).
    pub(super) globs: Vec<Segments>,
    /// Every path that its code names, and what it imports for itself alone.
    pub(super) paths: Vec<Segments>,
    /// The types whose methods stand here (`impl Type`).
    pub(super) methods_of: Vec<Segments>,
    /// Modules whose bodies stand in files of their own.
    pub(super) files: Vec<String>,
    /// Modules whose bodies stand here.
    pub(super) inline: Vec<(String, Source)>,
}

impl Source {
    /// Of the text of a file.
    pub(super) fn parse(text: &str) -> syn::Result<Self> {
        Ok(Self::of(&syn::parse_file(text)?.items))
    }

    fn of(items: &[Item]) -> Self {
        let mut source = Self::default();
        for item in items.iter().filter(|item| !is_test(attributes(item))) {
            source.add(item);
        }
        source
    }

    fn add(&mut self, item: &Item) {
        match item {
            Item::Use(item) => {
                let private = matches!(item.vis, Visibility::Inherited);
                self.import(&item.tree, &mut Vec::new(), private);
                return;
            }
            Item::Mod(item) => {
                let name = item.ident.to_string();
                match &item.content {
                    Some((_, items)) => self.inline.push((name, Self::of(items))),
                    None => self.files.push(name),
                }
                return;
            }
            Item::Impl(item) if item.trait_.is_none() => {
                if let syn::Type::Path(of) = &*item.self_ty {
                    self.methods_of.push(segments(&of.path));
                }
            }
            _ => {}
        }
        if let Some(name) = defined(item) {
            self.names.insert(name, Meaning::Item);
        }
        tokens(item.to_token_stream(), &mut self.paths);
    }

    /// What a `use` makes known here. What it makes known to others only is no import of this module.
    fn import(&mut self, tree: &UseTree, before: &mut Segments, private: bool) {
        match tree {
            UseTree::Path(path) => {
                before.push(path.ident.to_string());
                self.import(&path.tree, before, private);
                before.pop();
            }
            UseTree::Name(name) => self.name(before, &name.ident, &name.ident, private),
            UseTree::Rename(rename) => self.name(before, &rename.ident, &rename.rename, private),
            UseTree::Glob(_) => {
                self.globs.push(before.clone());
            }
            UseTree::Group(group) => {
                for tree in &group.items {
                    self.import(tree, before, private);
                }
            }
        }
    }

    fn name(&mut self, before: &Segments, of: &syn::Ident, known_as: &syn::Ident, private: bool) {
        let mut path = before.clone();
        let mut known_as = known_as.to_string();
        if of == "self" {
            if known_as == "self" {
                known_as = path.last().cloned().unwrap_or_default();
            }
        } else {
            path.push(of.to_string());
        }
        if private {
            self.paths.push(path.clone());
        }
        if known_as != "_" {
            self.names.insert(known_as, Meaning::Import(path));
        }
    }
}

/// The name that an item gives to something, functions inside traits and fields aside.
fn defined(item: &Item) -> Option<String> {
    let name = match item {
        Item::Const(item) => &item.ident,
        Item::Enum(item) => &item.ident,
        Item::Fn(item) => &item.sig.ident,
        Item::Macro(item) => item.ident.as_ref()?,
        Item::Static(item) => &item.ident,
        Item::Struct(item) => &item.ident,
        Item::Trait(item) => &item.ident,
        Item::TraitAlias(item) => &item.ident,
        Item::Type(item) => &item.ident,
        Item::Union(item) => &item.ident,
        _ => return None,
    };
    Some(name.to_string())
}

fn attributes(item: &Item) -> &[Attribute] {
    match item {
        Item::Const(item) => &item.attrs,
        Item::Enum(item) => &item.attrs,
        Item::Fn(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        Item::Macro(item) => &item.attrs,
        Item::Mod(item) => &item.attrs,
        Item::Static(item) => &item.attrs,
        Item::Struct(item) => &item.attrs,
        Item::Trait(item) => &item.attrs,
        Item::Type(item) => &item.attrs,
        Item::Use(item) => &item.attrs,
        _ => &[],
    }
}

/// Whether something is compiled for tests alone.
fn is_test(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("test")
            || attribute.path().is_ident("cfg")
                && attribute
                    .parse_args::<syn::Path>()
                    .is_ok_and(|only| only.is_ident("test"))
    })
}

fn segments(path: &syn::Path) -> Segments {
    path.segments
        .iter()
        .map(|segment| segment.ident.to_string())
        .collect()
}

/// The paths in code: names joined by `::`, also inside macros, and inside strings because that is how
/// serde names functions.
fn tokens(stream: TokenStream, paths: &mut Vec<Segments>) {
    let mut path = Segments::new();
    let mut colons = 0;
    for token in stream {
        if let TokenTree::Punct(punct) = &token
            && punct.as_char() == ':'
        {
            colons += 1;
            continue;
        }
        // A name goes on with the path only behind `::`.
        if colons != 2 || !matches!(token, TokenTree::Ident(_)) {
            paths.extend((!path.is_empty()).then(|| std::mem::take(&mut path)));
        }
        colons = 0;
        match token {
            TokenTree::Ident(name) => path.push(name.to_string()),
            TokenTree::Group(group) => tokens(group.stream(), paths),
            TokenTree::Literal(literal) => {
                let text = syn::parse2::<syn::LitStr>(TokenTree::from(literal).into());
                paths.extend(
                    text.and_then(|text| text.parse())
                        .map(|path| segments(&path)),
                );
            }
            TokenTree::Punct(_) => {}
        }
    }
    paths.extend((!path.is_empty()).then_some(path));
}
