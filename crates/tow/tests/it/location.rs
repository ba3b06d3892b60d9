//! Locations through the front door: real git repositories, folders and a web server; what comes in, what stays when it
//! can't be read, what goes; and everything a location must not be able to do.

#![allow(clippy::unwrap_used, reason = "a test that can't go on says so by panicking")]

use crate::ferry::TOW;
use rustix::process::Signal;
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tow_api::Nothing;
use tow_api::location::get::{GetLocation, Path as Named, Query};
use tow_api::location::list::{ListLocations, LocationView};
use tow_api::location::preview::{Body as Preview, PreviewLocation};
use tow_api::location::push_secret::CreatePushSecret;
use tow_api::location::refresh::RefreshLocation;
use tow_api::object::apply::{Document, Verdict};
use tow_api::object::delete::DeleteObject;
use tow_api::object::get::{GetObject, Path as ObjectPath};
use tow_formats::hub_signature;
use tow_names::Duration;
use tow_record::State;
use tow_testkit::TestPlatform;
use tow_testkit::binary::{Binary, until};

fn component(name: &str) -> String {
    format!(
        "apiVersion: backstage.io/v1alpha1\nkind: Component\nmetadata:\n  name: {name}\n\
         spec:\n  type: service\n  lifecycle: production\n  owner: crew\n"
    )
}

fn location(name: &str, target: &str, annotations: &Value) -> String {
    json!({
        "apiVersion": "backstage.io/v1alpha1", "kind": "Location",
        "metadata": { "name": name, "annotations": annotations }, "spec": { "target": target },
    })
    .to_string()
}

/// A folder, and what is in it.
struct Folder {
    dir: tempfile::TempDir,
}

impl Folder {
    fn new(files: &[(&str, &str)]) -> Self {
        let folder = Self { dir: tempfile::tempdir().unwrap() };
        files.iter().for_each(|(path, text)| folder.write(path, text));
        folder
    }

    fn path(&self) -> &Path {
        self.dir.path()
    }

    fn text(&self) -> String {
        self.path().display().to_string()
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    fn remove(&self, path: &str) {
        std::fs::remove_file(self.path().join(path)).unwrap();
    }

    fn git(&self, args: &[&str]) -> String {
        let output = Command::new("git")
            .args(["-c", "user.name=Ann", "-c", "user.email=ann@example.org"])
            .args(args)
            .current_dir(self.path())
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .output()
            .unwrap();
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).trim().to_string()
    }

    fn commit(&self) -> String {
        if !self.path().join(".git").exists() {
            self.git(&["init", "--quiet", "--initial-branch=main"]);
        }
        self.git(&["add", "--all"]);
        self.git(&["commit", "--quiet", "--message=x"]);
        self.git(&["rev-parse", "HEAD"])
    }
}

async fn shown(platform: &TestPlatform, name: &str) -> LocationView {
    let path = Named { name: name.into() };
    platform.viewer().call::<GetLocation>(path, Query::default(), Nothing {}).await.unwrap()
}

async fn object(platform: &TestPlatform, kind: &str, name: &str) -> Option<Value> {
    let path = ObjectPath { kind: kind.into(), namespace: "default".into(), name: name.into() };
    let found = platform.viewer().call::<GetObject>(path, Nothing {}, Nothing {}).await;
    found.ok().map(|view| serde_json::to_value(view).unwrap())
}

async fn there(platform: &TestPlatform, name: &str) -> bool {
    object(platform, "component", name).await.is_some()
}

async fn refresh(platform: &TestPlatform, name: &str) -> LocationView {
    let path = Named { name: name.into() };
    let team = platform.platform_team();
    team.call::<RefreshLocation>(path, Query::default(), Nothing {}).await.unwrap();
    platform.act().await;
    shown(platform, name).await
}

fn codes(view: &LocationView) -> Vec<String> {
    let code = |message: &str| message.split(": ").next().unwrap_or_default().to_string();
    view.items.iter().map(|item| code(&item.message)).collect()
}

/// Declares it and has it looked at.
async fn add(
    platform: &TestPlatform,
    name: &str,
    target: &str,
    annotations: Value,
) -> LocationView {
    let text = location(name, target, &annotations);
    platform.platform_team().declare(&text).await.unwrap();
    platform.act().await;
    shown(platform, name).await
}

