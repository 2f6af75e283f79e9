//! Running nix: the command lines that its versions understand, and what becomes of what they print.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::io;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use fh_nix::StorePath;
use serde::Deserialize;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, BufReader};
use tokio::process::{Child, Command};

use super::tools::{BuildMessages, NixTools};
use crate::error::{Error, Result};
use crate::text::{safe_line, safe_lines};

/// How much of nix's stderr is kept: its end, where the error stands.
const KEPT_STDERR: usize = 8 * 1024;

/// Bytes of paths in one command line. Linux takes a quarter of the stack limit, 2 MiB by default,
/// for arguments and environment together.
const CHUNK: usize = 256 * 1024;

/// Outputs that are asked about in one run: an expression of them is one argument, of which Linux takes 128 KiB.
const OUTPUTS_AT_ONCE: usize = 200;

/// The most that nix may print: the path infos of about a million paths.
const MOST_OUTPUT: u64 = 1024 * 1024 * 1024;

/// How long what nix has left behind, such as a connection to another machine, may keep its output
/// open after nix has ended.
const LINGERING: Duration = Duration::from_secs(1);

/// The first version whose `nix build` knows `--print-out-paths`. Before there is only JSON, which has since changed its
/// shape.
const PRINTS_OUT_PATHS: (u32, u32) = (2, 9);

/// Lets Nix ask no other store about what is not here.
const NOT_ELSEWHERE: [&str; 3] = ["--option", "substituters", ""];

/// How much of a command line is shown.
const SHOWN_COMMAND: usize = 160;

/// What a nix that ended well printed.
type Output = Vec<u8>;

/// The nix of these tools.
pub(super) struct Nix<'a>(pub(super) &'a NixTools);

