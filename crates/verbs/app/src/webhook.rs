//! Webhooks: made, looked at, paused, tried out. What is carried, and when, is no business of this room: it writes what
//! is wanted, and a controller sees it.

use crate::{App, AppError, Call, Handle, OpCtx, handle::body, handle::internal};
use bytes::Bytes;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use tow_api::webhook::{
    create::{self, CreateWebhook},
    delete::DeleteWebhook,
    deliveries::{self, DeliveryView, ListDeliveries},
    get::GetWebhook,
    list::{self, ListWebhooks, WebhookView},
    pause::PauseWebhook,
    redeliver::Redeliver,
    resume::ResumeWebhook,
    test::{self, TestWebhook},
};
use tow_api::{Action, Nothing};
use tow_formats::standard_webhook::WebhookSecret;
use tow_names::{Digest, Duration, Id};
use tow_plan::webhook::{pattern, wants};
use tow_policy::Object;
use tow_ports::WebLimits;
use tow_record::{Delivery, DeliveryState, EVENTS, Outbox, Paused, Webhook};
use tow_store::{Find, Row};

/// There are no more than so many: each is looked at whenever something happens.
const WEBHOOKS: usize = 100;
/// Patterns of one.
const PATTERNS: usize = 50;
/// Letters of a note or a reason.
const LONGEST: usize = 500;
/// Letters of a URL.
const URL: usize = 2_000;
/// How long a test waits for the receiver.
const LIMITS: WebLimits =
    WebLimits { total: Duration::from_secs(10), idle: Duration::from_secs(5), size: 1 << 16 };

impl App {
    async fn webhook(&self, ctx: &OpCtx, id: &str) -> Result<Row<Webhook>, AppError> {
        self.authorize(ctx, Action::Govern, &Object::platform())?;
        let row = self.store().get::<Webhook>(id).await?;
        row.ok_or_else(|| gone(id))
    }

    async fn outbox(&self, webhook: &Webhook) -> Result<Row<Outbox>, AppError> {
        if let Some(row) = self.store().get::<Outbox>(webhook.id.as_str()).await? {
            return Ok(row);
        }
        // Both go in one batch, but are read one after the other: it may have been deleted in between.
        match self.store().get::<Webhook>(webhook.id.as_str()).await? {
            Some(_) => Err(internal(format!("webhook {} has no outbox", webhook.id))),
            None => Err(gone(webhook.id.as_str())),
        }
    }

    async fn shown(&self, webhook: Webhook) -> Result<WebhookView, AppError> {
        let outbox = self.outbox(&webhook).await?.value;
        Ok(view(webhook, Some(&outbox)))
    }

    /// A key nobody can guess.
    fn fresh_secret() -> Result<WebhookSecret, AppError> {
        let digest = Digest::of(Id::secret().as_bytes());
        let hex = digest.hex();
        let byte = |at: usize| u8::from_str_radix(hex.get(at..at + 2)?, 16).ok();
        let bytes: Option<Vec<u8>> = (0..hex.len()).step_by(2).map(byte).collect();
        bytes
            .and_then(|bytes| WebhookSecret::of(&bytes))
            .ok_or_else(|| internal("a digest is not 32 bytes"))
    }
}

fn gone(id: &str) -> AppError {
    AppError::not_found(format!("webhook {id}")).hint("tow webhook list names them")
}

fn view(webhook: Webhook, outbox: Option<&Outbox>) -> WebhookView {
    WebhookView {
        id: webhook.id.to_string(),
        url: webhook.url,
        events: webhook.events,
        note: webhook.note,
        created_by: webhook.created_by.name,
        created_at: webhook.created_at,
        since: webhook.since,
        reached: outbox.map_or(webhook.since, |outbox| outbox.seq),
        delivered: outbox.map_or(0, |outbox| outbox.delivered),
        paused: webhook.paused,
    }
}

fn delivery_view(delivery: Delivery) -> DeliveryView {
    DeliveryView {
        message: Delivery::message(&delivery.webhook, delivery.seq),
        seq: delivery.seq,
        kind: delivery.kind,
        state: delivery.state,
        again: delivery.again,
        tries: delivery.tries,
        attempts: delivery.attempts,
        next_at: delivery.next_at,
        finished_at: delivery.finished_at,
    }
}

