//! What others shipped and had to mend: each a test that it does not happen here, named after the bug. What concerns the
//! gateway's own files is tested there.

#![allow(clippy::unwrap_used, reason = "a test that can't go on says so by panicking")]

use crate::given::{
    DEVELOPMENT, FOLDER_ONE, FOLDER_TWO, FOLDER_UNREADY, ann, declare_watched, map,
    releases_served, taking_over,
};
use std::collections::{BTreeMap, BTreeSet};
use tow_api::Nothing;
use tow_api::plan::create::ChangeRequest;
use tow_api::status::get::{GetStatus, Query};
use tow_names::{Duration, Id};
use tow_record::{ObservedInstance, RoutePart, State};
use tow_testkit::{Script, TestPlatform, To};

async fn deployed() -> TestPlatform {
    let platform = TestPlatform::start().await;
    ann(&platform).deploy(DEVELOPMENT, &FOLDER_ONE, "source one").await.unwrap().unwrap();
    platform.settle().await;
    assert_eq!(releases_served(&platform), [1, 1]);
    platform
}

/// Those that run.
fn running(platform: &TestPlatform) -> BTreeSet<Id> {
    let all = platform.world().instances().into_iter().filter(ObservedInstance::may_run);
    all.map(|seen| seen.id).collect()
}

/// flyctl #3297: old machines were destroyed as soon as new ones had been let in, before the edge knew of those.
#[tokio::test]
async fn flyctl_3297_nothing_old_is_stopped_before_the_edge_knows_of_the_new() {
    let platform = deployed().await;
    let old = running(&platform);
    platform.world().edge_reachable(false);
    ann(&platform).deploy(DEVELOPMENT, &FOLDER_TWO, "source two").await.unwrap().unwrap();
    for _ in 0..30 {
        platform.pass(Duration::from_secs(2)).await;
        assert!(old.is_subset(&running(&platform)), "the edge does not know yet");
    }
    platform.world().edge_reachable(true);
    platform.settle().await;
    assert_eq!(releases_served(&platform), [2, 2]);
    assert!(old.is_disjoint(&running(&platform)));
    platform.finish().await;
}

/// flyctl #3359, #3599, #4886: going back killed healthy new machines, did not see those that had been begun and broken off,
/// and left some that served on; and failed deploys multiplied machines by hundreds.
#[tokio::test]
async fn flyctl_3359_going_back_leaves_what_was_before_and_nothing_else() {
    let platform = TestPlatform::start().await;
    declare_watched(&platform).await;
    let person = ann(&platform);
    person.deploy(DEVELOPMENT, &FOLDER_ONE, "source one").await.unwrap().unwrap();
    platform.settle().await;
    let before = running(&platform);
    for failing in 0..6 {
        // In turn: one that never gets ready, and one that serves and fails.
        let (folder, source) = match failing % 2 {
            0 => (&FOLDER_UNREADY, "source three"),
            _ => (&FOLDER_TWO, "source two"),
        };
        let id = person.deploy(DEVELOPMENT, folder, source).await.unwrap().unwrap();
        for _ in 0..6 {
            platform.pass(Duration::from_secs(1)).await;
            let routes = platform.world().routes().routes;
            let target = routes[0].targets[0].clone();
            if target.release != 1 {
                let part = RoutePart { requests: 50, errors: 50, took: vec![50] };
                platform.world().answered(&routes[0].id, target.deployment, &part);
            }
        }
        platform.settle().await;
        assert_eq!(person.operation(&id).await.unwrap().state, State::Failed, "{failing}");
        assert_eq!(releases_served(&platform), [1, 1]);
        let now = running(&platform);
        assert_eq!(now.len(), before.len(), "{failing}: {now:?}");
        // What answers is what answered, and not another one like it: only workers were parked.
        assert_eq!(now.intersection(&before).count(), 2 + usize::from(failing == 0));
    }
    platform.finish().await;
}

/// Kamal #1553 waited for ever where one of several never got healthy; #1041, #1139 and #834 did not say why.
#[tokio::test]
async fn kamal_1553_a_deploy_ends_and_says_which_probe_did_not_hold() {
    for how in ["", "      strategy: rolling\n", "      strategy: canary\n"] {
        let platform = deployed().await;
        let person = ann(&platform);
        platform.world().script(To::Title("web/1 main".into()), Script::never_ready());
        let folder = taking_over(&FOLDER_TWO, how);
        let id = person.deploy(DEVELOPMENT, &folder, "source two").await.unwrap().unwrap();
        platform.pass(Duration::from_secs(75)).await;
        let failure = person.operation(&id).await.unwrap().failure.expect("it ends in time");
        assert_eq!(failure.gate, "deadline", "{how}");
        assert!(
            failure.message.contains("web/1 main to become ready: connect to port"),
            "{failure:?}"
        );
        assert!(failure.instance.is_some());
        platform.world().script(To::Title("web/1 main".into()), Script::default());
        platform.settle().await;
        assert_eq!(releases_served(&platform), [1, 1], "{how}");
        platform.finish().await;
    }
}

