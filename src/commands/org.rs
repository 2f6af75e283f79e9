//! `fh org`: organisations, what each lets others do, and their end.

mod own;

use clap::{Args, Subcommand};
use fh_api::{
    CreateOrganization, ErrorCode, Name, NameKind, OrganizationInfo, OrganizationRole, PushRule,
    RenewalRule, UpdateOrganization,
};
use serde_json::json;
use time::OffsetDateTime;

use crate::arguments::{IfMissing, words};
use crate::confirm::{Effect, Yes};
use crate::context::Context;
use crate::error::{CommandError, Explain as _, nouns};
use crate::nouns::found::{Found, formerly};
use crate::nouns::free_name::{self, FreeNameArguments};
use crate::nouns::rename::Renaming;
use crate::output::{Columns, human};

/// Manage organisations; every flake belongs to one
///
/// `fh member` and `fh team` manage the people of an organisation, `fh grant` manages what they may do.
#[derive(Debug, Subcommand)]
pub(crate) enum OrgCommand {
    Create(CreateArguments),
    /// List your organisations
    ///
    /// An administrator of the server sees all of them.
    #[command(after_help = "\
Examples:
  fh org list
  fh org list --json")]
    List,
    /// Show one organisation
    #[command(after_help = "\
Examples:
  fh org show acme")]
    Show(OrgArguments),
    Set(SetArguments),
    /// Rename an organisation (server administrators)
    ///
    /// If anyone may create organisations on the server (`organization-creation`), owners can rename theirs; else they can
    /// only change its case or take back a former name.
    ///
    /// Its former name keeps working in every address, command and CI job, until a server administrator frees it
    /// (`fh org free-name`). Nobody else can get that name. Tokens and trust policies reach the same flakes as before.
    #[command(after_help = "\
Examples:
  fh org rename acme acme-corp")]
    Rename {
        #[command(flatten)]
        of: OrgArguments,

        /// Its new name
        #[arg(value_name = "NAME")]
        name: Name,

        #[command(flatten)]
        yes: Yes,
    },
    /// Leave an organisation, as a member or as a guest
    ///
    /// This also removes what it granted you by name. The last owner of an organisation cannot leave.
    #[command(after_help = "\
Examples:
  fh org leave acme
  fh org leave acme --yes")]
    Leave(EndArguments),
    Own(own::OwnArguments),
    /// Delete an organisation that has no flakes (owners)
    ///
    /// Its members, teams, grants and trust policies go with it, and its service accounts with their tokens. Its
    /// name stays reserved until a server administrator frees it (`fh org free-name`).
    #[command(after_help = "\
Examples:
  fh org delete acme
  fh org delete acme --yes")]
    Delete(EndArguments),
    FreeName(FreeNameArguments),
}

/// The organisation that is meant.
#[derive(Debug, Args)]
pub(crate) struct OrgArguments {
    /// The organisation
    #[arg(value_name = "ORG", add = crate::completion::organizations())]
    org: Name,
}

/// The organisation that is left or deleted.
#[derive(Debug, Args)]
pub(crate) struct EndArguments {
    #[command(flatten)]
    of: OrgArguments,

    #[command(flatten)]
    yes: Yes,
}

/// Create an organisation; you become its owner
///
/// The first part of every flake's name is the organisation that it belongs to. An owner creates flakes in it
/// and manages all of them. Only server administrators can create organisations, unless the server allows it to
/// everybody. With `--owner` they create one for somebody else. Everybody can see the names of organisations.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  fh org create acme
  fh org create acme --owner alice
  fh org create acme --if-missing")]
pub(crate) struct CreateArguments {
    /// Its name: letters, digits, `-`, `_` and `.`, at most 64
    #[arg(value_name = "ORG")]
    name: Name,

    /// Create it for this user, who becomes its only member; you do not (server administrators)
    #[arg(long, value_name = "USER")]
    owner: Option<Name>,

    #[command(flatten)]
    if_missing: IfMissing,
}