#[tokio::test]
async fn a_push_to_a_repository_is_seen_at_once() {
    let platform = TestPlatform::start().await;
    let repository = Folder::new(&[
        ("catalog-info.yaml", &component("web")),
        (
            "apis/berths.yaml",
            "apiVersion: backstage.io/v1alpha1\nkind: API\nmetadata: {name: berths}\nspec: {type: openapi, lifecycle: p, owner: crew, definition: {$text: ../docs/berths.json}}\n",
        ),
        ("docs/berths.json", "{\"openapi\": \"3.1.0\"}"),
        ("deploy/chart.yaml", "apiVersion: v1\nkind: ConfigMap\n"),
    ]);
    let first = repository.commit();
    let target = format!("file://{}#main", repository.text());
    let text = json!({
        "apiVersion": "backstage.io/v1alpha1", "kind": "Location", "metadata": { "name": "shop" },
        "spec": { "type": "git", "target": target },
    });
    platform.platform_team().declare(&text.to_string()).await.unwrap();
    assert_eq!(shown(&platform, "shop").await.state, State::Waiting);
    platform.act().await;
    let view = shown(&platform, "shop").await;
    assert_eq!((view.state, view.objects, view.files), (State::Live, 2, 2), "{view:#?}");
    assert_eq!(view.revision, first);
    let web = object(&platform, "component", "web").await.unwrap();
    let annotations = &web["metadata"]["annotations"];
    assert_eq!(
        annotations["backstage.io/managed-by-location"],
        format!("git:file://{}#main:catalog-info.yaml", repository.text())
    );
    assert_eq!(annotations["backstage.io/managed-by-origin-location"], format!("git:{target}"));
    let api = object(&platform, "api", "berths").await.unwrap();
    assert_eq!(api["spec"]["definition"], "{\"openapi\": \"3.1.0\"}");

    // Nobody asked and it is not due: nothing is looked at.
    repository.write("more.yaml", &component("mail"));
    let second = repository.commit();
    platform.act().await;
    assert!(!there(&platform, "mail").await);

    // The forge's hook, signed.
    let path = Named { name: "shop".into() };
    let team = platform.platform_team();
    let made = team.call::<CreatePushSecret>(path.clone(), Query::default(), Nothing {}).await;
    let made = made.unwrap();
    let secret = made.secret.unwrap();
    let body = b"{\"ref\":\"refs/heads/main\"}";
    let push = |name: &str, secret: &str| {
        let signature = hub_signature::sign(secret.as_bytes(), body);
        let path = Named { name: name.into() };
        let app = platform.app().clone();
        async move {
            let query = Query::default();
            let pushed = app.push_location("r", &path, &query, body, Some(&signature));
            pushed.await.map_err(|error| error.problem().code)
        }
    };
    assert_eq!(push("shop", "wrong").await, Err("location/push".into()));
    assert_eq!(push("other", &secret).await, Err("location/push".into()));
    platform.act().await;
    assert!(!there(&platform, "mail").await);
    assert_eq!(push("shop", &secret).await, Ok(()));
    assert!(shown(&platform, "shop").await.asked);
    platform.act().await;
    let view = shown(&platform, "shop").await;
    assert!(there(&platform, "mail").await);
    assert_eq!((view.revision.as_str(), view.objects, view.asked), (second.as_str(), 3, false));

    // And by itself, when it is due.
    repository.write("late.yaml", &component("late"));
    repository.commit();
    platform.pass(Duration::from_secs(400)).await;
    assert!(there(&platform, "late").await);
    platform.finish().await;
}

