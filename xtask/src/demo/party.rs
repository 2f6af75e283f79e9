//! Somebody with a home directory, a Nix and an `fh`.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use fh_testkit::nix::closure::Closure;
use fh_testkit::nix::{Home, Nix, ScratchStore};

use crate::process::{Finished, finish};
use crate::say;
use crate::server::Server;

/// One of those who act in the demonstration.
pub(super) struct Party<'a> {
    name: &'static str,
    home: Home,
    nix: &'a Nix,
    fh: &'a Path,
    scratch: &'a Path,
}

impl<'a> Party<'a> {
    pub(super) fn new(
        name: &'static str,
        nix: &'a Nix,
        fh: &'a Path,
        scratch: &'a Path,
    ) -> Result<Self> {
        Ok(Self {
            name,
            home: Home::at(&scratch.join(name))?,
            nix,
            fh,
            scratch,
        })
    }

    pub(super) fn home(&self) -> &Home {
        &self.home
    }

    /// Begins an act of this party.
    pub(super) fn enter(&self, title: &str) {
        say::step(title);
        say::line(&format!("  # {}: HOME=$PWD/{}", self.name, self.name));
    }

    /// Runs `fh`, shows it, and fails if it does.
    pub(super) fn fh(&self, arguments: &[&str]) -> Result<String> {
        let finished = self.quietly(arguments)?;
        say::command(&words("fh", arguments));
        self.show(&finished.stdout);
        self.show(&finished.stderr);
        ensure!(
            finished.status.success(),
            "`{}` failed: {}",
            words("fh", arguments),
            finished.status
        );
        Ok(finished.stdout)
    }

    /// `fh login` with the token in a file.
    pub(super) fn log_in(&self, server: &Server, token_file: &str) -> Result<()> {
        let url = server.url();
        let login = ["login", "--scope", "user", "--server", &url];
        self.fh(&[&login[..], &["--token-file", token_file]].concat())
            .map(drop)
    }

    /// Makes a token for `user`, keeps it in `<user>.token` and returns it; it is not printed.
    pub(super) fn token(&self, user: &str) -> Result<String> {
        let create = ["token", "create", "--user", user, "--permission", "pull"];
        let arguments = [&create[..], &["--output", "raw"]].concat();
        let finished = self.quietly(&arguments)?;
        let file = format!("{user}.token");
        say::command(&format!("{} > {file}", words("fh", &arguments)));
        self.show(&finished.stderr);
        ensure!(
            finished.status.success(),
            "no token for {user}: {}",
            finished.status
        );
        fs::write(self.scratch.join(file), &finished.stdout)?;
        Ok(finished.stdout.trim().to_owned())
    }

    /// Shows output; the scratch directory is `$PWD` in it, as everything is run in there.
    fn show(&self, output: &str) {
        let scratch = self.scratch.to_string_lossy();
        say::output(output.trim_end().replace(&*scratch, "$PWD").as_str());
    }

    fn quietly(&self, arguments: &[&str]) -> Result<Finished> {
        let mut command = Command::new(self.fh);
        self.nix.adopt(&mut command, &self.home);
        finish(command.args(arguments).current_dir(self.scratch))
    }

    /// Shows what `fh login` wrote for Nix, but for the secret in it.
    pub(super) fn show_nix_configuration(&self) -> Result<()> {
        let directory = self.home.config().join("nix");
        for file in ["nix.conf", "netrc"] {
            let path = directory.join(file);
            let text = fs::read_to_string(&path)
                .with_context(|| format!("fh login wrote no {}", path.display()))?;
            say::command(&format!("cat {}/.config/nix/{file}", self.name));
            self.show(&without_secrets(&text));
        }
        Ok(())
    }

    /// Lets Nix get the top of `closure` into `store`; that it cannot is no error here.
    pub(super) fn realise(&self, store: &ScratchStore, closure: &Closure) -> Result<Finished> {
        let mut command = self.nix.command("nix-store", &self.home);
        command
            .args(["--realise", &closure.top, "--store"])
            .arg(store.uri())
            .current_dir(self.scratch);
        let finished = finish(&mut command)?;
        let shown = store
            .root()
            .file_name()
            .map(|name| name.to_string_lossy().into_owned())
            .unwrap_or_default();
        say::command(&format!(
            "nix-store --realise {} --store 'local?root=$PWD/{shown}'",
            closure.top
        ));
        self.show(&finished.stdout);
        self.show(&finished.stderr);
        Ok(finished)
    }
}

/// The words after `password` are replaced.
fn without_secrets(netrc: &str) -> String {
    let mut secret = false;
    let mut text = String::new();
    for word in netrc.split_inclusive(char::is_whitespace) {
        if secret && !word.trim().is_empty() {
            text.push_str("<the token>");
            text.push_str(&word[word.trim_end().len()..]);
            secret = false;
        } else {
            secret |= word.trim_end() == "password";
            text.push_str(word);
        }
    }
    text
}

fn words(program: &str, arguments: &[&str]) -> String {
    std::iter::once(program.to_owned())
        .chain(arguments.iter().map(|argument| say::word(argument)))
        .collect::<Vec<_>>()
        .join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_never_shown() {
        assert_eq!(
            without_secrets("# hi\nmachine a\nlogin b\npassword s3cret\nmachine c password  d"),
            "# hi\nmachine a\nlogin b\npassword <the token>\nmachine c password  <the token>"
        );
    }

    #[test]
    fn words_are_quoted_as_a_shell_needs_them() {
        assert_eq!(
            words("fh", &["push", "a b", "it's"]),
            "fh push 'a b' 'it'\\''s'"
        );
    }
}
