//! Documents as people, generators and enemies write them: entities of every kind, Score files, deliveries, and no
//! documents at all.

use super::dice::Dice;
use serde_json::{Value, json};

const KINDS: &[&str] = &[
    "Component",
    "Component",
    "Component",
    "API",
    "Resource",
    "System",
    "Domain",
    "Template",
    "Location",
    "Group",
    "User",
    "ServiceAccount",
    "RoleBinding",
    "Environment",
    "Runtime",
    "Delivery",
    "AiResource",
    "Nothing",
];

/// A document of a request.
pub(super) fn document(of_location: bool, nice: bool, dice: &mut Dice) -> Value {
    if nice || (of_location && dice.chance(70)) {
        let kind = if of_location { "Location" } else { dice.pick(KINDS) };
        let text = entity(kind, nice, dice).to_string();
        return json!({ "name": "x.yaml", "text": text });
    }
    let kind = dice.pick(KINDS);
    let name = dice.pick(&[
        "x.yaml",
        "catalog-info.yaml",
        "tow.yaml",
        "score.yaml",
        "-",
        "../x",
        "a\u{0}",
    ]);
    let text = match dice.below(12) {
        0 => dice.text(),
        1 => bomb(dice),
        2 => format!("{}\n---\n{}", entity(kind, false, dice), entity(kind, false, dice)),
        3 => score(dice),
        4 => {
            let text = entity(kind, false, dice).to_string();
            let end = (0..=dice.below(text.len() + 1)).rev().find(|at| text.is_char_boundary(*at));
            text[..end.unwrap_or(0)].to_string()
        }
        _ => entity(kind, false, dice).to_string(),
    };
    json!({ "name": name, "text": text })
}

fn score(dice: &mut Dice) -> String {
    json!({
        "apiVersion": "score.dev/v1b1",
        "metadata": { "name": dice.pick(&["web-free", "gate-free", "fuzz-1", "vault-dock"]) },
        "service": { "ports": { "web": { "port": if dice.chance(80) { json!(8080) } else { dice.number() } } } },
        "containers": { "main": {
            "image": ".",
            "variables": { "A": dice.text(), "TOW_FAKE": "ready-after=20ms" },
        } },
    })
    .to_string()
}

/// What is small here and large elsewhere.
fn bomb(dice: &mut Dice) -> String {
    match dice.below(4) {
        0 => "a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b]\nd: [*c,*c,*c,*c,*c]\n".into(),
        1 => "[".repeat(5000),
        2 => "{a: ".repeat(3000),
        _ => "- ".repeat(4000),
    }
}

/// An entity; its name is one that nobody depends on, mostly.
fn entity(kind: &str, nice: bool, dice: &mut Dice) -> Value {
    let ours =
        ["ServiceAccount", "RoleBinding", "Environment", "Runtime", "Delivery", "AiResource"];
    let version = if ours.contains(&kind) { "towpath.dev/v1" } else { "backstage.io/v1alpha1" };
    let name = match if nice { 9 } else { dice.below(10) } {
        0 => dice.text(),
        1 => dice
            .pick(&["vault-dock", "gate-dock", "web-dock", "keep", "quay", "ann", "development"])
            .to_string(),
        2 => dice.pick(&["web-free", "gate-free"]).to_string(),
        _ => dice.word(),
    };
    let owner = dice.pick(&[
        "quay",
        "lock",
        "keep",
        "group:quay",
        "user:fuzz-1",
        "fuzz-2",
        "nobody at all",
        "",
    ]);
    let mut spec = match kind {
        "Component" => {
            json!({ "type": "service", "lifecycle": "production", "owner": owner, "system": "shop" })
        }
        "API" => {
            json!({ "type": "openapi", "lifecycle": "x", "owner": owner, "definition": dice.text() })
        }
        "Resource" | "AiResource" => json!({ "type": "database", "owner": owner }),
        "System" | "Domain" => json!({ "owner": owner }),
        "Template" => json!({ "type": "x", "owner": owner, "steps": [], "parameters": [] }),
        "Location" => {
            json!({ "target": dice.pick(&["file:///nowhere", "./x.yaml", "http://127.0.0.1:1/x.yaml", "git+file:///x", "https://127.0.0.1:1/a/b.git"]) })
        }
        "Group" => json!({ "type": "team", "children": [], "members": ["fuzz-1"] }),
        "User" => json!({ "memberOf": ["fuzz-2"] }),
        "ServiceAccount" => json!({ "owner": owner }),
        "RoleBinding" => json!({ "role": dice.pick(&["viewer", "developer", "platform", "admin"]),
            "subjects": [dice.pick(&["user:fuzz-1", "group:fuzz-2", "serviceaccount:fuzz-3", "user:vic", "group:quay"])] }),
        "Environment" => json!({ "tier": "development", "runtime": "local" }),
        "Runtime" => json!({ "type": "process" }),
        "Delivery" => {
            json!({ "component": name, "workloads": { "web": { "replicas": dice.below(4) } } })
        }
        _ => json!({}),
    };
    if let Some(fields) = spec.as_object_mut() {
        let names: Vec<String> = fields.keys().cloned().collect();
        for field in names.into_iter().filter(|_| !nice) {
            if dice.chance(4) {
                fields.remove(&field);
            } else if dice.chance(5) {
                fields.insert(
                    field,
                    if dice.chance(50) { json!(dice.text()) } else { dice.number() },
                );
            }
        }
        if !nice && dice.chance(5) {
            fields.insert(dice.text(), json!({ "a": [dice.text()] }));
        }
    }
    let mut metadata = json!({ "name": name });
    if !nice && dice.chance(15) {
        metadata["namespace"] = json!(if dice.chance(70) { "fuzz".into() } else { dice.text() });
    }
    if !nice && dice.chance(25) {
        metadata["annotations"] = json!({ "example.com/a": dice.text(), dice.text(): dice.text() });
        metadata["tags"] = json!([dice.text(), "java"]);
        metadata["description"] = json!(dice.text());
        metadata["links"] = json!([{ "url": dice.text() }]);
    }
    json!({ "apiVersion": version, "kind": kind, "metadata": metadata, "spec": spec })
}
