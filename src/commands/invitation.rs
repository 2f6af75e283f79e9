//! `fh invitation`: what organisations offer, and what counts of it.

use clap::{Args, Subcommand};
use fh_api::{ErrorCode, InvitationInfo, Name, OrganizationRole};
use fh_client::Client;
use serde_json::json;

use crate::context::Context;
use crate::error::CommandError;
use crate::output::{Column, Tone, column, human};

/// Accept or decline invitations of organisations
///
/// A grant from an organisation that you do not belong to has no effect until you accept it: only you can let
/// others decide what your machines install. You accept an organisation as its guest or its member; its later
/// grants take effect at once, until you leave (`fh org leave`).
///
/// For a service account, the owners of its organisation decide: `--user`.
#[derive(Debug, Subcommand)]
pub(crate) enum InvitationCommand {
    List(ListArguments),
    Accept(AcceptArguments),
    Decline(DeclineArguments),
}

/// List your invitations, and the organisations that you accepted as a guest
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  fh invitation list
  fh invitation list --user acme-fleet
  fh invitation list --json | jq -r '.[] | select(.accepted_at == null) | .organization'")]
pub(crate) struct ListArguments {
    /// List those of this service account, whose organisation you own
    #[arg(long, value_name = "USER")]
    user: Option<Name>,
}

/// Accept the invitation of an organisation
///
/// From then on, anyone who can push to the flakes that it grants you can decide what runs on your machines. As
/// a member, its flakes come before those of other organisations; as a guest, after your own.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  fh invitation accept acme
  fh invitation accept acme --user my-fleet")]
pub(crate) struct AcceptArguments {
    /// The organisation
    #[arg(value_name = "ORG", add = crate::completion::organizations())]
    org: Name,

    /// Accept it for this service account, whose organisation you own
    #[arg(long, value_name = "USER")]
    user: Option<Name>,
}

/// Decline the invitation of an organisation
///
/// This removes what it granted you by name, also if you accepted it as a guest before.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  fh invitation decline acme")]
pub(crate) struct DeclineArguments {
    /// The organisation
    #[arg(value_name = "ORG", add = crate::completion::organizations())]
    org: Name,

    /// Decline it for this service account, whose organisation you own
    #[arg(long, value_name = "USER")]
    user: Option<Name>,
}

pub(crate) fn run(command: InvitationCommand, context: &Context) -> Result<(), CommandError> {
    match command {
        InvitationCommand::List(arguments) => list(&arguments, context),
        InvitationCommand::Accept(arguments) => accept(&arguments, context),
        InvitationCommand::Decline(arguments) => decline(&arguments, context),
    }
}

fn list(arguments: &ListArguments, context: &Context) -> Result<(), CommandError> {
    let client = context.client_with_token()?;
    let found = context
        .ask("cannot list the invitations", async {
            client.invitations(arguments.user.as_ref()).await
        })
        .map_err(|error| not_found(error).naming_user(arguments.user.as_ref()))?
        .invitations;
    context.output.list(&columns(), &found)?;
    context
        .output
        .when_empty(&found, "There are no invitations.");
    Ok(())
}

fn accept(arguments: &AcceptArguments, context: &Context) -> Result<(), CommandError> {
    let AcceptArguments { org, user } = arguments;
    let client = context.client_with_token()?;
    let accepted = context
        .change(
            format_args!("cannot accept the invitation of {org}"),
            async {
                // What is accepted is what is offered now, and nothing that it becomes meanwhile.
                let offers = client.invitations(user.as_ref()).await?.invitations;
                let mut offers = offers.into_iter();
                let offer = offers.find(|offer| offer.organization.folded() == org.folded());
                let membership = offer.and_then(|offer| offer.membership);
                client
                    .accept_invitation(org, user.as_ref(), membership)
                    .await
            },
        )
        .map_err(|error| not_found(error).naming_user(user.as_ref()))?;
    context.output.done(&accepted, |accepted| {
        let who = user
            .as_ref()
            .map_or_else(|| "You are".to_owned(), |user| format!("{user} is"));
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

fn decline(arguments: &DeclineArguments, context: &Context) -> Result<(), CommandError> {
    let DeclineArguments { org, user } = arguments;
    let client = context.client_with_token()?;
    context
        .change(
            format_args!("cannot decline the invitation of {org}"),
            async { client.decline_invitation(org, user.as_ref()).await },
        )
        .map_err(|error| not_found(error).naming_user(user.as_ref()))?;
    context
        .output
        .done(&json!({ "organization": org, "declined": true }), |_| {
            format!("Declined the invitation of {org}, and removed its grants.")
        })
}

/// What to do where nothing is offered.
fn not_found(error: CommandError) -> CommandError {
    error.hint_for(
        ErrorCode::NotFound,
        "`fh invitation list` shows the invitations; `fh org leave ORG` leaves an organisation as a member.",
    )
}

/// When what was offered to an account takes effect, and who has to do what for that: the end of a sentence.
pub(super) fn takes_effect(user: &Name, org: &Name, is_service_account: bool) -> String {
    if is_service_account {
        return format!(
            "it takes effect when an owner of its own organisation accepts: `fh invitation accept {org} --user {user}`"
        );
    }
    format!("it takes effect when they accept: `fh invitation accept {org}`")
}

/// Whether an account is a service account, whose invitations others accept. Where that cannot be found out, it is taken
/// for a person's.
pub(super) async fn is_service_account(user: &Name, client: &Client) -> bool {
    let account = client.account(user).await;
    account.is_ok_and(|account| account.of_organization)
}

pub(super) fn with_article(role: OrganizationRole) -> &'static str {
    match role {
        OrganizationRole::Member => "a member",
        OrganizationRole::Admin => "an admin",
        OrganizationRole::Owner => "an owner",
    }
}

fn grants(offer: &InvitationInfo) -> String {
    let grants = offer.grants.iter();
    let grants: Vec<String> = grants
        .map(|grant| format!("{} on {}", grant.role, grant.on))
        .collect();
    grants.join(", ")
}

fn columns() -> Vec<Column<InvitationInfo>> {
    vec![
        column("organization", "ORGANISATION", |offer: &InvitationInfo| {
            offer.organization.to_string()
        }),
        column("membership", "MEMBERSHIP", |offer: &InvitationInfo| {
            let role = offer.membership.map(OrganizationRole::as_str);
            role.unwrap_or_default().to_owned()
        }),
        column("grants", "GRANTS", grants).flexible(),
        column("created_at", "SINCE", |offer: &InvitationInfo| {
            human::timestamp(offer.created_at)
        })
        .shown(|offer, now| human::relative(offer.created_at, now))
        .ranked(1),
        column("accepted_at", "ACCEPTED", |offer: &InvitationInfo| {
            offer.accepted_at.map(human::timestamp).unwrap_or_default()
        })
        .shown(|offer, now| {
            let at = offer.accepted_at.map(|at| human::relative(at, now));
            at.unwrap_or_else(|| "not yet".to_owned())
        })
        .toned(|offer, _| offer.accepted_at.is_none().then_some(Tone::Attention)),
    ]
}