impl Nix<'_> {
    /// Builds installables; gives back the paths of their outputs.
    pub(super) async fn build(&self, installables: &[OsString]) -> Result<Vec<StorePath>> {
        // Asked beforehand: a build that is tried with a flag that this nix does not know shows an error to people.
        let is_older = self
            .version()
            .await
            .is_some_and(|version| version < PRINTS_OUT_PATHS);
        let mut arguments = self.arguments(&["build"]);
        let format = if is_older {
            "--json"
        } else {
            "--print-out-paths"
        };
        arguments.extend(["--no-link", format].map(OsString::from));
        arguments.extend_from_slice(installables);
        let output = self.run(&arguments, &self.0.messages, None).await?;
        let paths = if is_older {
            built_paths(&output).map_err(|reason| self.output_error(&arguments, reason))?
        } else {
            let text = String::from_utf8_lossy(&output);
            text.lines().map(str::to_owned).collect()
        };
        paths
            .iter()
            .filter(|line| !line.is_empty())
            .map(|line| {
                self.0
                    .store_dir
                    .parse_path(line)
                    .map_err(|error| self.output_error(&arguments, error.to_string()))
            })
            .collect()
    }

    /// The first two numbers of nix's version; none where it does not tell them.
    async fn version(&self) -> Option<(u32, u32)> {
        let mut arguments = self.0.extra_args.clone();
        arguments.push("--version".into());
        let output = self.run_in_time(&arguments).await;
        version(&String::from_utf8_lossy(&output.ok()?))
    }

    /// What `nix path-info -r` tells of these paths, in one or several documents.
    pub(super) async fn path_infos(&self, paths: &BTreeSet<StorePath>) -> Result<Vec<Output>> {
        // A derivation file means its outputs, unless it is said that it means itself; said of
        // another path, that would mean the derivation that it was built by.
        let (derivations, others): (Vec<_>, Vec<_>) =
            paths.iter().partition(|path| path.is_derivation());
        let mut format = None;
        let mut documents = self.told_of(&others, &["-r"], &mut format).await?;
        let flags = ["-r", "--derivation"];
        documents.extend(self.told_of(&derivations, &flags, &mut format).await?);
        Ok(documents)
    }

    /// What `nix path-info` tells of these paths alone, in one or several documents.
    pub(super) async fn path_infos_alone(&self, paths: &[&StorePath]) -> Result<Vec<Output>> {
        self.told_of(paths, &[], &mut None).await
    }

    /// Every shape of JSON is understood, so no format is asked for until a nix insists on it; `format` then
    /// remembers that.
    async fn told_of(
        &self,
        paths: &[&StorePath],
        flags: &[&str],
        format: &mut Option<&str>,
    ) -> Result<Vec<Output>> {
        let mut documents = Vec::new();
        for chunk in self.chunks(paths) {
            documents.push(loop {
                let mut all = vec!["--json"];
                all.extend_from_slice(flags);
                all.extend(NOT_ELSEWHERE);
                all.extend(format.iter().flat_map(|format| ["--json-format", *format]));
                match self.ask(&["path-info"], &all, &chunk).await {
                    Err(Error::ProgramFailed { stderr, .. })
                        if format.is_none() && stderr.contains("--json-format") =>
                    {
                        *format = Some("1");
                    }
                    Err(Error::ProgramFailed { stderr, .. })
                        if !named_invalid(&stderr).is_empty() =>
                    {
                        return Err(Error::InvalidPaths {
                            paths: named_invalid(&stderr),
                        });
                    }
                    result => break result?,
                }
            });
        }
        Ok(documents)
    }

    /// The outputs of derivations, one a line. Versions of nix differ in how that is asked of `nix`
    /// itself, and not in how it is of the older tool beside it.
    pub(super) async fn outputs(&self, derivations: &[&StorePath]) -> Result<Vec<Output>> {
        let program = self.0.program.with_file_name("nix-store");
        let tools = NixTools {
            program,
            ..self.0.clone()
        };
        let mut documents = Vec::new();
        for chunk in self.chunks(derivations) {
            let mut arguments: Vec<OsString> = self.0.extra_args.clone();
            arguments.extend(self.store());
            arguments.extend(["--query", "--outputs"].map(OsString::from));
            arguments.extend(chunk);
            documents.push(Nix(&tools).run_in_time(&arguments).await?);
        }
        Ok(documents)
    }

    /// The outputs of one derivation, one a line. Of a content-addressed one the older tool of 2.8 tells nothing, and
    /// `nix path-info` does: there by the derivation's name, which has meant the derivation itself since 2.15.
    pub(super) async fn outputs_of(&self, derivation: &StorePath) -> Result<Vec<Output>> {
        let refused = match self.outputs(&[derivation]).await {
            Ok(documents) => return Ok(documents),
            Err(error) => error,
        };
        let name = self.0.store_dir.display(derivation);
        for installable in [format!("{name}^*"), name] {
            let about = [installable.into()];
            let asked = self.ask(&["path-info"], &NOT_ELSEWHERE, &about);
            if let Ok(document) = asked.await {
                return Ok(vec![document]);
            }
        }
        Err(refused)
    }

    /// What Nix tells of the realisations of some outputs of derivations, in one or several documents. It tells nothing
    /// where one of them has none. `form` remembers how this version is asked.
    pub(super) async fn realisations(
        &self,
        outputs: &[(StorePath, String)],
        form: &mut Form,
    ) -> Result<Vec<Output>> {
        let mut documents = Vec::new();
        let mut rest = outputs;
        while !rest.is_empty() {
            let (part, after) = rest.split_at(rest.len().min(OUTPUTS_AT_ONCE));
            match self.realisations_at_once(part, *form).await {
                Ok(document) => {
                    documents.push(document);
                    rest = after;
                }
                Err(Error::ProgramFailed { stderr, .. }) if form.next(&stderr).is_some() => {
                    *form = form.next(&stderr).unwrap_or(*form);
                }
                Err(error) => return Err(error),
            }
        }
        Ok(documents)
    }

    async fn realisations_at_once(
        &self,
        outputs: &[(StorePath, String)],
        form: Form,
    ) -> Result<Output> {
        let mut flags = vec!["--extra-experimental-features", "ca-derivations", "--json"];
        flags.extend(NOT_ELSEWHERE);
        let named = outputs
            .iter()
            .map(|(derivation, output)| (self.0.store_dir.display(derivation), output));
        let installables: Vec<OsString> = if form == Form::Expression {
            flags.extend(["--impure", "--expr"]);
            // What makes a derivation of a set for Nix. No character of a store path or an output's name is escaped in a
            // string of the language.
            let mut expression = "{ ".to_owned();
            for (number, (derivation, output)) in named.enumerate() {
                expression.push_str(&format!(
                    "o{number} = {{ type = \"derivation\"; name = \"x\"; system = \"x\"; outPath = \"/x\"; \
                     drvPath = \"{derivation}\"; outputName = \"{output}\"; }}; "
                ));
            }
            expression.push('}');
            let attributes = (0..outputs.len()).map(|number| format!("o{number}").into());
            std::iter::once(expression.into())
                .chain(attributes)
                .collect()
        } else {
            named
                .map(|(derivation, output)| format!("{derivation}^{output}").into())
                .collect()
        };
        self.ask(form.command(), &flags, &installables).await
    }

    fn chunks(&self, paths: &[&StorePath]) -> Vec<Vec<OsString>> {
        let mut chunks: Vec<Vec<OsString>> = Vec::new();
        let mut room = 0;
        for path in paths {
            let path = self.0.store_dir.display(path);
            // The system counts the final NUL and the pointer too.
            let cost = path.len() + 9;
            match chunks.last_mut() {
                Some(chunk) if cost <= room => {
                    chunk.push(path.into());
                    room -= cost;
                }
                _ => {
                    chunks.push(vec![path.into()]);
                    room = CHUNK.saturating_sub(cost);
                }
            }
        }
        chunks
    }

    /// The beginning of a command line.
    fn arguments(&self, command: &[&str]) -> Vec<OsString> {
        let mut arguments = self.0.extra_args.clone();
        arguments
            .extend(["--extra-experimental-features", "nix-command flakes"].map(OsString::from));
        arguments.extend(command.iter().map(OsString::from));
        arguments.extend(self.store());
        arguments
    }

    /// Which store is meant, where it is not the default one.
    fn store(&self) -> impl Iterator<Item = OsString> {
        let store = self.0.store.iter();
        store.flat_map(|store| ["--store".into(), store.into()])
    }

    /// Asks a command about something.
    async fn ask(&self, command: &[&str], flags: &[&str], about: &[OsString]) -> Result<Output> {
        let mut arguments = self.arguments(command);
        arguments.extend(flags.iter().map(OsString::from));
        arguments.extend_from_slice(about);
        self.run_in_time(&arguments).await
    }

    /// Runs a nix that only tells something.
    async fn run_in_time(&self, arguments: &[OsString]) -> Result<Output> {
        let patience = Some(self.0.patience);
        self.run(arguments, &BuildMessages::Kept, patience).await
    }

    /// Runs nix to its end, or as long as it may take. It is killed when the future is dropped.
    async fn run(
        &self,
        arguments: &[OsString],
        messages: &BuildMessages,
        patience: Option<Duration>,
    ) -> Result<Output> {
        let cannot_run = |source: io::Error| Error::CannotRun {
            program: self.0.program.clone(),
            source,
        };
        let child = Command::new(&self.0.program)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(match messages {
                BuildMessages::Inherited => Stdio::inherit(),
                BuildMessages::Kept | BuildMessages::Told(_) => Stdio::piped(),
            })
            .kill_on_drop(true)
            .spawn()
            .map_err(cannot_run)?;
        let mut said = Said::default();
        let ended = match patience {
            Some(limit) => tokio::time::timeout(limit, to_its_end(child, &mut said, messages))
                .await
                .map_err(|_| limit),
            None => Ok(to_its_end(child, &mut said, messages).await),
        };
        let stderr = safe_lines(&said.stderr, KEPT_STDERR);
        let command = || self.command_line(arguments);
        match ended {
            Err(limit) => Err(Error::NixHangs {
                command: command(),
                limit,
                stderr,
            }),
            Ok(Err(error)) => Err(cannot_run(error)),
            Ok(Ok(_)) if said.output.len() as u64 > MOST_OUTPUT => {
                let reason = format!("it is longer than {MOST_OUTPUT} bytes");
                Err(self.output_error(arguments, reason))
            }
            Ok(Ok(status)) if status.success() => Ok(said.output),
            Ok(Ok(status)) => Err(Error::ProgramFailed {
                command: command(),
                status: status.to_string(),
                stderr,
            }),
        }
    }

    fn output_error(&self, arguments: &[OsString], reason: String) -> Error {
        Error::NixOutput {
            command: self.command_line(arguments),
            reason,
        }
    }

    fn command_line(&self, arguments: &[OsString]) -> String {
        let mut line = self.0.program.display().to_string();
        for argument in arguments {
            line.push(' ');
            let argument = argument.to_string_lossy();
            if argument.is_empty() || argument.contains(' ') {
                line.push_str(&format!("'{argument}'"));
            } else {
                line.push_str(&argument);
            }
        }
        safe_line(&line, SHOWN_COMMAND)
    }
}

