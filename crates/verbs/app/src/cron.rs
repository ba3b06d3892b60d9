//! Schedules: how they stand, pausing them, running one now.

use crate::handle::body;
use crate::run::{deployed, which};
use crate::{App, AppError, Call, Handle, OpCtx};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use tow_api::Endpoint;
use tow_api::cron::{
    list::{CronView, ListCrons, Reply},
    pause::{Body, PauseCron},
    resume::ResumeCron,
    trigger::TriggerCron,
};
use tow_api::run::list::RunView;
use tow_names::{Place, Schedule};
use tow_plan::Delivered;
use tow_record::{CronPaused, CronState, Run, RunKind};
use tow_store::{Batch, Find, PlaceFacts};

/// How often a change is tried again where the schedule fired meanwhile.
const TRIES: u32 = 5;

impl Handle<ListCrons> for App {
    async fn handle(&self, ctx: &OpCtx, call: Call<ListCrons>) -> Result<Reply, AppError> {
        let query = &call.query;
        let places =
            self.places(ctx, query.component.as_deref(), query.environment.as_deref()).await?;
        let states = self.store().list::<CronState>(Find::default()).await?;
        let states: BTreeMap<(Place, String), CronState> = states
            .into_iter()
            .map(|row| ((row.value.place.clone(), row.value.workload.clone()), row.value))
            .collect();
        let mut last: BTreeMap<(Place, String), Run> = BTreeMap::new();
        for row in self.store().list::<Run>(Find::default()).await? {
            let run = row.value;
            if run.kind != RunKind::Cron {
                continue;
            }
            let key = (run.place.clone(), run.workload.clone());
            let newer = last.get(&key).is_none_or(|other| when(other) < when(&run));
            if newer {
                last.insert(key, run);
            }
        }
        let mut items = Vec::new();
        for facts in &places {
            let place = &facts.placement.value.place;
            let (Some((_, release)), Some(environment)) = (&facts.current, &facts.environment)
            else {
                continue;
            };
            for (name, file) in &release.workloads {
                let said = tow_plan::delivered(
                    &release.delivery,
                    &file.score,
                    &place.environment,
                    environment,
                );
                let key = (place.clone(), name.clone());
                items.extend(self.cron_view(facts, name, &said, states.get(&key), last.get(&key)));
            }
        }
        Ok(Reply { items })
    }
}

fn when(run: &Run) -> (tow_names::Timestamp, &str) {
    (run.scheduled_at.unwrap_or(run.created_at), run.id.as_str())
}

impl Handle<PauseCron> for App {
    async fn handle(&self, ctx: &OpCtx, call: Call<PauseCron>) -> Result<CronView, AppError> {
        self.turned(ctx, &call, true).await
    }
}

impl Handle<ResumeCron> for App {
    async fn handle(&self, ctx: &OpCtx, call: Call<ResumeCron>) -> Result<CronView, AppError> {
        self.turned(ctx, &call, false).await
    }
}

impl Handle<TriggerCron> for App {
    async fn handle(&self, ctx: &OpCtx, call: Call<TriggerCron>) -> Result<RunView, AppError> {
        self.write(ctx, &call, async |batch| {
            let (place, facts, workload, said) = self.scheduled(ctx, &call.body).await?;
            self.refuse_second(&place, &workload, &said).await?;
            let run = self.asked_run(ctx, &facts, &workload, RunKind::Cron, None)?;
            Ok(self.write_run(ctx, run, batch))
        })
        .await
    }
}

impl App {
    /// The workload with a schedule that is meant, where the asker may run it.
    async fn scheduled(
        &self,
        ctx: &OpCtx,
        asked: &Body,
    ) -> Result<(Place, PlaceFacts, String, Delivered), AppError> {
        let (place, facts) =
            self.runnable(ctx, &asked.component, asked.environment.as_deref()).await?;
        let (deployment, release) = deployed(&place, &facts)?;
        let has = |said: &Delivered| said.schedule.is_some();
        let (workload, said) = which(&facts, deployment, release, asked.workload.as_deref(), has)?;
        if said.schedule.is_none() {
            let what = format!("{workload} is a {}: it has no schedule", said.kind.as_str());
            return Err(AppError::new("run/no-program", what).next("tow cron list"));
        }
        Ok((place, facts, workload, said))
    }

