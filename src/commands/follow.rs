//! `fh follow`, `fh unfollow`: which public flakes of others the root address serves.

use clap::Args;
use fh_api::{ErrorCode, FlakePattern, FollowList, Name, SetFollows};
use fh_client::{Client, Follower};
use serde::Serialize;

use crate::arguments::parse_target;
use crate::context::Context;
use crate::error::{CommandError, Explain as _, Named};
use crate::nouns::found::{self, formerly};
use crate::output::Columns;

/// Follow public flakes: read them at the server's root address, after your own
///
/// Everybody can read a public flake by its name (`/cache/ORG/PROJECT`). The server's root address serves you
/// only the public flakes that you follow. If several of them have a path, the earlier one in the list is used;
/// `fh follow list` shows the list. Flakes that you have access to yourself come first.
///
/// Anyone who can push to a flake that you follow can decide what runs on your machines.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  fh follow nixos/tools
  fh follow 'nixos/*' --first          # before what you follow already
  fh follow nixos/tools --org acme     # for all members of acme (owners)
  fh follow list
  fh follow list --everybody           # what everybody reads at the root address")]
pub(crate) struct FollowArguments {
    /// A public flake, or all public flakes of an organisation; without it, or with `list`, the list is shown
    #[arg(value_name = "ORG/PROJECT|ORG/*", value_parser = wanted, add = crate::completion::flakes())]
    flake: Option<Wanted>,

    #[command(flatten)]
    whose: Whose,

    /// Put it first in the list
    #[arg(long, requires = "flake")]
    first: bool,

    /// An earlier word for `fh follow list`.
    #[arg(long, hide = true, conflicts_with = "flake")]
    list: bool,
}

/// What stands after `fh follow`.
#[derive(Debug, Clone)]
enum Wanted {
    /// The verb that other commands have. It is no flake: those have a `/`.
    List,
    Follow(FlakePattern),
}

fn wanted(text: &str) -> Result<Wanted, String> {
    match text {
        "list" | "ls" => Ok(Wanted::List),
        _ => parse_target(text).map(Wanted::Follow),
    }
}

/// Stop following public flakes
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  fh unfollow nixos/tools
  fh unfollow 'nixos/*' --org acme")]
pub(crate) struct UnfollowArguments {
    /// The flake, or those of an organisation, as `fh follow` shows it
    #[arg(value_name = "ORG/PROJECT|ORG/*", value_parser = parse_target)]
    flake: FlakePattern,

    #[command(flatten)]
    whose: Whose,
}

#[derive(Debug, Args)]
#[group(multiple = false)]
struct Whose {
    /// For the members of this organisation (owners)
    #[arg(long, value_name = "ORG", add = crate::completion::organizations())]
    org: Option<Name>,

    /// For everybody on the server (server administrators)
    #[arg(long)]
    everybody: bool,
}

impl Whose {
    fn follower(&self) -> Follower {
        match (&self.org, self.everybody) {
            (Some(org), _) => Follower::Organization(org.clone()),
            (None, true) => Follower::Everybody,
            (None, false) => Follower::Caller,
        }
    }

    /// The beginning of a sentence: who follows.
    fn follow(&self) -> String {
        match self.follower() {
            Follower::Organization(org) => format!("The members of {org} follow"),
            Follower::Everybody => "Everybody follows".to_owned(),
            Follower::Caller => "You follow".to_owned(),
        }
    }
}

/// A row of the list.
#[derive(Debug, Serialize)]
struct Follow {
    position: usize,
    flake: FlakePattern,
}

