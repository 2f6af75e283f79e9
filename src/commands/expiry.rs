//! A login that ends within a week, and what makes it last longer.

use fh_api::Whoami;
use fh_client::{ServerKind, ServerUrl};
use time::{Duration, OffsetDateTime};

use crate::context::{Context, FoundToken, TokenOrigin};
use crate::output::human;

/// What ends within this time is worth a word.
pub(super) const SOON: Duration = Duration::days(7);

/// What is made for no longer than this is made for one job.
const ONE_JOB: Duration = Duration::days(1);

/// A login that ends soon.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Ending {
    /// That it does, and when.
    about: String,
    /// What to do about it, as a part of a sentence.
    remedy: String,
    /// A command for it, or what to do.
    fix: String,
}

impl Ending {
    /// None where it lasts longer than a week, has ended, or is a workload's, which gets a new token by itself.
    /// `whoami` is what the server says, where it says so much.
    pub(super) fn of(
        end: OffsetDateTime,
        whoami: Option<&Whoami>,
        origin: &TokenOrigin,
        server: &ServerUrl,
        context: &Context,
    ) -> Option<Self> {
        // Where another server is meant by default, the command has to name this one.
        let is_default = context.settings.server.is_none()
            && context.server().ok().flatten().as_ref() == Some(server);
        let option = if is_default {
            String::new()
        } else {
            format!(" --server {server}")
        };
        Self::at(end, whoami, origin, &option, OffsetDateTime::now_utc())
    }

    fn at(
        end: OffsetDateTime,
        whoami: Option<&Whoami>,
        origin: &TokenOrigin,
        option: &str,
        now: OffsetDateTime,
    ) -> Option<Self> {
        let is_workload = whoami.is_some_and(|whoami| whoami.workload.is_some());
        if end <= now || end - now >= SOON || is_workload {
            return None;
        }
        let when = human::relative(end, now);
        if !origin.is_stored() {
            return Some(Self {
                about: format!("the token in {origin} ends {when}"),
                remedy: "put a new one there before".to_owned(),
                fix: format!("put a new token into {origin} before it ends"),
            });
        }
        let renewable = whoami.and_then(|whoami| whoami.renewable_until);
        let about = format!("this login ends {when}");
        Some(if renewable.is_some() {
            let command = format!("fh token renew{option}");
            Self {
                about,
                remedy: format!("`{command}` makes it last longer"),
                fix: command,
            }
        } else {
            let command = format!("fh login{option} --token-file FILE");
            Self {
                about,
                remedy: format!("get a new token, and log in with it: `{command}`"),
                fix: format!("{command}   with a new token, before this one ends"),
            }
        })
    }

    /// `this login ends in 3 days; …`
    pub(super) fn sentence(&self) -> String {
        format!("{}; {}", self.about, self.remedy)
    }

    /// What `fh doctor` names as what mends it.
    pub(super) fn fix(self) -> String {
        self.fix
    }
}

/// A token that ends soon by its own words. The server is asked for the rest, at a time when nobody waits for it.
#[derive(Debug, Clone)]
pub(super) struct Soon {
    server: ServerUrl,
    kind: Option<ServerKind>,
    found: FoundToken,
    end: OffsetDateTime,
}

impl Soon {
    pub(super) fn of(
        found: &FoundToken,
        server: &ServerUrl,
        kind: Option<ServerKind>,
    ) -> Option<Self> {
        let end = found.expires_at()?;
        let lives_shortly = || found.lifetime().is_some_and(|lifetime| lifetime <= ONE_JOB);
        // Made for one job, such as a CI's: it always ends soon.
        if !found.origin.is_stored() && lives_shortly() {
            return None;
        }
        let left = end - OffsetDateTime::now_utc();
        (left.is_positive() && left < SOON).then(|| Self {
            server: server.clone(),
            kind,
            found: found.clone(),
            end,
        })
    }

    /// Warns that the token ends soon.
    pub(super) fn warn(&self, context: &Context) {
        let whoami = match self.kind {
            None | Some(ServerKind::Fh) => self.whoami(context),
            Some(ServerKind::FlakeHub | ServerKind::Attic) => None,
        };
        let end = whoami.as_ref().map_or(self.end, |whoami| whoami.expires_at);
        let ending = Ending::of(
            end,
            whoami.as_ref(),
            &self.found.origin,
            &self.server,
            context,
        );
        if let Some(ending) = ending {
            context.output.warning(&ending.sentence());
        }
    }

    /// What the server says; nothing where it does not answer: what was to be done is done.
    fn whoami(&self, context: &Context) -> Option<Whoami> {
        let builder = context.client_builder(self.server.clone()).ok()?;
        let token = self.found.token.clone();
        let client = builder.retries(0).token(token).build().ok()?;
        context.ask("", async { client.whoami().await }).ok()
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use time::macros::datetime;

    use super::*;

    const NOW: OffsetDateTime = datetime!(2026-11-30 12:00 UTC);

    fn whoami(more: &serde_json::Value) -> Whoami {
        let mut value = serde_json::json!({
            "user": "ann", "kind": "human", "server_admin": false, "token_id": null,
            "token_description": null, "permissions": ["pull"], "flakes": ["*"],
            "expires_at": "2026-12-03T12:00:00Z",
        });
        for (name, field) in more.as_object().unwrap() {
            value[name] = field.clone();
        }
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn a_week_before_the_end_each_login_is_told_what_helps_it() {
        let stored = || TokenOrigin::Stored(PathBuf::from("/t"));
        let renewable = || {
            Some(whoami(
                &serde_json::json!({ "renewable_until": "2027-03-01T00:00:00Z" }),
            ))
        };
        // As of an older server.
        let not_renewable = || Some(whoami(&serde_json::json!({})));
        let workload = serde_json::json!({ "issuer": "https://x", "subject": "s", "policies": [] });
        let workload = || Some(whoami(&serde_json::json!({ "workload": workload })));
        let login = "this login ends in 3 days; get a new token, and log in with it: \
                     `fh login --server x --token-file FILE`";
        let renew = "this login ends in 3 days; `fh token renew --server x` makes it last longer";
        for (what, days, whoami, origin, expected) in [
            ("renewable", 3, renewable(), stored(), Some(renew)),
            (
                "in the keyring",
                3,
                renewable(),
                TokenOrigin::Keyring,
                Some(renew),
            ),
            ("not renewable", 3, not_renewable(), stored(), Some(login)),
            ("not asked", 3, None, stored(), Some(login)),
            ("a week and more", 7, renewable(), stored(), None),
            ("over", 0, renewable(), stored(), None),
            ("a workload's", 3, workload(), stored(), None),
            (
                "a variable's",
                3,
                renewable(),
                TokenOrigin::Variable("FH_TOKEN"),
                Some(
                    "the token in the variable FH_TOKEN ends in 3 days; put a new one there before",
                ),
            ),
        ] {
            let end = NOW + Duration::days(days);
            let ending = Ending::at(end, whoami.as_ref(), &origin, " --server x", NOW);
            let said = ending.map(|ending| ending.sentence());
            assert_eq!(said.as_deref(), expected, "{what}");
        }
    }
}
