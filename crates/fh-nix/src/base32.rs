//! Nix's base32: `src/libutil/hash.cc` (`printHash32`), `src/libutil/base-nix-32.cc` in newer versions.
//!
//! Not RFC 4648: the alphabet leaves out `e`, `o`, `t` and `u`, there is no padding, and the bytes are read as one
//! little-endian number whose most significant digit is written first. So texts of one length sort like the numbers.

use crate::error::{Error, Result};

/// The digits, in ascending order, which is also their order as ASCII.
const ALPHABET: &[u8; 32] = b"0123456789abcdfghijklmnpqrsvwxyz";

/// Marks bytes that are no digit in [`VALUES`].
const NONE: u8 = 0xff;

/// The value of each byte as a digit.
const VALUES: [u8; 256] = {
    let mut values = [NONE; 256];
    let mut digit = 0;
    while digit < ALPHABET.len() {
        values[ALPHABET[digit] as usize] = digit as u8;
        digit += 1;
    }
    values
};

/// The text of `bytes`, `⌈8 n / 5⌉` characters long.
#[must_use]
pub fn encode(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(encoded_len(bytes.len()));
    for digit in (0..encoded_len(bytes.len())).rev() {
        let (byte, shift) = (digit * 5 / 8, digit * 5 % 8);
        let low = u16::from(bytes[byte]);
        let high = bytes.get(byte + 1).copied().map_or(0, u16::from);
        let value = ((high << 8 | low) >> shift) & 0x1f;
        text.push(char::from(ALPHABET[usize::from(value)]));
    }
    text
}

/// The bytes of `text`, `⌊5 n / 8⌋` of them.
///
/// # Errors
/// When a character is no digit, or when `text` is not what [`encode`] would write for the bytes: spare bits that are
/// not zero, or more characters than the bytes need.
pub fn decode(text: &str) -> Result<Vec<u8>> {
    let mut bytes = vec![0; text.len() * 5 / 8];
    decode_into(text, &mut bytes)?;
    Ok(bytes)
}

/// [`decode`] for a known number of bytes, without an allocation.
pub(crate) fn decode_array<const N: usize>(text: &str) -> Result<[u8; N]> {
    let mut bytes = [0; N];
    decode_into(text, &mut bytes)?;
    Ok(bytes)
}

/// Whether a byte is a digit.
pub(crate) const fn is_digit(byte: u8) -> bool {
    VALUES[byte as usize] != NONE
}

/// How many characters [`encode`] writes for so many bytes.
pub(crate) const fn encoded_len(bytes: usize) -> usize {
    (bytes * 8).div_ceil(5)
}

fn decode_into(text: &str, bytes: &mut [u8]) -> Result<()> {
    let error = |problem| Error::invalid("Nix base32", text, problem);
    if text.len() != encoded_len(bytes.len()) {
        return Err(error("it has the wrong length"));
    }
    for (position, character) in text.bytes().rev().enumerate() {
        let value = VALUES[usize::from(character)];
        if value == NONE {
            return Err(error(
                "it holds a character other than 0-9, a-z without e, o, t, u",
            ));
        }
        let (byte, shift) = (position * 5 / 8, position * 5 % 8);
        let spread = u16::from(value) << shift;
        let [low, high] = spread.to_le_bytes();
        bytes[byte] |= low;
        match bytes.get_mut(byte + 1) {
            Some(next) => *next |= high,
            None if high != 0 => return Err(error("its unused bits are not zero")),
            None => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn known_values() {
        assert_eq!(encode(b""), "");
        assert_eq!(encode(&[0x1f]), "0z");
        // From Nix: `nix-hash --type sha1 --to-base32 800d59cfcd3c05e900cb4e214be48f6b886a08df`.
        let sha1 = decode("vw46m23bizj4n8afrc0fj19wrp7mj3c0").unwrap();
        let hex = data_encoding::HEXLOWER.encode(&sha1);
        assert_eq!(hex, "800d59cfcd3c05e900cb4e214be48f6b886a08df");
    }

    #[test]
    fn refused() {
        for (text, problem) in [
            ("e0", "character"),
            ("0Z", "character"),
            ("0é", "length"),
            ("zz", "unused bits"),
            ("0", "length"),
            ("000", "length"),
        ] {
            let error = decode(text).unwrap_err().to_string();
            assert!(error.contains(problem), "{text}: {error}");
        }
    }

    proptest! {
        #[test]
        fn round_trip(bytes: Vec<u8>) {
            prop_assert_eq!(decode(&encode(&bytes)).unwrap(), bytes);
        }

        #[test]
        fn one_text_per_value(text in "[0-9a-z]{0,60}") {
            if let Ok(bytes) = decode(&text) {
                prop_assert_eq!(encode(&bytes), text);
            }
        }

        #[test]
        fn any_text(text: String) {
            let _ = decode(&text);
        }
    }
}
