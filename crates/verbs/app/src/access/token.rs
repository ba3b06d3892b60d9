//! Tokens: made, listed, withdrawn. The text is `tow_`, 64 hexadecimal digits from the operating system, and 8 that check
//! them, so that scanners find a lost one and a mistyped one is known for what it is.

use super::actor_ref;
use super::who::stays;
use crate::{App, AppError, Call, Handle, OpCtx, handle::body};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use tow_api::access::{
    token_create::{self, CreateToken},
    token_delete::DeleteToken,
    token_list::{self, ListTokens, TokenView},
};
use tow_api::{Action, Nothing};
use tow_model::{Kind, Ownership};
use tow_names::{Digest, Duration, EntityRef, Id, Namespace, Timestamp};
use tow_policy::Object;
use tow_record::{Limits, Purpose, Role, Token, TokenUse};
use tow_store::{Batch, Find, ObjectRow};

/// How long a token holds where nothing is said.
const TOKEN: Duration = Duration::from_secs(90 * 24 * 3600);
/// How long it may hold at most.
const LONGEST: Duration = Duration::from_secs(365 * 24 * 3600);
/// So many that have ended are taken away when their owner gets another one.
const SWEPT: usize = 20;
const PREFIX: &str = "tow_";
const CHECK: usize = 8;

/// A token that is about to be written.
pub(super) struct Fresh<'a> {
    pub(super) owner: &'a str,
    pub(super) role: Role,
    pub(super) purpose: Purpose,
    pub(super) note: &'a str,
    pub(super) limits: Limits,
    /// How long; for ever, where nothing is said.
    pub(super) holds: Option<Duration>,
}

/// As every token is refused: nobody learns whether it is unknown, too old or withdrawn.
pub(super) fn refused() -> AppError {
    AppError::new("access/unauthenticated", "this token or session is not valid")
        .hint("tow sign-in makes a link for a browser, tow token create a token for a program")
}

fn text() -> String {
    let secret = Id::secret();
    let check = check(&secret);
    format!("{PREFIX}{secret}{check}")
}

fn check(secret: &str) -> String {
    Digest::of(format!("{PREFIX}{secret}").as_bytes()).hex()[..CHECK].to_string()
}

/// Is it a token by its form? A text that is one but for a slip is told so.
pub(super) fn well_formed(text: &str) -> Result<(), AppError> {
    let rest = text.strip_prefix(PREFIX).ok_or_else(refused)?;
    let plain = rest.len() == 64 + CHECK && rest.bytes().all(|b| b.is_ascii_hexdigit());
    if plain && check(&rest[..64]) == rest[64..] {
        return Ok(());
    }
    Err(refused().hint("it looks like a token, but letters are missing or wrong: copy it again"))
}

impl App {
    /// Adds a fresh token to the batch; its text, which is shown once. Takes some that have ended away.
    pub(super) async fn add_token(
        &self,
        batch: &mut Batch,
        fresh: Fresh<'_>,
    ) -> Result<(Token, String), AppError> {
        let text = text();
        let digest = Digest::of(text.as_bytes()).hex().to_string();
        let id = Id::parse(&Token::id_of(&digest)).unwrap_or_else(|| Id::fresh("token"));
        let token = Token {
            id,
            digest,
            note: fresh.note.into(),
            owner: fresh.owner.into(),
            role: fresh.role,
            purpose: fresh.purpose,
            limits: fresh.limits,
            created_at: self.now(),
            expires_at: fresh.holds.map(|holds| self.now().plus(holds)),
            revoked: false,
        };
        batch.create(&token);
        let now = self.now();
        let find = Find { subject: Some(fresh.owner.into()), ..Find::default() };
        let ended =
            self.store().list::<Token>(find).await?.into_iter().filter(|row| {
                row.value.revoked || row.value.expires_at.is_some_and(|at| at <= now)
            });
        for row in ended.take(SWEPT) {
            batch.remove::<Token>(row.value.id.to_string(), None);
            batch.remove::<TokenUse>(row.value.id.to_string(), None);
        }
        Ok((token, text))
    }

    /// A token for the programs of this machine's owner, who can read the data directory and so is its administrator.
    /// Withdraws the one before.
    pub async fn issue_local_token(&self, user: &str) -> Result<String, AppError> {
        let mut batch = Batch::new();
        let find = Find { subject: Some(user.into()), open: Some(true), ..Find::default() };
        for row in self.store().list::<Token>(find).await? {
            if row.value.purpose == Purpose::Local {
                let mut old = row.value;
                old.revoked = true;
                batch.update(&old, row.version);
            }
        }
        let fresh = Fresh {
            owner: user,
            role: Role::Admin,
            purpose: Purpose::Local,
            note: "the command line of this machine",
            limits: Limits::default(),
            holds: None,
        };
        // Sweeps only what the store says has ended: nothing is named twice in the batch.
        let (token, text) = self.add_token(&mut batch, fresh).await?;
        let ctx = OpCtx::system("host");
        let what =
            body("a token for this machine was made", Value::Null, json!({"token": token.id}));
        batch.event(self.event(&ctx, "token.created", user, what));
        self.store().commit(batch).await?;
        Ok(text)
    }