/// What can be said of a webhook before anybody is asked.
fn admitted(app: &App, asked: &create::Body) -> Result<(), AppError> {
    if asked.url.len() > URL {
        return Err(AppError::new("webhook/address", "the URL is longer than 2,000 letters"));
    }
    app.parts.web.check(&asked.url).map_err(|error| {
        AppError::new("webhook/address", error.to_string())
            .hint("an http or https URL that leads outside, as in https://example.org/hook")
    })?;
    if asked.events.is_empty() || asked.events.len() > PATTERNS {
        return Err(AppError::new(
            "webhook/events",
            format!(
                "a webhook carries 1 to {PATTERNS} patterns of events, not {}",
                asked.events.len()
            ),
        )
        .hint("--events 'deployment.*', or '*' for everything"));
    }
    for one in &asked.events {
        pattern(one).map_err(|why| {
            let families: std::collections::BTreeSet<&str> =
                EVENTS.iter().filter_map(|(kind, _)| kind.split('.').next()).collect();
            let families: Vec<String> = families.iter().map(|f| format!("{f}.*")).collect();
            AppError::new("webhook/events", why)
                .hint(format!("there are {}, what is in them, and *", families.join(", ")))
        })?;
    }
    text(&asked.note, "note")
}

fn text(text: &str, what: &str) -> Result<(), AppError> {
    if text.chars().count() <= LONGEST && !text.chars().any(char::is_control) {
        return Ok(());
    }
    let why = format!("the {what} is a line of at most {LONGEST} letters");
    Err(AppError::new("input/invalid", why))
}

impl Handle<CreateWebhook> for App {
    async fn handle(
        &self,
        ctx: &OpCtx,
        call: Call<CreateWebhook>,
    ) -> Result<create::Reply, AppError> {
        let asked = &call.body;
        let (mut reply, secret) = self
            .write_showing(ctx, &call, async |batch| {
                self.authorize(ctx, Action::Govern, &Object::platform())?;
                admitted(self, asked)?;
                let there = self.store().list::<Webhook>(Find::default()).await?.len();
                if there >= WEBHOOKS {
                    let why = format!("there are {there} webhooks already");
                    return Err(AppError::new("webhook/too-many", why)
                        .hint("tow webhook delete takes one away that nobody needs"));
                }
                let id = Id::fresh("wh");
                let secret = Self::fresh_secret()?;
                let sealed = self.parts.keys.seal(&Webhook::context(&id), secret.bytes());
                let since = self.store().head().await?;
                let webhook = Webhook {
                    id: id.clone(),
                    url: asked.url.clone(),
                    events: asked.events.clone(),
                    secret: sealed.map_err(internal)?,
                    note: asked.note.clone(),
                    created_by: ctx.actor.clone(),
                    created_at: self.now(),
                    since,
                    paused: None,
                    resumed_at: None,
                };
                batch.create(&webhook);
                batch.create(&Outbox { webhook: id.clone(), seq: since, delivered: 0 });
                let to = Webhook::origin(&webhook.url);
                let what = body(
                    format!("a webhook to {to} was made, for {}", webhook.events.join(", ")),
                    Value::Null,
                    json!({"webhook": id, "to": to, "events": webhook.events, "note": webhook.note}),
                );
                batch.event(self.event(ctx, "webhook.created", Webhook::subject_of(&id), what));
                Ok((create::Reply { id: id.to_string(), secret: None }, secret.text()))
            })
            .await?;
        reply.secret = secret;
        Ok(reply)
    }
}

impl Handle<ListWebhooks> for App {
    async fn handle(&self, ctx: &OpCtx, _: Call<ListWebhooks>) -> Result<list::Reply, AppError> {
        self.authorize(ctx, Action::Govern, &Object::platform())?;
        let outboxes = self.store().list::<Outbox>(Find::default()).await?;
        let outboxes: BTreeMap<String, Outbox> =
            outboxes.into_iter().map(|row| (row.value.webhook.to_string(), row.value)).collect();
        let find = Find { newest_first: true, ..Find::default() };
        let rows = self.store().list::<Webhook>(find).await?;
        let shown = rows.into_iter().map(|row| {
            let outbox = outboxes.get(row.value.id.as_str());
            view(row.value, outbox)
        });
        let mut items: Vec<WebhookView> = shown.collect();
        items.sort_by(|a, b| b.created_at.cmp(&a.created_at).then_with(|| b.id.cmp(&a.id)));
        Ok(list::Reply { items })
    }
}

