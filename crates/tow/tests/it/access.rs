//! Who may do what, through the router: every endpoint of the contract, every kind of person, as one table that is read
//! by people. `access.txt` is that table; a change of rights is a change of its lines.

#![allow(clippy::unwrap_used, reason = "a test that can't go on says so by panicking")]

use crate::given::{DEVELOPMENT, FOLDER_ONE, ann, map};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fmt::Write as _;
use tow_api::Endpoint;
use tow_api::plan::create::ChangeRequest;
use tow_api::{Action, Nothing};
use tow_testkit::{TestPlatform, TokenBody, change};

/// Id, method and path of every endpoint.
fn endpoints() -> Vec<(&'static str, &'static str, &'static str)> {
    macro_rules! list {
        (plain: [$($plain:ty),* $(,)?], special: [$($special:ty),* $(,)?]) => {
            vec![
                $((<$plain>::ID, <$plain>::METHOD.as_str(), <$plain>::PATH),)*
                $((<$special>::ID, <$special>::METHOD.as_str(), <$special>::PATH),)*
            ]
        };
    }
    tow_api::endpoints!(list)
}

/// `cut` is the owner by a token that is only for deploying the component `web`.
const PEOPLE: [&str; 7] = ["nobody", "viewer", "outsider", "owner", "cut", "platform", "admin"];

/// One request of a row, and what is in the path.
struct Row {
    /// An endpoint's id, and what of it.
    what: String,
    method: &'static str,
    path: String,
    body: Option<Value>,
}

/// What is there for one person's row alone, so that no answer depends on the one before.
struct Own {
    plan: String,
    token: String,
    operation: String,
    instance: String,
    webhook: String,
    /// To be deleted.
    other_webhook: String,
}

fn component(name: &str, owner: &str) -> String {
    format!(
        "apiVersion: backstage.io/v1alpha1\nkind: Component\nmetadata:\n  name: {name}\nspec:\n  \
         type: service\n  lifecycle: production\n  owner: {owner}\n"
    )
}

fn environment(name: &str) -> String {
    format!(
        "apiVersion: towpath.dev/v1\nkind: Environment\nmetadata:\n  name: {name}\nspec:\n  tier: \
         development\n  runtime: local\n"
    )
}

fn declared(kind: &str, name: &str, spec: &str) -> String {
    let version = match kind {
        "RoleBinding" | "ServiceAccount" => "towpath.dev/v1",
        _ => "backstage.io/v1alpha1",
    };
    format!("apiVersion: {version}\nkind: {kind}\nmetadata:\n  name: {name}\nspec: {spec}\n")
}

/// What grants power, and a spec of each.
const GATED: [(&str, &str); 6] = [
    ("Group", "{ type: team, children: [] }"),
    ("User", "{ memberOf: [quay] }"),
    ("ServiceAccount", "{ owner: quay }"),
    ("Location", "{ targets: [./catalog-info.yaml] }"),
    ("RoleBinding", "{ role: platform, subjects: [group:quay] }"),
    ("RoleBinding", "{ role: admin, subjects: [user:pat] }"),
];

