//! Reading TOML by hand, so that what is wrong is told in plain sentences, with its line, and all at once.
//!
//! A value that is wrong is a problem and none; reading goes on behind it. Invariant: whoever reads a table asks for
//! each key that it may have, and [`Table::finish`] refuses the others.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::ops::Range;
use std::str::FromStr;

use fh_api::Role;
use toml::de::{DeTable, DeValue};

use super::problem::{Problem, Said, Spot};
use crate::arguments::OTHER_WORDS;
use crate::similar;

/// The most characters of a text that a problem repeats: a longer one may be a token or a secret key, in the wrong place.
const MOST_SHOWN: usize = 40;

/// Where problems are collected.
#[derive(Debug)]
pub(super) struct Reader {
    /// Where each line but the first begins, in bytes.
    lines: Vec<usize>,
    problems: RefCell<Vec<Problem>>,
}

/// A value and its place.
#[derive(Debug, Clone)]
pub(super) struct Value<'a> {
    reader: &'a Reader,
    pub(super) spot: Spot,
    value: &'a DeValue<'a>,
}

/// A table, of which the keys are asked for.
#[derive(Debug)]
pub(super) struct Table<'a> {
    reader: &'a Reader,
    pub(super) spot: Spot,
    entries: &'a DeTable<'a>,
    known: Vec<&'static str>,
}

/// What names something in a file, and is compared without regard to case.
pub(super) trait Named: Ord + Clone + fmt::Display {
    /// What two names have in common when they are the same.
    fn folded(&self) -> String;
}

impl Reader {
    pub(super) fn new(text: &str) -> Self {
        let lines = text.bytes().enumerate();
        let lines = lines.filter(|(_, byte)| *byte == b'\n');
        Self {
            lines: lines.map(|(at, _)| at + 1).collect(),
            problems: RefCell::default(),
        }
    }

    /// The whole of a document.
    pub(super) fn document<'a>(&'a self, entries: &'a DeTable<'a>) -> Table<'a> {
        Table {
            reader: self,
            spot: Spot::default(),
            entries,
            known: Vec::new(),
        }
    }

    /// That the text is no TOML.
    pub(super) fn no_toml(&self, error: &toml::de::Error) -> Problem {
        let line = self.line(&error.span().unwrap_or_default());
        let reason = error.message().lines().collect::<Vec<_>>().join(", ");
        Spot {
            line,
            key: String::new(),
        }
        .problem(format!("this is not TOML: {reason}"))
    }

    /// All that was found to be wrong.
    pub(super) fn problems(self) -> Vec<Problem> {
        self.problems.into_inner()
    }

    pub(super) fn refuse(&self, spot: &Spot, reason: impl Into<String>) {
        self.problems.borrow_mut().push(spot.problem(reason));
    }

    fn line(&self, span: &Range<usize>) -> usize {
        1 + self.lines.partition_point(|begin| *begin <= span.start)
    }

    /// `one`, unless the name was seen before.
    fn is_new<T: Named>(&self, seen: &mut HashMap<String, usize>, one: &Said<T>) -> bool {
        let name = one.value.folded();
        let Some(line) = seen.get(&name) else {
            seen.insert(name, one.spot.line);
            return true;
        };
        let reason = format!(
            "{name:?} stands twice, first in line {line}: names are compared without regard to case"
        );
        self.refuse(&one.spot, reason);
        false
    }
}

impl<'a> Value<'a> {
    pub(super) fn refuse(&self, reason: impl Into<String>) {
        self.reader.refuse(&self.spot, reason);
    }

    /// How many problems there are so far, here and elsewhere.
    pub(super) fn problems(&self) -> usize {
        self.reader.problems.borrow().len()
    }

    /// That it should be something else; `what`: with its article.
    fn should_be<T>(&self, what: &str) -> Option<T> {
        let found = match self.value {
            // It may be a secret, without the brackets around it.
            DeValue::String(_) => "a text".to_owned(),
            DeValue::Integer(number) => number_shown(number.as_str()),
            DeValue::Float(number) => number_shown(number.as_str()),
            DeValue::Boolean(flag) => flag.to_string(),
            DeValue::Datetime(_) => "a date".to_owned(),
            DeValue::Array(_) => "a list".to_owned(),
            DeValue::Table(_) => "a table".to_owned(),
        };
        self.refuse(format!("this must be {what}, but it is {found}"));
        None
    }

