//! One condition on one claim.

use std::borrow::Cow;

use fh_api::ConditionSpec;
use serde_json::{Map, Value};

use super::PolicyError;
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

    /// Why it does not hold, as a sentence; nothing where it does.
    pub(super) fn failure(&self, claims: &Map<String, Value>) -> Option<String> {
        let found = claim(claims, &self.claim);
        let holds = match (&self.test, found) {
            (Test::AllOf(wanted), Some(Value::Array(items))) => {
                let items: Vec<String> = items.iter().filter_map(text).collect();
                wanted.iter().all(|wanted| items.contains(wanted))
            }
            (_, None) | (Test::AllOf(_), Some(_)) => false,
            (test, Some(value)) => text(value).is_some_and(|text| match test {
                Test::Equals(wanted) => *wanted == text,
                Test::Glob(glob) => glob.matches(&text),
                Test::OneOf(wanted) => wanted.contains(&text),
                Test::AllOf(_) => false,
            }),
        };
        (!holds).then(|| {
            let found = self::found(found);
            format!("{} must {}, but {found}", self.claim, self.test.wanted())
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

    /// Whether the claim has to be a list that holds certain texts.
    pub(super) fn is_list(&self) -> bool {
        matches!(self.test, Test::AllOf(_))
    }

    /// The texts of which the claim has to be one, where there is no wildcard.
    pub(super) fn exact(&self) -> Option<Vec<&str>> {
        match &self.test {
            Test::Equals(text) => Some(vec![text]),
            Test::OneOf(texts) => Some(texts.iter().map(String::as_str).collect()),
            Test::Glob(glob) if glob.is_literal() => Some(vec![glob.as_str()]),
            Test::Glob(_) | Test::AllOf(_) => None,
        }
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

    fn wanted(&self) -> String {
        let list = |texts: &[String]| {
            let quoted: Vec<String> = texts.iter().map(|text| format!("{text:?}")).collect();
            quoted.join(", ")
        };
        match self {
            Self::Equals(text) => format!("be {text:?}"),
            Self::Glob(glob) => format!("match {:?}", glob.as_str()),
            Self::OneOf(texts) => format!("be one of {}", list(texts)),
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
            "groups": ["a", "b", 3], "big": 9_007_199_254_740_993_u64,
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
            json!({ "claim": "groups", "all_of": ["b", "3"] }),
            json!({ "claim": "/kubernetes.io/namespace", "equals": "ci" }),
            json!({ "claim": "/kubernetes.io/a~1b/m~0n", "equals": "x" }),
            json!({ "claim": "/groups/0", "equals": "a" }),
            json!({ "claim": "a~1b", "equals": "a name, no pointer" }),
            json!({ "claim": "/a~01b", "equals": "a name, no pointer" }),
            json!({ "claim": "/a~1b", "equals": "another" }),
        ] {
            let failure = condition(holds.clone()).unwrap().failure(&claims);
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
            json!({ "claim": "groups", "equals": "a" }),
            json!({ "claim": "groups", "glob": "**" }),
            json!({ "claim": "groups", "all_of": ["a", "c"] }),
            json!({ "claim": "missing", "glob": "**" }),
            json!({ "claim": "kubernetes.io", "glob": "**" }),
            json!({ "claim": "/kubernetes.io/missing", "equals": "ci" }),
        ] {
            let failure = condition(fails.clone()).unwrap().failure(&claims);
            assert!(failure.is_some(), "{fails}");
        }
    }

    #[test]
    fn a_failure_names_the_claim_what_was_wanted_and_what_it_is() {
        let condition = condition(json!({ "claim": "ref", "glob": "refs/heads/*" })).unwrap();
        assert_eq!(
            condition
                .failure(&claims(json!({ "ref": "refs/tags/v1" })))
                .unwrap(),
            "ref must match \"refs/heads/*\", but it is \"refs/tags/v1\""
        );
        assert_eq!(
            condition.failure(&Map::new()).unwrap(),
            "ref must match \"refs/heads/*\", but it is not there"
        );
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
