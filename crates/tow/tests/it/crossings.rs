//! Death at every crossing: before and after each commit and each effect of a port, the control plane is killed, a new
//! one is composed on what is left, whoever asked asks again with the same keys, and in the end everything is as in the
//! run in which nobody died. At every crossing of all runs the invariants hold.
//!
//! At a crossing nothing is half done inside the process, so the store's bytes and the world at that moment are exactly
//! what `kill -9` leaves: one clean run gives the image of every death. For second deaths, during the recovery, the run
//! is really held at its crossing and dropped.

#![allow(clippy::unwrap_used, reason = "a test that can't go on says so by panicking")]
#![allow(clippy::print_stdout, reason = "the number of crossings is a result")]

use crate::given::{
    DEVELOPMENT, FOLDER_ONE, FOLDER_RUNS, FOLDER_SLEEPS, FOLDER_TWO, FOLDER_UNREADY, ann,
    declare_watched, map, releases_served, taking_over,
};
use serde_json::Value;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use tow_api::Nothing;
use tow_api::object::{delete::DeleteObject, get};
use tow_api::plan::create::ChangeRequest;
use tow_api::run::create::CreateRun;
use tow_api::webhook::create::CreateWebhook;
use tow_names::{Duration, Schedule};
use tow_ports::{Edge as _, When};
use tow_record::{CronState, Deployment, Operation, RoutePart, Run, RunKind, RunState, State};
use tow_store::Find;
use tow_testkit::{Fault, Image, TestPlatform, Watch};

/// Second deaths, a scenario.
const SECOND_DEATHS: usize = 8;
const THREADS: usize = 2;
/// How long nobody is in charge after a second death: within every deadline that a scenario has.
const DEAD: Duration = Duration::from_secs(7);

/// Where events are carried to.
const HOOK: &str = "https://hook.example/towpath";
/// Three events in one commit.
const THREE_SYSTEMS: &str = "\
apiVersion: backstage.io/v1alpha1
kind: System
metadata: {name: a}
spec: {owner: quay}
---
apiVersion: backstage.io/v1alpha1
kind: System
metadata: {name: b}
spec: {owner: quay}
---
apiVersion: backstage.io/v1alpha1
kind: System
metadata: {name: c}
spec: {owner: quay}
";

fn subject_of(received: &tow_platform::fakes::Received) -> String {
    let event: Value = serde_json::from_slice(&received.body).unwrap();
    event["subject"].as_str().unwrap().to_string()
}

/// What somebody does, from which beginning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Act {
    FirstStart,
    Deploy,
    SecondDeploy,
    FailingDeploy,
    Rollback,
    ScaleUp,
    ScaleDown,
    Config,
    Restart,
    Stop,
    Start,
    Delete,
    Reboot,
    /// A webhook is made; only ever what was before.
    Hook,
    /// Events are carried to it.
    Carry,
    /// A release with a command before the switch and one after it.
    Commands,
    /// A job that fails, is tried again and fails again.
    Job,
    /// A schedule is due.
    Firing,
    /// What sleeps when nobody asks for anything is deployed; only ever what was before.
    Sleepy,
    /// Nobody asks for anything.
    Asleep,
    /// Somebody does.
    Awake,
    /// Releases are watched from now on; only ever what was before.
    Watched,
    /// A release serves, does worse than what was before, and goes back to what is warm.
    Reverted,
    /// The same where nothing is warm any more: what was before is deployed again.
    DeployedAgain,
    /// A release is tried on some clients, then takes over.
    Canary,
}