fn rows(who: &str, own: &Own) -> Vec<Row> {
    let documents = |text: String| json!({ "documents": [{ "name": "x.yaml", "text": text }], "dry_run": false });
    let config = |of: &str| {
        json!({
            "component": of, "environment": DEVELOPMENT, "change": "config", "set": { "A": "1" },
        })
    };
    let mut rows = Vec::new();
    for (id, method, path) in endpoints() {
        let path = path
            .replace("{component}", "web")
            .replace("{environment}", DEVELOPMENT)
            .replace("{number}", "1")
            .replace("{plan}", &own.plan)
            .replace("{token}", &own.token)
            .replace("{operation}", &own.operation)
            .replace(
                "{webhook}",
                if id == "webhook.delete" { &own.other_webhook } else { &own.webhook },
            )
            .replace("{seq}", "1")
            .replace("{namespace}", "default");
        let mut row = |what: &str, path: String, body: Option<Value>| {
            let what = if what.is_empty() { id.to_string() } else { format!("{id}, {what}") };
            rows.push(Row { what, method, path, body });
        };
        let object = |kind: &str, name: &str| path.replace("{kind}", kind).replace("{name}", name);
        match id {
            "object.apply" => {
                let name = format!("new-{who}");
                row(
                    "a component of the owner's group",
                    path.clone(),
                    Some(documents(component(&name, "quay"))),
                );
                row("an environment", path.clone(), Some(documents(environment(&name))));
                row(
                    "the owner's component, given away",
                    path.clone(),
                    Some(documents(component(&format!("gift-{who}"), "lock"))),
                );
                row(
                    "another's component, taken",
                    path.clone(),
                    Some(documents(component(&format!("lock-{who}"), "quay"))),
                );
                for (at, (kind, spec)) in GATED.into_iter().enumerate() {
                    let what = if spec.contains("admin") { " of an admin" } else { "" };
                    let name = format!("new-{who}-{at}");
                    let text = declared(kind, &name, spec);
                    row(&format!("a {kind}{what}"), path.clone(), Some(documents(text)));
                }
            }
            "object.delete" => {
                row("a component", object("component", &format!("gone-{who}")), None);
                row("an environment", object("environment", &format!("gone-{who}")), None);
                row("an admin's binding", object("rolebinding", &format!("gone-{who}")), None);
            }
            "object.get" => {
                row("the owner's", object("component", "web"), None);
                row("another's", object("component", &format!("lock-{who}")), None);
            }
            "object.facets" => row("", format!("{path}?keys=kind"), None),
            "object.list" => row("", object("component", ""), None),
            "plan.create" => row("", path.clone(), Some(config(&format!("spare-{who}")))),
            "plan.apply" => row("the owner's", path.clone(), Some(json!({}))),
            "plan.get" => row("the owner's", path.clone(), None),
            "token.create" => {
                row("for oneself", path.clone(), Some(json!({ "note": "x" })));
                row(
                    "for the owner's machine",
                    path.clone(),
                    Some(json!({ "note": "x", "for": "serviceaccount:ci" })),
                );
                row("for another", path.clone(), Some(json!({ "note": "x", "for": "user:bob" })));
            }
            "token.list" => {
                row("one's own", path.clone(), None);
                row("another's", format!("{path}?owner=bob"), None);
                row("everybody's", format!("{path}?owner=all"), None);
            }
            "password.set" => {
                let word = "correct horse battery";
                row("one's own", path.clone(), Some(json!({ "password": word })));
                row("another's", path.clone(), Some(json!({ "password": word, "user": "bob" })));
            }
            "access.why" => {
                let query = format!("{path}?action=deploy&object=web");
                row("of oneself", query.clone(), None);
                row("of another", format!("{query}&actor=bob"), None);
                row(
                    "of another's component",
                    format!("{path}?action=read&object=lock-{who}"),
                    None,
                );
            }
            "access.list" => {
                row("of oneself", path.clone(), None);
                row("of another", format!("{path}?actor=bob"), None);
            }
            "audit.erase" => {
                row("", path.clone(), Some(json!({ "events": [1], "reason": "a test" })))
            }
            "audit.verify" => row("", path.clone(), Some(json!({}))),
            "webhook.create" => {
                let body =
                    json!({ "url": "https://hooks.example.com/x", "events": ["object.created"] });
                row("", path.clone(), Some(body));
            }
            "webhook.pause" | "webhook.redeliver" | "webhook.resume" | "webhook.test" => {
                row("", path.clone(), Some(json!({})));
            }
            "certificate.add" => {
                let body = json!({ "chain": "none", "key": "none" });
                row("that is none", path.replace("{host}", "a.example.org"), Some(body));
            }
            "certificate.remove" => {
                row("that is not there", path.replace("{host}", "a.example.org"), None);
            }
            "webhook.delete" => row("", path.clone(), None),
            "token.delete" => row("the owner's", path.clone(), None),
            "sign-in-link.create" => {
                row("for oneself", path.clone(), Some(json!({})));
                row("for another", path.clone(), Some(json!({ "user": "bob" })));
            }
            // Who may is told that it is no plain request.
            "instance.exec" => {
                row("the owner's", path.replace("{instance}", &own.instance), None);
                row("of nobody's", path.replace("{instance}", "gone-1"), None);
            }
            "log.stream" => row("the owner's", format!("{path}?instance={}", own.instance), None),
            "location.preview" => {
                let text = declared("Location", "x", "{ target: ./catalog-info.yaml }");
                let text = json!({ "document": { "name": "x.yaml", "text": text } });
                row("", path.clone(), Some(text));
            }
            // There is none: whoever may is told so.
            "location.get" | "location.refresh" | "location.push-secret" => {
                row("", path.replace("{name}", "nowhere"), None);
            }
            "location.push" => row("", path.replace("{name}", "nowhere"), Some(json!({}))),
            // It has no schedule, and nothing of it is rolled out: whoever may is told so.
            "cron.pause" | "cron.resume" | "cron.trigger" | "rollout.pause" | "rollout.resume"
            | "rollout.abort" | "route.maintain" | "route.pause" => {
                let body = json!({ "component": "web", "environment": DEVELOPMENT });
                row("of the owner's", path.clone(), Some(body));
            }
            "route.serve" => {
                let body =
                    json!({ "component": "web", "environment": DEVELOPMENT, "ends": "pause" });
                row("of the owner's", path.clone(), Some(body));
            }
            "route.explain" => row("", format!("{path}?url=http://web.localhost/"), None),
            "run.create" => {
                let body = json!({
                    "component": "web", "environment": DEVELOPMENT, "command": ["true"], "timeout": "1s",
                });
                row("of the owner's", path.clone(), Some(body));
            }
            // There is none: whoever may is told so.
            "run.get" => row("", path.replace("{run}", "run-nowhere"), None),
            "run.cancel" => row("", path.replace("{run}", "run-nowhere"), Some(json!({}))),
            "build.create" => {
                let source = format!("sha256:{}", "0".repeat(64));
                let body = json!({ "component": "web", "source": source });
                row("of the owner's", path.clone(), Some(body));
            }
            // There is none: whoever may is told so.
            "build.get" => row("", path.replace("{build}", "bld-nowhere"), None),
            "build.cancel" => row("", path.replace("{build}", "bld-nowhere"), Some(json!({}))),
            "artifact.get" => row("", path.replace("{artifact}", "000000"), None),
            "artifact.push" => {
                let body = json!({ "reference": "registry.example.com/web:1", "base": "scratch" });
                row("", path.replace("{artifact}", "000000"), Some(body));
            }
            "artifact.prune" => {
                row("of all", path.clone(), Some(json!({ "dry_run": true })));
                let one = json!({ "dry_run": true, "component": "web" });
                row("of the owner's", path.clone(), Some(one));
            }
            "source.upload" | "event.stream" => row("", path.clone(), None),
            _ if method == "GET" => row("", path.clone(), None),
            other => panic!("say how {other} is asked here"),
        }
    }
    rows
}

