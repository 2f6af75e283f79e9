//! Base64 of a known number of bytes: RFC 4648, padded, and in its one canonical form.
//!
//! `data_encoding`'s padded decoder also takes several padded texts one after another for one, so that some bytes have
//! many texts; hence the padding is taken off here. What is decoded may be a secret key: no copy of it is left behind.

use data_encoding::{BASE64, BASE64_NOPAD};
use zeroize::Zeroizing;

/// The text of `bytes`.
pub(crate) fn encode(bytes: &[u8]) -> String {
    BASE64.encode(bytes)
}

/// How many characters `size` bytes have.
pub(crate) const fn encoded_len(size: usize) -> usize {
    size.div_ceil(3) * 4
}

/// Decodes `text` into the whole of `bytes`; false when it is not what [`encode`] writes for so many bytes.
pub(crate) fn decode_into(text: &str, bytes: &mut [u8]) -> bool {
    let padding = bytes.len().next_multiple_of(3) - bytes.len();
    let Some(unpadded) = text.strip_suffix(&"=="[..padding]) else {
        return false;
    };
    BASE64_NOPAD.decode_len(unpadded.len()) == Ok(bytes.len())
        && BASE64_NOPAD.decode_mut(unpadded.as_bytes(), bytes) == Ok(bytes.len())
}

/// Appends the text of a secret to `text`, which must have room for it: growing would leave a copy behind.
pub(crate) fn append_secret(bytes: &[u8], text: &mut Zeroizing<String>) {
    BASE64.encode_append(bytes, text);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Found by fuzzing: two padded texts in a row.
    #[test]
    fn one_text_only() {
        let mut bytes = [0; 32];
        assert!(!decode_into(
            "MMMMMMMMMMM=MMMMMMMMMMMMMMMMMMMHMMMMMMMMMMMM",
            &mut bytes
        ));
        for text in [
            "QQ", "QQ=", "QQ===", "QQ==\n", " QQ==", "QR==", "Q===", "====", "QQ==QQ==", "", "-Q==",
        ] {
            assert!(!decode_into(text, &mut [0]), "{text}");
        }
        let mut byte = [0];
        assert!(decode_into("QQ==", &mut byte));
        assert_eq!(byte, *b"A");
    }

    proptest! {
        #[test]
        fn round_trip(bytes: Vec<u8>) {
            let text = encode(&bytes);
            prop_assert_eq!(text.len(), encoded_len(bytes.len()));
            let mut decoded = vec![0; bytes.len()];
            prop_assert!(decode_into(&text, &mut decoded));
            prop_assert_eq!(decoded, bytes);
        }

        #[test]
        fn what_is_accepted_is_written_the_same(text in "[A-D/+=]{0,9}", size in 0..8_usize) {
            let mut bytes = vec![0; size];
            if decode_into(&text, &mut bytes) {
                prop_assert_eq!(encode(&bytes), text);
            }
        }
    }
}