pub(crate) fn follow(arguments: FollowArguments, context: &Context) -> Result<(), CommandError> {
    let FollowArguments {
        flake,
        whose,
        first,
        list: _,
    } = arguments;
    let flake = match flake {
        Some(Wanted::Follow(flake)) => flake,
        Some(Wanted::List) if first => {
            return Err(CommandError::usage("--first puts a flake first: name it")
                .hint("`fh follow list` shows the list."));
        }
        Some(Wanted::List) | None => return list(&whose, context),
    };
    let cannot = format!("cannot follow {flake}");
    let (list, flake) = change(context, &whose, &flake, cannot, |list, flake| {
        list.retain(|there| !is_same(there, flake));
        list.insert(if first { 0 } else { list.len() }, flake.clone());
    })
    .map_err(|error| {
        let hint = match &flake {
            FlakePattern::Flake(flake) => format!(
                "Only public flakes can be followed. `fh list flakes {}` shows them.",
                flake.org
            ),
            _ => "Only organisations that have public flakes can be followed.".to_owned(),
        };
        let error = match &flake {
            FlakePattern::Flake(flake) => error.naming(Named::Flake(flake.clone())),
            FlakePattern::Organization(org) => error.naming(Named::Organization(org.clone())),
            FlakePattern::All => error,
        };
        error
            .hint_for(ErrorCode::NotFound, hint.clone())
            .hint_for(ErrorCode::InvalidContent, hint)
    })?;
    context.output.done(&list, |list| {
        let mut places = list.follows.iter();
        let place = places.position(|there| is_same(there, &flake)).unwrap_or(0) + 1;
        let run = match whose.follower() {
            Follower::Caller => "your machines",
            Follower::Organization(_) | Follower::Everybody => "their machines",
        };
        format!(
            "{} {flake} at the root address now, as number {place} of the list.\n\
             Anyone who can push there can decide what runs on {run}.",
            whose.follow()
        )
    })
}

pub(crate) fn unfollow(
    arguments: &UnfollowArguments,
    context: &Context,
) -> Result<(), CommandError> {
    let UnfollowArguments { flake, whose } = arguments;
    let mut was_there = false;
    let cannot = format!("cannot stop following {flake}");
    let (list, present) = change(context, whose, flake, cannot, |list, flake| {
        let before = list.len();
        list.retain(|there| !is_same(there, flake));
        was_there = list.len() < before;
    })?;
    let flake = formerly(&present, flake);
    context.output.done(&list, |_| {
        if was_there {
            format!("{} {flake} no longer.", whose.follow())
        } else {
            format!("{flake} was not followed.")
        }
    })
}

fn list(whose: &Whose, context: &Context) -> Result<(), CommandError> {
    let client = match whose.follower() {
        Follower::Everybody => context.client()?,
        Follower::Caller | Follower::Organization(_) => context.client_with_token()?,
    };
    let follower = whose.follower();
    let found = context
        .ask("cannot list the followed flakes", client.follows(&follower))?
        .follows;
    let rows: Vec<Follow> = (1..)
        .zip(found)
        .map(|(position, flake)| Follow { position, flake })
        .collect();
    let none = "No flakes are followed. Follow a public flake: `fh follow ORG/PROJECT`";
    context.output.list_or(&columns(), &rows, none)
}

/// Changes a list as it is now, with what is named there: the list afterwards, and what that is called in it.
fn change(
    context: &Context,
    whose: &Whose,
    flake: &FlakePattern,
    what: String,
    change: impl FnOnce(&mut Vec<FlakePattern>, &FlakePattern),
) -> Result<(FollowList, FlakePattern), CommandError> {
    let client = context.client_with_token()?;
    let follower = whose.follower();
    context
        .change(what, async {
            let before = client.follows(&follower).await?.follows;
            let flake = if before.iter().any(|there| is_same(there, flake)) {
                flake.clone()
            } else {
                present(&client, flake).await
            };
            let mut follows = before.clone();
            change(&mut follows, &flake);
            let wanted = SetFollows {
                follows,
                before,
                org: whose.org.clone(),
                everybody: whose.everybody,
            };
            Ok((client.set_follows(&wanted).await?, flake))
        })
        .hint_for(ErrorCode::Conflict, "Run the command again.")
}

/// What is called so now, or was before it was renamed; as it was given, where nothing is to be seen of it.
async fn present(client: &Client, given: &FlakePattern) -> FlakePattern {
    let found = match given {
        FlakePattern::All => None,
        FlakePattern::Flake(flake) => {
            let found = client.flake(flake).await.ok();
            found.map(|found| FlakePattern::Flake(found.flake))
        }
        FlakePattern::Organization(org) => {
            let found = found::organization(client, org, |_| true).await;
            let found = found.ok().flatten();
            found.map(FlakePattern::Organization)
        }
    };
    // The case in which it was given is as good.
    let found = found.filter(|found| !is_same(found, given));
    found.unwrap_or_else(|| given.clone())
}

/// Whether both are one pattern, as the server compares them: without regard to case.
fn is_same(one: &FlakePattern, other: &FlakePattern) -> bool {
    one.folded() == other.folded()
}

fn columns() -> Columns<Follow> {
    Columns::new().text("position", "#").text("flake", "FLAKE")
}
