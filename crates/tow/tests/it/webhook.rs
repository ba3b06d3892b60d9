//! Webhooks: on the fakes, where every answer of a receiver can be had; and with the real binary, a real receiver and a
//! control plane that is killed.

#![allow(clippy::unwrap_used, reason = "a test that can't go on says so by panicking")]

use serde_json::{Value, json};
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex, mpsc};
use tow_api::Nothing;
use tow_api::webhook::{
    create::{self, CreateWebhook},
    delete::DeleteWebhook,
    deliveries::{DeliveryView, ListDeliveries},
    get::{GetWebhook, Path},
    list::{ListWebhooks, WebhookView},
    pause::{self, PauseWebhook},
    redeliver::{self, Redeliver},
    resume::ResumeWebhook,
    test::TestWebhook,
};
use tow_formats::standard_webhook::WebhookSecret;
use tow_names::Duration;
use tow_platform::AppError;
use tow_platform::fakes::{Received, WebScript};
use tow_ports::Clock as _;
use tow_record::{AttemptOutcome, DeliveryState, Event};
use tow_testkit::binary::{Binary, until};
use tow_testkit::{Person, TestPlatform};

const HOOK: &str = "https://hook.example/towpath?key=mine";

/// A webhook for what is declared, and its secret.
async fn hook(who: &Person, events: &[&str]) -> (String, WebhookSecret) {
    let made = make(who, HOOK, events).await.unwrap();
    let secret = WebhookSecret::parse(&made.secret.expect("a fresh secret is shown")).unwrap();
    (made.id, secret)
}

async fn make(who: &Person, url: &str, events: &[&str]) -> Result<create::Reply, AppError> {
    let body = create::Body {
        url: url.into(),
        events: events.iter().map(ToString::to_string).collect(),
        note: "for the harbour's board".into(),
    };
    who.in_catalog().await.unwrap();
    who.call::<CreateWebhook>(Nothing {}, Nothing {}, body).await
}

fn at(id: &str) -> Path {
    Path { webhook: id.into() }
}

async fn shown(who: &Person, id: &str) -> WebhookView {
    who.call::<GetWebhook>(at(id), Nothing {}, Nothing {}).await.unwrap()
}

/// The oldest first.
async fn deliveries(who: &Person, id: &str) -> Vec<DeliveryView> {
    let reply = who.call::<ListDeliveries>(at(id), Default::default(), Nothing {}).await.unwrap();
    reply.items.into_iter().rev().collect()
}

async fn declare(who: &Person, name: &str) {
    let text = format!(
        "apiVersion: backstage.io/v1alpha1\nkind: System\nmetadata:\n  name: {name}\nspec:\n  owner: quay\n"
    );
    who.declare(&text).await.unwrap();
}

fn subject(received: &Received) -> String {
    let event: Value = serde_json::from_slice(&received.body).unwrap();
    event["subject"].as_str().unwrap_or_default().to_string()
}

fn subjects(received: &[Received]) -> Vec<String> {
    received.iter().map(subject).collect()
}

fn holds(secret: &WebhookSecret, received: &Received) -> bool {
    let seconds = received.header("webhook-timestamp").parse().unwrap();
    let (id, signature) = (received.header("webhook-id"), received.header("webhook-signature"));
    secret.verify(id, seconds, &received.body, signature)
}

#[tokio::test]
async fn a_webhook_whose_maker_has_left_carries_nothing() {
    let platform = TestPlatform::start().await;
    let (pat, root) = (platform.platform_team(), platform.admin());
    let (id, _) = hook(&pat, &["object.created"]).await;
    declare(&root, "one").await;
    platform.settle().await;
    let path = tow_api::object::get::Path {
        kind: "user".into(),
        namespace: "default".into(),
        name: "pat".into(),
    };
    use tow_api::object::delete::DeleteObject;
    root.call::<DeleteObject>(path, Nothing {}, Nothing {}).await.unwrap();
    declare(&root, "two").await;
    platform.settle().await;
    assert_eq!(subjects(&platform.world().received()), ["system:default/one"]);
    let paused = shown(&root, &id).await.paused.unwrap();
    assert_eq!(paused.by, "system:deliver");
    assert!(paused.why.contains("user:default/pat"), "{paused:?}");
    platform.finish().await;
}

