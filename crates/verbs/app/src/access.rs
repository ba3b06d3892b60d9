//! Who comes in: tokens, sessions, one-time links. A token's text is shown once and kept as a digest.

use crate::{App, AppError, Call, Handle, OpCtx, handle::body};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use tow_api::access::{
    sign_in_link::{self, CreateSignInLink},
    token_create::{self, CreateToken},
    token_delete::DeleteToken,
    token_list::{self, ListTokens, TokenView},
    whoami::WhoAmI,
};
use tow_api::{Action, Nothing};
use tow_model::Spec;
use tow_names::{Digest, Duration, EntityRef, Id, Namespace, Timestamp};
use tow_policy::Object;
use tow_record::{Actor, Role, SignInLink, Token};
use tow_store::{Batch, Find};

/// How long a browser stays signed in.
const SESSION: Duration = Duration::from_secs(30 * 24 * 3600);
/// How long a one-time link works.
const LINK: Duration = Duration::from_secs(15 * 60);
/// How long a token holds where nothing is said.
const TOKEN: Duration = Duration::from_secs(90 * 24 * 3600);

/// A browser's session, fresh.
#[derive(Debug, Clone)]
pub struct Session {
    /// For the cookie.
    pub token: String,
    /// Who it is.
    pub actor: Actor,
    /// When it ends.
    pub expires_at: Timestamp,
}

impl App {
    /// Who holds this token or session. Unknown, expired and withdrawn ones are refused alike.
    pub async fn authenticate(&self, token: &str) -> Result<Actor, AppError> {
        let refused = || {
            AppError::new("access/unauthenticated", "this token or session is not valid").hint(
                "tow sign-in makes a link for a browser, tow token create a token for a program",
            )
        };
        let digest = Digest::of(token.as_bytes()).hex().to_string();
        let find = Find { subject: Some(digest), open: Some(true), ..Find::default() };
        let found = self.store().list::<Token>(find).await?;
        let token = found.into_iter().next().ok_or_else(refused)?.value;
        if token.expires_at.is_some_and(|at| at <= self.now()) {
            return Err(refused());
        }
        self.actor(&token.user, token.role).await
    }

    /// The groups come from the catalog at each request, so that a change of membership works at once.
    async fn actor(&self, user: &str, role: Role) -> Result<Actor, AppError> {
        let mut groups = BTreeSet::new();
        let default = Namespace::default();
        if let Ok(entity) = EntityRef::parse(user, Some("user"), &default) {
            let canonical = |text: &str, kind: &str| {
                EntityRef::parse(text, Some(kind), entity.namespace()).ok()
            };
            if let Some(row) = self.store().object(&entity).await?
                && let Spec::User(spec) = &row.manifest.spec
            {
                groups.extend(spec.member_of.iter().filter_map(|g| canonical(g, "group")));
            }
            for row in self.store().objects(Some(tow_model::Kind::Group)).await? {
                if let Spec::Group(spec) = &row.manifest.spec
                    && spec.members.iter().any(|m| canonical(m, "user").as_ref() == Some(&entity))
                {
                    groups.insert(row.manifest.entity());
                }
            }
        }
        let groups = groups.into_iter().map(|g| g.to_string()).collect();
        Ok(Actor { name: user.to_string(), role, groups })
    }

    /// Makes a session out of a one-time link; the link works this once.
    pub async fn redeem_sign_in(&self, secret: &str) -> Result<Session, AppError> {
        let refused = || {
            AppError::new("access/link-used", "this link was used, has expired, or never was")
                .next("tow sign-in")
        };
        let digest = Digest::of(secret.as_bytes()).hex().to_string();
        let find = Find { subject: Some(digest), open: Some(true), ..Find::default() };
        let found = self.store().list::<SignInLink>(find).await?.into_iter().next();
        let row = found.ok_or_else(refused)?;
        if row.value.expires_at <= self.now() {
            return Err(refused());
        }
        let mut link = row.value.clone();
        link.used = true;
        let text = Id::secret();
        let token = self.new_token(&text, &link.user, link.role, "browser", Some(SESSION), true);
        let actor = self.actor(&link.user, link.role).await?;
        let ctx = OpCtx { actor: actor.clone(), request: String::new() };
        let mut batch = Batch::new();
        batch.update(&link, row.version);
        batch.create(&token);
        let what =
            body(format!("{} signed in", link.user), Value::Null, json!({"session": token.id}));
        batch.event(self.event(&ctx, "session.created", &link.user, what));
        self.store().commit(batch).await.map_err(|error| match error {
            tow_store::CommitError::Conflict { .. } => refused(),
            other => other.into(),
        })?;
        let expires_at = token.expires_at.unwrap_or_else(|| self.now());
        Ok(Session { token: text, actor, expires_at })
    }