#[tokio::test]
async fn what_cannot_be_read_changes_nothing_and_what_is_named_no_more_goes_by_rule() {
    let platform = TestPlatform::start().await;
    let folder = Folder::new(&[
        ("a.yaml", &component("a")),
        ("b.yaml", &component("b")),
        ("c.yaml", &component("c")),
    ]);
    let view = add(&platform, "files", &folder.text(), json!({})).await;
    assert_eq!((view.state, view.objects), (State::Live, 3));

    // One file is broken and another is gone: the rest is read, and nothing goes.
    folder.write("a.yaml", &component("a").replace("service", "website"));
    folder.write("b.yaml", "apiVersion: backstage.io/v1alpha1\nkind: [\n");
    folder.remove("c.yaml");
    let view = refresh(&platform, "files").await;
    assert_eq!((view.state, codes(&view)), (State::Degraded, vec!["yaml/syntax".into()]));
    assert!(view.items[0].message.contains("b.yaml:2:"), "{:?}", view.items);
    let a = object(&platform, "component", "a").await.unwrap();
    assert_eq!(a["spec"]["type"], "website");
    assert!(there(&platform, "b").await && there(&platform, "c").await);
    let own = object(&platform, "location", "files").await.unwrap();
    assert_eq!(own["status"]["items"][0]["type"], "backstage.io/catalog-processing");

    // Mended: then it goes, and the log says how it was.
    folder.write("b.yaml", &component("b"));
    let view = refresh(&platform, "files").await;
    assert_eq!((view.state, view.objects, view.items.len()), (State::Live, 2, 0));
    assert!(!there(&platform, "c").await);
    let own = object(&platform, "location", "files").await.unwrap();
    assert_eq!(own["status"]["items"], Value::Null);
    let events = platform.store().events(Some(0), 1_000, Some("location:default/files")).await;
    let kinds: Vec<String> = events.unwrap().into_iter().map(|event| event.kind).collect();
    let told: Vec<&str> =
        kinds.iter().map(String::as_str).filter(|kind| !kind.ends_with("asked")).collect();
    assert_eq!(told, ["object.created", "location.failed", "location.recovered"]);

    // The whole folder is away: everything stays.
    std::fs::rename(folder.path(), folder.path().with_extension("away")).unwrap();
    let view = refresh(&platform, "files").await;
    assert_eq!(view.state, State::Degraded);
    assert!(there(&platform, "a").await && there(&platform, "b").await);
    std::fs::rename(folder.path().with_extension("away"), folder.path()).unwrap();

    // Kept orphans are marked, and marked no more once they are named again.
    let keep = json!({ "towpath.dev/orphans": "keep" });
    folder.remove("b.yaml");
    add(&platform, "files", &folder.text(), keep).await;
    let b = object(&platform, "component", "b").await.unwrap();
    assert_eq!(b["metadata"]["annotations"]["backstage.io/orphan"], "true");
    folder.write("b.yaml", &component("b"));
    refresh(&platform, "files").await;
    let b = object(&platform, "component", "b").await.unwrap();
    assert_eq!(b["metadata"]["annotations"]["backstage.io/orphan"], Value::Null);

    // The location itself goes: by its rule, what came from it too.
    add(&platform, "files", &folder.text(), json!({})).await;
    let path =
        ObjectPath { kind: "location".into(), namespace: "default".into(), name: "files".into() };
    let team = platform.platform_team();
    team.call::<DeleteObject>(path, Nothing {}, Nothing {}).await.unwrap();
    platform.act().await;
    assert!(!there(&platform, "a").await && !there(&platform, "b").await);
    platform.finish().await;
}

#[tokio::test]
async fn only_what_is_allowed_and_free_comes_in() {
    let platform = TestPlatform::start().await;
    let user = "apiVersion: backstage.io/v1alpha1\nkind: User\nmetadata: {name: eve}\nspec: {memberOf: [crew]}\n";
    let binding = "apiVersion: towpath.dev/v1\nkind: RoleBinding\nmetadata: {name: eve}\nspec: {role: admin, subjects: [\"user:eve\"]}\n";
    let one = Folder::new(&[("all.yaml", &[&component("web"), user, binding].join("---\n"))]);
    let view = add(&platform, "one", &one.text(), json!({})).await;
    assert_eq!((view.objects, codes(&view)), (1, vec!["location/kind".into(); 2]));
    assert!(object(&platform, "user", "eve").await.is_none());
    let said: String = view.items.iter().map(|item| item.message.as_str()).collect();
    assert!(said.contains("all.yaml:10: user:default/eve"), "the line is named: {said}");
    assert!(said.contains("towpath.dev/allow"), "so is the fix: {said}");

    let wide = json!({ "towpath.dev/allow": "Component,User,RoleBinding" });
    let view = add(&platform, "one", &one.text(), wide).await;
    assert!(object(&platform, "user", "eve").await.is_some());
    assert!(object(&platform, "rolebinding", "eve").await.is_none(), "a role is never given so");
    assert_eq!(codes(&view), ["location/allow", "location/kind"]);

    // Two locations name the same: the first one has it, the other says so.
    let two = Folder::new(&[("web.yaml", &component("web")), ("own.yaml", &component("own"))]);
    let view = add(&platform, "two", &two.text(), json!({})).await;
    assert_eq!((view.objects, codes(&view)), (1, vec!["location/claimed".into()]));
    assert!(there(&platform, "own").await);
    assert!(view.items[0].message.contains("location:default/one"), "{:?}", view.items);
    // And nobody changes by hand what a location holds.
    let refused = platform.platform_team().declare(&component("web")).await.unwrap_err();
    assert_eq!(refused.problem().code, "apply/claimed");

    // What would come in is shown before, with its lines.
    let three = Folder::new(&[("x.yaml", &[&component("x"), user].join("---\n"))]);
    let document = Document::new("l", location("three", &three.text(), &json!({})));
    let team = platform.platform_team();
    let reply = team.call::<PreviewLocation>(
        Nothing {},
        Nothing {},
        Preview { document: document.clone() },
    );
    let reply = reply.await.unwrap();
    assert_eq!(reply.objects.len(), 1);
    assert_eq!(
        (reply.objects[0].verdict, reply.objects[0].at.as_str()),
        (Verdict::Created, "x.yaml:1")
    );
    assert!(reply.items[0].message.contains("x.yaml:10"), "{:?}", reply.items);
    assert!(!there(&platform, "x").await);
    let ann = platform.developer("ann", &["crew"]);
    let refused = ann.call::<PreviewLocation>(Nothing {}, Nothing {}, Preview { document }).await;
    assert_eq!(refused.unwrap_err().problem().code, "access/forbidden");
    let refused = ann.declare(&location("mine", "/", &json!({}))).await.unwrap_err();
    assert_eq!(refused.problem().code, "access/forbidden");
    platform.finish().await;
}

