//! What plans decide, on values alone.

mod examples;
mod exchange;
mod key_rotation;
mod minting;
mod renewal;
mod rotation;
