//! How many there are of a workload that scales by itself: `(bounds, what was kept, what is seen, now)` in, a count and
//! what to keep out.
//!
//! The count is a place's own and not a deployment's, so a step of scaling makes no deployment: whoever wants to know how
//! many of a deployment there are to be asks [`counted`]. More are started as soon as two looks in a row say so, at most
//! twice as many at a time; fewer only once fewer have been enough for all of `idle`. What sleeps is woken by the first
//! request that waits.

use crate::{Delivered, Placed, delivered};
use std::collections::BTreeMap;
use tow_model::kinds::{environment::EnvironmentSpec, scale::Scaling, workload::Workload};
use tow_names::{Cpu, Duration, Timestamp};
use tow_record::{Deployment, Isolation, Observed, Peak, Reason, Release, Sample, Scale, Scaled};

/// Between two looks at a workload's load.
pub const LOOK: Duration = Duration::from_secs(2);
/// How long fewer must have been enough, where nothing is said.
const IDLE: Duration = Duration::from_secs(300);

/// What `scale` says of one workload, with nothing left open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Never fewer; with 0 it may sleep.
    pub min: u32,
    /// Never more.
    pub max: u32,
    /// How busy each may be, in percent.
    pub cpu: Option<u32>,
    /// How many requests a second each may be asked.
    pub requests_per_second: Option<u32>,
    /// How long fewer must have been enough.
    pub idle: Duration,
}

impl Bounds {
    /// What is said. Overrides may say a `max` below the `min` of the workload itself: it is no less than that.
    pub fn of(said: &Scaling) -> Self {
        let min = said.min.unwrap_or(1);
        Self {
            min,
            max: said.max.unwrap_or(1).max(min).max(1),
            cpu: said.cpu,
            requests_per_second: said.requests_per_second,
            idle: said.idle.unwrap_or(IDLE),
        }
    }

    /// How many there are at first.
    pub fn first(&self) -> u32 {
        self.min.max(1)
    }

    fn hold(&self, count: u32) -> u32 {
        count.clamp(self.min, self.max)
    }

    /// Can the count be another one at all?
    fn moves(&self) -> bool {
        self.min != self.max
    }
}

/// The workloads of a release that scale by themselves in this environment.
pub fn scaling<'a>(
    release: &'a Release,
    deployment: &Deployment,
    environment: &EnvironmentSpec,
) -> BTreeMap<&'a str, Bounds> {
    let name = &deployment.place.environment;
    let each = release.workloads.iter().filter_map(|(workload, file)| {
        let said = delivered(&release.delivery, &file.score, name, environment);
        Some((workload.as_str(), said.scale?))
    });
    each.collect()
}

/// A deployment with as many of each workload as there are to be just now. `tries`: it is about to be made live, so that
/// at least one of each is started and asked whether it is ready, even where all of it sleeps.
pub fn counted(
    deployment: &Deployment,
    release: &Release,
    environment: &EnvironmentSpec,
    kept: Option<&Scale>,
    tries: bool,
) -> Deployment {
    let mut counted = deployment.clone();
    for (workload, bounds) in scaling(release, deployment, environment) {
        let Some(count) = counted.replicas.get_mut(workload) else { continue };
        // Nothing runs of what is stopped, however it scales.
        if *count == 0 {
            continue;
        }
        let kept = kept.and_then(|scale| scale.workloads.get(workload));
        let now = kept.map_or(bounds.first(), |kept| kept.count);
        *count = bounds.hold(if tries { now.max(1) } else { now });
    }
    counted
}

/// Does an operation try what it brings? Repairs and steps of scaling bring nothing new.
pub const fn tries(reason: Reason, heal: bool, stops: bool) -> bool {
    !heal && !stops && !matches!(reason, Reason::Scale)
}

