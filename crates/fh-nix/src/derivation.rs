//! Derivation files, as far as it takes to tell which realisations there are of their outputs: `src/libstore/derivations.cc`
//! (`parseDerivation`, `tryResolve`).
//!
//! ```text
//! Derive([("out","<path>","<algorithm>","<hash>"),…],[("<input>.drv",["out",…]),…],["<source>",…],
//!        "<system>","<builder>",["<argument>",…],[("<variable>","<value>"),…])
//! ```
//!
//! A derivation whose inputs are content-addressed is *resolved* before it is built: a second derivation is made of it,
//! where each input is the path that it was built to. Its outputs' paths name the resolved one as their deriver, and
//! whoever evaluates the expression asks for the realisation of the first one.

use std::collections::BTreeMap;

use crate::base32;
use crate::error::{Error, Result};

/// Characters of the hash in a placeholder for the path of an output that is not known yet.
const PLACEHOLDER: usize = 52;

/// A derivation. Of its inputs no more is kept than whether there are derivations among them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Derivation {
    outputs: BTreeMap<Vec<u8>, Output>,
    has_input_derivations: bool,
    system: Vec<u8>,
    builder: Vec<u8>,
    arguments: Vec<Vec<u8>>,
    environment: BTreeMap<Vec<u8>, Vec<u8>>,
}

/// What a derivation says of the path of an output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Output {
    /// It follows from the derivation: of an input-addressed output.
    Known,
    /// It follows from the hash that the content must have.
    Fixed,
    /// It follows from the content, once that is built.
    Floating,
    /// It follows from inputs of which that is true.
    Deferred,
    /// It is another one at every build.
    Impure,
}

impl Derivation {
    /// Reads a derivation file.
    ///
    /// # Errors
    /// [`Error::Derivation`] where it has another form, such as that of experimental features.
    pub fn parse(bytes: &[u8]) -> Result<Self> {
        let mut parser = Parser { bytes, offset: 0 };
        parser.expect(b"Derive(")?;
        let mut outputs = BTreeMap::new();
        parser.list(|parser| {
            parser.expect(b"(")?;
            let name = parser.string()?;
            let mut field = || {
                parser.expect(b",")?;
                parser.string()
            };
            let (path, algorithm, hash) = (field()?, field()?, field()?);
            parser.expect(b")")?;
            let output = match (path.is_empty(), algorithm.is_empty(), hash.as_slice()) {
                (_, _, b"impure") => Output::Impure,
                (true, true, b"") => Output::Deferred,
                (true, false, b"") => Output::Floating,
                (_, _, b"") => Output::Known,
                _ => Output::Fixed,
            };
            outputs.insert(name, output);
            Ok(())
        })?;
        parser.expect(b",")?;
        let mut has_input_derivations = false;
        parser.list(|parser| {
            has_input_derivations = true;
            parser.expect(b"(")?;
            parser.string()?;
            parser.expect(b",")?;
            parser.list(|parser| parser.string().map(drop))?;
            parser.expect(b")")
        })?;
        parser.expect(b",")?;
        parser.list(|parser| parser.string().map(drop))?;
        parser.expect(b",")?;
        let system = parser.string()?;
        parser.expect(b",")?;
        let builder = parser.string()?;
        parser.expect(b",")?;
        let mut arguments = Vec::new();
        parser.list(|parser| {
            arguments.push(parser.string()?);
            Ok(())
        })?;
        parser.expect(b",")?;
        let mut environment = BTreeMap::new();
        parser.list(|parser| {
            parser.expect(b"(")?;
            let name = parser.string()?;
            parser.expect(b",")?;
            environment.insert(name, parser.string()?);
            parser.expect(b")")
        })?;
        parser.expect(b")")?;
        Ok(Self {
            outputs,
            has_input_derivations,
            system,
            builder,
            arguments,
            environment,
        })
    }

    /// Whether the paths of its outputs are not known before they are built, so that whoever wants one asks for its
    /// realisation.
    #[must_use]
    pub fn needs_realisations(&self) -> bool {
        let mut outputs = self.outputs.values();
        outputs.any(|output| matches!(output, Output::Floating | Output::Deferred))
    }

    /// Whether it may be what a derivation was resolved to whose outputs need realisations: it has no derivation among
    /// its inputs.
    #[must_use]
    pub fn may_be_resolved(&self) -> bool {
        let is_fixed = |output: &Output| matches!(output, Output::Fixed | Output::Impure);
        !self.has_input_derivations && !self.outputs.values().any(is_fixed)
    }

