//! What the rules of access come to, written down a second time and as plainly as possible: lists that
//! are searched from one end to the other, no caches, no generations, no sharing with the product.

use std::collections::BTreeSet;

pub(super) const PERMISSIONS: [&str; 4] = ["pull", "push", "mint", "admin"];
pub(super) const ROLES: [&str; 3] = ["read", "write", "admin"];
pub(super) const VISIBILITIES: [&str; 3] = ["public", "unlisted", "private"];

/// What a grant is given on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum On {
    Flake(usize),
    Organization(usize),
}

/// Whom a grant is given to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Whom {
    User(usize),
    /// The one team of the organisation.
    Team,
    Members,
}

/// Which flakes a token reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reach {
    All,
    Organization(usize),
    Flake(usize),
}

/// A store path of the scene: one that a flake alone holds, or the one that all hold, to which each of
/// the former refers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Path {
    Own(usize),
    Common,
}

#[derive(Debug, Clone)]
pub(super) struct Token {
    pub(super) user: usize,
    pub(super) parent: Option<usize>,
    pub(super) permissions: BTreeSet<usize>,
    pub(super) reach: Vec<Reach>,
    /// The paths that alone it reads, fixed when it was minted.
    pub(super) closure: Option<BTreeSet<Path>>,
    pub(super) ended: bool,
    /// It does not end with the token that it was made with, nor with a time of grace.
    pub(super) renewable: bool,
}

impl Token {
    fn reaches(&self, flake: usize) -> bool {
        self.reach
            .iter()
            .any(|reach| includes(*reach, Reach::Flake(flake)))
    }

    fn allows(&self, permission: &str) -> bool {
        let index = PERMISSIONS.iter().position(|word| *word == permission);
        self.permissions.contains(&index.unwrap())
    }
}

/// The facts. Flake `f` belongs to the organisation `f / 2`; organisation `o` is owned by user `o`.
#[derive(Debug, Clone)]
pub(super) struct Model {
    /// Organisation, user, role as an index: member, admin, owner.
    pub(super) members: Vec<(usize, usize, usize)>,
    pub(super) team: Vec<(usize, usize)>,
    /// Organisation, user: who has accepted as a guest.
    pub(super) guests: Vec<(usize, usize)>,
    /// Organisation, user, role: who is invited to be a member.
    pub(super) invited: Vec<(usize, usize, usize)>,
    /// What each organisation follows.
    pub(super) follows: Vec<Vec<Reach>>,
    pub(super) grants: Vec<(On, usize, Whom, usize)>,
    pub(super) visibility: Vec<usize>,
    pub(super) builders_only: Vec<bool>,
    pub(super) tokens: Vec<Token>,
}

pub(super) fn organization_of(flake: usize) -> usize {
    flake / 2
}

fn includes(mine: Reach, asked: Reach) -> bool {
    match (mine, asked) {
        (Reach::All, _) => true,
        (Reach::Organization(mine), Reach::Organization(asked))
        | (Reach::Flake(mine), Reach::Flake(asked)) => mine == asked,
        (Reach::Organization(mine), Reach::Flake(asked)) => mine == organization_of(asked),
        _ => false,
    }
}

impl Model {
    pub(super) fn is_member(&self, organization: usize, user: usize) -> bool {
        self.members
            .iter()
            .any(|(of, who, _)| *of == organization && *who == user)
    }

    pub(super) fn is_guest(&self, organization: usize, user: usize) -> bool {
        self.guests.contains(&(organization, user))
    }

    /// What a user is invited to be.
    pub(super) fn invitation(&self, organization: usize, user: usize) -> Option<usize> {
        let mut invited = self.invited.iter();
        invited
            .find(|(of, who, _)| *of == organization && *who == user)
            .map(|(_, _, role)| *role)
    }

    /// Whether an organisation has granted something to a user by name.
    pub(super) fn is_granted(&self, organization: usize, user: usize) -> bool {
        self.grants
            .iter()
            .any(|(_, of, whom, _)| *of == organization && *whom == Whom::User(user))
    }