impl Act {
    /// What happened before.
    const fn before(self) -> &'static [Self] {
        match self {
            Self::FirstStart => &[],
            Self::Deploy => &[Self::FirstStart],
            Self::Rollback => &[Self::FirstStart, Self::Deploy, Self::SecondDeploy],
            Self::ScaleDown => &[Self::FirstStart, Self::Deploy, Self::ScaleUp],
            Self::Start | Self::Delete => &[Self::FirstStart, Self::Deploy, Self::Stop],
            Self::Hook => &[Self::FirstStart],
            Self::Carry => &[Self::FirstStart, Self::Hook],
            Self::Commands => &[Self::FirstStart],
            Self::Job | Self::Firing => &[Self::FirstStart, Self::Commands],
            Self::Sleepy => &[Self::FirstStart],
            Self::Asleep => &[Self::FirstStart, Self::Sleepy],
            Self::Awake => &[Self::FirstStart, Self::Sleepy, Self::Asleep],
            Self::Reverted | Self::DeployedAgain => {
                &[Self::FirstStart, Self::Watched, Self::Deploy]
            }
            _ => &[Self::FirstStart, Self::Deploy],
        }
    }

    /// Does it, through the front door, as a client that repeats itself after a lost answer; then lets it come to rest.
    async fn play(self, platform: &TestPlatform) {
        let ann = ann(platform).repeating(&format!("{self:?}"));
        let change = async |what| {
            ann.change("web", DEVELOPMENT, what).await.expect("a good change is taken");
        };
        let deploy = async |folder, source| {
            ann.deploy(DEVELOPMENT, folder, source).await.expect("a good deploy is taken");
        };
        match self {
            // The machine's own start: nobody asks.
            Self::FirstStart | Self::Reboot => {}
            Self::Deploy => deploy(&FOLDER_ONE, "source one").await,
            Self::SecondDeploy => deploy(&FOLDER_TWO, "source two").await,
            Self::FailingDeploy => deploy(&FOLDER_UNREADY, "source three").await,
            Self::Rollback => change(ChangeRequest::Rollback { to: None }).await,
            Self::ScaleUp => {
                change(ChangeRequest::Scale { replicas: map(&[("web", 3), ("mail", 2)]) }).await;
            }
            Self::ScaleDown => {
                change(ChangeRequest::Scale { replicas: map(&[("web", 1), ("mail", 1)]) }).await;
            }
            Self::Config => {
                let set = map(&[("GREETING", "ahoy".to_string())]);
                change(ChangeRequest::Config { set, unset: vec![] }).await;
            }
            Self::Restart => change(ChangeRequest::Restart).await,
            Self::Stop => change(ChangeRequest::Stop).await,
            Self::Start => change(ChangeRequest::Start).await,
            Self::Hook => {
                let body = tow_api::webhook::create::Body {
                    url: HOOK.into(),
                    events: vec!["object.*".into()],
                    note: String::new(),
                };
                let made = platform.platform_team().repeating("Hook");
                made.in_catalog().await.expect("its maker is somebody");
                let made = made.call::<CreateWebhook>(Nothing {}, Nothing {}, body).await;
                made.expect("a good webhook is made");
            }
            Self::Carry => {
                let said = platform.platform_team().repeating("Carry");
                said.declare(THREE_SYSTEMS).await.expect("systems are declared");
            }
            Self::Commands => deploy(&FOLDER_RUNS, "source four").await,
            Self::Job => {
                let body = tow_api::run::create::Body {
                    component: "web".into(),
                    workload: Some("sum".into()),
                    ..tow_api::run::create::Body::default()
                };
                let made = ann.call::<CreateRun>(Nothing {}, Nothing {}, body).await;
                made.expect("a job is begun");
            }
            Self::Firing => {
                let rows = platform.store().list::<CronState>(Find::default()).await.unwrap();
                let state = &rows[0].value;
                if state.fired == 0 {
                    let due = Schedule::parse("0 * * * *", "Europe/Berlin").unwrap();
                    platform.clock().advance_to(due.after(state.decided_until).unwrap());
                }
            }
            Self::Sleepy => deploy(&FOLDER_SLEEPS, "source five").await,
            Self::Asleep => platform.pass(Duration::from_secs(40)).await,
            Self::Awake => {
                let route = "component:default/web@development/web/http";
                let counted = platform.world().edge().observe().await.unwrap().routes;
                if counted.get(route).is_none_or(|counters| counters.requests == 0) {
                    platform.world().request(route, 1);
                }
            }
            Self::Watched => declare_watched(platform).await,
            Self::Reverted => {
                deploy(&FOLDER_TWO, "source two").await;
                fail(platform).await;
            }
            Self::DeployedAgain => {
                let rolling = taking_over(&FOLDER_TWO, "      strategy: rolling\n");
                deploy(&rolling, "source two").await;
                fail(platform).await;
            }
            Self::Canary => {
                let how =
                    "      strategy: canary\n      canary: {steps: [{weight: 10, pause: 3s}]}\n";
                deploy(&taking_over(&FOLDER_TWO, how), "source two").await;
            }
            Self::Delete => {
                let path = get::Path {
                    kind: "component".into(),
                    namespace: "default".into(),
                    name: "web".into(),
                };
                let deleted = ann.call::<DeleteObject>(path, Nothing {}, Nothing {}).await;
                deleted.expect("what is stopped can be deleted");
            }
        }
        platform.settle().await;
    }
}

