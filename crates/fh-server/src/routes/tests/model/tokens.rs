//! The steps of a history that make, replace and end tokens.

use super::*;

impl History {
    pub(super) async fn mint(&mut self) {
        let parent = self.any_token();
        let permissions: BTreeSet<usize> = (0..PERMISSIONS.len())
            .filter(|_| !self.random.chance(3))
            .collect();
        let reach: Vec<Reach> = (0..=self.random.below(2))
            .map(|_| match self.random.below(4) {
                0 => Reach::All,
                1 => Reach::Organization(self.random.below(2)),
                _ => Reach::Flake(self.random.below(FLAKES)),
            })
            .collect();
        let closure = self.random.chance(4).then(|| match self.random.below(3) {
            0 => Path::Common,
            _ => Path::Own(self.random.below(FLAKES)),
        });
        let words: Vec<&str> = permissions
            .iter()
            .map(|index| PERMISSIONS[*index])
            .collect();
        let patterns: Vec<String> = reach.iter().map(|reach| self.reach(*reach)).collect();
        let renewable = self.random.chance(2);
        let mut body = json!({ "permissions": words, "flakes": patterns, "renewable": renewable });
        if let Some(root) = closure {
            body["closures"] = json!([self.path(root).to_string()]);
        }
        let text = self.texts[parent].clone();
        let answer = self.server.post("/api/v1/tokens", &text, body).await;
        self.done.push(format!(
            "{parent} mints {words:?} on {patterns:?} for {closure:?} → {}",
            answer.status
        ));
        let minted = (!self.model.is_dead(parent))
            .then(|| {
                let model = &self.model;
                model.mint(parent, &permissions, &reach, closure, renewable)
            })
            .flatten();
        self.expect(
            (answer.status == 201) == minted.is_some(),
            "minted where it is no more than the minter has",
        );
        if let Some(token) = minted {
            self.model.tokens.push(token);
            self.texts.push(answer.json::<fh_api::MintedToken>().token);
        }
    }

    pub(super) async fn rotate(&mut self) {
        // The first ones are shared with other histories.
        let token = self.any_token();
        if token < USERS || self.model.tokens[token].ended {
            return;
        }
        // By itself, or by the account's first one.
        let by = if self.random.chance(2) {
            token
        } else {
            self.model.tokens[token].user
        };
        let id = fh_auth::read_unverified(&self.texts[token]).unwrap().jti;
        let path = format!("/api/v1/tokens/{id}/rotate");
        let text = self.texts[by].clone();
        let grace = self.random.chance(3);
        let body = if grace {
            json!({ "grace": 3600 })
        } else {
            json!({})
        };
        let answer = self.server.post(&path, &text, body).await;
        self.done.push(format!(
            "{token} is rotated by {by} with grace: {grace} → {}",
            answer.status
        ));
        let next = self.model.rotate(token, by);
        self.expect(
            (answer.status == 201) == next.is_some(),
            "rotated by who may mint",
        );
        if let Some(next) = next {
            self.model.tokens[token].ended |= !grace;
            self.model.tokens[token].renewable = false;
            self.model.tokens.push(next);
            self.texts.push(answer.json::<fh_api::MintedToken>().token);
        }
    }

    pub(super) async fn renew(&mut self) {
        let token = self.any_token();
        let text = self.texts[token].clone();
        let path = "/api/v1/tokens/renew";
        let answer = self.server.post(path, &text, json!({})).await;
        self.done
            .push(format!("{token} is renewed → {}", answer.status));
        let next = self.model.renew(token);
        self.expect(
            (answer.status == 201) == next.is_some(),
            "renewed where nothing bounds it",
        );
        if let Some(next) = next {
            self.model.tokens.push(next);
            self.texts.push(answer.json::<fh_api::MintedToken>().token);
        }
    }

    pub(super) async fn revoke(&mut self) {
        let token = self.any_token();
        if token < USERS {
            return;
        }
        let id = fh_auth::read_unverified(&self.texts[token]).unwrap().jti;
        let path = format!("/api/v1/tokens/{id}");
        let text = self.texts[self.model.tokens[token].user].clone();
        self.server.delete(&path, &text).await.expect(200);
        self.done.push(format!("{token} is revoked"));
        self.model.revoke(token);
    }
}
