//! The routes as a client meets them, in process.

mod access;
mod access_lists;
mod audit;
mod flakes;
mod follows;
mod invitations;
mod late;
mod matrix;
mod model;
mod no_room;
mod organizations;
mod renames;
mod renewal;
mod requests;
mod revocation;
mod rotation;
mod secrecy;
mod signing_keys;
mod substituters;
mod threats;
mod tokens;
mod trust;
