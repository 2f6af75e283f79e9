//! Lossless editing of a JSON file: one text in a list, which stands below keys of objects.
//!
//! The list is named by its keys from the root on, such as `["authentication", "additionalNetrcSources"]`. What is
//! missing of the objects and the list is made; order, white space and all other keys stay as they are, byte for
//! byte, and taking back gives the bytes from before. White space around what is new is that of its neighbour.

use std::ops::Range;

use serde::de::IgnoredAny;

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

/// How far keys lead.
enum Reached {
    /// To the list.
    List(Container),
    /// To this object, which lacks the key of this number.
    Object(Container, usize),
}

impl JsonText {
    /// Reads the text of a file.
    ///
    /// # Errors
    ///
    /// [`Error::JsonSyntax`].
    pub fn parse(text: &[u8]) -> Result<Self> {
        serde_json::from_slice::<IgnoredAny>(text).map_err(|error| Error::JsonSyntax {
            line: error.line(),
            column: error.column(),
            // Its messages name what was expected, and nothing of the text.
            reason: match error.to_string().split(" at line ").next() {
                Some(reason) => reason.to_owned(),
                None => String::new(),
            },
        })?;
        let text = String::from_utf8(text.to_vec()).map_err(|_| Error::JsonSyntax {
            line: 1,
            column: 1,
            reason: "it is not UTF-8".to_owned(),
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
    /// [`Error::JsonSyntax`] where something else stands in the place of the list or of an object.
    pub fn list_holds(&self, keys: &[&str], text: &str) -> Result<bool> {
        Ok(match self.reach(keys)? {
            Some(Reached::List(list)) => self.position(&list, text).is_some(),
            Some(Reached::Object(..)) | None => false,
        })
    }

    /// Adds a text to the end of a list, unless it is there. Gives back how many lists and objects had to be made for
    /// it, the root included; none where it was there.
    ///
    /// # Errors
    ///
    /// As [`Self::list_holds`]; nothing is changed then.
    pub fn add_to_list(&mut self, keys: &[&str], text: &str) -> Result<Option<usize>> {
        let made = match self.reach(keys)? {
            None => {
                self.text = new_file(keys, text);
                keys.len() + 1
            }
            Some(Reached::List(list)) => {
                if self.position(&list, text).is_some() {
                    return Ok(None);
                }
                self.insert(&list, |_| quoted(text));
                0
            }
            Some(Reached::Object(object, reached)) => {
                let missing = &keys[reached..];
                self.insert(&object, |space| {
                    let colon = if space.is_empty() { ":" } else { ": " };
                    let mut item = format!("[{}]", quoted(text));
                    for (index, key) in missing.iter().enumerate().rev() {
                        item = format!("{}{colon}{item}", quoted(key));
                        if index > 0 {
                            item = format!("{{{item}}}");
                        }
                    }
                    item
                });
                missing.len()
            }
        };
        Ok(Some(made))
    }

    /// Takes a text out of a list, and as many of the lists and objects around it as were made for it, as far as
    /// nothing else is in them. What is not there is no error.
    ///
    /// # Errors
    ///
    /// As [`Self::list_holds`]; nothing is changed then.
    pub fn take_from_list(&mut self, keys: &[&str], text: &str, made: usize) -> Result<()> {
        let Some(Reached::List(list)) = self.reach(keys)? else {
            return Ok(());
        };
        let Some(index) = self.position(&list, text) else {
            return Ok(());
        };
        self.remove(&list, index);
        for around in 0..made {
            let is_empty = |container: &Container| container.items.is_empty();
            let Some(depth) = keys.len().checked_sub(around) else {
                break;
            };
            let Some(last) = depth.checked_sub(1) else {
                if self.root()?.is_some_and(|root| is_empty(&root)) {
                    self.text.clear();
                }
                break;
            };
            let inner = self.inner(&keys[..depth])?;
            if !inner.is_some_and(|inner| is_empty(&inner)) {
                break;
            }
            if let Some(outer) = self.inner(&keys[..last])? {
                let at = outer.items.iter().position(|item| item.is(keys[last]));
                if let Some(at) = at {
                    self.remove(&outer, at);
                }
            }
        }
        Ok(())
    }

    /// The object that is the whole file.
    fn root(&self) -> Result<Option<Container>> {
        if self.text.is_empty() {
            return Ok(None);
        }
        let at = self.skip_space(0);
        self.object(at, "the file").map(Some)
    }

    /// The object or list below keys that are all there.
    fn inner(&self, keys: &[&str]) -> Result<Option<Container>> {
        let Some(mut container) = self.root()? else {
            return Ok(None);
        };
        for key in keys {
            let Some(item) = container.items.iter().find(|item| item.is(key)) else {
                return Ok(None);
            };
            container = self.container(item.value.start);
        }
        Ok(Some(container))
    }

    fn reach(&self, keys: &[&str]) -> Result<Option<Reached>> {
        let Some(mut object) = self.root()? else {
            return Ok(None);
        };
        for (index, key) in keys.iter().enumerate() {
            let mut found = object.items.iter().filter(|item| item.is(key));
            let Some(item) = found.next() else {
                return Ok(Some(Reached::Object(object, index)));
            };
            // Readers take the one or the other.
            if let Some(again) = found.next() {
                return Err(self.wrong(again.start, format!("the key {key:?} is there twice")));
            }
            let at = item.value.start;
            if index + 1 < keys.len() {
                object = self.object(at, &format!("{key:?}"))?;
                continue;
            }
            if self.byte(at) != b'[' {
                return Err(self.wrong(at, format!("{key:?} must be a list")));
            }
            return Ok(Some(Reached::List(self.container(at))));
        }
        Ok(Some(Reached::Object(object, keys.len())))
    }

    fn object(&self, at: usize, what: &str) -> Result<Container> {
        if self.byte(at) == b'{' {
            Ok(self.container(at))
        } else {
            Err(self.wrong(at, format!("{what} must be an object")))
        }
    }

    fn wrong(&self, at: usize, reason: String) -> Error {
        let before = self.text.as_bytes().get(..at).unwrap_or_default();
        let begin = before.iter().rposition(|byte| *byte == b'\n');
        Error::JsonSyntax {
            line: before.iter().filter(|byte| **byte == b'\n').count() + 1,
            column: at - begin.map_or(0, |begin| begin + 1) + 1,
            reason,
        }
    }

    /// Reads the object or list that begins here. The text is known to be JSON.
    fn container(&self, at: usize) -> Container {
        let is_object = self.byte(at) == b'{';
        let mut items = Vec::new();
        let mut next = self.skip_space(at + 1);
        while !matches!(self.byte(next), b'}' | b']' | 0) {
            let start = next;
            let mut key = None;
            if is_object {
                let end = self.end_of_string(start);
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
        Container {
            begin: at + 1,
            items,
        }
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

    fn end_of_string(&self, start: usize) -> usize {
        let mut at = start + 1;
        loop {
            match self.byte(at) {
                b'"' => return at + 1,
                b'\\' => at += 2,
                0 => return at,
                _ => at += 1,
            }
        }
    }

    fn end_of_value(&self, start: usize) -> usize {
        let mut depth = 0_usize;
        let mut at = start;
        loop {
            match self.byte(at) {
                0 => return at,
                b'"' => at = self.end_of_string(at),
                b'{' | b'[' => {
                    depth += 1;
                    at += 1;
                }
                b'}' | b']' | b',' | b' ' | b'\t' | b'\r' | b'\n' if depth == 0 => return at,
                b'}' | b']' => {
                    depth -= 1;
                    at += 1;
                }
                _ => at += 1,
            }
            if depth == 0 && matches!(self.byte(at - 1), b'"' | b'}' | b']') {
                return at;
            }
        }
    }

    /// The text that a string stands for; none where it is no string.
    fn unquoted(&self, range: Range<usize>) -> Option<String> {
        serde_json::from_str(self.text.get(range)?).ok()
    }
}

impl Item {
    fn is(&self, key: &str) -> bool {
        self.key.as_deref() == Some(key)
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
