//! A release is tried on some clients first: in a pretended world, where time is ours; and in the real one, where clients are
//! counted.

#![allow(clippy::unwrap_used, reason = "a test that can't go on says so by panicking")]
#![allow(clippy::print_stdout, reason = "who answered how often is a result")]

use crate::ferry::{Ferry, TOW, get, served, status};
use crate::given::{DEVELOPMENT, FOLDER_ONE, FOLDER_TWO, ann, releases_served};
use std::collections::BTreeMap;
use tow_api::Nothing;
use tow_api::rollout::list::{Counted, ListRollouts, RolloutView};
use tow_api::rollout::pause::Body;
use tow_api::rollout::{abort::AbortRollout, pause::PauseRollout, resume::ResumeRollout};
use tow_api::status::get::Query;
use tow_names::Duration;
use tow_record::{RoutePart, Stage, State};
use tow_testkit::binary::{Binary, until};
use tow_testkit::load::Load;
use tow_testkit::{Person, TestPlatform};

type Folder = Vec<(&'static str, &'static str)>;

/// Tried at 10 of a hundred for 8 seconds, and at 50 until somebody lets it go on.
const CANARY: &str = concat!(
    "apiVersion: towpath.dev/v1\nkind: Delivery\nmetadata:\n  name: web\n",
    "spec:\n  component: web\n  workloads:\n    web:\n      replicas: 2\n      strategy: canary\n",
    "      canary: {steps: [{weight: 10, pause: 8s}, {weight: 50}], header: x-try}\n",
);

fn tried(of: &[(&'static str, &'static str)]) -> Folder {
    let said = |(name, text): &(&'static str, &'static str)| {
        (*name, if *name == "tow.yaml" { CANARY } else { *text })
    };
    of.iter().map(said).collect()
}

async fn deployed() -> TestPlatform {
    let platform = TestPlatform::start().await;
    ann(&platform).deploy(DEVELOPMENT, &FOLDER_ONE, "source one").await.unwrap().unwrap();
    platform.settle().await;
    platform
}

async fn rollout(person: &Person) -> Option<RolloutView> {
    let all = person.call::<ListRollouts>(Nothing {}, Query::default(), Nothing {}).await.unwrap();
    all.items.into_iter().next()
}

/// A second in which each deployment is asked so much and fails so often.
async fn second(platform: &TestPlatform, asked: &[(i64, u64, u64)]) {
    let route = platform.world().routes().routes[0].id.clone();
    for (deployment, requests, errors) in asked {
        let part = RoutePart { requests: *requests, errors: *errors, took: vec![0, 0, *requests] };
        platform.world().answered(&route, *deployment, &part);
    }
    platform.pass(Duration::from_secs(1)).await;
}

async fn till(platform: &TestPlatform, what: impl Fn(&RolloutView) -> bool) {
    for _ in 0..60 {
        if rollout(&ann(platform)).await.as_ref().is_some_and(&what) {
            return;
        }
        platform.pass(Duration::from_millis(500)).await;
    }
    panic!("it never comes so far: {:?}", rollout(&ann(platform)).await);
}

fn body() -> Body {
    Body { component: "web".into(), environment: None }
}

#[tokio::test]
async fn it_goes_on_step_by_step_and_waits_where_it_is_to_wait() {
    let platform = deployed().await;
    let person = ann(&platform);
    let plan = person.plan_deploy(DEVELOPMENT, &tried(&FOLDER_TWO), "source two").await.unwrap();
    let step = plan.steps.iter().find(|step| step.subject == "workload web").unwrap();
    let said = "canary: 10 % of the clients for 8s, 50 % until tow rollout resume, then all";
    assert!(step.reason.contains(said), "{step:?}");
    let id = person.apply(&plan.id).await.unwrap().unwrap();
    till(&platform, |view| view.weight == Some(10)).await;
    let routes = platform.world().routes().routes;
    let split = routes[0].split.clone().unwrap();
    assert_eq!((split.deployment, split.weight, split.header.as_str()), (2, 10, "x-try"));
    assert_eq!(routes[0].targets.len(), 4, "both are there");

    // A step that ends by itself is not cut short, however often somebody asks.
    for _ in 0..3 {
        let view = person.call::<ResumeRollout>(Nothing {}, Nothing {}, body()).await.unwrap();
        assert!(view.doing.starts_with("canary 10%, goes on by itself at "), "{}", view.doing);
    }
    second(&platform, &[(1, 30, 0), (2, 20, 1)]).await;
    second(&platform, &[(1, 30, 2), (2, 20, 0)]).await;
    let view = rollout(&person).await.unwrap();
    assert_eq!(view.weight, Some(10));
    // Both are counted over the same time, which is told.
    let counted = |one: Counted| (one.errors, one.requests);
    assert!(view.beside && view.window.is_some_and(|window| window > Duration::ZERO), "{view:?}");
    assert_eq!((counted(view.new).1 * 3, view.needs), (counted(view.old).1 * 2, Some(20)));

    // Nobody may deploy over it.
    let other = person.plan_deploy(DEVELOPMENT, &FOLDER_ONE, "source one").await.unwrap();
    let refused = person.apply(&other.id).await.unwrap_err().problem();
    assert_eq!(refused.code, "operation/under-way");
    assert_eq!(refused.next, ["tow rollout status"]);

    till(&platform, |view| view.weight == Some(50)).await;
    for _ in 0..100 {
        second(&platform, &[(1, 50, 0), (2, 50, 0)]).await;
    }
    let view = rollout(&person).await.unwrap();
    assert_eq!((view.stage, view.weight), (Stage::Shift, Some(50)), "it waits");
    let view = person.call::<ResumeRollout>(Nothing {}, Nothing {}, body()).await.unwrap();
    assert_eq!(view.doing, "canary 50%, goes on with the next step");
    platform.settle().await;
    assert_eq!(person.operation(&id).await.unwrap().state, State::Live);
    assert_eq!(releases_served(&platform), [2, 2]);
    assert!(platform.world().routes().routes[0].split.is_none());
    platform.finish().await;
}