/// What is kept once a deployment is live: its counts, as it was tried with, and no measurements of what served before.
pub fn made_live(
    deployment: &Deployment,
    counted: &Deployment,
    release: &Release,
    environment: &EnvironmentSpec,
    now: Timestamp,
) -> Scale {
    let mut scale = Scale::none(counted.place.clone());
    let of = |deployment: &Deployment, name: &str| deployment.replicas.get(name).copied();
    for (workload, _) in scaling(release, counted, environment) {
        // What was stopped begins anew when it is started.
        if of(deployment, workload).is_some_and(|count| count > 0) {
            let count = of(counted, workload).unwrap_or(0);
            scale.workloads.insert(workload.to_string(), from_here(count, now));
        }
    }
    scale
}

/// That many from here on.
fn from_here(count: u32, now: Timestamp) -> Scaled {
    let peaks = vec![Peak { at: now, wanted: count }];
    Scaled { count, sample: None, peaks: if count == 0 { Vec::new() } else { peaks } }
}

/// There are to be more or fewer of a workload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// Which.
    pub workload: String,
    /// How many there were to be.
    pub from: u32,
    /// How many there are to be.
    pub to: u32,
    /// Why, for people.
    pub why: String,
    /// What was measured.
    pub load: Load,
}

/// The load of one workload.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Load {
    /// Requests that wait for a first instance.
    pub waiting: u64,
    /// Requests under way.
    pub in_flight: u64,
    /// Thousandths of a request a second; known from the second look on.
    pub requests_millis: Option<u64>,
    /// Thousandths of a processor, of all that is ready; where it is known of all.
    pub cpu_millis: Option<u64>,
}

/// What a look at a place came to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Looked {
    /// What is to be kept, where it differs from what is.
    pub keep: Option<Scale>,
    /// What changes.
    pub steps: Vec<Step>,
    /// When to look again; none: only something that happens can change anything.
    pub until: Option<Timestamp>,
}

/// Looks at a place where no operation is under way. `deployment`: the one that is live, as it was made.
pub fn look(
    placed: &Placed<'_>,
    deployment: &Deployment,
    kept: Option<&Scale>,
    observed: &Observed,
    now: Timestamp,
) -> Looked {
    let mut looked = Looked::default();
    if placed.placement.stopped {
        return looked;
    }
    let mut scale = kept.cloned().unwrap_or_else(|| Scale::none(deployment.place.clone()));
    for (workload, bounds) in scaling(placed.release, deployment, placed.environment) {
        let stopped = deployment.replicas.get(workload).is_none_or(|count| *count == 0);
        if stopped || !bounds.moves() {
            continue;
        }
        if !observed.edge.reachable {
            looked.wait(now.plus(LOOK));
            continue;
        }
        let found = scale.workloads.get(workload).cloned();
        let now_kept = found.unwrap_or_else(|| from_here(bounds.first(), now));
        let one = One { placed, workload, bounds, observed, now };
        let (next, step) = one.judge(now_kept, &mut looked);
        looked.steps.extend(step);
        scale.workloads.insert(workload.to_string(), next);
    }
    if kept.map_or(!scale.workloads.is_empty(), |kept| *kept != scale) {
        looked.keep = Some(scale);
    }
    looked
}

impl Looked {
    fn wait(&mut self, until: Timestamp) {
        self.until = Some(self.until.map_or(until, |other| other.min(until)));
    }
}

/// One workload that is looked at.
struct One<'a> {
    placed: &'a Placed<'a>,
    workload: &'a str,
    bounds: Bounds,
    observed: &'a Observed,
    now: Timestamp,
}

