//! Two things in one moment: what people say just as a release takes over, or before it was done with.

#![allow(clippy::unwrap_used, reason = "a test that can't go on says so by panicking")]

use crate::given::{
    DEVELOPMENT, FOLDER_ONE, FOLDER_TWO, ann, declare_watched, releases_served, taking_over,
};
use tow_api::Nothing;
use tow_api::plan::create::ChangeRequest;
use tow_api::rollout::abort::AbortRollout;
use tow_api::rollout::pause::{Body, PauseRollout};
use tow_names::Duration;
use tow_platform::AppError;
use tow_record::{Effect, Operation, Placement, RunKind, Stage, State, StepRow};
use tow_store::Find;
use tow_testkit::{Fault, Person, TestPlatform, Watch};

fn body() -> Body {
    Body { component: "web".into(), environment: Some(DEVELOPMENT.into()) }
}

async fn abort(person: &Person) -> Result<(), AppError> {
    person.call::<AbortRollout>(Nothing {}, Nothing {}, body()).await.map(drop)
}

async fn pause(person: &Person) -> Result<(), AppError> {
    person.call::<PauseRollout>(Nothing {}, Nothing {}, body()).await.map(drop)
}

fn code(error: &AppError) -> String {
    error.problem().code
}

async fn under_way(platform: &TestPlatform) -> Option<Operation> {
    let open = Find { open: Some(true), ..Find::default() };
    let rows = platform.store().list::<Operation>(open).await.unwrap();
    rows.into_iter().map(|row| row.value).next()
}

/// Deploys, and stops in the moment in which the last switch was begun and the gateway has not answered.
async fn till_the_last_switch_waits(platform: &TestPlatform, of: &[(&str, &str)]) -> String {
    platform.world().edge_reachable(false);
    let id = ann(platform).deploy(DEVELOPMENT, of, "source").await.unwrap().unwrap();
    for _ in 0..100 {
        platform.pass(Duration::from_millis(100)).await;
        let op = under_way(platform).await.unwrap();
        let placements = platform.store().list::<Placement>(Find::default()).await.unwrap();
        if op.deployment.is_some()
            && placements.iter().any(|row| Some(row.value.deployment) == op.deployment)
        {
            assert!(!op.switched);
            return id;
        }
    }
    panic!("it never comes to its switch: {:?}", under_way(platform).await);
}

#[tokio::test]
async fn what_is_broken_off_while_its_last_switch_waits_takes_over_and_goes_back() {
    let platform = TestPlatform::start().await;
    let person = ann(&platform);
    person.deploy(DEVELOPMENT, &FOLDER_ONE, "source one").await.unwrap().unwrap();
    platform.settle().await;
    // Nobody watches it here: else it would wait to be judged anyhow.
    let id = till_the_last_switch_waits(&platform, &FOLDER_TWO).await;
    let refused = pause(&person).await.unwrap_err();
    assert_eq!(code(&refused), "rollout/over", "{refused:?}");
    abort(&person).await.unwrap();
    platform.world().edge_reachable(true);
    platform.settle().await;
    assert_eq!(releases_served(&platform), [1, 1]);
    let view = person.operation(&id).await.unwrap();
    assert_eq!((view.state, view.back_to), (State::Failed, Some(1)));
    let failure = view.failure.unwrap();
    assert_eq!((failure.gate.as_str(), failure.message.as_str()), ("aborted", "ann broke it off"));
    platform.finish().await;
}

#[tokio::test]
async fn a_first_release_is_not_broken_off_any_more_once_it_takes_over() {
    let platform = TestPlatform::start().await;
    let person = ann(&platform);
    let id = till_the_last_switch_waits(&platform, &FOLDER_ONE).await;
    let refused = abort(&person).await.unwrap_err();
    assert_eq!(code(&refused), "rollout/over", "{refused:?}");
    platform.world().edge_reachable(true);
    platform.settle().await;
    assert_eq!(person.operation(&id).await.unwrap().state, State::Live);
    platform.finish().await;
}

