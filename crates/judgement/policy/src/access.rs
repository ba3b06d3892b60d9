//! Roles joined with ownership. The whole of it is the table in [`decide`]; `roles.txt`, beside `src`, is its golden print.

use tow_api::Action;
use tow_record::{Actor, Role};

/// What is acted on, as far as rights are concerned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Object {
    /// The platform itself, or a kind at large.
    Platform,
    /// Something that has an owner: a component, and what runs of it. References, canonical.
    Owned {
        /// `group:default/quay`, `user:default/ann`; none where nobody owns it.
        owner: Option<String>,
    },
    /// Something of one person: a token, a session.
    Personal {
        /// Their reference.
        user: String,
    },
}

/// An answer with its reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// Yes or no.
    pub allow: bool,
    /// By which rule.
    pub reason: String,
    /// Who could: for the refusal's hint.
    pub who: String,
}

/// What of many objects an action may touch; lists compile it into their query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// All of them.
    All,
    /// Those of these owners.
    Owners(Vec<String>),
    /// None.
    Nothing,
}

impl Scope {
    /// Is an object of this owner inside?
    pub fn covers(&self, owner: Option<&str>) -> bool {
        match self {
            Self::All => true,
            Self::Owners(owners) => owner.is_some_and(|o| owners.iter().any(|mine| mine == o)),
            Self::Nothing => false,
        }
    }
}

/// What `actor` may do `action` to, among things that have owners.
pub fn scope(actor: &Actor, action: Action) -> Scope {
    use Action as A;
    use Role as R;
    match (actor.role, action) {
        (R::Admin, _) => Scope::All,
        (R::Platform, A::ManageAccess | A::OwnTokens) => Scope::Nothing,
        (R::Platform, _) => Scope::All,
        (R::Developer | R::Viewer, A::Read) => Scope::All,
        (R::Developer, A::ReadPrivate | A::Declare | A::Deploy) => Scope::Owners(mine(actor)),
        (R::Developer | R::Viewer, _) => Scope::Nothing,
    }
}

/// May `actor` do `action` to `object`, and why?
pub fn decide(actor: &Actor, action: Action, object: &Object) -> Decision {
    let role = actor.role.as_str();
    let yes = |reason: String| Decision { allow: true, reason, who: String::new() };
    let no = |reason: String, who: &str| Decision { allow: false, reason, who: who.into() };
    if let Object::Personal { user } = object {
        return match (actor.role, action) {
            (_, Action::OwnTokens) if *user == actor.name => yes("it is one's own".into()),
            (Role::Admin, _) => yes("administrators may".into()),
            _ => no(format!("it belongs to {user}"), &format!("{user} or an administrator")),
        };
    }
    let scope = scope(actor, action);
    match (object, &scope) {
        (_, Scope::All) => yes(format!("role {role} may {}", action.as_str())),
        (Object::Platform, _) if action == Action::OwnTokens => {
            yes("everybody has their own".into())
        }
        (Object::Owned { owner }, Scope::Owners(_)) if scope.covers(owner.as_deref()) => {
            yes(format!("{} owns it", owner.as_deref().unwrap_or_default()))
        }
        (Object::Owned { owner }, Scope::Owners(_)) => match owner {
            Some(owner) => no(
                format!("{} is not in {owner}, which owns it", actor.name),
                &format!("a member of {owner}, or the platform team"),
            ),
            None => no("nobody owns it".into(), "the platform team"),
        },
        (_, _) if action == Action::ManageAccess => {
            no(format!("role {role} may not {}", action.as_str()), "an administrator")
        }
        (_, _) => no(format!("role {role} may not {}", action.as_str()), "the platform team"),
    }
}

fn mine(actor: &Actor) -> Vec<String> {
    let mut owners = actor.groups.clone();
    owners.push(actor.name.clone());
    owners
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn actor(role: Role) -> Actor {
        Actor { name: "user:default/ann".into(), role, groups: vec!["group:default/quay".into()] }
    }

    /// The golden table: a change of rights is a change of these lines.
    #[test]
    fn the_table() {
        let objects = [
            ("platform", Object::Platform),
            ("own", Object::Owned { owner: Some("group:default/quay".into()) }),
            ("other's", Object::Owned { owner: Some("group:default/lock".into()) }),
            ("nobody's", Object::Owned { owner: None }),
            ("own token", Object::Personal { user: "user:default/ann".into() }),
            ("other's token", Object::Personal { user: "user:default/bob".into() }),
        ];
        let mut table = String::new();
        for role in Role::ALL {
            for action in Action::ALL {
                table += &format!("{:<10}{:<15}", role.as_str(), action.as_str());
                for (name, object) in &objects {
                    let word = if decide(&actor(role), action, object).allow { "yes" } else { "-" };
                    table += &format!(" {name}:{word}");
                }
                table += "\n";
            }
        }
        let golden = include_str!("../roles.txt");
        assert_eq!(table, golden, "rights changed; the table is now:\n{table}");
    }

    proptest! {
        #[test]
        fn lists_show_exactly_what_may_be_touched(
            role in 0usize..4, action in 0usize..7, owner in proptest::option::of(0usize..3),
        ) {
            let actor = actor(Role::ALL[role]);
            let action = Action::ALL[action];
            let owners = ["group:default/quay", "group:default/lock", "user:default/ann"];
            let owner = owner.map(|i| owners[i].to_string());
            let allowed = decide(&actor, action, &Object::Owned { owner: owner.clone() }).allow;
            prop_assert_eq!(allowed, scope(&actor, action).covers(owner.as_deref()));
        }
    }
}
