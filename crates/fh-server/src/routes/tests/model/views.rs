//! Steps that change whose slices stand in whose view: invitations that are accepted or declined, leaving,
//! and what organisations follow.

use serde_json::json;

use super::reference::{Reach, Whom};
use super::{FLAKES, History, USERS};

impl History {
    /// A user does not belong to an organisation any more, and is not invited to be a member.
    pub(super) fn forget(&mut self, organization: usize, user: usize) {
        let here = |of: usize, who: usize| of == organization && who == user;
        let model = &mut self.model;
        model.members.retain(|(of, who, _)| !here(*of, *who));
        model.invited.retain(|(of, who, _)| !here(*of, *who));
        model.guests.retain(|(of, who)| !here(*of, *who));
        model.team.retain(|(of, who)| !here(*of, *who));
    }

    /// What an organisation has granted to a user by name goes.
    pub(super) fn forget_grants(&mut self, organization: usize, user: usize) {
        let theirs = |of: usize, whom: Whom| of == organization && whom == Whom::User(user);
        let grants = &mut self.model.grants;
        grants.retain(|(_, of, whom, _)| !theirs(*of, *whom));
    }

    pub(super) async fn accept(&mut self) {
        let (organization, user) = (self.random.below(2), self.random.below(USERS));
        let path = format!("/api/v1/invitations/{}", self.organization(organization));
        let offered = self.model.invitation(organization, user);
        let word = offered.map(|role| ["member", "admin", "owner"][role]);
        let text = self.texts[user].clone();
        let answer = self.server.put(&path, &text, json!({ "membership": word }));
        let answer = answer.await;
        self.done.push(format!(
            "u{user} accepts {organization} ({word:?}) → {}",
            answer.status
        ));
        let model = &self.model;
        let belongs = model.is_member(organization, user) || model.is_guest(organization, user);
        let granted = model.is_granted(organization, user);
        self.expect(
            answer.status.is_success() == (offered.is_some() || belongs || granted),
            "what is offered can be accepted",
        );
        if let Some(role) = offered {
            self.forget(organization, user);
            self.model.members.push((organization, user, role));
        } else if granted && !belongs {
            self.model.guests.push((organization, user));
        }
    }

    pub(super) async fn decline(&mut self) {
        let (organization, user) = (self.random.below(2), self.random.below(USERS));
        let path = format!("/api/v1/invitations/{}", self.organization(organization));
        let answer = self.server.delete(&path, &self.texts[user]).await;
        self.done.push(format!(
            "u{user} declines {organization} → {}",
            answer.status
        ));
        let model = &self.model;
        let something = model.invitation(organization, user).is_some()
            || model.is_guest(organization, user)
            || model.is_granted(organization, user);
        let declines = something && !model.is_member(organization, user);
        self.expect(
            answer.status.is_success() == declines,
            "what is offered can be declined",
        );
        if declines {
            self.forget(organization, user);
            self.forget_grants(organization, user);
        }
    }

    pub(super) async fn leave(&mut self) {
        let (organization, user) = (self.random.below(2), 2 + self.random.below(USERS - 2));
        let name = self.organization(organization);
        let path = format!("/api/v1/orgs/{name}/members/u{user}");
        let answer = self.server.delete(&path, &self.texts[user]).await;
        self.done
            .push(format!("u{user} leaves {organization} → {}", answer.status));
        // An administrator may also withdraw an invitation of their own, but there is none of a member.
        let model = &self.model;
        let belongs = model.is_member(organization, user) || model.is_guest(organization, user);
        self.expect(
            answer.status.is_success() == belongs,
            "who belongs somewhere may leave",
        );
        if belongs {
            self.forget(organization, user);
            self.forget_grants(organization, user);
        }
    }

    /// What an organisation follows is up to its owner.
    pub(super) async fn follow(&mut self) {
        let organization = self.random.below(2);
        let mut wanted: Vec<Reach> = Vec::new();
        for _ in 0..self.random.below(3) {
            let reach = match self.random.below(3) {
                0 => Reach::Organization(self.random.below(2)),
                _ => Reach::Flake(self.random.below(FLAKES)),
            };
            if !wanted.contains(&reach) {
                wanted.push(reach);
            }
        }
        let texts = |list: &[Reach]| -> Vec<String> {
            list.iter().map(|reach| self.reach(*reach)).collect()
        };
        let before = self.model.follows[organization].clone();
        let body = json!({
            "follows": texts(&wanted),
            "before": texts(&before),
            "org": self.organization(organization),
        });
        let answer = self
            .server
            .put("/api/v1/follows", &self.texts[organization], body);
        let answer = answer.await;
        self.done.push(format!(
            "{organization} follows {wanted:?} → {}",
            answer.status
        ));
        let can = |reach: &Reach| {
            before.contains(reach) || self.model.can_be_followed(organization, *reach)
        };
        let may = wanted.iter().all(can);
        self.expect(
            answer.status.is_success() == may,
            "public flakes can be followed",
        );
        if may {
            self.model.follows[organization] = wanted;
        }
    }
}
