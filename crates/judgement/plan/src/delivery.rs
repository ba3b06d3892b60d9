//! What `tow.yaml` says of one workload in one environment: the workload's own words, then the overrides that match, the
//! later ones winning, then the defaults of the tier.

use crate::{meaning, scale::Bounds};
use std::collections::BTreeMap;
use tow_model::kinds::{
    delivery::{
        CanaryStep, Concurrency, Confine, DeliverySpec, Health, Strategy, WorkloadDelivery,
        WorkloadKind,
    },
    environment::{EnvironmentSpec, Tier},
    routes::RouteRules,
    static_files::Site,
    strategy::HEADER,
    workload::Workload,
};
use tow_names::{Duration, Name};

/// One workload's delivery with nothing left open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivered {
    /// What it is for.
    pub kind: WorkloadKind,
    /// How many run; with `scale`, how many it begins with.
    pub replicas: u32,
    /// How many run by their load, where that is said.
    pub scale: Option<Bounds>,
    /// Time between two probes.
    pub interval: Duration,
    /// How long one probe may take.
    pub timeout: Duration,
    /// Successes in a row.
    pub successes: u32,
    /// How long it must have been ready.
    pub min_healthy_time: Duration,
    /// How long it may take to become ready.
    pub deadline: Duration,
    /// From SIGTERM to SIGKILL.
    pub grace: Duration,
    /// For requests in flight after the switch.
    pub drain: Duration,
    /// Run beside it before SIGTERM.
    pub before_stop: Option<Vec<String>>,
    /// What its programs may do beside what holds for all.
    pub confine: Confine,
    /// How it takes over, where it is said.
    pub strategy: Option<Strategy>,
    /// With `canary`: its steps.
    pub steps: Vec<CanaryStep>,
    /// With `canary`: the header by which a request says whom it wants.
    pub header: String,
    /// With `rolling`: so many more may run.
    pub surge: u32,
    /// With `rolling`: so many fewer may serve.
    pub unavailable: u32,
    /// When it is due, and in which zone. Only with `cron`.
    pub schedule: Option<(String, String)>,
    /// What is done with a firing while an earlier run is unfinished.
    pub concurrency: Concurrency,
    /// How late a firing may still be run.
    pub starting_deadline: Duration,
    /// How long an attempt of a run may take.
    pub run_timeout: Duration,
    /// How often a run is tried again.
    pub retries: u32,
    /// How many ended runs are kept.
    pub history: u32,
    /// Run before anything of a release starts.
    pub release: Option<Vec<String>>,
    /// Run after a release took over.
    pub post_deploy: Option<Vec<String>>,
    /// How files are served, where they are.
    pub site: Option<Site>,
    /// What its routes do, by name.
    pub routes: BTreeMap<String, RouteRules>,
}

/// How long a firing may be late, and how long an attempt of a run may take, where nothing is said.
const HOUR: Duration = Duration::from_secs(3600);
/// How long a step of a canary takes where nothing is said.
const MINUTE: Duration = Duration::from_secs(60);
/// How many ended runs are kept where nothing is said.
const HISTORY: u32 = 10;

/// Resolves `workload` (a Score file's `metadata.name`) in an environment.
pub fn delivered(
    delivery: &DeliverySpec,
    score: &Workload,
    environment: &Name,
    spec: &EnvironmentSpec,
) -> Delivered {
    let name = &score.metadata.name;
    let mut said = delivery.workloads.get(name).cloned().unwrap_or_default();
    for over in &delivery.overrides {
        let matches = over.tier.is_none_or(|t| t == spec.tier)
            && over.stage.as_ref().is_none_or(|s| Some(s) == spec.stage.as_ref())
            && over.environment.as_ref().is_none_or(|e| e == environment);
        if let (true, Some(more)) = (matches, over.workloads.get(name)) {
            said = merge(said, more);
        }
    }
    let has_port = score.service.as_ref().is_some_and(|s| !s.ports.is_empty());
    let health = said.health.unwrap_or_default();
    let stop = said.stop.unwrap_or_default();
    let canary = said.canary.unwrap_or_default();
    let rolling = said.rolling.unwrap_or_default();
    let tier = defaults(spec.tier);
    let kind =
        said.kind.unwrap_or(if has_port { WorkloadKind::Service } else { WorkloadKind::Worker });
    let scale = said.scale.filter(|_| meaning(kind).pods).map(|said| Bounds::of(&said));
    let zone = said.timezone.unwrap_or_else(|| "UTC".into());
    Delivered {
        kind,
        replicas: match (meaning(kind).pods, &scale) {
            (false, _) => 0,
            (true, Some(scale)) => scale.first(),
            (true, None) => said.replicas.unwrap_or(1),
        },
        scale,
        interval: health.interval.unwrap_or(tier.interval),
        timeout: health.timeout.unwrap_or(Duration::from_secs(1)),
        successes: health.successes.unwrap_or(tier.successes),
        min_healthy_time: health.min_healthy_time.unwrap_or(tier.min_healthy_time),
        deadline: health.deadline.unwrap_or(tier.deadline),
        grace: stop.grace.unwrap_or(tier.grace),
        drain: stop.drain.unwrap_or(tier.drain),
        before_stop: stop.before,
        confine: said.confine.unwrap_or_default(),
        strategy: said.strategy,
        steps: canary.steps.unwrap_or_else(|| {
            [10, 50].map(|weight| CanaryStep { weight, pause: Some(MINUTE) }).to_vec()
        }),
        header: canary.header.unwrap_or_else(|| HEADER.into()).to_ascii_lowercase(),
        // Overrides may add up to nothing that could be replaced.
        surge: match (rolling.surge, rolling.unavailable) {
            (Some(0), None | Some(0)) | (None, _) => 1,
            (Some(surge), _) => surge,
        },
        unavailable: rolling.unavailable.unwrap_or(0),
        schedule: said.schedule.filter(|_| kind == WorkloadKind::Cron).map(|text| (text, zone)),
        concurrency: said.concurrency.unwrap_or_default(),
        starting_deadline: said.starting_deadline.unwrap_or(HOUR),
        run_timeout: said.timeout.unwrap_or(HOUR),
        retries: said.retries.unwrap_or(0),
        history: said.history.unwrap_or(HISTORY),
        release: said.release,
        post_deploy: said.post_deploy,
        site: said.site,
        routes: said.routes,
    }
}

