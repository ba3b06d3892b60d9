//! Whom an event is for. The catalog and what became of deployments are for everybody who may read them; plans and
//! configuration for owners; what is about one person's ways in for that person; all of it for whoever may audit.

use crate::access::decide;
use crate::object::Object;
use tow_names::{EntityRef, Namespace};
use tow_record::{Actor, Event, Right};

/// Whom a kind of event is for, besides auditors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Audience {
    /// Whoever may read what it is about.
    Readers,
    /// Whoever may read what is private of what it is about: its owners.
    Owners,
    /// The one it is about.
    Person,
    /// Nobody else.
    Auditors,
}

/// Beginnings of kinds; the longest that fits counts. A kind that is not here is for auditors alone.
const AUDIENCES: &[(&str, Audience)] = &[
    ("artifact.", Audience::Readers),
    ("backup.", Audience::Auditors),
    ("build.", Audience::Readers),
    ("certificate.", Audience::Auditors),
    ("config.", Audience::Owners),
    ("cron.", Audience::Readers),
    ("deployment.", Audience::Readers),
    ("event.", Audience::Auditors),
    // A command may hold what its author wrote into it.
    ("instance.", Audience::Owners),
    ("location.", Audience::Readers),
    ("object.", Audience::Readers),
    ("operation.", Audience::Readers),
    ("password.", Audience::Person),
    ("plan.", Audience::Owners),
    ("platform.", Audience::Auditors),
    ("release.", Audience::Readers),
    ("rollout.", Audience::Readers),
    ("route.", Audience::Readers),
    ("run.", Audience::Owners),
    ("session.", Audience::Person),
    ("sign-in-link.", Audience::Person),
    ("sign-in.", Audience::Person),
    ("source.", Audience::Auditors),
    ("token.", Audience::Person),
    ("webhook.", Audience::Auditors),
    ("workload.", Audience::Readers),
];

/// Whom events of this kind are for.
pub fn audience(kind: &str) -> Audience {
    let fits = AUDIENCES.iter().filter(|(prefix, _)| kind.starts_with(prefix));
    fits.max_by_key(|(prefix, _)| prefix.len()).map_or(Audience::Auditors, |(_, to)| *to)
}

/// The declared object an event is about; of a place, its component. None where it is about something else.
pub fn about(subject: &str) -> Option<EntityRef> {
    let entity = subject.split('@').next().unwrap_or(subject);
    EntityRef::parse(entity, None, &Namespace::default()).ok()
}

/// Must the object an event is about be known to say whether this actor may see it?
pub fn depends_on_object(actor: &Actor, kind: &str) -> bool {
    matches!(audience(kind), Audience::Owners | Audience::Readers)
        && (audience(kind) == Audience::Owners || actor.limits.only.is_some())
        && !audits(actor)
}

/// May this actor see this event? `object`: the declared object it is about, where there is one still.
pub fn may_see(actor: &Actor, event: &Event, object: Option<&Object>) -> bool {
    if audits(actor) {
        return true;
    }
    let unknown = || Object::owned(about(&event.subject).as_ref(), None);
    let may = |right| match object {
        Some(object) => decide(actor, right, object).allow,
        None => decide(actor, right, &unknown()).allow,
    };
    match audience(&event.kind) {
        Audience::Readers => may(Right::Read),
        Audience::Owners => may(Right::ReadPrivate),
        // A token that is not for one's ways in tells nothing of them either.
        Audience::Person => {
            let own = Object::personal("token", event.subject.clone());
            event.subject == actor.name && decide(actor, Right::OwnTokens, &own).allow
        }
        Audience::Auditors => false,
    }
}

fn audits(actor: &Actor) -> bool {
    decide(actor, Right::Audit, &Object::platform()).allow
}

#[cfg(test)]
mod tests {
    use super::*;
    use tow_names::Timestamp;
    use tow_record::{EVENTS, Limits, Role};

    fn event(kind: &str, subject: &str) -> Event {
        Event {
            seq: 1,
            at: Timestamp(1),
            actor: "user:default/bob".into(),
            request: String::new(),
            kind: kind.into(),
            subject: subject.into(),
            body_sha256: String::new(),
            body: None,
        }
    }

    fn actor(role: Role, groups: &[&str]) -> Actor {
        let groups = groups.iter().map(ToString::to_string).collect();
        Actor { name: "user:default/ann".into(), role, groups, limits: Limits::default() }
    }

    #[test]
    fn of_every_kind_it_is_said_whom_it_is_for() {
        for (kind, _) in EVENTS {
            assert!(AUDIENCES.iter().any(|(prefix, _)| kind.starts_with(prefix)), "{kind}");
        }
        assert_eq!(audience("something.new"), Audience::Auditors);
    }

    #[test]
    fn plans_and_configuration_are_for_owners_and_the_platform_team() {
        let place = "component:default/web@development";
        let web = about(place).unwrap();
        let object = Object::owned(Some(&web), Some("group:default/quay".into()));
        let sees = |actor: &Actor, kind: &str, object| may_see(actor, &event(kind, place), object);
        let owner = actor(Role::Developer, &["group:default/quay"]);
        let other = actor(Role::Developer, &["group:default/lock"]);
        let viewer = actor(Role::Viewer, &["group:default/quay"]);
        for kind in ["plan.created", "plan.applied", "config.changed"] {
            assert!(sees(&owner, kind, Some(&object)), "{kind}");
            assert!(!sees(&other, kind, Some(&object)), "{kind}");
            assert!(!sees(&viewer, kind, Some(&object)), "{kind}");
            assert!(!sees(&owner, kind, None), "of what is gone nobody is the owner: {kind}");
            assert!(sees(&actor(Role::Platform, &[]), kind, None), "{kind}");
        }
        for who in [&owner, &other, &viewer] {
            assert!(sees(who, "deployment.live", Some(&object)));
            assert!(!sees(who, "event.erased", None));
            assert!(!sees(who, "something.new", None));
        }
    }

    #[test]
    fn ways_in_are_told_to_the_one_they_are_about() {
        let ann = actor(Role::Developer, &[]);
        for kind in ["token.created", "session.ended", "sign-in-link.created", "password.set"] {
            assert!(may_see(&ann, &event(kind, "user:default/ann"), None), "{kind}");
            assert!(!may_see(&ann, &event(kind, "user:default/bob"), None), "{kind}");
            let admin = actor(Role::Admin, &[]);
            assert!(may_see(&admin, &event(kind, "user:default/bob"), None), "{kind}");
        }
    }
}
