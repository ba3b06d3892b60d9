//! The doors as their users meet them: the real app on the fakes, served on a socket, asked by the typed client and by
//! plain HTTP, in and out of the portal.

#![allow(clippy::unwrap_used, reason = "a test that can't be set up fails")]

use futures::StreamExt;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tow_api::object::apply::{Apply, Body as ApplyBody, Document};
use tow_api::{Nothing, access, event, object, source};
use tow_app::{App, Parts};
use tow_client::{Client, ClientError};
use tow_ports::NoCrossings;
use tow_server::{Limits, Rate, ServerConfig, router, serve};

/// The doors read no location.
struct Nowhere;

#[async_trait::async_trait]
impl tow_ports::Locations for Nowhere {
    fn check(&self, _: &tow_model::Manifest) -> Result<(), tow_ports::SourceError> {
        Ok(())
    }
    async fn read(&self, _: &tow_model::Manifest, _: Option<&str>) -> tow_ports::LocationRead {
        tow_ports::LocationRead::Unchanged
    }
}

struct Door {
    address: String,
    token: String,
    client: Client,
    stop: Option<oneshot::Sender<()>>,
    served: tokio::task::JoinHandle<()>,
    _data: tempfile::TempDir,
}

impl Door {
    async fn open() -> Self {
        Self::open_with(ServerConfig::default()).await
    }

    async fn open_with(config: ServerConfig) -> Self {
        let data = tempfile::tempdir().unwrap();
        let at = tow_store::Location::File(data.path().join("tow.db"));
        let store = tow_store::Store::open(&at, Arc::new(NoCrossings)).await.unwrap();
        let clock = tow_fake::FakeClock::new();
        let world = tow_fake::World::new(clock.clone()).unwrap();
        let blobs: Arc<dyn tow_ports::Blobs> = Arc::new(world.blobs());
        let app = App::new(Parts {
            store,
            runtime: Arc::new(world.runtime()),
            edge: Arc::new(world.edge()),
            builder: Arc::new(world.builder(blobs.clone())),
            blobs,
            keys: Arc::new(tow_fake::FakeKeys::default()),
            clock,
            web: Arc::new(world.web()),
            locations: Arc::new(Nowhere),
            certifier: Arc::new(tow_acme::AcmeCertifier::new(Arc::new(world.web()))),
            images: Arc::new(tow_fake::FakeImages),
            boot: "boot-1".into(),
            gateway: Arc::new(OnceLock::new()),
        });
        let token = app.issue_local_token("user:default/admin").await.unwrap();
        let portal = tow_portal::router(app.clone());
        let router = router(app, portal, config);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let (stop, stopped) = oneshot::channel::<()>();
        let served = tokio::spawn(serve(vec![listener], router, async {
            let _ = stopped.await;
        }));
        let client = Client::new(&format!("http://{address}"), Some(&token)).unwrap();
        Self { address, token, client, stop: Some(stop), served, _data: data }
    }