/// Change who may push to an organisation, which keys it trusts, and who renews tokens (owners)
///
/// Who may push (--push):
///   writers    anyone who has the role write on the flake
///   builders   only trusted workloads; tokens of people and of service accounts cannot push
///
/// Who can renew tokens that reach only this organisation, with `fh token renew` (--renewal):
///   people     people only
///   everybody  its service accounts too
///   nobody     nobody
///
/// If two of its flakes have different contents for a path, the server serves the content that has a
/// valid signature of a trusted key. The server's own keys cannot be trusted here: they sign for every
/// organisation.
#[derive(Debug, Args)]
#[command(
    verbatim_doc_comment,
    after_help = "\
Examples:
  fh org set acme --push builders
  fh org set acme --renewal everybody
  fh org set acme --trust-key acme-build-1:MFjd…=
  fh org set acme --no-trust-keys"
)]
pub(crate) struct SetArguments {
    #[command(flatten)]
    of: OrgArguments,

    #[command(flatten)]
    change: Change,
}

#[derive(Debug, Args)]
#[group(required = true, multiple = true)]
struct Change {
    /// Who may push to its flakes
    #[arg(long, value_name = "WHO", value_parser = words::<PushRule>(PushRule::WORDS))]
    push: Option<PushRule>,

    /// Whose tokens can be renewed
    #[arg(long, value_name = "WHO", value_parser = words::<RenewalRule>(RenewalRule::WORDS))]
    renewal: Option<RenewalRule>,

    /// Trust only the signatures of this public key (NAME:BASE64); may be repeated
    #[arg(long, value_name = "KEY", conflicts_with = "no_trust_keys")]
    trust_key: Vec<String>,

    /// Trust no signatures
    #[arg(long)]
    no_trust_keys: bool,
}

pub(crate) fn run(command: OrgCommand, context: &Context) -> Result<(), CommandError> {
    match command {
        OrgCommand::Create(arguments) => create(arguments, context),
        OrgCommand::List => list(context),
        OrgCommand::Show(of) => show(&of.org, context),
        OrgCommand::Set(arguments) => set(arguments, context),
        OrgCommand::Rename { of, name, yes } => rename(&of.org, &name, yes, context),
        OrgCommand::Leave(EndArguments { of, yes }) => leave(&of.org, yes, context),
        OrgCommand::Own(arguments) => own::run(&arguments, context),
        OrgCommand::Delete(EndArguments { of, yes }) => delete(&of.org, yes, context),
        OrgCommand::FreeName(arguments) => {
            free_name::run(NameKind::Organization, &arguments, context)
        }
    }
}

fn create(arguments: CreateArguments, context: &Context) -> Result<(), CommandError> {
    let client = context.client_with_token()?;
    let new = CreateOrganization {
        exist_ok: arguments.if_missing.set,
        name: arguments.name,
        owner: arguments.owner,
    };
    let conflict = format!(
        "{} `fh org free-name` lists the reserved names (server administrators).",
        nouns::ORGANIZATIONS
    );
    let forbidden = "Ask a server administrator for one: `fh org create ORG --owner USER`.";
    let cannot = format_args!("cannot create the organisation {}", new.name);
    let answer = context
        .change(cannot, client.create_organization(&new))
        .naming_user(new.owner.as_ref())
        .hint_for(ErrorCode::Conflict, conflict)
        .hint_for(ErrorCode::Forbidden, forbidden)?;
    context.output.made(&answer, |org, is_new| {
        let name = &org.name;
        // Whoever names themselves is an owner as if nobody was named.
        if let Some(owner) = new.owner.as_ref().filter(|_| org.role.is_none()) {
            return if is_new {
                format!("Created the organisation {name}. {owner} owns it, and you are not in it.")
            } else {
                format!("The organisation {name} exists already, and {owner} owns it.")
            };
        }
        if !is_new {
            return format!("The organisation {name} exists already, and you own it.");
        }
        format!(
            "Created the organisation {name}. Create a flake in it: `fh flake create {name}/PROJECT`"
        )
    })
}

fn list(context: &Context) -> Result<(), CommandError> {
    let client = context.client_with_token()?;
    let found = context
        .ask("cannot list the organisations", client.organizations())?
        .orgs;
    let none = "You do not belong to any organisation. Create one: `fh org create NAME`";
    context.output.list_or(&columns(), &found, none)
}

fn show(org: &Name, context: &Context) -> Result<(), CommandError> {
    let client = context.client_with_token()?;
    let found = context.ask(format_args!("cannot show {org}"), client.organization(org))?;
    print(&found, context)
}

