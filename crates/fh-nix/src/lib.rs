//! Nix's data formats, as the rest of `fh` uses them.
//!
//! Store paths, Nix base32, hashes, content addresses, Ed25519 keys and signatures, path infos and the three JSON shapes
//! of `nix path-info`, narinfo files, realisations, derivations as far as these need them, and the NAR
//! archive format in both directions.
//!
//! Invariants that hold for the whole crate:
//!
//! - No network, no async, no process environment, no output. The only I/O is the NAR packer reading a tree.
//! - Every parser takes any input without panicking, and what it allocates is bounded by the input it was given, never
//!   by a number that the input merely claims.
//! - A parsed value is valid: whoever holds a [`StorePath`], a [`Signature`], … need not check it again, and its text
//!   never holds a line break.
//!
//! Each module names the Nix source file that its format was taken from.

pub mod base32;
mod base64;
mod content_address;
mod content_fingerprint;
mod content_proof;
mod derivation;
mod error;
mod hash;
pub mod nar;
mod narinfo;
mod path_info;
mod path_info_json;
mod realisation;
mod signature;
mod store_path;
mod text_form;

pub use content_address::ContentAddress;
pub use content_fingerprint::ContentFingerprint;
pub use derivation::Derivation;
pub use error::{Error, Result};
pub use hash::{Hasher, NarHash};
pub use nar::{Event, Limits, ListingWriter, NarDecoder, NarReader};
pub use narinfo::{Compression, NarInfo};
pub use path_info::PathInfo;
pub use path_info_json::{PathInfos, parse_path_infos};
pub use realisation::{DrvOutput, OutputName, Realisation, parse_realisations};
pub use signature::{PublicKey, SIGNATURES_OF_A_NAME, SecretKey, Signature};
pub use store_path::{StoreDir, StorePath, StorePathHash};
