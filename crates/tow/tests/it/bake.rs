//! A release is watched once it serves, and goes back by itself: in a pretended world, where time is ours; and in the real
//! one, under load.

#![allow(clippy::unwrap_used, reason = "a test that can't go on says so by panicking")]
#![allow(clippy::print_stdout, reason = "how long it took is a result")]

use crate::ferry::{Ferry, TOW, served, status};
use crate::given::{FOLDER_ONE, FOLDER_TWO, ann, declare_staging, map, releases_served};
use std::time::{Duration as Wall, Instant};
use tow_api::Nothing;
use tow_api::config::get::{GetConfig, Path as ConfigPath};
use tow_api::deployment::list::{DeploymentView, ListDeployments};
use tow_api::operation::get::OperationView;
use tow_api::plan::create::ChangeRequest;
use tow_api::rollout::abort::AbortRollout;
use tow_api::rollout::list::ListRollouts;
use tow_api::rollout::pause::{Body, PauseRollout};
use tow_api::rollout::resume::ResumeRollout;
use tow_api::status::get::{GetStatus, Query};
use tow_names::{Duration, Id};
use tow_ports::Clock as _;
use tow_record::{Exit, Held, RoutePart, Stage, State};
use tow_testkit::binary::{Binary, until};
use tow_testkit::load::Load;
use tow_testkit::{Person, Script, TestPlatform};

const STAGING: &str = "staging";

/// The first release, in staging, with a route.
async fn deployed() -> TestPlatform {
    let platform = TestPlatform::start().await;
    declare_staging(&platform).await;
    ann(&platform).deploy(STAGING, &folder(&FOLDER_ONE), "source one").await.unwrap().unwrap();
    platform.settle().await;
    assert_eq!(releases_served(&platform), [1, 1]);
    platform
}

type Folder = Vec<(&'static str, &'static str)>;

/// In staging only a resource makes a route.
fn folder(of: &[(&'static str, &'static str)]) -> Folder {
    of.iter()
        .map(|(name, text)| {
            let routed = format!("{text}resources:\n  front: {{type: route}}\n");
            let text = if *name == "score.yaml" { routed.leak() } else { *text };
            (*name, text)
        })
        .collect()
}

/// Some seconds pass, in each of which so many requests come to whoever serves, and some fail.
async fn traffic(platform: &TestPlatform, seconds: u32, requests: u64, errors: u64) {
    for _ in 0..seconds {
        let routes = platform.world().routes().routes;
        for route in &routes {
            let Some(target) = route.targets.last() else { continue };
            let deployment = target.deployment;
            let part = RoutePart { requests, errors, took: vec![0, 0, requests] };
            platform.world().answered(&route.id, deployment, &part);
        }
        platform.pass(Duration::from_secs(1)).await;
    }
}

async fn deploy(platform: &TestPlatform, of: &[(&'static str, &'static str)]) -> String {
    ann(platform).deploy(STAGING, &folder(of), "source two").await.unwrap().unwrap()
}

/// Time passes until it is watched.
async fn till_it_bakes(platform: &TestPlatform) {
    for _ in 0..40 {
        if rollout(&ann(platform)).await.is_some_and(|(stage, _)| stage == Stage::Bake) {
            return;
        }
        platform.pass(Duration::from_millis(500)).await;
    }
    panic!("it never bakes: {:?}", rollout(&ann(platform)).await);
}

/// The stage of the rollout, and who paused it.
async fn rollout(person: &Person) -> Option<(Stage, Option<Held>)> {
    let all =
        person.call::<ListRollouts>(Nothing {}, Query::default(), Nothing {}).await.unwrap().items;
    all.first().map(|one| (one.stage, one.paused.clone()))
}

async fn deployments(person: &Person) -> Vec<DeploymentView> {
    let query = tow_api::deployment::list::Query {
        component: Some("web".into()),
        environment: Some(STAGING.into()),
        limit: None,
    };
    person.call::<ListDeployments>(Nothing {}, query, Nothing {}).await.unwrap().items
}

async fn operation(platform: &TestPlatform, id: &str) -> OperationView {
    ann(platform).operation(id).await.unwrap()
}

fn body() -> Body {
    Body { component: "web".into(), environment: Some(STAGING.into()) }
}

