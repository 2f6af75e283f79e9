//! What a request for a token or for other keys comes to, decided on values: the handler loads the facts, a plan says what
//! is to be written or why it is refused, and the handler applies that in the same transaction. No plan asks a database.

pub(super) mod exchange;
pub(super) mod key_rotation;
pub(super) mod limits;
pub(super) mod minting;
pub(super) mod renewal;
pub(super) mod rotation;
#[cfg(test)]
mod tests;
