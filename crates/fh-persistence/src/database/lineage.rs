//! What came of a token: all that it asked for, and what that asked for in turn.
//!
//! ```text
//! alice's token ─┬─ alice's ─┬─ alice's      end with it: one account, one chain
//!                │           └─ bob's ── bob's  ┐ stand by themselves, and are listed
//!                └─ carol's                     ┘
//! ```
//!
//! A token that was made for another account is that account's own from then on. The chain is told by the
//! rows alone, whether those in between have ended or not.

use std::collections::{HashMap, HashSet};

use fh_sql::{Read, params};

use super::DatabaseError;
use super::rows::all;
use super::tokens::{SELECT, Token};
use super::values::Timestamp;

/// The token `?1` and all that it asked for, also of other accounts, and what those asked for.
const ALL: &str = "WITH RECURSIVE descendant (id) AS ( \
     SELECT ?1 UNION SELECT t.id FROM token t JOIN descendant d ON t.parent_id = d.id)";

/// The same, of one account.
const OWN: &str = "WITH RECURSIVE descendant (id, account_id) AS ( \
     SELECT id, account_id FROM token WHERE id = ?1 \
     UNION SELECT t.id, t.account_id FROM token t \
     JOIN descendant d ON t.parent_id = d.id AND t.account_id = d.account_id)";

/// A token and what came of it.
#[derive(Debug)]
pub struct Lineage {
    /// Those that end with it, itself first.
    pub own: Vec<Token>,
    /// What was made for other accounts in the chain, however far, as long as something of it is good.
    pub branches: Vec<Branch>,
}

/// A token that was made for another account than that of the token that asked for it.
#[derive(Debug)]
pub struct Branch {
    /// What would end with it: itself, which may have ended, and what came of it within its account.
    pub own: Vec<Token>,
    /// It was asked for by one of [`Lineage::own`].
    pub direct: bool,
}

/// What came of a token, as it is at a time; none where there is no such token.
pub fn of(read: &Read, id: i64, at: Timestamp) -> Result<Option<Lineage>, DatabaseError> {
    // What is asked for gets its id later than who asks for it: parents come before their children.
    let sql = format!("{ALL} {SELECT} WHERE t.id IN (SELECT id FROM descendant) ORDER BY t.id");
    let found = all(read, &sql, params![id])?;
    Ok(assemble(found, at))
}

/// Takes a token and its descendants, parents first, apart by account.
fn assemble(tokens: Vec<Token>, at: Timestamp) -> Option<Lineage> {
    /// A token for an account, with what came of it there.
    struct Part {
        own: Vec<Token>,
        /// Something of it is good, or of what it has made for others in turn.
        good: bool,
        /// The part of the token that asked for the first one.
        of: Option<usize>,
    }
    let mut parts: Vec<Part> = Vec::new();
    // By id: its account and its part.
    let mut placed: HashMap<i64, (i64, usize)> = HashMap::new();
    for token in tokens {
        let parent = token.parent_id.and_then(|parent| placed.get(&parent));
        let part = match parent {
            Some((account, part)) if *account == token.account_id => *part,
            _ => {
                parts.push(Part {
                    own: Vec::new(),
                    good: false,
                    of: parent.map(|(_, part)| *part),
                });
                parts.len() - 1
            }
        };
        placed.insert(token.id, (token.account_id, part));
        let part = &mut parts[part];
        part.good |= token.is_good(at);
        part.own.push(token);
    }
    for index in (0..parts.len()).rev() {
        let Part { good, of, .. } = parts[index];
        if let Some(of) = of {
            parts[of].good |= good;
        }
    }
    let mut parts = parts.into_iter();
    let own = parts.next()?.own;
    let branches = parts.filter(|part| part.good).map(|part| Branch {
        own: part.own,
        direct: part.of == Some(0),
    });
    Some(Lineage {
        own,
        branches: branches.collect(),
    })
}

/// The internal ids of a token and of all that came of it within its account.
pub fn own_ids(read: &Read, id: i64) -> Result<HashSet<i64>, DatabaseError> {
    let sql = format!("{OWN} SELECT id FROM descendant");
    let found = all(read, &sql, params![id])?;
    Ok(found.into_iter().collect())
}