    /// Ends the session or token that this text belongs to; nothing to do where it holds no more.
    pub async fn sign_out(&self, token: &str) -> Result<(), AppError> {
        let digest = Digest::of(token.as_bytes()).hex().to_string();
        let find = Find { subject: Some(digest), open: Some(true), ..Find::default() };
        let Some(row) = self.store().list::<Token>(find).await?.into_iter().next() else {
            return Ok(());
        };
        let actor = self.actor(&row.value.user, row.value.role).await?;
        let ctx = OpCtx { actor, request: String::new() };
        let mut ended = row.value;
        ended.revoked = true;
        let mut batch = Batch::new();
        batch.update(&ended, row.version);
        let what =
            body(format!("{} signed out", ended.user), json!({"session": ended.id}), Value::Null);
        batch.event(self.event(&ctx, "session.ended", &ended.user, what));
        self.store().commit(batch).await?;
        Ok(())
    }

    fn new_token(
        &self,
        text: &str,
        user: &str,
        role: Role,
        note: &str,
        holds: Option<Duration>,
        session: bool,
    ) -> Token {
        Token {
            id: Id::fresh("token"),
            digest: Digest::of(text.as_bytes()).hex().to_string(),
            note: note.into(),
            user: user.into(),
            role,
            created_at: self.now(),
            expires_at: holds.map(|d| self.now().plus(d)),
            session,
            revoked: false,
        }
    }

    /// A token for the programs of this machine's owner, who can read the data directory and so is its administrator.
    /// Withdraws the one before.
    pub async fn issue_local_token(&self, user: &str) -> Result<String, AppError> {
        let find = Find { open: Some(true), ..Find::default() };
        let mut batch = Batch::new();
        for row in self.store().list::<Token>(find).await? {
            if row.value.note == LOCAL {
                let mut old = row.value;
                old.revoked = true;
                batch.update(&old, row.version);
            }
        }
        let text = format!("tow_{}", Id::secret());
        let token = self.new_token(&text, user, Role::Admin, LOCAL, None, false);
        batch.create(&token);
        let ctx = OpCtx::system("host");
        let what =
            body("a token for this machine was made", Value::Null, json!({"token": token.id}));
        batch.event(self.event(&ctx, "token.created", user, what));
        self.store().commit(batch).await?;
        Ok(text)
    }
}

/// The note of the token in the data directory.
const LOCAL: &str = "local command line";

impl OpCtx {
    /// The platform itself.
    pub fn system(part: &str) -> Self {
        let actor = Actor { name: format!("system:{part}"), role: Role::Admin, groups: Vec::new() };
        Self { actor, request: String::new() }
    }
}

impl Handle<WhoAmI> for App {
    async fn handle(&self, ctx: &OpCtx, _: Call<WhoAmI>) -> Result<Actor, AppError> {
        Ok(ctx.actor.clone())
    }
}