    async fn turned<E>(
        &self,
        ctx: &OpCtx,
        call: &Call<E>,
        pause: bool,
    ) -> Result<CronView, AppError>
    where
        E: Endpoint<Body = Body, Reply = CronView>,
    {
        let mut tries = 0;
        loop {
            tries += 1;
            let work = async |batch: &mut Batch| self.turn(ctx, &call.body, pause, batch).await;
            match self.write(ctx, call, work).await {
                Err(error) if error.is("object/moved") && tries < TRIES => {}
                done => return done,
            }
        }
    }

    /// Pauses or goes on. What was due while it was paused was not wanted.
    async fn turn(
        &self,
        ctx: &OpCtx,
        asked: &Body,
        pause: bool,
        batch: &mut Batch,
    ) -> Result<CronView, AppError> {
        let (place, facts, workload, said) = self.scheduled(ctx, asked).await?;
        let row = self.store().get::<CronState>(&CronState::key(&place, &workload)).await?;
        let (mut state, version) = match row {
            Some(row) => (row.value, row.version),
            None => {
                let state = CronState {
                    place: place.clone(),
                    workload: workload.clone(),
                    decided_until: self.now(),
                    paused: None,
                    halted: facts.placement.value.stopped,
                    fired: 0,
                    missed: 0,
                };
                (state, 0)
            }
        };
        if pause != state.paused.is_some() {
            state.paused = pause.then(|| CronPaused {
                by: ctx.actor.name.clone(),
                at: self.now(),
                why: asked.why.clone(),
            });
            state.decided_until = state.decided_until.max(self.now());
            match version {
                0 => batch.create(&state),
                version => batch.update(&state, version),
            }
            let (kind, word) =
                if pause { ("cron.paused", "paused") } else { ("cron.resumed", "goes on") };
            let what = body(
                format!("the schedule of {workload} of {} {word}", place.short()),
                Value::Null,
                json!({"workload": workload, "why": asked.why}),
            );
            batch.event(self.event(ctx, kind, place.to_string(), what));
        }
        self.cron_view(&facts, &workload, &said, Some(&state), None)
            .ok_or_else(|| AppError::not_found(format!("the schedule of {workload}")))
    }

    fn cron_view(
        &self,
        facts: &PlaceFacts,
        workload: &str,
        said: &Delivered,
        state: Option<&CronState>,
        last: Option<&Run>,
    ) -> Option<CronView> {
        let (text, zone) = said.schedule.clone()?;
        let schedule = Schedule::parse(&text, &zone).ok();
        let paused = state.and_then(|state| state.paused.clone());
        let stopped = facts.placement.value.stopped;
        let after = state.map_or(self.now(), |state| state.decided_until.max(self.now()));
        let next = schedule.as_ref().and_then(|schedule| schedule.after(after));
        let place = &facts.placement.value.place;
        Some(CronView {
            component: place.component.to_string(),
            environment: place.environment.to_string(),
            workload: workload.to_string(),
            schedule: text,
            words: schedule.map(|schedule| schedule.words()).unwrap_or_default(),
            timezone: zone,
            concurrency: said.concurrency,
            starting_deadline: said.starting_deadline,
            next: next.filter(|_| paused.is_none() && !stopped),
            paused,
            stopped,
            fired: state.map_or(0, |state| state.fired),
            missed: state.map_or(0, |state| state.missed),
            last_run: last.map(|run| run.id.to_string()),
            last_state: last.map(|run| run.state),
            last_at: last.map(|run| run.scheduled_at.unwrap_or(run.created_at)),
        })
    }
}
