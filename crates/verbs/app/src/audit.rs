//! The log as evidence: searched, proved against its seals, and stripped of bodies on record. What a seal proves is said in
//! `plan`; here the log is read for it, a piece at a time, so that its length costs time and no memory.

use crate::{App, AppError, Call, Handle, OpCtx, handle::body};
use serde_json::json;
use tow_api::Action;
use tow_api::audit::{
    erase::{self, EraseEvents},
    head::GetAuditHead,
    list::{self, ListAudit, Order},
    verify::VerifyAudit,
};
use tow_names::{Duration, EntityRef, Namespace, Timestamp};
use tow_plan::audit::{Signed, Verifier};
use tow_policy::Object;
use tow_ports::PortError;
use tow_record::{AuditReport, Event, Head, Seal};
use tow_store::Search;

/// Where nothing is said.
const LIMIT: u32 = 100;
/// Seals that are held at once while the log is read: they know the digest of each of their events.
const SEALS: u32 = 32;
/// So many bodies go in one request: what they are is written into one event.
const ERASED: usize = 500;

impl Handle<ListAudit> for App {
    async fn handle(&self, ctx: &OpCtx, call: Call<ListAudit>) -> Result<list::Reply, AppError> {
        self.authorize(ctx, Action::Audit, &Object::platform())?;
        let query = call.query;
        let search = Search {
            newest_first: query.order == Order::Newest,
            from: query.from,
            limit: query.limit.unwrap_or(LIMIT),
            actor: query.actor.map(|text| reference(&text, "user")),
            kind: query.kind,
            subject: query.subject.map(|text| reference(&text, "component")),
            since: query.since.map(|text| moment(&text, self.now())).transpose()?,
            until: query.until.map(|text| moment(&text, self.now())).transpose()?,
            text: query.text,
        };
        let found = self.store().search(&search).await?;
        Ok(list::Reply { items: found.events, next: found.next })
    }
}

impl Handle<GetAuditHead> for App {
    async fn handle(&self, ctx: &OpCtx, _: Call<GetAuditHead>) -> Result<Head, AppError> {
        self.authorize(ctx, Action::Audit, &Object::platform())?;
        let seal = self.store().last::<Seal>("").await?.map(|row| row.value).ok_or_else(|| {
            AppError::new("audit/not-sealed", "no event has been sealed yet")
                .hint("events are sealed a few seconds after they happened")
        })?;
        let public = self.parts.keys.public(&seal.signature.key).unwrap_or_default();
        Ok(Head::of(&seal, public))
    }
}

impl Handle<VerifyAudit> for App {
    async fn handle(&self, ctx: &OpCtx, call: Call<VerifyAudit>) -> Result<AuditReport, AppError> {
        self.authorize(ctx, Action::Audit, &Object::platform())?;
        let exported = match call.body.head {
            Some(head) => {
                let signed = self.signed(&head.seal())?;
                Some((head, signed))
            }
            None => None,
        };
        let store = self.store();
        // Read before the seals: what the sealer had done by now must be there.
        let sealed = store.cursor(Seal::CONSUMER).await?;
        let mut verifier = Verifier::new(exported);
        for event in store.logged_before_the_first().await? {
            verifier.event(event);
        }
        let (mut number, mut next) = (0, 1);
        loop {
            let seals = store.seals(number, SEALS).await?;
            let Some((last, _)) = seals.last() else { break };
            let last = *last;
            for (number, seal) in seals {
                match seal {
                    Some(seal) => {
                        let signed = self.signed(&seal)?;
                        verifier.seal(seal, signed);
                    }
                    None => verifier.unreadable(number),
                }
            }
            number = last;
            next = self.feed(&mut verifier, next, None).await?;
        }
        // Read before the rest of the log, so that all that is counted must be there.
        let counted = store.head().await?;
        self.feed(&mut verifier, next, Some(i64::MAX)).await?;
        Ok(verifier.finish(counted, sealed))
    }
}

impl App {
    /// What the keys say of a seal's signature.
    fn signed(&self, seal: &Seal) -> Result<Signed, AppError> {
        match self.parts.keys.verify(seal.statement().as_bytes(), &seal.signature) {
            Ok(true) => Ok(Signed::Yes),
            Ok(false) => Ok(Signed::No),
            Err(PortError::NotThere(_)) => Ok(Signed::UnknownKey),
            Err(error) => Err(error.into()),
        }
    }

