//! What the world is made of, and by what requests.

use super::wire::{Answer, Request, Wire};
use super::world::Badge;
use serde_json::{Value, json};
use std::path::Path;
use tow_names::{EntityRef, Namespace};
use tow_policy::Object;
use tow_testkit::binary::Binary;

/// Component, team, its developer.
pub(super) const TEAMS: [(&str, &str, &str); 3] =
    [("web-dock", "quay", "ann"), ("gate-dock", "lock", "bob"), ("vault-dock", "keep", "kim")];

pub(super) fn of(component: &str, team: &str) -> Object {
    let entity =
        EntityRef::parse(component, Some("component"), &Namespace::default()).expect("a name");
    Object::owned(Some(&entity), Some(format!("group:default/{team}")))
}

pub(super) fn documents(yard: &Path) -> String {
    let mut all = Vec::new();
    let declared = |kind: &str, name: &str, description: &str, spec: Value| {
        let ours = matches!(kind, "RoleBinding" | "ServiceAccount");
        let version = if ours { "towpath.dev/v1" } else { "backstage.io/v1alpha1" };
        let mut metadata = json!({ "name": name });
        if !description.is_empty() {
            metadata["description"] = json!(description);
        }
        json!({ "apiVersion": version, "kind": kind, "metadata": metadata, "spec": spec })
            .to_string()
    };
    for (component, team, _) in TEAMS {
        let spec = json!({ "type": "service", "lifecycle": "production", "owner": team });
        all.push(declared("Group", team, "", json!({ "type": "team", "children": [] })));
        all.push(declared("Component", component, &format!("marker-said-{team}"), spec.clone()));
        all.push(declared("Component", &component.replace("dock", "free"), "", spec));
    }
    let people = [
        ("ann", "quay"),
        ("bob", "lock"),
        ("kim", "keep"),
        ("pam", "quay"),
        ("pat", ""),
        ("vic", ""),
        ("vera", ""),
    ];
    for (person, team) in people {
        let groups: Vec<&str> = if team.is_empty() { vec![] } else { vec![team] };
        all.push(declared("User", person, "", json!({ "memberOf": groups })));
    }
    let machine = json!({ "owner": "quay", "memberOf": ["quay"] });
    all.push(declared("ServiceAccount", "ci", "", machine));
    for (role, subjects) in [
        ("viewer", vec!["user:vic", "user:vera"]),
        ("platform", vec!["user:pat"]),
        ("developer", vec!["serviceaccount:ci"]),
    ] {
        let spec = json!({ "role": role, "subjects": subjects });
        all.push(declared("RoleBinding", &format!("{role}-dock"), "", spec));
    }
    let target = yard.join("catalog-info.yaml").display().to_string();
    all.push(declared("Location", "yard-dock", "", json!({ "target": target })));
    all.join("\n---\n")
}

pub(super) fn folder(up: &Binary, component: &str, team: &str) -> std::path::PathBuf {
    let place = up.home().join(component);
    std::fs::create_dir_all(&place).unwrap();
    let score = json!({
        "apiVersion": "score.dev/v1b1", "metadata": { "name": component },
        "service": { "ports": { "web": { "port": 8080 } } },
        "containers": { "main": { "image": ".", "variables": {
            "TOW_FAKE": "ready-after=20ms", "NOTE": format!("marker-score-{team}"),
        } } },
    });
    let tow = json!({
        "apiVersion": "towpath.dev/v1", "kind": "Delivery", "metadata": { "name": component },
        "spec": { "component": component, "workloads": { component: { "replicas": 1 } } },
    });
    std::fs::write(place.join("score.yaml"), score.to_string()).unwrap();
    std::fs::write(place.join("tow.yaml"), tow.to_string()).unwrap();
    place
}

/// Asks as somebody; what is not answered well ends the test.
pub(super) struct Maker {
    pub(super) wire: Wire,
    pub(super) address: String,
}

impl Maker {
    pub(super) fn send(
        &mut self,
        badge: &Badge,
        method: &str,
        path: &str,
        kind: &str,
        body: &str,
    ) -> Answer {
        let mut headers = badge.headers(&self.address);
        headers.push(("content-type".into(), kind.into()));
        let request = Request {
            operation: String::new(),
            method: method.into(),
            target: path.into(),
            headers,
            body: body.as_bytes().to_vec(),
        };
        self.wire.ask(&request).unwrap()
    }

    pub(super) fn ask(&mut self, badge: &Badge, method: &str, path: &str, body: Value) -> Value {
        let text = if body.is_null() { String::new() } else { body.to_string() };
        let answer = self.send(badge, method, path, "application/json", &text);
        assert!(answer.status < 300, "{method} {path}: {} {}", answer.status, answer.said());
        answer.json()
    }

    pub(super) fn session(&mut self, admin: &Badge, person: &str) -> Badge {
        let link = self.ask(admin, "POST", "/api/v1/sign-in-links", json!({ "user": person }));
        let (path, token) = link["path"].as_str().unwrap().split_once("?token=").unwrap();
        let mut door = Badge::Nothing.headers(&self.address);
        door.push(("origin".into(), format!("http://{}", self.address)));
        let form = "application/x-www-form-urlencoded";
        let answer = self.send(&Badge::Nothing, "POST", path, form, &format!("token={token}"));
        let cookie = answer.header("set-cookie").split(';').next().unwrap_or_default().to_string();
        let session = cookie.strip_prefix("tow_session=").unwrap_or_else(|| panic!("{answer:?}"));
        Badge::Cookie(session.to_string())
    }
}

pub(super) fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("{value}")).to_string()
}