/// How a version of Nix is asked for the realisations of outputs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Form {
    /// `nix realisation info DERIVATION^OUTPUT`
    #[default]
    Installable,
    /// The same, with an expression: up to 2.12 no installable names an output of a derivation.
    Expression,
    /// `nix store build-trace info DERIVATION^OUTPUT`, from 2.35 on.
    BuildTrace,
}

impl Form {
    fn command(self) -> &'static [&'static str] {
        match self {
            Self::Installable | Self::Expression => &["realisation", "info"],
            Self::BuildTrace => &["store", "build-trace", "info"],
        }
    }

    /// Another form that is to be tried, where Nix has refused this one with these words.
    fn next(self, stderr: &str) -> Option<Self> {
        if self != Self::Installable {
            None
        } else if stderr.contains("is not a valid URL") {
            Some(Self::Expression)
        } else if stderr.contains("is not a recognised command") {
            Some(Self::BuildTrace)
        } else {
            None
        }
    }
}

/// What a nix has printed.
#[derive(Default)]
struct Said {
    output: Vec<u8>,
    /// The end of it.
    stderr: Vec<u8>,
}

/// Waits for nix and reads what it prints.
async fn to_its_end(
    mut child: Child,
    said: &mut Said,
    messages: &BuildMessages,
) -> io::Result<ExitStatus> {
    let stdout = child.stdout.take();
    let stderr = child.stderr.take();
    let reading = async {
        let output = async {
            match stdout {
                // One byte further than is allowed.
                Some(stdout) => {
                    stdout
                        .take(MOST_OUTPUT + 1)
                        .read_to_end(&mut said.output)
                        .await
                }
                None => Ok(0),
            }
        };
        let stderr = read_end(stderr, messages, &mut said.stderr);
        tokio::try_join!(output, stderr).map(drop)
    };
    tokio::pin!(reading);
    tokio::select! {
        biased;
        read = &mut reading => {
            read?;
            child.wait().await
        }
        status = child.wait() => {
            // All that nix itself wrote lies in the pipes: it takes no time to read that.
            if let Ok(read) = tokio::time::timeout(LINGERING, reading).await {
                read?;
            }
            status
        }
    }
}

