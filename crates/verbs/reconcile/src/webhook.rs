//! Carries events to webhooks. The log is the outbox, and each webhook has its own place in it, so one that is slow or
//! gone holds up no other. Before a post its attempt is committed as of unknown outcome; after it, what came of it, and
//! with that the webhook's place. A death in between leaves an attempt whose outcome stays unknown, and the same message
//! is posted again when it is due, under the same id: receivers tell repeats by it.
//!
//! With 10,000 events to carry it posts at most [`BURST`] a webhook and look, [`AT_ONCE`] webhooks at a time; with none
//! of them meant for a webhook it reads [`PAGE`] a look.

use crate::driver::{ReconcileError, Reconciler, Ticked};
use bytes::Bytes;
use futures::stream::{self, StreamExt as _};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use tow_formats::{cloud_event, standard_webhook::WebhookSecret};
use tow_names::{Duration, EntityRef, Namespace};
use tow_plan::webhook::{Deliver, anew, deliver, judge};
use tow_policy::{MACHINE_OWNER, Object, about, depends_on_object, may_see};
use tow_ports::WebLimits;
use tow_record::{AttemptOutcome, Delivery, Event, EventBody, NewEvent, Outbox, Paused, Webhook};
use tow_store::{Find, Row};

/// So many posts a webhook and look, before others are looked at.
const BURST: usize = 20;
/// So many webhooks are posted to at a time.
const AT_ONCE: usize = 16;
/// So many events are read at a time. A place in the log that is not behind by so many is not moved for events that
/// are not meant for the webhook: that would be a commit for each of them.
const PAGE: u32 = 100;
/// No more deliveries of a webhook are kept; every [`TRIM`] of them the oldest go.
const KEPT: usize = 1_000;
const TRIM: i64 = 100;
/// No more deliveries are waited for at a time.
const WAITING: u32 = 2_000;
/// A receiver has so long.
const LIMITS: WebLimits =
    WebLimits { total: Duration::from_secs(10), idle: Duration::from_secs(5), size: 1 << 16 };
/// Who acts.
const ACTOR: &str = "system:deliver";

/// One webhook, as far as this look has brought it.
struct Round {
    webhook: Row<Webhook>,
    outbox: Row<Outbox>,
    waiting: Vec<Row<Delivery>>,
    head: i64,
}

/// What a webhook's turn came to.
enum Turn {
    /// Go on with it.
    On,
    /// No more for now.
    Over(Ticked),
}

impl Reconciler {
    pub(crate) async fn deliver(&self) -> Result<Ticked, ReconcileError> {
        let store = &self.parts.store;
        let carried = Find { open: Some(true), ..Find::default() };
        let webhooks = store.list::<Webhook>(carried).await?;
        if webhooks.is_empty() {
            return Ok(self.idle());
        }
        let webhooks = self.of_those_there(webhooks).await?;
        let outboxes = store.list::<Outbox>(Find::default()).await?;
        let mut outboxes: BTreeMap<String, Row<Outbox>> =
            outboxes.into_iter().map(|row| (row.value.webhook.to_string(), row)).collect();
        let open = Find { open: Some(true), limit: Some(WAITING), ..Find::default() };
        let mut waiting: BTreeMap<String, Vec<Row<Delivery>>> = BTreeMap::new();
        for row in store.list::<Delivery>(open).await? {
            waiting.entry(row.value.webhook.to_string()).or_default().push(row);
        }
        let head = store.head().await?;
        let rounds = webhooks.into_iter().filter_map(|webhook| {
            let id = webhook.value.id.as_str();
            let outbox = outboxes.remove(id)?;
            let waiting = waiting.remove(id).unwrap_or_default();
            Some(Round { webhook, outbox, waiting, head })
        });
        let mut turns =
            stream::iter(rounds).map(|round| self.deliver_to(round)).buffer_unordered(AT_ONCE);
        let (mut all, mut failed) = (self.idle(), None);
        while let Some(turn) = turns.next().await {
            match turn {
                Ok(ticked) => all = all.and(ticked),
                Err(lost @ ReconcileError::Lost(_)) => return Err(lost),
                Err(error) => failed = Some(error),
            }
        }
        failed.map_or(Ok(all), Err)
    }

