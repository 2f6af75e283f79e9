//! Who is asking, and what they may do.
//!
//! ```text
//! Authorization header ─▶ token ─▶ claims (verified once, then known by digest)
//!                                    │ expiry: checked each time
//!                                    ▼
//!                  principal (copy of one generation: account, narrowing, grants)
//!                                    │ + directory (copy of one generation: names)
//!                                    ▼
//!                                 Caller ─▶ View
//! ```
//!
//! Invariants:
//! - no copy outlives a change: the generation is compared on every request, and what was copied
//!   from an older one is read anew, so a revocation counts from the next request on;
//! - bad credentials are refused, never taken for none;
//! - a flake that the caller may not read is answered as one that does not exist, and nothing is
//!   looked up in the database before it was found readable.

mod addresses;
mod authenticate;
mod candidates;
mod directory;
mod last_used;
mod organizations;
mod principal;
mod view;

use std::sync::Arc;

use fh_api::{FlakeName, FlakePattern, Permission, PushRule, Role, Visibility};
use fh_auth::Follows;
use fh_persistence::database::audit::Actor;
use fh_persistence::database::{Decided, Generation};
use fh_shares::Holders;

pub use self::addresses::Address;
pub use self::authenticate::{Access, Shown};
pub use self::candidates::{Candidates, candidates_by_rank};
pub use self::directory::{Directory, FlakeEntry, OrganizationEntry};
pub use self::organizations::OrganizationRef;
pub use self::principal::Principal;
pub use self::view::{ClosureLimit, PathLimits, Scope, View, ViewIdentity};
use crate::error::ApiError;
use crate::request_id::request_id;
use crate::source::Source;

/// The one who sent a request: anonymous without credentials.
#[derive(Debug, Clone)]
pub struct Caller {
    directory: Arc<Directory>,
    principal: Option<Arc<Principal>>,
    view: View,
    source: Source,
    decided: Decided,
}

/// A flake that the caller was found to have the asked role on.
#[derive(Debug, Clone)]
pub struct FlakeRef {
    /// The internal id, also that of the slice.
    pub id: i64,
    /// The organisation's internal id.
    pub organization_id: i64,
    /// `org/project`, in the case in which it was made.
    pub name: FlakeName,
    /// What the caller holds on it, not narrowed; none where visibility alone opens it.
    pub role: Option<Role>,
}

impl Caller {
    /// Everything else was read after the generation.
    fn new(
        generation: Generation,
        directory: Arc<Directory>,
        principal: Option<Arc<Principal>>,
        source: Source,
    ) -> Self {
        let decided = Decided::at(generation);
        Self {
            decided: match &principal {
                Some(principal) => {
                    let decided = decided.until(principal.expires_at);
                    // Nobody has to protect the server from who manages it.
                    if principal.server_admin && principal.scope.reaches_all() {
                        decided
                    } else {
                        decided.counted_for(principal.account_id)
                    }
                }
                None => decided,
            },
            source,
            view: View::new(Arc::clone(&directory), principal.clone()),
            directory,
            principal,
        }
    }

    /// What the caller may read. A token without the permission `pull` reads what everybody may.
    pub fn view(&self) -> &View {
        &self.view
    }

    /// The same, for what lists flakes, organisations and people: a token for certain paths may read these, and
    /// is told of nothing beside them. All that tells names comes here.
    ///
    /// # Errors
    /// 404 for such a token, as for somebody who may see nothing.
    pub fn named_view(&self) -> Result<&View, ApiError> {
        match self.view.limits() {
            None => Ok(&self.view),
            Some(_) => Err(ApiError::NotFound),
        }
    }

    /// The names of organisations and flakes, as they were when the caller was looked up.
    pub fn directory(&self) -> &Directory {
        &self.directory
    }

    /// Whether the request came without credentials: then the answer is the same for everybody.
    pub fn is_anonymous(&self) -> bool {
        self.principal.is_none()
    }

    /// Of what state everything is that is decided about this caller. Whatever the caller has asked for
    /// is written with it, so that nothing takes effect which they could not begin at that instant.
    pub fn decided(&self) -> Decided {
        self.decided
    }

    /// The caller of a request that is handled again, by whoever holds the
    /// [turn](fh_persistence::database::Database::turn).
    pub fn in_turn(mut self) -> Self {
        self.decided = self.decided.in_turn();
        self
    }

    /// For whom counts what is held for this request.
    pub fn holders(&self) -> Holders {
        let account = self
            .principal
            .as_ref()
            .map(|principal| principal.account_id);
        Holders::new(account, self.source.address)
    }