/// All that a release is asked fails, as soon as it is watched.
async fn fail(platform: &TestPlatform) {
    let route = "component:default/web@development/web/http";
    let asked = || async {
        let routes = platform.world().edge().observe().await.unwrap().routes;
        routes.get(route).is_some_and(|counters| !counters.parts.is_empty())
    };
    let looked = || async {
        let open = Find { open: Some(true), ..Find::default() };
        let open = platform.store().list::<Operation>(open).await.unwrap();
        open.first().is_none_or(|row| !row.value.progress.samples.is_empty())
    };
    while !asked().await && !looked().await {
        platform.pass(Duration::from_millis(500)).await;
    }
    if !asked().await {
        let part = RoutePart { requests: 50, errors: 50, took: vec![50] };
        platform.world().answered(route, 2, &part);
    }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

/// The platform as it is before an act.
async fn beginning(act: Act) -> Image {
    let mut platform = TestPlatform::unborn(Watch::new(Fault::None));
    for (at, before) in act.before().iter().enumerate() {
        if at == 0 {
            platform.compose().await.unwrap();
        }
        before.play(&platform).await;
    }
    if act == Act::Reboot {
        platform.world().reboot();
    }
    let image = platform.image();
    platform.kill();
    image
}

/// Composes, plays, comes to rest. `Err`: it died.
async fn run(act: Act, image: &Image, fault: Fault) -> Result<(TestPlatform, usize), Image> {
    let watch = Watch::new(fault);
    let mut platform = TestPlatform::dead(image, watch.clone());
    let alive = {
        let life = async {
            platform.compose().await.expect("it is composed on what is left");
            act.play(&platform).await;
        };
        tokio::select! {
            biased;
            () = watch.died() => false,
            () = life => true,
        }
    };
    if alive {
        let crossed = watch.crossed();
        return Ok((platform, crossed));
    }
    platform.kill();
    Err(watch.images().pop().expect("who dies leaves an image"))
}

struct Clean {
    beginning: Image,
    end: Value,
    images: Vec<Image>,
}

async fn clean(act: Act, image: Image) -> Clean {
    let (platform, crossed) = run(act, &image, Fault::Record).await.expect("nobody dies");
    let found = platform.leftovers().await;
    assert!(found.is_empty(), "{act:?}, clean run:\n{}", found.join("\n"));
    proof(act, &platform).await;
    let end = platform.canonical().await;
    let images = platform.watch().images();
    assert_eq!(images.len(), crossed);
    platform.kill();
    Clean { beginning: image, end, images }
}

/// That the run in which nobody dies does what it is for.
async fn proof(act: Act, platform: &TestPlatform) {
    let served = match act {
        Act::FirstStart | Act::Stop | Act::Delete | Act::Hook | Act::Carry => vec![],
        Act::Asleep => vec![],
        Act::Sleepy | Act::Awake | Act::Commands | Act::Job | Act::Firing => vec![1],
        Act::SecondDeploy | Act::Canary => vec![2, 2],
        Act::Watched => vec![],
        Act::ScaleUp => vec![1, 1, 1],
        Act::ScaleDown => vec![1],
        _ => vec![1, 1],
    };
    assert_eq!(releases_served(platform), served, "{act:?}");
    let deployments = platform.store().list::<Deployment>(Find::default()).await.unwrap();
    let states: Vec<State> = deployments.iter().map(|row| row.value.state).collect();
    let expected = match act {
        Act::FirstStart | Act::Hook | Act::Carry | Act::Watched => vec![],
        Act::Sleepy | Act::Asleep | Act::Awake => vec![State::Live],
        Act::Deploy | Act::Reboot | Act::Commands | Act::Job | Act::Firing => vec![State::Live],
        Act::FailingDeploy | Act::Reverted => vec![State::Live, State::Failed],
        Act::DeployedAgain => vec![State::Stopped, State::Failed, State::Live],
        Act::Stop | Act::Delete => vec![State::Stopped, State::Stopped],
        Act::Rollback | Act::Start | Act::ScaleDown => {
            vec![State::Stopped, State::Stopped, State::Live]
        }
        _ => vec![State::Stopped, State::Live],
    };
    assert_eq!(states, expected, "{act:?}");
    let mut runs: Vec<(RunKind, RunState, u32)> = platform
        .store()
        .list::<Run>(Find::default())
        .await
        .unwrap()
        .into_iter()
        .map(|row| (row.value.kind, row.value.state, row.value.attempt))
        .collect();
    runs.sort();
    let commands =
        [(RunKind::Release, RunState::Succeeded, 1), (RunKind::PostDeploy, RunState::Succeeded, 1)];
    let expected = match act {
        Act::Commands => commands.to_vec(),
        Act::Job => vec![(RunKind::Job, RunState::Failed, 2), commands[0], commands[1]],
        Act::Firing => vec![(RunKind::Cron, RunState::Succeeded, 1), commands[0], commands[1]],
        _ => vec![],
    };
    assert_eq!(runs, expected, "{act:?}");
    let greeted = platform.world().instances().iter().all(|seen| {
        platform.world().spec(&seen.id).is_some_and(|spec| spec.env.contains_key("GREETING"))
    });
    assert_eq!(greeted && !served.is_empty(), act == Act::Config);
    let carried: Vec<String> = platform.world().received().iter().map(subject_of).collect();
    let expected = ["system:default/a", "system:default/b", "system:default/c"];
    assert_eq!(carried, if act == Act::Carry { expected.to_vec() } else { vec![] });
}

/// What befalls a run.
#[derive(Debug, Clone, Copy)]
enum Fate {
    /// It dies at this crossing of the clean run.
    Dies(usize),
    /// And again at this crossing of the recovery.
    DiesTwice(usize, usize),
    /// Nobody dies; the effect that begins at this crossing is answered by an error, before it or after it.
    Fails(usize, When),
}

/// What is wrong at the end of a run with this fate.
async fn suffer(act: Act, clean: &Clean, fate: Fate) -> Vec<String> {
    let end = &clean.end;
    let died = match fate {
        Fate::Dies(k) => run(act, &clean.images[k], Fault::None).await,
        Fate::Fails(k, side) => run(act, &clean.beginning, Fault::FailAt(k + 1, side)).await,
        Fate::DiesTwice(k, at) => match run(act, &clean.images[k], Fault::DieAt(at)).await {
            // Whoever is to start it again takes a while.
            Err(image) => run(act, &image.later(DEAD), Fault::None).await,
            recovered => recovered,
        },
    };
    let (platform, _) = died.expect("it is let live");
    let mut wrong = platform.leftovers().await;
    differences("", end, &platform.canonical().await, &mut wrong);
    platform.kill();
    wrong
}

fn differences(at: &str, want: &Value, got: &Value, found: &mut Vec<String>) {
    match (want, got) {
        (Value::Object(want), Value::Object(got)) => {
            for key in want.keys().chain(got.keys().filter(|key| !want.contains_key(*key))) {
                let nothing = Value::Null;
                let side = |map: &serde_json::Map<String, Value>| {
                    map.get(key).cloned().unwrap_or(nothing.clone())
                };
                differences(&format!("{at}/{key}"), &side(want), &side(got), found);
            }
        }
        (Value::Array(want), Value::Array(got)) if want.len() == got.len() => {
            for (n, (want, got)) in want.iter().zip(got).enumerate() {
                differences(&format!("{at}/{n}"), want, got, found);
            }
        }
        (Value::Array(a), Value::Array(b)) => {
            let only = |a: &[Value], b: &[Value]| {
                let all: Vec<String> =
                    a.iter().filter(|v| !b.contains(v)).map(short).take(5).collect();
                all.join("\n    ")
            };
            found.push(format!(
                "{at}: {} items, not {}\n  missing:\n    {}\n  too much:\n    {}",
                b.len(),
                a.len(),
                only(a, b),
                only(b, a)
            ));
        }
        (want, got) if want != got => {
            found.push(format!("{at}: {}, not {}", short(got), short(want)));
        }
        _ => {}
    }
}

fn short(value: &Value) -> String {
    value.to_string().chars().take(300).collect()
}

/// The same numbers in every run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: usize) -> usize {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap_or(0) % bound.max(1)
    }
}