#[tokio::test]
async fn every_endpoint_answers_everybody_as_the_table_says() {
    let platform = TestPlatform::start().await;
    let admin = platform.admin();
    let group = "apiVersion: backstage.io/v1alpha1\nkind: Group\nmetadata:\n  name: quay\nspec:\n  \
                 type: team\n  children: []\n  members: [ann]\n";
    admin.declare(group).await.unwrap();
    admin.declare(&declared("Group", "lock", "{ type: team, children: [] }")).await.unwrap();
    admin.declare(&declared("User", "bob", "{ memberOf: [] }")).await.unwrap();
    admin.declare(&declared("ServiceAccount", "ci", "{ owner: quay }")).await.unwrap();
    let hook = async || {
        let body = tow_api::webhook::create::Body {
            url: "https://hooks.example.com/x".into(),
            events: vec!["object.created".into()],
            note: String::new(),
        };
        let made =
            admin.call::<tow_api::webhook::create::CreateWebhook>(Nothing {}, Nothing {}, body);
        made.await.unwrap().id
    };
    let owner = ann(&platform);
    let operation = owner.deploy(DEVELOPMENT, &FOLDER_ONE, "source one").await.unwrap().unwrap();
    platform.settle().await;
    let instance = platform.world().routes().routes[0].targets[0].instance.clone();

    let mut cells: Vec<(String, Vec<u16>)> = Vec::new();
    for who in PEOPLE {
        for name in ["spare", "gone", "gift"] {
            admin.declare(&component(&format!("{name}-{who}"), "quay")).await.unwrap();
        }
        admin.declare(&component(&format!("lock-{who}"), "lock")).await.unwrap();
        let binding = "{ role: admin, subjects: [user:zoe] }";
        admin.declare(&declared("RoleBinding", &format!("gone-{who}"), binding)).await.unwrap();
        admin.declare(&environment(&format!("gone-{who}"))).await.unwrap();
        let set = map(&[("A", "1".to_string())]);
        let config = ChangeRequest::Config { set, unset: vec![] };
        let spare = format!("spare-{who}");
        let plan = owner.plan(change(&spare, DEVELOPMENT, config)).await.unwrap();
        let text = owner.token().await.unwrap();
        let tokens = platform.http(Some(&text), "GET", "/api/v1/tokens", None).await;
        let newest = tokens.body["items"][0]["id"].as_str().unwrap().to_string();
        let (webhook, other_webhook) = (hook().await, hook().await);
        let own = Own {
            plan: plan.id,
            token: newest,
            operation: operation.clone(),
            instance: instance.clone(),
            webhook,
            other_webhook,
        };
        let token = match who {
            "nobody" => None,
            "viewer" => Some(platform.viewer().token().await.unwrap()),
            "outsider" => Some(platform.outsider().token().await.unwrap()),
            "owner" => Some(owner.token().await.unwrap()),
            "cut" => {
                let body = TokenBody {
                    actions: Some(vec![Action::Deploy]),
                    only: Some(vec!["web".into()]),
                    ..TokenBody::default()
                };
                owner.token_of(body).await.unwrap().token
            }
            "platform" => Some(platform.platform_team().token().await.unwrap()),
            _ => Some(admin.token().await.unwrap()),
        };
        for (at, row) in rows(who, &own).into_iter().enumerate() {
            let body = if row.what == "source.upload" {
                Some(("application/x-tar", bytes::Bytes::from_static(b"a folder")))
            } else {
                row.body.map(|body| ("application/json", bytes::Bytes::from(body.to_string())))
            };
            let asked = platform.http_bytes(token.as_deref(), row.method, &row.path, body);
            // What the gateway is to do is waited for, and nobody tells it here: time passes until that is given up.
            let waits = ["route.maintain", "route.pause", "route.serve"];
            let waits = waits.iter().any(|id| row.what.starts_with(id));
            tokio::pin!(asked);
            let answer = loop {
                let answer = tokio::select! {
                    answer = &mut asked => Some(answer),
                    () = tokio::time::sleep(std::time::Duration::from_millis(5)), if waits => None,
                };
                if let Some(answer) = answer {
                    break answer;
                }
                platform.clock().advance(tow_names::Duration::from_secs(1));
            };
            let status = answer.status.as_u16();
            assert!(status < 500, "{who}, {}: {answer:?}", row.what);
            // A certificate that is one would be shown by the gateway from then on.
            let none = row.what == "certificate.add, that is none" && status == 422;
            let fits = none || ![400, 405, 415, 422].contains(&status);
            assert!(fits, "{who}, {}: {answer:?}", row.what);
            // A forge's push is known by its signature alone.
            if token.is_none() && row.what != "location.push" {
                assert_eq!(status, 401, "{}: {answer:?}", row.what);
            }
            match cells.get_mut(at) {
                Some((what, statuses)) => {
                    assert_eq!(*what, row.what);
                    statuses.push(status);
                }
                None => cells.push((row.what, vec![status])),
            }
        }
    }

    let covered: BTreeSet<&str> =
        cells.iter().map(|(what, _)| what.split(',').next().unwrap()).collect();
    let all: BTreeSet<&str> = endpoints().iter().map(|(id, ..)| *id).collect();
    assert_eq!(covered, all, "every endpoint has its row");

    let mut table = format!("{:<55}", "");
    for who in PEOPLE {
        let _ = write!(table, "{who:>10}");
    }
    table.push('\n');
    for (what, statuses) in &cells {
        let _ = write!(table, "{what:<55}");
        for status in statuses {
            let _ = write!(table, "{status:>10}");
        }
        table.push('\n');
    }
    assert_eq!(table, include_str!("access.txt"), "the table is now:\n{table}");
    platform.finish().await;
}

#[tokio::test]
async fn a_token_that_is_none_or_no_more_opens_nothing() {
    let platform = TestPlatform::start().await;
    let admin = platform.admin();
    let token = admin.token().await.unwrap();
    let ask = async |token: &str| {
        platform.http(Some(token), "GET", "/api/v1/status", None).await.status.as_u16()
    };
    assert_eq!(ask(&token).await, 200);
    assert_eq!(ask("tow_wrong").await, 401);
    let tokens = platform.http(Some(&token), "GET", "/api/v1/tokens", None).await;
    let id = tokens.body["items"][0]["id"].as_str().unwrap();
    let path = format!("/api/v1/tokens/{id}");
    assert!(platform.http(Some(&token), "DELETE", &path, None).await.status.is_success());
    assert_eq!(ask(&token).await, 401, "withdrawn");
    let token = admin.token().await.unwrap();
    platform.clock().advance(tow_names::Duration::from_secs(91 * 24 * 3600));
    assert_eq!(ask(&token).await, 401, "too old");
    platform.finish().await;
}