    /// What decides about the tokens of `owner`: their own, or those of a machine that somebody answers for.
    async fn tokens_of(&self, owner: &EntityRef) -> Result<(Action, Object), AppError> {
        if owner.kind() != "serviceaccount" {
            return Ok((Action::OwnTokens, Object::personal("token", owner.to_string())));
        }
        let row = self.store().object(owner).await?.ok_or_else(|| {
            AppError::not_found(owner).hint("declare it first: kind ServiceAccount, tow apply -f")
        })?;
        let answers = row.manifest.spec.owner().and_then(|text| {
            EntityRef::parse(text, Some("group"), &row.manifest.metadata.namespace).ok()
        });
        let object = Object::owned(Some(owner), answers.map(|owner| owner.to_string()));
        Ok((Action::Declare, object))
    }

    /// What a new token is cut down to: what is asked for, which is never more than what its maker's is.
    async fn limits(&self, ctx: &OpCtx, asked: &token_create::Body) -> Result<Limits, AppError> {
        let own = &ctx.actor.limits;
        let more = |what: &str| {
            AppError::new(
                "access/cut-token",
                format!("a token can't be for more ({what}) than the one it is made with"),
            )
        };
        let actions: Option<BTreeSet<Action>> = match (&asked.actions, &own.actions) {
            (None, own) => own.clone(),
            (Some(asked), own) => {
                let within = |a: &&Action| own.as_ref().is_some_and(|own| !own.contains(a));
                if let Some(first) = asked.iter().find(within) {
                    return Err(more(first.as_str()));
                }
                Some(asked.iter().copied().collect())
            }
        };
        let Some(asked) = &asked.only else {
            return Ok(Limits { actions, only: own.only.clone() });
        };
        let mut only = BTreeMap::new();
        for text in asked {
            let entity = EntityRef::parse(text, Some("component"), &Namespace::default())
                .map_err(|e| AppError::new("input/invalid", e.to_string()))?;
            let owned = Kind::parse(entity.kind())
                .is_some_and(|kind| kind.facts().ownership == Ownership::Owner);
            if !owned {
                return Err(AppError::new("input/invalid", format!("{entity} has no owner"))
                    .hint("--only takes components, systems and what else has an owner"));
            }
            only.insert(entity.to_string(), entity);
        }
        for (name, entity) in &only {
            let row = self.object_row(entity).await?;
            let object = Object::of(&row.manifest);
            let inside = own.only.as_ref().is_none_or(|own| {
                own.contains(name) || object.system.as_ref().is_some_and(|s| own.contains(s))
            });
            if !inside {
                return Err(more(name));
            }
        }
        Ok(Limits { actions, only: Some(only.into_keys().collect()) })
    }
}

fn holds(asked: Option<Duration>) -> Result<Duration, AppError> {
    let holds = asked.unwrap_or(TOKEN);
    if holds > LONGEST || holds.micros() <= 0 {
        return Err(AppError::new("input/invalid", format!("a token can't hold for {holds}"))
            .hint("at most a year: 365d"));
    }
    Ok(holds)
}

