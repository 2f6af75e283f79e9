//! A checksum of the bytes of an object as they are stored.
//!
//! XXH3 with 64 bits: at 10 GB/s a core it costs a tenth of what reading and sending the bytes does, so
//! that every byte that is served can pass through it. It finds what disks, file systems and people
//! do to files; against somebody who can write to the data directory it is no protection, and the
//! NAR hash, which Nix checks, is.

use std::fmt;
use std::hash::Hasher as _;

use twox_hash::XxHash3_64;

/// The checksum of an object's stored bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Checksum(u64);

impl Checksum {
    /// As a column holds it: the same 64 bits, with a sign.
    pub fn to_column(self) -> i64 {
        self.0.cast_signed()
    }

    pub fn from_column(value: i64) -> Self {
        Self(value.cast_unsigned())
    }
}

impl fmt::LowerHex for Checksum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::LowerHex::fmt(&self.0, f)
    }
}

/// A checksum as far as the bytes have come; a clone is a place to go back to.
#[derive(Clone)]
pub struct RunningChecksum(XxHash3_64);

impl Default for RunningChecksum {
    fn default() -> Self {
        Self(XxHash3_64::with_seed(0))
    }
}

impl RunningChecksum {
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the next bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.write(bytes);
    }

    /// Of all bytes so far.
    pub fn value(&self) -> Checksum {
        Checksum(self.0.finish())
    }
}

impl fmt::Debug for RunningChecksum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("RunningChecksum")
            .field(&self.value())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_do_not_matter_and_every_bit_does() {
        let bytes: Vec<u8> = (0..100_000_u32).map(|n| (n % 251) as u8).collect();
        let sum = |pieces: &[&[u8]]| {
            let mut running = RunningChecksum::new();
            pieces.iter().for_each(|piece| running.update(piece));
            running.value()
        };
        let whole = sum(&[&bytes]);
        assert_eq!(
            sum(&[&bytes[..1], &bytes[1..70_000], &bytes[70_000..]]),
            whole
        );
        assert_eq!(Checksum::from_column(whole.to_column()), whole);
        for at in [0, 50_000, 99_999] {
            let mut other = bytes.clone();
            other[at] ^= 1;
            assert_ne!(sum(&[&other]), whole, "{at}");
        }
        // The reference value of XXH3_64bits of nothing, of the specification's implementation: what is
        // stored must be found again by every later version.
        assert_eq!(format!("{:x}", sum(&[])), "2d06800538d394c2");
    }
}