/// Reads stderr to its end and keeps the last of it.
async fn read_end(
    stream: Option<impl AsyncRead + Unpin>,
    messages: &BuildMessages,
    kept: &mut Vec<u8>,
) -> io::Result<()> {
    let Some(stream) = stream else {
        return Ok(());
    };
    let mut stream = BufReader::new(stream);
    let mut line = Vec::new();
    loop {
        line.clear();
        // A line without an end is cut, so that memory stays bounded.
        let mut limited = (&mut stream).take(KEPT_STDERR as u64);
        if limited.read_until(b'\n', &mut line).await? == 0 {
            return Ok(());
        }
        if let BuildMessages::Told(tell) = messages {
            tell(&safe_lines(&line, KEPT_STDERR));
        }
        kept.extend_from_slice(&line);
        if kept.len() > 2 * KEPT_STDERR {
            kept.drain(..kept.len() - KEPT_STDERR);
        }
    }
}

/// The first two numbers of `nix (Nix) 2.8.0`, `nix (Determinate Nix 3.6.2) 2.29.0`, `nix (Lix, like Nix) 2.91.1`.
fn version(told: &str) -> Option<(u32, u32)> {
    let word = told.lines().next()?.split_whitespace().next_back()?;
    let mut numbers = word.split('.').map(|part| {
        let digits = part
            .find(|c: char| !c.is_ascii_digit())
            .unwrap_or(part.len());
        part[..digits].parse().ok()
    });
    Some((numbers.next()??, numbers.next()??))
}

/// The paths that nix says are not valid: `error: path '/nix/store/…' is not valid`.
fn named_invalid(stderr: &str) -> Vec<String> {
    stderr
        .lines()
        .filter(|line| line.contains("error:"))
        .filter_map(|line| {
            let (path, rest) = line.split_once("path '")?.1.split_once('\'')?;
            let says = ["is not valid", "does not exist"];
            says.iter()
                .any(|words| rest.trim_start().starts_with(words))
                .then(|| path.to_owned())
        })
        .collect()
}

/// One entry of `nix build --json`, or of the array that it is.
#[derive(Deserialize)]
#[serde(untagged)]
enum Built {
    Opaque(String),
    Derivation {
        outputs: std::collections::BTreeMap<String, String>,
    },
    Path {
        path: String,
    },
}

fn built_paths(json: &[u8]) -> std::result::Result<Vec<String>, String> {
    let built: Vec<Built> = serde_json::from_slice(json).map_err(|error| error.to_string())?;
    Ok(built
        .into_iter()
        .flat_map(|built| match built {
            Built::Opaque(path) | Built::Path { path } => vec![path],
            Built::Derivation { outputs } => outputs.into_values().collect(),
        })
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_read_of_whoever_made_the_nix() {
        for (told, expected) in [
            ("nix (Nix) 2.8.0\n", Some((2, 8))),
            ("nix (Nix) 2.35pre20260701_abcdef\n", Some((2, 35))),
            ("nix (Determinate Nix 3.6.2) 2.29.0\n", Some((2, 29))),
            (
                "nix (Lix, like Nix) 2.91.1\nSystem type: x86_64-linux\n",
                Some((2, 91)),
            ),
            ("", None),
            ("nix", None),
            ("[{\"path\":\"/nix/store/x-1.0\"}]", None),
        ] {
            assert_eq!(version(told), expected, "{told:?}");
        }
        assert!(version("nix (Nix) 2.8.1").unwrap() < PRINTS_OUT_PATHS);
        assert!(version("nix (Nix) 2.10.0").unwrap() > PRINTS_OUT_PATHS);
    }
}
