//! Drives one operation: settle what was begun, ask `plan` for the next step, begin it, until it must wait.

use crate::{
    driver::{ReconcileError, Reconciler, Ticked},
    journal::failure,
    snapshot::{Deployed, Snapshot},
};
use std::{collections::BTreeMap, sync::Arc};
use tow_model::kinds::environment::{EnvironmentSpec, Tier};
use tow_names::{Duration, Id};
use tow_plan::{Next, Settled, View};
use tow_record::{
    Artifact, Deployment, Effect, Instance, Observed, Operation, Placement, Run, Scale, StepRow,
};
use tow_store::{Find, Row};

/// More steps than any rollout has: a guard against a decision that repeats itself.
const MOST_STEPS: usize = 2_000;

/// Everything about one operation, read afresh for each decision.
pub(crate) struct Driven {
    pub(crate) op: Row<Operation>,
    pub(crate) journal: Vec<Row<StepRow>>,
    pub(crate) placement: Row<Placement>,
    pub(crate) instances: Vec<Row<Instance>>,
    pub(crate) deployed: Option<Deployed>,
    /// The deployment with as many of each workload as there are to be just now.
    pub(crate) counted: Option<Deployment>,
    pub(crate) scale: Option<Row<Scale>>,
    pub(crate) artifact: Option<Artifact>,
    pub(crate) environment: EnvironmentSpec,
    /// The environment was deleted.
    pub(crate) gone: bool,
    pub(crate) observed: Arc<Observed>,
}

/// A build that was begun, and whose end was not seen.
fn builds(row: &Row<StepRow>) -> bool {
    matches!(row.value.step.effect, Effect::Build { .. }) && tow_record::Record::open(&row.value)
}

/// A command that was begun and has not ended.
fn still_runs(journal: &[Row<StepRow>]) -> bool {
    let open = journal.iter().filter(|row| tow_record::Record::open(&row.value));
    open.into_iter().any(|row| matches!(row.value.step.effect, Effect::Run { .. }))
}

enum Step {
    /// Something was written down; the world is as it was seen.
    Progressed,
    /// Something was done to the world, which was looked at again.
    Acted(Arc<Observed>),
    Waiting(Option<tow_names::Timestamp>),
    Ended,
}

impl Reconciler {
    /// `observed` is the world as the tick last saw it: it is looked at again only after something was done to it. What
    /// is decided on a sight that is a moment old is at worst an effect asked for twice, and effects are idempotent.
    pub(crate) async fn drive(
        &self,
        id: &Id,
        mut observed: Arc<Observed>,
    ) -> Result<Ticked, ReconcileError> {
        let mut progressed = false;
        let idle = Duration::from_secs(5);
        for _ in 0..MOST_STEPS {
            let Some(driven) = self.driven(id, observed.clone()).await? else { break };
            match self.step(driven).await? {
                Step::Progressed => progressed = true,
                Step::Acted(seen) => {
                    progressed = true;
                    observed = seen;
                }
                Step::Ended => {
                    progressed = true;
                    break;
                }
                Step::Waiting(until) => {
                    let until = until.unwrap_or_else(|| self.now().plus(idle));
                    return Ok(Ticked { progressed, until });
                }
            }
        }
        Ok(Ticked { progressed, until: self.now().plus(idle) })
    }

    async fn driven(
        &self,
        id: &Id,
        mut observed: Arc<Observed>,
    ) -> Result<Option<Driven>, ReconcileError> {
        let store = &self.parts.store;
        let Some(op) = store.get::<Operation>(id.as_str()).await? else { return Ok(None) };
        if op.value.finished_at.is_some() {
            return Ok(None);
        }
        let facts = store.place(&op.value.place).await?;
        // An environment that was deleted in the moment in which the plan was applied: the operation ends as failed.
        let gone = facts.environment.is_none();
        let environment = facts.environment.unwrap_or_else(|| EnvironmentSpec {
            tier: Tier::Development,
            runtime: op.value.place.environment.clone(),
            region: None,
            stage: None,
            owner: None,
            variables: BTreeMap::new(),
            bake: None,
        });
        let subject = Some(id.to_string());
        let journal = store.list::<StepRow>(Find { subject, ..Find::default() }).await?;
        if journal.iter().any(builds) {
            self.observe_build(&op.value, &mut observed).await;
        }
        let number = op.value.deployment.unwrap_or(0);
        let deployed = self.immutable.deployed(store, &op.value.place, number).await?;
        let scale = store.get::<Scale>(&op.value.place.to_string()).await?;
        let counted = deployed.as_ref().map(|deployed| {
            let tries = tow_plan::scale::tries(op.value.reason, op.value.heal, op.value.stops);
            let kept = scale.as_ref().map(|row| &row.value);
            tow_plan::scale::counted(&deployed.0, &deployed.1, &environment, kept, tries)
        });
        let key = deployed.as_ref().map_or(&op.value.artifact, |d| &d.1.artifact);
        let artifact = match key {
            Some(key) => store.get::<Artifact>(key.as_str()).await?.map(|row| row.value),
            None => None,
        };
        Ok(Some(Driven {
            op,
            journal,
            placement: facts.placement,
            instances: facts.instances,
            deployed,
            counted,
            scale,
            artifact,
            environment,
            gone,
            observed,
        }))
    }

