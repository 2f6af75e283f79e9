//! One condition on one claim.

use std::borrow::Cow;

use fh_api::ConditionSpec;
use serde_json::{Map, Value};

use super::error::PolicyError;
use super::glob::Glob;

/// The longest text of a condition, in bytes.
const MAX_TEXT: usize = 1024;

/// The most texts of one condition.
const MAX_TEXTS: usize = 100;

/// How much of a claim is repeated to a person, in characters.
const SHOWN: usize = 200;

/// A claim and what it has to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Condition {
    pub(super) claim: String,
    pub(super) test: Test,
}

/// What a claim has to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Test {
    Equals(String),
    Glob(Glob),
    OneOf(Vec<String>),
    AllOf(Vec<String>),
}

impl Condition {
    /// Reads a condition.
    ///
    /// # Errors
    /// When it does not have exactly one test, or one that nothing can pass.
    pub fn new(spec: &ConditionSpec) -> Result<Self, PolicyError> {
        let claim = claim_name(&spec.claim)?;
        let mut tests = Vec::new();
        tests.extend(spec.equals.clone().map(Test::Equals));
        tests.extend(spec.glob.as_deref().map(Glob::new).map(Test::Glob));
        tests.extend(spec.one_of.clone().map(Test::OneOf));
        tests.extend(spec.all_of.clone().map(Test::AllOf));
        let wrong = |reason| PolicyError::Condition {
            claim: claim.clone(),
            reason,
        };
        let test = match tests.len() {
            1 => tests.remove(0),
            _ => return Err(wrong("needs one of equals, glob, one_of and all_of")),
        };
        let texts = test.texts();
        if texts.is_empty() || texts.iter().any(|text| text.is_empty()) {
            return Err(wrong("requires an empty text"));
        }
        if texts.len() > MAX_TEXTS || texts.iter().any(|text| text.len() > MAX_TEXT) {
            return Err(wrong("is too long"));
        }
        Ok(Self { claim, test })
    }

    /// As the API tells it.
    #[must_use]
    pub fn spec(&self) -> ConditionSpec {
        let mut spec = ConditionSpec {
            claim: self.claim.clone(),
            ..ConditionSpec::default()
        };
        match &self.test {
            Test::Equals(text) => spec.equals = Some(text.clone()),
            Test::Glob(glob) => spec.glob = Some(glob.as_str().to_owned()),
            Test::OneOf(texts) => spec.one_of = Some(texts.clone()),
            Test::AllOf(texts) => spec.all_of = Some(texts.clone()),
        }
        spec
    }

    /// Why it does not hold, as a sentence; nothing where it does. If the claim is a list, and `by_member`, one of its
    /// members has to pass the test. There is no test that something is *not* so, so another member never spoils it.
    pub(super) fn failure(&self, claims: &Map<String, Value>, by_member: bool) -> Option<String> {
        let found = claim(claims, &self.claim);
        let members = match found {
            Some(Value::Array(members)) if by_member || self.is_list() => Some(members),
            _ => None,
        };
        let holds = match (&self.test, members, found) {
            (Test::AllOf(wanted), Some(members), _) => {
                let members: Vec<String> = members.iter().filter_map(text).collect();
                wanted.iter().all(|wanted| members.contains(wanted))
            }
            (Test::AllOf(_), None, _) | (_, None, None) => false,
            (test, Some(members), _) => members.iter().any(|member| test.passes(member)),
            (test, None, Some(value)) => test.passes(value),
        };
        (!holds).then(|| {
            let wanted = self.test.wanted(members.is_some());
            format!("{} must {wanted}, but {}", self.claim, self::found(found))
        })
    }

    /// Whether it is on this claim, by its name or by a pointer to it.
    pub(super) fn is_on(&self, claim: &str) -> bool {
        self.claim == claim || steps(&self.claim).eq(steps(claim))
    }

    /// Whether it is on a part of this claim.
    pub(super) fn is_below(&self, claim: &str) -> bool {
        let mut mine = steps(&self.claim);
        steps(claim).all(|step| mine.next() == Some(step)) && mine.next().is_some()
    }