#[tokio::test]
async fn what_does_no_worse_is_live_after_its_time_and_the_old_one_is_warm_until_then() {
    let platform = deployed().await;
    traffic(&platform, 5, 100, 0).await;
    let old: Vec<Id> = platform.world().instances().into_iter().map(|seen| seen.id).collect();
    let person = ann(&platform);
    let plan = person.plan_deploy(STAGING, &folder(&FOLDER_TWO), "source two").await.unwrap();
    let watch = plan.steps.iter().find(|step| step.subject == "bake 30s").unwrap();
    assert_eq!(watch.action, tow_record::Action::Watch);
    let id = deploy(&platform, &FOLDER_TWO).await;
    till_it_bakes(&platform).await;
    assert_eq!(releases_served(&platform), [2, 2]);
    let warm = |platform: &TestPlatform| {
        let all = platform.world().instances();
        all.iter().filter(|seen| old.contains(&seen.id) && seen.ready).count()
    };
    // The worker of before is parked; what answers is not.
    assert_eq!(warm(&platform), 2);
    traffic(&platform, 25, 100, 1).await;
    let view = operation(&platform, &id).await;
    assert!(!view.finished && view.waiting.unwrap().starts_with("the bake, until "));
    let query = Query { component: Some("web".into()), environment: None };
    let lines = ann(&platform).call::<GetStatus>(Nothing {}, query, Nothing {}).await.unwrap();
    assert!(lines.items[0].reason.starts_with("baking until "), "{:?}", lines.items[0]);
    traffic(&platform, 10, 100, 1).await;
    assert_eq!(operation(&platform, &id).await.state, State::Live);
    assert_eq!(warm(&platform), 0);
    platform.finish().await;
}

#[tokio::test]
async fn what_fails_more_often_goes_back_with_its_numbers_and_all_that_was_declared() {
    let platform = deployed().await;
    let person = ann(&platform);
    traffic(&platform, 5, 100, 0).await;
    let set = map(&[("TIDE", "high".to_string())]);
    let id = person
        .change("web", STAGING, ChangeRequest::Config { set, unset: vec![] })
        .await
        .unwrap()
        .unwrap();
    till_it_bakes(&platform).await;
    traffic(&platform, 5, 100, 0).await;
    assert!(!operation(&platform, &id).await.finished);
    let begun = platform.clock().now();
    traffic(&platform, 2, 100, 80).await;
    platform.settle().await;
    let view = operation(&platform, &id).await;
    assert_eq!((view.state, view.back_to), (State::Failed, Some(1)));
    let failure = view.failure.unwrap();
    assert_eq!(failure.gate, "bake");
    assert!(failure.message.contains("requests failed (before: 0% of 500)"), "{failure:?}");
    assert!(platform.clock().now().since(begun) < Duration::from_secs(5));
    // What serves is what is declared.
    let all = deployments(&person).await;
    let states: Vec<State> = all.iter().map(|deployment| deployment.state).collect();
    assert_eq!(states, [State::Failed, State::Live]);
    assert!(all[0].message.starts_with("bake: "), "{all:?}");
    let path = ConfigPath { component: "web".into(), environment: STAGING.into() };
    let config = person.call::<GetConfig>(path, Nothing {}, Nothing {}).await.unwrap();
    assert!(config.values.is_empty(), "{config:?}");
    let runs = platform.world().instances();
    let spec = runs.iter().filter_map(|seen| platform.world().spec(&seen.id));
    assert!(spec.into_iter().all(|spec| !spec.env.contains_key("TIDE")));
    assert_eq!(releases_served(&platform), [1, 1]);
    platform.finish().await;
}

fn titles(view: &OperationView) -> Vec<String> {
    view.steps.iter().map(|step| step.title.clone()).collect()
}

#[tokio::test]
async fn of_few_requests_all_of_which_fail_a_few_are_enough() {
    let platform = deployed().await;
    traffic(&platform, 5, 1, 0).await;
    let id = deploy(&platform, &FOLDER_TWO).await;
    till_it_bakes(&platform).await;
    traffic(&platform, 6, 1, 1).await;
    platform.settle().await;
    let view = operation(&platform, &id).await;
    assert_eq!((view.state, view.back_to), (State::Failed, Some(1)), "{:?}", titles(&view));
    let why = view.failure.as_ref().unwrap().message.clone();
    assert!(why.starts_with("all of 4 requests failed (before: 0% of "), "{why}");
    // The step says why as it is read.
    assert!(titles(&view).contains(&format!("go back to deployment 1: {why}")), "{view:?}");
    assert_eq!(releases_served(&platform), [1, 1]);
    platform.finish().await;
}

#[tokio::test]
async fn what_too_little_came_of_is_not_said_to_have_done_no_worse() {
    let platform = deployed().await;
    let id = deploy(&platform, &FOLDER_TWO).await;
    till_it_bakes(&platform).await;
    let begun = titles(&operation(&platform, &id).await);
    assert!(begun.contains(&"bake for 30s: release 2 answers all clients by now".into()));
    traffic(&platform, 40, 1, 0).await;
    let view = operation(&platform, &id).await;
    assert_eq!(view.state, State::Live);
    let said = "the bake is over: too few requests came to judge it by, at most ";
    let said = titles(&view).into_iter().find(|title| title.starts_with(said));
    assert!(said.is_some_and(|title| title.ends_with(" in 5s where it takes 20")), "{view:?}");
    platform.finish().await;
}

