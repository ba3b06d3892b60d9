//! Browsers: signed in by a link or by name and password, signed out.

use super::link::{made, spent};
use super::token::Fresh;
use super::who::stays;
use super::{actor_ref, user_ref};
use crate::{App, AppError, OpCtx, handle::body};
use serde_json::{Value, json};
use tow_names::{Digest, Duration, Timestamp};
use tow_record::{Actor, Limits, Purpose, Role, SignInLink, Token};
use tow_store::{Batch, CommitError};

/// How long a browser stays signed in.
const SESSION: Duration = Duration::from_secs(30 * 24 * 3600);

/// A browser's session, fresh.
#[derive(Clone)]
pub struct Session {
    /// For the cookie.
    pub token: String,
    /// Who it is.
    pub actor: Actor,
    /// When it ends.
    pub expires_at: Timestamp,
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session").field("actor", &self.actor).finish_non_exhaustive()
    }
}

/// As a wrong name and a wrong password are refused: alike.
fn wrong() -> AppError {
    AppError::new("access/wrong-password", "name and password do not belong together")
        .hint("an administrator can set a new password, or make a link: tow user invite NAME")
}

impl App {
    /// Makes a session out of a one-time link; the link works this once. One that invites takes the password that its
    /// user chose.
    pub async fn redeem_sign_in(
        &self,
        secret: &str,
        password: Option<&str>,
        request: &str,
    ) -> Result<Session, AppError> {
        let digest = Digest::of(secret.as_bytes()).hex().to_string();
        let row = self.store().get::<SignInLink>(&SignInLink::id_of(&digest)).await?;
        let holds =
            |link: &SignInLink| link.digest == digest && !link.used && link.expires_at > self.now();
        let row = row.filter(|row| holds(&row.value)).ok_or_else(spent)?;
        let mut link = row.value;
        if !self.stays(&link.user, made(&link)).await? {
            return Err(spent());
        }
        let mut batch = Batch::new();
        let ctx = self.ctx_of(&link.user, link.role, request).await?;
        if link.invites {
            let password = password.ok_or_else(|| {
                AppError::new("access/password", "this invitation asks for a password of one's own")
            })?;
            self.put_password(&mut batch, &ctx, &link.user, password).await?;
        }
        link.used = true;
        batch.update(&link, row.version);
        self.open_session(batch, ctx, link.role, "a link").await.map_err(|error| {
            // Somebody was quicker with the same link.
            if error.is("object/moved") { spent() } else { error }
        })
    }

    /// Makes a session for a name and its password. A name that is not known and a wrong password are refused alike, after
    /// the same work; after some failures a name and an address have to wait, longer each time. `address` is the
    /// asker's, where it is known.
    pub async fn sign_in(
        &self,
        name: &str,
        password: &str,
        address: Option<&str>,
        request: &str,
    ) -> Result<Session, AppError> {
        let user = user_ref(name.trim()).ok().map(|user| user.to_string());
        let typed = user.clone().unwrap_or_else(|| name.trim().to_lowercase());
        // One try of a name at a time: many at once would all come before the first is counted.
        let _turn = self.passwords.turn(&typed).await;
        let tries = self.tries(&typed, address).await?;
        if let Some(wait) = tries.wait(self.now()) {
            return Err(super::tries::too_many(wait));
        }
        let known = self.credential(user.as_deref()).await?;
        let phc = known.as_ref().map(|row| row.value.phc.clone());
        let right = self.passwords.verify(phc, password.to_string()).await;
        let stays = match &known {
            Some(row) if right => self.stays(&row.value.user, row.value.set_at).await?,
            _ => false,
        };
        let (Some(user), true) = (user, stays) else {
            let of = known.as_ref().map(|row| row.value.user.as_str());
            self.count_failure(tries, of, request).await?;
            return Err(wrong());
        };
        let mut batch = Batch::new();
        tries.forget(&mut batch);
        let ctx = self.ctx_of(&user, Role::Admin, request).await?;
        self.open_session(batch, ctx, Role::Admin, "a password").await
    }

    /// Ends the session or token that this text belongs to; nothing to do where it holds no more.
    pub async fn sign_out(&self, token: &str, request: &str) -> Result<(), AppError> {
        let digest = Digest::of(token.as_bytes()).hex().to_string();
        let row = self.store().get::<Token>(&Token::id_of(&digest)).await?;
        let Some(row) = row.filter(|row| row.value.digest == digest && !row.value.revoked) else {
            return Ok(());
        };
        let ctx = self.ctx_of(&row.value.owner, row.value.role, request).await?;
        let mut ended = row.value;
        ended.revoked = true;
        let mut batch = Batch::new();
        batch.update(&ended, row.version);
        let what =
            body(format!("{} signed out", ended.owner), json!({"session": ended.id}), Value::Null);
        batch.event(self.event(&ctx, "session.ended", &ended.owner, what));
        match self.store().commit(batch).await {
            // Ended by somebody else meanwhile: it is ended.
            Ok(_) | Err(CommitError::Conflict { .. }) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// May they still hold what was given to them `since`?
    pub(super) async fn stays(&self, user: &str, since: Timestamp) -> Result<bool, AppError> {
        let who = actor_ref(user)?;
        let own = self.store().object(&who).await?;
        Ok(stays(&who, own.as_ref(), since))
    }

    /// Somebody as they stand, by at most this right.
    async fn ctx_of(&self, user: &str, cap: Role, request: &str) -> Result<OpCtx, AppError> {
        let standing = self.standing(&actor_ref(user)?).await?;
        let actor = Actor {
            name: user.into(),
            role: standing.role.min(cap),
            groups: standing.memberships.iter().map(|m| m.group.clone()).collect(),
            limits: Limits::default(),
        };
        Ok(OpCtx { actor, request: request.into() })
    }

    async fn open_session(
        &self,
        mut batch: Batch,
        ctx: OpCtx,
        cap: Role,
        by: &str,
    ) -> Result<Session, AppError> {
        let user = ctx.actor.name.clone();
        let fresh = Fresh {
            owner: &user,
            role: cap,
            purpose: Purpose::Session,
            note: "browser",
            limits: Limits::default(),
            holds: Some(SESSION),
        };
        let (token, text) = self.add_token(&mut batch, fresh).await?;
        let what =
            body(format!("{user} signed in by {by}"), Value::Null, json!({"session": token.id}));
        batch.event(self.event(&ctx, "session.created", &user, what));
        self.store().commit(batch).await?;
        let expires_at = token.expires_at.unwrap_or_else(|| self.now());
        Ok(Session { token: text, actor: ctx.actor, expires_at })
    }
}