#[tokio::test]
async fn what_is_broken_off_is_ended_as_good_by_no_other_deploy() {
    let platform = TestPlatform::start().await;
    declare_watched(&platform).await;
    let person = ann(&platform);
    person.deploy(DEVELOPMENT, &FOLDER_ONE, "source one").await.unwrap().unwrap();
    platform.settle().await;
    let id = person.deploy(DEVELOPMENT, &FOLDER_TWO, "source two").await.unwrap().unwrap();
    while under_way(&platform).await.unwrap().progress.stage != Stage::Bake {
        platform.pass(Duration::from_millis(100)).await;
    }
    abort(&person).await.unwrap();
    let refused = person.change("web", DEVELOPMENT, ChangeRequest::Restart).await.unwrap_err();
    assert_eq!(code(&refused), "operation/under-way", "{refused:?}");
    platform.settle().await;
    assert_eq!(person.operation(&id).await.unwrap().back_to, Some(1));
    // What is only paused is ended, as what bakes always is.
    let id = person.deploy(DEVELOPMENT, &FOLDER_TWO, "source two").await.unwrap().unwrap();
    while under_way(&platform).await.unwrap().progress.stage != Stage::Bake {
        platform.pass(Duration::from_millis(100)).await;
    }
    pause(&person).await.unwrap();
    person.change("web", DEVELOPMENT, ChangeRequest::Restart).await.unwrap().unwrap();
    assert_eq!(person.operation(&id).await.unwrap().state, State::Live);
    platform.settle().await;
    assert_eq!(releases_served(&platform), [2, 2]);
    platform.finish().await;
}

/// The moment is between two commits of one look: it is found among the images of all deaths.
#[tokio::test]
async fn no_other_deploy_takes_a_command_away_that_comes_after_the_switch() {
    let platform = TestPlatform::start_watched(Watch::new(Fault::Record)).await;
    declare_watched(&platform).await;
    let person = ann(&platform);
    person.deploy(DEVELOPMENT, &FOLDER_ONE, "source one").await.unwrap().unwrap();
    platform.settle().await;
    drop(platform.watch().images());
    let two = taking_over(&FOLDER_TWO, "      postDeploy: [./warm]\n");
    person.deploy(DEVELOPMENT, &two, "source two").await.unwrap().unwrap();
    while under_way(&platform).await.unwrap().progress.stage != Stage::Bake {
        platform.pass(Duration::from_millis(100)).await;
    }
    let images = platform.watch().images();
    platform.kill();
    let mut moments = 0;
    for image in images {
        let platform = TestPlatform::revive(&image, Watch::new(Fault::None)).await;
        let begun = match under_way(&platform).await {
            Some(op) if op.progress.stage == Stage::Bake => commanded(&platform, &op).await,
            _ => true,
        };
        if begun {
            platform.kill();
            continue;
        }
        moments += 1;
        let person = ann(&platform);
        let refused = person.change("web", DEVELOPMENT, ChangeRequest::Restart).await.unwrap_err();
        assert_eq!(code(&refused), "operation/under-way", "{refused:?}");
        platform.pass(Duration::from_secs(1)).await;
        let op = under_way(&platform).await.unwrap();
        assert!(op.finished_at.is_none() && commanded(&platform, &op).await);
        platform.kill();
    }
    assert!(moments > 0, "nobody ever looked between the switch and its command");
}

/// Was the command after the switch begun?
async fn commanded(platform: &TestPlatform, op: &Operation) -> bool {
    let id = tow_record::Run::of_operation(&op.id, op.started_at, "web", RunKind::PostDeploy);
    let find = Find { subject: Some(op.id.to_string()), ..Find::default() };
    let rows = platform.store().list::<StepRow>(find).await.unwrap();
    rows.iter().any(|row| row.value.step.effect == Effect::Run { run: id.clone() })
}