impl Handle<GetWebhook> for App {
    async fn handle(&self, ctx: &OpCtx, call: Call<GetWebhook>) -> Result<WebhookView, AppError> {
        let row = self.webhook(ctx, &call.path.webhook).await?;
        self.shown(row.value).await
    }
}

impl Handle<DeleteWebhook> for App {
    async fn handle(&self, ctx: &OpCtx, call: Call<DeleteWebhook>) -> Result<Nothing, AppError> {
        self.write(ctx, &call, async |batch| {
            let row = self.webhook(ctx, &call.path.webhook).await?;
            let id = &row.value.id;
            let find = Find { subject: Some(id.to_string()), ..Find::default() };
            for delivery in self.store().list::<Delivery>(find).await? {
                batch.remove::<Delivery>(
                    Delivery::id_of(id, delivery.value.seq),
                    Some(delivery.version),
                );
            }
            batch.remove::<Webhook>(id.as_str(), Some(row.version));
            batch.remove::<Outbox>(id.as_str(), None);
            let to = Webhook::origin(&row.value.url);
            let what = body(
                format!("the webhook to {to} was taken away"),
                json!({"webhook": id, "to": to, "events": row.value.events}),
                Value::Null,
            );
            batch.event(self.event(ctx, "webhook.deleted", Webhook::subject_of(id), what));
            Ok(Nothing {})
        })
        .await
    }
}

impl Handle<PauseWebhook> for App {
    async fn handle(&self, ctx: &OpCtx, call: Call<PauseWebhook>) -> Result<WebhookView, AppError> {
        self.write(ctx, &call, async |batch| {
            let row = self.webhook(ctx, &call.path.webhook).await?;
            text(&call.body.why, "reason")?;
            let mut webhook = row.value;
            if webhook.paused.is_none() {
                let (by, why) = (ctx.actor.name.clone(), call.body.why.clone());
                webhook.paused = Some(Paused { at: self.now(), by, why });
                batch.update(&webhook, row.version);
                let to = Webhook::origin(&webhook.url);
                let what = body(
                    format!("the webhook to {to} is paused"),
                    Value::Null,
                    json!({"webhook": webhook.id, "why": call.body.why}),
                );
                let subject = Webhook::subject_of(&webhook.id);
                batch.event(self.event(ctx, "webhook.paused", subject, what));
            }
            self.shown(webhook).await
        })
        .await
    }
}

impl Handle<ResumeWebhook> for App {
    async fn handle(
        &self,
        ctx: &OpCtx,
        call: Call<ResumeWebhook>,
    ) -> Result<WebhookView, AppError> {
        self.write(ctx, &call, async |batch| {
            let row = self.webhook(ctx, &call.path.webhook).await?;
            let mut webhook = row.value;
            if let Some(paused) = webhook.paused.take() {
                webhook.resumed_at = Some(self.now());
                batch.update(&webhook, row.version);
                // What waits for its next try is tried at once: somebody has repaired something.
                let find = Find {
                    subject: Some(webhook.id.to_string()),
                    open: Some(true),
                    ..Find::default()
                };
                for waiting in self.store().list::<Delivery>(find).await? {
                    let now = Delivery { next_at: Some(self.now()), ..waiting.value };
                    batch.update(&now, waiting.version);
                }
                let to = Webhook::origin(&webhook.url);
                let what = body(
                    format!("the webhook to {to} goes on"),
                    json!({"webhook": webhook.id, "paused": paused}),
                    Value::Null,
                );
                let subject = Webhook::subject_of(&webhook.id);
                batch.event(self.event(ctx, "webhook.resumed", subject, what));
            }
            self.shown(webhook).await
        })
        .await
    }
}

impl Handle<ListDeliveries> for App {
    async fn handle(
        &self,
        ctx: &OpCtx,
        call: Call<ListDeliveries>,
    ) -> Result<deliveries::Reply, AppError> {
        let row = self.webhook(ctx, &call.path.webhook).await?;
        let find = Find {
            subject: Some(row.value.id.to_string()),
            newest_first: true,
            limit: Some(call.query.limit.unwrap_or(100).clamp(1, 1000)),
            ..Find::default()
        };
        let rows = self.store().list::<Delivery>(find).await?;
        Ok(deliveries::Reply { items: rows.into_iter().map(|r| delivery_view(r.value)).collect() })
    }
}

