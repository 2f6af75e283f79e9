//! What the server keeps: rows in tables and objects in a storage.
//!
//! ```text
//! tenure    which server may write to a data directory
//! database  tables, transactions, generations ─▶ fh-sql
//! storage   objects and uploads, as files      ─▶ fh-file
//! room      what is left on the disk for taking access away
//! ```
//!
//! Invariants:
//! - nothing here knows HTTP, nor decides who may do what;
//! - what was acknowledged is on disk.
#![allow(
    missing_docs,
    rustdoc::private_intra_doc_links,
    reason = "the crate of one program: what the name of a column tells needs no sentence"
)]

pub mod cause;
pub mod checksum;
pub mod clock;
pub mod database;
pub mod identity;
pub mod room;
pub mod storage;
pub mod tenure;