fn set(arguments: SetArguments, context: &Context) -> Result<(), CommandError> {
    let client = context.client_with_token()?;
    let org = &arguments.of.org;
    let Change {
        push,
        renewal,
        trust_key,
        no_trust_keys,
    } = arguments.change;
    let change = UpdateOrganization {
        push,
        trusted_keys: (no_trust_keys || !trust_key.is_empty()).then_some(trust_key),
        renewal,
    };
    let cannot = format_args!("cannot change {org}");
    let changed = context.change(cannot, client.update_organization(org, &change))?;
    print(&changed, context)
}

fn rename(org: &Name, name: &Name, yes: Yes, context: &Context) -> Result<(), CommandError> {
    let client = context.client_with_token()?;
    let found = Found::ask(
        format_args!("cannot rename {org}"),
        client.organization(org),
        context,
    )?;
    let renaming = Renaming {
        noun: "organisation",
        from: found.name(org, |found| found.name.clone()).to_string(),
        to: name.to_string(),
        yes,
    };
    renaming
        .carry_out(context, client.rename_organization(org, name))
        .hint_for(
            ErrorCode::Forbidden,
            format!("Ask a server administrator, with: `fh org rename {org} {name}`"),
        )
}

fn leave(org: &Name, yes: Yes, context: &Context) -> Result<(), CommandError> {
    let client = context.client_with_token()?;
    let what = format!(
        "You lose your membership of {org}, and all that it has granted to you by name. To come back you need a \
         new invitation."
    );
    yes.confirm(Effect::Loses, &what, &format!("Leave {org}?"), context)?;
    let user = context
        .change(format_args!("cannot leave {org}"), async {
            let user = client.whoami().await?.user;
            client.remove_member(org, &user).await?;
            Ok(user)
        })
        .hint_for(
            ErrorCode::Conflict,
            format!("Add another owner first: `fh member set {org} USER owner`"),
        )
        .hint_for(
            ErrorCode::NotFound,
            "You do not belong to it. `fh invitation decline ORG` declines its invitation.",
        )?;
    let left = json!({ "org": org, "user": user, "role": null });
    context.output.done(&left, |_| {
        format!("You have left {org}: its grants no longer apply to you.")
    })
}

fn delete(org: &Name, yes: Yes, context: &Context) -> Result<(), CommandError> {
    let client = context.client_with_token()?;
    let cannot = format!("cannot delete the organisation {org}");
    let found = Found::ask(&cannot, client.organization(org), context)?;
    let present = found.name(org, |found| found.name.clone());
    let told = formerly(&present, org);
    let what = format!(
        "This deletes {told} with its members, teams, grants and trust policies, and its service accounts \
         with their tokens."
    );
    yes.confirm(Effect::Loses, &what, "Delete the organisation?", context)?;
    context
        .change(&cannot, client.delete_organization(org))
        .hint_for(
            ErrorCode::Conflict,
            format!("`fh list flakes {org}` shows its flakes."),
        )?;
    let deleted = json!({ "name": present, "deleted": true });
    context
        .output
        .done(&deleted, |_| format!("Deleted the organisation {told}."))
}

fn print(org: &OrganizationInfo, context: &Context) -> Result<(), CommandError> {
    let now = OffsetDateTime::now_utc();
    let lines = [
        ("Organisation", org.name.to_string()),
        ("You are", role(org).unwrap_or("not a member").to_owned()),
        ("Who pushes", org.push.to_string()),
        ("Who renews", org.renewal.to_string()),
        ("Trusted keys", org.trusted_keys.join(" ")),
        ("Created", human::date(org.created_at, now)),
        ("Id", org.id.to_string()),
    ];
    context.output.details(org, &lines)
}

fn role(org: &OrganizationInfo) -> Option<&'static str> {
    org.role.map(OrganizationRole::as_str)
}

fn columns() -> Columns<OrganizationInfo> {
    Columns::new()
        .text("name", "ORGANISATION")
        .text("role", "YOU ARE")
        .text("push", "WHO PUSHES")
        .time("created_at", "CREATED", "")
        .ranked(1)
        .text("id", "ID")
        .wide()
}
