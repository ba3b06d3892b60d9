//! Roles joined with ownership, cut by the token. The whole of it is the table in [`decide`]; `roles.txt`, beside `src`, is
//! its golden print.

use crate::object::{Object, Owner};
use crate::scope::{may_action, mine, named};
use tow_api::Action;
use tow_record::{Actor, Role};

/// An answer with its reasons.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// Yes or no.
    pub allow: bool,
    /// By which rule: a stable id, as in `owner.member`.
    pub rule: &'static str,
    /// The trail to the answer, in order, for people.
    pub reasons: Vec<String>,
    /// Who could: for the refusal's hint. Empty where it is allowed.
    pub who: String,
}

impl Decision {
    fn yes(rule: &'static str, reason: impl Into<String>) -> Self {
        Self { allow: true, rule, reasons: vec![reason.into()], who: String::new() }
    }

    fn no(rule: &'static str, reason: impl Into<String>, who: impl Into<String>) -> Self {
        Self { allow: false, rule, reasons: vec![reason.into()], who: who.into() }
    }

    /// The last reason: the one that settled it.
    pub fn reason(&self) -> &str {
        self.reasons.last().map_or("", String::as_str)
    }
}

const TEAM: &str = "the platform team";
const ADMIN: &str = "an administrator";

/// How much of an action a role holds, whatever the token says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Held {
    /// On everything.
    Everywhere,
    /// On what is one's own.
    OnOnesOwn,
    /// On nothing.
    Nowhere,
}

/// The first half of the table: what a role is good for.
pub const fn held(role: Role, action: Action) -> Held {
    use Action as A;
    use Role as R;
    match (role, action) {
        (R::Admin, _) | (_, A::Read) => Held::Everywhere,
        (_, A::OwnTokens) => Held::OnOnesOwn,
        (_, A::ManageAccess | A::Erase) => Held::Nowhere,
        (R::Platform, _) => Held::Everywhere,
        (R::Developer, A::ReadPrivate | A::Declare | A::Deploy) => Held::OnOnesOwn,
        (R::Developer | R::Viewer, _) => Held::Nowhere,
    }
}

/// Who could, where the role is what is missing.
const fn who_holds(action: Action) -> &'static str {
    match action {
        Action::ManageAccess | Action::Erase => ADMIN,
        _ => TEAM,
    }
}

/// An action as a sentence says it, behind «may».
const fn in_words(action: Action) -> &'static str {
    match action {
        Action::Read => "read",
        Action::ReadPrivate => "read what is private",
        Action::Declare => "declare",
        Action::Govern => "govern",
        Action::Deploy => "deploy",
        Action::OwnTokens => "have tokens",
        Action::ManageAccess => "manage access",
        Action::Audit => "audit",
        Action::Erase => "erase",
    }
}

/// Could `actor` do `action` at all, to anything? What could not is refused before anything else is looked at.
pub fn floor(actor: &Actor, action: Action) -> Decision {
    let role = actor.role.as_str();
    if held(actor.role, action) == Held::Nowhere {
        let why = format!("role {role} may not {}", in_words(action));
        return Decision::no("role.too-little", why, who_holds(action));
    }
    if may_action(&actor.limits, action) {
        let why = format!("role {role} may {} somewhere", in_words(action));
        return Decision::yes("role.holds", why);
    }
    cut_action(action)
}

/// May `actor` do `action` to `object`, and why?
pub fn decide(actor: &Actor, action: Action, object: &Object) -> Decision {
    let mut decision = by_right(actor, action, object);
    if !decision.allow || actor.limits.is_none() {
        return decision;
    }
    let cut = by_token(actor, action, object);
    decision.reasons.extend(cut.reasons);
    if cut.allow { decision } else { Decision { reasons: decision.reasons, ..cut } }
}