    /// Where the request comes from.
    pub fn source(&self) -> Source {
        self.source
    }

    /// Who it is.
    ///
    /// # Errors
    /// 401 for the anonymous.
    pub fn principal(&self) -> Result<&Principal, ApiError> {
        self.principal.as_deref().ok_or_else(|| {
            ApiError::Unauthorized("this needs a token, but the request has none".to_owned())
        })
    }

    /// Who it is; none for the anonymous.
    pub fn known(&self) -> Option<&Principal> {
        self.principal.as_deref()
    }

    /// Who it is, if there is a token and it may read.
    pub fn reader(&self) -> Option<&Principal> {
        let principal = self.principal.as_deref()?;
        principal
            .scope
            .allows(Permission::Pull)
            .then_some(principal)
    }

    /// Who it is, for the audit log.
    ///
    /// # Errors
    /// 401 for the anonymous.
    pub fn actor(&self) -> Result<Actor, ApiError> {
        let principal = self.principal()?;
        Ok(Actor {
            account_id: principal.account_id,
            user: principal.name.to_string(),
            token_uuid: principal.token.as_ref().map(|token| token.uuid),
            workload: principal
                .workload
                .as_ref()
                .map(|workload| Arc::clone(&workload.audited)),
            acting: principal.workload.as_ref().map(|workload| workload.acting),
            address: self.source.address,
            request_id: request_id(),
        })
    }

    /// Who it is, if the token has a permission.
    ///
    /// # Errors
    /// 401 for the anonymous, 403 for a token without it.
    pub fn require(&self, permission: Permission) -> Result<&Principal, ApiError> {
        let principal = self.principal()?;
        if principal.scope.allows(permission) {
            return Ok(principal);
        }
        Err(ApiError::Forbidden(format!(
            "this token lacks the permission \"{permission}\""
        )))
    }

    /// Who it is, if they may manage the server, with a token that was not narrowed to some flakes.
    ///
    /// This says nothing about reading: a server administrator reads what was granted, as everybody.
    ///
    /// # Errors
    /// 401 for the anonymous, 403 for anybody else.
    pub fn server_administrator(&self) -> Result<&Principal, ApiError> {
        let principal = self.require(Permission::Admin)?;
        if !principal.server_admin {
            return Err(ApiError::Forbidden(
                "this is only for server administrators".to_owned(),
            ));
        }
        if !principal.scope.reaches_all() {
            return Err(ApiError::Forbidden(
                "this token is narrowed to some flakes, and cannot manage the server".to_owned(),
            ));
        }
        Ok(principal)
    }

    /// Who it is, if the token has a permission and was narrowed in no way: to no flakes and no paths. What
    /// widens what somebody reads takes such a token, so that one that was lost in part cannot.
    ///
    /// # Errors
    /// 401 for the anonymous, 403 for all other tokens.
    pub fn require_everything(&self, permission: Permission) -> Result<&Principal, ApiError> {
        let principal = self.require(permission)?;
        if principal.scope.reaches_all() && !principal.scope.is_for_certain_paths() {
            return Ok(principal);
        }
        Err(ApiError::Forbidden(
            "this needs a token that reaches everything, but this one is narrowed".to_owned(),
        ))
    }

    /// What the server's administrator has put into everybody's view.
    pub fn everybody(&self) -> &Follows {
        self.directory.everybody()
    }

    /// The organisation's internal id of what can be followed: a public flake, or an organisation of which
    /// the caller may know.
    ///
    /// # Errors
    /// 404 where it is not there or the caller may not know of it; 422 for a flake that is not public.
    pub fn organization_to_follow(&self, pattern: &FlakePattern) -> Result<i64, ApiError> {
        match pattern {
            FlakePattern::All => Err(ApiError::NotFound),
            FlakePattern::Organization(name) => {
                let entry = self.directory.find_organization(name.as_str());
                let entry = entry.ok_or(ApiError::NotFound)?;
                let is_open = !self.directory.ids_of_public(entry.id).is_empty();
                let is_own = self
                    .principal
                    .as_ref()
                    .is_some_and(|principal| principal.holdings.is_own(entry.id));
                (is_open || is_own)
                    .then_some(entry.id)
                    .ok_or(ApiError::NotFound)
            }
            FlakePattern::Flake(name) => {
                let (org, project) = (name.org.as_str(), name.project.as_str());
                let found = self.flake(org, project, Role::Read, Permission::Pull)?;
                let entry = self.directory.flake(found.id).ok_or(ApiError::NotFound)?;
                if entry.visibility != Visibility::Public {
                    return Err(ApiError::InvalidContent(format!(
                        "only public flakes can be followed, and {} is {}",
                        entry.name, entry.visibility
                    )));
                }
                Ok(entry.organization_id)
            }
        }
    }

