//! Lossless editing of a JSON file: one text in a list, which stands below keys of objects.
//!
//! The list is named by its keys from the root on, such as `["authentication", "additionalNetrcSources"]`. What is
//! missing of the objects and the list is made; order, white space and all other keys stay as they are, byte for
//! byte, and taking back gives the bytes from before. White space around what is new is that of its neighbour.

use std::ops::Range;

use serde::de::IgnoredAny;

use crate::text::place;
use crate::{Error, Result};

/// The text of a JSON file; of one that is not there yet by [`Default`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct JsonText {
    text: String,
}

/// A member of an object, or an element of a list.
struct Item {
    /// Where it begins: at the key of a member.
    start: usize,
    key: Option<String>,
    value: Range<usize>,
}

/// An object or a list.
struct Container {
    /// Behind the opening bracket.
    begin: usize,
    items: Vec<Item>,
}

impl Container {
    /// The members that have this key.
    fn members(&self, key: &str) -> impl Iterator<Item = (usize, &Item)> {
        let items = self.items.iter().enumerate();
        items.filter(move |(_, item)| item.key.as_deref() == Some(key))
    }
}

impl JsonText {
    /// Reads the text of a file.
    ///
    /// # Errors
    ///
    /// [`Error::Syntax`].
    pub fn parse(text: &[u8]) -> Result<Self> {
        serde_json::from_slice::<IgnoredAny>(text).map_err(|error| Error::Syntax {
            format: "JSON",
            line: error.line(),
            column: error.column(),
            // Its messages name what was expected, and nothing of the text.
            reason: match error.to_string().split(" at line ").next() {
                Some(reason) => reason.to_owned(),
                None => String::new(),
            }
            .into(),
        })?;
        let text = String::from_utf8(text.to_vec()).map_err(|_| Error::Syntax {
            format: "JSON",
            line: 1,
            column: 1,
            reason: "it is not UTF-8".into(),
        })?;
        Ok(Self { text })
    }

