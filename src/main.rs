//! The `fh` program. Everything it does is in the library beside it, where tests and `cargo xtask`
//! can reach it.

use std::process::ExitCode;

fn main() -> ExitCode {
    fh::main()
}