    /// Gives the verifier the events from `next` on, to `until` or as far as its seals go; where to go on.
    async fn feed(
        &self,
        verifier: &mut Verifier,
        mut next: i64,
        until: Option<i64>,
    ) -> Result<i64, AppError> {
        let until = until.unwrap_or_else(|| verifier.sealed_to());
        while next <= until {
            let piece = self.store().logged_first(next, until).await?;
            let Some(last) = piece.last() else { break };
            next = last.seq.saturating_add(1);
            for event in piece {
                verifier.event(event);
            }
            // Hashing a long log must not hold up the other requests of this thread.
            tokio::task::yield_now().await;
        }
        Ok(next)
    }
}

impl Handle<EraseEvents> for App {
    async fn handle(&self, ctx: &OpCtx, call: Call<EraseEvents>) -> Result<erase::Reply, AppError> {
        self.write(ctx, &call, async |batch| {
            self.authorize(ctx, Action::Erase, &Object::platform())?;
            let reason = call.body.reason.trim();
            let refused = |why: String| AppError::new("audit/erase", why);
            if reason.is_empty() {
                return Err(refused("it is not said why".into()).hint("--reason WHY"));
            }
            if call.body.events.len() > ERASED {
                return Err(refused(format!("{ERASED} events at most can be erased at once")));
            }
            let (found, more, about) = match (&call.body.subject, call.body.events.as_slice()) {
                (Some(subject), []) => {
                    let subject = reference(subject, "component");
                    let (found, more) = self.with_body(&subject).await?;
                    (found, more, subject)
                }
                (None, [_, ..]) => {
                    let found = self.store().events_at(&call.body.events).await?;
                    let there = |seq: &&i64| !found.iter().any(|event| event.seq == **seq);
                    if let Some(missing) = call.body.events.iter().find(there) {
                        return Err(AppError::not_found(format!("event {missing}")));
                    }
                    (found, false, "the log".to_string())
                }
                _ => return Err(refused("either events or a subject must be named".into())),
            };
            if let Some(proof) = found.iter().find(|event| event.kind == "event.erased") {
                return Err(refused(format!(
                    "event {} is the record of an erasure, which proves that it was one",
                    proof.seq
                )));
            }
            let mut found: Vec<&Event> = found.iter().filter(|e| e.body.is_some()).collect();
            found.sort_by_key(|event| event.seq);
            let erased: Vec<i64> = found.iter().map(|event| event.seq).collect();
            if !erased.is_empty() {
                erased.iter().for_each(|seq| batch.erase_event(*seq));
                let digests: Vec<&str> = found.iter().map(|e| e.body_sha256.as_str()).collect();
                let what = body(
                    match erased.len() {
                        1 => format!("1 event lost its body: {reason}"),
                        many => format!("{many} events lost their bodies: {reason}"),
                    },
                    json!({ "digests": digests }),
                    json!({ "events": erased, "reason": reason }),
                );
                batch.event(self.event(ctx, "event.erased", about, what));
            }
            Ok(erase::Reply { erased, more })
        })
        .await
    }
}

impl App {
    /// Events about a subject that have a body still, and whether there are more than these.
    async fn with_body(&self, subject: &str) -> Result<(Vec<Event>, bool), AppError> {
        let mut found: Vec<Event> = Vec::new();
        let mut search =
            Search { limit: 1_000, subject: Some(subject.into()), ..Search::default() };
        loop {
            let page = self.store().search(&search).await?;
            let open = page.events.into_iter();
            found.extend(open.filter(|e| e.body.is_some() && e.kind != "event.erased"));
            if found.len() > ERASED {
                found.truncate(ERASED);
                return Ok((found, true));
            }
            match page.next {
                Some(next) => search.from = Some(next),
                None => return Ok((found, false)),
            }
        }
    }
}

/// A time, the beginning of a day, or so long ago.
fn moment(text: &str, now: Timestamp) -> Result<Timestamp, AppError> {
    if let Ok(ago) = text.parse::<Duration>() {
        return Ok(Timestamp(now.0.saturating_sub(ago.micros())));
    }
    let day = format!("{text}T00:00:00Z");
    [text, &day].into_iter().find_map(|text| serde_json::from_value(text.into()).ok()).ok_or_else(
        || {
            AppError::new("input/invalid", format!("{text:?} is no time")).hint(
                "a time, a day, or so long ago, as in 2026-11-22T08:00:00Z, 2026-11-22 or 24h",
            )
        },
    )
}

/// A reference or place in full where it is one; anything else as it is.
fn reference(text: &str, kind: &str) -> String {
    let (entity, place) = match text.split_once('@') {
        Some((entity, environment)) => (entity, format!("@{environment}")),
        None => (text, String::new()),
    };
    match EntityRef::parse(entity, Some(kind), &Namespace::default()) {
        Ok(entity) => format!("{entity}{place}"),
        Err(_) => text.to_string(),
    }
}