#[tokio::test]
async fn what_is_meant_arrives_signed_in_order_and_once() {
    let platform = TestPlatform::start().await;
    let pat = platform.platform_team();
    declare(&pat, "before").await;
    let (id, secret) = hook(&pat, &["object.created"]).await;
    for name in ["one", "two", "three"] {
        declare(&pat, name).await;
    }
    platform.settle().await;
    let received = platform.world().received();
    let want = ["system:default/one", "system:default/two", "system:default/three"];
    assert_eq!(subjects(&received), want, "nothing of before, nothing of the webhook itself");
    for one in &received {
        assert!(holds(&secret, one), "{one:?}");
        assert_eq!(one.url, HOOK);
        assert_eq!(one.header("content-type"), "application/cloudevents+json");
        let event: Value = serde_json::from_slice(&one.body).unwrap();
        assert_eq!(event["type"], "dev.towpath.object.created");
        assert_eq!(event["towactor"], "user:default/pat");
        assert!(event["data"]["summary"].is_string(), "{event}");
        assert_eq!(one.header("webhook-id"), format!("{id}_{}", event["id"].as_str().unwrap()));
    }
    let kept = deliveries(&pat, &id).await;
    assert_eq!(kept.len(), 3);
    assert!(kept.iter().all(|one| one.state == DeliveryState::Delivered && one.tries == 1));
    assert_eq!(shown(&pat, &id).await.delivered, 3);
    platform.finish().await;
}

#[tokio::test]
async fn a_receiver_that_is_down_is_waited_for_and_loses_nothing() {
    let platform = TestPlatform::start().await;
    let pat = platform.platform_team();
    let (id, _) = hook(&pat, &["object.*"]).await;
    let down = [WebScript::Away, WebScript::Answers(503), WebScript::AnswerLost];
    platform.world().receiver(HOOK, down);
    declare(&pat, "one").await;
    declare(&pat, "two").await;
    platform.act().await;
    assert_eq!(platform.world().received().len(), 0);
    let waiting = deliveries(&pat, &id).await;
    assert_eq!(waiting.len(), 1, "the second waits behind the first: {waiting:#?}");
    assert!(matches!(
        waiting[0].attempts[0].outcome,
        AttemptOutcome::Failed { arrived: false, .. }
    ));
    platform.settle().await;
    let received = platform.world().received();
    // Answered 503, then taken and its answer lost, then taken again; then the second.
    let want = ["one", "one", "one", "two"].map(|name| format!("system:default/{name}"));
    assert_eq!(subjects(&received), want);
    let ids: Vec<&str> = received.iter().map(|one| one.header("webhook-id")).collect();
    assert!(ids[0] == ids[1] && ids[1] == ids[2] && ids[2] != ids[3], "{ids:?}");
    let kept = deliveries(&pat, &id).await;
    assert_eq!(kept.iter().map(|one| one.tries).collect::<Vec<_>>(), [4, 1]);
    let outcomes: Vec<String> = kept[0]
        .attempts
        .iter()
        .map(|attempt| match &attempt.outcome {
            AttemptOutcome::Unknown => "unknown".into(),
            AttemptOutcome::Answered { status, .. } => status.to_string(),
            AttemptOutcome::Failed { arrived, .. } => format!("arrived: {arrived}"),
        })
        .collect();
    assert_eq!(outcomes, ["arrived: false", "503", "arrived: true", "200"]);
    let gaps: Vec<i64> =
        kept[0].attempts.windows(2).map(|two| two[1].at.since(two[0].at).millis()).collect();
    assert!(gaps[0] >= 2_000 && gaps[1] > gaps[0] && gaps[2] > gaps[1], "{gaps:?}");
    platform.finish().await;
}

#[tokio::test]
async fn a_receiver_that_asks_for_patience_gets_it() {
    let platform = TestPlatform::start().await;
    let pat = platform.platform_team();
    let (id, _) = hook(&pat, &["object.*"]).await;
    platform.world().receiver(HOOK, [WebScript::AsksToWait(Duration::from_secs(90))]);
    declare(&pat, "one").await;
    platform.settle().await;
    let kept = deliveries(&pat, &id).await;
    let gap = kept[0].attempts[1].at.since(kept[0].attempts[0].at);
    assert!(gap >= Duration::from_secs(90), "{gap}");
    platform.finish().await;
}

