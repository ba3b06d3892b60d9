//! What a rollout promises, asked for through the front door and seen in a pretended world.

#![allow(clippy::unwrap_used, reason = "a test that can't go on says so by panicking")]

use crate::given::{
    DEVELOPMENT, FOLDER_ONE, FOLDER_TWO, FOLDER_UNREADY, ann, declare_staging, map, releases_served,
};
use futures::StreamExt as _;
use tow_api::config::get::{GetConfig, Path as ConfigPath};
use tow_api::deployment::get::{GetDeployment, Path as DeploymentPath};
use tow_api::deployment::list::{DeploymentView, ListDeployments};
use tow_api::instance::list::ListInstances;
use tow_api::object::delete::DeleteObject;
use tow_api::plan::create::ChangeRequest;
use tow_api::status::get::{GetStatus, Query, Reply as Status};
use tow_api::{Nothing, log::stream};
use tow_names::{Duration, Id, Namespace};
use tow_platform::ReconcileError;
use tow_ports::{Clock as _, Edge as _, PortError, Runtime as _};
use tow_record::{Exit, State};
use tow_testkit::{Person, Script, TestPlatform, To, change};

async fn deployed() -> TestPlatform {
    let platform = TestPlatform::start().await;
    let folder = &FOLDER_ONE;
    ann(&platform).deploy(DEVELOPMENT, folder, "source one").await.unwrap().expect("an operation");
    platform.settle().await;
    assert_eq!(releases_served(&platform), [1, 1]);
    platform
}

async fn status(person: &Person) -> Status {
    let query = Query { component: Some("web".into()), environment: None };
    person.call::<GetStatus>(Nothing {}, query, Nothing {}).await.unwrap()
}

async fn deployments(person: &Person) -> Vec<DeploymentView> {
    let query = tow_api::deployment::list::Query {
        component: Some("web".into()),
        environment: Some(DEVELOPMENT.into()),
        limit: None,
    };
    person.call::<ListDeployments>(Nothing {}, query, Nothing {}).await.unwrap().items
}

async fn instances(person: &Person) -> Vec<String> {
    let query = Query { component: Some("web".into()), environment: None };
    let all = person.call::<ListInstances>(Nothing {}, query, Nothing {}).await.unwrap();
    all.items.into_iter().map(|instance| instance.instance).collect()
}

fn code(error: &tow_platform::AppError) -> String {
    error.problem().code
}

#[tokio::test]
async fn workloads_switch_as_one() {
    let platform = deployed().await;
    let slow = Script::ready_after(Duration::from_secs(7));
    platform.world().script(To::Title("mail/0".into()), slow);
    ann(&platform).deploy(DEVELOPMENT, &FOLDER_TWO, "source two").await.unwrap();
    for _ in 0..6 {
        platform.pass(Duration::from_secs(1)).await;
        assert_eq!(
            releases_served(&platform),
            [1, 1],
            "the web was ready long ago, the mail is not"
        );
    }
    platform.settle().await;
    assert_eq!(releases_served(&platform), [2, 2]);
    platform.finish().await;
}

