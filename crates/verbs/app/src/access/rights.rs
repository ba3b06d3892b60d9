//! «Why may they not?»: the decision with its whole trail, from the binding and the groups to the rule.

use super::actor_ref;
use crate::{App, AppError, Call, Handle, OpCtx};
use std::sync::Arc;
use tow_api::Action;
use tow_api::access::{
    rights::{self, GroupView, ListRights, RightView, RoleView},
    why::{self, WhyAccess},
};
use tow_model::{Kind, Ownership};
use tow_names::{EntityRef, Namespace};
use tow_policy::{
    Bound, Decision, Held, MACHINE_OWNER, Object, Owner, Standing, decide, gate, held,
};
use tow_record::{Actor, Limits};

/// Who is asked about.
struct About {
    actor: Actor,
    standing: Arc<Standing>,
    own: bool,
}

impl App {
    /// Oneself for everybody; others for the platform team.
    async fn about(&self, ctx: &OpCtx, who: Option<&str>) -> Result<About, AppError> {
        let own = who.is_none_or(|who| who.eq_ignore_ascii_case("me"));
        let who = match who {
            Some(text) if !own => actor_ref(text)?,
            _ => actor_ref(&ctx.actor.name)?,
        };
        let name = who.to_string();
        if own || name == ctx.actor.name {
            let standing = self.standing(&who).await?;
            return Ok(About { actor: ctx.actor.clone(), standing, own: true });
        }
        self.authorize(ctx, Action::Govern, &Object::platform())?;
        self.in_catalog(&who).await?;
        let standing = self.standing(&who).await?;
        let groups = standing.memberships.iter().map(|m| m.group.clone()).collect();
        let actor = Actor { name, role: standing.role, groups, limits: Limits::default() };
        Ok(About { actor, standing, own: false })
    }

    /// What is asked about, and what it takes to declare it where that is the question.
    async fn asked_about(
        &self,
        ctx: &OpCtx,
        text: &str,
    ) -> Result<(Object, Option<Action>), AppError> {
        if text.eq_ignore_ascii_case("platform") {
            return Ok((Object::platform(), None));
        }
        let entity = EntityRef::parse(text, Some("component"), &Namespace::default())
            .map_err(|e| AppError::new("input/invalid", e.to_string()))?;
        let row = self.object_row(&entity).await?;
        let declares = gate(&row.manifest);
        let mut object = Object::of(&row.manifest);
        if row.manifest.kind.facts().ownership == Ownership::Component {
            let name = entity.name();
            let component = EntityRef::new(Kind::Component.as_str(), entity.namespace(), name);
            if let Some(component) = self.store().object(&component).await? {
                let of = Object::of(&component.manifest);
                (object.owner, object.system) = (of.owner, of.system);
            }
        }
        if !decide(&ctx.actor, Action::Read, &object).allow {
            return Err(AppError::not_found(&entity));
        }
        Ok((object, Some(declares)))
    }
}

fn by_way(path: &[String]) -> String {
    path.join(" → ")
}

/// Where a role comes from, in words.
fn role_from(actor: &Actor, bound: &Bound) -> String {
    let role = bound.role.as_str();
    let name = &actor.name;
    match &bound.binding {
        Some(binding) if bound.path.len() > 1 => {
            format!("{name} has role {role} by {binding}, through {}", by_way(&bound.path))
        }
        Some(binding) => format!("{name} has role {role} by {binding}"),
        None if name == MACHINE_OWNER => {
            format!("{name} has role {role}: the owner of the platform's machine")
        }
        None => format!("{name} has role {role}: nothing is bound, so the default holds"),
    }
}

/// From the binding to the rule.
fn trail(about: &About, object: &Object, decision: &Decision) -> Vec<String> {
    let mut trail = Vec::new();
    if let Some(bound) = about.standing.bound.first() {
        trail.push(role_from(&about.actor, bound));
        if about.actor.role != bound.role {
            trail.push(format!("the token that asks has role {}", about.actor.role.as_str()));
        }
    }
    if let Owner::Of(Some(owner)) = &object.owner
        && let Some(membership) = about.standing.memberships.iter().find(|m| m.group == *owner)
    {
        trail.push(format!("{} is in {owner}: {}", about.actor.name, by_way(&membership.path)));
    }
    trail.extend(decision.reasons.iter().cloned());
    trail
}

/// The command that shows whom to ask.
fn ask(object: &Object, decision: &Decision) -> Option<String> {
    Some(match (decision.rule, &object.owner) {
        ("owner.not-a-member", Owner::Of(Some(owner))) => {
            let (kind, name) = owner.split_once(':')?;
            format!("tow describe {kind} {}", name.strip_prefix("default/").unwrap_or(name))
        }
        ("token.action" | "token.object", _) => "tow token list".into(),
        _ => "tow get rolebindings".into(),
    })
}

impl Handle<WhyAccess> for App {
    async fn handle(&self, ctx: &OpCtx, call: Call<WhyAccess>) -> Result<why::Reply, AppError> {
        let query = &call.query;
        let about = self.about(ctx, query.actor.as_deref()).await?;
        let (object, declares) = self.asked_about(ctx, &query.object).await?;
        let asked = query.action;
        // What governs is declared by whoever governs.
        let action = match declares {
            Some(needs) if asked == Action::Declare => needs,
            _ => asked,
        };
        let decision = decide(&about.actor, action, &object);
        let mut reasons = trail(&about, &object, &decision);
        if action != asked {
            let needs = format!("to declare {} takes {}", object.name(), action.as_str());
            reasons.insert(0, needs);
        }
        Ok(why::Reply {
            actor: about.actor.name,
            action: asked,
            object: object.name().to_string(),
            allowed: decision.allow,
            rule: decision.rule.into(),
            reasons,
            ask: if decision.allow { None } else { ask(&object, &decision) },
            who: (!decision.allow).then_some(decision.who),
        })
    }
}

impl Handle<ListRights> for App {
    async fn handle(&self, ctx: &OpCtx, call: Call<ListRights>) -> Result<rights::Reply, AppError> {
        let about = self.about(ctx, call.query.actor.as_deref()).await?;
        let actor = about.actor;
        let cut = |action: Action| {
            action != Action::Read
                && actor.limits.actions.as_ref().is_some_and(|only| !only.contains(&action))
        };
        let right = |action: Action| RightView {
            action,
            on: match held(actor.role, action) {
                _ if cut(action) => "nothing",
                Held::Everywhere => "everything",
                Held::OnOnesOwn => "own",
                Held::Nowhere => "nothing",
            }
            .into(),
        };
        let rights = Action::ALL.into_iter().map(right).collect();
        let roles = about.standing.bound.iter().map(|bound| RoleView {
            role: bound.role,
            binding: bound.binding.clone(),
            path: bound.path.clone(),
        });
        let groups = about.standing.memberships.iter().map(|membership| GroupView {
            group: membership.group.clone(),
            path: membership.path.clone(),
        });
        Ok(rights::Reply {
            roles: roles.collect(),
            groups: groups.collect(),
            rights,
            role: actor.role,
            limits: if about.own { actor.limits } else { Limits::default() },
            actor: actor.name,
        })
    }
}