fn nested(name: &str, targets: &[&str]) -> String {
    let location = json!({
        "apiVersion": "backstage.io/v1alpha1", "kind": "Location", "metadata": { "name": name },
        "spec": { "targets": targets },
    });
    location.to_string()
}

#[tokio::test]
async fn locations_lead_on_within_their_own_source_and_no_further() {
    let platform = TestPlatform::start().await;
    let outside = Folder::new(&[("secret.yaml", &component("secret"))]);
    let secret = format!("{}/secret.yaml", outside.text());
    let targets =
        ["./parts/*.yaml", "./parts/deep/b.yaml", &secret, "../", "https://example.org/x.yaml"];
    let folder = Folder::new(&[
        ("all.yaml", &nested("all", &targets)),
        ("parts/a.yaml", &component("a")),
        ("parts/deep/b.yaml", &component("b")),
        ("unnamed.yaml", &component("unnamed")),
    ]);
    let target = format!("{}/all.yaml", folder.text());
    let view = add(&platform, "root", &target, json!({})).await;
    assert_eq!(view.objects, 3, "{view:#?}");
    assert_eq!(codes(&view), ["location/nested"; 3]);
    assert!(there(&platform, "a").await && there(&platform, "b").await);
    assert!(!there(&platform, "unnamed").await && !there(&platform, "secret").await);
    // The one that was read is part of the root and is not looked at by itself.
    let viewer = platform.viewer();
    let list = viewer.call::<ListLocations>(Nothing {}, Nothing {}, Nothing {});
    assert_eq!(list.await.unwrap().items.len(), 1);

    // A loop, a chain that is too deep, and a file that is not there.
    let chain: Vec<(String, String)> = (0..15)
        .map(|n| (format!("{n}.yaml"), nested(&format!("l{n}"), &[&format!("./{}.yaml", n + 1)])))
        .collect();
    let folder = Folder::new(&[
        ("x.yaml", &nested("x", &["./y.yaml"])),
        ("y.yaml", &nested("y", &["./x.yaml"])),
    ]);
    let view = add(&platform, "loop", &format!("{}/x.yaml", folder.text()), json!({})).await;
    assert_eq!((view.objects, codes(&view)), (2, vec!["location/loop".into()]));
    let files: Vec<(&str, &str)> = chain.iter().map(|(p, t)| (p.as_str(), t.as_str())).collect();
    let folder = Folder::new(&files);
    let view = add(&platform, "chain", &format!("{}/0.yaml", folder.text()), json!({})).await;
    assert_eq!((view.objects, codes(&view)), (11, vec!["location/too-deep".into()]));
    platform.finish().await;
}