impl Handle<Redeliver> for App {
    async fn handle(&self, ctx: &OpCtx, call: Call<Redeliver>) -> Result<DeliveryView, AppError> {
        self.write(ctx, &call, async |batch| {
            let (hook, seq) = (self.webhook(ctx, &call.path.webhook).await?, call.path.seq);
            let webhook = hook.value;
            if webhook.paused.is_some() {
                let why = format!("{} is paused: it carries nothing", webhook.id);
                return Err(AppError::new("webhook/paused", why)
                    .next(format!("tow webhook resume {}", webhook.id)));
            }
            let before = self.store().get::<Delivery>(&Delivery::id_of(&webhook.id, seq)).await?;
            if let Some(waiting) =
                before.as_ref().filter(|r| r.value.state == DeliveryState::Waiting)
            {
                return Ok(delivery_view(waiting.value.clone()));
            }
            let outbox = self.outbox(&webhook).await?.value;
            let event = self.store().events(Some(seq.max(1) - 1), 1, None).await?;
            let event = self.visible(&webhook.created_by, event).await?;
            let event = event.into_iter().find(|event| event.seq == seq);
            let carried = |kind: &str| before.is_some() || wants(&webhook.events, kind);
            let meant = event
                .filter(|event| seq > webhook.since && seq <= outbox.seq && carried(&event.kind));
            let Some(event) = meant else {
                let why = format!("event {seq} is not one that {} has carried", webhook.id);
                return Err(AppError::new("webhook/not-carried", why)
                    .hint(format!("tow webhook deliveries {} lists them", webhook.id)));
            };
            let delivery = Delivery {
                webhook: webhook.id.clone(),
                seq,
                kind: event.kind,
                state: DeliveryState::Waiting,
                again: true,
                tries: before.as_ref().map_or(0, |row| row.value.tries),
                attempts: before.as_ref().map_or(Vec::new(), |row| row.value.attempts.clone()),
                since: self.now(),
                next_at: Some(self.now()),
                finished_at: None,
            };
            match &before {
                Some(row) => batch.update(&delivery, row.version),
                None => batch.create(&delivery),
            }
            batch.expect::<Webhook>(webhook.id.as_str(), hook.version);
            let to = Webhook::origin(&webhook.url);
            let what = body(
                format!("event {seq} is to be carried to {to} once more"),
                Value::Null,
                json!({"webhook": webhook.id, "event": seq}),
            );
            let subject = Webhook::subject_of(&webhook.id);
            batch.event(self.event(ctx, "webhook.redelivery", subject, what));
            Ok(delivery_view(delivery))
        })
        .await
    }
}

impl Handle<TestWebhook> for App {
    /// Writes nothing: what came of it is the answer.
    async fn handle(&self, ctx: &OpCtx, call: Call<TestWebhook>) -> Result<test::Reply, AppError> {
        let webhook = self.webhook(ctx, &call.path.webhook).await?.value;
        let context = Webhook::context(&webhook.id);
        let secret = self.parts.keys.open(&context, &webhook.secret).map_err(internal)?;
        let secret =
            WebhookSecret::of(&secret).ok_or_else(|| internal("not a webhook's secret"))?;
        let (began, id) = (self.now(), Id::fresh("ping").to_string());
        let ping = json!({
            "specversion": "1.0", "id": id, "source": format!("urn:towpath:{}", webhook.id),
            "type": "dev.towpath.webhook.ping", "time": began, "towactor": ctx.actor.name,
            "datacontenttype": "application/json",
            "data": {"summary": "a test; nothing happened", "before": null, "after": null},
        });
        let body = Bytes::from(ping.to_string());
        let headers = secret.headers(&id, began.0 / 1_000_000, &body);
        let answer = self.parts.web.post(&webhook.url, &headers, body, LIMITS).await;
        let took = self.now().since(began);
        Ok(match answer {
            Ok(answer) => test::Reply {
                taken: (200..300).contains(&answer.status),
                status: Some(answer.status),
                message: answer.excerpt,
                took,
            },
            Err(error) => {
                test::Reply { taken: false, status: None, message: error.to_string(), took }
            }
        })
    }
}
