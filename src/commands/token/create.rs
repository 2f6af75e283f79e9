//! `fh token create`.

use clap::{Args, ValueEnum};
use fh_api::{CreateToken, Discovery, FlakePattern, MintedToken, Name, Permission};
use fh_client::ServerUrl;
use time::OffsetDateTime;

use super::super::joined;
use crate::cli::words;
use crate::context::Context;
use crate::error::CommandError;
use crate::output::human;

/// Make a token, and print it: the only time that it is shown
///
/// A token never allows more than the one that makes it, nor more than its user may do. Without
/// options it is one of yours that can read what you can read, for 90 days.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  fh token create > my.token
  fh token create --user builder-1 --permission pull --permission push --flake 'acme/*' > ci.token
  fh token create --expires 12h --flake acme/app --output netrc >> /etc/nix/netrc

Protect the file that you write one to: `umask 077` before, or `chmod 600 FILE` after.")]
pub(crate) struct CreateArguments {
    /// For whom (server administrators, where it is not yourself)
    #[arg(long, value_name = "USER")]
    user: Option<Name>,

    /// What it is for, as `fh token list` will show it
    #[arg(long, value_name = "TEXT")]
    description: Option<String>,

    /// How long it is good: a number and s, m, h, d, w or y [default: the server's, 90d]
    #[arg(long, value_name = "TIME", value_parser = crate::duration::parse)]
    expires: Option<u64>,

    /// What it may be used for; may be repeated [default: pull]
    #[arg(long = "permission", value_name = "WORD", value_parser = words::<Permission>(Permission::WORDS))]
    permissions: Vec<Permission>,

    /// Which flakes it reaches: ORG/PROJECT, 'ORG/*' or '*'; may be repeated
    /// [default: all that the token which makes it reaches]
    #[arg(long = "flake", value_name = "PATTERN", add = crate::completion::flakes())]
    flakes: Vec<FlakePattern>,

    /// What to print: the token alone, JSON with what is kept of it, or lines for a netrc file
    #[arg(long, value_name = "FORM", value_enum, default_value_t = Form::Raw)]
    output: Form,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Form {
    Raw,
    Json,
    Netrc,
}

fn some<T>(list: Vec<T>) -> Option<Vec<T>> {
    (!list.is_empty()).then_some(list)
}

pub(super) fn run(arguments: CreateArguments, context: &Context) -> Result<(), CommandError> {
    let form = match arguments.output {
        Form::Raw if context.output.is_json() => Form::Json,
        form => form,
    };
    let new = CreateToken {
        user: arguments.user,
        description: arguments.description,
        expires_in: arguments.expires,
        permissions: some(arguments.permissions),
        flakes: some(arguments.flakes),
        closures: None,
        signed_by: None,
        networks: None,
    };
    let client = context.client_with_token()?;
    let (minted, discovery) = context.change("cannot make the token", async {
        // First what can fail without leaving a token behind that nobody has seen.
        let discovery = match form {
            Form::Netrc => Some(client.discovery().await?),
            Form::Raw | Form::Json => None,
        };
        Ok((client.create_token(&new).await?, discovery))
    })?;
    let printed = match discovery {
        Some(discovery) => netrc(&minted, &discovery, context),
        None if form == Form::Json => context.output.json(&minted),
        None => context.output.text(&format!("{}\n", minted.token)),
    };
    printed.map_err(|error| {
        error.hint(format!(
            "The token was made and is lost: `fh token revoke {}`",
            minted.info.id
        ))
    })?;
    describe(&minted, context);
    Ok(())
}

/// An entry for each host that Nix and the API are at.
fn netrc(
    minted: &MintedToken,
    discovery: &Discovery,
    context: &Context,
) -> Result<(), CommandError> {
    let mut hosts: Vec<String> = Vec::new();
    for address in [&discovery.cache_url, &discovery.api_url] {
        let address: ServerUrl = address.parse()?;
        let host = address.host().trim_matches(['[', ']']).to_owned();
        if !hosts.contains(&host) {
            hosts.push(host);
        }
    }
    let lines: String = hosts
        .iter()
        .map(|host| {
            format!(
                "machine {host} login {} password {}\n",
                minted.info.user, minted.token
            )
        })
        .collect();
    context.output.text(&lines)
}

fn describe(minted: &MintedToken, context: &Context) {
    let info = &minted.info;
    context.output.remark(&format!(
        "Made the token {} for {}: {} on {}, until {}.",
        info.id,
        info.user,
        joined(&info.permissions),
        joined(&info.flakes),
        human::date(info.expires_at, OffsetDateTime::now_utc()),
    ));
    if stdout_is_exposed() {
        context.output.warning(
            "others on this machine can read the file that the token was written to.\n\
             Make it yours alone: `chmod 600 FILE`",
        );
    }
}

/// Whether stdout is a file that group or others can read.
fn stdout_is_exposed() -> bool {
    rustix::fs::fstat(std::io::stdout()).is_ok_and(|stat| {
        let kind = rustix::fs::FileType::from_raw_mode(stat.st_mode);
        kind == rustix::fs::FileType::RegularFile && stat.st_mode & 0o044 != 0
    })
}
