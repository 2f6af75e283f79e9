//! Objects of JSON that are objects: serde also takes an array for the fields of a struct in their order,
//! which nobody means who sends one.

use std::fmt;
use std::marker::PhantomData;

use serde::de::value::MapAccessDeserializer;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

/// A struct that is read from an object alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Object<T>(
    /// The struct that the object was read into.
    pub T,
);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Fields<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for Fields<T> {
            type Value = Object<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                T::deserialize(MapAccessDeserializer::new(map)).map(Object)
            }
        }

        deserializer.deserialize_map(Fields(PhantomData))
    }
}

/// A list of structs, each of which is read from an object alone: for `#[serde(deserialize_with)]`.
pub(crate) fn list<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Vec<T>, D::Error> {
    let objects = Vec::<Object<T>>::deserialize(deserializer)?;
    Ok(objects.into_iter().map(|object| object.0).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{PushRequest, RotateToken, SetTrustPolicy};

    #[test]
    fn an_array_is_no_object() {
        let read = serde_json::from_str::<Object<RotateToken>>;
        assert_eq!(read(r#"{"grace":7}"#).unwrap().0.grace, Some(7));
        for bad in ["[null,7]", "[]", "null", "7", "\"\""] {
            assert!(read(bad).is_err(), "{bad}");
        }
        assert!(read(r#"{"other":7}"#).is_err());
    }

    #[test]
    fn an_array_is_no_object_in_a_list() {
        let path = r#"["p", "h", 1, [], null, [], null, false]"#;
        let plan = format!(r#"{{"paths":[{path}]}}"#);
        assert!(serde_json::from_str::<PushRequest>(&plan).is_err());
        let policy = r#"{"provider":"github","conditions":[["a","b"]],"flakes":[],"role":"read"}"#;
        let error = serde_json::from_str::<SetTrustPolicy>(policy).unwrap_err();
        assert!(error.to_string().contains("an object"), "{error}");
    }
}