#[tokio::test]
async fn a_worker_that_fails_keeps_all_of_the_old_and_says_why() {
    let platform = deployed().await;
    let ann = ann(&platform);
    let before = instances(&ann).await;
    let mute =
        Script { says: vec!["cannot reach the post office".into()], ..Script::never_ready() };
    platform.world().script(To::Title("mail/0".into()), mute);
    let operation =
        ann.deploy(DEVELOPMENT, &FOLDER_UNREADY, "source three").await.unwrap().unwrap();
    platform.settle().await;
    let view = ann.operation(&operation).await.unwrap();
    assert_eq!((view.state, view.finished), (State::Failed, true));
    let failure = view.failure.expect("it says why");
    assert_eq!(failure.gate, "deadline");
    assert!(
        failure.message.starts_with("not ready within 1m; waited for mail/0 main"),
        "{failure:?}"
    );
    assert!(failure.log.contains(&"cannot reach the post office".to_string()), "{failure:?}");
    // Nobody need have waited for it: the deployment tells the same for as long as it is kept.
    let path = |number| DeploymentPath {
        component: "web".into(),
        environment: DEVELOPMENT.into(),
        number,
    };
    let whole = ann.call::<GetDeployment>(path(2), Nothing {}, Nothing {}).await.unwrap();
    assert_eq!(whole.operation.unwrap().failure, Some(failure.clone()));
    assert!(whole.deployment.message.contains(&failure.message), "{:?}", whole.deployment);
    let seen = platform.viewer();
    let seen = seen.call::<GetDeployment>(path(2), Nothing {}, Nothing {}).await.unwrap();
    assert_eq!(seen.operation.unwrap().failure.unwrap().log, Vec::<String>::new());
    let none = ann.call::<GetDeployment>(path(9), Nothing {}, Nothing {}).await.unwrap_err();
    assert_eq!(none.problem().detail, "deployment 9 of web in development is not there");
    let seen = platform.viewer().operation(&operation).await.unwrap().failure.unwrap();
    assert_eq!((seen.message, seen.log), (failure.message, vec![]), "logs are their owners'");
    assert_eq!(releases_served(&platform), [1, 1]);
    assert_eq!(instances(&ann).await, before, "not one of the old was touched");
    let states: Vec<State> = deployments(&ann).await.iter().map(|d| d.state).collect();
    assert_eq!(states, [State::Failed, State::Live]);
    assert!(status(&ann).await.items.iter().all(|line| line.state == State::Live));
    platform.finish().await;
}

#[tokio::test]
async fn what_ends_again_and_again_fails_long_before_the_deadline() {
    let platform = deployed().await;
    platform.world().script(To::Title("web/1 main".into()), Script::crash_loops());
    let ann = ann(&platform);
    let begun = platform.clock().now();
    let operation = ann.deploy(DEVELOPMENT, &FOLDER_TWO, "source two").await.unwrap().unwrap();
    platform.settle().await;
    let failure = ann.operation(&operation).await.unwrap().failure.expect("it says why");
    assert_eq!(failure.gate, "start");
    assert!(failure.message.contains("web/1 main"), "{}", failure.message);
    assert!(platform.clock().now().since(begun) < Duration::from_secs(30));
    platform.finish().await;
}

#[tokio::test]
async fn staging_wants_it_healthy_for_a_while() {
    let platform = TestPlatform::start().await;
    declare_staging(&platform).await;
    let ann = ann(&platform);
    let operation = ann.deploy("staging", &FOLDER_ONE, "source one").await.unwrap().unwrap();
    platform.pass(Duration::from_millis(1_500)).await;
    let view = ann.operation(&operation).await.unwrap();
    assert!(!view.finished, "everything was ready within 30 ms, which is not enough");
    assert_eq!(view.waiting.as_deref(), Some("min_healthy_time to pass"));
    platform.pass(Duration::from_millis(1_500)).await;
    assert_eq!(ann.operation(&operation).await.unwrap().state, State::Live);
    platform.finish().await;
}

/// The instance that the first route leads to.
fn target(platform: &TestPlatform) -> Id {
    let routes = platform.world().routes().routes;
    Id::parse(&routes[0].targets[0].instance).unwrap()
}

#[tokio::test]
async fn requests_in_flight_are_waited_for() {
    let platform = deployed().await;
    let old = target(&platform);
    platform.world().in_flight(&old, 3);
    ann(&platform).deploy(DEVELOPMENT, &FOLDER_TWO, "source two").await.unwrap();
    platform.pass(Duration::from_secs(5)).await;
    assert_eq!(releases_served(&platform), [2, 2], "the switch does not wait");
    let there = |platform: &TestPlatform| {
        platform.world().instances().iter().any(|seen| seen.id == old && seen.may_run())
    };
    assert!(there(&platform), "but the old one is let finish");
    platform.world().in_flight(&old, 0);
    platform.pass(Duration::from_secs(2)).await;
    assert!(!there(&platform));
    platform.finish().await;
}