#[tokio::test]
async fn one_that_is_gone_for_good_is_paused_and_goes_on_when_resumed() {
    let platform = TestPlatform::start().await;
    let pat = platform.platform_team();
    let (id, _) = hook(&pat, &["object.*"]).await;
    let (other, _) = {
        let made = make(&pat, "https://other.example/", &["webhook.*"]).await.unwrap();
        (made.id, ())
    };
    platform.world().receiver(HOOK, [WebScript::Answers(410)]);
    declare(&pat, "one").await;
    declare(&pat, "two").await;
    platform.settle().await;
    let paused = shown(&pat, &id).await.paused.expect("it is paused");
    assert!(paused.by == "system:deliver" && paused.why.contains("410"), "{paused:?}");
    assert_eq!(deliveries(&pat, &id).await[0].state, DeliveryState::Failed);
    // Others are told, and are not held up.
    let told: Vec<Received> =
        platform.world().received().into_iter().filter(|one| one.url != HOOK).collect();
    let event: Value = serde_json::from_slice(&told.last().unwrap().body).unwrap();
    assert_eq!(event["type"], "dev.towpath.webhook.paused");
    assert_eq!(event["subject"], format!("webhook:{id}"));
    assert!(!event.to_string().contains("key=mine"), "the rest of a URL is a secret: {event}");
    assert_eq!(shown(&pat, &other).await.paused, None);

    let path = redeliver::Path { webhook: id.clone(), seq: deliveries(&pat, &id).await[0].seq };
    let refused = pat.call::<Redeliver>(path, Nothing {}, Nothing {}).await.unwrap_err();
    assert!(refused.is("webhook/paused"), "{refused}");
    let resumed = pat.call::<ResumeWebhook>(at(&id), Nothing {}, Nothing {}).await.unwrap();
    assert_eq!(resumed.paused, None);
    platform.settle().await;
    let received = platform.world().received();
    let mine: Vec<Received> = received.into_iter().filter(|one| one.url == HOOK).collect();
    let want = ["one", "one", "two"].map(|name| format!("system:default/{name}"));
    assert_eq!(subjects(&mine), want, "it goes on with the event at which it stopped");
    platform.finish().await;
}

#[tokio::test]
async fn after_a_day_of_failing_it_is_paused() {
    let platform = TestPlatform::start().await;
    let pat = platform.platform_team();
    let (id, _) = hook(&pat, &["object.*"]).await;
    platform.world().receiver(HOOK, vec![WebScript::Answers(500); 100]);
    declare(&pat, "one").await;
    platform.act().await;
    let begun = platform.clock().now();
    let paused = loop {
        let before = platform.clock().now();
        platform.clock().advance_to(deliveries(&pat, &id).await[0].next_at.unwrap());
        platform.act().await;
        if let Some(paused) = shown(&pat, &id).await.paused {
            break paused;
        }
        assert!(before.since(begun) < Duration::from_secs(24 * 3600), "a day is over");
    };
    let after = platform.clock().now().since(begun);
    assert!(after >= Duration::from_secs(24 * 3600) && after < Duration::from_secs(26 * 3600));
    assert!(paused.why.contains("a day"), "{paused:?}");
    let kept = &deliveries(&pat, &id).await[0];
    assert_eq!((kept.state, kept.attempts.len()), (DeliveryState::Failed, 10));
    assert!((20..60).contains(&kept.tries), "ever more slowly: {}", kept.tries);
    platform.finish().await;
}

