//! The same rights for many objects at once, as data: lists compile it into their query, so that what may not be seen is
//! never read.

use crate::object::{Object, Owner};
use std::collections::BTreeSet;
use tow_api::Action;
use tow_model::query::Filter;
use tow_model::{Kind, Ownership};
use tow_record::{Actor, Limits, Role};

/// Which of the objects of a kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// All of them.
    All,
    /// None.
    Nothing,
    /// Those of these owners, as canonical references.
    Owners(Vec<String>),
    /// Those with these canonical references, and what is part of those among them that are systems.
    Objects(Vec<String>),
    /// Those in each of these.
    And(Vec<Self>),
    /// Those in any of these.
    Or(Vec<Self>),
}

impl Scope {
    /// Is this object inside?
    pub fn covers(&self, object: &Object) -> bool {
        match self {
            Self::All => true,
            Self::Nothing => false,
            Self::Owners(owners) => {
                matches!(&object.owner, Owner::Of(Some(owner)) if owners.contains(owner))
            }
            Self::Objects(references) => [&object.reference, &object.system]
                .into_iter()
                .flatten()
                .any(|reference| references.contains(reference)),
            Self::And(all) => all.iter().all(|scope| scope.covers(object)),
            Self::Or(any) => any.iter().any(|scope| scope.covers(object)),
        }
    }

    /// The same as a condition of a query. Ownership is asked by the relation `ownedBy`, so it holds for kinds that name
    /// their owner themselves.
    pub fn filter(&self) -> Filter {
        match self {
            Self::All => Filter::everything(),
            Self::Nothing => Filter::nothing(),
            Self::Owners(owners) => {
                Filter::any_of("relations.ownedBy", owners.iter().map(String::as_str))
            }
            Self::Objects(references) => {
                let systems = references.iter().filter(|one| one.starts_with("system:"));
                Filter::Any(vec![
                    Filter::any_of("ref", references.iter().map(String::as_str)),
                    Filter::any_of("relations.partOf", systems.map(String::as_str)),
                ])
            }
            Self::And(all) => Filter::All(all.iter().map(Self::filter).collect()),
            Self::Or(any) => Filter::Any(any.iter().map(Self::filter).collect()),
        }
    }

    /// Both, put as simply as it can be.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::All, scope) | (scope, Self::All) => scope,
            (Self::Nothing, _) | (_, Self::Nothing) => Self::Nothing,
            (one, other) => Self::And(vec![one, other]),
        }
    }
}

/// What `actor` may do `action` to, among the objects of `kind`: exactly those for which [`crate::decide`] says yes.
pub fn scope(actor: &Actor, action: Action, kind: Kind) -> Scope {
    by_role(actor, action, kind).and(by_limits(&actor.limits, action, kind))
}

/// What `actor` may see of the whole catalog, as the scope of a query over any kinds.
pub fn visible(actor: &Actor) -> Filter {
    if actor.limits.only.is_none() {
        return Filter::everything();
    }
    let (governed, owned): (Vec<Kind>, Vec<Kind>) =
        Kind::ALL.iter().partition(|kind| kind.facts().ownership == Ownership::Platform);
    let kinds = |kinds: &[Kind]| {
        let names: Vec<&str> = kinds.iter().map(|kind| kind.as_str()).collect();
        Filter::any_of("kind", names)
    };
    let some = owned.first().map_or(Scope::Nothing, |kind| scope(actor, Action::Read, *kind));
    let of_owned = Filter::All(vec![kinds(&owned), some.filter()]);
    Filter::Any(vec![kinds(&governed), of_owned]).simplified()
}

fn by_role(actor: &Actor, action: Action, kind: Kind) -> Scope {
    use Action as A;
    use Role as R;
    match (actor.role, action) {
        (R::Admin, _) | (_, A::Read) => Scope::All,
        (R::Platform, A::ManageAccess | A::Erase | A::OwnTokens) => Scope::Nothing,
        (R::Platform, _) => Scope::All,
        (R::Developer, A::ReadPrivate | A::Declare | A::Deploy) => match kind.facts().ownership {
            Ownership::Owner | Ownership::Component => Scope::Owners(mine(actor)),
            Ownership::Platform => Scope::Nothing,
        },
        (R::Developer | R::Viewer, _) => Scope::Nothing,
    }
}