#[tokio::test]
async fn but_not_for_ever() {
    let platform = deployed().await;
    let old = target(&platform);
    platform.world().in_flight(&old, 3);
    ann(&platform).deploy(DEVELOPMENT, &FOLDER_TWO, "source two").await.unwrap();
    platform.pass(Duration::from_secs(12)).await;
    assert!(platform.world().instances().iter().all(|seen| seen.id != old));
    platform.finish().await;
}

#[tokio::test]
async fn a_machine_that_starts_again_runs_what_it_ran() {
    let platform = deployed().await;
    let ann = ann(&platform);
    let running = |platform: &TestPlatform| {
        let all = platform.world().instances().into_iter().filter(|seen| seen.pid.is_some());
        all.map(|seen| seen.id).collect::<Vec<_>>()
    };
    let before = running(&platform);
    platform.world().reboot();
    let platform = platform.restart().await;
    platform.settle().await;
    assert_eq!(releases_served(&platform), [1, 1]);
    assert_eq!(deployments(&ann).await.len(), 1, "a repair is no deployment");
    let after = running(&platform);
    assert!(after.len() == before.len() && after.iter().all(|id| !before.contains(id)));
    platform.finish().await;
}

#[tokio::test]
async fn what_is_killed_or_unready_is_not_routed_to_until_it_is_back() {
    let platform = deployed().await;
    let ann = ann(&platform);
    let one = target(&platform);
    platform.watch().excuse(&one);
    platform.world().kill(&one, Exit::Signal { signal: 9 });
    platform.act().await;
    assert_eq!(releases_served(&platform), [1]);
    platform.settle().await;
    assert_eq!(releases_served(&platform), [1, 1]);
    assert!(platform.world().instances().iter().any(|seen| seen.id == one), "by the same instance");

    platform.world().rescript(&one, Script::never_ready());
    platform.act().await;
    assert_eq!(releases_served(&platform), [1]);
    let web = status(&ann).await.items.into_iter().find(|line| line.workload == "web").unwrap();
    assert_eq!(web.state, State::Degraded);
    assert_eq!((web.instances.ready, web.instances.wanted), (1, 2));
    assert!(!web.reason.is_empty());
    platform.world().rescript(&one, Script::default());
    platform.act().await;
    assert_eq!(releases_served(&platform), [1, 1]);
    platform.finish().await;
}

#[tokio::test]
async fn a_stale_plan_says_what_moved() {
    let platform = deployed().await;
    let ann = ann(&platform);
    let plan = ann.plan(change("web", DEVELOPMENT, ChangeRequest::Restart)).await.unwrap();
    platform
        .admin()
        .declare(
            "apiVersion: towpath.dev/v1\nkind: Environment\nmetadata:\n  name: development\nspec:\n  \
             tier: development\n  runtime: local\n  variables:\n    LOG: debug\n",
        )
        .await
        .unwrap();
    let refused = ann.apply(&plan.id).await.unwrap_err();
    assert_eq!(code(&refused), "plan/stale");
    assert!(refused.problem().detail.contains("environment development was changed"), "{refused}");
    platform.finish().await;
}

#[tokio::test]
async fn of_two_deploys_at_once_one_is_told_of_the_other() {
    let platform = deployed().await;
    let ann = ann(&platform);
    let one = ann.plan_deploy(DEVELOPMENT, &FOLDER_TWO, "source two").await.unwrap();
    let other = ann.plan(change("web", DEVELOPMENT, ChangeRequest::Restart)).await.unwrap();
    let (one, other) = futures::join!(ann.apply(&one.id), ann.apply(&other.id));
    let refused = match (one, other) {
        (Ok(_), Err(refused)) | (Err(refused), Ok(_)) => refused,
        both => panic!("{both:?}"),
    };
    assert_eq!(code(&refused), "operation/under-way", "{refused}");
    assert!(refused.problem().detail.contains("user:default/ann"), "{refused}");
    platform.finish().await;
}

