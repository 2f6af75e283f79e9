//! The options that every command takes, as they are typed.

use clap::{ArgAction, Args, ValueEnum};

/// The options that every command takes.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Options of every command")]
pub(crate) struct GlobalOptions {
    /// The server to talk to [env: FH_SERVER] [default: the one logged in to last]
    #[arg(long, global = true, value_name = "URL", id = "server")]
    pub(crate) server: Option<String>,

    /// The address of FlakeHub's API [env: FH_API_ADDR]
    #[arg(long, global = true, value_name = "URL", hide = true)]
    pub(crate) api_addr: Option<String>,

    /// The address of FlakeHub's cache [env: FH_CACHE_ADDR]
    #[arg(long, global = true, value_name = "URL", hide = true)]
    pub(crate) cache_addr: Option<String>,

    /// The address of FlakeHub's web site [env: FH_FRONTEND_ADDR]
    #[arg(long, global = true, value_name = "URL", hide = true)]
    pub(crate) frontend_addr: Option<String>,

    /// Without a token, do not use the identity of the CI job or the machine [env: FH_WORKLOAD=off]
    #[arg(long, global = true, hide = true)]
    pub(crate) no_workload: bool,

    /// Print JSON [env: FH_OUTPUT_JSON]
    #[arg(long, global = true, id = "json")]
    pub(crate) json: bool,

    /// Show every column of a list, and ids in full
    #[arg(long, global = true, id = "wide")]
    pub(crate) wide: bool,

    /// When to use colours; `auto` uses them on a terminal, unless NO_COLOR is set [default: auto]
    #[arg(long, global = true, value_name = "WHEN", value_enum, id = "color")]
    pub(crate) color: Option<ColorWhen>,

    /// Show no progress and no notes; warnings and errors stay
    #[arg(short, long, global = true, id = "quiet")]
    pub(crate) quiet: bool,

    /// Show more of what is being done; repeat it for more [env: FH_VERBOSITY]
    #[arg(short, long, global = true, action = ArgAction::Count)]
    pub(crate) verbose: u8,
}

/// When colours are shown.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum ColorWhen {
    // On a terminal, unless a variable says that it has none. No doc comment: that would be help, and longer.
    #[default]
    Auto,
    Always,
    Never,
}