impl Handle<CreateToken> for App {
    async fn handle(
        &self,
        ctx: &OpCtx,
        call: Call<CreateToken>,
    ) -> Result<token_create::Reply, AppError> {
        let (mut reply, secret) = self
            .write_showing(ctx, &call, async |batch| {
                let asked = &call.body;
                let owner = match &asked.owner {
                    None => None,
                    Some(text) => Some(actor_ref(text)?),
                };
                let owner = owner.filter(|owner| owner.to_string() != ctx.actor.name);
                match &owner {
                    None => {
                        let own = Object::personal("token", &ctx.actor.name);
                        self.authorize(ctx, Action::OwnTokens, &own)?;
                    }
                    Some(owner) if owner.kind() == "user" => {
                        return Err(AppError::new(
                            "access/forbidden",
                            format!("people's tokens are theirs: only {owner} can make one"),
                        )
                        .hint("tow user invite NAME lets a person in"));
                    }
                    Some(owner) => {
                        let (action, object) = self.tokens_of(owner).await?;
                        self.authorize(ctx, action, &object)?;
                    }
                }
                let role = asked.role.unwrap_or(ctx.actor.role);
                if role > ctx.actor.role {
                    return Err(AppError::new(
                        "access/forbidden",
                        format!(
                            "a token can't have more rights ({}) than its maker",
                            role.as_str()
                        ),
                    ));
                }
                let whose = owner.as_ref().map_or(ctx.actor.name.clone(), ToString::to_string);
                let holds = holds(asked.expires_in)?;
                let limits = self.limits(ctx, asked).await?;
                let effective = match &owner {
                    None => role.min(ctx.actor.role),
                    Some(owner) => role.min(self.standing(owner).await?.role),
                };
                let fresh = Fresh {
                    owner: &whose,
                    role,
                    purpose: Purpose::Api,
                    note: &asked.note,
                    limits,
                    holds: Some(holds),
                };
                let (token, text) = self.add_token(batch, fresh).await?;
                let what = body(
                    format!("token «{}» was made for {whose}", token.note),
                    Value::Null,
                    json!({
                        "token": token.id, "role": role, "limits": token.limits,
                        "expires_at": token.expires_at,
                    }),
                );
                batch.event(self.event(ctx, "token.created", &whose, what));
                let reply = token_create::Reply {
                    id: token.id.to_string(),
                    owner: whose,
                    role,
                    effective,
                    token: None,
                    expires_at: token.expires_at,
                };
                Ok((reply, text))
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
        call: Call<ListTokens>,
    ) -> Result<token_list::Reply, AppError> {
        let subject = match call.query.owner.as_deref() {
            None => Some(ctx.actor.name.clone()),
            Some("all") => {
                self.authorize(ctx, Action::ManageAccess, &Object::platform())?;
                None
            }
            Some(text) => {
                let owner = actor_ref(text)?;
                let (action, object) = self.tokens_of(&owner).await?;
                self.authorize(ctx, action, &object)?;
                Some(owner.to_string())
            }
        };
        let now = self.now();
        let used = Find { subject: subject.clone(), ..Find::default() };
        let used: BTreeMap<String, Timestamp> = self
            .store()
            .list::<TokenUse>(used)
            .await?
            .into_iter()
            .map(|row| (row.value.token, row.value.at))
            .collect();
        let find = Find { subject, open: Some(true), newest_first: true, ..Find::default() };
        let rows = self.store().list::<Token>(find).await?;
        let owners: BTreeSet<EntityRef> =
            rows.iter().filter_map(|row| actor_ref(&row.value.owner).ok()).collect();
        let owners: Vec<EntityRef> = owners.into_iter().collect();
        let own = self.store().objects_by(&owners).await?;
        let own: BTreeMap<EntityRef, ObjectRow> =
            own.into_iter().map(|row| (row.manifest.entity(), row)).collect();
        let mut items: Vec<TokenView> = Vec::new();
        for row in rows {
            let token = row.value;
            let asked = call.query.purpose.is_none_or(|purpose| purpose == token.purpose);
            let Ok(owner) = actor_ref(&token.owner) else { continue };
            let own = own.get(&owner);
            let local = token.purpose == Purpose::Local;
            let holds = token.expires_at.is_none_or(|at| at > now)
                && (local || stays(&owner, own, token.created_at));
            if !asked || !holds {
                continue;
            }
            let role = if local {
                token.role
            } else {
                let own = own.map(|row| row.manifest.clone());
                token.role.min(self.standing_with(&owner, own).await?.role)
            };
            items.push(TokenView {
                used_at: used.get(token.id.as_str()).copied(),
                id: token.id.to_string(),
                note: token.note,
                owner: token.owner,
                role,
                purpose: token.purpose,
                limits: token.limits,
                created_at: token.created_at,
                expires_at: token.expires_at,
            });
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
            let owner = actor_ref(&row.value.owner).map_err(|_| missing())?;
            let (action, object) = match self.tokens_of(&owner).await {
                Ok(found) => found,
                // The machine is gone; its tokens are an administrator's to take away.
                Err(_) => (Action::OwnTokens, Object::personal("token", owner.to_string())),
            };
            self.authorize(ctx, action, &object).map_err(|_| missing())?;
            if row.value.revoked {
                return Ok(Nothing {});
            }
            let mut token = row.value.clone();
            token.revoked = true;
            batch.update(&token, row.version);
            let what = body(
                format!("token «{}» was withdrawn", token.note),
                json!({"token": token.id}),
                Value::Null,
            );
            batch.event(self.event(ctx, "token.revoked", &token.owner, what));
            Ok(Nothing {})
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_in_a_token_is_seen_without_the_store() {
        let good = text();
        assert!(well_formed(&good).is_ok(), "{good}");
        let mut slip = good.clone().into_bytes();
        slip[10] = if slip[10] == b'0' { b'1' } else { b'0' };
        let slip = String::from_utf8(slip).unwrap();
        let cut = &good[..good.len() - 1];
        let upper = good.to_ascii_uppercase();
        for bad in ["", "tow_", "nope", &slip, cut, &upper, &format!("{good}0"), "tow_ü"] {
            assert!(well_formed(bad).is_err(), "{bad}");
        }
    }
}