/// kamal-proxy asks a target no more once it was healthy; Railway the same.
#[tokio::test]
async fn kamal_proxy_asks_no_more_but_here_what_sickens_is_not_routed_to() {
    let platform = TestPlatform::start().await;
    declare_watched(&platform).await;
    let person = ann(&platform);
    person.deploy(DEVELOPMENT, &FOLDER_ONE, "source one").await.unwrap().unwrap();
    platform.settle().await;
    let sick = Id::parse(&platform.world().routes().routes[0].targets[0].instance).unwrap();
    // Long after it was let in, and after every watch.
    platform.pass(Duration::from_secs(600)).await;
    platform.watch().excuse(&sick);
    platform.world().rescript(&sick, Script::never_ready());
    platform.act().await;
    assert_eq!(releases_served(&platform), [1], "the other one answers");
    platform.world().rescript(&sick, Script::default());
    platform.act().await;
    assert_eq!(releases_served(&platform), [1, 1]);
    platform.finish().await;
}

/// frankendeploy #44 and #72: going back forgot mounts, variables, health checks and workers.
#[tokio::test]
async fn frankendeploy_44_going_back_is_a_deploy_like_any_other() {
    let platform = TestPlatform::start().await;
    let person = ann(&platform);
    person.deploy(DEVELOPMENT, &FOLDER_ONE, "source one").await.unwrap().unwrap();
    platform.settle().await;
    let set = map(&[("TIDE", "low".to_string())]);
    person.change("web", DEVELOPMENT, ChangeRequest::Config { set, unset: vec![] }).await.unwrap();
    platform.settle().await;
    // What each is run with.
    let specs = |platform: &TestPlatform| -> BTreeMap<String, String> {
        let all = platform.world().instances();
        let specs = all.iter().filter_map(|seen| platform.world().spec(&seen.id));
        let plain = specs.map(|mut spec| {
            // What tells one start from another.
            let own = ["TOW_INSTANCE", "TOW_DEPLOYMENT"];
            spec.env.retain(|name, _| !name.starts_with("PORT") && !own.contains(&name.as_str()));
            let told = format!(
                "{:?} {:?} {:?} {:?} {:?} {:?} {:?}",
                spec.program,
                spec.env,
                spec.files,
                spec.artifact,
                spec.grace,
                spec.successes,
                spec.setting.mounts
            );
            (spec.title, told)
        });
        plain.collect()
    };
    let first = specs(&platform);
    let set = map(&[("TIDE", "high".to_string())]);
    person.change("web", DEVELOPMENT, ChangeRequest::Config { set, unset: vec![] }).await.unwrap();
    platform.settle().await;
    person.deploy(DEVELOPMENT, &FOLDER_TWO, "source two").await.unwrap().unwrap();
    platform.settle().await;
    assert_ne!(specs(&platform), first);
    person.change("web", DEVELOPMENT, ChangeRequest::Rollback { to: Some(2) }).await.unwrap();
    platform.settle().await;
    assert_eq!(specs(&platform), first);
    // And it is gated like any other: what does not get ready does not serve.
    platform.world().script(To::Title("mail/0".into()), Script::never_ready());
    let to = ChangeRequest::Rollback { to: Some(4) };
    let id = person.change("web", DEVELOPMENT, to).await.unwrap().unwrap();
    platform.settle().await;
    assert_eq!(person.operation(&id).await.unwrap().failure.unwrap().gate, "deadline");
    platform.finish().await;
}

/// Dokku #5435: the web was switched, its worker failed, and the site was down.
#[tokio::test]
async fn dokku_5435_the_workloads_of_a_release_take_over_together_or_not_at_all() {
    for how in ["", "      strategy: rolling\n", "      strategy: canary\n"] {
        let platform = deployed().await;
        let person = ann(&platform);
        let folder = taking_over(&FOLDER_UNREADY, how);
        let id = person.deploy(DEVELOPMENT, &folder, "source three").await.unwrap().unwrap();
        platform.settle().await;
        let view = person.operation(&id).await.unwrap();
        assert_eq!(view.state, State::Failed, "{how}");
        assert!(view.failure.unwrap().message.contains("mail/0 main"), "{how}");
        assert_eq!(releases_served(&platform), [1, 1], "{how}");
        let releases: BTreeSet<String> = running(&platform)
            .iter()
            .filter_map(|id| platform.world().spec(id)?.env.get("TOW_RELEASE").cloned())
            .collect();
        assert_eq!(releases, BTreeSet::from(["1".to_string()]), "{how}: workers too");
        platform.finish().await;
    }
}

/// Dokploy #3987: it said «done» once it had been asked, and what served was another one.
#[tokio::test]
async fn dokploy_3987_live_is_what_the_gateway_serves() {
    let platform = deployed().await;
    let person = ann(&platform);
    platform.world().edge_reachable(false);
    let id = person.deploy(DEVELOPMENT, &FOLDER_TWO, "source two").await.unwrap().unwrap();
    platform.pass(Duration::from_secs(30)).await;
    let view = person.operation(&id).await.unwrap();
    assert_eq!((view.state, view.finished), (State::Rolling, false));
    let query = Query { component: Some("web".into()), environment: None };
    let lines = person.call::<GetStatus>(Nothing {}, query, Nothing {}).await.unwrap();
    assert!(lines.items.iter().all(|line| line.state == State::Rolling), "{lines:?}");
    platform.world().edge_reachable(true);
    platform.settle().await;
    assert_eq!(person.operation(&id).await.unwrap().state, State::Live);
    assert_eq!(releases_served(&platform), [2, 2]);
    platform.finish().await;
}
