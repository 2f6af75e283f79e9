//! What an attacker tries, one file for each threat, by the means of anybody: the command line, the HTTP
//! API and real Nix.

mod forged;
mod poisoned_by_a_colleague;
mod poisoned_by_a_stranger;
