//! Buffers for reading objects, used again and again.
//!
//! A new one for each chunk would cost as much as reading into it: the memory comes from the system as
//! pages that are cleared and mapped one by one, and goes back there.

use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex, PoisonError};

/// Bytes of a buffer: what is read fits into the second level cache of a processor until it is sent.
pub const BUFFER: usize = 256 << 10;

/// How many are kept while nobody uses them.
const KEPT: usize = 32;

/// Buffers that nobody uses; clones share them.
#[derive(Debug, Clone, Default)]
pub struct Buffers {
    idle: Arc<Mutex<Vec<Box<[u8]>>>>,
}

impl Buffers {
    /// A buffer whose content means nothing.
    pub fn take(&self) -> Buffer {
        let idle = self.lock().pop();
        let bytes = idle.unwrap_or_else(|| vec![0; BUFFER].into());
        Buffer {
            bytes,
            length: BUFFER,
            home: self.clone(),
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Box<[u8]>>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A buffer in use; it goes back when it is dropped.
#[derive(Debug)]
pub struct Buffer {
    bytes: Box<[u8]>,
    length: usize,
    home: Buffers,
}

impl Buffer {
    /// Shows the first so many bytes alone, at most [`BUFFER`].
    pub fn truncate(&mut self, length: usize) {
        self.length = length.min(BUFFER);
    }
}

impl Deref for Buffer {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes[..self.length]
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut self.bytes[..self.length]
    }
}

impl AsRef<[u8]> for Buffer {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        let mut idle = self.home.lock();
        if idle.len() < KEPT {
            idle.push(std::mem::take(&mut self.bytes));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffers_come_back_and_only_so_many() {
        let buffers = Buffers::default();
        let mut first = buffers.take();
        first[0] = 7;
        first.truncate(3);
        assert_eq!(first.len(), 3);
        drop(first);
        // The same one, as a whole.
        let again = buffers.take();
        assert_eq!((again.len(), again[0]), (BUFFER, 7));
        let many: Vec<_> = (0..2 * KEPT).map(|_| buffers.take()).collect();
        drop(many);
        drop(again);
        assert_eq!(buffers.lock().len(), KEPT);
    }
}
