//! The view: the slices that a caller may read, and which of them comes first.
//!
//! A view holds no list of slices. It decides for one slice at a time, from what the principal
//! holds, how the token narrows it, and how the address narrows it (`/cache/org/project`), so that
//! its cost grows neither with its own size nor with the number of flakes.

use std::sync::Arc;

use fh_api::{Permission, Role};
use fh_auth::{Follows, Holdings, Named, Standing, TokenScope};
use fh_nix::{PublicKey, StorePath};
use uuid::Uuid;

use super::Principal;
use super::directory::{Directory, FlakeEntry};
use super::principal::next_serial;

/// How an address narrows the view.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope<'a> {
    All,
    Organization(&'a str),
    /// To one flake, which opens an unlisted one.
    Flake(&'a str, &'a str),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Narrowing {
    All,
    Organization(i64),
    Flake(i64),
}

/// Equal where two views answer alike for certain; a key for caches of answers.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ViewIdentity {
    /// Of the copy of the principal, which is of one token and one generation.
    principal: Option<u64>,
    directory: u64,
    narrowing: Narrowing,
}

/// How a token narrows its view to certain paths. `None` is no limit.
#[derive(Debug, Clone, Copy)]
pub struct PathLimits<'a> {
    /// The closures that alone are read.
    pub closures: Option<ClosureLimit>,
    /// The paths whose closures these are.
    pub roots: &'a [StorePath],
    /// Keys of which one must have signed what is read.
    pub signed_by: Option<&'a [PublicKey]>,
}

/// Where it is written what a token for closures may read.
#[derive(Debug, Clone, Copy)]
pub struct ClosureLimit {
    /// The token's public id.
    pub token: Option<Uuid>,
    /// The set of paths with their contents; none for a token of before there were any, until its first use.
    pub path_set: Option<i64>,
}

/// What a caller may read. Clones are cheap.
#[derive(Debug, Clone)]
pub struct View {
    pub(super) directory: Arc<Directory>,
    pub(super) principal: Option<Arc<Principal>>,
    pub(super) narrowing: Narrowing,
}

impl View {
    pub(super) fn new(directory: Arc<Directory>, principal: Option<Arc<Principal>>) -> Self {
        Self {
            directory,
            principal,
            narrowing: Narrowing::All,
        }
    }

    /// The rank of a slice, lower is nearer to the reader and served first; `None`: not in this view.
    pub fn rank(&self, flake_id: i64) -> Option<u32> {
        let standing = self.standing(self.directory.flake(flake_id)?)?;
        Some(standing.rank() as u32)
    }

    /// The organisation of a slice and its standing in this view, if it is in it.
    pub fn standing_of(&self, flake_id: i64) -> Option<(i64, Standing)> {
        let flake = self.directory.flake(flake_id)?;
        Some((flake.organization_id, self.standing(flake)?))
    }

    /// Whether an organisation takes the signatures of some keys for a proof.
    pub fn trusts_keys(&self, organization_id: i64) -> bool {
        let organization = self.directory.organization(organization_id);
        organization.is_some_and(|organization| organization.trusts_keys)
    }

    /// Whether any organisation of the server does, in this view or not.
    pub fn anybody_trusts_keys(&self) -> bool {
        self.directory.anybody_trusts_keys()
    }

    /// A flake of this view, by its internal id.
    pub fn flake(&self, id: i64) -> Option<&FlakeEntry> {
        let flake = self.directory.flake(id)?;
        self.standing(flake).map(|_| flake)
    }

    /// This view narrowed further; `None` where nothing that exists for this caller is named.
    pub fn narrow(&self, scope: Scope<'_>) -> Option<Self> {
        let narrowing = match scope {
            Scope::All => return Some(self.clone()),
            Scope::Organization(name) => {
                Narrowing::Organization(self.directory.find_organization(name)?.id)
            }
            Scope::Flake(org, project) => {
                Narrowing::Flake(self.directory.find_flake(org, project)?.id)
            }
        };
        let narrowed = match (self.narrowing, narrowing) {
            (Narrowing::All, narrowing) => Self {
                narrowing,
                ..self.clone()
            },
            (now, then) if now == then => self.clone(),
            _ => return None,
        };
        // An organisation of which nothing can be seen is as good as none; but for its own people, whose Nix
        // reads there before there is anything.
        let something = narrowed.flakes().next().is_some() || narrowed.is_own();
        something.then_some(narrowed)
    }