#[tokio::test]
async fn a_request_that_is_repeated_is_done_once() {
    let platform = TestPlatform::start().await;
    let ann = ann(&platform).repeating("once");
    let first = ann.deploy(DEVELOPMENT, &FOLDER_ONE, "source one").await.unwrap();
    let again = ann.deploy(DEVELOPMENT, &FOLDER_ONE, "source one").await.unwrap();
    assert_eq!(first, again);
    platform.settle().await;
    assert_eq!(first, ann.deploy(DEVELOPMENT, &FOLDER_ONE, "source one").await.unwrap());
    assert_eq!(deployments(&ann).await.len(), 1);
    let differs = ann.deploy(DEVELOPMENT, &FOLDER_TWO, "source two").await.unwrap_err();
    assert_eq!(code(&differs), "idempotency/differs");
    platform.finish().await;
}

#[tokio::test]
async fn a_request_that_comes_twice_at_once_gets_one_answer() {
    use tow_api::access::token_create::{Body, CreateToken};
    let platform = TestPlatform::start().await;
    let ann = ann(&platform).repeating("twice");
    let ask = || {
        let body = Body {
            note: "a twin's".into(),
            owner: None,
            role: None,
            actions: None,
            only: None,
            expires_in: None,
        };
        ann.call::<CreateToken>(Nothing {}, Nothing {}, body)
    };
    let (one, other) = futures::join!(ask(), ask());
    let (one, other) = (one.unwrap(), other.unwrap());
    assert_eq!(one.id, other.id, "one was made");
    assert!(one.token.is_some() != other.token.is_some(), "and shown once");
    platform.finish().await;
}

#[tokio::test]
async fn back_to_any_deployment_that_was_good() {
    let platform = deployed().await;
    let ann = ann(&platform);
    ann.deploy(DEVELOPMENT, &FOLDER_TWO, "source two").await.unwrap();
    platform.settle().await;
    ann.deploy(DEVELOPMENT, &FOLDER_UNREADY, "source three").await.unwrap();
    platform.settle().await;
    ann.change("web", DEVELOPMENT, ChangeRequest::Rollback { to: None }).await.unwrap();
    platform.settle().await;
    assert_eq!(releases_served(&platform), [1, 1], "the last good one before the current");
    ann.change("web", DEVELOPMENT, ChangeRequest::Rollback { to: Some(2) }).await.unwrap();
    platform.settle().await;
    assert_eq!(releases_served(&platform), [2, 2]);
    let never = ChangeRequest::Rollback { to: Some(3) };
    let refused = ann.change("web", DEVELOPMENT, never).await.unwrap_err();
    assert_eq!(code(&refused), "plan/refused");
    platform.finish().await;
}

#[tokio::test]
async fn replicas_come_back_with_a_rollback_and_stay() {
    let platform = deployed().await;
    let ann = ann(&platform);
    let scale = ChangeRequest::Scale { replicas: map(&[("web", 3)]) };
    let changes = [scale, ChangeRequest::Rollback { to: Some(1) }, ChangeRequest::Restart];
    let mut served = Vec::new();
    for change in changes {
        ann.change("web", DEVELOPMENT, change).await.unwrap();
        platform.settle().await;
        served.push(releases_served(&platform).len());
    }
    assert_eq!(served, [3, 2, 2]);
    ann.change("web", DEVELOPMENT, ChangeRequest::Rollback { to: Some(2) }).await.unwrap();
    platform.settle().await;
    ann.change("web", DEVELOPMENT, ChangeRequest::Restart).await.unwrap();
    platform.settle().await;
    assert_eq!(releases_served(&platform).len(), 3, "what was scaled stays scaled");
    platform.finish().await;
}

