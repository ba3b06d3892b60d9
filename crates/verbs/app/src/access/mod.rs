//! Who comes in, and what they may: tokens and sessions, links and passwords, and the answer to «why not?». A secret's
//! text is shown once and kept as a digest. What rights are is the room policy's.

mod link;
mod password;
mod rights;
mod session;
mod sight;
mod standing;
mod token;
mod tries;
mod who;

pub use link::Invitation;
pub(crate) use password::Passwords;
pub use session::Session;
pub(crate) use who::Known;

use crate::{App, AppError, Call, Handle, OpCtx};
use tow_api::access::whoami::WhoAmI;
use tow_names::{EntityRef, Namespace};
use tow_policy::{Decision, Object, decide, floor};
use tow_record::{Actor, Limits, Right, Role};

impl OpCtx {
    /// The platform itself.
    pub fn system(part: &str) -> Self {
        let actor = Actor {
            name: format!("system:{part}"),
            role: Role::Admin,
            groups: Vec::new(),
            limits: Limits::default(),
        };
        Self { actor, request: String::new() }
    }
}

impl App {
    /// The floor below every endpoint: what the asker's role and token could do to nothing at all is refused before
    /// anything else is read. The use-case judges the object itself.
    pub fn admit(&self, ctx: &OpCtx, action: Right) -> Result<(), AppError> {
        let decision = floor(&ctx.actor, action);
        if decision.allow { Ok(()) } else { Err(refusal(action, None, &decision)) }
    }

    /// Refuses unless the actor may; the refusal says which rule and who could. Of what the actor may not even see it says
    /// that it is not there.
    pub(crate) fn authorize(
        &self,
        ctx: &OpCtx,
        action: Right,
        object: &Object,
    ) -> Result<(), AppError> {
        let decision = decide(&ctx.actor, action, object);
        if decision.allow {
            return Ok(());
        }
        if object.reference.is_some() && !decide(&ctx.actor, Right::Read, object).allow {
            return Err(AppError::not_found(object.name()));
        }
        Err(refusal(action, object.reference.as_deref(), &decision))
    }
}

fn refusal(action: Right, object: Option<&str>, decision: &Decision) -> AppError {
    let code = match decision.rule {
        "token.action" | "token.object" => "access/cut-token",
        _ => "access/forbidden",
    };
    let error = AppError::new(code, format!("{}: {}", action.as_str(), decision.reason()))
        .hint(format!("who could: {}", decision.who));
    match object {
        Some(object) => error.next(format!("tow access why me {} {object}", action.as_str())),
        None => error,
    }
}

/// Somebody who can act, as people name them: `ann`, `user:ann`, `serviceaccount:ci`.
pub(crate) fn actor_ref(text: &str) -> Result<EntityRef, AppError> {
    let entity = EntityRef::parse(text, Some("user"), &Namespace::default())
        .map_err(|e| AppError::new("input/invalid", e.to_string()))?;
    if ["user", "serviceaccount"].contains(&entity.kind()) {
        return Ok(entity);
    }
    Err(AppError::new("input/invalid", format!("{entity} does not act"))
        .hint("a user or a service account, as in user:ann or serviceaccount:ci"))
}

/// A person, as people name them.
fn user_ref(text: &str) -> Result<EntityRef, AppError> {
    let entity = actor_ref(text)?;
    if entity.kind() == "user" {
        return Ok(entity);
    }
    Err(AppError::new("input/invalid", format!("{entity} is no person"))
        .hint("machines have tokens: tow token create --for serviceaccount:NAME"))
}

impl Handle<WhoAmI> for App {
    async fn handle(&self, ctx: &OpCtx, _: Call<WhoAmI>) -> Result<Actor, AppError> {
        Ok(ctx.actor.clone())
    }
}