    /// A flake, if the caller holds `needed` on it and the token has `permission`. A token for certain paths
    /// is told of no flake by its name, whatever it asks for.
    ///
    /// # Errors
    /// 404 where the flake is not there or the caller may not know of it; 403 (401 for the
    /// anonymous) where it is readable, but more is needed.
    pub fn flake(
        &self,
        org: &str,
        project: &str,
        needed: Role,
        permission: Permission,
    ) -> Result<FlakeRef, ApiError> {
        self.named_view()?;
        let entry = self
            .directory
            .find_flake(org, project)
            .ok_or(ApiError::NotFound)?;
        let role = self.role(entry);
        let open = entry.visibility != Visibility::Private;
        if role.is_none() && !open {
            return Err(ApiError::NotFound);
        }
        let reached = self.reaches(entry);
        // What everybody may read, whoever names it reads with every token that comes here.
        let reads_only = needed == Role::Read && permission == Permission::Pull;
        let opened = open && reads_only;
        if !(reached || opened) {
            return Err(ApiError::NotFound);
        }
        let found = FlakeRef {
            id: entry.id,
            organization_id: entry.organization_id,
            name: entry.name.clone(),
            role,
        };
        // What everybody may read needs no permission.
        if opened {
            return Ok(found);
        }
        let principal = self.principal()?;
        let allowed = principal.scope.allows(permission);
        if allowed
            && permission == Permission::Push
            && !principal.builder
            && self.directory.push_rule(entry) == PushRule::Builders
        {
            return Err(ApiError::Forbidden(format!(
                "{} takes pushes only from its trusted builders, by their workload identity",
                entry.name.org
            )));
        }
        if !allowed || role < Some(needed) {
            // Both are told, so that nobody is given the one to find that the other is missing too.
            let yours = match role {
                Some(role) => format!("yours is {role}"),
                None => "you have none".to_owned(),
            };
            let has = if allowed { "has" } else { "lacks" };
            return Err(ApiError::Forbidden(format!(
                "this needs the role {needed} on {} ({yours}) and a token with the permission \"{permission}\" \
                 (this one {has} it)",
                entry.name
            )));
        }
        Ok(found)
    }

    /// Patterns of a request with the present names of what they name: what is compared, and what is stored.
    pub fn present(&self, patterns: Vec<FlakePattern>) -> Vec<FlakePattern> {
        let present = |pattern| match pattern {
            FlakePattern::All => FlakePattern::All,
            FlakePattern::Organization(org) => {
                FlakePattern::Organization(self.directory.present_organization(org))
            }
            FlakePattern::Flake(flake) => FlakePattern::Flake(self.present_flake(flake)),
        };
        patterns.into_iter().map(present).collect()
    }

    /// The present name of a flake of a request. A flake that the caller may not see is called as they call it, as
    /// one that is not there: its name, and whether it has another one, is told to nobody else.
    pub fn present_flake(&self, flake: FlakeName) -> FlakeName {
        let found = self
            .directory
            .find_flake(flake.org.as_str(), flake.project.as_str());
        match found.filter(|entry| self.sees(entry)) {
            Some(entry) => entry.name.clone(),
            None => FlakeName {
                org: self.directory.present_organization(flake.org),
                project: flake.project,
            },
        }
    }

    fn sees(&self, flake: &FlakeEntry) -> bool {
        let is_open = flake.visibility != Visibility::Private;
        let is_held = self.role(flake).is_some() && self.reaches(flake);
        is_open || (is_held && self.named_view().is_ok())
    }

    /// Whether the token may be used for things beyond flakes that exist: it reaches the pattern.
    ///
    /// # Errors
    /// 403 where the token is narrower.
    pub fn require_reach(&self, pattern: &FlakePattern) -> Result<&Principal, ApiError> {
        let principal = self.principal()?;
        if principal
            .scope
            .flakes()
            .iter()
            .any(|mine| mine.includes(pattern))
        {
            return Ok(principal);
        }
        Err(ApiError::Forbidden(format!(
            "this token does not reach {pattern}"
        )))
    }

    fn role(&self, flake: &FlakeEntry) -> Option<Role> {
        self.principal
            .as_ref()
            .and_then(|principal| principal.holdings.role(flake.facts()))
    }

    fn reaches(&self, flake: &FlakeEntry) -> bool {
        self.principal
            .as_ref()
            .is_none_or(|principal| principal.reaches(flake))
    }
}
