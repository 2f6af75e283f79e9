//! Tests of path-info JSON. What real Nix printed is in `tests/vectors/mod.rs`.

use proptest::prelude::*;
use serde_json::json;

use super::*;

const FOO: &str = "n5wkd9frr45pa74if5gpz9j7mifg27fh-foo";
const BAR: &str = "g1w7hy3qg1w7hy3qg1w7hy3qg1w7hy3q-bar";
const SRI: &str = "sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";
const SIG: &str =
    "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA==";

fn full(base_name: &str) -> String {
    format!("/nix/store/{base_name}")
}

fn parse(value: &Value) -> Result<PathInfos> {
    parse_path_infos(value.to_string().as_bytes(), &StoreDir::default())
}

/// The object of FOO in format 1, without `path`.
fn entry() -> Value {
    json!({
        "narHash": SRI,
        "narSize": 34878,
        "references": [full(BAR), full(FOO)],
        "deriver": full("g1w7hy3qg1w7hy3qg1w7hy3qg1w7hy3q-bar.drv"),
        "signatures": [format!("asdf:{SIG}")],
        "ca": "fixed:r:sha256:0mdqa9w1p6cmli6976v4wi0sw9r4p5prkj7lzfd1877wk11c9c73",
        "registrationTime": 23423,
        "ultimate": true,
    })
}

/// [`entry`] with a field replaced, or taken out.
fn entry_with(field: &str, value: Option<Value>) -> Value {
    let mut entry = entry();
    let object = entry.as_object_mut().unwrap();
    match value {
        Some(value) => object.insert(field.to_owned(), value),
        None => object.remove(field),
    };
    entry
}

fn format_1(entry: &Value) -> Value {
    let mut object = Map::new();
    object.insert(full(FOO), entry.clone());
    Value::Object(object)
}

fn format_2() -> Value {
    json!({
        "info": {
            FOO: {
                "narHash": SRI,
                "narSize": 34878,
                "references": [BAR, FOO],
                "deriver": "g1w7hy3qg1w7hy3qg1w7hy3qg1w7hy3q-bar.drv",
                "signatures": [format!("asdf:{SIG}")],
                "ca": {"method": "nar", "hash": SRI},
                "registrationTime": 23423,
                "storeDir": "/nix/store",
                "ultimate": true,
                "version": 2,
            },
            BAR: null,
        },
        "storeDir": "/nix/store",
        "version": 2,
    })
}

#[test]
fn three_shapes_of_one_answer() {
    let mut element = entry();
    element
        .as_object_mut()
        .unwrap()
        .insert("path".to_owned(), full(FOO).into());
    let array = parse(&json!([element, {"path": full(BAR), "valid": false}])).unwrap();

    let mut keyed = format_1(&entry());
    keyed
        .as_object_mut()
        .unwrap()
        .insert(full(BAR), Value::Null);
    assert_eq!(parse(&keyed).unwrap(), array);

    let mut third = format_2();
    assert_eq!(parse(&third).unwrap(), array);
    third["version"] = 3.into();
    third["info"][FOO]["signatures"] = json!([{"keyName": "asdf", "sig": SIG}]);
    assert_eq!(parse(&third).unwrap(), array);

    assert_eq!(array.invalid, [BAR.parse().unwrap()]);
    let [info] = array.valid.as_slice() else {
        panic!("{array:?}")
    };
    assert_eq!(info.path.name(), "foo");
    assert_eq!(info.nar_hash, NarHash::of(b""));
    assert_eq!(info.nar_size, 34878);
    assert_eq!(info.references.len(), 2);
    assert_eq!(info.deriver.as_ref().unwrap().name(), "bar.drv");
    assert_eq!(info.signatures[0].key_name(), "asdf");
    assert_eq!(
        info.ca.as_ref().unwrap().as_str(),
        format!("fixed:r:{}", NarHash::of(b""))
    );
}

#[test]
fn nothing_asked_nothing_told() {
    for empty in [
        json!([]),
        json!({}),
        json!({"info": {}, "storeDir": "/nix/store", "version": 2}),
    ] {
        assert_eq!(parse(&empty).unwrap(), PathInfos::default());
    }
}

#[test]
fn fields_that_may_be_missing_or_null() {
    for field in [
        "deriver",
        "signatures",
        "ca",
        "registrationTime",
        "ultimate",
    ] {
        parse(&format_1(&entry_with(field, None))).unwrap();
        parse(&format_1(&entry_with(field, Some(Value::Null)))).unwrap();
    }
    let unknown = json!({"deep": [1, {"x": null}], "path": "nonsense"});
    parse(&format_1(&entry_with("provenance", Some(unknown)))).unwrap();
}