    /// Whether what meets this condition meets another one of the same provider in any case. Of two patterns that are
    /// not equal nothing is known.
    pub(super) fn implies(&self, other: &Self) -> bool {
        if !self.is_on(&other.claim) {
            return false;
        }
        match (&self.test, &other.test) {
            (Test::AllOf(mine), Test::AllOf(others)) => {
                others.iter().all(|text| mine.contains(text))
            }
            (Test::AllOf(_), _) | (_, Test::AllOf(_)) => false,
            (mine, others) if mine == others => true,
            (_, others) => self
                .exact()
                .is_some_and(|texts| texts.into_iter().all(|text| others.is_met_by(text))),
        }
    }

    /// Whether the claim has to be a list that holds certain texts.
    pub(super) fn is_list(&self) -> bool {
        matches!(self.test, Test::AllOf(_))
    }

    /// The texts of which the claim has to be one, where there is no wildcard.
    pub(super) fn exact(&self) -> Option<Vec<&str>> {
        let is_exact = match &self.test {
            Test::Equals(_) | Test::OneOf(_) => true,
            Test::Glob(glob) => glob.is_literal(),
            Test::AllOf(_) => false,
        };
        is_exact.then(|| self.test.texts())
    }

    /// What the claim begins with in every case, one for each text that it may be.
    pub(super) fn prefixes(&self) -> Vec<String> {
        match &self.test {
            Test::Equals(text) => vec![text.clone()],
            Test::OneOf(texts) => texts.clone(),
            Test::Glob(glob) => vec![glob.literal_prefix()],
            Test::AllOf(_) => Vec::new(),
        }
    }
}

impl Test {
    fn texts(&self) -> Vec<&str> {
        match self {
            Self::Equals(text) => vec![text],
            Self::Glob(glob) => vec![glob.as_str()],
            Self::OneOf(texts) | Self::AllOf(texts) => texts.iter().map(String::as_str).collect(),
        }
    }

    /// Whether one value, which is no list, is what is wanted.
    fn passes(&self, value: &Value) -> bool {
        text(value).is_some_and(|text| self.is_met_by(&text))
    }

    fn is_met_by(&self, text: &str) -> bool {
        match self {
            Self::Equals(wanted) => wanted == text,
            Self::Glob(glob) => glob.matches(text),
            Self::OneOf(wanted) => wanted.iter().any(|wanted| wanted == text),
            Self::AllOf(_) => false,
        }
    }

    /// What is wanted, for a person; of a list or of one value.
    fn wanted(&self, of_list: bool) -> String {
        let list = |texts: &[String]| {
            let quoted: Vec<String> = texts.iter().map(|text| format!("{text:?}")).collect();
            quoted.join(", ")
        };
        let be = if of_list { "hold" } else { "be" };
        match self {
            Self::Equals(text) => format!("{be} {text:?}"),
            Self::Glob(glob) if of_list => format!("hold a text that matches {:?}", glob.as_str()),
            Self::Glob(glob) => format!("match {:?}", glob.as_str()),
            Self::OneOf(texts) => format!("{be} one of {}", list(texts)),
            Self::AllOf(texts) => format!("be a list with {}", list(texts)),
        }
    }
}

/// A claim's name, or the pointer to it.
pub(super) fn claim_name(name: &str) -> Result<String, PolicyError> {
    if name.is_empty() || name == "/" || name.len() > 200 || name.chars().any(char::is_control) {
        return Err(PolicyError::ClaimName);
    }
    Ok(name.to_owned())
}

/// The fields that lead to a claim: its name, or what a JSON Pointer names one after the other.
pub(super) fn steps(name: &str) -> impl Iterator<Item = Cow<'_, str>> {
    let (is_pointer, path) = match name.strip_prefix('/') {
        Some(path) => (true, path),
        None => (false, name),
    };
    path.split(move |character| is_pointer && character == '/')
        .map(move |step| {
            if is_pointer && step.contains('~') {
                // The order matters: `~01` stands for `~1`.
                Cow::Owned(step.replace("~1", "/").replace("~0", "~"))
            } else {
                Cow::Borrowed(step)
            }
        })
}

/// A claim by its name, or by a JSON Pointer (RFC 6901) where that begins with `/`.
pub(super) fn claim<'a>(claims: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    let mut steps = steps(name);
    let mut value = claims.get(steps.next()?.as_ref())?;
    for step in steps {
        value = match value {
            Value::Object(fields) => fields.get(step.as_ref())?,
            Value::Array(items) => items.get(step.parse::<usize>().ok()?)?,
            _ => return None,
        };
    }
    Some(value)
}