#[tokio::test]
async fn what_ends_goes_back_and_its_last_words_are_kept() {
    let platform = deployed().await;
    let id = deploy(&platform, &FOLDER_TWO).await;
    till_it_bakes(&platform).await;
    traffic(&platform, 3, 100, 0).await;
    let routes = platform.world().routes().routes;
    let target = Id::parse(&routes[0].targets[0].instance).unwrap();
    platform.watch().excuse(&target);
    platform.world().kill(&target, Exit::Signal { signal: 11 });
    platform.settle().await;
    let failure = operation(&platform, &id).await.failure.unwrap();
    assert_eq!(failure.gate, "bake");
    assert!(failure.message.starts_with("web/"), "{failure:?}");
    assert_eq!(failure.instance, Some(target));
    assert_eq!(releases_served(&platform), [1, 1]);
    platform.finish().await;
}

/// Others look once and never again: nobody sees a release that dies minutes after it was healthy.
#[tokio::test]
async fn what_is_ready_no_more_goes_back() {
    let platform = deployed().await;
    let id = deploy(&platform, &FOLDER_TWO).await;
    till_it_bakes(&platform).await;
    traffic(&platform, 20, 100, 0).await;
    let routes = platform.world().routes().routes;
    let target = Id::parse(&routes[0].targets[0].instance).unwrap();
    platform.world().rescript(&target, Script::never_ready());
    platform.watch().excuse(&target);
    platform.settle().await;
    let failure = operation(&platform, &id).await.failure.unwrap();
    assert!(failure.message.contains("is ready no more"), "{failure:?}");
    assert_eq!(releases_served(&platform), [1, 1]);
    platform.finish().await;
}

#[tokio::test]
async fn paused_it_stays_warm_and_broken_off_it_goes_back() {
    let platform = deployed().await;
    let person = ann(&platform);
    let id = deploy(&platform, &FOLDER_TWO).await;
    till_it_bakes(&platform).await;
    let paused = person.call::<PauseRollout>(Nothing {}, Nothing {}, body()).await.unwrap();
    assert_eq!(paused.paused.unwrap().by, "user:default/ann");
    traffic(&platform, 60, 100, 0).await;
    assert!(rollout(&person).await.unwrap().1.is_some());
    assert!(!operation(&platform, &id).await.finished);
    let aborted = person.call::<AbortRollout>(Nothing {}, Nothing {}, body()).await.unwrap();
    assert_eq!(aborted.doing, "goes back to deployment 1: ann broke it off");
    assert_eq!(aborted.aborted_by.as_deref(), Some("user:default/ann"));
    platform.settle().await;
    let view = operation(&platform, &id).await;
    assert_eq!(view.failure.unwrap().gate, "aborted");
    assert_eq!(releases_served(&platform), [1, 1]);
    let none = person.call::<ResumeRollout>(Nothing {}, Nothing {}, body()).await.unwrap_err();
    assert_eq!(none.problem().code, "rollout/none");
    platform.finish().await;
}

#[tokio::test]
async fn a_change_ends_the_watch_of_the_one_before_as_good_and_goes_on() {
    let platform = deployed().await;
    let person = ann(&platform);
    let first = deploy(&platform, &FOLDER_TWO).await;
    till_it_bakes(&platform).await;
    traffic(&platform, 3, 100, 0).await;
    let second = person.change("web", STAGING, ChangeRequest::Restart).await.unwrap().unwrap();
    let view = operation(&platform, &first).await;
    assert_eq!((view.state, view.finished), (State::Live, true));
    let last = view.steps.last().unwrap();
    assert!(last.title.starts_with("the bake ends early and as good"), "{last:?}");
    platform.settle().await;
    assert_eq!(operation(&platform, &second).await.state, State::Live);
    assert_eq!(releases_served(&platform), [2, 2]);
    platform.finish().await;
}

#[tokio::test]
async fn whoever_goes_on_after_a_death_knows_what_was_seen() {
    let platform = deployed().await;
    traffic(&platform, 5, 100, 0).await;
    let id = deploy(&platform, &FOLDER_TWO).await;
    till_it_bakes(&platform).await;
    traffic(&platform, 3, 100, 0).await;
    let platform = platform.restart().await;
    traffic(&platform, 1, 100, 90).await;
    let platform = platform.restart().await;
    traffic(&platform, 1, 100, 90).await;
    platform.settle().await;
    assert_eq!(operation(&platform, &id).await.failure.unwrap().gate, "bake");
    assert_eq!(releases_served(&platform), [1, 1]);
    platform.finish().await;
}

