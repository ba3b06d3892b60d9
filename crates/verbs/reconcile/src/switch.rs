//! Switches: the commit that begins one, and what follows from the gateway's acknowledgement. All of them, forward, in part
//! and back, are one effect.

use crate::{
    driver::{ReconcileError, Reconciler},
    journal::{failure, put},
    rollout::Driven,
    snapshot::{Deployed, Snapshot},
};
use serde_json::json;
use std::collections::BTreeSet;
use tow_names::{Duration, Timestamp};
use tow_record::{
    Before, Deployment, Effect, Operation, Outcome, Placement, Pod, Progress, Release, Route,
    RouteSet, Scale, Stage, State, StepState, Trying, Turn,
};
use tow_store::{Batch, Find};

impl Reconciler {
    /// The new table and what serves change in the commit that begins the switch; the gateway's acknowledgement is what
    /// makes it so.
    pub(crate) async fn begin_switch(
        &self,
        driven: &Driven,
        snapshot: &Snapshot,
        pods: Vec<Pod>,
        turn: Turn,
    ) -> Result<(), ReconcileError> {
        let Some(deployed) = &driven.deployed else { return Ok(()) };
        let mut op = driven.op.value.clone();
        let mut batch = self.beginning(driven);
        let mut placement: Placement = driven.placement.value.clone();
        if op.progress.before.is_none() && !op.heal && !op.stops && op.reverts.is_none() {
            op.progress.before = Some(before(driven));
            batch.update(&op, driven.op.version);
        }
        placement.serving = pods.clone();
        placement.trying = None;
        let current = snapshot.current.get(&op.place).cloned();
        let release = match turn {
            Turn::Over if op.heal => deployed.clone(),
            Turn::Over => {
                placement.deployment = deployed.0.number;
                placement.config = deployed.0.config;
                placement.replicas = op.scaled.clone();
                placement.stopped = op.stops;
                self.keep_counts(driven, &mut batch);
                deployed.clone()
            }
            Turn::Part { weight } => {
                placement.trying = weight.map(|weight| Trying {
                    deployment: tried(driven, &op.progress, &pods).unwrap_or(deployed.0.number),
                    weight,
                    header: tow_plan::header(&deployed.1, &op.place, &driven.environment),
                });
                current.unwrap_or_else(|| deployed.clone())
            }
            Turn::Back => match self.gone_back(driven, &mut placement, &mut batch).await? {
                Some(before) => before,
                None => current.unwrap_or_else(|| deployed.clone()),
            },
        };
        let placed = snapshot.placed(Some((&placement, &release.1)));
        let set = RouteSet {
            epoch: self.epoch,
            revision: snapshot.routes.value.revision + 1,
            routes: tow_plan::routes(&placed, &driven.observed),
        };
        // Two plans that wanted one host were both right when they were made; the first that switches has it.
        let (own, others): (Vec<Route>, Vec<Route>) =
            set.routes.iter().cloned().partition(|route| is_of(route, &placement));
        let clashes = tow_plan::clashes(&own, &others);
        let same = clashes.iter().find(|(_, _, clash)| *clash == tow_plan::Clash::Same);
        if let (false, Turn::Over, Some((route, other, _))) = (op.heal, turn, same) {
            let why = format!(
                "{}{} is {}'s in {} by now",
                route.hosts.join(", "),
                route.path,
                other.component,
                other.environment
            );
            return self.fail(driven, failure("route", why)).await;
        }
        let title = title(&op, &pods, turn);
        let mark = Some(set.mark());
        let row = self.row(driven, Effect::Switch { pods, mark, turn }, title);
        if !op.stops
            && turn != Turn::Back
            && let Some(gone) = self.still_declared(driven, &mut batch).await?
        {
            return self.fail(driven, failure("declared", gone)).await;
        }
        batch.create(&row);
        put(&mut batch, &placement, driven.placement.version);
        put(&mut batch, &set, snapshot.routes.version);
        self.parts.store.commit(batch).await?;
        Ok(())
    }

    /// What is declared goes back with what serves. None: it never went on.
    async fn gone_back(
        &self,
        driven: &Driven,
        placement: &mut Placement,
        batch: &mut Batch,
    ) -> Result<Option<Deployed>, ReconcileError> {
        let op = &driven.op.value;
        let Some(before) = op.progress.before.as_ref().filter(|_| op.switched) else {
            return Ok(None);
        };
        placement.deployment = before.deployment;
        placement.config = before.config;
        placement.replicas = before.scaled.clone();
        if let Some(row) = &driven.scale {
            let scale = before.scale.clone().unwrap_or_else(|| Scale::none(op.place.clone()));
            put(batch, &scale, row.version);
        }
        let number = before.deployment;
        Ok(self.immutable.deployed(&self.parts.store, &op.place, number).await?)
    }