#[tokio::test]
async fn configuration_of_what_is_stopped_is_kept_for_its_start() {
    let platform = deployed().await;
    let ann = ann(&platform);
    let set = map(&[("TIDE", "high".to_string())]);
    let changes =
        [ChangeRequest::Stop, ChangeRequest::Config { set, unset: vec![] }, ChangeRequest::Start];
    for change in changes {
        ann.change("web", DEVELOPMENT, change).await.unwrap();
        platform.settle().await;
    }
    let runs = platform.world().spec(&target(&platform)).unwrap();
    assert_eq!(runs.env["TIDE"], "high");
    platform.finish().await;
}

#[tokio::test]
async fn values_of_configuration_are_their_owners_alone() {
    let secret = "s3cr3t-of-the-harbour";
    let platform = deployed().await;
    let ann = ann(&platform);
    let set = map(&[("PASSWORD", secret.to_string())]);
    ann.change("web", DEVELOPMENT, ChangeRequest::Config { set, unset: vec![] }).await.unwrap();
    platform.settle().await;
    let runs = platform.world().spec(&target(&platform)).unwrap();
    assert_eq!(runs.env["PASSWORD"], secret, "what runs has it");

    let path = || ConfigPath { component: "web".into(), environment: DEVELOPMENT.into() };
    let own = ann.call::<GetConfig>(path(), Nothing {}, Nothing {}).await.unwrap();
    assert!(own.values.iter().any(|value| value.value == secret));
    let query = || stream::Query { component: Some("web".into()), ..stream::Query::default() };
    let log = platform.app().stream_logs(&ann.ctx, query()).await.unwrap();
    assert!(log.collect::<Vec<_>>().await.len() > 2);
    for other in [platform.outsider(), platform.viewer()] {
        let refused = other.call::<GetConfig>(path(), Nothing {}, Nothing {}).await.unwrap_err();
        assert_eq!(code(&refused), "access/forbidden");
        let refused = platform.app().stream_logs(&other.ctx, query()).await.map(|_| ());
        assert_eq!(code(&refused.unwrap_err()), "access/forbidden");
    }

    let all = platform.store().dump().await.unwrap().to_string();
    assert!(all.contains("config.changed") && !all.contains(secret));
    for file in ["", "-wal"] {
        let path = format!("{}{file}", platform.store_file().display());
        let bytes = std::fs::read(path).unwrap_or_default();
        assert!(!bytes.windows(secret.len()).any(|w| w == secret.as_bytes()), "in the store{file}");
    }
    platform.finish().await;
}

#[tokio::test]
async fn the_same_again_changes_nothing() {
    let platform = deployed().await;
    let ann = ann(&platform);
    let plan = ann.plan_deploy(DEVELOPMENT, &FOLDER_ONE, "source one").await.unwrap();
    assert_eq!(plan.changes, 0, "{:#?}", plan.steps);
    assert_eq!(ann.apply(&plan.id).await.unwrap(), None);
    assert_eq!(deployments(&ann).await.len(), 1);
    platform.finish().await;
}

#[tokio::test]
async fn scaling_keeps_what_runs() {
    let platform = deployed().await;
    let ann = ann(&platform);
    let before = instances(&ann).await;
    let scale = |count| ChangeRequest::Scale { replicas: map(&[("web", count)]) };
    ann.change("web", DEVELOPMENT, scale(4)).await.unwrap();
    platform.settle().await;
    let more = instances(&ann).await;
    assert!(before.iter().all(|id| more.contains(id)) && more.len() == before.len() + 4);
    assert_eq!(releases_served(&platform), [1; 4]);
    ann.change("web", DEVELOPMENT, scale(2)).await.unwrap();
    platform.settle().await;
    assert_eq!(instances(&ann).await, before, "the youngest went");
    platform.finish().await;
}

