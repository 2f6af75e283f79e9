//! The Nix archive format: `src/libutil/archive.cc` (`dumpPath`, `parseDump`).
//!
//! A NAR holds a file system object: a regular file with or without its executable bit, a symbolic link, or a directory
//! of such. Nothing else of it counts: no times, no owners, no other modes. Everything is a string, which is its length as
//! a little-endian `u64`, its bytes, and zeros up to the next multiple of 8:
//!
//! ```text
//! archive   = "nix-archive-1" node
//! node      = "(" "type" ( regular | symlink | directory ) ")"
//! regular   = "regular" [ "executable" "" ] "contents" bytes
//! symlink   = "symlink" "target" bytes
//! directory = "directory" { "entry" "(" "name" bytes "node" node ")" }     ascending by name, as bytes
//! ```
//!
//! So one tree has one NAR, which is what makes its hash mean something. The decoder insists on it: what [`NarDecoder`]
//! accepts is byte for byte what [`NarReader`] makes of the tree.

mod contents;
mod decode;
mod directory;
mod encode;
mod event;
mod listing;

pub use decode::NarDecoder;
pub use encode::NarReader;
pub use event::{Event, Limits};
pub use listing::ListingWriter;

/// How deep directories may nest, in the packer always and in the decoder by default.
///
/// Both hold something for each level, the packer a file descriptor. Nix sets no limit of its own;
/// a path of 4095 bytes, the most that Linux takes, has at most 2047 levels, and real trees have some tens.
pub const MAX_DEPTH: usize = 256;

/// The bytes of a fixed sequence of strings, as they stand in a NAR. `N` must be their exact number.
const fn strings<const N: usize>(list: &[&[u8]]) -> [u8; N] {
    let mut bytes = [0; N];
    let mut position = 0;
    let mut index = 0;
    while index < list.len() {
        let string = list[index];
        // All of them are short: their length is one byte and seven zeros.
        assert!(string.len() < 256, "too long for a fixed string");
        bytes[position] = string.len() as u8;
        let mut byte = 0;
        while byte < string.len() {
            bytes[position + 8 + byte] = string[byte];
            byte += 1;
        }
        position += 8 + string.len().next_multiple_of(8);
        index += 1;
    }
    assert!(position == N, "not the exact length");
    bytes
}

/// How many zeros follow a string of `length` bytes.
const fn padding(length: u64) -> usize {
    (length.wrapping_neg() % 8) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fixed_strings() {
        let bytes = strings::<40>(&[b"(", b"", b"type"]);
        let expected =
            b"\x01\0\0\0\0\0\0\0(\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x04\0\0\0\0\0\0\0type\0\0\0\0";
        assert_eq!(bytes, *expected);
    }

    #[test]
    fn padding_goes_up_to_the_next_multiple_of_8() {
        let all: Vec<_> = (0..10).map(padding).collect();
        assert_eq!(all, [0, 7, 6, 5, 4, 3, 2, 1, 0, 7]);
        assert_eq!(padding(u64::MAX), 1);
    }
}
