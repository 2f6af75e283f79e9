//! One version of Nix, and how to start its tools.

use std::ffi::{OsStr, OsString};
use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};

use super::Home;
use crate::debian::Unpacked;

/// [`Nix::origin`] of the machine's own.
pub(super) const INSTALLED: &str = "installed on this machine";

/// Every tool that Nix comes with, in all versions since 2.8. They are one program that does what
/// its name says.
const TOOLS: &[&str] = &[
    "nix",
    "nix-build",
    "nix-channel",
    "nix-collect-garbage",
    "nix-copy-closure",
    "nix-daemon",
    "nix-env",
    "nix-hash",
    "nix-instantiate",
    "nix-prefetch-url",
    "nix-shell",
    "nix-store",
];

/// A version of Nix that can be started on this machine.
#[derive(Clone, Debug)]
pub struct Nix {
    version: String,
    origin: String,
    /// A directory that holds this version's tools and nothing else.
    tools: PathBuf,
}

impl Nix {
    /// The version number alone, such as `2.26.3`.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.version
    }

    /// Where it came from, for people: `installed on this machine`, `Debian trixie`.
    #[must_use]
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// Whether this is `major.minor` or later.
    #[must_use]
    pub fn is_at_least(&self, major: u32, minor: u32) -> bool {
        self.ordering_key() >= (major, minor, 0)
    }

    /// Major, minor and patch number.
    pub(super) fn ordering_key(&self) -> (u32, u32, u32) {
        let mut numbers = self
            .version
            .split(|character: char| !character.is_ascii_digit())
            .map(|number| number.parse().unwrap_or(0));
        let mut next = || numbers.next().unwrap_or(0);
        (next(), next(), next())
    }

    /// A directory whose programs are this version's tools: put first in a child's `PATH`, it makes
    /// the child find this version.
    #[must_use]
    pub fn tools(&self) -> &Path {
        &self.tools
    }

    /// A `PATH`: this version's tools, then what the caller's own `PATH` has.
    #[must_use]
    pub fn search_path(&self) -> OsString {
        let mut path = self.tools.clone().into_os_string();
        if let Some(inherited) = std::env::var_os("PATH") {
            path.push(":");
            path.push(inherited);
        }
        path
    }

    /// A command that runs one of this version's tools (`nix`, `nix-store`, …) in the world of
    /// `home`: nothing of the caller's environment is passed on but `PATH` and `TMPDIR`.
    #[must_use]
    pub fn command(&self, tool: &str, home: &Home) -> Command {
        let mut command = Command::new(self.tools.join(tool));
        self.adopt(&mut command, home);
        command
    }

    /// Gives any other command, such as `fh`, the same world: it finds this version as `nix`.
    pub fn adopt(&self, command: &mut Command, home: &Home) {
        command
            .env_clear()
            .envs(home.environment())
            .env("PATH", self.search_path())
            .stdin(std::process::Stdio::null());
    }

    /// Runs a tool to its end and returns what it printed.
    ///
    /// # Errors
    /// When it fails; the message holds the command and all of its stderr.
    pub fn run<I, A>(&self, tool: &str, home: &Home, arguments: I) -> Result<String>
    where
        I: IntoIterator<Item = A>,
        A: AsRef<OsStr>,
    {
        let mut command = self.command(tool, home);
        command.args(arguments);
        output_of(&mut command)
    }

    /// The Nix installed on this machine as `program`; its tools are linked from `directory`.
    pub(super) fn installed(program: &Path, directory: &Path) -> Result<Self> {
        let tools = directory.join("bin");
        fs::create_dir_all(&tools)?;
        for tool in TOOLS {
            let original = program.with_file_name(tool);
            let link = tools.join(tool);
            if fs::read_link(&link).is_ok_and(|target| target == original) {
                continue;
            }
            replace_with(&link, |new| symlink(&original, new))?;
        }
        Self::opened(INSTALLED.to_owned(), tools)
    }

    /// The Nix in `unpacked`; scripts that start its tools are written to `directory`.
    pub(super) fn unpacked(origin: String, unpacked: &Unpacked, directory: &Path) -> Result<Self> {
        ensure!(
            unpacked.has("usr/bin/nix"),
            "the unpacked packages hold no usr/bin/nix"
        );
        let tools = directory.join("bin");
        fs::create_dir_all(&tools)?;
        for tool in TOOLS {
            write_script(&tools, tool, tool, unpacked, &tools)?;
        }
        write_script(&tools, BUILD_HOOK, "build-remote", unpacked, &tools)?;
        Self::opened(origin, tools)
    }

    /// The Nix whose tools `directory/bin` already holds.
    pub(super) fn opened(origin: String, tools: PathBuf) -> Result<Self> {
        let output = output_of(
            Command::new(tools.join("nix"))
                .arg("--version")
                .env_remove("NIX_CONFIG"),
        )?;
        // "nix (Nix) 2.8.0"; distributions put more words in front, never behind.
        let version = output
            .split_whitespace()
            .next_back()
            .unwrap_or_default()
            .to_owned();
        ensure!(
            version.starts_with(|first: char| first.is_ascii_digit()),
            "`nix --version` said {output:?}, which names no version"
        );
        Ok(Self {
            version,
            origin,
            tools,
        })
    }
}