/// A claim as a text to compare: numbers and booleans as JSON writes them; none for anything else.
pub(super) fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(_) | Value::Bool(_) => Some(value.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

/// What is found, for a person.
pub(super) fn found(value: Option<&Value>) -> String {
    let Some(value) = value else {
        return "it is not there".to_owned();
    };
    let mut text: String = value.to_string().chars().take(SHOWN).collect();
    if text.chars().count() == SHOWN {
        text.push('…');
    }
    format!("it is {text}")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn condition(value: Value) -> Result<Condition, PolicyError> {
        Condition::new(&serde_json::from_value(value).unwrap())
    }

    #[expect(
        clippy::needless_pass_by_value,
        reason = "a `json!` is written in place"
    )]
    fn claims(value: Value) -> Map<String, Value> {
        value.as_object().unwrap().clone()
    }

    #[test]
    fn each_test_holds_for_what_it_names_and_for_nothing_else() {
        let claims = claims(json!({
            "ref": "refs/heads/main", "id": 74, "protected": true, "none": null,
            "groups": ["a", "b/c", 3, true, null, ["nested"], { "in": "field" }], "empty": [], "big": 9_007_199_254_740_993_u64,
            "kubernetes.io": { "namespace": "ci", "a/b": { "m~n": "x" } },
            "a~1b": "a name, no pointer", "a/b": "another",
        }));
        for holds in [
            json!({ "claim": "ref", "equals": "refs/heads/main" }),
            json!({ "claim": "ref", "glob": "refs/heads/*" }),
            json!({ "claim": "ref", "one_of": ["x", "refs/heads/main"] }),
            json!({ "claim": "id", "equals": "74" }),
            json!({ "claim": "big", "equals": "9007199254740993" }),
            json!({ "claim": "protected", "equals": "true" }),
            json!({ "claim": "groups", "all_of": ["b/c", "3"] }),
            json!({ "claim": "groups", "equals": "a" }),
            json!({ "claim": "groups", "equals": "3" }),
            json!({ "claim": "groups", "equals": "true" }),
            json!({ "claim": "groups", "glob": "b/*" }),
            json!({ "claim": "groups", "one_of": ["x", "b/c"] }),
            json!({ "claim": "/groups/5", "equals": "nested" }),
            json!({ "claim": "/kubernetes.io/namespace", "equals": "ci" }),
            json!({ "claim": "/kubernetes.io/a~1b/m~0n", "equals": "x" }),
            json!({ "claim": "/groups/0", "equals": "a" }),
            json!({ "claim": "a~1b", "equals": "a name, no pointer" }),
            json!({ "claim": "/a~01b", "equals": "a name, no pointer" }),
            json!({ "claim": "/a~1b", "equals": "another" }),
        ] {
            let failure = condition(holds.clone()).unwrap().failure(&claims, true);
            assert_eq!(failure, None, "{holds}");
        }
        for fails in [
            json!({ "claim": "ref", "equals": "refs/heads/MAIN" }),
            json!({ "claim": "ref", "glob": "refs/*" }),
            json!({ "claim": "ref", "one_of": ["main"] }),
            json!({ "claim": "ref", "all_of": ["refs/heads/main"] }),
            json!({ "claim": "id", "equals": "74.0" }),
            json!({ "claim": "none", "equals": "null" }),
            json!({ "claim": "none", "glob": "**" }),
            json!({ "claim": "groups", "equals": "b" }),
            json!({ "claim": "groups", "equals": "a, b/c" }),
            json!({ "claim": "groups", "equals": "null" }),
            json!({ "claim": "groups", "equals": "nested" }),
            json!({ "claim": "groups", "equals": "field" }),
            json!({ "claim": "groups", "glob": "b" }),
            json!({ "claim": "groups", "one_of": ["x", "b"] }),
            json!({ "claim": "groups", "all_of": ["a", "c"] }),
            json!({ "claim": "groups", "all_of": ["a", "nested"] }),
            json!({ "claim": "empty", "glob": "**" }),
            json!({ "claim": "kubernetes.io", "all_of": ["ci"] }),
            json!({ "claim": "missing", "glob": "**" }),
            json!({ "claim": "kubernetes.io", "glob": "**" }),
            json!({ "claim": "/kubernetes.io/missing", "equals": "ci" }),
        ] {
            let failure = condition(fails.clone()).unwrap().failure(&claims, true);
            assert!(failure.is_some(), "{fails}");
        }
        // Where a member does not count, a list is only what `all_of` asks for.
        for (test, holds) in [
            (json!({ "claim": "groups", "equals": "a" }), false),
            (json!({ "claim": "groups", "glob": "**" }), false),
            (json!({ "claim": "groups", "one_of": ["a"] }), false),
            (json!({ "claim": "groups", "all_of": ["a"] }), true),
            (json!({ "claim": "ref", "equals": "refs/heads/main" }), true),
        ] {
            let failure = condition(test.clone()).unwrap().failure(&claims, false);
            assert_eq!(failure.is_none(), holds, "{test}");
        }
    }

    #[test]
    fn a_failure_names_the_claim_what_was_wanted_and_what_it_is() {
        let glob = json!({ "claim": "ref", "glob": "refs/heads/*" });
        let equals = json!({ "claim": "ref", "equals": "x" });
        let one_of = json!({ "claim": "ref", "one_of": ["x", "y"] });
        let all_of = json!({ "claim": "ref", "all_of": ["x"] });
        let text = json!({ "ref": "refs/tags/v1" });
        let list = json!({ "ref": ["a"] });
        for (test, found, by_member, said) in [
            (
                &glob,
                &text,
                true,
                "match \"refs/heads/*\", but it is \"refs/tags/v1\"",
            ),
            (
                &glob,
                &json!({}),
                true,
                "match \"refs/heads/*\", but it is not there",
            ),
            (
                &glob,
                &list,
                true,
                "hold a text that matches \"refs/heads/*\", but it is [\"a\"]",
            ),
            (&equals, &list, true, "hold \"x\", but it is [\"a\"]"),
            (&equals, &list, false, "be \"x\", but it is [\"a\"]"),
            (
                &one_of,
                &list,
                true,
                "hold one of \"x\", \"y\", but it is [\"a\"]",
            ),
            (
                &all_of,
                &list,
                false,
                "be a list with \"x\", but it is [\"a\"]",
            ),
        ] {
            let condition = condition(test.clone()).unwrap();
            let failure = condition.failure(&claims(found.clone()), by_member);
            assert_eq!(failure.unwrap(), format!("ref must {said}"));
        }
    }

    #[test]
    fn a_condition_has_exactly_one_test_of_something() {
        for bad in [
            json!({ "claim": "a" }),
            json!({ "claim": "a", "equals": "x", "glob": "x" }),
            json!({ "claim": "a", "equals": "" }),
            json!({ "claim": "a", "one_of": [] }),
            json!({ "claim": "a", "all_of": ["x", ""] }),
            json!({ "claim": "", "equals": "x" }),
            json!({ "claim": "/", "equals": "x" }),
            json!({ "claim": "a", "equals": "x".repeat(2000) }),
        ] {
            assert!(condition(bad.clone()).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_condition_is_on_one_claim_whichever_of_its_names_is_written() {
        let on = |name: &str| condition(json!({ "claim": name, "equals": "x" })).unwrap();
        assert!(on("a/b").is_on("/a~1b") && on("/a~1b").is_on("a/b"));
        assert!(!on("a~1b").is_on("a/b") && !on("a/b").is_on("/a/b"));
        assert!(on("/a/b").is_below("a") && !on("/a").is_below("a") && !on("/ab/c").is_below("a"));
    }

    proptest! {
        #[test]
        fn a_condition_survives_being_stored(claim in "[a-z_/]{1,10}", text in ".{1,20}", which in 0..4) {
            let mut spec = ConditionSpec { claim, ..ConditionSpec::default() };
            match which {
                0 => spec.equals = Some(text),
                1 => spec.glob = Some(text),
                2 => spec.one_of = Some(vec![text]),
                _ => spec.all_of = Some(vec![text]),
            }
            if let Ok(condition) = Condition::new(&spec) {
                prop_assert_eq!(condition.spec(), spec);
            }
        }

        #[test]
        fn no_pointer_panics(name in "[a-z/~0-9]{0,12}") {
            let claims = claims(json!({ "a": { "b": [1, { "c": 2 }] } }));
            let _ = claim(&claims, &name);
        }
    }
}
