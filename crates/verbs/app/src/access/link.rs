//! One-time links: they sign a browser in, or invite somebody to choose a password.

use super::user_ref;
use crate::{App, AppError, Call, Handle, OpCtx, handle::body};
use serde_json::{Value, json};
use tow_api::Action;
use tow_api::access::sign_in_link::{self, CreateSignInLink};
use tow_names::{Digest, Duration, Id, Timestamp};
use tow_policy::Object;
use tow_record::{Role, SignInLink};

/// How long a link works.
const LINK: Duration = Duration::from_secs(15 * 60);
/// How long an invitation works.
const INVITATION: Duration = Duration::from_secs(3 * 24 * 3600);

/// What a link is for, to whoever opens it; looking burns nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invitation {
    /// Whose it is.
    pub user: String,
    /// A password is to be chosen first.
    pub invites: bool,
}

/// When it was made.
pub(super) fn made(link: &SignInLink) -> Timestamp {
    let holds = if link.invites { INVITATION } else { LINK };
    Timestamp(link.expires_at.0.saturating_sub(holds.micros()))
}

/// As every link that does not work is refused.
pub(super) fn spent() -> AppError {
    AppError::new("access/link-used", "this link was used, has expired, or never was")
        .next("tow sign-in")
}

impl App {
    /// What the link with this secret is for, where it still works.
    pub async fn invitation(&self, secret: &str) -> Result<Option<Invitation>, AppError> {
        let digest = Digest::of(secret.as_bytes()).hex().to_string();
        let row = self.store().get::<SignInLink>(&SignInLink::id_of(&digest)).await?;
        let link = row
            .map(|row| row.value)
            .filter(|link| link.digest == digest && !link.used && link.expires_at > self.now());
        let Some(link) = link else { return Ok(None) };
        let stays = self.stays(&link.user, made(&link)).await?;
        Ok(stays.then_some(Invitation { user: link.user, invites: link.invites }))
    }
}

impl Handle<CreateSignInLink> for App {
    async fn handle(
        &self,
        ctx: &OpCtx,
        call: Call<CreateSignInLink>,
    ) -> Result<sign_in_link::Reply, AppError> {
        let (mut reply, secret) = self
            .write_showing(ctx, &call, async |batch| {
                let who = user_ref(call.body.user.as_deref().unwrap_or(&ctx.actor.name))?;
                let user = who.to_string();
                let own = user == ctx.actor.name;
                let action = if own { Action::OwnTokens } else { Action::ManageAccess };
                self.authorize(ctx, action, &Object::personal("sign-in-link", &user))?;
                if !own {
                    self.in_catalog(&who).await?;
                }
                if !ctx.actor.limits.is_none() {
                    return Err(AppError::new(
                        "access/cut-token",
                        "a browser's session can't be cut down, so a token that is makes none",
                    ));
                }
                let secret = Id::secret();
                let digest = Digest::of(secret.as_bytes()).hex().to_string();
                let link = SignInLink {
                    id: Id::parse(&SignInLink::id_of(&digest)).unwrap_or_else(|| Id::fresh("link")),
                    digest,
                    user: user.clone(),
                    // One's own link is worth no more than what it was made with; another's right is their own.
                    role: if own { ctx.actor.role } else { Role::Admin },
                    invites: call.body.invite,
                    expires_at: self.now().plus(if call.body.invite { INVITATION } else { LINK }),
                    used: false,
                };
                batch.create(&link);
                let what = body(
                    format!("a sign-in link for {user} was made"),
                    Value::Null,
                    json!({"invites": link.invites, "expires_at": link.expires_at}),
                );
                batch.event(self.event(ctx, "sign-in-link.created", &user, what));
                Ok((sign_in_link::Reply { path: None, expires_at: link.expires_at }, secret))
            })
            .await?;
        reply.path = secret.map(|secret| format!("/sign-in?token={secret}"));
        Ok(reply)
    }
}
