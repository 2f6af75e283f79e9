//! The routes as a client meets them, in process.

mod audit;
mod flakes;
mod matrix;
mod model;
mod requests;
mod revocation;
mod secrecy;
mod signing_keys;
mod tokens;