    /// Adds how the operation's build is.
    async fn observe_build(&self, op: &Operation, observed: &mut Arc<Observed>) {
        let build = op.build_id();
        if let Ok(seen) = self.parts.builder.observe(&build).await {
            Arc::make_mut(observed).builds.insert(build, seen);
        }
    }

    async fn step(&self, driven: Driven) -> Result<Step, ReconcileError> {
        let Driven { op, journal, observed, .. } = &driven;
        if driven.gone && op.value.failure.is_none() && !op.value.switched {
            let why = format!("environment {} was deleted", op.value.place.environment);
            self.fail(&driven, failure("environment", why)).await?;
            return Ok(Step::Progressed);
        }
        if let Some(who) = &op.value.cancelled_by
            && op.value.failure.is_none()
            && op.value.deployment.is_none()
        {
            let why = format!("the build was cancelled by {who}");
            if !journal.iter().any(|row| matches!(row.value.step.effect, Effect::Build { .. })) {
                self.fail(&driven, failure("cancelled", why)).await?;
                return Ok(Step::Progressed);
            }
            // Its end is seen below, as every build's is.
            self.parts.builder.cancel(self.epoch, &op.value.build_id(), &why).await?;
        }
        let mut pending = false;
        let mut trouble = None;
        let stored = self.parts.store.get::<tow_record::RouteSet>("routes").await?;
        let stored = stored.map(|row| row.value.mark()).unwrap_or_default();
        let runs = self.runs_of(journal).await?;
        for row in journal.iter().filter(|row| tow_record::Record::open(&row.value)) {
            let build = op.value.build_id();
            let settled = tow_plan::settled(&row.value.step, Some(&build), stored, &runs, observed);
            match settled {
                Settled::Done => {
                    self.conclude(&driven, row).await?;
                    return Ok(Step::Progressed);
                }
                Settled::Failed(why) => {
                    match &row.value.step.effect {
                        Effect::Run { run } => {
                            self.run_failed(&driven, row, &why, runs.get(run)).await?;
                        }
                        _ => self.fail_step(&driven, row, &why).await?,
                    }
                    return Ok(Step::Progressed);
                }
                // Its end is a commit, which wakes.
                Settled::Pending if matches!(row.value.step.effect, Effect::Run { .. }) => {}
                // What it was for has failed: nothing new begins.
                Settled::NotDone
                    if op.value.failure.is_some()
                        && !op.value.switched
                        && matches!(row.value.step.effect, Effect::Start { .. }) =>
                {
                    self.abandon(row).await?;
                    return Ok(Step::Progressed);
                }
                Settled::NotDone => {
                    // Performed, it is seen as done or under way at the next look; if not, it is tried again later.
                    if let Err(error) = self.perform(&driven, row).await {
                        if let ReconcileError::Lost(_) = error {
                            return Err(error);
                        }
                        // The other steps, and the deadline, do not wait for it.
                        trouble = trouble.or(Some(error));
                        continue;
                    }
                    let mut again = Arc::new(self.observe().await?);
                    if matches!(row.value.step.effect, Effect::Build { .. }) {
                        self.observe_build(&op.value, &mut again).await;
                    }
                    let settled =
                        tow_plan::settled(&row.value.step, Some(&build), stored, &runs, &again);
                    if settled != Settled::NotDone {
                        return Ok(Step::Acted(again));
                    }
                    pending = true;
                }
                Settled::Pending | Settled::Unknowable => pending = true,
            }
        }
        let soon = self.now().plus(Duration::from_millis(200));
        let next = self.decide(&driven);
        if let (Some(error), false) = (trouble, matches!(next, Next::Fail(_))) {
            return Err(error);
        }
        match next {
            Next::Wait(until, _) => {
                let until = if pending { Some(until.unwrap_or(soon).min(soon)) } else { until };
                Ok(Step::Waiting(until))
            }
            // A switch that was begun must be acknowledged before anything else is decided.
            _ if pending && self.awaits_ack(&driven) => Ok(Step::Waiting(Some(soon))),
            // A command of it that runs still is waited for.
            Next::Finish | Next::Again if still_runs(journal) => Ok(Step::Waiting(Some(soon))),
            Next::Build => self.begin_build(&driven).await.map(|()| Step::Progressed),
            Next::Number => self.number(&driven).await.map(|()| Step::Progressed),
            Next::Run(run) => self.begin_run(&driven, &run).await.map(|()| Step::Progressed),
            Next::Start(draft) => self.begin_start(&driven, draft).await.map(|()| Step::Progressed),
            Next::Switch(pods, turn) => {
                let snapshot = Snapshot::read(&self.parts.store, &self.immutable).await?;
                self.begin_switch(&driven, &snapshot, pods, turn).await.map(|()| Step::Progressed)
            }
            Next::Keep(progress) => self.keep(&driven, *progress).await.map(|()| Step::Progressed),
            Next::Stop(id, grace) => {
                self.begin_stop(&driven, &id, grace).await.map(|()| Step::Progressed)
            }
            Next::Remove(id) => self.begin_remove(&driven, &id).await.map(|()| Step::Progressed),
            Next::Fail(failure) => self.fail(&driven, failure).await.map(|()| Step::Progressed),
            Next::Finish => self.finish(&driven, false).await.map(|()| Step::Ended),
            Next::Again => self.finish(&driven, true).await.map(|()| Step::Ended),
        }
    }

