//! Reading the audit log.

use std::time::Duration;

use fh_api::{FlakeName, Name};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use url::form_urlencoded::Serializer;
use uuid::Uuid;

/// Which events of the audit log are asked for. Each field that is there narrows further.
#[derive(Debug, Clone, Default)]
pub struct AuditFilter {
    /// Only events of this organisation.
    pub org: Option<Name>,
    /// Only events on this flake.
    pub flake: Option<FlakeName>,
    /// Only what this account did, also with its tokens.
    pub user: Option<Name>,
    /// Only what was done with this token.
    pub token: Option<Uuid>,
    /// Whose action begins so.
    pub action: Option<String>,
    /// Whether it was refused.
    pub denied: Option<bool>,
    /// Only events at this time or after it.
    pub since: Option<OffsetDateTime>,
    /// Only events before this time.
    pub until: Option<OffsetDateTime>,
    /// The ones that follow this number; without it the newest.
    pub after: Option<u64>,
    /// So many at most.
    pub limit: Option<u32>,
    /// So long is waited for one, in whole seconds.
    pub wait: Option<Duration>,
}

impl AuditFilter {
    /// The query of an address.
    pub(crate) fn query(&self) -> String {
        fn text<T: ToString>(value: Option<&T>) -> Option<String> {
            value.map(ToString::to_string)
        }
        // Every time that a calendar knows can be written.
        let time = |at: Option<OffsetDateTime>| at.and_then(|at| at.format(&Rfc3339).ok());
        let fields = [
            ("org", text(self.org.as_ref())),
            ("flake", text(self.flake.as_ref())),
            ("user", text(self.user.as_ref())),
            ("token", text(self.token.as_ref())),
            ("action", self.action.clone()),
            ("denied", text(self.denied.as_ref())),
            ("since", time(self.since)),
            ("until", time(self.until)),
            ("after", text(self.after.as_ref())),
            ("limit", text(self.limit.as_ref())),
            ("wait", self.wait.map(|wait| wait.as_secs().to_string())),
        ];
        let mut query = Serializer::new(String::new());
        for (name, value) in fields {
            if let Some(value) = value {
                query.append_pair(name, &value);
            }
        }
        query.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_is_encoded() {
        assert_eq!(AuditFilter::default().query(), "");
        let filter = AuditFilter {
            org: Some("acme".parse().unwrap()),
            action: Some("denied.GET /a&b".to_owned()),
            denied: Some(true),
            since: Some(time::macros::datetime!(2026-01-31 12:00 +1)),
            wait: Some(Duration::from_secs(25)),
            ..AuditFilter::default()
        };
        assert_eq!(
            filter.query(),
            "org=acme&action=denied.GET+%2Fa%26b&denied=true\
             &since=2026-01-31T12%3A00%3A00%2B01%3A00&wait=25"
        );
    }
}