impl Handle<CreateToken> for App {
    async fn handle(
        &self,
        ctx: &OpCtx,
        call: Call<CreateToken>,
    ) -> Result<token_create::Reply, AppError> {
        let (mut reply, secret) = self
            .write_showing(ctx, &call, async |batch| {
                let personal = Object::Personal { user: ctx.actor.name.clone() };
                self.authorize(ctx, Action::OwnTokens, &personal)?;
                let role = call.body.role.unwrap_or(ctx.actor.role);
                if role > ctx.actor.role {
                    return Err(AppError::new(
                        "access/forbidden",
                        format!(
                            "a token can't have more rights ({}) than its maker",
                            role.as_str()
                        ),
                    ));
                }
                let text = format!("tow_{}", Id::secret());
                let holds = call.body.expires_in.unwrap_or(TOKEN);
                let token = self.new_token(
                    &text,
                    &ctx.actor.name,
                    role,
                    &call.body.note,
                    Some(holds),
                    false,
                );
                batch.create(&token);
                let what = body(
                    format!("token «{}» was made", token.note),
                    Value::Null,
                    json!({"token": token.id, "role": role, "expires_at": token.expires_at}),
                );
                batch.event(self.event(ctx, "token.created", &ctx.actor.name, what));
                let (id, expires_at) = (token.id.to_string(), token.expires_at);
                Ok((token_create::Reply { id, token: None, expires_at }, text))
            })
            .await?;
        reply.token = secret;
        Ok(reply)
    }
}

impl Handle<ListTokens> for App {
    async fn handle(
        &self,
        ctx: &OpCtx,
        _: Call<ListTokens>,
    ) -> Result<token_list::Reply, AppError> {
        let find = Find { open: Some(true), newest_first: true, ..Find::default() };
        let mut items: Vec<TokenView> = Vec::new();
        for row in self.store().list::<Token>(find).await? {
            let token = row.value;
            let seen = token.user == ctx.actor.name || ctx.actor.role == Role::Admin;
            if seen && token.expires_at.is_none_or(|at| at > self.now()) {
                items.push(TokenView {
                    id: token.id.to_string(),
                    note: token.note,
                    user: token.user,
                    role: token.role,
                    session: token.session,
                    created_at: token.created_at,
                    expires_at: token.expires_at,
                });
            }
        }
        items.sort_by_key(|t| std::cmp::Reverse(t.created_at));
        Ok(token_list::Reply { items })
    }
}

impl Handle<DeleteToken> for App {
    async fn handle(&self, ctx: &OpCtx, call: Call<DeleteToken>) -> Result<Nothing, AppError> {
        self.write(ctx, &call, async |batch| {
            let missing = || AppError::not_found(format!("token {}", call.path.token));
            let row = self.store().get::<Token>(&call.path.token).await?.ok_or_else(missing)?;
            let personal = Object::Personal { user: row.value.user.clone() };
            self.authorize(ctx, Action::OwnTokens, &personal).map_err(|_| missing())?;
            let mut token = row.value.clone();
            token.revoked = true;
            batch.update(&token, row.version);
            let what = body(
                format!("token «{}» was withdrawn", token.note),
                json!({"token": token.id}),
                Value::Null,
            );
            batch.event(self.event(ctx, "token.revoked", &token.user, what));
            Ok(Nothing {})
        })
        .await
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
                let user = match &call.body.user {
                    None => ctx.actor.name.clone(),
                    Some(text) => EntityRef::parse(text, Some("user"), &Namespace::default())
                        .map_err(|e| AppError::new("input/invalid", e.to_string()))?
                        .to_string(),
                };
                let own = user == ctx.actor.name;
                let action = if own { Action::OwnTokens } else { Action::ManageAccess };
                self.authorize(ctx, action, &Object::Personal { user: user.clone() })?;
                let role = if own { ctx.actor.role } else { Role::Developer };
                let secret = Id::secret();
                let link = SignInLink {
                    id: Id::fresh("link"),
                    digest: Digest::of(secret.as_bytes()).hex().to_string(),
                    user: user.clone(),
                    role,
                    expires_at: self.now().plus(LINK),
                    used: false,
                };
                batch.create(&link);
                let what = body(
                    format!("a sign-in link for {user} was made"),
                    Value::Null,
                    json!({"role": role}),
                );
                batch.event(self.event(ctx, "sign-in-link.created", &user, what));
                Ok((sign_in_link::Reply { path: None, expires_at: link.expires_at }, secret))
            })
            .await?;
        reply.path = secret.map(|secret| format!("/sign-in?token={secret}"));
        Ok(reply)
    }
}