    /// The gateway acknowledged a switch.
    pub(crate) async fn switched(
        &self,
        driven: &Driven,
        turn: Turn,
        batch: &mut Batch,
    ) -> Result<(), ReconcileError> {
        let mut op = driven.op.value.clone();
        let Some(deployed) = &driven.deployed else { return Ok(()) };
        let (deployment, release) = (&deployed.0, &deployed.1);
        let now = self.now();
        let drain = drain(driven, release);
        op.drain_until = Some(now.plus(drain));
        let placement = self.note_ports(driven, batch);
        match turn {
            Turn::Over => {
                op.switched = true;
                if !op.heal {
                    let watched = tow_plan::bakes(&op, &placement.serving, &driven.environment);
                    let returns = tow_plan::returns(&op);
                    let stays = watched.is_some() || returns;
                    let stage = if stays { Stage::Bake } else { Stage::Retire };
                    op.progress = op.progress.at(stage, now);
                    if let Some(watched) = watched.filter(|_| !returns) {
                        let (time, number) = (watched.time, release.number);
                        let title =
                            format!("bake for {time}: release {number} answers all clients by now");
                        self.note(driven, title, batch);
                    }
                }
            }
            Turn::Part { weight } => {
                op.progress = op.progress.at(Stage::Shift, now);
                op.progress.step += u32::from(weight.is_some());
                // The next ones have as much time as the first.
                op.deadline = self.patience(driven, release).map(|at| at.plus(drain));
            }
            Turn::Back => {
                op.switched = false;
                op.progress.back_to = op.progress.before.as_ref().map(|before| before.deployment);
            }
        }
        batch.update(&op, driven.op.version);
        if op.heal {
            return Ok(());
        }
        match turn {
            Turn::Over => {
                let state = if op.stops { State::Stopped } else { State::Live };
                self.made_live(driven, deployment.number, state, batch).await?;
            }
            Turn::Back => {
                let back = op.progress.back_to.unwrap_or_default();
                self.made_live_again(driven, back, batch).await?;
            }
            Turn::Part { .. } => {}
        }
        let ready_at: Option<Timestamp> = placement
            .serving
            .iter()
            .flat_map(|pod| &pod.instances)
            .filter_map(|id| driven.observed.instances.get(id)?.ready_since)
            .max();
        let after = json!({
            "deployment": deployment.number, "release": release.number, "back_to": op.progress.back_to,
            "trying": placement.trying, "ready_at": ready_at, "acknowledged_at": now,
        });
        let (place, number) = (op.place.short(), deployment.number);
        let why = op.failure.as_ref().map_or("", |failure| failure.message.as_str());
        let (kind, summary) = match (turn, &placement.trying) {
            (Turn::Over, _) => (
                "rollout.switched",
                format!("deployment {number} of {place} took over, release {}", release.number),
            ),
            (Turn::Part { .. }, Some(trying)) => (
                "rollout.shifted",
                format!(
                    "deployment {number} of {place} answers {} % of the clients",
                    trying.weight
                ),
            ),
            (Turn::Part { .. }, None) => (
                "rollout.shifted",
                format!("some pods of deployment {number} of {place} serve beside those of before"),
            ),
            (Turn::Back, _) => {
                let back = op.progress.back_to.unwrap_or_default();
                ("rollout.reverted", format!("deployment {back} of {place} serves again: {why}"))
            }
        };
        batch.event(self.event(driven, kind, summary, after));
        Ok(())
    }

    /// The ports that the gateway told, kept.
    fn note_ports(&self, driven: &Driven, batch: &mut Batch) -> Placement {
        let mut placement = driven.placement.value.clone();
        let own = format!("{}/", placement.place);
        let ports = driven.observed.edge.ports.iter().filter(|(route, _)| route.starts_with(&own));
        placement.ports.extend(ports.map(|(route, port)| (route.clone(), *port)));
        if placement.ports != driven.placement.value.ports {
            put(batch, &placement, driven.placement.version);
        }
        placement
    }

    /// A line of the journal for something that happened.
    fn note(&self, driven: &Driven, title: String, batch: &mut Batch) {
        let mut row = self.row(driven, Effect::Note, title);
        row.state = StepState::Done;
        batch.create(&row);
    }