fn by_limits(limits: &Limits, action: Action, kind: Kind) -> Scope {
    if !may_action(limits, action) {
        return Scope::Nothing;
    }
    match (&limits.only, kind.facts().ownership) {
        (None, _) => Scope::All,
        (Some(only), Ownership::Owner | Ownership::Component) => Scope::Objects(named(only)),
        (Some(_), Ownership::Platform) if action == Action::Read => Scope::All,
        (Some(_), Ownership::Platform) => Scope::Nothing,
    }
}

/// Nothing can be done without reading what is done, so reading goes with every action.
pub(crate) fn may_action(limits: &Limits, action: Action) -> bool {
    action == Action::Read || limits.actions.as_ref().is_none_or(|only| only.contains(&action))
}

/// A component's delivery goes with it.
pub(crate) fn named(only: &BTreeSet<String>) -> Vec<String> {
    let deliveries =
        only.iter().filter_map(|one| Some(format!("delivery:{}", one.strip_prefix("component:")?)));
    only.iter().cloned().chain(deliveries).collect()
}

/// Everything whose ownership is the actor's: themselves and their groups.
pub(crate) fn mine(actor: &Actor) -> Vec<String> {
    let mut owners = actor.groups.clone();
    owners.push(actor.name.clone());
    owners
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use tow_model::facts::Facts;
    use tow_model::{Manifest, relations};

    fn manifest(kind: &str, name: &str, spec: serde_json::Value) -> Manifest {
        serde_json::from_value(json!({
            "apiVersion": Kind::parse(kind).unwrap().facts().versions[0], "kind": kind,
            "metadata": {"name": name}, "spec": spec,
        }))
        .unwrap()
    }

    fn facts(manifest: &Manifest) -> Facts {
        let entity = manifest.entity();
        Facts {
            reference: entity.to_string(),
            kind: entity.kind().into(),
            relations: relations(manifest)
                .into_iter()
                .map(|(relation, to)| (relation.as_str().to_string(), to.to_string()))
                .collect(),
            ..Facts::default()
        }
    }

    #[test]
    fn a_scope_means_the_same_as_a_condition_of_a_query() {
        let component = |name: &str, owner: &str, system: Option<&str>| {
            let mut spec = json!({"type": "service", "lifecycle": "x", "owner": owner});
            if let Some(system) = system {
                spec["system"] = system.into();
            }
            manifest("Component", name, spec)
        };
        let all = [
            component("web", "quay", Some("shop")),
            component("api", "lock", Some("shop")),
            component("lone", "user:ann", None),
            manifest("System", "shop", json!({"owner": "quay"})),
            manifest("Group", "quay", json!({"type": "team", "children": []})),
            manifest("Runtime", "local", json!({"type": "process"})),
        ];
        let cut = |only: &[&str]| Limits {
            actions: None,
            only: Some(only.iter().map(ToString::to_string).collect()),
        };
        let limits = [
            Limits::default(),
            cut(&["component:default/web"]),
            cut(&["system:default/shop"]),
            cut(&["component:default/lone", "component:default/api"]),
            cut(&[]),
        ];
        for limits in limits {
            let actor = Actor {
                name: "user:default/ann".into(),
                role: Role::Developer,
                groups: vec!["group:default/quay".into()],
                limits,
            };
            for manifest in &all {
                let (object, facts) = (Object::of(manifest), facts(manifest));
                for action in [Action::Read, Action::Declare, Action::Deploy, Action::Govern] {
                    let scope = scope(&actor, action, manifest.kind);
                    let (covers, matches) = (scope.covers(&object), scope.filter().matches(&facts));
                    assert_eq!(covers, matches, "{actor:?} {action:?} {object:?}");
                }
                let read = scope(&actor, Action::Read, manifest.kind).covers(&object);
                assert_eq!(read, visible(&actor).matches(&facts), "{actor:?} {object:?}");
            }
        }
    }
}