impl One<'_> {
    fn judge(&self, mut kept: Scaled, looked: &mut Looked) -> (Scaled, Option<Step>) {
        let (bounds, now) = (self.bounds, self.now);
        let count = bounds.hold(kept.count);
        let (requests, mut load) = self.load();
        let step = |to: u32, why: String, load: Load| Step {
            workload: self.workload.to_string(),
            from: kept.count,
            to,
            why,
            load,
        };
        if count == 0 {
            if load.waiting == 0 {
                return (kept, None);
            }
            let to = bounds.hold(1);
            let step = step(to, many(load.waiting, "request waits", "requests wait"), load);
            return (from_here(to, now), Some(step));
        }
        let boot = self.observed.edge.boot.clone();
        let sample = |wanted: u32| Sample { at: now, boot: boot.clone(), requests, wanted };
        let Some(last) = kept.sample.clone().filter(|last| last.boot == boot) else {
            // Nobody knows what was counted before: as if all of it had been needed until now.
            kept.peaks = vec![Peak { at: now, wanted: count }];
            kept.sample = Some(sample(count));
            looked.wait(now.plus(LOOK));
            return (kept, None);
        };
        let elapsed = now.since(last.at);
        if elapsed < LOOK {
            looked.wait(last.at.plus(LOOK));
            return (kept, None);
        }
        looked.wait(now.plus(LOOK));
        let came = requests.saturating_sub(last.requests);
        load.requests_millis = Some(per_second(came, elapsed));
        let asked = came > 0 || load.in_flight > 0 || load.waiting > 0;
        let wanted = self.wanted(count, &load, asked);
        let mut peaks = kept.peaks.clone();
        peaks.retain(|peak| peak.at.plus(bounds.idle) > now);
        if wanted > bounds.min {
            while peaks.last().is_some_and(|peak| peak.wanted <= wanted) {
                peaks.pop();
            }
            peaks.push(Peak { at: now, wanted });
        }
        let most = peaks.first().map_or(bounds.min, |peak| bounds.hold(peak.wanted));
        let more = wanted.min(last.wanted).min(count.saturating_mul(2));
        let to = if more > count { more } else { most.min(count) };
        // A quiet look is not kept: it would say what is kept already.
        if came > 0 || wanted != last.wanted || to != kept.count || wanted > bounds.min {
            kept.sample = Some(sample(wanted));
            kept.peaks = peaks;
        }
        if to == kept.count {
            return (kept, None);
        }
        let why = self.why(count, to, &load);
        let step = step(to, why, load);
        kept.count = to;
        if to == 0 {
            kept = Scaled::default();
        }
        (kept, Some(step))
    }

    /// All requests of its routes so far, and how busy it is.
    fn load(&self) -> (u64, Load) {
        let (placed, edge) = (self.placed, &self.observed.edge);
        let own = format!("{}/{}/", placed.placement.place, self.workload);
        let routes = edge.routes.iter().filter(|(id, _)| id.starts_with(&own));
        let (mut requests, mut waiting) = (0, 0);
        for (_, counters) in routes {
            requests += counters.requests;
            waiting += counters.waiting;
        }
        let rows = placed.instances.iter().filter(|row| row.workload == self.workload);
        let targets = rows.filter_map(|row| edge.targets.get(row.id.as_str()));
        let in_flight = targets.map(|target| target.in_flight).sum();
        let cpu_millis = self.cpu();
        (requests, Load { waiting, in_flight, requests_millis: None, cpu_millis })
    }

    /// What all that is ready takes of the processors; none where that is not known of all of it.
    fn cpu(&self) -> Option<u64> {
        self.bounds.cpu?;
        let serving = self.placed.placement.serving.iter();
        let pods = serving.filter(|pod| pod.workload == self.workload);
        let seen = pods
            .flat_map(|pod| &pod.instances)
            .filter_map(|id| self.observed.instances.get(id))
            .filter(|seen| seen.ready);
        seen.map(|seen| seen.usage.map(|usage| usage.cpu_millis)).sum()
    }

    /// How many would be right.
    fn wanted(&self, count: u32, load: &Load, asked: bool) -> u32 {
        let bounds = self.bounds;
        // What it does by itself does not keep awake what only requests wake.
        if !asked && bounds.min == 0 {
            return 0;
        }
        let by_requests = bounds.requests_per_second.zip(load.requests_millis);
        let by_requests =
            by_requests.map(|(each, now)| fitting(now, u64::from(each) * 1_000, count));
        let by_cpu = bounds.cpu.map(|percent| match load.cpu_millis {
            Some(now) => fitting(now, self.processors() * u64::from(percent) / 100, count),
            None => count,
        });
        bounds.hold(by_requests.max(by_cpu).unwrap_or(0).max(1))
    }

    /// What is a hundred percent for one of it, in thousandths of a processor.
    fn processors(&self) -> u64 {
        self.placed.release.workloads.get(self.workload).map_or(1_000, |file| limit(&file.score))
    }

    fn why(&self, count: u32, to: u32, load: &Load) -> String {
        if to == 0 {
            return format!("nobody asked for anything in {}", self.bounds.idle);
        }
        if to < count {
            return format!("fewer were enough for {}", self.bounds.idle);
        }
        let mut busy = Vec::new();
        if let (Some(each), Some(now)) = (self.bounds.requests_per_second, load.requests_millis) {
            let now = format!("{}.{}", now / 1_000, now % 1_000 / 100);
            busy.push(format!("{now} requests/s, where each is to have {each}"));
        }
        if let (Some(each), Some(now)) = (self.bounds.cpu, load.cpu_millis) {
            let now = now * 100 / self.processors().max(1);
            busy.push(format!("cpu {now} %, where each is to have {each} %"));
        }
        match busy.is_empty() {
            true => format!("there are to be at least {}", self.bounds.min),
            false => busy.join("; "),
        }
    }
}