    pub(super) fn text(&self) -> Option<&'a str> {
        match self.value {
            DeValue::String(text) => Some(text),
            _ => self.should_be("a text in quotation marks"),
        }
    }

    pub(super) fn flag(&self) -> Option<bool> {
        match self.value {
            DeValue::Boolean(flag) => Some(*flag),
            _ => self.should_be("true or false, without quotation marks"),
        }
    }

    pub(super) fn number(&self) -> Option<u64> {
        let number = match self.value {
            DeValue::Integer(number) => u64::from_str_radix(number.as_str(), number.radix()).ok(),
            _ => None,
        };
        number.or_else(|| self.should_be("a whole number of 0 or more, without quotation marks"))
    }

    /// A text that has a form of its own.
    pub(super) fn parsed<T>(&self) -> Option<T>
    where
        T: FromStr,
        T::Err: fmt::Display,
    {
        let text = self.text()?;
        match text.parse() {
            Ok(value) => Some(value),
            Err(error) => {
                self.refuse(why_not(text, &error));
                None
            }
        }
    }

    /// One of these words; `others` are words that are taken for one of them.
    pub(super) fn word<T: FromStr>(&self, words: &[&str], others: &[(&str, &str)]) -> Option<T> {
        let list = quoted(words);
        let DeValue::String(text) = self.value else {
            return self.should_be(&format!("one of the words {list}"));
        };
        let text: &str = text;
        let other = others.iter().find(|(other, _)| *other == text);
        let word = other.map_or(text, |(_, word)| word);
        if let (true, Ok(value)) = (words.contains(&word), word.parse()) {
            return Some(value);
        }
        let meant = similar::meant(text, words.iter().map(|word| (*word).to_owned()));
        let meant = meant.map_or_else(String::new, |word| format!("; did you mean {word:?}?"));
        let shown = shown(text).map_or_else(|| "this".to_owned(), |text| format!("{text:?}"));
        self.refuse(format!("{shown} is not one of the words {list}{meant}"));
        None
    }

    /// Each member of a list.
    pub(super) fn list<T>(&self, one: impl Fn(&Value<'a>) -> Option<T>) -> Option<Vec<Said<T>>> {
        let DeValue::Array(members) = self.value else {
            return self.should_be("a list in [brackets]");
        };
        let found = members.iter().filter_map(|member| {
            let spot = Spot {
                line: self.reader.line(&member.span()),
                key: self.spot.key.clone(),
            };
            let value = Value {
                reader: self.reader,
                spot: spot.clone(),
                value: member.get_ref(),
            };
            Some(Said::at(one(&value)?, spot))
        });
        Some(found.collect())
    }

    /// A list of texts.
    pub(super) fn texts(&self) -> Option<Vec<String>> {
        let texts = self.list(|one| one.text().map(str::to_owned))?;
        Some(texts.into_iter().map(|text| text.value).collect())
    }

    /// A list that names nothing twice.
    pub(super) fn names<T>(&self) -> Option<Vec<Said<T>>>
    where
        T: FromStr + Named,
        T::Err: fmt::Display,
    {
        let mut seen = HashMap::new();
        let mut names = self.list(Value::parsed::<T>)?;
        names.retain(|name| self.reader.is_new(&mut seen, name));
        Some(names)
    }

    /// `example`: a line of such a table.
    pub(super) fn table(&self, example: &str) -> Option<Table<'a>> {
        let DeValue::Table(entries) = self.value else {
            return self.should_be(&format!("a table, with lines such as {example}"));
        };
        Some(Table {
            reader: self.reader,
            spot: self.spot.clone(),
            entries,
            known: Vec::new(),
        })
    }
}

impl<'a> Table<'a> {
    pub(super) fn refuse(&self, reason: impl Into<String>) {
        self.reader.refuse(&self.spot, reason);
    }

    /// That something is wrong with a value that was read from it.
    pub(super) fn refuse_at(&self, spot: &Spot, reason: impl Into<String>) {
        self.reader.refuse(spot, reason);
    }