struct TierDefaults {
    interval: Duration,
    successes: u32,
    min_healthy_time: Duration,
    deadline: Duration,
    grace: Duration,
    drain: Duration,
}

const fn defaults(tier: Tier) -> TierDefaults {
    match tier {
        Tier::Development | Tier::Preview => TierDefaults {
            interval: Duration::from_millis(50),
            successes: 1,
            min_healthy_time: Duration::ZERO,
            deadline: Duration::from_secs(60),
            grace: Duration::from_secs(10),
            drain: Duration::from_secs(10),
        },
        Tier::Staging => TierDefaults {
            interval: Duration::from_millis(500),
            successes: 2,
            min_healthy_time: Duration::from_secs(2),
            deadline: Duration::from_secs(120),
            grace: Duration::from_secs(30),
            drain: Duration::from_secs(30),
        },
        Tier::Production => TierDefaults {
            interval: Duration::from_secs(1),
            successes: 3,
            min_healthy_time: Duration::from_secs(10),
            deadline: Duration::from_secs(300),
            grace: Duration::from_secs(30),
            drain: Duration::from_secs(30),
        },
    }
}

fn routes(
    mut base: BTreeMap<String, RouteRules>,
    more: &BTreeMap<String, RouteRules>,
) -> BTreeMap<String, RouteRules> {
    for (name, more) in more {
        let said = base.remove(name).unwrap_or_default();
        base.insert(name.clone(), said.with(more));
    }
    base
}

fn merge(base: WorkloadDelivery, more: &WorkloadDelivery) -> WorkloadDelivery {
    let health = match (base.health, &more.health) {
        (None, more) => more.clone(),
        (base, None) => base,
        (Some(base), Some(more)) => Some(Health {
            interval: more.interval.or(base.interval),
            timeout: more.timeout.or(base.timeout),
            successes: more.successes.or(base.successes),
            min_healthy_time: more.min_healthy_time.or(base.min_healthy_time),
            deadline: more.deadline.or(base.deadline),
        }),
    };
    let stop = match (base.stop, &more.stop) {
        (None, more) => more.clone(),
        (base, None) => base,
        (Some(mut base), Some(more)) => {
            base.grace = more.grace.or(base.grace);
            base.drain = more.drain.or(base.drain);
            base.before = more.before.clone().or(base.before);
            Some(base)
        }
    };
    WorkloadDelivery {
        kind: more.kind.or(base.kind),
        replicas: more.replicas.or(base.replicas),
        scale: match (base.scale, &more.scale) {
            (base, None) => base,
            (base, Some(more)) => Some(base.unwrap_or_default().with(more)),
        },
        health,
        stop,
        confine: match (base.confine, &more.confine) {
            (base, None) => base,
            (None, more) => more.clone(),
            (Some(base), Some(more)) => Some(Confine {
                user: more.user.clone().or(base.user),
                read_only: more.read_only.or(base.read_only),
            }),
        },
        strategy: more.strategy.or(base.strategy),
        canary: match (base.canary, &more.canary) {
            (base, None) => base,
            (base, Some(more)) => Some(base.unwrap_or_default().with(more)),
        },
        rolling: match (base.rolling, &more.rolling) {
            (base, None) => base,
            (base, Some(more)) => Some(base.unwrap_or_default().with(more)),
        },
        routes: routes(base.routes, &more.routes),
        schedule: more.schedule.clone().or(base.schedule),
        timezone: more.timezone.clone().or(base.timezone),
        concurrency: more.concurrency.or(base.concurrency),
        starting_deadline: more.starting_deadline.or(base.starting_deadline),
        timeout: more.timeout.or(base.timeout),
        retries: more.retries.or(base.retries),
        history: more.history.or(base.history),
        release: more.release.clone().or(base.release),
        post_deploy: more.post_deploy.clone().or(base.post_deploy),
        site: more.site.clone().or(base.site),
    }
}