    /// Those whose makers are in the catalog still; the others are paused, for what somebody may see ends with their being
    /// there. One statement for them all; the machine's owner needs no object.
    async fn of_those_there(
        &self,
        webhooks: Vec<Row<Webhook>>,
    ) -> Result<Vec<Row<Webhook>>, ReconcileError> {
        let maker = |row: &Row<Webhook>| {
            let name = &row.value.created_by.name;
            let who = EntityRef::parse(name, None, &Namespace::default()).ok();
            who.filter(|who| {
                ["user", "serviceaccount"].contains(&who.kind()) && name != MACHINE_OWNER
            })
        };
        let asked: BTreeSet<EntityRef> = webhooks.iter().filter_map(maker).collect();
        let asked: Vec<EntityRef> = asked.into_iter().collect();
        let there = self.parts.store.objects_by(&asked).await?;
        let there: BTreeSet<EntityRef> = there.iter().map(|row| row.manifest.entity()).collect();
        let (gone, stay): (Vec<_>, Vec<_>) = webhooks
            .into_iter()
            .partition(|row| maker(row).is_some_and(|maker| !there.contains(&maker)));
        if gone.is_empty() {
            return Ok(stay);
        }
        let head = self.parts.store.head().await?;
        let mut batch = self.batch();
        for row in gone {
            let who = &row.value.created_by.name;
            let why = format!("{who}, who made it, is not in the catalog; make it anew");
            let paused = Some(Paused { at: self.now(), by: ACTOR.into(), why });
            let paused = Webhook { paused, ..row.value };
            batch.update(&paused, row.version);
            batch.event(self.told(&paused, head));
        }
        self.parts.store.commit(batch).await?;
        Ok(stay)
    }

    async fn deliver_to(&self, mut round: Round) -> Result<Ticked, ReconcileError> {
        for done in 0..BURST {
            if let Turn::Over(ticked) = self.turn(&mut round).await? {
                // What was done may have told something new to another one.
                return Ok(Ticked { progressed: done > 0, ..ticked });
            }
        }
        Ok(Ticked { progressed: true, until: self.now() })
    }

    async fn turn(&self, round: &mut Round) -> Result<Turn, ReconcileError> {
        let store = &self.parts.store;
        let (now, after) = (self.now(), round.outbox.value.seq);
        let behind = after < round.head && round.waiting.iter().all(|row| row.value.again);
        let events = if behind { store.events(Some(after), PAGE, None).await? } else { Vec::new() };
        let waiting: Vec<Delivery> = round.waiting.iter().map(|row| row.value.clone()).collect();
        let webhook = &round.webhook.value;
        let seen = self.seen(webhook, &events).await?;
        let sees = |event: &Event| seen.contains(&event.seq);
        match deliver(webhook, &round.outbox.value, &waiting, &events, sees, now) {
            Deliver::Rest => Ok(Turn::Over(self.idle())),
            Deliver::Wait { until } => {
                let soon = self.idle().and(Ticked { progressed: false, until });
                Ok(Turn::Over(soon))
            }
            // Read again at the next look; few enough.
            Deliver::Skip { .. } if events.len() < PAGE as usize => Ok(Turn::Over(self.idle())),
            Deliver::Skip { to } => {
                let outbox = Outbox { seq: to, ..round.outbox.value.clone() };
                let mut batch = self.batch();
                batch.update(&outbox, round.outbox.version);
                store.commit(batch).await?;
                round.outbox = Row { value: outbox, version: round.outbox.version + 1 };
                Ok(Turn::On)
            }
            Deliver::Send { delivery, fresh } => {
                let known = events.into_iter().find(|event| event.seq == delivery.seq);
                self.send(round, delivery, fresh, known).await?;
                Ok(Turn::On)
            }
        }
    }

    /// Which of these events its maker may see, by the right they made it with: a webhook carries nothing else.
    async fn seen(
        &self,
        webhook: &Webhook,
        events: &[Event],
    ) -> Result<BTreeSet<i64>, ReconcileError> {
        let maker = &webhook.created_by;
        let asked = events.iter().filter(|event| depends_on_object(maker, &event.kind));
        let entities: BTreeSet<EntityRef> = asked.filter_map(|e| about(&e.subject)).collect();
        let entities: Vec<EntityRef> = entities.into_iter().collect();
        let rows = self.parts.store.objects_by(&entities).await?;
        let objects: BTreeMap<EntityRef, Object> =
            rows.iter().map(|row| (row.manifest.entity(), Object::of(&row.manifest))).collect();
        let sees = |event: &&Event| {
            let object = about(&event.subject).and_then(|entity| objects.get(&entity));
            may_see(maker, event, object)
        };
        Ok(events.iter().filter(sees).map(|event| event.seq).collect())
    }