#[tokio::test]
async fn a_person_pauses_repeats_tries_out_and_takes_away() {
    let platform = TestPlatform::start().await;
    let pat = platform.platform_team();
    let (id, secret) = hook(&pat, &["object.*"]).await;
    let why = pause::Body { why: "moving house".into() };
    let paused = pat.call::<PauseWebhook>(at(&id), Nothing {}, why.clone()).await.unwrap();
    assert_eq!(paused.paused.as_ref().unwrap().why, "moving house");
    let again = pat.call::<PauseWebhook>(at(&id), Nothing {}, why).await.unwrap();
    assert_eq!(again.paused, paused.paused, "it stays as it was");
    declare(&pat, "one").await;
    platform.settle().await;
    assert!(platform.world().received().is_empty());
    pat.call::<ResumeWebhook>(at(&id), Nothing {}, Nothing {}).await.unwrap();
    platform.settle().await;
    assert_eq!(subjects(&platform.world().received()), ["system:default/one"]);

    let seq = deliveries(&pat, &id).await[0].seq;
    let path = |seq| redeliver::Path { webhook: id.clone(), seq };
    let asked = pat.call::<Redeliver>(path(seq), Nothing {}, Nothing {}).await.unwrap();
    assert_eq!((asked.state, asked.again), (DeliveryState::Waiting, true));
    platform.settle().await;
    let received = platform.world().received();
    assert_eq!(received.len(), 2);
    assert_eq!(received[0].header("webhook-id"), received[1].header("webhook-id"));
    assert_eq!(received[0].body, received[1].body);
    assert_eq!(shown(&pat, &id).await.delivered, 1, "a repeat is not counted");
    for seq in [0, 1, seq + 1, seq + 1000, -5, i64::MAX, i64::MIN] {
        let refused = pat.call::<Redeliver>(path(seq), Nothing {}, Nothing {}).await.unwrap_err();
        assert!(refused.is("webhook/not-carried"), "{seq}: {refused}");
    }

    let tried = pat.call::<TestWebhook>(at(&id), Nothing {}, Nothing {}).await.unwrap();
    assert_eq!((tried.taken, tried.status), (true, Some(200)));
    let ping = platform.world().received().pop().unwrap();
    assert!(holds(&secret, &ping));
    let said: Value = serde_json::from_slice(&ping.body).unwrap();
    assert_eq!(said["type"], "dev.towpath.webhook.ping");
    platform.world().receiver(HOOK, [WebScript::Away]);
    let tried = pat.call::<TestWebhook>(at(&id), Nothing {}, Nothing {}).await.unwrap();
    assert_eq!((tried.taken, tried.status), (false, None));

    pat.call::<DeleteWebhook>(at(&id), Nothing {}, Nothing {}).await.unwrap();
    let gone = pat.call::<GetWebhook>(at(&id), Nothing {}, Nothing {}).await.unwrap_err();
    assert!(gone.is("object/not-found"), "{gone}");
    let all = pat.call::<ListWebhooks>(Nothing {}, Nothing {}, Nothing {}).await.unwrap();
    assert!(all.items.is_empty());
    let before = platform.world().received().len();
    declare(&pat, "two").await;
    platform.settle().await;
    assert_eq!(platform.world().received().len(), before);
    platform.finish().await;
}

#[tokio::test]
async fn what_makes_no_sense_and_who_may_not_are_refused() {
    let platform = TestPlatform::start().await;
    let pat = platform.platform_team();
    for url in ["", "hook.example", "ftp://hook.example/"] {
        let refused = make(&pat, url, &["*"]).await.unwrap_err();
        assert!(refused.is("webhook/address"), "{url}: {refused}");
    }
    for events in [&[][..], &["deploy*"], &["nothing.*"], &["*", "object.create"]] {
        let refused = make(&pat, HOOK, events).await.unwrap_err();
        assert!(refused.is("webhook/events"), "{events:?}: {refused}");
    }
    for who in [platform.viewer(), platform.outsider(), platform.developer("ann", &["quay"])] {
        let refused = make(&who, HOOK, &["*"]).await.unwrap_err();
        assert!(refused.is("access/forbidden"), "{refused}");
    }
    // Made twice by a client that repeats itself, there is one, and its secret was shown once.
    let again = pat.repeating("again");
    let first = make(&again, HOOK, &["*"]).await.unwrap();
    let second = make(&again, HOOK, &["*"]).await.unwrap();
    assert_eq!((second.id, second.secret), (first.id.clone(), None));
    assert!(first.secret.is_some());
    let all = pat.call::<ListWebhooks>(Nothing {}, Nothing {}, Nothing {}).await.unwrap();
    assert_eq!(all.items.len(), 1);
    // Neither the secret nor the secret part of the URL is in the log.
    let events: Vec<Event> = platform.store().events(Some(0), 1000, None).await.unwrap();
    let log = serde_json::to_string(&events).unwrap();
    assert!(!log.contains("key=mine") && !log.contains(&first.secret.unwrap()));
    platform.settle().await;
    platform.finish().await;
}