/// How many it takes for `total`, where one does `each`; as many as there are where that is a tenth off at most.
fn fitting(total: u64, each: u64, count: u32) -> u32 {
    let each = each.max(1);
    let now = each * u64::from(count);
    if total * 10 >= now * 9 && total * 10 <= now * 11 {
        return count;
    }
    u32::try_from(total.div_ceil(each)).unwrap_or(u32::MAX)
}

/// In thousandths.
fn per_second(count: u64, elapsed: Duration) -> u64 {
    let micros = u64::try_from(elapsed.micros()).unwrap_or(1).max(1);
    count.saturating_mul(1_000_000_000) / micros
}

/// The limits of all containers, where all have one; else one processor.
fn limit(score: &Workload) -> u64 {
    let each = score.containers.values().map(|container| {
        let cpu = container.resources.as_ref()?.limits.as_ref()?.cpu.as_ref()?;
        Some(cpu.parse::<Cpu>().ok()?.0)
    });
    each.sum::<Option<u64>>().filter(|limit| *limit > 0).unwrap_or(1_000)
}

fn many(count: u64, one: &str, more: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { more })
}

/// Is somebody started for requests that come while nobody answers? Not for what was stopped, and not again and again
/// for what ends as soon as it starts.
pub(crate) fn wakes(
    placed: &Placed<'_>,
    delivered: &Delivered,
    workload: &str,
    seen: &Observed,
) -> bool {
    let sleeps = delivered.scale.is_some_and(|bounds| bounds.min == 0);
    let pods = placed.placement.serving.iter().filter(|pod| pod.workload == workload);
    let broken = pods.flat_map(|pod| &pod.instances).any(|id| {
        let phase = seen.instances.get(id).map(|seen| seen.phase);
        matches!(phase, Some(tow_record::Phase::CrashLoop))
    });
    sleeps && !placed.placement.stopped && !broken
}

/// Why a workload can't be scaled as is said, in this environment.
pub(crate) fn refusal(
    score: &Workload,
    delivered: &Delivered,
    routed: bool,
    isolation: Isolation,
) -> Option<(String, &'static str)> {
    let bounds = delivered.scale?;
    let name = &score.metadata.name;
    if bounds.min == 0 && !routed {
        let why = format!("nothing would wake {name}: no route leads to it here");
        return Some((why, "scale.min of 1 or more, or a resource of type route"));
    }
    if bounds.requests_per_second.is_some() && !routed {
        let why = format!("{name} is asked nothing: no route leads to it here");
        return Some((why, "scale.cpu, or a resource of type route"));
    }
    if bounds.cpu.is_some() && isolation >= Isolation::Container {
        let why = format!("nobody measures what {name} takes of the processors in a container");
        return Some((why, "scale.requestsPerSecond, or a runtime of processes"));
    }
    let single = crate::recreate(score, delivered).filter(|_| bounds.max > 1)?;
    Some((format!("there can't be {} of {name}: {single}", bounds.max), "scale.max: 1"))
}
