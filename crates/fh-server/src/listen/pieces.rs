//! Bytes of a body in pieces of which none is small.
//!
//! A client chooses how many bytes come at once. Kept one by one, pieces of one byte would take some forty times
//! the memory that their bytes do, and no limit of bytes would bound it.

use axum::body::Bytes;
use bytes::BytesMut;

/// Pieces smaller than this are copied together.
const SMALL: usize = 4 << 10;

/// So many bytes are copied together at most.
const TOGETHER: usize = 64 << 10;

/// Bytes as they came, in order.
#[derive(Debug, Default)]
pub(crate) struct Pieces {
    pieces: Vec<Bytes>,
    /// What comes after them.
    small: BytesMut,
    length: usize,
}

impl Pieces {
    pub(crate) fn push(&mut self, bytes: Bytes) {
        self.length += bytes.len();
        if bytes.len() >= SMALL {
            self.close_small();
            self.pieces.push(bytes);
            return;
        }
        self.small.extend_from_slice(&bytes);
        if self.small.len() >= TOGETHER {
            self.close_small();
        }
    }

    /// How many bytes there are.
    pub(crate) fn len(&self) -> usize {
        self.length
    }

    /// Takes all of them.
    pub(crate) fn take(&mut self) -> Vec<Bytes> {
        self.close_small();
        self.length = 0;
        std::mem::take(&mut self.pieces)
    }

    /// All of them in one.
    pub(crate) fn into_bytes(mut self) -> Bytes {
        let length = self.length;
        let mut pieces = self.take();
        if let ([_], Some(only)) = (&pieces[..], pieces.last().cloned()) {
            return only;
        }
        let mut whole = BytesMut::with_capacity(length);
        for piece in pieces.drain(..) {
            whole.extend_from_slice(&piece);
        }
        whole.freeze()
    }

    fn close_small(&mut self) {
        if !self.small.is_empty() {
            self.pieces.push(std::mem::take(&mut self.small).freeze());
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_megabyte_in_single_bytes_is_a_few_pieces() {
        let mut pieces = Pieces::default();
        for _ in 0..1 << 20 {
            pieces.push(Bytes::from_static(b"x"));
        }
        assert_eq!(pieces.len(), 1 << 20);
        let taken = pieces.take();
        assert_eq!(taken.len(), (1 << 20) / TOGETHER);
        assert_eq!(pieces.len(), 0);
        assert!(pieces.take().is_empty());
    }

    #[test]
    fn what_is_large_is_not_copied() {
        let mut pieces = Pieces::default();
        let large = Bytes::from(vec![7; SMALL]);
        pieces.push(large.clone());
        assert_eq!(pieces.into_bytes().as_ptr(), large.as_ptr());
    }

    proptest! {
        #[test]
        fn the_bytes_stay_as_they_came(lengths in proptest::collection::vec(0_usize..9000, 0..40)) {
            let mut pieces = Pieces::default();
            let mut all = Vec::new();
            for (index, length) in lengths.iter().enumerate() {
                let bytes = vec![u8::try_from(index).unwrap(); *length];
                all.extend_from_slice(&bytes);
                pieces.push(bytes.into());
            }
            prop_assert_eq!(pieces.len(), all.len());
            prop_assert_eq!(&pieces.into_bytes()[..], &all[..]);
        }
    }
}
