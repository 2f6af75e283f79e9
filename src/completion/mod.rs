//! What a shell is told at TAB.
//!
//! ```text
//! TAB → the shell's script (`fh completion bash`) → FH_COMPLETE=bash fh -- fh push ac
//!     → clap's definition of the command line, and for names of flakes what `names` remembers
//! ```
//!
//! Whatever goes wrong here stays silent: a person who types gets no candidates, never an error in
//! the middle of their line.

mod line;
mod names;

use std::ffi::OsStr;
use std::io::Write as _;
use std::process::ExitCode;

use clap_complete::engine::{ArgValueCompleter, CompletionCandidate};
use clap_complete::env::Shells;

use crate::error::CommandError;
use crate::settings::{Environment, variables};

pub(crate) use names::{REMEMBER_NAMES, Refresh, refresh};

/// The shells that there are scripts for.
pub(crate) const SHELLS: &[&str] = &["bash", "zsh", "fish", "elvish", "powershell"];

/// Where zsh loads the script from its `fpath`, it does so at the first TAB, which is to be answered
/// too.
const ZSH_FIRST_TAB: &str = "
if [[ \"$funcstack[1]\" = \"_fh\" ]]; then
    _clap_dynamic_completer_fh \"$@\"
fi
";

/// The script that a shell of [`SHELLS`] loads.
pub(crate) fn script(shell: &str) -> Result<Vec<u8>, CommandError> {
    let mut script = Vec::new();
    let shells = Shells::builtins();
    let completer = shells
        .completer(shell)
        .ok_or_else(|| CommandError::failed(format!("there are no completions for {shell}")))?;
    completer
        .write_registration(variables::FH_COMPLETE.name, "fh", "fh", "fh", &mut script)
        .map_err(|error| CommandError::failed(format!("cannot write the script: {error}")))?;
    if shell == "zsh" {
        script.extend_from_slice(ZSH_FIRST_TAB.as_bytes());
    }
    Ok(script)
}

/// Answers the script of a shell out of the command line's `definition`; none where this is no question of a
/// shell's.
pub(crate) fn respond(
    environment: &Environment,
    definition: fn() -> clap::Command,
) -> Option<ExitCode> {
    let shell = environment.get(&variables::FH_COMPLETE)?;
    let words = line::words();
    // Without words somebody has set the variable by hand: nothing to say.
    let (Some(shell), false) = (shell.to_str(), words.is_empty()) else {
        return Some(ExitCode::FAILURE);
    };
    let mut candidates = Vec::new();
    let answered = Shells::builtins().completer(shell).is_some_and(|shell| {
        let mut command = definition();
        command.build();
        let directory = std::env::current_dir().ok();
        shell
            .write_complete(&mut command, words, directory.as_deref(), &mut candidates)
            .and_then(|()| std::io::stdout().write_all(&candidates))
            .is_ok()
    });
    Some(if answered {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Completes names of flakes, `org/project`.
pub(crate) fn flakes() -> ArgValueCompleter {
    ArgValueCompleter::new(|current: &OsStr| starting_with(current, names::flakes()))
}

/// Completes names of organisations: those that flakes in the view belong to.
pub(crate) fn organizations() -> ArgValueCompleter {
    ArgValueCompleter::new(|current: &OsStr| starting_with(current, names::organizations()))
}

/// Completes addresses of servers that are logged in to.
pub(crate) fn servers() -> ArgValueCompleter {
    ArgValueCompleter::new(|current: &OsStr| starting_with(current, names::servers()))
}

fn starting_with(current: &OsStr, names: Vec<names::Named>) -> Vec<CompletionCandidate> {
    let Some(current) = current.to_str() else {
        return Vec::new();
    };
    names
        .into_iter()
        .filter(|named| named.name.starts_with(current))
        .map(|named| CompletionCandidate::new(named.name).help(named.about.map(Into::into)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shell_has_a_script_that_asks_fh() {
        for shell in SHELLS {
            let script = String::from_utf8(script(shell).unwrap()).unwrap();
            assert!(script.contains("FH_COMPLETE"), "{shell}: {script}");
        }
    }
}