/// An environment of the real platform in which releases are watched.
fn watched(up: &Binary, time: &str) {
    let file = up.home().join("staging.yaml");
    std::fs::write(
        &file,
        format!(
            "apiVersion: towpath.dev/v1\nkind: Environment\nmetadata:\n  name: development\nspec:\n  tier: development\n  \
             runtime: local\n  bake: {{for: {time}, window: 5s}}\n"
        ),
    )
    .unwrap();
    up.tow(["apply", "-f", &file.display().to_string()]).exits(0);
}

#[test]
fn a_release_that_turns_bad_under_load_is_reverted_and_nothing_else_fails() {
    let up = Binary::up(TOW);
    watched(&up, "20s");
    let mut ferry = Ferry::patient("ferry");
    up.deploy(ferry.path());
    let url = status(&up, "ferry")["port_url"].as_str().unwrap().to_string();
    assert!(served(&url).contains("release 1"));
    let origin = url.trim_end_matches('/').to_string();
    let load = Load { origin, paths: vec!["/".into()], rate: 100 }.begin();
    until("the old one was asked often enough", || load.asked() > 100);

    let began = Instant::now();
    ferry.set("BAD_AFTER", "6000");
    let done = up.command(["deploy", &ferry.text()]).output().unwrap();
    let (said, took) = (String::from_utf8_lossy(&done.stderr).into_owned(), began.elapsed());
    assert_eq!(done.status.code(), Some(1), "{said}");
    assert!(said.contains("requests failed (before: 0% of "), "{said}");
    assert!(said.contains("deployment 1 serves again"), "{said}");
    assert!(served(&url).contains("release 1"));
    let report = load.end();
    let times = || report.failed.iter().map(|failed| failed.at);
    let bad_for = times().max().unwrap_or_default() - times().min().unwrap_or_default();
    println!(
        "measured: a release bad 6 s after its start answered badly for {bad_for:.1?} and was reverted {took:.1?} after \
         tow deploy; {report}"
    );
    // Six seconds well, then at most a window's first looks and the way back.
    assert!(took < Wall::from_secs(14), "{took:?}");
    for failed in &report.failed {
        assert!(failed.why.starts_with("500"), "{report}");
        assert!(failed.why.contains("release 2"), "{report}");
    }
    let bad = report.failed.len() as u64;
    assert!(bad > 0 && bad < 100 * 5, "{report}");
    // Nothing is left of it.
    let all = up.json(&["deployments", "-c", "ferry"]);
    assert_eq!(all[0]["state"], "failed");
    assert_eq!(all[1]["state"], "live");
    assert_eq!(up.json(&["ps", "ferry"]).as_array().unwrap().len(), 1);
}

#[test]
fn what_is_deployed_again_is_waited_for_before_it_is_said_to_serve() {
    let up = Binary::up(TOW);
    watched(&up, "60s");
    let mut ferry = Ferry::patient("ferry");
    // The old one is stopped first: nothing is warm.
    ferry.delivery.push_str("\nstrategy: recreate");
    ferry.write();
    up.deploy(ferry.path());
    let url = status(&up, "ferry")["port_url"].as_str().unwrap().to_string();
    ferry.set("GREETING", "two");
    let mut deploy = up.command(["deploy", &ferry.text()]);
    let deploying = std::thread::spawn(move || deploy.output().unwrap());
    until("it is watched", || {
        let all = up.json(&["rollout", "status", "ferry"]);
        all[0]["stage"] == "bake"
    });
    up.tow(["rollout", "abort", "ferry"]).exits(0);
    let done = deploying.join().unwrap();
    let said = String::from_utf8_lossy(&done.stderr).into_owned();
    assert!(served(&url).contains("release 1"), "{said}");
    assert_eq!(done.status.code(), Some(1), "{said}");
    assert!(said.contains("broke it off"), "{said}");
    assert!(said.contains("nothing of what was before is left to go back to"), "{said}");
    assert!(said.contains("release 1 serves again, as deployment 3"), "{said}");
    // The hint of the failure shows it whole, whoever asks, whenever.
    assert!(said.contains("`tow deployments ferry 2`"), "{said}");
    let whole = up.tow(["deployments", "ferry", "2"]).exits(0).out;
    assert!(whole.contains("aborted: admin broke it off"), "{whole}");
    assert!(whole.contains("what was before was deployed again"), "{whole}");
    assert!(whole.contains("› take over with "), "{whole}");
}
