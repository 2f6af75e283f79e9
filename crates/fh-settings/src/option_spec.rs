//! What an option is, apart from which ones there are.

use std::fmt;

use super::draft::Draft;

/// One option of `fh serve`.
#[derive(Clone, Copy)]
pub struct OptionSpec {
    /// The key in the TOML file; with `--` before it, the flag.
    pub key: &'static str,
    /// The environment variable: `FH_SERVE_` and the key.
    pub variable: &'static str,
    /// Under which heading help and example file show it.
    pub section: Section,
    /// What stands for the value in help.
    pub value_name: &'static str,
    /// Full sentences; the first paragraph is the short help.
    pub help: &'static str,
    /// What holds where nothing is given; `None` where there is no fixed text for that.
    pub default: Option<&'static str>,
    /// A value to show in the example file where there is no default.
    pub example: &'static str,
    /// May be given several times (a TOML array; separated by commas in the environment).
    pub repeated: bool,
    /// The value is a path: a relative one in a file counts from the file's directory.
    pub is_path: bool,
    /// Parses one text and puts it into the settings.
    pub(super) set: fn(&mut Draft, &str) -> Result<(), String>,
}

impl fmt::Debug for OptionSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OptionSpec")
            .field("key", &self.key)
            .finish_non_exhaustive()
    }
}

/// Headings of help and example file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Section {
    /// Where the data lies, and what the server is known by.
    Server,
    /// The certificate and its key, if the server speaks TLS itself.
    Tls,
    /// What the cache says of itself.
    Cache,
    /// Who may do what on the server itself.
    Access,
    /// How long tokens last.
    Tokens,
    /// Largest bodies and the like.
    Limits,
    /// How long the server waits.
    Timeouts,
    /// What is logged, and in which form.
    Log,
}

impl Section {
    /// The heading of the section in the commented file.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Self::Server => "Server",
            Self::Tls => "TLS",
            Self::Cache => "Cache",
            Self::Access => "Access",
            Self::Tokens => "Tokens",
            Self::Limits => "Limits",
            Self::Timeouts => "Time-outs",
            Self::Log => "Log",
        }
    }
}

/// What most options share, for the tables of them.
pub(super) const BLANK: OptionSpec = OptionSpec {
    key: "",
    variable: "",
    section: Section::Server,
    value_name: "TEXT",
    help: "",
    default: None,
    example: "",
    repeated: false,
    is_path: false,
    set: |_, _| Ok(()),
};