/// One scenario: how many crossings, and everything that was wrong.
fn scenario(act: Act, dice: &mut Dice) -> (usize, Vec<String>) {
    let clean = runtime().block_on(async {
        let image = beginning(act).await;
        clean(act, image).await
    });
    let count = clean.images.len();
    // Where nothing happened between two crossings, one death stands for both.
    let differs = |k: &usize| *k == 0 || !clean.images[*k].is_same(&clean.images[*k - 1]);
    // What is watched goes through many looks that are alike.
    let each = if matches!(act, Act::Reverted | Act::DeployedAgain) { 2 } else { 1 };
    let deaths = (0..count).filter(differs).step_by(each);
    let mut work: VecDeque<Fate> = deaths.map(Fate::Dies).collect();
    work.extend((0..SECOND_DEATHS).map(|_| {
        let k = dice.below(count);
        // A recovery has about as many crossings as were left, and a few to take over.
        Fate::DiesTwice(k, 1 + dice.below(count - k + 4))
    }));
    // Effects of ports; of every second one, in turns before and after it.
    let effects = (0..count).filter(|k| {
        let at = &clean.images[*k].at.1;
        at.ends_with("Before") && !at.starts_with("store.")
    });
    work.extend(
        effects
            .enumerate()
            .map(|(n, k)| Fate::Fails(k, if n % 2 == 0 { When::Before } else { When::After })),
    );
    let clean = Arc::new(clean);
    let work = Arc::new(Mutex::new(work));
    let wrong = Arc::new(Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                loop {
                    let Some(fate) = work.lock().unwrap().pop_front() else { break };
                    let found = runtime().block_on(suffer(act, &clean, fate));
                    if !found.is_empty() {
                        let (Fate::Dies(k) | Fate::DiesTwice(k, _) | Fate::Fails(k, _)) = fate;
                        let at = &clean.images[k].at.1;
                        let text = format!("{fate:?} at {at}\n  {}", found.join("\n  "));
                        wrong.lock().unwrap().push(text);
                    }
                }
            });
        }
    });
    let wrong = std::mem::take(&mut *wrong.lock().unwrap());
    (count, wrong)
}