    /// The text of the file; empty where there is to be none.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        self.text.as_bytes().to_vec()
    }

    /// Whether a list holds a text.
    ///
    /// # Errors
    ///
    /// [`Error::Syntax`] where something else stands in the place of the list or of an object.
    pub fn list_holds(&self, keys: &[&str], text: &str) -> Result<bool> {
        let path = self.path(keys)?;
        let list = path.get(keys.len());
        Ok(list.is_some_and(|list| self.position(list, text).is_some()))
    }

    /// Adds a text to the end of a list, unless it is there. Gives back how many lists and objects had to be made for
    /// it, the root included; none where it was there.
    ///
    /// # Errors
    ///
    /// As [`Self::list_holds`]; nothing is changed then.
    pub fn add_to_list(&mut self, keys: &[&str], text: &str) -> Result<Option<usize>> {
        let path = self.path(keys)?;
        let Some(last) = path.last() else {
            self.text = new_file(keys, text);
            return Ok(Some(keys.len() + 1));
        };
        let missing = &keys[path.len() - 1..];
        if missing.is_empty() && self.position(last, text).is_some() {
            return Ok(None);
        }
        self.insert(last, |space| {
            let colon = if space.is_empty() { ":" } else { ": " };
            let mut item = quoted(text);
            for (index, key) in missing.iter().enumerate().rev() {
                let is_list = index + 1 == missing.len();
                let (open, close) = if is_list { ('[', ']') } else { ('{', '}') };
                item = format!("{}{colon}{open}{item}{close}", quoted(key));
            }
            item
        });
        Ok(Some(missing.len()))
    }

    /// Takes a text out of a list, and as many of the lists and objects around it as were made for it, as far as
    /// nothing else is in them. What is not there is no error.
    ///
    /// # Errors
    ///
    /// As [`Self::list_holds`]; nothing is changed then.
    pub fn take_from_list(&mut self, keys: &[&str], text: &str, made: usize) -> Result<()> {
        let path = self.path(keys)?;
        let Some(list) = path.get(keys.len()) else {
            return Ok(());
        };
        let Some(index) = self.position(list, text) else {
            return Ok(());
        };
        let made = path.iter().rev().take(made);
        let emptied = made.take_while(|it| it.items.len() == 1).count();
        match path.iter().rev().nth(emptied) {
            None => self.text.clear(),
            Some(list) if emptied == 0 => self.remove(list, index),
            Some(object) => {
                let key = keys[keys.len() - emptied];
                if let Some((index, _)) = object.members(key).next() {
                    self.remove(object, index);
                }
            }
        }
        Ok(())
    }

    /// The objects that the keys lead through, from the root on, and the list behind them; as far as they are there.
    fn path(&self, keys: &[&str]) -> Result<Vec<Container>> {
        let mut path = Vec::new();
        if self.text.is_empty() {
            return Ok(path);
        }
        let mut at = self.skip_space(0);
        let mut what = "the file".to_owned();
        for key in keys {
            let object = self.container(at, b'{', format!("{what} must be an object"))?;
            let places = object
                .members(key)
                .map(|(_, item)| (item.start, item.value.start));
            let places: Vec<(usize, usize)> = places.take(2).collect();
            // Readers take the one or the other.
            if let Some((again, _)) = places.get(1) {
                return Err(self.wrong(*again, format!("the key {key:?} is there twice")));
            }
            path.push(object);
            let Some((_, value)) = places.first() else {
                return Ok(path);
            };
            at = *value;
            what = format!("{key:?}");
        }
        path.push(self.container(at, b'[', format!("{what} must be a list"))?);
        Ok(path)
    }

    fn wrong(&self, at: usize, reason: String) -> Error {
        let (line, column) = place(self.text.as_bytes(), at);
        Error::Syntax {
            format: "JSON",
            line,
            column,
            reason: reason.into(),
        }
    }

    /// Reads the object or list that begins here with this bracket; if something else does, `or` is what is wrong. The
    /// text is known to be JSON.
    fn container(&self, at: usize, bracket: u8, or: String) -> Result<Container> {
        if self.byte(at) != bracket {
            return Err(self.wrong(at, or));
        }
        let mut items = Vec::new();
        let mut next = self.skip_space(at + 1);
        while !matches!(self.byte(next), b'}' | b']' | 0) {
            let start = next;
            let mut key = None;
            if bracket == b'{' {
                let end = self.end_of_value(start);
                key = self.unquoted(start..end);
                // Behind the colon.
                next = self.skip_space(self.skip_space(end) + 1);
            }
            let value = next..self.end_of_value(next);
            next = self.skip_space(value.end);
            items.push(Item { start, key, value });
            if self.byte(next) == b',' {
                next = self.skip_space(next + 1);
            }
        }
        let begin = at + 1;
        Ok(Container { begin, items })
    }

    fn position(&self, list: &Container, text: &str) -> Option<usize> {
        list.items
            .iter()
            .position(|item| self.unquoted(item.value.clone()).as_deref() == Some(text))
    }

    /// Puts an item behind the last. `item` is told the white space that stands before the last one.
    fn insert(&mut self, container: &Container, item: impl FnOnce(&str) -> String) {
        let Some(last) = container.items.last() else {
            let item = item(" ");
            self.text.insert_str(container.begin, &item);
            return;
        };
        let before = self.text[..last.start].trim_end_matches([' ', '\t', '\r', '\n']);
        let space = self.text[before.len()..last.start].to_owned();
        let item = item(&space);
        self.text
            .insert_str(last.value.end, &format!(",{space}{item}"));
    }

    fn remove(&mut self, container: &Container, index: usize) {
        let items = &container.items;
        let item = &items[index];
        let range = match (index.checked_sub(1), items.get(index + 1)) {
            (_, Some(next)) => item.start..next.start,
            (Some(before), None) => items[before].value.end..item.value.end,
            (None, None) => item.start..item.value.end,
        };
        self.text.replace_range(range, "");
    }

    /// The byte at a place; 0, which JSON never has, behind the end.
    fn byte(&self, at: usize) -> u8 {
        self.text.as_bytes().get(at).copied().unwrap_or(0)
    }

    fn skip_space(&self, mut at: usize) -> usize {
        while matches!(self.byte(at), b' ' | b'\t' | b'\r' | b'\n') {
            at += 1;
        }
        at
    }

    fn end_of_value(&self, start: usize) -> usize {
        let rest = self.text.get(start..).unwrap_or_default();
        let mut values = serde_json::Deserializer::from_str(rest).into_iter::<IgnoredAny>();
        values.next();
        // At least one byte, so that reading comes to an end.
        start + values.byte_offset().max(1)
    }

    /// The text that a string stands for; none where it is no string.
    fn unquoted(&self, range: Range<usize>) -> Option<String> {
        serde_json::from_str(self.text.get(range)?).ok()
    }
}