#[tokio::test]
async fn the_log_of_deliveries_is_bounded() {
    let platform = TestPlatform::start().await;
    let pat = platform.platform_team();
    let (id, _) = hook(&pat, &["object.*"]).await;
    for part in 0..12 {
        let many: Vec<String> = (0..100)
            .map(|n| {
                format!(
                    "apiVersion: backstage.io/v1alpha1\nkind: System\nmetadata: {{name: s{part}-{n}}}\n\
                     spec: {{owner: quay}}\n"
                )
            })
            .collect();
        pat.declare(&many.join("---\n")).await.unwrap();
    }
    platform.settle().await;
    assert_eq!(platform.world().received().len(), 1200);
    let hook = shown(&pat, &id).await;
    assert_eq!(hook.delivered, 1200);
    let find = tow_store::Find { subject: Some(id), ..Default::default() };
    let rows = platform.store().list::<tow_record::Delivery>(find).await.unwrap();
    assert!((1000..=1100).contains(&rows.len()), "{}", rows.len());
    platform.finish().await;
}

/// What a real receiver was sent: headers by lower-case name, and the body.
#[derive(Debug, Clone)]
struct Message {
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Message {
    fn header(&self, name: &str) -> &str {
        let found = self.headers.iter().find(|(header, _)| header == name);
        found.map_or("", |(_, value)| value)
    }

    fn event(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

/// A receiver of this machine. Each request is handed to `answer` with its number, which gives the whole answer, or none
/// to hold the connection open for good.
fn receiver(
    answer: impl Fn(usize) -> Option<String> + Send + 'static,
) -> (SocketAddr, Arc<Mutex<Vec<Message>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let got: Arc<Mutex<Vec<Message>>> = Arc::default();
    let kept = got.clone();
    std::thread::spawn(move || {
        let mut held = Vec::new();
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { continue };
            let mut bytes = Vec::new();
            let mut piece = [0; 8192];
            let message = loop {
                if let Some(message) = whole(&bytes) {
                    break Some(message);
                }
                match stream.read(&mut piece) {
                    Ok(0) | Err(_) => break None,
                    Ok(n) => bytes.extend_from_slice(&piece[..n]),
                }
            };
            let Some(message) = message else { continue };
            let number = {
                let mut kept = kept.lock().unwrap();
                kept.push(message);
                kept.len()
            };
            match answer(number) {
                Some(answer) => {
                    let _ = stream.write_all(answer.as_bytes());
                }
                None => held.push(stream),
            }
        }
    });
    (address, got)
}

fn whole(bytes: &[u8]) -> Option<Message> {
    let end = bytes.windows(4).position(|at| at == b"\r\n\r\n")?;
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let headers: Vec<(String, String)> = head
        .lines()
        .skip(1)
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_lowercase(), value.to_string()))
        .collect();
    let message = Message { headers, body: bytes[end + 4..].to_vec() };
    let length: usize = message.header("content-length").parse().unwrap_or(0);
    (message.body.len() >= length).then_some(message)
}

