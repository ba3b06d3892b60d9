//! The world that is asked about: three teams, of which one takes no part and must stay as it is; people and machines of
//! every role; and marks in everything, with the rule of who may read each.

use super::dice::Dice;
use super::forms::Learned;
use super::setting::{Maker, TEAMS, documents, folder, of, text};
use super::wire::{Request, Wire};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::atomic::AtomicU64;
use tow_policy::{Object, decide};
use tow_record::{Actor, Limits, Right, Role};
use tow_testkit::binary::{Binary, until};

/// How somebody says who they are.
#[derive(Debug, Clone)]
pub(super) enum Badge {
    Nothing,
    Token(String),
    Cookie(String),
}

impl Badge {
    pub(super) fn headers(&self, address: &str) -> Vec<(String, String)> {
        match self {
            Self::Nothing => Vec::new(),
            Self::Token(token) => vec![("authorization".into(), format!("Bearer {token}"))],
            Self::Cookie(session) => vec![
                ("cookie".into(), format!("tow_session={session}")),
                ("origin".into(), format!("http://{address}")),
            ],
        }
    }
}

/// Somebody who asks.
#[derive(Debug)]
pub(super) struct Who {
    pub(super) name: &'static str,
    pub(super) badge: Badge,
    /// As whom the table knows them; none for whoever is nobody, or no more.
    pub(super) actor: Option<Actor>,
    /// What they own of what the run stands on: they could end it, so they do not touch it.
    own: &'static [&'static str],
    /// May do nearly everything, so asks carefully.
    pub(super) mighty: bool,
}

/// A text, and whom it is for: whoever may do any of these. Nobody, where there is none.
pub(super) struct Mark {
    pub(super) text: String,
    pub(super) what: String,
    rules: Vec<(Right, Object)>,
    /// How often it came to somebody whom it is for.
    pub(super) met: AtomicU64,
}

impl Mark {
    /// Is it for nobody at all?
    pub(super) const fn is_secret(&self) -> bool {
        self.rules.is_empty()
    }

    /// May this one see it? The table says so.
    pub(super) fn is_for(&self, who: &Who) -> bool {
        let may = |actor: &Actor| {
            self.rules.iter().any(|(right, object)| decide(actor, *right, object).allow)
        };
        who.actor.as_ref().is_some_and(may)
    }
}

pub(super) struct World {
    pub(super) address: String,
    pub(super) people: Vec<Who>,
    pub(super) marks: Vec<Mark>,
    /// Ids that the run stands on.
    footing: BTreeSet<String>,
    pub(super) admin: Badge,
    /// Plans that nobody applies; the last is of the team that takes no part.
    plans: Vec<String>,
}