/// A text as a JSON string.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// A file that has nothing but the list.
fn new_file(keys: &[&str], text: &str) -> String {
    let mut value = serde_json::json!([text]);
    for key in keys.iter().rev() {
        value = serde_json::json!({ *key: value });
    }
    format!("{value:#}\n")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const KEYS: [&str; 2] = ["authentication", "additionalNetrcSources"];

    fn added(text: &str) -> (JsonText, Option<usize>) {
        let mut json = JsonText::parse(text.as_bytes()).unwrap();
        let made = json.add_to_list(&KEYS, "/x").unwrap();
        (json, made)
    }

    #[test]
    fn what_is_new_looks_like_its_neighbours() {
        for (before, after) in [
            (
                "{}",
                r#"{"authentication": {"additionalNetrcSources": ["/x"]}}"#,
            ),
            (
                "{\n}\n",
                "{\"authentication\": {\"additionalNetrcSources\": [\"/x\"]}\n}\n",
            ),
            (
                r#"{"builder":{"state":"enabled"}}"#,
                r#"{"builder":{"state":"enabled"},"authentication":{"additionalNetrcSources":["/x"]}}"#,
            ),
            (
                r#"{"authentication":{"additionalNetrcSources":["/etc/nix/netrc"]},"x":1}"#,
                r#"{"authentication":{"additionalNetrcSources":["/etc/nix/netrc","/x"]},"x":1}"#,
            ),
            (
                "{\n  \"authentication\": {\n    \"additionalNetrcSources\": [\n      \"/a\"\n    ]\n  }\n}\n",
                "{\n  \"authentication\": {\n    \"additionalNetrcSources\": [\n      \"/a\",\n      \"/x\"\n    ]\n  }\n}\n",
            ),
            (
                "{\r\n\t\"garbageCollector\": { \"strategy\": \"automatic\" }\r\n}",
                "{\r\n\t\"garbageCollector\": { \"strategy\": \"automatic\" },\r\n\t\"authentication\": {\"additionalNetrcSources\": [\"/x\"]}\r\n}",
            ),
            (
                "{ \"authentication\": { \"additionalNetrcSources\": [ ] , \"b\" : [ { \"]\": \"\\\"}\" } ] } }",
                "{ \"authentication\": { \"additionalNetrcSources\": [\"/x\" ] , \"b\" : [ { \"]\": \"\\\"}\" } ] } }",
            ),
            // Another way to write the same key.
            (
                r#"{"\u0061uthentication":{"additionalNetrcSources":[]}}"#,
                r#"{"\u0061uthentication":{"additionalNetrcSources":["/x"]}}"#,
            ),
        ] {
            let (mut json, made) = added(before);
            assert_eq!(json.to_bytes(), after.as_bytes(), "{before}");
            assert!(json.list_holds(&KEYS, "/x").unwrap());
            assert_eq!(json.add_to_list(&KEYS, "/x").unwrap(), None);
            json.take_from_list(&KEYS, "/x", made.unwrap()).unwrap();
            assert_eq!(json.to_bytes(), before.as_bytes());
        }
        let mut json = JsonText::default();
        let made = json.add_to_list(&KEYS, "/x").unwrap().unwrap();
        assert_eq!(
            String::from_utf8(json.to_bytes()).unwrap(),
            "{\n  \"authentication\": {\n    \"additionalNetrcSources\": [\n      \"/x\"\n    ]\n  }\n}\n"
        );
        json.take_from_list(&KEYS, "/x", made).unwrap();
        assert!(json.to_bytes().is_empty());
    }

    #[test]
    fn what_somebody_has_added_since_stays() {
        for (before, since, left) in [
            (
                "{}",
                r#"{"authentication": {"additionalNetrcSources": ["/x", "/y"]}}"#,
                r#"{"authentication": {"additionalNetrcSources": ["/y"]}}"#,
            ),
            (
                "{}",
                r#"{"authentication": {"additionalNetrcSources": ["/x"], "more": 1}}"#,
                r#"{"authentication": {"more": 1}}"#,
            ),
            (
                "{}",
                r#"{"authentication": {}}"#,
                r#"{"authentication": {}}"#,
            ),
            ("{}", "{}", "{}"),
        ] {
            let (_, made) = added(before);
            let mut json = JsonText::parse(since.as_bytes()).unwrap();
            json.take_from_list(&KEYS, "/x", made.unwrap()).unwrap();
            assert_eq!(json.to_bytes(), left.as_bytes(), "{since}");
        }
    }

    #[test]
    fn what_is_not_understood_is_named_by_its_place() {
        for (text, line, column, reason) in [
            ("", 1, 0, "EOF"),
            ("{", 1, 1, "EOF"),
            ("{\n  // a remark\n}", 2, 3, "key must be a string"),
            ("{\"a\": 1,}", 1, 9, "key must be a string"),
            ("{} {}", 1, 4, "trailing characters"),
            ("\u{feff}{}", 1, 1, "expected value"),
            ("[]", 1, 1, "the file must be an object"),
            ("{\n \"authentication\": 1}", 2, 20, "must be an object"),
            (
                "{\"authentication\": {\"additionalNetrcSources\": \"/a\"}}",
                1,
                47,
                "must be a list",
            ),
            (
                "{\"authentication\": {},\n\"authentication\": {}}",
                2,
                1,
                "is there twice",
            ),
        ] {
            let result =
                JsonText::parse(text.as_bytes()).and_then(|mut json| json.add_to_list(&KEYS, "/x"));
            let said = result.unwrap_err().to_string();
            let place = format!("line {line}, column {column}: ");
            assert!(
                said.contains(&place) && said.contains(reason),
                "{text}: {said}"
            );
        }
    }

    proptest! {
        #[test]
        fn any_json_is_the_same_again(value in json(), compact in any::<bool>(), text in "[ -~]{0,8}") {
            let before = if compact { value.to_string() } else { format!("{value:#}\n") };
            let mut json = JsonText::parse(before.as_bytes()).unwrap();
            if let Ok(Some(made)) = json.add_to_list(&KEYS, &text) {
                let read: serde_json::Value = serde_json::from_slice(&json.to_bytes()).unwrap();
                let list = read[KEYS[0]][KEYS[1]].as_array().unwrap();
                prop_assert_eq!(list.last().unwrap().as_str(), Some(text.as_str()));
                json.take_from_list(&KEYS, &text, made).unwrap();
            }
            prop_assert_eq!(json.to_bytes(), before.into_bytes());
        }
    }

    /// Any JSON, with the keys that are looked for more often than chance would have it.
    fn json() -> impl Strategy<Value = serde_json::Value> {
        use serde_json::Value;
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i32>().prop_map(Value::from),
            "[ -~\\n\u{e4}]{0,6}".prop_map(Value::from),
        ];
        let key = prop_oneof![
            Just(KEYS[0].to_owned()),
            Just(KEYS[1].to_owned()),
            "[a-z\"\\\\{}\\[\\], ]{0,4}",
        ];
        leaf.prop_recursive(4, 24, 4, move |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                proptest::collection::vec((key.clone(), inner), 0..4)
                    .prop_map(|members| members.into_iter().collect::<Value>()),
            ]
        })
    }
}
