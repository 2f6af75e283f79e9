//! `fh token create`: a token with chosen limits, printed once, in a file, or stored as the login.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use fh_api::{
    CreateToken, Discovery, FlakePattern, MintedToken, Name, Network, Permission, SubstituterInfo,
};
use fh_client::closure::BuildMessages;
use fh_client::{Client, NixTools, Reading, ServerUrl, TokenStore};
use fh_nix::PublicKey;
use secrecy::SecretString;
use time::OffsetDateTime;

use super::super::reach::Reach;
use super::out::NewFile;
use crate::advice::warn_of_absent;
use crate::arguments::{OTHER_WORDS, words_or};
use crate::context::Context;
use crate::error::CommandError;
use crate::keyring;
use crate::output::human;
use crate::text::joined;

/// Create a token and print it; it is shown only this once
///
/// A token never allows more than the token that creates it, nor more than its user may do. By default it is
/// for you, can read what you can read, and is valid for 90 days.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  fh token create --out my.token
  fh token create --user builder-1 --permission read --permission write --flake 'acme/*' \\
    --out ci.token
  fh token create --expires 12h --flake acme/app --output netrc >> /etc/nix/netrc
  fh token create --closure ./result --network 10.0.0.0/8 --out deploy.token
  fh token create --signed-by 'ci.example.org:mVd…=' --expires 1y --out fleet.token

With --closure and --signed-by a token reads only certain paths: the closures of the given paths,
and what was pushed with a valid signature of one of the given keys. Such a token can only read.

")]
pub(crate) struct CreateArguments {
    /// Create it for this account: a service account of an organisation that you administer, or any account for
    /// server administrators
    #[arg(long, value_name = "USER")]
    user: Option<Name>,

    /// A description, which `fh token list` shows
    #[arg(long, value_name = "TEXT")]
    description: Option<String>,

    /// How long it is valid: a number and s, m, h, d, w or y [default: the server's, 90d]
    #[arg(long, value_name = "TIME", value_parser = fh_api::duration::parse_seconds)]
    expires: Option<u64>,

    /// What it may be used for; may be repeated [default: read]
    #[arg(long = "permission", value_name = "PERMISSION", value_parser = words_or::<Permission>(Permission::WORDS, OTHER_WORDS))]
    permissions: Vec<Permission>,

    /// Which flakes it reaches: ORG/PROJECT, 'ORG/*' or '*'; may be repeated
    /// [default: all that the creating token reaches]
    #[arg(long = "flake", value_name = "ORG/PROJECT|ORG/*", add = crate::completion::flakes())]
    flakes: Vec<FlakePattern>,

    /// Read only the closure of this: a store path, a link to one such as ./result, or an installable
    /// such as .#hello, which is built; may be repeated
    #[arg(long = "closure", value_name = "PATH", value_hint = clap::ValueHint::AnyPath)]
    closures: Vec<OsString>,

    /// Read only what this public key (NAME:BASE64) has signed; may be repeated
    #[arg(long = "signed-by", value_name = "KEY")]
    signed_by: Vec<PublicKey>,

    /// Accept it only from this network, such as 10.0.0.0/8; may be repeated
    #[arg(long = "network", value_name = "CIDR")]
    networks: Vec<Network>,

    /// Allow renewing it (`fh token renew`) as long as the token that creates it can be renewed
    ///
    /// Without this, no renewal lasts longer than the token that creates it. Tokens for other accounts do not need
    /// it.
    #[arg(long)]
    renewable: bool,

    /// What to print: only the token, JSON with its details, lines for a netrc file, or those for nix.conf and
    /// netrc
    #[arg(long, value_name = "FORM", value_enum, default_value_t = Form::Raw)]
    output: Form,

    /// Write it to this new file, which only you can read (0600); an existing one is not overwritten
    #[arg(short, long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    out: Option<PathBuf>,

    /// Store it as the token that fh uses for this server, and print nothing
    #[arg(long, conflicts_with_all = ["output", "out"])]
    store: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Form {
    Raw,
    Json,
    Netrc,
    NixConf,
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
        closures: some(closures(&arguments.closures, context)?),
        signed_by: some(
            arguments
                .signed_by
                .iter()
                .map(ToString::to_string)
                .collect(),
        ),
        networks: some(arguments.networks),
        renewable: arguments.renewable,
    };
    let client = context.client_with_token()?;
    let file = arguments.out.as_deref().map(NewFile::create).transpose()?;
    let created = context.change("cannot create the token", async {
        // First what can fail without leaving a token behind that nobody has seen.
        let discovery = match form {
            Form::Netrc | Form::NixConf => Some(client.discovery().await?),
            Form::Raw | Form::Json => None,
        };
        Ok((client.create_token(&new).await?, discovery))
    });
    let (minted, discovery) = created.map_err(|error| error.naming_user(new.user.as_ref()))?;
    let text = match discovery {
        Some(discovery) if form == Form::NixConf => nix_conf(&minted, &discovery, &client, context),
        Some(discovery) => netrc(&minted, &discovery),
        None if form == Form::Json => context.output.json_text(&minted),
        None => Ok(format!("{}\n", minted.token)),
    };
    let is_in_file = file.is_some();
    let printed = match file {
        _ if arguments.store => save(&minted, client.base_url(), context),
        Some(file) => text.and_then(|text| file.fill(&text)),
        None => text.and_then(|text| context.output.text(&text)),
    };
    printed.map_err(|error| {
        error.hint(format!(
            "The token was created and is lost: `fh token revoke {}`",
            minted.info.id
        ))
    })?;
    describe(&minted, context);
    if let Some(named) = &new.flakes {
        warn_of_absent(named, &client, context);
    }
    if arguments.store {
        context.warn_of_variables(client.base_url());
    }
    if !is_in_file && stdout_is_exposed() {
        context.output.warning(
            "others on this machine can read the file that the token was written to.\n\
             Protect it: `chmod 600 FILE`. Next time, use `--out FILE`.",
        );
    }
    Ok(())
}