impl World {
    pub(super) fn new(up: &Binary, yard: &Path) -> Self {
        let address = up.ready.as_ref().unwrap().url.trim_start_matches("http://").to_string();
        let mut maker = Maker { wire: Wire::new(&address), address: address.clone() };
        let (mut marks, mut footing) = (Vec::new(), BTreeSet::new());
        let mut mark = |text: &str, what: &str, rules: Vec<(Right, Object)>| {
            let (text, what, met) = (text.into(), what.into(), AtomicU64::new(0));
            marks.push(Mark { text, what, rules, met });
        };
        let made = up.json(&["token", "create", "the run"]);
        let (id, token) = (text(&made["id"]), text(&made["token"]));
        footing.insert(id);
        mark(&token, "the admin's token", vec![]);
        let admin = Badge::Token(token);
        std::fs::write(yard.join("catalog-info.yaml"), "").unwrap();
        let apply = json!({ "documents": [{ "name": "world.yaml", "text": documents(yard) }] });
        maker.ask(&admin, "POST", "/api/v1/apply", apply);
        let mut plans = Vec::new();
        for (component, team, _) in TEAMS {
            let (place, object) = (folder(up, component, team), of(component, team));
            let private = || vec![(Right::ReadPrivate, object.clone())];
            let done = up.deploy(&place);
            let set = format!("NOTE_{}=marker-config-{team}", team.to_uppercase());
            up.tow(["config", "set", "-c", component, &set]).exits(0);
            mark(&format!("marker-config-{team}"), "a configuration value", private());
            mark(&format!("marker-score-{team}"), "a variable of a Score file", private());
            mark(&format!("started {component}/0"), "a line of a log", private());
            mark(
                &format!("marker-said-{team}"),
                "a description",
                vec![(Right::Read, object.clone())],
            );
            let planned = json!({
                "component": component, "environment": "development", "change": "config",
                "set": { "PLANNED": format!("marker-planned-{team}") },
            });
            let plan = text(&maker.ask(&admin, "POST", "/api/v1/plans", planned)["id"]);
            plans.push(plan.clone());
            mark(&format!("marker-planned-{team}"), "a value of a plan", private());
            footing.extend([plan, text(&done["plan"])]);
            let running = maker.ask(
                &admin,
                "GET",
                &format!("/api/v1/instances?component={component}"),
                Value::Null,
            );
            for instance in running["items"].as_array().unwrap() {
                mark(
                    &text(&instance["instance"]),
                    "an instance",
                    vec![(Right::Read, object.clone())],
                );
            }
        }
        let platform = |right| vec![(right, Object::platform())];
        let audits = |mut rules: Vec<_>| {
            rules.extend(platform(Right::Audit));
            rules
        };
        let hook = json!({ "url": "http://127.0.0.1:1/marker-hook-url", "events": ["webhook.*"], "note": "marker-hook-note" });
        let hook = maker.ask(&admin, "POST", "/api/v1/webhooks", hook);
        footing.insert(text(&hook["id"]));
        mark(&text(&hook["secret"]), "a webhook's secret", vec![]);
        for said in ["marker-hook-url", "marker-hook-note"] {
            mark(said, "of a webhook", audits(platform(Right::Govern)));
        }
        // And some that nothing depends on.
        for name in ["one", "two", "three"] {
            let body =
                json!({ "url": format!("http://127.0.0.1:1/{name}"), "events": ["object.*"] });
            maker.ask(&admin, "POST", "/api/v1/webhooks", body);
        }
        let push =
            maker.ask(&admin, "POST", "/api/v1/locations/yard-dock/push-secret", Value::Null);
        mark(&text(&push["secret"]), "a push hook's secret", vec![]);
        let sign_in = up.ready.as_ref().unwrap().sign_in.clone().unwrap();
        mark(sign_in.split_once("token=").unwrap().1, "the first sign-in link", vec![]);

        let mut people = vec![Who {
            name: "nobody",
            badge: Badge::Nothing,
            actor: None,
            own: &[],
            mighty: false,
        }];
        let actor = |name: &str, role, groups: &[&str]| Actor {
            name: format!("user:default/{name}"),
            role,
            groups: groups.iter().map(|one| format!("group:default/{one}")).collect(),
            limits: Limits::default(),
        };
        let mut token = |maker: &mut Maker, session: &Badge, person: &str, more: Value| {
            let mut body = json!({ "note": format!("marker-token-{person}") });
            body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            let made = maker.ask(session, "POST", "/api/v1/tokens", body);
            let (id, token) = (text(&made["id"]), text(&made["token"]));
            footing.insert(id.clone());
            mark(&token, "a token", vec![]);
            let owner = text(&made["owner"]);
            let mut rules = vec![(Right::OwnTokens, Object::personal("token", owner.clone()))];
            if owner.starts_with("serviceaccount:") {
                // Its owners answer for a machine.
                rules.push((Right::Declare, of(&owner, "quay")));
            }
            mark(&id, "a token's id", audits(rules));
            (id, Badge::Token(token))
        };
        let whole = json!({});
        for (person, name, role, groups, own) in [
            ("vic", "viewer", Role::Viewer, &[][..], &[][..]),
            ("ann", "owner", Role::Developer, &["quay"], &["web-dock"]),
            ("bob", "outsider", Role::Developer, &["lock"], &["gate-dock"]),
            ("pat", "platform", Role::Platform, &[], &[]),
        ] {
            let session = maker.session(&admin, person);
            let (_, badge) = token(&mut maker, &session, person, whole.clone());
            let mighty = person == "pat";
            people.push(Who { name, badge, actor: Some(actor(person, role, groups)), own, mighty });
        }
        people.push(Who {
            name: "admin",
            badge: admin.clone(),
            actor: Some(actor("admin", Role::Admin, &[])),
            own: &[],
            mighty: true,
        });
        let ann = maker.session(&admin, "ann");
        let only = BTreeSet::from(["component:default/web-dock".to_string()]);
        for (name, owner, actions) in [
            ("cut", None, BTreeSet::from([Right::Deploy])),
            (
                "machine",
                Some("serviceaccount:ci"),
                BTreeSet::from([Right::Deploy, Right::ReadPrivate]),
            ),
        ] {
            let mut more = json!({ "actions": actions, "only": ["web-dock"] });
            let mut actor = actor("ann", Role::Developer, &["quay"]);
            if let Some(owner) = owner {
                more["for"] = json!(owner);
                actor.name = "serviceaccount:default/ci".into();
            }
            let (_, badge) = token(&mut maker, &ann, name, more);
            actor.limits = Limits { actions: Some(actions), only: Some(only.clone()) };
            people.push(Who { name, badge, actor: Some(actor), own: &["web-dock"], mighty: false });
        }
        let (id, withdrawn) = token(&mut maker, &ann, "withdrawn", whole);
        maker.ask(&ann, "DELETE", &format!("/api/v1/tokens/{id}"), Value::Null);
        let (_, expired) = token(&mut maker, &ann, "expired", json!({ "expires_in": "1s" }));
        for (name, badge) in [("withdrawn", withdrawn), ("expired", expired)] {
            people.push(Who { name, badge, actor: None, own: &[], mighty: false });
        }
        for (person, name, role, groups, own) in [
            ("pam", "owner's browser", Role::Developer, &["quay"][..], &["web-dock"][..]),
            ("vera", "viewer's browser", Role::Viewer, &[], &[]),
        ] {
            let badge = maker.session(&admin, person);
            if let Badge::Cookie(session) = &badge {
                mark(session, "a session", vec![]);
            }
            people.push(Who {
                name,
                badge,
                actor: Some(actor(person, role, groups)),
                own,
                mighty: false,
            });
        }
        let listed = maker.ask(&admin, "GET", "/api/v1/tokens?owner=all", Value::Null);
        for one in listed["items"].as_array().unwrap() {
            footing.insert(text(&one["id"]));
        }
        let world = Self { address, people, marks, footing, admin, plans };
        world.believes();
        world
    }

