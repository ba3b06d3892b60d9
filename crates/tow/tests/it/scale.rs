//! Workloads that scale by themselves: asleep and awake, more and fewer, without a deployment and without a lost request.
//! First in a pretended world on our clock, then with the real binary.

#![allow(clippy::unwrap_used, reason = "a test that can't go on says so by panicking")]
#![allow(clippy::print_stdout, reason = "what was measured is a result")]

use crate::ferry::{Ferry, TOW, status, try_get};
use crate::given::{DEVELOPMENT, ann};
use serde_json::Value;
use std::collections::BTreeSet;
use std::time::Instant;
use tow_api::Nothing;
use tow_api::event::list::{ListEvents, Query as Events};
use tow_api::plan::create::ChangeRequest;
use tow_api::status::get::{GetStatus, Query, StatusView};
use tow_names::{Duration, Id};
use tow_record::{Deployment, Scale, State, Usage};
use tow_store::Find;
use tow_testkit::TestPlatform;
use tow_testkit::binary::{Binary, until};
use tow_testkit::load::Load;

const ROUTE: &str = "component:default/web@development/web/http";

/// The documents of a web that scales so.
fn folder(scale: &str, version: &str) -> [(&'static str, String); 2] {
    [
        (
            "score.yaml",
            format!(
                "apiVersion: score.dev/v1b1\nmetadata:\n  name: web\n\
                 service:\n  ports:\n    http:\n      port: 8080\n\
                 containers:\n  main:\n    image: .\n    variables:\n      VERSION: \"{version}\"\n      \
                 TOW_FAKE: ready-after=20ms\n"
            ),
        ),
        (
            "tow.yaml",
            format!(
                "apiVersion: towpath.dev/v1\nkind: Delivery\nmetadata:\n  name: web\n\
                 spec:\n  component: web\n  workloads:\n    web:\n      {scale}\n"
            ),
        ),
    ]
}

async fn deploy(platform: &TestPlatform, scale: &str, version: &str) -> Option<String> {
    let documents = folder(scale, version);
    let documents: Vec<(&str, &str)> =
        documents.iter().map(|(name, text)| (*name, text.as_str())).collect();
    let operation = ann(platform).deploy(DEVELOPMENT, &documents, "source").await.unwrap();
    platform.settle().await;
    operation
}

async fn change(platform: &TestPlatform, what: ChangeRequest) {
    ann(platform).change("web", DEVELOPMENT, what).await.unwrap();
    platform.settle().await;
}

fn running(platform: &TestPlatform) -> usize {
    platform.world().instances().iter().filter(|seen| seen.ready).count()
}

fn targets(platform: &TestPlatform) -> usize {
    platform.world().routes().routes.iter().map(|route| route.targets.len()).sum()
}

async fn line(platform: &TestPlatform) -> StatusView {
    let query = Query { component: Some("web".into()), environment: None };
    let reply = ann(platform).call::<GetStatus>(Nothing {}, query, Nothing {}).await.unwrap();
    reply.items.into_iter().next().unwrap()
}

async fn deployments(platform: &TestPlatform) -> usize {
    platform.store().list::<Deployment>(Find::default()).await.unwrap().len()
}

/// So many requests a second for so long.
async fn under(platform: &TestPlatform, rate: u64, seconds: u64) {
    for _ in 0..seconds / 2 {
        platform.world().request(ROUTE, rate * 2);
        platform.pass(Duration::from_secs(2)).await;
    }
}

/// What the events of scaling say.
async fn told(platform: &TestPlatform) -> Vec<String> {
    let query = Events { after: None, limit: Some(1_000), subject: None };
    let reply = platform.admin().call::<ListEvents>(Nothing {}, query, Nothing {}).await.unwrap();
    let scaled = reply.items.into_iter().filter(|event| event.kind == "workload.scaled");
    scaled.filter_map(|event| Some(event.body?.summary)).collect()
}

#[tokio::test]
async fn what_nobody_asks_for_sleeps_and_the_first_request_wakes_it() {
    let platform = TestPlatform::start().await;
    deploy(&platform, "scale: {min: 0, idle: 30s}", "1").await;
    assert_eq!((running(&platform), line(&platform).await.state), (1, State::Live));
    under(&platform, 1, 40).await;
    assert_eq!(running(&platform), 1, "it is asked all the time");
    platform.pass(Duration::from_secs(28)).await;
    assert_eq!(running(&platform), 1, "not idle for long enough");
    platform.pass(Duration::from_secs(8)).await;
    assert_eq!(running(&platform), 0);
    platform.settle().await;
    let asleep = line(&platform).await;
    assert_eq!((asleep.state, asleep.reason.as_str()), (State::Asleep, "a request wakes it"));
    assert_eq!((asleep.instances.ready, asleep.instances.wanted), (0, 0));
    let route = platform.world().routes().routes.remove(0);
    assert!(route.wakes && route.state == State::Asleep, "{route:?}");
    // However long: nobody starts it but a request.
    platform.pass(Duration::from_secs(7_200)).await;
    assert_eq!(running(&platform), 0);
    platform.world().request(ROUTE, 5);
    platform.pass(Duration::from_secs(1)).await;
    assert_eq!((running(&platform), targets(&platform)), (1, 1));
    assert_eq!(line(&platform).await.state, State::Live);
    assert_eq!(
        told(&platform).await,
        [
            "web of web in development: 1 → 0: nobody asked for anything in 30s",
            "web of web in development: 0 → 1: 5 requests wait",
        ]
    );
    assert_eq!(deployments(&platform).await, 1, "no step of scaling is a deployment");
    platform.finish().await;
}

#[tokio::test]
async fn load_brings_more_and_quiet_brings_fewer_after_a_while() {
    let platform = TestPlatform::start().await;
    deploy(&platform, "scale: {min: 2, max: 6, requestsPerSecond: 10, idle: 60s}", "1").await;
    assert_eq!(running(&platform), 2, "min at once");
    under(&platform, 55, 20).await;
    assert_eq!((running(&platform), targets(&platform)), (6, 6));
    let more = line(&platform).await;
    assert_eq!((more.state, more.instances.wanted), (State::Live, 6));
    // What is in flight at one that goes is waited for.
    let last = platform.world().routes().routes[0].targets[5].instance.clone();
    let last = Id::parse(&last).unwrap();
    platform.world().in_flight(&last, 1);
    platform.pass(Duration::from_secs(50)).await;
    assert_eq!(running(&platform), 6, "not yet");
    platform.pass(Duration::from_secs(14)).await;
    let left: Vec<Id> = platform.world().instances().into_iter().map(|seen| seen.id).collect();
    assert_eq!(targets(&platform), 2);
    assert!(left.contains(&last), "it is asked nothing more and answers what it was asked");
    platform.world().in_flight(&last, 0);
    platform.settle().await;
    assert_eq!(running(&platform), 2);
    let told = told(&platform).await;
    assert!(told[0].contains("2 → 4: 55.0 requests/s, where each is to have 10"), "{told:?}");
    assert_eq!(deployments(&platform).await, 1);
    platform.finish().await;
}

#[tokio::test]
async fn processors_count_too() {
    let platform = TestPlatform::start().await;
    deploy(&platform, "scale: {max: 3, cpu: 50}", "1").await;
    let busy = || {
        for seen in platform.world().instances() {
            let usage = Usage { cpu_millis: 900, memory: 1 << 20 };
            platform.world().take(&seen.id, usage);
        }
    };
    assert!(platform.world().spec(&platform.world().instances()[0].id).unwrap().setting.measured);
    for _ in 0..10 {
        busy();
        platform.pass(Duration::from_secs(2)).await;
    }
    assert_eq!(running(&platform), 3);
    platform.finish().await;
}

#[tokio::test]
async fn a_rollout_and_a_rollback_keep_the_count() {
    let platform = TestPlatform::start().await;
    let scale = "scale: {max: 6, requestsPerSecond: 10, idle: 5m}";
    deploy(&platform, scale, "1").await;
    under(&platform, 38, 12).await;
    assert_eq!(running(&platform), 4);
    deploy(&platform, scale, "2").await;
    assert_eq!((running(&platform), targets(&platform)), (4, 4));
    assert_eq!(line(&platform).await.release, Some(2));
    change(&platform, ChangeRequest::Rollback { to: None }).await;
    assert_eq!((running(&platform), line(&platform).await.release), (4, Some(1)));
    // Other bounds hold from the deploy that brings them.
    deploy(&platform, "scale: {max: 3, requestsPerSecond: 10, idle: 5m}", "1").await;
    assert_eq!(running(&platform), 3);
    // Without scale it is what it says.
    deploy(&platform, "replicas: 2", "1").await;
    assert_eq!(running(&platform), 2);
    assert!(
        platform.store().list::<Scale>(Find::default()).await.unwrap()[0]
            .value
            .workloads
            .is_empty()
    );
    change(&platform, ChangeRequest::Rollback { to: None }).await;
    assert_eq!(running(&platform), 1, "it begins anew");
    platform.finish().await;
}

#[tokio::test]
async fn a_release_is_tried_even_where_the_old_one_sleeps() {
    let platform = TestPlatform::start().await;
    let scale = "scale: {min: 0, idle: 10s}";
    deploy(&platform, scale, "1").await;
    platform.pass(Duration::from_secs(30)).await;
    assert_eq!(running(&platform), 0);
    // The same again is no change, and wakes nobody.
    assert_eq!(deploy(&platform, scale, "1").await, None);
    assert_eq!(running(&platform), 0);
    let world = platform.world();
    let title = tow_testkit::To::Title("web/0".into());
    world.script(title.clone(), tow_testkit::Script::crash_loops());
    let failed = deploy(&platform, scale, "2").await.unwrap();
    let view = ann(&platform).operation(&failed).await.unwrap();
    assert_eq!(view.failure.expect("it was tried").gate, "start");
    assert_eq!((running(&platform), line(&platform).await.release), (0, Some(1)));
    assert_eq!(line(&platform).await.state, State::Asleep, "what slept sleeps on");
    world.script(title, tow_testkit::Script::ready_after(Duration::from_millis(20)));
    deploy(&platform, scale, "3").await;
    assert_eq!(running(&platform), 1, "it was tried");
    platform.pass(Duration::from_secs(30)).await;
    assert_eq!(running(&platform), 0, "and sleeps again when nobody comes");
    platform.finish().await;
}

#[tokio::test]
async fn what_was_stopped_is_not_woken_and_no_number_is_taken() {
    let platform = TestPlatform::start().await;
    deploy(&platform, "scale: {min: 0, max: 4, requestsPerSecond: 10, idle: 10s}", "1").await;
    let replicas = [("web".to_string(), 3)].into();
    let asked = ann(&platform).change("web", DEVELOPMENT, ChangeRequest::Scale { replicas }).await;
    let problem = asked.unwrap_err().problem();
    assert_eq!(problem.code, "plan/refused");
    assert!(problem.detail.contains("between 0 and 4"), "{}", problem.detail);
    assert!(problem.hint.unwrap().contains("scale.min"));
    assert_eq!(running(&platform), 1);
    change(&platform, ChangeRequest::Stop).await;
    platform.world().request(ROUTE, 9);
    platform.pass(Duration::from_secs(60)).await;
    assert_eq!((running(&platform), line(&platform).await.state), (0, State::Stopped));
    assert!(!platform.world().routes().routes[0].wakes);
    change(&platform, ChangeRequest::Start).await;
    assert_eq!(running(&platform), 1);
    platform.finish().await;
}

#[tokio::test]
async fn who_does_not_get_up_is_not_waited_for() {
    let platform = TestPlatform::start().await;
    deploy(&platform, "scale: {min: 0, idle: 5m}", "1").await;
    platform.pass(Duration::from_secs(330)).await;
    assert_eq!(running(&platform), 0);
    let title = tow_testkit::To::Title("web/0".into());
    platform.world().script(title, tow_testkit::Script::crash_loops());
    platform.world().request(ROUTE, 1);
    platform.pass(Duration::from_secs(60)).await;
    let route = platform.world().routes().routes.remove(0);
    assert!(!route.wakes && !route.reason.is_empty(), "{route:?}");
    assert!(matches!(line(&platform).await.state, State::Degraded | State::Asleep));
    platform.finish().await;
}

#[tokio::test]
async fn a_step_that_was_begun_is_finished_by_whoever_comes_next() {
    let platform = TestPlatform::start().await;
    deploy(&platform, "scale: {min: 0, idle: 10s}", "1").await;
    platform.pass(Duration::from_secs(30)).await;
    platform.world().request(ROUTE, 1);
    // One look alone: the count is kept and the operation begun, nothing of it is done.
    platform.tick().await.unwrap();
    let platform = platform.restart().await;
    platform.settle().await;
    assert_eq!((running(&platform), targets(&platform)), (1, 1));
    assert_eq!(deployments(&platform).await, 1);
    platform.finish().await;
}

#[tokio::test]
async fn a_step_of_scaling_makes_no_plan_stale_and_a_decision_does() {
    let platform = TestPlatform::start().await;
    deploy(&platform, "scale: {min: 0, idle: 10s}", "1").await;
    let ann = ann(&platform);
    let plan = async || {
        let asked = tow_testkit::change("web", DEVELOPMENT, ChangeRequest::Restart);
        ann.plan(asked).await.unwrap().id
    };
    let (one, other) = (plan().await, plan().await);
    platform.pass(Duration::from_secs(30)).await;
    assert_eq!(running(&platform), 0);
    assert!(ann.apply(&one).await.unwrap().is_some(), "nobody decided anything meanwhile");
    platform.settle().await;
    assert_eq!(running(&platform), 1, "what is restarted is tried");
    let problem = ann.apply(&other).await.unwrap_err().problem();
    assert_eq!(problem.code, "plan/stale");
    assert!(problem.detail.contains("what web has in development was changed"), "{problem:?}");
    platform.finish().await;
}

/// A ferry that scales so.
fn scaling(name: &str, scale: &str) -> Ferry {
    let mut ferry = Ferry::patient(name);
    ferry.delivery.push_str(&format!("\nscale: {scale}"));
    ferry.write();
    ferry
}

/// It sleeps, and nothing of it is left: until the gateway knows, the one that goes still answers.
fn asleep(up: &Binary, name: &str) -> bool {
    let line = status(up, name);
    let none = serde_json::json!({"ready": 0, "wanted": 0});
    line["state"] == "asleep"
        && line["instances"] == none
        && up.json(&["ps", name]).as_array().is_some_and(Vec::is_empty)
}

/// The events of scaling, oldest first: from, to.
fn steps(up: &Binary) -> Vec<(u64, u64)> {
    let all = up.json(&["events", "--tail", "1000"]);
    let count = |event: &Value, side: &str| event["body"][side]["count"].as_u64().unwrap();
    let all = all.as_array().unwrap().iter().filter(|event| event["kind"] == "workload.scaled");
    all.map(|event| (count(event, "before"), count(event, "after"))).collect()
}

#[test]
fn asleep_after_idle_and_awake_for_the_first_request() {
    let mut up = Binary::up(TOW);
    let ferry = scaling("ferry", "{min: 0, idle: 3s}");
    let url = up.deploy(ferry.path())["url"].as_str().unwrap().to_string();
    until("it sleeps", || asleep(&up, "ferry"));
    until("nothing of it is left", || up.json(&["ps", "ferry"]).as_array().unwrap().is_empty());
    let begun = Instant::now();
    let (code, body) = try_get(&url, "/").unwrap();
    println!("measured: asleep to answered in {} ms", begun.elapsed().as_millis());
    assert_eq!(code, 200, "{body}");
    assert!(body.contains("one release 1"));
    until("it sleeps again", || asleep(&up, "ferry"));
    // Fifty at once: nobody is sent away.
    let all: Vec<_> = (0..50)
        .map(|_| {
            let url = url.clone();
            std::thread::spawn(move || try_get(&url, "/").map(|(code, _)| code))
        })
        .collect();
    let codes: Vec<u16> = all.into_iter().map(|one| one.join().unwrap().unwrap()).collect();
    assert_eq!(codes, vec![200; 50]);
    assert_eq!(steps(&up), [(1, 0), (0, 1), (1, 0), (0, 1)]);
    assert_eq!(up.json(&["deployments", "ferry"]).as_array().unwrap().len(), 1);
    // A control plane that is killed meanwhile: whoever waits is answered by what the next one starts.
    until("it sleeps once more", || asleep(&up, "ferry"));
    up.end(rustix::process::Signal::KILL);
    let waits = std::thread::spawn({
        let url = url.clone();
        move || try_get(&url, "/").map(|(code, _)| code)
    });
    up.start();
    assert_eq!(waits.join().unwrap().unwrap(), 200);
    up.tow(["stop", "--component", "ferry"]).exits(0);
    let (code, page) = try_get(&url, "/").unwrap();
    assert_eq!(code, 503, "stopped is not asleep: {page}");
    assert_eq!(status(&up, "ferry")["state"], "stopped");
}

#[test]
fn load_brings_replicas_and_quiet_takes_them_without_a_failed_request() {
    let up = Binary::up(TOW);
    let ferry = scaling("ferry", "{min: 1, max: 3, requestsPerSecond: 40, cpu: 400, idle: 6s}");
    let url = up.deploy(ferry.path())["url"].as_str().unwrap().to_string();
    let refused = up.tow(["scale", "--component", "ferry", "ferry=3"]).exits(3);
    assert!(refused.err.contains("scales by itself, between 1 and 3"), "{refused}");
    let port = status(&up, "ferry")["port_url"].as_str().unwrap().trim_end_matches('/').to_string();
    let load = |rate| Load { origin: port.clone(), paths: vec!["/".into(), "/slow".into()], rate };
    let ready = |count: u64| status(&up, "ferry")["instances"]["ready"] == count;
    let begun = Instant::now();
    let running = load(110).begin();
    until("there are three", || ready(3));
    println!("measured: three of them after {} ms", begun.elapsed().as_millis());
    let uses = up.json(&["ps", "ferry"]);
    let known = uses.as_array().unwrap().iter().filter(|one| one["usage"]["memory"].is_u64());
    assert!(known.count() >= 1, "{uses}");
    let mut answered = BTreeSet::new();
    until("all three answer", || {
        answered.insert(try_get(&url, "/").unwrap().1);
        answered.len() >= 3
    });
    let loud = running.end();
    assert!(loud.failed.is_empty(), "{loud}");
    let quiet = load(4).begin();
    until("there is one", || ready(1));
    #[expect(clippy::disallowed_methods, reason = "time itself is meant: nothing is to happen")]
    std::thread::sleep(std::time::Duration::from_secs(1));
    let report = quiet.end();
    assert!(report.failed.is_empty(), "{report}");
    println!("measured: {loud}; {report}");
    let steps = steps(&up);
    assert!(steps.contains(&(1, 2)) && steps.last().unwrap().1 == 1, "{steps:?}");
}