    async fn made_live(
        &self,
        driven: &Driven,
        number: i64,
        state: State,
        batch: &mut Batch,
    ) -> Result<(), ReconcileError> {
        let subject = Some(driven.op.value.place.to_string());
        let recent = Find { subject, newest_first: true, limit: Some(50), ..Find::default() };
        for row in self.parts.store.list::<Deployment>(recent).await? {
            let mut other = row.value;
            if other.number == number {
                other.state = state;
                other.outcome =
                    Some(Outcome { succeeded: true, at: self.now(), message: String::new() });
                batch.update(&other, row.version);
            } else if other.state == State::Live {
                other.state = State::Stopped;
                batch.update(&other, row.version);
            }
        }
        Ok(())
    }

    /// The one that serves again is live; the other one failed, and said so when it was found to.
    async fn made_live_again(
        &self,
        driven: &Driven,
        number: i64,
        batch: &mut Batch,
    ) -> Result<(), ReconcileError> {
        let id = format!("{}/{number}", driven.op.value.place);
        if let Some(row) = self.parts.store.get::<Deployment>(&id).await?
            && row.value.state != State::Live
        {
            let mut deployment = row.value;
            deployment.state = State::Live;
            batch.update(&deployment, row.version);
        }
        Ok(())
    }

    /// It is so far.
    pub(crate) async fn keep(
        &self,
        driven: &Driven,
        progress: Progress,
    ) -> Result<(), ReconcileError> {
        let mut op = driven.op.value.clone();
        let mut batch = self.batch();
        if progress.stage != op.progress.stage {
            let title = tow_plan::ended(&op.progress, &driven.environment);
            self.note(driven, title, &mut batch);
            if let Some(deployed) = &driven.deployed {
                op.deadline = self.patience(driven, &deployed.1);
            }
        }
        op.progress = progress;
        batch.update(&op, driven.op.version);
        self.parts.store.commit(batch).await?;
        Ok(())
    }
}

/// What there is to go back to.
fn before(driven: &Driven) -> Before {
    let placement = &driven.placement.value;
    let serving: BTreeSet<_> = placement.serving.iter().flat_map(|pod| &pod.instances).collect();
    let rows = driven.instances.iter().filter(|row| serving.contains(&row.value.id));
    let deployments: BTreeSet<i64> = rows.map(|row| row.value.deployment).collect();
    Before {
        deployment: placement.deployment,
        config: placement.config,
        scaled: placement.replicas.clone(),
        serving: placement.serving.clone(),
        answered: tow_plan::answered(&driven.observed.edge, &placement.place, &deployments),
        deployments: deployments.into_iter().collect(),
        scale: driven.scale.as_ref().map(|row| row.value.clone()),
    }
}

/// The deployment that started the pods that did not serve before.
fn tried(driven: &Driven, progress: &Progress, pods: &[Pod]) -> Option<i64> {
    let before = progress.before.as_ref()?;
    let new = pods.iter().filter(|pod| !before.serving.contains(pod));
    let ids: BTreeSet<_> = new.flat_map(|pod| &pod.instances).collect();
    let rows = driven.instances.iter().filter(|row| ids.contains(&row.value.id));
    rows.map(|row| row.value.deployment).max()
}

/// How long requests in flight may take.
fn drain(driven: &Driven, release: &Release) -> Duration {
    let place = &driven.op.value.place.environment;
    let each = release.workloads.values().map(|file| {
        tow_plan::delivered(&release.delivery, &file.score, place, &driven.environment).drain
    });
    each.max().unwrap_or(Duration::ZERO)
}

fn title(op: &Operation, pods: &[Pod], turn: Turn) -> String {
    let before = op.progress.before.as_ref();
    match (turn, op.stops, pods.len()) {
        (Turn::Part { weight: Some(weight) }, _, _) => {
            format!("canary: {weight} % of the clients")
        }
        (Turn::Part { weight: None }, _, count) => {
            let old = |pod: &&Pod| before.is_some_and(|before| before.serving.contains(pod));
            let kept = pods.iter().filter(old).count();
            format!("serve with {} new pods and {kept} of before", count - kept)
        }
        (Turn::Back, _, _) => {
            let back = before.map_or(0, |before| before.deployment);
            let why = op.failure.as_ref().map(|failure| format!(": {}", failure.message));
            format!("go back to deployment {back}{}", why.unwrap_or_default())
        }
        (Turn::Over, true, _) => "route away".to_string(),
        // Only jobs: nothing answers requests, and what their next runs are made of changes.
        (Turn::Over, false, 0) => "take over".to_string(),
        (Turn::Over, false, 1) => "take over with 1 pod".to_string(),
        (Turn::Over, false, count) => format!("take over with {count} pods"),
    }
}

fn is_of(route: &Route, placement: &Placement) -> bool {
    route.id.strip_prefix(&placement.place.to_string()).is_some_and(|rest| rest.starts_with('/'))
}