    /// Whether it is narrowed to an organisation of the caller's own.
    fn is_own(&self) -> bool {
        let (Narrowing::Organization(id), Some(principal)) = (self.narrowing, &self.principal)
        else {
            return false;
        };
        principal.scope.allows(Permission::Pull)
            && principal.holdings.is_own(id)
            && self
                .directory
                .organization(id)
                .is_some_and(|organization| principal.touches(&organization.name))
    }

    /// The flakes of this view and what the caller holds on them, in no order.
    pub fn flakes(&self) -> impl Iterator<Item = (&FlakeEntry, Option<Role>)> {
        let candidates: Box<dyn Iterator<Item = &FlakeEntry> + Send> = match self.narrowing {
            Narrowing::All => Box::new(self.directory.all()),
            Narrowing::Organization(id) => Box::new(self.directory.of_organization(id)),
            Narrowing::Flake(id) => Box::new(self.directory.flake(id).into_iter()),
        };
        candidates
            .filter(|flake| self.standing(flake).is_some())
            .map(|flake| (flake, self.role(flake)))
    }

    /// Which paths of its slices alone it holds, where it does not hold all of them.
    pub fn limits(&self) -> Option<PathLimits<'_>> {
        let principal = self.principal.as_ref()?;
        let scope = &principal.scope;
        let token = principal.token.as_ref();
        scope.is_for_certain_paths().then(|| PathLimits {
            closures: scope.closures().map(|_| ClosureLimit {
                token: token.map(|token| token.uuid),
                path_set: token.and_then(|token| token.path_set_id),
            }),
            roots: scope.closures().unwrap_or_default(),
            signed_by: scope.signed_by(),
        })
    }

    /// The view that the caller would have with a token of this scope: of the slices, whatever paths it is
    /// limited to.
    pub fn with_scope(&self, scope: TokenScope) -> Self {
        let principal = self.principal.as_deref().map(|principal| {
            Arc::new(Principal {
                scope,
                serial: next_serial(),
                ..principal.clone()
            })
        });
        Self {
            principal,
            ..self.clone()
        }
    }

    /// The same view where no address narrows it.
    pub fn whole(&self) -> Self {
        Self {
            narrowing: Narrowing::All,
            ..self.clone()
        }
    }

    /// A key for caches of what was answered from this view.
    pub fn identity(&self) -> ViewIdentity {
        ViewIdentity {
            principal: self.principal.as_ref().map(|principal| principal.serial),
            directory: self.directory.generation(),
            narrowing: self.narrowing,
        }
    }

    /// With what standing the view holds a flake, if it does.
    fn standing(&self, flake: &FlakeEntry) -> Option<Standing> {
        let named = match self.narrowing {
            Narrowing::All => Named::No,
            Narrowing::Organization(id) if id == flake.organization_id => Named::Organization,
            Narrowing::Flake(id) if id == flake.id => Named::Flake,
            Narrowing::Organization(_) | Narrowing::Flake(_) => return None,
        };
        let everybody = self.directory.everybody();
        let nothing = Holdings::default();
        let Some(principal) = &self.principal else {
            return nothing.standing(flake.facts(), named, everybody);
        };
        if principal.reaches(flake) {
            // A token that may not read gets what everybody may.
            let pulls = principal.scope.allows(Permission::Pull);
            let holdings = if pulls { &principal.holdings } else { &nothing };
            return holdings.standing(flake.facts(), named, everybody);
        }
        // What is open and named is read with every token that was not made for certain paths.
        let open = nothing.standing(flake.facts(), named, &Follows::default())?;
        (!principal.scope.is_for_certain_paths()).then_some(open)
    }

    fn role(&self, flake: &FlakeEntry) -> Option<Role> {
        self.principal
            .as_ref()
            .and_then(|principal| principal.holdings.role(flake.facts()))
    }
}