#[tokio::test]
async fn whoever_was_replaced_is_refused_everywhere() {
    let platform = deployed().await;
    let ann = ann(&platform);
    let old = platform.platform().reconciler.epoch();
    let new = platform.another().await.unwrap();
    assert!(new.reconciler.epoch() > old);
    ann.change("web", DEVELOPMENT, ChangeRequest::Restart).await.unwrap();
    let lost = platform.tick().await.unwrap_err();
    assert!(matches!(lost, ReconcileError::Lost(_)), "by the store: {lost}");
    for _ in 0..3 {
        new.reconciler.tick().await.unwrap();
    }
    let spec = platform.world().spec(&platform.world().instances()[0].id).unwrap();
    let runtime = platform.world().runtime();
    let fenced = |answer| matches!(answer, Err(PortError::Fenced { .. }));
    assert!(fenced(runtime.start(old, &spec).await), "by the runtime");
    assert!(fenced(runtime.stop(old, &spec.id, Duration::ZERO).await));
    let mut table = platform.world().routes();
    table.epoch = old;
    table.revision += 10;
    assert!(fenced(platform.world().edge().apply(&table).await.map(|_| ())), "by the edge");
    drop(new);
    platform.restart().await.finish().await;
}

#[tokio::test]
async fn what_is_being_deployed_to_is_not_deleted() {
    let platform = TestPlatform::start().await;
    declare_staging(&platform).await;
    let operation = ann(&platform).deploy("staging", &FOLDER_ONE, "source one").await.unwrap();
    let path = tow_api::object::get::Path {
        kind: "environment".into(),
        namespace: "default".into(),
        name: "staging".into(),
    };
    let admin = platform.admin();
    let refused = admin.call::<DeleteObject>(path, Nothing {}, Nothing {}).await.unwrap_err();
    assert_eq!(code(&refused), "object/in-use");

    // In the one moment in which nobody can refuse it, the operation must end all the same.
    let entity = tow_names::EntityRef::parse("environment:staging", None, &Namespace::default());
    let entity = entity.unwrap();
    let version = platform.store().object(&entity).await.unwrap().unwrap().version;
    let mut batch = tow_store::Batch::new();
    batch.remove_object(&entity, version);
    platform.store().commit(batch).await.unwrap();
    platform.settle().await;
    let view = ann(&platform).operation(&operation.unwrap()).await.unwrap();
    assert_eq!(view.failure.expect("it says why").gate, "environment");
    platform.finish().await;
}

#[tokio::test]
async fn nothing_runs_that_the_catalog_does_not_have() {
    let platform = TestPlatform::start().await;
    let ann = ann(&platform);
    let web = tow_names::EntityRef::parse("component:web", None, &Namespace::default()).unwrap();
    let delete = async || {
        let version = platform.store().object(&web).await.unwrap().unwrap().version;
        let mut batch = tow_store::Batch::new();
        batch.remove_object(&web, version);
        platform.store().commit(batch).await.unwrap();
    };
    // Between plan and apply: the plan holds on to what it was made from.
    let first = ann.deploy(DEVELOPMENT, &FOLDER_ONE, "source one").await.unwrap();
    platform.settle().await;
    let plan = ann.plan_deploy(DEVELOPMENT, &FOLDER_TWO, "source two").await.unwrap();
    delete().await;
    let stale = platform.admin().apply(&plan.id).await.unwrap_err();
    assert_eq!(code(&stale), "plan/stale", "{stale}");
    assert!(first.is_some());
    // In the instant in which the plan is applied: nobody refuses it, and the rollout ends before it has a number.
    let again = ann.deploy(DEVELOPMENT, &FOLDER_TWO, "source two").await.unwrap().unwrap();
    delete().await;
    platform.settle().await;
    let view = ann.operation(&again).await.unwrap();
    let failure = view.failure.expect("it says why");
    assert_eq!(failure.gate, "declared");
    assert_eq!(failure.message, "component:default/web was deleted");
    assert_eq!(releases_served(&platform), [1, 1], "what ran runs");
    // The next deploy puts it into the catalog again.
    let then = ann.deploy(DEVELOPMENT, &FOLDER_TWO, "source two").await.unwrap().unwrap();
    platform.settle().await;
    assert!(ann.operation(&then).await.unwrap().failure.is_none());
    assert!(platform.store().object(&web).await.unwrap().is_some());
    assert_eq!(releases_served(&platform), [2, 2]);
    platform.finish().await;
}