    /// The runs that unfinished steps point at.
    async fn runs_of(&self, journal: &[Row<StepRow>]) -> Result<BTreeMap<Id, Run>, ReconcileError> {
        let open = journal.iter().filter(|row| tow_record::Record::open(&row.value));
        let ids = open.filter_map(|row| match &row.value.step.effect {
            Effect::Run { run } => Some(run.to_string()),
            _ => None,
        });
        let rows = self.parts.store.get_many::<Run>(ids).await?;
        Ok(rows.into_values().map(|row| (row.value.id.clone(), row.value)).collect())
    }

    fn awaits_ack(&self, driven: &Driven) -> bool {
        driven.journal.iter().any(|row| {
            matches!(row.value.step.effect, Effect::Switch { .. })
                && tow_record::Record::open(&row.value)
        })
    }

    fn decide(&self, driven: &Driven) -> Next {
        let journal: Vec<StepRow> = driven.journal.iter().map(|r| r.value.clone()).collect();
        let instances: Vec<Instance> = driven.instances.iter().map(|r| r.value.clone()).collect();
        let op = &driven.op.value;
        let needs_artifact = driven
            .deployed
            .as_ref()
            .map_or(op.artifact.is_some() || op.build.is_some(), |d| d.1.artifact.is_some());
        let view = View {
            placement: &driven.placement.value,
            instances: &instances,
            observed: &driven.observed,
            deployment: driven.counted.as_ref(),
            release: driven.deployed.as_ref().map(|d| &d.1),
            environment: &driven.environment,
            built: !needs_artifact || driven.artifact.is_some(),
        };
        tow_plan::next(op, &journal, &view, self.now())
    }

    /// Values of configuration in plain text, for the one spec they go into.
    pub(crate) async fn plain_config(
        &self,
        driven: &Driven,
        version: i64,
    ) -> Result<BTreeMap<String, String>, ReconcileError> {
        self.plain_values(&driven.op.value.place, version).await
    }

    /// A version of a place's configuration, opened.
    pub(crate) async fn plain_values(
        &self,
        place: &tow_names::Place,
        version: i64,
    ) -> Result<BTreeMap<String, String>, ReconcileError> {
        let id = format!("{place}/{version}");
        let Some(row) = self.parts.store.get::<tow_record::ConfigVersion>(&id).await? else {
            return Ok(BTreeMap::new());
        };
        let mut plain = BTreeMap::new();
        for (name, sealed) in &row.value.values {
            let bytes =
                self.parts.keys.open(&tow_record::ConfigVersion::context(place, name), sealed)?;
            plain.insert(name.clone(), String::from_utf8_lossy(&bytes).into_owned());
        }
        Ok(plain)
    }
}