    /// A request as it goes over the wire; host and length are added.
    async fn raw(&self, first: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let mut text = format!("{first} HTTP/1.1\r\nconnection: close\r\n");
        if !headers.iter().any(|(name, _)| *name == "host") {
            text.push_str(&format!("host: {}\r\n", self.address));
        }
        for (name, value) in headers {
            text.push_str(&format!("{name}: {value}\r\n"));
        }
        text.push_str(&format!("content-length: {}\r\n\r\n{body}", body.len()));
        let mut stream = TcpStream::connect(&self.address).await.unwrap();
        stream.write_all(text.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.unwrap();
        Answer::read(&String::from_utf8(answer).unwrap())
    }

    async fn close(mut self) {
        self.stop.take().unwrap().send(()).unwrap();
        self.served.await.unwrap();
    }
}

#[derive(Debug)]
struct Answer {
    status: u16,
    headers: BTreeMap<String, String>,
    body: String,
}

impl Answer {
    fn read(text: &str) -> Self {
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        let mut lines = head.lines();
        let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        let pair = |line: &str| {
            let (name, value) = line.split_once(':').unwrap();
            (name.to_ascii_lowercase(), value.trim().to_string())
        };
        Self { status, headers: lines.map(pair).collect(), body: body.to_string() }
    }

    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    #[track_caller]
    fn is_problem(&self, status: u16, code: &str) -> Value {
        let problem = self.json();
        assert_eq!((self.status, problem["code"].as_str()), (status, Some(code)), "{self:?}");
        assert_eq!(self.headers["content-type"], "application/problem+json");
        assert_eq!(problem["type"], format!("urn:towpath:problem:{code}"));
        assert_eq!(problem["request"].as_str(), Some(self.headers["x-request-id"].as_str()));
        problem
    }
}

const GROUP: &str = "\
apiVersion: backstage.io/v1alpha1
kind: Group
metadata:
  name: team
spec:
  type: team
  children: []
";

fn apply(text: &str) -> ApplyBody {
    let document = Document::new("group.yaml", text);
    ApplyBody::of(vec![document])
}

#[tokio::test]
async fn the_client_speaks_the_contract() {
    let door = Door::open().await;
    let client = &door.client;
    let none = Nothing {};
    let who = client.call::<access::whoami::WhoAmI>(&none, &none, &none).await.unwrap();
    assert_eq!(who.name, "user:default/admin");

    let reply = client.call::<Apply>(&none, &none, &apply(GROUP)).await.unwrap();
    assert_eq!(reply.objects[0].entity, "group:default/team");
    let path = object::get::Path {
        kind: "groups".into(),
        namespace: "default".into(),
        name: "team".into(),
    };
    let got = client.call::<object::get::GetObject>(&path, &none, &none).await.unwrap();
    assert_eq!(got.members()["spec"]["type"], "team");

    // A slash in a name stays in its segment: it is refused as a name, not taken for a path.
    for (name, status) in [("nobody", 404), ("no/such", 422)] {
        let gone = object::get::Path { name: name.into(), ..path.clone() };
        match client.call::<object::get::GetObject>(&gone, &none, &none).await {
            Err(ClientError::Problem(problem)) => assert_eq!(problem.status, status, "{problem:?}"),
            other => panic!("{other:?}"),
        }
    }
    let broken = client.call::<Apply>(&none, &none, &apply("kind: Group\nnope")).await;
    match broken {
        Err(ClientError::Problem(problem)) => {
            let source = problem.violations[0].source.clone().unwrap();
            assert_eq!(source.file, "group.yaml");
        }
        other => panic!("{other:?}"),
    }
    door.close().await;
}

#[tokio::test]
async fn uploads_are_kept_by_digest() {
    let door = Door::open().await;
    let piece = |text: &'static str| Ok(bytes::Bytes::from_static(text.as_bytes()));
    let archive = futures::stream::iter([piece("one "), piece("two")]).boxed();
    let query = source::upload::Query { commit: Some("abc".into()) };
    let source = door.client.upload(&query, archive).await.unwrap();
    assert_eq!(source.digest, tow_names::Digest::of(b"one two"));
    assert_eq!((source.size, source.commit.as_deref()), (7, Some("abc")));

    let broken = futures::stream::iter([piece("one "), Err(std::io::Error::other("gone"))]).boxed();
    assert!(door.client.upload(&query, broken).await.is_err());
    door.close().await;
}

#[tokio::test]
async fn events_are_streamed_and_resumed() {
    let door = Door::open().await;
    let none = Nothing {};
    door.client.call::<Apply>(&none, &none, &apply(GROUP)).await.unwrap();
    let query = event::list::Query { after: Some(0), ..Default::default() };
    let mut events = tow_client::events(door.client.clone(), query);
    let first = events.next().await.unwrap().unwrap();
    let second = events.next().await.unwrap().unwrap();
    assert_eq!((first.seq, second.seq), (1, 2));
    // One that happens while the stream is open.
    let changed = GROUP.replace("type: team", "type: squad");
    door.client.call::<Apply>(&none, &none, &apply(&changed)).await.unwrap();
    let third = events.next().await.unwrap().unwrap();
    assert_eq!((third.seq, third.subject.as_str()), (3, "group:default/team"));

    let authorization = format!("Bearer {}", door.token);
    let mut stream = TcpStream::connect(&door.address).await.unwrap();
    let request = format!(
        "GET /api/v1/events/stream HTTP/1.1\r\nhost: {}\r\nauthorization: {authorization}\r\n\
         last-event-id: 2\r\n\r\n",
        door.address
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut seen = String::new();
    while !seen.contains("\"seq\":3") {
        let mut piece = [0; 4096];
        let length = stream.read(&mut piece).await.unwrap();
        assert!(length > 0, "{seen}");
        seen.push_str(&String::from_utf8_lossy(&piece[..length]));
    }
    assert!(seen.contains("text/event-stream") && seen.contains("id: 3"), "{seen}");
    assert!(!seen.contains("\"seq\":2"), "{seen}");
    // An open stream does not hold the end back for long.
    door.close().await;
}

#[tokio::test]
async fn every_refusal_is_a_problem() {
    let door = Door::open().await;
    let bearer = format!("Bearer {}", door.token);
    let token = ("authorization", bearer.as_str());
    let json_type = ("content-type", "application/json");
    door.raw("GET /api/v1/status", &[], "").await.is_problem(401, "access/unauthenticated");
    let wrong = [("authorization", "Bearer nope")];
    door.raw("GET /api/v1/status", &wrong, "").await.is_problem(401, "access/unauthenticated");
    door.raw("GET /api/v1/nope", &[token], "").await.is_problem(404, "request/no-such-endpoint");
    let answer = door.raw("DELETE /api/v1/status", &[token], "").await;
    answer.is_problem(405, "request/no-such-method");
    assert!(answer.headers["allow"].contains("GET"), "{answer:?}");
    let answer = door.raw("GET /api/v1/status?componnet=web", &[token], "").await;
    answer.is_problem(400, "request/query");
    let answer = door.raw("GET /api/v1/events?limit=many", &[token], "").await;
    answer.is_problem(400, "request/query");
    let answer = door.raw("POST /api/v1/apply", &[token, json_type], "{\"documents\": [}").await;
    let problem = answer.is_problem(400, "request/json");
    assert_eq!(problem["violations"][0]["source"]["col"], 16, "{problem}");
    let answer = door.raw("POST /api/v1/apply", &[token], "documents=1").await;
    answer.is_problem(415, "request/content-type");
    let answer = door.raw("POST /api/v1/apply", &[token, json_type], &"x".repeat(9 << 20)).await;
    answer.is_problem(413, "request/too-large");
    let elsewhere = [token, ("host", "evil.example")];
    let answer = door.raw("GET /api/v1/status", &elsewhere, "").await;
    answer.is_problem(421, "request/foreign-host");
    let named = [("x-request-id", "mine-1")];
    let answer = door.raw("GET /api/v1/status", &named, "").await;
    assert_eq!(answer.headers["x-request-id"], "mine-1");
    assert_eq!(answer.headers["x-content-type-options"], "nosniff");
    door.close().await;
}

#[tokio::test]
async fn the_same_key_is_done_once() {
    let door = Door::open().await;
    let bearer = format!("Bearer {}", door.token);
    let headers = [
        ("authorization", bearer.as_str()),
        ("content-type", "application/json"),
        ("idempotency-key", "key-1"),
    ];
    let body = json!({"note": "ci"}).to_string();
    let first = door.raw("POST /api/v1/tokens", &headers, &body).await;
    assert_eq!(first.status, 201, "{first:?}");
    assert!(first.json()["token"].is_string());
    let again = door.raw("POST /api/v1/tokens", &headers, &body).await;
    assert_eq!(again.json()["id"], first.json()["id"]);
    assert!(again.json()["token"].is_null(), "a replay does not show the secret: {again:?}");
    let other = json!({"note": "other"}).to_string();
    let differs = door.raw("POST /api/v1/tokens", &headers, &other).await;
    differs.is_problem(422, "idempotency/differs");
    door.close().await;
}

#[tokio::test]
async fn machines_need_no_sign_in_for_health() {
    let door = Door::open().await;
    for path in ["/healthz", "/readyz", "/metrics", "/api/v1/openapi.json"] {
        let answer = door.raw(&format!("GET {path}"), &[], "").await;
        assert_eq!(answer.status, 200, "{path}: {answer:?}");
    }
    let document = door.raw("GET /api/v1/openapi.json", &[], "").await.json();
    assert_eq!(document, tow_api::openapi());
    door.close().await;
}

#[tokio::test]
async fn a_browser_signs_in_by_a_link_that_only_the_button_uses_up() {
    let door = Door::open().await;
    let none = Nothing {};
    let body = access::sign_in_link::Body::default();
    let reply = door
        .client
        .call::<access::sign_in_link::CreateSignInLink>(&none, &none, &body)
        .await
        .unwrap();
    let path = reply.path.unwrap();
    let secret = path.split("token=").nth(1).unwrap().to_string();

    let lost = door.raw("GET /", &[], "").await;
    assert_eq!((lost.status, lost.headers["location"].as_str()), (303, "/sign-in"));
    // Looked at twice, as by a mail scanner, before it is used.
    for _ in 0..2 {
        let page = door.raw(&format!("GET {path}"), &[], "").await;
        assert_eq!(page.status, 200);
        assert!(page.body.contains("<form method=\"post\""), "{page:?}");
        assert!(page.headers["content-security-policy"].contains("script-src 'self'"));
    }
    let form = format!("token={secret}");
    let origin = format!("http://{}", door.address);
    let kind = ("content-type", "application/x-www-form-urlencoded");
    let foreign = [kind, ("origin", "http://web.localhost:7080")];
    door.raw("POST /sign-in", &foreign, &form).await.is_problem(403, "access/foreign-page");
    let own = [kind, ("origin", origin.as_str())];
    let signed = door.raw("POST /sign-in", &own, &form).await;
    assert_eq!((signed.status, signed.headers["location"].as_str()), (303, "/"), "{signed:?}");
    let cookie = signed.headers["set-cookie"].clone();
    assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Lax"), "{cookie}");
    let cookie = cookie.split(';').next().unwrap();

    let again = door.raw("POST /sign-in", &own, &form).await;
    assert_eq!(again.status, 403, "{again:?}");
    assert!(again.body.contains("<h1>"), "an error is a page here");

    let page = door.raw("GET /", &[("cookie", cookie)], "").await;
    assert_eq!(page.status, 200, "{page:?}");
    assert!(
        page.body.contains("Nothing runs yet")
            && page.body.contains("tow deploy examples/hello-rust")
    );
    // The session is good for the API too, but only from our own pages.
    let read = door.raw("GET /api/v1/whoami", &[("cookie", cookie)], "").await;
    assert_eq!(read.json()["name"], "user:default/admin");
    let write = [("cookie", cookie), ("content-type", "application/json")];
    let body = json!({"note": "stolen"}).to_string();
    door.raw("POST /api/v1/tokens", &write, &body).await.is_problem(403, "access/foreign-page");
    let nowhere = door.raw("GET /nope", &[], "").await;
    assert_eq!(nowhere.status, 404);
    assert!(nowhere.body.contains("There is no such page"));
    door.close().await;
}

/// Method and path of every route, with something in the place of parameters.
fn routes() -> Vec<(String, String)> {
    macro_rules! list {
        (plain: [$($plain:ty),* $(,)?], special: [$($special:ty),* $(,)?]) => {
            vec![
                $((<$plain>::METHOD.as_str(), <$plain>::PATH),)*
                $((<$special>::METHOD.as_str(), <$special>::PATH),)*
            ]
        };
    }
    use tow_api::Endpoint as _;
    let contract = tow_api::endpoints!(list);
    let fixed = [
        ("GET", "/"),
        ("GET", "/live"),
        ("GET", "/sign-in"),
        ("POST", "/sign-in"),
        ("POST", "/sign-out"),
        ("GET", "/assets/portal.css"),
        ("GET", "/assets/live.js"),
        ("GET", "/assets/mark.svg"),
        ("GET", "/healthz"),
        ("GET", "/readyz"),
        ("GET", "/metrics"),
        ("GET", "/api/v1/openapi.json"),
        ("GET", "/nope"),
        ("GET", "/api/nope"),
        ("DELETE", "/api/v1/status"),
        ("TRACE", "/"),
    ];
    let filled = |path: &str| {
        let parts = path.split('/').map(|part| if part.starts_with('{') { "1" } else { part });
        parts.collect::<Vec<_>>().join("/")
    };
    contract.into_iter().chain(fixed).map(|(m, path)| (m.to_string(), filled(path))).collect()
}

#[tokio::test]
async fn every_answer_of_every_route_tells_browsers_to_be_careful() {
    let door = Door::open().await;
    let bearer = format!("Bearer {}", door.token);
    let mut seen = 0;
    for (method, path) in routes() {
        // A stream never ends, so it is asked only where it is refused.
        let streams = path.ends_with("/stream") || path == "/live";
        let token = ("authorization", bearer.as_str());
        let foreign = ("host", "evil.example");
        let tries: &[&[(&str, &str)]] =
            if streams { &[&[], &[foreign]] } else { &[&[], &[token], &[token, foreign]] };
        for headers in tries {
            let answer = door.raw(&format!("{method} {path}"), headers, "").await;
            let at = format!("{method} {path} {headers:?}: {answer:?}");
            assert!(answer.status < 500, "{at}");
            let is = |name: &str, value: &str| {
                assert_eq!(
                    answer.headers.get(name).map(String::as_str),
                    Some(value),
                    "{name} {at}"
                );
            };
            is("x-content-type-options", "nosniff");
            is("x-frame-options", "DENY");
            is("referrer-policy", "same-origin");
            is("cross-origin-opener-policy", "same-origin");
            is("cross-origin-resource-policy", "same-origin");
            is("permissions-policy", "camera=(), geolocation=(), microphone=()");
            let policy = &answer.headers["content-security-policy"];
            assert!(policy.contains("default-src 'none'") && !policy.contains("unsafe"), "{at}");
            assert!(policy.contains("frame-ancestors 'none'"), "{at}");
            assert!(answer.headers.contains_key("x-request-id"), "{at}");
            assert!(!answer.headers.contains_key("access-control-allow-origin"), "{at}");
            if headers.iter().any(|(name, _)| *name == "host") {
                assert_eq!(answer.status, 421, "{at}");
            }
            seen += 1;
        }
    }
    assert!(seen > 100, "{seen} answers were looked at");
    door.close().await;
}

#[tokio::test]
async fn a_browser_signs_in_by_name_and_password_without_a_script() {
    let door = Door::open().await;
    let word = "correct horse battery";
    let body = access::password_set::Body {
        user: Some("ann".into()),
        password: word.into(),
        current: None,
    };
    let none = Nothing {};
    let ann = "{ apiVersion: backstage.io/v1alpha1, kind: User, metadata: { name: ann }, spec: { memberOf: [] } }";
    let ann = vec![Document::new("ann.yaml", ann)];
    let ann = ApplyBody::of(ann);
    door.client.call::<Apply>(&none, &none, &ann).await.unwrap();
    door.client.call::<access::password_set::SetPassword>(&none, &none, &body).await.unwrap();

    let page = door.raw("GET /sign-in", &[], "").await;
    assert!(page.body.contains("type=\"password\"") && !page.body.contains("<script"), "{page:?}");
    let origin = format!("http://{}", door.address);
    let own = [("content-type", "application/x-www-form-urlencoded"), ("origin", origin.as_str())];
    let enter = async |user: &str, word: &str| {
        let form = format!("user={user}&password={}", word.replace(' ', "+"));
        door.raw("POST /sign-in", &own, &form).await
    };
    let wrong = enter("ann", "mistaken-word").await;
    assert_eq!(wrong.status, 403);
    assert!(wrong.body.contains("role=\"alert\"") && wrong.body.contains("value=\"ann\""));
    assert!(!wrong.body.contains("mistaken"), "a password never comes back: {wrong:?}");
    let unknown = enter("zoe", "mistaken-word").await;
    assert_eq!(unknown.body.replace("zoe", "ann"), wrong.body, "nobody learns who there is");
    let signed = enter("ann", word).await;
    assert_eq!((signed.status, signed.headers["location"].as_str()), (303, "/"), "{signed:?}");
    let cookie = signed.headers["set-cookie"].split(';').next().unwrap().to_string();
    let who = door.raw("GET /api/v1/whoami", &[("cookie", &cookie)], "").await.json();
    assert_eq!(who["name"], "user:default/ann");

    for _ in 0..5 {
        assert_eq!(enter("ann", "mistaken-word").await.status, 403);
    }
    let waits = enter("ann", word).await;
    assert_eq!(waits.status, 429, "{waits:?}");
    assert!(waits.headers.contains_key("retry-after") && waits.body.contains("try again"));
    // The session goes on, and leaving ends it on the platform.
    let left = door.raw("POST /sign-out", &[("cookie", &cookie), own[1]], "").await;
    assert_eq!(left.status, 303);
    let gone = door.raw("GET /api/v1/whoami", &[("cookie", &cookie)], "").await;
    gone.is_problem(401, "access/unauthenticated");
    door.close().await;
}

#[tokio::test]
async fn strangers_are_slowed_down_and_nobody_else() {
    let few = Rate { burst: 3, every: Duration::from_secs(3600) };
    let limits = Limits { strangers: few, ..Limits::default() };
    let door = Door::open_with(ServerConfig { limits, ..ServerConfig::default() }).await;
    for _ in 0..3 {
        door.raw("GET /api/v1/status", &[], "").await.is_problem(401, "access/unauthenticated");
    }
    let refused = door.raw("GET /api/v1/status", &[], "").await;
    let problem = refused.is_problem(429, "request/too-many");
    assert_eq!(
        Some(refused.headers["retry-after"].clone()),
        problem["retry_after"].as_u64().map(|s| s.to_string())
    );
    let wrong = [("authorization", "Bearer tow_wrong")];
    let refused = door.raw("GET /api/v1/status", &wrong, "").await;
    refused.is_problem(429, "request/too-many");
    let bearer = format!("Bearer {}", door.token);
    for _ in 0..10 {
        let answer = door.raw("GET /api/v1/status", &[("authorization", &bearer)], "").await;
        assert_eq!(answer.status, 200, "{answer:?}");
    }
    assert_eq!(door.raw("GET /healthz", &[], "").await.status, 200);
    door.close().await;
}

#[tokio::test]
async fn writing_is_limited_by_who_writes() {
    let few = Rate { burst: 2, every: Duration::from_secs(3600) };
    let limits = Limits { writes: few, ..Limits::default() };
    let door = Door::open_with(ServerConfig { limits, ..ServerConfig::default() }).await;
    let bearer = format!("Bearer {}", door.token);
    let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
    let body = json!({"note": "x"}).to_string();
    for _ in 0..2 {
        assert_eq!(door.raw("POST /api/v1/tokens", &headers, &body).await.status, 201);
    }
    let refused = door.raw("POST /api/v1/tokens", &headers, &body).await;
    refused.is_problem(429, "request/too-many");
    assert_eq!(door.raw("GET /api/v1/tokens", &headers, "").await.status, 200, "reading goes on");
    // A question in a body is no write.
    let asked = door.raw("POST /api/v1/audit/verify", &headers, "{}").await;
    assert_ne!(asked.status, 429, "{asked:?}");
    door.close().await;
}