    /// What the table is asked about is what the platform thinks of each; one of them ends after a second.
    fn believes(&self) {
        let mut said = Ok(());
        let mut tries = 0;
        until("everybody is who they are", || {
            said = self.stands();
            tries += 1;
            said.is_ok() || tries > 100
        });
        said.unwrap();
    }

    /// Is everybody still who they were, with the same role and groups? Else who is not.
    pub(super) fn stands(&self) -> Result<(), String> {
        let mut maker = Maker { wire: Wire::new(&self.address), address: self.address.clone() };
        for who in &self.people {
            let answer = maker.send(&who.badge, "GET", "/api/v1/whoami", "application/json", "");
            let seen = serde_json::from_slice::<Actor>(&answer.body).ok();
            // Whoever asks too often is told to wait, and stays who they are.
            let waits = answer.status == 429;
            let gone = who.actor.is_none() && answer.status == 401;
            if !waits && !gone && (seen.is_none() || seen != who.actor) {
                return Err(format!("{}: {:?}, now {}", who.name, who.actor, answer.said()));
            }
        }
        Ok(())
    }

    /// Would this end what the run stands on, and could this one do so?
    pub(super) fn confined(&self, who: &Who, request: &Request) -> bool {
        if matches!(request.method.as_str(), "GET" | "HEAD" | "OPTIONS") || who.actor.is_none() {
            return false;
        }
        let said = request.said();
        let words: BTreeSet<&str> =
            said.split(|c: char| !c.is_alphanumeric() && !"-_".contains(c)).collect();
        let has = |all: &[&str]| all.iter().any(|word| words.contains(word));
        let declares = ["object.apply", "object.delete"].contains(&request.operation.as_str())
            || request.operation.starts_with("catalog.");
        let by_id = request.target.contains("/by-uid/") || request.target.contains("/locations/");
        if !who.mighty {
            let theirs = declares && (has(who.own) || (by_id && !who.own.is_empty()));
            let token = request.operation.starts_with("token.")
                && self.footing.iter().any(|id| said.contains(id.as_str()));
            let session = who.name.ends_with("browser")
                && (request.target.starts_with("/sign-out") || request.operation == "password.set");
            return theirs || token || session;
        }
        const PEOPLE: &[&str] = &["ann", "bob", "kim", "pam", "pat", "vic", "vera", "ci", "keep"];
        const POWER: &[&str] = &["group", "user", "rolebinding", "serviceaccount"];
        const DOCKS: &[&str] = &[
            "web-dock",
            "gate-dock",
            "vault-dock",
            "yard-dock",
            "viewer-dock",
            "platform-dock",
            "developer-dock",
        ];
        if self.footing.iter().any(|id| said.contains(id.as_str())) {
            return true;
        }
        match request.operation.as_str() {
            "object.apply" => {
                has(PEOPLE)
                    || has(DOCKS)
                    || (has(POWER) && has(&["quay", "lock"]))
                    || (has(&["environment", "runtime"])
                        && said.contains("name\\\":\\\"development"))
            }
            "object.delete" => !request.target.contains("fuzz"),
            "password.set" | "sign-in-link.create" => has(PEOPLE),
            "token.delete" => self.people.iter().any(|one| said.contains(one.name)),
            id if id.starts_with("catalog.") => by_id && request.method != "POST",
            id if ["plan.", "route.", "rollout."].iter().any(|of| id.starts_with(of)) => {
                has(&["vault-dock", "keep", "vault-free"])
            }
            _ => false,
        }
    }

