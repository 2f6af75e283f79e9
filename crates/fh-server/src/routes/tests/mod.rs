//! The routes as a client meets them, in process.

mod flakes;
mod matrix;
mod requests;
mod revocation;
mod secrecy;
mod tokens;
