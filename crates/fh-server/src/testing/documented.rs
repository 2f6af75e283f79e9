//! Compares what is answered with the OpenAPI document: the status, the media type, and the shape of JSON.

use std::sync::LazyLock;

use http::Method;
use serde_json::Value;

use super::Answer;

static DOCUMENT: LazyLock<Value> =
    LazyLock::new(|| serde_json::from_str(&crate::openapi()).unwrap());

/// Panics where the document does not know the answer.
///
/// What was asked at an address, or with a method, that it does not know must be answered with 404 or 405.
pub(super) fn require(method: &Method, path: &str, answer: &Answer) {
    let what = format!("{method} {path}: {}", answer.status);
    let asked = if method == Method::HEAD {
        &Method::GET
    } else {
        method
    };
    let Some(template) = template(asked, path) else {
        let status = answer.status.as_u16();
        assert!([404, 405].contains(&status), "{what} is in no document");
        return;
    };
    let operation = &DOCUMENT["paths"][template][asked.as_str().to_lowercase()];
    let response = resolved(&operation["responses"][answer.status.as_str()]);
    assert!(
        response.is_object(),
        "{what} is not documented of {template}"
    );
    let media_type = answer.headers.get("content-type");
    let media_type = media_type.map(|value| value.to_str().unwrap());
    let media_type = media_type.and_then(|value| value.split(';').next());
    match (media_type, response["content"].as_object()) {
        (None, None) => assert!(answer.body.is_empty(), "{what} has a body"),
        (Some(media_type), Some(content)) => {
            let known = content.get(media_type);
            let known = known.unwrap_or_else(|| panic!("{what} is {media_type}"));
            if media_type == "application/json" && method != Method::HEAD {
                let body = serde_json::from_slice(&answer.body);
                // A listing may be compressed.
                if let Ok(body) = body {
                    let wrong = wrong(&known["schema"], &body);
                    assert!(wrong.is_none(), "{what}: {}", wrong.unwrap_or_default());
                }
            }
        }
        // What was not changed is told without its media type, and a range that is nowhere too.
        (media_type, _) => panic!("{what} is {media_type:?}, against the document"),
    }
}

/// The template of the document that an address is of: that with the most segments that are the same.
pub(crate) fn template(method: &Method, address: &str) -> Option<&'static str> {
    let address = address.split('?').next()?;
    let fits = |template: &str| {
        let mut same = 0;
        let mut given = address.split('/');
        for segment in template.split('/') {
            let value = given.next()?;
            if segment == value {
                same += 1;
            } else if !segment.starts_with('{') || value.is_empty() {
                return None;
            }
        }
        given.next().is_none().then_some(same)
    };
    let method = method.as_str().to_lowercase();
    let paths = DOCUMENT["paths"].as_object().unwrap().iter();
    paths
        .filter(|(_, operations)| operations.get(&method).is_some())
        .filter_map(|(template, _)| fits(template).map(|same| (same, template.as_str())))
        .max()
        .map(|(_, template)| template)
}

fn resolved(value: &'static Value) -> &'static Value {
    match value["$ref"].as_str() {
        Some(reference) => {
            let pointer = reference.strip_prefix('#').unwrap();
            let found = DOCUMENT.pointer(pointer);
            found.unwrap_or_else(|| panic!("{reference} is nowhere in the document"))
        }
        None => value,
    }
}

/// What of a value is not as a schema says, as far as the schemas of the document say anything.
fn wrong(schema: &'static Value, value: &Value) -> Option<String> {
    let schema = resolved(schema);
    for word in ["oneOf", "anyOf"] {
        if let Some(several) = schema[word].as_array() {
            let mut reasons = several.iter().map(|one| wrong(one, value));
            if !reasons.any(|reason| reason.is_none()) {
                return Some(format!("{value} is none of {schema}"));
            }
        }
    }
    if let Some(all) = schema["allOf"].as_array()
        && let Some(reason) = all.iter().find_map(|one| wrong(one, value))
    {
        return Some(reason);
    }
    let types: Vec<&str> = match &schema["type"] {
        Value::Array(several) => several.iter().filter_map(Value::as_str).collect(),
        one => one.as_str().into_iter().collect(),
    };
    if !types.is_empty() && !types.iter().any(|of| is_of(of, value)) {
        return Some(format!("{value} is no {types:?}"));
    }
    if let Some(words) = schema["enum"].as_array()
        && !words.contains(value)
    {
        return Some(format!("{value} is none of {words:?}"));
    }
    if let Some(object) = value.as_object() {
        let required = schema["required"].as_array().into_iter().flatten();
        let missing = required.filter_map(Value::as_str);
        if let Some(name) = missing.into_iter().find(|name| !object.contains_key(*name)) {
            return Some(format!("{name} is missing in {value}"));
        }
        let known = schema["properties"].as_object();
        for (name, value) in object {
            if let Some(schema) = known.and_then(|known| known.get(name))
                && let Some(reason) = wrong(schema, value)
            {
                return Some(format!("{name}: {reason}"));
            }
        }
    }
    let items = value.as_array().into_iter().flatten();
    let mut items = items.filter(|_| schema.get("items").is_some());
    items.find_map(|item| wrong(&schema["items"], item))
}

fn is_of(name: &str, value: &Value) -> bool {
    match name {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        _ => false,
    }
}

#[test]
fn every_reference_leads_somewhere() {
    fn walk(value: &'static Value) {
        if value.get("$ref").is_some() {
            resolved(value);
        }
        let members = value
            .as_object()
            .into_iter()
            .flat_map(|object| object.values());
        let items = value.as_array().into_iter().flatten();
        members.chain(items).for_each(walk);
    }
    walk(&DOCUMENT);
}

#[test]
fn every_name_in_an_address_is_told_of_once() {
    for (path, operations) in DOCUMENT["paths"].as_object().unwrap() {
        let segments = path.split('/');
        let names: Vec<&str> = segments
            .filter_map(|segment| segment.strip_prefix('{')?.strip_suffix('}'))
            .collect();
        for (method, operation) in operations.as_object().unwrap() {
            let parameters = operation["parameters"].as_array().into_iter().flatten();
            let told: Vec<&str> = parameters
                .filter(|parameter| parameter["in"] == "path")
                .map(|parameter| parameter["name"].as_str().unwrap())
                .collect();
            assert_eq!(told, names, "{method} {path}");
        }
    }
}