/// All crossings of all scenarios that have been run.
static TOTAL: AtomicUsize = AtomicUsize::new(0);

fn dies_at_every_crossing(act: Act) {
    let mut dice = Dice(20_261_122 + act as u64);
    let (count, mut wrong) = scenario(act, &mut dice);
    let total = TOTAL.fetch_add(count, Ordering::SeqCst) + count;
    println!(
        "measured: {act:?}: {count} crossings, {SECOND_DEATHS} second deaths ({total} crossings so far)"
    );
    let bad = wrong.len();
    wrong.truncate(4);
    assert!(wrong.is_empty(), "{act:?}: {bad} faults ended differently:\n{}", wrong.join("\n\n"));
}

/// Of the crossings of a deploy on Postgres so many are died at, spread over all of them.
const DEATHS_ON_POSTGRES: usize = 8;

/// First start and deploy on a database of its own; dies at a crossing where it is told to, and goes on on what is left.
async fn deploy_on_postgres(die: Option<usize>) -> Result<(Value, usize, Vec<String>), String> {
    let mut platform = TestPlatform::on_postgres(Watch::new(Fault::None))?;
    platform.compose().await.expect("an empty platform is composed");
    Act::FirstStart.play(&platform).await;
    let watch = Watch::new(die.map_or(Fault::None, Fault::DieAt));
    platform = platform.died(watch.clone());
    let alive = {
        let life = async {
            platform.compose().await.expect("it is composed on what is left");
            Act::Deploy.play(&platform).await;
        };
        tokio::select! {
            biased;
            () = watch.died() => false,
            () = life => true,
        }
    };
    assert_eq!(alive, die.is_none(), "who is to die dies");
    if !alive {
        platform = platform.died(Watch::new(Fault::None));
        platform.compose().await.expect("it is composed on what is left");
        Act::Deploy.play(&platform).await;
    }
    let mut wrong = platform.leftovers().await;
    wrong.extend(watch.broken());
    proof(Act::Deploy, &platform).await;
    let end = platform.canonical().await;
    platform.kill();
    Ok((end, watch.crossed(), wrong))
}