    /// Whether `resolved` is what this derivation comes to when the placeholders for its inputs are replaced by some
    /// paths.
    #[must_use]
    pub fn resolves_to(&self, resolved: &Self) -> bool {
        let names = |derivation: &Self| derivation.environment.keys().cloned().collect::<Vec<_>>();
        let same_arguments = || {
            let mut both = self.arguments.iter().zip(&resolved.arguments);
            self.arguments.len() == resolved.arguments.len()
                && both.all(|(before, after)| replaced(before, after))
        };
        let same_variables = || {
            // The path of a deferred output is known in the resolved derivation, and stands there.
            let mut variables = self
                .environment
                .iter()
                .filter(|(name, _)| !self.outputs.contains_key(*name));
            variables.all(|(name, before)| {
                let after = resolved.environment.get(name);
                after.is_some_and(|after| replaced(before, after))
            })
        };
        self.needs_realisations()
            && self.has_input_derivations
            && resolved.may_be_resolved()
            && self.outputs.keys().eq(resolved.outputs.keys())
            && self.system == resolved.system
            && replaced(&self.builder, &resolved.builder)
            && names(self) == names(resolved)
            && same_arguments()
            && same_variables()
    }
}

/// Whether one text becomes the other when each placeholder in it is replaced by something, or stays.
fn replaced(before: &[u8], after: &[u8]) -> bool {
    let literals = literals(before);
    let (Some(first), Some(last)) = (literals.first(), literals.last()) else {
        return false;
    };
    if literals.len() == 1 {
        return before == after;
    }
    let Some(mut rest) = after
        .strip_prefix(*first)
        .and_then(|rest| rest.strip_suffix(*last))
    else {
        return false;
    };
    for literal in literals.get(1..literals.len() - 1).unwrap_or_default() {
        let found = rest
            .windows(literal.len().max(1))
            .position(|window| window.starts_with(literal));
        match found {
            Some(at) => rest = &rest[at + literal.len()..],
            None if literal.is_empty() => {}
            None => return false,
        }
    }
    true
}

/// What stands before, between and behind the placeholders of a text.
fn literals(text: &[u8]) -> Vec<&[u8]> {
    let mut literals = Vec::new();
    let (mut begin, mut at) = (0, 0);
    while at < text.len() {
        let end = at + 1 + PLACEHOLDER;
        let is_placeholder = text[at] == b'/'
            && text
                .get(at + 1..end)
                .is_some_and(|hash| hash.iter().all(|byte| base32::is_digit(*byte)));
        if is_placeholder {
            literals.push(&text[begin..at]);
            (begin, at) = (end, end);
        } else {
            at += 1;
        }
    }
    literals.push(&text[begin..]);
    literals
}

/// Reads the textual form of terms that Nix writes.
struct Parser<'a> {
    bytes: &'a [u8],
    offset: usize,
}

impl Parser<'_> {
    fn error(&self, problem: &'static str) -> Error {
        Error::Derivation {
            offset: self.offset,
            problem,
        }
    }

    fn rest(&self) -> &[u8] {
        self.bytes.get(self.offset..).unwrap_or_default()
    }

    fn expect(&mut self, token: &[u8]) -> Result<()> {
        if !self.rest().starts_with(token) {
            return Err(self.error("something else is expected there"));
        }
        self.offset += token.len();
        Ok(())
    }

    /// A string in quotation marks. Nix escapes these, backslashes, line breaks and tabs.
    fn string(&mut self) -> Result<Vec<u8>> {
        self.expect(b"\"")?;
        let mut string = Vec::new();
        loop {
            let rest = self.rest();
            let (byte, length) = match rest {
                [b'"', ..] => {
                    self.offset += 1;
                    return Ok(string);
                }
                [b'\\', b'n', ..] => (b'\n', 2),
                [b'\\', b'r', ..] => (b'\r', 2),
                [b'\\', b't', ..] => (b'\t', 2),
                [b'\\', byte, ..] => (*byte, 2),
                [byte, ..] => (*byte, 1),
                [] => return Err(self.error("it ends within a string")),
            };
            string.push(byte);
            self.offset += length;
        }
    }

    /// Items in brackets, separated by commas.
    fn list(&mut self, mut item: impl FnMut(&mut Self) -> Result<()>) -> Result<()> {
        self.expect(b"[")?;
        if self.expect(b"]").is_ok() {
            return Ok(());
        }
        loop {
            item(self)?;
            if self.expect(b"]").is_ok() {
                return Ok(());
            }
            self.expect(b",")?;
        }
    }
}

#[cfg(test)]
mod tests;