#[test]
fn bad_fields_are_named_with_their_path() {
    for (field, value, problem) in [
        ("narHash", None, "missing"),
        ("narHash", Some(Value::Null), "missing"),
        ("narHash", Some(json!("sha256-x")), "is not a SHA-256 hash"),
        ("narHash", Some(json!(1)), "1 is not a text"),
        ("narSize", None, "missing"),
        ("narSize", Some(json!(0)), "it is 0"),
        ("narSize", Some(json!(-1)), "-1 is not a number of bytes"),
        ("narSize", Some(json!(1.5)), "1.5 is not a number of bytes"),
        (
            "narSize",
            Some(json!("1")),
            "\"1\" is not a number of bytes",
        ),
        ("references", None, "missing"),
        ("references", Some(json!("x")), "\"x\" is not an array"),
        ("references", Some(json!([null])), "null is not a text"),
        ("references", Some(json!([FOO])), "is not in /nix/store"),
        (
            "references",
            Some(json!([full("x\ny")])),
            "is not a store path",
        ),
        ("deriver", Some(json!(FOO)), "is not in /nix/store"),
        ("deriver", Some(json!({})), "an object is not a text"),
        ("signatures", Some(json!(["x"])), "is not a signature"),
        (
            "signatures",
            Some(json!([format!("a\nb:{SIG}")])),
            "is not a signature",
        ),
        (
            "signatures",
            Some(json!([{"keyName": "a:b", "sig": SIG}])),
            "is not a text",
        ),
        ("signatures", Some(json!({})), "an object is not an array"),
        ("ca", Some(json!("x")), "is not a content address"),
        (
            "ca",
            Some(json!({"method": "x", "hash": SRI})),
            "method \"x\" is unknown",
        ),
        ("ca", Some(json!({"method": "nar"})), "null is not a text"),
        ("storeDir", Some(json!("/gnu/store")), "\"/gnu/store\""),
    ] {
        let error = parse(&format_1(&entry_with(field, value.clone()))).unwrap_err();
        let message = error.to_string();
        assert!(message.contains(problem), "{field} {value:?}: {message}");
        assert!(
            message.contains(field) && message.contains(FOO),
            "{message}"
        );
    }
}

#[test]
fn content_addresses_as_objects() {
    let object = json!({"algorithm": "sha256", "format": "base64", "hash": &SRI[7..]});
    for (method, prefix) in [
        ("flat", "fixed:"),
        ("nar", "fixed:r:"),
        ("git", "fixed:git:"),
        ("text", "text:"),
    ] {
        for hash in [json!(SRI), object.clone()] {
            let mut infos = format_2();
            infos["info"][FOO]["ca"] = json!({"method": method, "hash": hash});
            infos["info"][FOO]["narHash"] = hash;
            let info = parse(&infos).unwrap().valid.remove(0);
            assert_eq!(
                info.ca.unwrap().as_str(),
                format!("{prefix}{}", NarHash::of(b""))
            );
            assert_eq!(info.nar_hash, NarHash::of(b""));
        }
    }
}

#[test]
fn other_shapes() {
    let mut mixed = format_1(&entry());
    mixed["info"] = json!({});
    let duplicate = format!("{{\"{0}\": null, \"{0}\": null}}", full(FOO));
    for (json, problem) in [
        ("null", "expected the array or object"),
        ("1", "expected the array or object"),
        ("[1]", "an element of the array is not an object"),
        ("[{}]", "an element of the array has no path"),
        ("{\"x\": 1}", "neither full store paths nor info"),
        (
            "{\"storeDir\": \"/nix/store\"}",
            "neither full store paths nor info",
        ),
        ("{\"info\": []}", "expected an object of path infos"),
        (
            "{\"info\": {}, \"storeDir\": \"/gnu/store\", \"version\": 2}",
            "/gnu/store",
        ),
        ("{\"info\": {}, \"version\": 2}", "storeDir is None"),
        (
            "{\"info\": {}, \"storeDir\": \"/nix/store\"}",
            "version is None",
        ),
        ("{\"info\": {}, \"info\": {}}", "duplicate field `info`"),
        (
            "{\"info\": {}, \"storeDir\": \"/nix/store\", \"version\": 4}",
            "version is Some(4)",
        ),
        (&mixed.to_string(), "mixes two shapes"),
        (&duplicate, "appears twice"),
        (
            &format!("{{\"{}\": 1}}", full(FOO)),
            "neither an object nor null",
        ),
        ("{\"/gnu/store/x\": null}", "is not in /nix/store"),
        ("", "not valid JSON"),
        ("[", "not valid JSON"),
        ("[] x", "not valid JSON"),
        ("{\"/nix", "not valid JSON"),
    ] {
        let error = parse_path_infos(json.as_bytes(), &StoreDir::default()).unwrap_err();
        assert!(error.to_string().contains(problem), "{json}: {error}");
    }
}

#[test]
fn deep_nesting_is_no_stack_overflow() {
    let deep = "[".repeat(1 << 20);
    parse_path_infos(deep.as_bytes(), &StoreDir::default()).unwrap_err();
}

/// Replaces the value at the `index`th place of `value`, counted in depth-first order.
fn replace_at(value: &mut Value, index: &mut usize, replacement: &Value) {
    if *index == 0 {
        *value = replacement.clone();
    }
    *index = index.wrapping_sub(1);
    match value {
        Value::Array(list) => list
            .iter_mut()
            .for_each(|item| replace_at(item, index, replacement)),
        Value::Object(map) => map
            .values_mut()
            .for_each(|item| replace_at(item, index, replacement)),
        _ => {}
    }
}

proptest! {
    #[test]
    fn any_bytes(bytes: Vec<u8>) {
        let _ = parse_path_infos(&bytes, &StoreDir::default());
    }

    #[test]
    fn any_value_anywhere(index in 0..24_usize, scalar in prop::sample::select(vec![
        json!(null), json!(true), json!(0), json!(-1), json!(1e300), json!(""), json!("\n"), json!([]),
        json!({}), json!([[]]), json!("/nix/store/"), json!({"hash": {}}),
    ])) {
        for base in [format_1(&entry()), format_2()] {
            let mut value = base;
            replace_at(&mut value, &mut index.clone(), &scalar);
            let _ = parse(&value);
        }
    }
}