#[tokio::test]
async fn what_is_huge_or_a_bomb_ends_in_an_error() {
    let platform = TestPlatform::start().await;
    let mut laughs = String::from("a0: &a0 [lol,lol,lol,lol,lol,lol,lol,lol,lol]\n");
    for level in 1..10 {
        let below = vec![format!("*a{}", level - 1); 9].join(",");
        laughs.push_str(&format!("a{level}: &a{level} [{below}]\n"));
    }
    let bomb = format!("apiVersion: backstage.io/v1alpha1\n{laughs}");
    let folder = Folder::new(&[("a.yaml", &component("a")), ("bomb.yaml", &bomb)]);
    let view = add(&platform, "bomb", &folder.text(), json!({})).await;
    assert_eq!((view.objects, codes(&view)), (1, vec!["yaml/too-many-values".into()]));

    let large = format!("{}#{}", component("large"), "x".repeat(1 << 20));
    let folder = Folder::new(&[("large.yaml", &large)]);
    let view = add(&platform, "large", &folder.text(), json!({})).await;
    assert_eq!((view.state, codes(&view)), (State::Failed, vec!["location/unreachable".into()]));

    let folder = Folder::new(&[]);
    for n in 0..10_001 {
        std::fs::write(folder.path().join(format!("{n}.yaml")), "").unwrap();
    }
    let view = add(&platform, "many", &folder.text(), json!({})).await;
    assert_eq!((view.objects, codes(&view)), (0, vec!["location/too-large".into()]));
    platform.finish().await;
}

/// A web server of one file: how often it was sent, and how often it had not changed.
struct Web {
    url: String,
    text: Arc<std::sync::Mutex<String>>,
    sent: Arc<AtomicUsize>,
    unchanged: Arc<AtomicUsize>,
}

impl Web {
    fn serve(text: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let web = Self {
            url: format!("http://{}/catalog-info.yaml", listener.local_addr().unwrap()),
            text: Arc::new(std::sync::Mutex::new(text.into())),
            sent: Arc::default(),
            unchanged: Arc::default(),
        };
        let (text, sent, unchanged) = (web.text.clone(), web.sent.clone(), web.unchanged.clone());
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(mut stream) = stream else { return };
                let text = text.lock().unwrap().clone();
                let etag = format!("\"{}\"", text.len());
                let mut head = Vec::new();
                let mut byte = [0];
                while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).unwrap_or(0) == 1 {
                    head.push(byte[0]);
                }
                let head = String::from_utf8_lossy(&head).to_lowercase();
                let answer = if head.contains(&format!("if-none-match: {etag}")) {
                    unchanged.fetch_add(1, Ordering::SeqCst);
                    format!(
                        "HTTP/1.1 304 Not Modified\r\netag: {etag}\r\nconnection: close\r\n\r\n"
                    )
                } else {
                    sent.fetch_add(1, Ordering::SeqCst);
                    format!(
                        "HTTP/1.1 200 OK\r\netag: {etag}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{text}",
                        text.len()
                    )
                };
                let _ = stream.write_all(answer.as_bytes());
            }
        });
        web
    }
}

fn kinds(up: &Binary, kind: &str) -> usize {
    let listed = up.json(&["get", kind]);
    listed.as_array().map_or(0, Vec::len)
}

fn view(up: &Binary, name: &str) -> Value {
    up.json(&["location", "show", name])
}