/// The store paths that the arguments mean, as full paths.
fn closures(arguments: &[OsString], context: &Context) -> Result<Vec<String>, CommandError> {
    if arguments.is_empty() {
        return Ok(Vec::new());
    }
    let tools = NixTools {
        store: context.settings.nix_remote()?,
        messages: if context.settings.nix_shows_itself() {
            BuildMessages::Inherited
        } else {
            BuildMessages::Kept
        },
        ..NixTools::default()
    };
    let paths = context.ask(
        "cannot find out which paths are meant",
        tools.resolve(arguments),
    )?;
    Ok(paths
        .iter()
        .map(|path| tools.store_dir.display(path))
        .collect())
}

/// Puts the token where `fh login` puts it.
fn save(minted: &MintedToken, server: &ServerUrl, context: &Context) -> Result<(), CommandError> {
    let token = SecretString::from(minted.token.as_str());
    let credentials = context.credentials()?;
    match credentials.load()?.entry(server) {
        Some(entry) if entry.store == TokenStore::Keyring => keyring::set(server, &token),
        _ => Ok(credentials.set(server, &token).map(drop)?),
    }
}

/// The lines for both files, as `fh login --print` has them: nix.conf itself can hold no token.
fn nix_conf(
    minted: &MintedToken,
    discovery: &Discovery,
    client: &Client,
    context: &Context,
) -> Result<String, CommandError> {
    let client = context
        .client_builder(client.base_url().clone())?
        .token(SecretString::from(minted.token.as_str()))
        .build()?;
    let asked = context.ask(
        "cannot find out where Nix is to read with the token",
        async { client.substituters(&Reading::Usual).await },
    );
    let lines = match asked {
        Ok(list) => list.substituters,
        // An older server, or one that takes the token from another network alone. The token is there, and
        // has to be shown.
        Err(error) => {
            context.output.warning(&format!(
                "{}: the lines are those of the whole server",
                error.sentence()
            ));
            let keys = discovery.public_keys.iter();
            vec![SubstituterInfo {
                url: discovery.cache_url.clone(),
                organization: None,
                standing: None,
                public_keys: keys.map(|key| key.public_key.clone()).collect(),
            }]
        }
    };
    let urls: Vec<&str> = lines.iter().map(|line| line.url.as_str()).collect();
    let mut keys: Vec<&str> = Vec::new();
    for key in lines.iter().flat_map(|line| &line.public_keys) {
        if !keys.contains(&key.as_str()) {
            keys.push(key);
        }
    }
    Ok(format!(
        "# nix.conf\nextra-substituters = {}\nextra-trusted-public-keys = {}\n\n\
         # the file that netrc-file names; only its owner may read it\n{}",
        urls.join(" "),
        keys.join(" "),
        netrc(minted, discovery)?
    ))
}

/// An entry for each host that Nix and the API are at.
fn netrc(minted: &MintedToken, discovery: &Discovery) -> Result<String, CommandError> {
    let mut hosts: Vec<String> = Vec::new();
    for address in [&discovery.cache_url, &discovery.api_url] {
        let address: ServerUrl = address.parse()?;
        let host = address.host().trim_matches(['[', ']']).to_owned();
        if !hosts.contains(&host) {
            hosts.push(host);
        }
    }
    Ok(hosts
        .iter()
        .map(|host| {
            format!(
                "machine {host} login {} password {}\n",
                minted.info.user, minted.token
            )
        })
        .collect())
}

fn describe(minted: &MintedToken, context: &Context) {
    let info = &minted.info;
    context.output.remark(&format!(
        "Created the token {} for {}: {} {}, until {}.",
        info.id,
        info.user,
        joined(&info.permissions),
        Reach::from(info).in_words(),
        human::date(info.expires_at, OffsetDateTime::now_utc()),
    ));
}

/// Whether stdout is a file that group or others can read.
fn stdout_is_exposed() -> bool {
    rustix::fs::fstat(std::io::stdout()).is_ok_and(|stat| {
        let kind = rustix::fs::FileType::from_raw_mode(stat.st_mode);
        kind == rustix::fs::FileType::RegularFile && stat.st_mode & 0o044 != 0
    })
}