#[tokio::test]
async fn worse_than_the_others_at_the_same_time_it_is_taken_away() {
    let platform = deployed().await;
    let person = ann(&platform);
    let id = person.deploy(DEVELOPMENT, &tried(&FOLDER_TWO), "source two").await.unwrap().unwrap();
    till(&platform, |view| view.weight == Some(10)).await;
    // Both fail: something else is broken.
    for _ in 0..3 {
        second(&platform, &[(1, 90, 30), (2, 30, 10)]).await;
    }
    assert!(rollout(&person).await.unwrap().failure.is_none());
    for _ in 0..6 {
        second(&platform, &[(1, 90, 0), (2, 30, 25)]).await;
    }
    platform.settle().await;
    let view = person.operation(&id).await.unwrap();
    assert_eq!((view.state, view.back_to), (State::Failed, Some(1)));
    assert_eq!(view.failure.unwrap().gate, "canary");
    assert_eq!(releases_served(&platform), [1, 1]);
    assert!(platform.world().routes().routes[0].split.is_none());
    platform.finish().await;
}

#[tokio::test]
async fn paused_it_goes_no_further_and_whoever_breaks_it_off_has_all_as_before() {
    let platform = deployed().await;
    let person = ann(&platform);
    let id = person.deploy(DEVELOPMENT, &tried(&FOLDER_TWO), "source two").await.unwrap().unwrap();
    till(&platform, |view| view.weight == Some(10)).await;
    person.call::<PauseRollout>(Nothing {}, Nothing {}, body()).await.unwrap();
    platform.pass(Duration::from_secs(60)).await;
    let platform = platform.restart().await;
    let person = ann(&platform);
    platform.pass(Duration::from_secs(10)).await;
    assert_eq!(rollout(&person).await.unwrap().weight, Some(10));
    let outsider = platform.outsider();
    let refused = outsider.call::<AbortRollout>(Nothing {}, Nothing {}, body()).await.unwrap_err();
    assert_eq!(refused.problem().code, "access/forbidden");
    person.call::<AbortRollout>(Nothing {}, Nothing {}, body()).await.unwrap();
    platform.settle().await;
    assert_eq!(person.operation(&id).await.unwrap().failure.unwrap().gate, "aborted");
    assert_eq!(releases_served(&platform), [1, 1]);
    platform.finish().await;
}

#[test]
fn some_clients_are_answered_by_it_and_stay_with_it() {
    let up = Binary::up(TOW);
    let mut ferry = Ferry::patient("ferry");
    up.deploy(ferry.path());
    let url = status(&up, "ferry")["port_url"].as_str().unwrap().to_string();
    served(&url);
    ferry.delivery.push_str("\nstrategy: canary\ncanary: {steps: [{weight: 30}]}");
    ferry.set("GREETING", "two");
    let mut deploying = up.command(["deploy", &ferry.text()]).spawn().unwrap();
    let doing = || {
        let all = up.json(&["rollout", "status", "ferry"]);
        all[0]["doing"].as_str().unwrap_or_default().to_string()
    };
    until("it is tried", || doing() == "canary 30%");
    assert_eq!(status(&up, "ferry")["reason"], "canary 30%");
    let explained = up.json(&["route", "explain", &url]);
    assert_eq!(explained["route"]["split"]["weight"], 30, "{explained}");

    // Clients without a cookie: each is a new one.
    let mut answers: BTreeMap<String, u32> = BTreeMap::new();
    for _ in 0..400 {
        let (status, body) = get(&url, "/");
        assert_eq!(status, 200);
        *answers.entry(body.split(" instance").next().unwrap().to_string()).or_default() += 1;
    }
    println!("measured: of 400 clients at a weight of 30: {answers:?}");
    let new = answers.iter().find(|(who, _)| who.contains("release 2")).map_or(0, |(_, n)| *n);
    assert!((70..=180).contains(&new), "{answers:?}");

    let load = Load { origin: url.trim_end_matches('/').into(), paths: vec!["/".into()], rate: 50 };
    let load = load.begin();
    up.tow(["rollout", "resume", "ferry"]).exits(0);
    assert!(deploying.wait().unwrap().success());
    assert!(served(&url).contains("release 2"));
    let report = load.end();
    assert!(report.failed.is_empty(), "{report}");
    assert_eq!(up.json(&["rollout", "status", "ferry"]), serde_json::json!([]));
}