#[test]
fn the_binary_reads_the_web_by_its_etags_and_nothing_inside() {
    let mut up = Binary::new(TOW);
    let web = Web::serve(&component("web"));
    // Without the operator's leave nothing inside is asked, however it is spelled.
    up.try_start(&[], &[]).unwrap();
    for target in [
        web.url.as_str(),
        "http://169.254.169.254/latest/meta-data/a.yaml",
        "http://0xA9FEA9FE/a.yaml",
        "http://2852039166/a.yaml",
        "http://[::ffff:169.254.169.254]/a.yaml",
        "http://[fd00:ec2::254]/a.yaml",
        "http://metadata.google.internal/a.yaml",
        "https://169.254.169.254/a.git",
        "ssh://git@169.254.169.254/a.git",
        "git@127.0.0.1:a.git",
    ] {
        let done = up.tow(["location", "add", target, "--dry-run", "-o", "json"]).exits(2);
        let said = done.json();
        let code = said["items"][0]["error"]["name"].as_str().unwrap_or_default();
        assert_eq!(code, "location/refused", "{target}: {said}");
    }
    let own = up.data().join("keys/x.yaml").display().to_string();
    let done = up.tow(["location", "add", &own, "--dry-run", "-o", "json"]).exits(2);
    assert_eq!(done.json()["items"][0]["error"]["name"], "location/refused");
    let _ = up.end(Signal::TERM);
    assert_eq!(web.sent.load(Ordering::SeqCst), 0);

    up.try_start(&["--allow-address", "127.0.0.1"], &[]).unwrap();
    up.tow(["location", "add", &web.url, "--name", "web"]).exits(0);
    until("the component is there", || kinds(&up, "components") == 1);
    until("it is kept", || view(&up, "web")["state"] == "live");
    assert_eq!(view(&up, "web")["revision"], format!("\"{}\"", component("web").len()));
    let before = web.sent.load(Ordering::SeqCst);
    up.tow(["location", "refresh", "web"]).exits(0);
    until("it was asked whether it changed", || web.unchanged.load(Ordering::SeqCst) > 0);
    assert_eq!(web.sent.load(Ordering::SeqCst), before);
    *web.text.lock().unwrap() = [component("web"), component("mail")].join("---\n");
    up.tow(["location", "refresh", "web"]).exits(0);
    until("the second one is there", || kinds(&up, "components") == 2);

    // The push hook, over HTTP and without a token.
    let made = up.json(&["location", "push-secret", "web"]);
    let (path, secret) = (made["path"].as_str().unwrap(), made["secret"].as_str().unwrap());
    let url = up.ready.clone().unwrap().url;
    let address = url.trim_start_matches("http://");
    let push = |secret: &str| {
        let body = "{}";
        let signature = hub_signature::sign(secret.as_bytes(), body.as_bytes());
        let mut stream = TcpStream::connect(address).unwrap();
        let request = format!(
            "POST {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\ncontent-type: application/json\r\n\
             content-length: {}\r\nx-hub-signature-256: {signature}\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        let _ = stream.read_to_string(&mut answer);
        answer.split(' ').nth(1).unwrap_or_default().to_string()
    };
    *web.text.lock().unwrap() = component("web");
    assert_eq!(push("wrong"), "403");
    assert_eq!(push(secret), "202");
    until("the second one is gone", || kinds(&up, "components") == 1);

    // Gone from the web: it stays here, and the location says so.
    let listed = up.tow(["location", "list"]).exits(0);
    assert!(listed.out.contains("web") && listed.out.contains("live"), "{listed}");
    up.tow(["location", "remove", "web", "--confirm", "web"]).exits(0);
    until("what came from it is gone", || kinds(&up, "components") == 0);
    let _ = up.end(Signal::TERM);
}

#[test]
fn killed_in_a_large_refresh_it_goes_on_where_it_stopped() {
    const MANY: usize = 4_000;
    let mut up = Binary::new(TOW);
    let folder: PathBuf = up.home().join("catalog");
    std::fs::create_dir_all(&folder).unwrap();
    for part in 0..MANY / 100 {
        let texts: Vec<String> =
            (0..100).map(|n| component(&format!("c{}", part * 100 + n))).collect();
        std::fs::write(folder.join(format!("{part}.yaml")), texts.join("---\n")).unwrap();
    }
    let target = folder.display().to_string();
    up.try_start(&["--runtime", "fake"], &[]).unwrap();
    up.tow(["location", "add", &target, "--name", "large", "--detach"]).exits(0);
    let mut kills = 0;
    let count = |up: &Binary| view(up, "large")["objects"].as_u64().unwrap_or(0);
    for _ in 0..3 {
        if count(&up) == MANY as u64 {
            break;
        }
        let events = || up.json(&["events"]).as_array().map_or(0, Vec::len);
        until("something of it is written", || events() > 10);
        let _ = up.end(Signal::KILL);
        kills += 1;
        up.try_start(&["--runtime", "fake"], &[]).unwrap();
    }
    until("all of it is there", || count(&up) == MANY as u64);
    assert_eq!(view(&up, "large")["state"], "live");
    // Written once each: what was there already was not written again.
    let again = up.tow(["location", "add", &target, "--name", "other", "--dry-run", "-o", "json"]);
    let refused = again.json()["items"].as_array().map_or(0, Vec::len);
    assert!(refused > 0, "all of it belongs to the first location");
    println!("measured: killed {kills} times while {MANY} objects came in");
    let _ = up.end(Signal::TERM);
}