fn by_right(actor: &Actor, action: Action, object: &Object) -> Decision {
    let role = actor.role.as_str();
    let verb = in_words(action);
    if let Owner::Person(person) = &object.owner {
        // What is one person's alone is nobody else's by being in charge, administrators aside.
        let holds = held(actor.role, action) != Held::Nowhere;
        return match actor.role {
            _ if *person == actor.name && holds => Decision::yes("own.personal", "it is one's own"),
            Role::Admin => Decision::yes("role.admin", "administrators may"),
            _ if *person == actor.name => Decision::no(
                "role.too-little",
                format!("role {role} may not {verb}"),
                who_holds(action),
            ),
            _ => Decision::no(
                "personal.of-another",
                format!("it belongs to {person}"),
                format!("{person} or {ADMIN}"),
            ),
        };
    }
    match (held(actor.role, action), &object.owner) {
        (Held::Everywhere, _) if action == Action::Read => {
            Decision::yes("role.reads", "everybody who is signed in may read the catalog")
        }
        (Held::Everywhere, _) => {
            Decision::yes("role.everywhere", format!("role {role} may {verb} everywhere"))
        }
        (Held::OnOnesOwn, Owner::Platform) if action == Action::OwnTokens => {
            Decision::yes("own.personal", "everybody has their own")
        }
        (Held::OnOnesOwn, Owner::Of(owner)) if action != Action::OwnTokens => match owner {
            Some(owner) if mine(actor).contains(owner) => {
                let how = if *owner == actor.name { "is it" } else { "is in it" };
                let why = format!("{owner} owns {}, and {} {how}", object.name(), actor.name);
                Decision::yes("owner.member", why)
            }
            Some(owner) => Decision::no(
                "owner.not-a-member",
                format!("{} is not in {owner}, which owns it", actor.name),
                format!("a member of {owner}, or {TEAM}"),
            ),
            None => Decision::no("owner.nobody", "nobody owns it", TEAM),
        },
        (_, _) => Decision::no(
            "role.too-little",
            format!("role {role} may not {verb}"),
            who_holds(action),
        ),
    }
}

fn cut_action(action: Action) -> Decision {
    let why = format!("with this token one may not {}", in_words(action));
    Decision::no("token.action", why, "the same person with another token")
}