    /// Everything of the team that takes no part, and of what says who is who.
    pub(super) fn untouched(&self) -> Vec<(String, Value)> {
        let mut maker = Maker { wire: Wire::new(&self.address), address: self.address.clone() };
        let mut all: Vec<String> =
            self.plans.iter().skip(2).map(|id| format!("/api/v1/plans/{id}")).collect();
        for of in ["status", "deployments", "instances"] {
            all.push(format!("/api/v1/{of}?component=vault-dock"));
        }
        // Groups and locations show what others say of them, so they change with others.
        for of in [
            "components/default/vault-dock",
            "components/default/vault-free",
            "users/default/ann",
            "users/default/bob",
            "users/default/kim",
            "users/default/vic",
            "rolebindings/default/viewer-dock",
            "rolebindings/default/platform-dock",
            "rolebindings/default/developer-dock",
            "serviceaccounts/default/ci",
        ] {
            all.push(format!("/api/v1/objects/{of}"));
        }
        all.push("/api/v1/components/vault-dock/releases".into());
        all.push("/api/v1/components/vault-dock/environments/development/config".into());
        all.push("/api/v1/tokens?owner=user:default/kim".into());
        all.into_iter()
            .map(|path| {
                let value = maker.ask(&self.admin, "GET", &path, Value::Null);
                (path, value)
            })
            .collect()
    }

    /// Ids and names of what is there, as the admin sees it.
    pub(super) fn look(&self, learned: &Learned, dice: &mut Dice) {
        let mut maker = Maker { wire: Wire::new(&self.address), address: self.address.clone() };
        // They are few among many that come and go.
        self.plans.iter().for_each(|id| learned.add("plan", id, dice));
        let hooks = maker.send(&self.admin, "GET", "/api/v1/webhooks", "", "").json();
        for id in hooks["items"].as_array().into_iter().flatten().rev().take(3) {
            let path =
                format!("/api/v1/webhooks/{}/deliveries", id["id"].as_str().unwrap_or_default());
            learned.read(&maker.send(&self.admin, "GET", &path, "", "").json(), dice);
        }
        for path in [
            "objects?limit=30",
            "objects/location",
            "deployments?limit=30",
            "instances",
            "tokens?owner=all",
            "webhooks",
            "audit/events?limit=50",
            "events?limit=20",
            "locations",
            "components/web-dock/releases",
            "components/vault-dock/releases",
        ] {
            let answer = maker.send(&self.admin, "GET", &format!("/api/v1/{path}"), "", "");
            learned.read(&answer.json(), dice);
        }
        let answer =
            maker.send(&self.admin, "GET", "/api/catalog/entities/by-query?limit=3", "", "");
        learned.read(&answer.json(), dice);
    }
}