/// The same on the other database: what a death leaves there is what a server made of a connection that ended.
#[test]
fn deploy_on_postgres_dies_and_goes_on() {
    let run = |die| runtime().block_on(deploy_on_postgres(die));
    let (end, count, wrong) = match run(None) {
        Ok(clean) => clean,
        Err(why) => return println!("not run: {why}"),
    };
    assert!(wrong.is_empty(), "clean run:\n{}", wrong.join("\n"));
    for n in 0..DEATHS_ON_POSTGRES {
        let k = 1 + n * (count - 1) / (DEATHS_ON_POSTGRES - 1);
        let (after, _, mut wrong) = run(Some(k)).unwrap();
        differences("", &end, &after, &mut wrong);
        assert!(wrong.is_empty(), "death at {k} of {count}:\n{}", wrong.join("\n"));
    }
    println!("measured: Deploy on Postgres: {count} crossings, {DEATHS_ON_POSTGRES} deaths");
}

macro_rules! tests {
    ($($name:ident: $act:ident),* $(,)?) => {
        $(#[test]
        fn $name() {
            dies_at_every_crossing(Act::$act);
        })*
    };
}

tests! {
    first_start: FirstStart, deploy: Deploy, second_deploy: SecondDeploy, failing_deploy: FailingDeploy,
    rollback: Rollback, scale_up: ScaleUp, scale_down: ScaleDown, config: Config, restart: Restart, stop: Stop,
    start: Start, delete: Delete, reboot: Reboot, carry: Carry, commands: Commands, job: Job, firing: Firing,
    asleep: Asleep, awake: Awake, reverted: Reverted, deployed_again: DeployedAgain, canary: Canary,
}