    /// Whether something is public of what a follow names, or it is that of an owner.
    pub(super) fn can_be_followed(&self, by: usize, reach: Reach) -> bool {
        let public = |flake: usize| VISIBILITIES[self.visibility[flake]] == "public";
        match reach {
            Reach::All => false,
            Reach::Flake(flake) => public(flake),
            Reach::Organization(of) => {
                of == by
                    || (0..self.visibility.len()).any(|f| organization_of(f) == of && public(f))
            }
        }
    }

    /// The role of a user on a flake: the strongest of all that hold, as an index.
    pub(super) fn role(&self, user: usize, flake: usize) -> Option<usize> {
        let organization = organization_of(flake);
        let by_membership = self
            .members
            .iter()
            .any(|(of, who, role)| *of == organization && *who == user && *role >= 1)
            .then_some(2);
        let by_grants = self
            .grants
            .iter()
            .filter(|(on, of, whom, _)| {
                let here = match on {
                    On::Flake(on) => *on == flake,
                    On::Organization(on) => *on == organization,
                };
                here && *of == organization
                    && match whom {
                        Whom::User(who) => {
                            *who == user
                                && (self.is_member(organization, user)
                                    || self.is_guest(organization, user))
                        }
                        Whom::Members => self.is_member(organization, user),
                        Whom::Team => {
                            self.is_member(organization, user)
                                && self.team.contains(&(organization, user))
                        }
                    }
            })
            .map(|(_, _, _, role)| *role)
            .max();
        by_membership.max(by_grants)
    }

    /// Whether a token is good for nothing any more.
    pub(super) fn is_dead(&self, token: usize) -> bool {
        self.tokens[token].ended
    }

    /// Ends a token and all that it asked for.
    pub(super) fn revoke(&mut self, token: usize) {
        self.tokens[token].ended = true;
        for child in 0..self.tokens.len() {
            if self.tokens[child].parent == Some(token) {
                self.revoke(child);
            }
        }
    }

    /// The token that rotating another one gives, whose parent is the one that asks; none where it must be
    /// refused.
    pub(super) fn rotate(&self, token: usize, by: usize) -> Option<Token> {
        let allowed = !self.is_dead(token) && !self.is_dead(by) && self.may(by, "mint");
        let former = &self.tokens[token];
        allowed.then(|| Token {
            parent: Some(by),
            renewable: former.renewable && token == by,
            ..former.clone()
        })
    }

    /// What renewing a token gives: whoever holds it may.
    pub(super) fn renew(&self, token: usize) -> Option<Token> {
        let former = &self.tokens[token];
        let allowed = !self.is_dead(token) && former.renewable;
        allowed.then(|| Token {
            parent: Some(token),
            ..former.clone()
        })
    }

    fn may(&self, token: usize, permission: &str) -> bool {
        self.tokens[token].allows(permission)
    }

    /// Whether a slice is in the view of a live token, or of nobody. `named`: the address names it.
    pub(super) fn reads_slice(&self, token: Option<&Token>, flake: usize, named: bool) -> bool {
        let visibility = VISIBILITIES[self.visibility[flake]];
        let reached = token.is_none_or(|token| token.reaches(flake));
        let held = token.is_some_and(|token| {
            let is_own = self.is_member(organization_of(flake), token.user);
            let is_followed = self.follows.iter().enumerate().any(|(of, list)| {
                self.is_member(of, token.user)
                    && list.iter().any(|mine| includes(*mine, Reach::Flake(flake)))
            });
            let opened = visibility == "public" && (is_own || is_followed);
            token.allows("pull") && (self.role(token.user, flake).is_some() || opened)
        });
        // What is open and named, every token reads that was not made for certain paths.
        let whole = token.is_none_or(|token| token.closure.is_none());
        (reached && held) || (named && visibility != "private" && (reached || whole))
    }

