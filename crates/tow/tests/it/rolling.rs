//! A few at a time: never more than may run, never fewer than must serve, and back to all of the old where it fails.

#![allow(clippy::unwrap_used, reason = "a test that can't go on says so by panicking")]

use crate::ferry::{Ferry, TOW, served, status};
use crate::given::{DEVELOPMENT, FOLDER_ONE, FOLDER_TWO, ann, releases_served};
use std::collections::BTreeSet;
use tow_api::deployment::list::ListDeployments;
use tow_api::{Nothing, plan::create::ChangeRequest};
use tow_names::Duration;
use tow_record::{Reason, State};
use tow_testkit::binary::Binary;
use tow_testkit::load::Load;
use tow_testkit::{Person, Script, TestPlatform, To};

const ROLLING: &str = concat!(
    "apiVersion: towpath.dev/v1\nkind: Delivery\nmetadata:\n  name: web\n",
    "spec:\n  component: web\n  workloads:\n    web:\n      replicas: 4\n      strategy: rolling\n",
    "      rolling: {surge: 1}\n",
);

fn rolled(of: &[(&'static str, &'static str)]) -> Vec<(&'static str, &'static str)> {
    let said = |(name, text): &(&'static str, &'static str)| {
        (*name, if *name == "tow.yaml" { ROLLING } else { *text })
    };
    of.iter().map(said).collect()
}

async fn deployed() -> TestPlatform {
    let platform = TestPlatform::start().await;
    let folder = rolled(&FOLDER_ONE);
    ann(&platform).deploy(DEVELOPMENT, &folder, "source one").await.unwrap().unwrap();
    platform.settle().await;
    assert_eq!(releases_served(&platform), [1; 4]);
    platform
}

async fn deployments(person: &Person) -> Vec<(State, Reason, String)> {
    let query = tow_api::deployment::list::Query {
        component: Some("web".into()),
        environment: Some(DEVELOPMENT.into()),
        limit: None,
    };
    let all = person.call::<ListDeployments>(Nothing {}, query, Nothing {}).await.unwrap().items;
    all.into_iter().map(|one| (one.state, one.reason, one.created_by)).collect()
}

#[tokio::test]
async fn one_after_the_other_is_replaced_and_both_releases_serve() {
    let platform = deployed().await;
    let person = ann(&platform);
    for replica in 0..4 {
        let slow = Script::ready_after(Duration::from_secs(2));
        platform.world().script(To::Title(format!("web/{replica} main")), slow);
    }
    let id = person.deploy(DEVELOPMENT, &rolled(&FOLDER_TWO), "source two").await.unwrap().unwrap();
    let mut seen: BTreeSet<Vec<i64>> = BTreeSet::new();
    for _ in 0..200 {
        platform.pass(Duration::from_millis(250)).await;
        let mut served = releases_served(&platform);
        served.sort_unstable();
        assert!(served.len() >= 4, "{served:?}");
        seen.insert(served);
        if person.operation(&id).await.unwrap().finished {
            break;
        }
    }
    assert!(seen.contains(&vec![1, 1, 1, 2]) && seen.contains(&vec![1, 2, 2, 2]), "{seen:?}");
    assert_eq!(releases_served(&platform), [2; 4]);
    // Fresh instances of the same come in the same way.
    person.change("web", DEVELOPMENT, ChangeRequest::Restart).await.unwrap();
    platform.settle().await;
    assert_eq!(releases_served(&platform), [2; 4]);
    platform.finish().await;
}

#[tokio::test]
async fn one_that_never_gets_ready_brings_all_of_the_old_back() {
    let platform = deployed().await;
    let person = ann(&platform);
    platform.world().script(To::Title("web/2 main".into()), Script::never_ready());
    let id = person.deploy(DEVELOPMENT, &rolled(&FOLDER_TWO), "source two").await.unwrap().unwrap();
    for _ in 0..600 {
        platform.pass(Duration::from_millis(500)).await;
        assert!(releases_served(&platform).len() >= 4, "{:?}", releases_served(&platform));
        if person.operation(&id).await.unwrap().finished {
            break;
        }
    }
    let failed = person.operation(&id).await.unwrap();
    // It does not say that anything serves again before it does.
    assert_eq!((failed.state, failed.back_to), (State::Failed, None));
    let events = platform.store().events(Some(0), 1_000, None).await.unwrap();
    let ended = events.into_iter().filter(|event| event.kind == "operation.failed");
    let said: Vec<String> = ended.map(|event| event.body.unwrap().summary).collect();
    assert!(said[0].contains("is deployed again as it was before: "), "{said:?}");
    let again = failed.again.expect("the operation that deploys it again");
    assert!(!person.operation(&again).await.unwrap().finished);
    platform.settle().await;
    let done = person.operation(&again).await.unwrap();
    assert_eq!((done.state, done.deployment, done.failure), (State::Live, Some(3), None));
    assert_eq!(releases_served(&platform), [1; 4]);
    let all = deployments(&person).await;
    let system = "system:rollout".to_string();
    assert_eq!(all[0], (State::Live, Reason::Rollback, system));
    assert_eq!(all[1].0, State::Failed);
    assert_eq!(all.len(), 3, "once");
    platform.finish().await;
}

#[test]
fn no_request_fails_while_four_are_replaced_one_by_one() {
    let up = Binary::up(TOW);
    let mut ferry = Ferry::patient("ferry");
    ferry.delivery.push_str("\nreplicas: 4\nstrategy: rolling\nrolling: {surge: 1}");
    ferry.write();
    up.deploy(ferry.path());
    let url = status(&up, "ferry")["port_url"].as_str().unwrap().to_string();
    served(&url);
    let load =
        Load { origin: url.trim_end_matches('/').into(), paths: vec!["/".into()], rate: 100 };
    let load = load.begin();
    ferry.set("GREETING", "two");
    up.deploy(ferry.path());
    up.tow(["restart", "ferry"]).exits(0);
    let report = load.end();
    assert!(report.failed.is_empty(), "{report}");
    assert!(served(&url).contains("release 2"));
    assert_eq!(status(&up, "ferry")["instances"], serde_json::json!({"ready": 4, "wanted": 4}));
}
