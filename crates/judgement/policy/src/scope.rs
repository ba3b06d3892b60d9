//! The same rights for many objects at once, as data: lists compile it into their query, so that what may not be seen is
//! never read.

use crate::object::{Object, Owner};
use std::collections::BTreeSet;
use tow_api::Action;
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
