//! Whether one policy gives no more than another.
//!
//! It is decided by what the policies say and not by trying claims, so it is not always seen. Where it is not, a policy
//! is not narrower.

use super::{Policy, binding};

impl Policy {
    /// Whether nobody gets anything by this policy that the former one does not give, now or after it has remembered
    /// ids. Keys that come with a policy are no part of it, so whoever asks compares them.
    #[must_use]
    pub fn narrows(&self, former: &Self) -> bool {
        // One that does not bind the tenant lets nobody in, so nothing is narrower.
        binding::bind_tenant(former.provider, &former.conditions)
            && self.provider == former.provider
            && self.asks_no_less(former)
            && accepts_no_more(&self.audiences, &former.audiences)
            && self.remembers_all(former)
            && self.flakes.iter().all(|asked| {
                let mut held = former.flakes.iter();
                held.any(|held| held.includes(asked))
            })
            && self.role <= former.role
            && (former.mint || !self.mint)
            && (former.pull_requests || !self.pull_requests)
            && (former.builder || !self.builder)
            && self.max_lifetime <= former.max_lifetime
    }

    /// Takes over what the former policy has remembered, where this one asks for all that it asked for: then these are
    /// the same workloads, or fewer. Keys that come with a policy are no part of it.
    pub fn keep_ids_of(&mut self, former: &Self) {
        if !self.asks_no_less(former) {
            return;
        }
        for (claim, value) in &mut self.pins {
            *value = former.pins.get(claim).cloned().flatten();
        }
    }

    /// Whether who meets these conditions meets the former ones of the same issuer.
    fn asks_no_less(&self, former: &Self) -> bool {
        let implied = || {
            former.conditions.iter().all(|asked| {
                // Where one claim has several conditions, only equal ones are looked for: very many patterns and very
                // many texts would be compared otherwise.
                self.conditions.contains(asked) || {
                    let mut on = self.conditions.iter().filter(|it| it.is_on_claim_of(asked));
                    matches!((on.next(), on.next()), (Some(only), None) if only.implies(asked))
                }
            })
        };
        let is_same = || self.conditions == former.conditions;
        self.issuer == former.issuer && (is_same() || self.provider == former.provider && implied())
    }

    /// Whether every id that the former one has remembered, or would, is remembered here.
    fn remembers_all(&self, former: &Self) -> bool {
        former.pins.iter().all(|(claim, value)| {
            let mine = self.pins.get(claim);
            mine.is_some_and(|mine| value.is_none() || mine == value)
        })
    }
}

/// Whether all audiences are among the former ones. None at all are the server's own, which change with the names of
/// an organisation.
fn accepts_no_more(audiences: &[String], former: &[String]) -> bool {
    if audiences.is_empty() || former.is_empty() {
        return audiences.is_empty() && former.is_empty();
    }
    audiences.iter().all(|audience| former.contains(audience))
}
