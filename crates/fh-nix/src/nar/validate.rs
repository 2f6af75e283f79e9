//! Checking a NAR without a use for what is in it.

use super::decode::NarDecoder;
use super::event::Limits;
use crate::error::Result;

/// A [`NarDecoder`] for those who only want to know whether a NAR is valid.
#[derive(Clone, Debug, Default)]
pub struct NarValidator(NarDecoder);

impl NarValidator {
    /// A validator at the start of a NAR.
    #[must_use]
    pub const fn new(limits: Limits) -> Self {
        Self(NarDecoder::new(limits))
    }

    /// Takes more bytes.
    ///
    /// # Errors
    /// When they cannot belong to a valid NAR.
    pub fn feed(&mut self, input: &[u8]) -> Result<()> {
        self.0.feed(input, &mut |_| Ok(()))
    }

    /// How many bytes were taken so far.
    #[must_use]
    pub fn position(&self) -> u64 {
        self.0.position()
    }

    /// Ends the input.
    ///
    /// # Errors
    /// When the NAR is not complete, or was invalid.
    pub fn finish(self) -> Result<()> {
        self.0.finish()
    }
}
