//! Developer commands of `fh`: `cargo xtask help` lists them.
//!
//! Each command is a module. None builds any of the product's crates into this binary: xtask has to
//! start fast, and to work while the product does not compile. What it needs of `fh` it starts as a
//! program.

mod bench;
mod cargo;
mod closure;
mod demo;
mod generate;
mod http;
mod interrupt;
mod lint;
mod nix;
mod process;
mod say;
mod server;
mod test;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Developer commands of fh
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Demo(demo::Arguments),
    Test(test::Arguments),
    Lint(lint::Arguments),
    Gen(generate::Arguments),
    Nix(nix::Arguments),
    Closure(closure::Arguments),
    Bench(bench::Arguments),
}

fn main() -> ExitCode {
    let command = Arguments::parse().command;
    let result = interrupt::catch().and_then(|()| run(&command));
    match result {
        Ok(()) => ExitCode::SUCCESS,
        // A child that Ctrl-C ended too reports that in its own way; the reason is the same.
        Err(_) if interrupt::check().is_err() => {
            say::note("interrupted");
            // What a shell reports for a program ended by SIGINT.
            ExitCode::from(130)
        }
        Err(error) => {
            say::error(&error);
            ExitCode::FAILURE
        }
    }
}

fn run(command: &Command) -> anyhow::Result<()> {
    match command {
        Command::Demo(arguments) => demo::run(arguments),
        Command::Test(arguments) => test::run(arguments),
        Command::Lint(arguments) => lint::run(arguments),
        Command::Gen(arguments) => generate::run(arguments),
        Command::Nix(arguments) => nix::run(arguments),
        Command::Closure(arguments) => closure::run(arguments),
        Command::Bench(arguments) => bench::run(arguments),
    }
}
