//! Numbers that are no larger than the document says: it knows no integers beyond 64 bits with a sign.

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Writes a number, if there is one: for `#[serde(with)]`, beside `default`.
pub(crate) fn serialize<S: Serializer>(
    number: &Option<u64>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    number.serialize(serializer)
}

/// Reads a number, if there is one.
///
/// # Errors
/// For one that is larger than the largest integer of 64 bits with a sign.
pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<u64>, D::Error> {
    let number = Option::<u64>::deserialize(deserializer)?;
    if number.is_some_and(|number| i64::try_from(number).is_err()) {
        return Err(D::Error::custom("the number is too large"));
    }
    Ok(number)
}

#[cfg(test)]
mod tests {
    use crate::RotateToken;

    #[test]
    fn a_number_has_63_bits() {
        let read = |number: u64| {
            serde_json::from_str::<RotateToken>(&format!(r#"{{"grace":{number}}}"#))
                .map(|asked| asked.grace)
                .ok()
        };
        let largest = i64::MAX.unsigned_abs();
        assert_eq!(read(largest), Some(Some(largest)));
        assert_eq!(read(largest + 1), None);
        let absent: RotateToken = serde_json::from_str("{}").unwrap();
        assert_eq!(absent.grace, None);
    }
}