fn by_token(actor: &Actor, action: Action, object: &Object) -> Decision {
    if !may_action(&actor.limits, action) {
        return cut_action(action);
    }
    let Some(only) = &actor.limits.only else {
        return Decision::yes("token.holds", "the token is for it");
    };
    let inside = match &object.owner {
        Owner::Person(_) => true,
        Owner::Platform => action == Action::Read,
        Owner::Of(_) => {
            let names = named(only);
            [&object.reference, &object.system].into_iter().flatten().any(|one| names.contains(one))
        }
    };
    if inside {
        return Decision::yes("token.holds", "the token is for it");
    }
    let only: Vec<&str> = only.iter().map(String::as_str).collect();
    Decision::no(
        "token.object",
        format!("the token is only for {}", only.join(", ")),
        "the same person with another token",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Scope, scope};
    use proptest::prelude::*;
    use std::collections::BTreeSet;
    use tow_model::Kind;
    use tow_model::Ownership;
    use tow_record::Limits;

    fn actor(role: Role) -> Actor {
        Actor {
            name: "user:default/ann".into(),
            role,
            groups: vec!["group:default/quay".into()],
            limits: Limits::default(),
        }
    }

    fn owned(owner: Option<&str>) -> Object {
        Object::owned(None, owner.map(Into::into))
    }

    /// The golden table: a change of rights is a change of these lines.
    #[test]
    fn the_table() {
        let objects = [
            ("platform", Object::platform()),
            ("own", owned(Some("group:default/quay"))),
            ("other's", owned(Some("group:default/lock"))),
            ("nobody's", owned(None)),
            ("own token", Object::personal("token", "user:default/ann")),
            ("other's token", Object::personal("token", "user:default/bob")),
        ];
        let web = "component:default/web";
        let cut = |role: Role| Actor {
            limits: Limits {
                actions: Some(BTreeSet::from([Action::Deploy])),
                only: Some(BTreeSet::from([web.to_string()])),
            },
            ..actor(role)
        };
        let own = |name: &str| Object {
            reference: Some(name.into()),
            ..owned(Some("group:default/quay"))
        };
        let under_cut = [
            ("platform", Object::platform()),
            ("named", own(web)),
            ("own", own("component:default/spare")),
            ("own upload", Object::personal("source", "user:default/ann")),
        ];
        let mut table = String::new();
        let mut print = |actor: &Actor, name: &str, objects: &[(&str, Object)]| {
            for action in Action::ALL {
                table += &format!("{name:<10}{:<15}", action.as_str());
                for (name, object) in objects {
                    let word = if decide(actor, action, object).allow { "yes" } else { "-" };
                    table += &format!(" {name}:{word}");
                }
                table += "\n";
            }
        };
        for role in Role::ALL {
            print(&actor(role), role.as_str(), &objects);
        }
        for role in [Role::Developer, Role::Admin] {
            print(&cut(role), &format!("{}, cut", &role.as_str()[..3]), &under_cut);
        }
        for kind in Kind::ALL {
            let action = crate::declares(*kind).as_str();
            table += &format!("to declare {:<16} {action}\n", kind.as_str());
        }
        let golden = include_str!("../roles.txt");
        assert_eq!(table, golden, "rights changed; the table is now:\n{table}");
    }

    /// What can be said of an object by its kind's rules.
    fn object(kind: Kind, name: usize, owner: Option<usize>, system: Option<usize>) -> Object {
        const OWNERS: [&str; 3] = ["group:default/quay", "group:default/lock", "user:default/ann"];
        let lower = kind.as_str().to_ascii_lowercase();
        let owner = match kind.facts().ownership {
            Ownership::Platform => Owner::Platform,
            _ => Owner::Of(owner.map(|at| OWNERS[at].to_string())),
        };
        let system = system.map(|at| format!("system:default/s{at}"));
        Object { reference: Some(format!("{lower}:default/n{name}")), kind: lower, owner, system }
    }

    proptest! {
        #[test]
        fn lists_show_exactly_what_may_be_touched(
            role in 0usize..4, action in 0usize..7, kind in 0usize..Kind::ALL.len(),
            name in 0usize..2, owner in proptest::option::of(0usize..3),
            system in proptest::option::of(0usize..2),
            actions in proptest::option::of(proptest::collection::btree_set(0usize..7, 0..4)),
            only in proptest::option::of(proptest::collection::btree_set(0usize..4, 0..3)),
        ) {
            const ONLY: [&str; 4] = [
                "component:default/n0", "component:default/n1", "system:default/s0", "api:default/n0",
            ];
            let limits = Limits {
                actions: actions.map(|set| set.into_iter().map(|at| Action::ALL[at]).collect()),
                only: only.map(|set| set.into_iter().map(|at| ONLY[at].to_string()).collect()),
            };
            let actor = Actor { limits, ..actor(Role::ALL[role]) };
            let (action, kind) = (Action::ALL[action], Kind::ALL[kind]);
            let object = object(kind, name, owner, system);
            let scope = scope(&actor, action, kind);
            // Tokens of one's own are no kind: what everybody has of them is no object of the catalog.
            prop_assume!(action != Action::OwnTokens || object.owner != Owner::Platform);
            let decision = decide(&actor, action, &object);
            prop_assert_eq!(decision.allow, scope.covers(&object), "{:?} {:?}", scope, decision);
            prop_assert_eq!(decision.allow, decision.who.is_empty());
            prop_assert!(!decision.reasons.is_empty());
            if decision.allow {
                prop_assert!(floor(&actor, action).allow, "what may be done here may be done somewhere");
            }
        }
    }

    #[test]
    fn a_refusal_below_the_floor_looks_at_no_object() {
        for role in Role::ALL {
            for action in Action::ALL {
                let actor = actor(role);
                let nowhere = Kind::ALL.iter().all(|k| scope(&actor, action, *k) == Scope::Nothing);
                let at_all = !nowhere || action == Action::OwnTokens;
                assert_eq!(floor(&actor, action).allow, at_all, "{role:?} {action:?}");
            }
        }
    }
}
