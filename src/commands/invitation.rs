//! `fh invitation`: what organisations offer, and what counts of it.

use clap::{Args, Subcommand};
use fh_api::{ErrorCode, InvitationInfo, Name};
use serde_json::json;

use crate::context::Context;
use crate::error::{CommandError, Explain as _};
use crate::nouns::invited::with_article;
use crate::output::{Columns, Tone};

/// Accept or decline invitations of organisations
///
/// A grant from an organisation that you do not belong to has no effect until you accept it: only you can let
/// others decide what your machines install. You accept an organisation as its guest or its member; its later
/// grants take effect at once, until you leave (`fh org leave`).
///
/// For a service account, the owners of its organisation decide: `--user`.
#[derive(Debug, Subcommand)]
pub(crate) enum InvitationCommand {
    /// List your invitations, and the organisations that you accepted as a guest
    #[command(after_help = "\
Examples:
  fh invitation list
  fh invitation list --user acme-fleet
  fh invitation list --json | jq -r '.[] | select(.accepted_at == null) | .organization'")]
    List {
        /// List those of this service account, whose organisation you own
        #[arg(long, value_name = "USER")]
        user: Option<Name>,
    },
    /// Accept the invitation of an organisation
    ///
    /// From then on, anyone who can push to the flakes that it grants you can decide what runs on your machines. As
    /// a member, its flakes come before those of other organisations; as a guest, after your own.
    #[command(after_help = "\
Examples:
  fh invitation accept acme
  fh invitation accept acme --user my-fleet")]
    Accept(AnswerArguments),
    /// Decline the invitation of an organisation
    ///
    /// This removes what it granted you by name, also if you accepted it as a guest before.
    #[command(
        after_help = "\
Examples:
  fh invitation decline acme",
        mut_arg("user", |user| {
            user.help("Decline it for this service account, whose organisation you own")
        })
    )]
    Decline(AnswerArguments),
}

/// Which invitation is answered, and for whom.
#[derive(Debug, Args)]
pub(crate) struct AnswerArguments {
    /// The organisation
    #[arg(value_name = "ORG", add = crate::completion::organizations())]
    org: Name,

    /// Accept it for this service account, whose organisation you own
    #[arg(long, value_name = "USER")]
    user: Option<Name>,
}

pub(crate) fn run(command: &InvitationCommand, context: &Context) -> Result<(), CommandError> {
    match command {
        InvitationCommand::List { user } => list(user.as_ref(), context),
        InvitationCommand::Accept(of) => accept(&of.org, of.user.as_ref(), context),
        InvitationCommand::Decline(of) => decline(&of.org, of.user.as_ref(), context),
    }
}

fn list(user: Option<&Name>, context: &Context) -> Result<(), CommandError> {
    let client = context.client_with_token()?;
    let asked = context.ask("cannot list the invitations", client.invitations(user));
    let found = explained(asked, user)?.invitations;
    context
        .output
        .list_or(&columns(), &found, "There are no invitations.")
}

fn accept(org: &Name, user: Option<&Name>, context: &Context) -> Result<(), CommandError> {
    let client = context.client_with_token()?;
    let cannot = format!("cannot accept the invitation of {org}");
    let accepted = context.change(cannot, async {
        // What is accepted is what is offered now, and nothing that it becomes meanwhile.
        let mut offers = client.invitations(user).await?.invitations.into_iter();
        let offer = offers.find(|offer| offer.organization.folded() == org.folded());
        let membership = offer.and_then(|offer| offer.membership);
        client.accept_invitation(org, user, membership).await
    });
    let accepted = explained(accepted, user)?;
    context.output.done(&accepted, |accepted| {
        let who = user.map_or_else(|| "You are".to_owned(), |user| format!("{user} is"));
        let org = &accepted.organization;
        match accepted.membership {
            Some(role) => format!(
                "{who} {} of {org}: its flakes come before those of other organisations.",
                with_article(role)
            ),
            None => {
                let grants = grants(accepted);
                let told = if grants.is_empty() {
                    String::new()
                } else {
                    format!(" ({grants})")
                };
                format!(
                    "{who} a guest of {org}: its grants are in effect{told}. Anyone who can push there can \
                     decide what runs on your machines."
                )
            }
        }
    })
}

fn decline(org: &Name, user: Option<&Name>, context: &Context) -> Result<(), CommandError> {
    let client = context.client_with_token()?;
    let cannot = format!("cannot decline the invitation of {org}");
    explained(
        context.change(cannot, client.decline_invitation(org, user)),
        user,
    )?;
    let declined = json!({ "organization": org, "declined": true });
    context.output.done(&declined, |_| {
        format!("Declined the invitation of {org}, and removed its grants.")
    })
}

/// What to do where nothing is offered.
fn explained<T>(done: Result<T, CommandError>, user: Option<&Name>) -> Result<T, CommandError> {
    done.hint_for(
        ErrorCode::NotFound,
        "`fh invitation list` shows the invitations; `fh org leave ORG` leaves an organisation as a member.",
    )
    .naming_user(user)
}

fn grants(offer: &InvitationInfo) -> String {
    let grants = offer.grants.iter();
    let grants: Vec<String> = grants
        .map(|grant| format!("{} on {}", grant.role, grant.on))
        .collect();
    grants.join(", ")
}

fn columns() -> Columns<InvitationInfo> {
    Columns::<InvitationInfo>::new()
        .text("organization", "ORGANISATION")
        .text("membership", "MEMBERSHIP")
        .made("grants", "GRANTS", grants)
        .flexible()
        .time("created_at", "SINCE", "")
        .ranked(1)
        .time("accepted_at", "ACCEPTED", "not yet")
        .toned(|offer, _| offer.accepted_at.is_none().then_some(Tone::Attention))
}