    async fn send(
        &self,
        round: &mut Round,
        mut delivery: Delivery,
        fresh: bool,
        known: Option<Event>,
    ) -> Result<(), ReconcileError> {
        let store = &self.parts.store;
        let webhook = &round.webhook.value;
        let event = match known {
            Some(event) => Some(event),
            None => store.events(Some(delivery.seq - 1), 1, None).await?.into_iter().next(),
        };
        let event = event.filter(|event| event.seq == delivery.seq).ok_or_else(|| {
            ReconcileError::Port(format!("event {} is not in the log", delivery.seq))
        })?;
        let at = round.waiting.iter().position(|row| row.value.seq == delivery.seq);
        let mut version = at.map_or(0, |at| round.waiting[at].version);
        if fresh && let Some(before) = store.get::<Delivery>(&delivery_id(&delivery)).await? {
            delivery = anew(&before.value, self.now());
            version = before.version;
        }

        // The intention first: whoever comes after a death finds an attempt of unknown outcome, due later.
        let mut batch = self.batch();
        put(&mut batch, &delivery, version);
        // Gone or moved meanwhile: it must not come back by this.
        batch.expect::<Outbox>(webhook.id.as_str(), round.outbox.version);
        batch.expect::<Webhook>(webhook.id.as_str(), round.webhook.version);
        store.commit(batch).await?;
        version += 1;

        let began = self.now();
        let (outcome, wait) = self.post(webhook, &event).await?;
        let outcome = match outcome {
            AttemptOutcome::Answered { status, excerpt, .. } => {
                AttemptOutcome::Answered { status, excerpt, took: self.now().since(began) }
            }
            other => other,
        };
        let judged = judge(webhook, delivery, outcome, wait, self.now());
        let delivery = judged.delivery;
        let mut batch = self.batch();
        batch.update(&delivery, version);
        let done = delivery.state == tow_record::DeliveryState::Delivered;
        if done && !delivery.again {
            let outbox = Outbox {
                seq: delivery.seq,
                delivered: round.outbox.value.delivered + 1,
                ..round.outbox.value.clone()
            };
            batch.update(&outbox, round.outbox.version);
            if outbox.delivered % TRIM == 0 {
                self.trim(&mut batch, webhook).await?;
            }
            round.outbox = Row { value: outbox, version: round.outbox.version + 1 };
        } else {
            batch.expect::<Outbox>(webhook.id.as_str(), round.outbox.version);
        }
        let paused = judged.pauses.map(|why| {
            let paused = Some(Paused { at: self.now(), by: ACTOR.into(), why });
            Webhook { paused, ..webhook.clone() }
        });
        if let Some(paused) = &paused {
            batch.update(paused, round.webhook.version);
            batch.event(self.told(paused, delivery.seq));
        }
        store.commit(batch).await?;
        if let Some(at) = at {
            round.waiting.remove(at);
        }
        if delivery.state == tow_record::DeliveryState::Waiting {
            round.waiting.push(Row { value: delivery, version: version + 1 });
        }
        if let Some(value) = paused {
            round.webhook = Row { value, version: round.webhook.version + 1 };
        }
        Ok(())
    }

    async fn post(
        &self,
        webhook: &Webhook,
        event: &Event,
    ) -> Result<(AttemptOutcome, Option<Duration>), ReconcileError> {
        let context = Webhook::context(&webhook.id);
        let secret = self.parts.keys.open(&context, &webhook.secret)?;
        let secret = WebhookSecret::of(&secret)
            .ok_or_else(|| ReconcileError::Port(format!("the secret of {} is none", webhook.id)))?;
        let said = cloud_event(&format!("urn:towpath:{}", webhook.id), event);
        let body = Bytes::from(said.to_string());
        let id = Delivery::message(&webhook.id, event.seq);
        let headers = secret.headers(&id, self.now().0 / 1_000_000, &body);
        Ok(match self.parts.web.post(&webhook.url, &headers, body, LIMITS).await {
            Ok(answer) => {
                let (status, excerpt) = (answer.status, answer.excerpt);
                let answered = AttemptOutcome::Answered { status, excerpt, took: Duration::ZERO };
                (answered, answer.retry_after)
            }
            Err(error) => {
                let (why, arrived) = (error.to_string(), error.may_have_arrived());
                (AttemptOutcome::Failed { why, arrived }, None)
            }
        })
    }

    /// The oldest deliveries go.
    async fn trim(
        &self,
        batch: &mut tow_store::Batch,
        webhook: &Webhook,
    ) -> Result<(), ReconcileError> {
        let find = Find {
            subject: Some(webhook.id.to_string()),
            newest_first: true,
            limit: u32::try_from(KEPT + 2 * TRIM.unsigned_abs() as usize).ok(),
            ..Find::default()
        };
        let rows = self.parts.store.list::<Delivery>(find).await?;
        for row in rows.into_iter().skip(KEPT) {
            if row.value.state != tow_record::DeliveryState::Waiting {
                batch.remove::<Delivery>(delivery_id(&row.value), Some(row.version));
            }
        }
        Ok(())
    }

    fn told(&self, webhook: &Webhook, seq: i64) -> NewEvent {
        let why = webhook.paused.as_ref().map_or("", |paused| paused.why.as_str());
        NewEvent {
            at: self.now(),
            actor: ACTOR.into(),
            request: String::new(),
            kind: "webhook.paused".into(),
            subject: Webhook::subject_of(&webhook.id),
            body: EventBody {
                summary: format!(
                    "the webhook to {} is paused: {why}",
                    Webhook::origin(&webhook.url)
                ),
                before: Value::Null,
                after: json!({"webhook": webhook.id, "event": seq, "why": why}),
            },
        }
    }
}

fn delivery_id(delivery: &Delivery) -> String {
    Delivery::id_of(&delivery.webhook, delivery.seq)
}

fn put(batch: &mut tow_store::Batch, delivery: &Delivery, version: i64) {
    if version == 0 {
        batch.create(delivery);
    } else {
        batch.update(delivery, version);
    }
}