fn said(status: &str) -> Option<String> {
    Some(format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"))
}

fn system(up: &Binary, name: &str) {
    let file = up.home().join(format!("{name}.yaml"));
    let text = format!(
        "apiVersion: backstage.io/v1alpha1\nkind: System\nmetadata:\n  name: {name}\nspec:\n  owner: quay\n"
    );
    std::fs::write(&file, text).unwrap();
    up.json(&["apply", "-f", file.to_str().unwrap()]);
}

fn made(up: &Binary, address: SocketAddr) -> (String, WebhookSecret) {
    let url = format!("http://{address}/hook");
    let made = up.json(&["webhook", "create", "--to", &url, "--events", "object.*"]);
    let secret = WebhookSecret::parse(made["secret"].as_str().unwrap()).unwrap();
    (made["id"].as_str().unwrap().to_string(), secret)
}

#[test]
fn the_real_binary_carries_to_a_real_receiver_even_when_it_is_killed_in_between() {
    // The first message is taken, and its answer never comes: it is under way when the control plane is killed.
    let (tell, told) = mpsc::channel();
    let (address, got) = receiver(move |number| {
        let _ = tell.send(number);
        if number == 1 { None } else { said("200 OK") }
    });
    let mut up = Binary::new(crate::ferry::TOW);
    let allow = ["--allow-address", "127.0.0.1"];
    up.try_start(&allow, &[]).unwrap();
    let (id, secret) = made(&up, address);
    system(&up, "one");
    system(&up, "two");
    told.recv_timeout(std::time::Duration::from_secs(60)).unwrap();
    up.end(rustix::process::Signal::KILL);
    up.try_start(&[], &[("TOW_ALLOW_ADDRESS", "10.1.2.3,127.0.0.1")]).unwrap();
    until("both arrived", || got.lock().unwrap().len() >= 3);
    let messages = got.lock().unwrap().clone();
    let subjects: Vec<Value> = messages.iter().map(|m| m.event()["subject"].clone()).collect();
    let want = ["one", "one", "two"].map(|name| json!(format!("system:default/{name}")));
    assert_eq!(subjects, want);
    assert_eq!(messages[0].header("webhook-id"), messages[1].header("webhook-id"));
    for message in &messages {
        let seconds = message.header("webhook-timestamp").parse().unwrap();
        let signature = message.header("webhook-signature");
        assert!(secret.verify(message.header("webhook-id"), seconds, &message.body, signature));
    }
    let mut kept = Value::Null;
    until("it is written down", || {
        kept = up.json(&["webhook", "deliveries", &id]);
        kept[0]["state"] == "delivered" && kept[1]["state"] == "delivered"
    });
    let first = &kept[1]["attempts"];
    assert_eq!(first[0]["outcome"], json!({"is": "unknown"}), "nobody knows what became of it");
    assert_eq!(first[1]["outcome"]["status"], 200);
    let shown = up.tow(["webhook", "list"]).exits(0);
    assert!(shown.out.contains(&id) && !shown.out.contains("whsec_"), "{shown}");
    up.tow(["webhook", "delete", &id]).exits(2);
    up.tow(["webhook", "delete", &id, "--confirm", &id]).exits(0);
}

#[test]
fn the_real_binary_does_not_go_where_it_must_not() {
    let (address, got) = receiver(|number| {
        match number {
        1 => Some("HTTP/1.1 307 Temporary Redirect\r\nlocation: http://169.254.169.254/\r\ncontent-length: 0\r\nconnection: close\r\n\r\n".into()),
        _ => said("204 No Content"),
    }
    });
    let mut up = Binary::new(crate::ferry::TOW);
    up.start();
    for url in [
        format!("http://{address}/"),
        "http://169.254.169.254/latest/meta-data/".into(),
        "http://[::ffff:169.254.169.254]/".into(),
        "http://0x7f.1/".into(),
        "http://metadata.google.internal/".into(),
    ] {
        let refused =
            up.tow(["webhook", "create", "--to", &url, "--events", "*", "-o", "json"]).exits(2);
        assert_eq!(refused.problem()["code"], "webhook/address", "{refused}");
    }
    // A name is looked up when it is asked, not when it is written down.
    let url = format!("http://localhost:{}/", address.port());
    let named = up.json(&["webhook", "create", "--to", &url, "--events", "*"]);
    let tried = up.tow(["webhook", "test", named["id"].as_str().unwrap()]).exits(1);
    assert!(tried.err.contains("this machine's own address"), "{tried}");
    assert!(got.lock().unwrap().is_empty(), "nobody was asked");
    // Later it may be asked, and would be told of all that happened until then.
    let id = named["id"].as_str().unwrap();
    up.tow(["webhook", "delete", id, "--confirm", id]).exits(0);
    up.end(rustix::process::Signal::TERM);

    let bad = up.try_start(&["--allow-address", "10.0.0.0/99"], &[]).unwrap_err();
    assert!(bad.err.contains("10.0.0.0/99"), "{bad}");
    up.try_start(&["--allow-address", "127.0.0.0/8"], &[]).unwrap();
    let (id, _) = made(&up, address);
    let tried = up.tow(["webhook", "test", &id]).exits(1);
    assert!(tried.err.contains("307"), "a redirect is not followed: {tried}");
    up.tow(["webhook", "test", &id]).exits(0);
    assert_eq!(got.lock().unwrap().len(), 2);
}
