//! The command line from the outside: the real program, in a world of its own, against a real
//! server in this process.
//!
//! Every run has a cleared environment and a home directory that goes with the test; there is no
//! Nix in its search path but where a test brings one.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod absent;
mod activation;
mod answering;
mod audit;
mod completion;
mod confirm;
mod determinate;
mod doctor;
mod foreign;
mod help;
mod hostile;
mod invitations;
mod keyring;
mod lists;
mod login;
mod login_certificates;
mod login_lines;
mod login_refused;
mod logout;
mod manage;
mod nix_config;
mod output;
mod prompt;
mod provision;
mod push;
mod push_limits;
mod rename;
mod renew;
mod scopes;
mod serve;
mod serve_check;
#[cfg(target_os = "linux")]
mod signals;
mod status;
mod teams;
mod token;
mod trouble;
mod trust;
mod workload;
mod world;