    /// The value of a key that it may have.
    pub(super) fn take(&mut self, key: &'static str) -> Option<Value<'a>> {
        self.known.push(key);
        let mut entries = self.entries.iter();
        let (name, value) = entries.find(|(name, _)| name.get_ref() == key)?;
        let line = self.reader.line(&name.span());
        Some(Value {
            reader: self.reader,
            spot: self.spot.below(line, key),
            value: value.get_ref(),
        })
    }

    /// The value of a key that it has to have; `example`: how the key is written.
    pub(super) fn need(&mut self, key: &'static str, example: &str) -> Option<Value<'a>> {
        let found = self.take(key);
        if found.is_none() {
            self.refuse(format!(
                "the key {key} is missing here, for example {example}"
            ));
        }
        found
    }

    fn all(&self) -> impl Iterator<Item = (&'a str, Value<'a>)> + use<'a> {
        let (reader, above, entries) = (self.reader, self.spot.clone(), self.entries);
        entries.iter().map(move |(name, value)| {
            let line = reader.line(&name.span());
            let name: &'a str = name.get_ref();
            let value = Value {
                reader,
                spot: above.below(line, name),
                value: value.get_ref(),
            };
            (name, value)
        })
    }

    /// A table whose keys are names: nothing twice.
    pub(super) fn by_name<K, V>(self, one: impl Fn(&Value<'a>) -> Option<V>) -> BTreeMap<Said<K>, V>
    where
        K: FromStr + Named,
        K::Err: fmt::Display,
    {
        let (mut found, mut seen) = (BTreeMap::new(), HashMap::new());
        let mut entries: Vec<_> = self.all().collect();
        entries.sort_by_key(|(_, value)| value.spot.line);
        for (name, value) in entries {
            let name = match name.parse::<K>() {
                Ok(name) => Said::at(name, value.spot.clone()),
                Err(error) => {
                    value.refuse(why_not(name, &error));
                    continue;
                }
            };
            let entry = one(&value);
            if let (true, Some(entry)) = (self.reader.is_new(&mut seen, &name), entry) {
                found.insert(name, entry);
            }
        }
        found
    }

    /// Each key with its text.
    pub(super) fn texts(self) -> Vec<(String, String)> {
        let texts = self
            .all()
            .filter_map(|(name, value)| Some((name.to_owned(), value.text()?.to_owned())));
        texts.collect()
    }

    /// Refuses the keys that nobody has asked for.
    pub(super) fn finish(self) {
        for (name, value) in self.all() {
            if self.known.contains(&name) {
                continue;
            }
            let known = self.known.iter().map(|key| (*key).to_owned());
            let advice = match similar::meant(name, known) {
                Some(key) => format!("did you mean {key}?"),
                None => format!("the keys here are {}", self.known.join(", ")),
            };
            let key = shown(name).map_or_else(
                || "there is no such key".to_owned(),
                |name| format!("there is no key {name:?}"),
            );
            value.refuse(format!("{key} here; {advice}"));
        }
    }
}

/// A text that may be repeated.
fn shown(text: &str) -> Option<&str> {
    (text.chars().count() <= MOST_SHOWN).then_some(text)
}

fn number_shown(number: &str) -> String {
    match shown(number) {
        Some(number) => format!("the number {number}"),
        None => "a number".to_owned(),
    }
}

/// Why a text cannot stand where it does. The errors of names repeat what was given.
fn why_not(text: &str, error: &impl fmt::Display) -> String {
    match shown(text) {
        Some(_) => error.to_string(),
        None => format!(
            "this cannot stand here. It has {} characters, and is not repeated, as it may be a secret",
            text.chars().count()
        ),
    }
}

/// `"a", "b" or "c"`.
fn quoted(words: &[&str]) -> String {
    let quoted: Vec<String> = words.iter().map(|word| format!("{word:?}")).collect();
    match quoted.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} or {last}", rest.join(", ")),
        _ => quoted.join(""),
    }
}

/// A role, by any of the words that the command line takes for it.
pub(super) fn role(value: &Value<'_>) -> Option<Role> {
    value.word(Role::WORDS, OTHER_WORDS)
}