    /// Whether a slice with a path is in a view, whatever paths the token is limited to.
    fn holds(&self, token: Option<&Token>, path: Path, at: Option<usize>) -> bool {
        let holders: Vec<usize> = match path {
            Path::Own(flake) => vec![flake],
            Path::Common => (0..self.visibility.len()).collect(),
        };
        holders
            .into_iter()
            .filter(|flake| at.is_none_or(|at| at == *flake))
            .any(|flake| self.reads_slice(token, flake, at.is_some()))
    }

    /// Whether a path can be read at the root of the cache, or below a flake's own address.
    pub(super) fn reads(&self, token: Option<usize>, path: Path, at: Option<usize>) -> bool {
        let token = token.map(|token| &self.tokens[token]);
        let closure = token.and_then(|token| token.closure.as_ref());
        closure.is_none_or(|closure| closure.contains(&path)) && self.holds(token, path, at)
    }

    /// Whether a live token may push to a flake.
    pub(super) fn pushes(&self, token: usize, flake: usize) -> bool {
        self.tokens[token].reaches(flake)
            && self.may(token, "push")
            && self.role(self.tokens[token].user, flake) >= Some(1)
            && !self.builders_only[organization_of(flake)]
    }

    /// Whether a live token may give and take roles on a flake.
    pub(super) fn administers(&self, token: usize, flake: usize) -> bool {
        self.tokens[token].reaches(flake)
            && self.may(token, "admin")
            && self.role(self.tokens[token].user, flake) >= Some(2)
    }

    /// Whether a token's user is a member of an organisation: guests grant nothing to many at once.
    pub(super) fn belongs(&self, token: usize, organization: usize) -> bool {
        self.is_member(organization, self.tokens[token].user)
    }

    /// The token that minting would give; none where it must be refused.
    pub(super) fn mint(
        &self,
        parent: usize,
        permissions: &BTreeSet<usize>,
        reach: &[Reach],
        closure: Option<Path>,
        renewable: bool,
    ) -> Option<Token> {
        let mine = &self.tokens[parent];
        let allowed = self.may(parent, "mint")
            && !permissions.is_empty()
            && permissions.is_subset(&mine.permissions)
            && reach
                .iter()
                .all(|asked| mine.reach.iter().any(|mine| includes(*mine, *asked)))
            && closure.is_none_or(|root| self.reads(Some(parent), root, None));
        let only_reads = closure.is_none() && mine.closure.is_none()
            || permissions
                .iter()
                .all(|index| matches!(PERMISSIONS[*index], "pull" | "mint"));
        let mut minted = Token {
            user: mine.user,
            parent: Some(parent),
            permissions: permissions.clone(),
            reach: reach.to_vec(),
            closure: mine.closure.clone(),
            ended: false,
            renewable: renewable && mine.renewable,
        };
        if let Some(root) = closure {
            minted.closure = Some(self.closure(root, &minted, mine));
        }
        (allowed && only_reads).then_some(minted)
    }

    /// What a new token reads of a closure: what it is served, within what its parent reads.
    fn closure(&self, root: Path, minted: &Token, parent: &Token) -> BTreeSet<Path> {
        let is_there = |path: &Path| {
            let within = parent.closure.as_ref();
            within.is_none_or(|closure| closure.contains(path))
                && self.holds(Some(minted), *path, None)
        };
        let leads_to = match root {
            // It leads on where the token sees what it is a path of.
            Path::Own(_) if is_there(&root) => vec![root, Path::Common],
            root => vec![root],
        };
        leads_to.into_iter().filter(is_there).collect()
    }

    /// A closure that a child is narrowed to is at most that of its parent.
    pub(super) fn assert_narrowing(&self) {
        for token in &self.tokens {
            let Some(parent) = token.parent.map(|parent| &self.tokens[parent]) else {
                continue;
            };
            assert!(token.permissions.is_subset(&parent.permissions));
            if let Some(closure) = &parent.closure {
                assert!(token.closure.as_ref().unwrap().is_subset(closure));
            }
        }
    }
}