/// The script for Nix's build hook; not a tool for people, and so not called like one.
const BUILD_HOOK: &str = ".build-hook";

/// Writes a script that starts the unpacked Nix under the name `tool`.
///
/// Nix starts its build hook as its own executable, which for an unpacked Nix is the dynamic loader;
/// so each script also says which program the hook is, before whatever configuration it is given.
fn write_script(
    directory: &Path,
    file: &str,
    tool: &str,
    unpacked: &Unpacked,
    tools: &Path,
) -> Result<()> {
    let mut script = String::from("#!/bin/sh\n");
    let hook = tools.join(BUILD_HOOK);
    let _ = writeln!(
        script,
        "NIX_CONFIG={}\"${{NIX_CONFIG-}}\"\nexport NIX_CONFIG",
        quoted(&format!("build-hook = {}\n", hook.display()))
    );
    script.push_str("exec");
    for word in unpacked.words(tool, "usr/bin/nix") {
        script.push(' ');
        script.push_str(&quoted(&word.to_string_lossy()));
    }
    script.push_str(" \"$@\"\n");
    replace_with(&directory.join(file), |new| {
        fs::write(new, &script)?;
        fs::set_permissions(new, fs::Permissions::from_mode(0o755))
    })
}

/// Makes `path` by `make` under another name first, so that nobody ever starts half a script.
fn replace_with(path: &Path, make: impl FnOnce(&Path) -> std::io::Result<()>) -> Result<()> {
    let new = path.with_extension(format!("new-{}", std::process::id()));
    let _ = fs::remove_file(&new);
    make(&new)
        .and_then(|()| fs::rename(&new, path))
        .with_context(|| format!("cannot write {}", path.display()))
}

fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', "'\\''"))
}

/// Runs a command to its end and returns what it printed on stdout.
///
/// # Errors
/// When it cannot start or fails; the message holds the command and all of its stderr.
pub(super) fn output_of(command: &mut Command) -> Result<String> {
    let output = command
        .output()
        .with_context(|| format!("could not start {}", words_of(command)))?;
    ensure!(
        output.status.success(),
        "{}: {}\n{}",
        words_of(command),
        output.status,
        String::from_utf8_lossy(&output.stderr).trim_end()
    );
    String::from_utf8(output.stdout)
        .with_context(|| format!("{} printed something else than text", words_of(command)))
}

/// The tool's name and its arguments, for messages.
fn words_of(command: &Command) -> String {
    let program = Path::new(command.get_program());
    let name = program.file_name().unwrap_or(program.as_os_str());
    std::iter::once(name)
        .chain(command.get_args())
        .map(OsStr::to_string_lossy)
        .collect::<Vec<_>>()
        .join(" ")
}
