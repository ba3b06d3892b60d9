//! The log as evidence. Rows are given as they are found, and nothing that is written in them is believed: not the
//! digest beside a body, not that the body is readable.

use crate::{Store, StoreError, commit, db, read, sql};
use std::collections::BTreeSet;
use tow_names::{Digest, Timestamp};
use tow_record::{Event, Logged, Seal};

/// Bodies may be large: so many are looked at in one piece.
const PIECE: i64 = 250;
/// A search that follows no index looks at so many events a call.
const SCAN: i64 = 10_000;

/// Which events, in which order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Search {
    /// The newest first.
    pub newest_first: bool,
    /// Go on from here: only events before it (newest first) or after it.
    pub from: Option<i64>,
    /// At most so many.
    pub limit: u32,
    /// Exactly this actor.
    pub actor: Option<String>,
    /// This kind, or all that begin so: `deployment.`.
    pub kind: Option<String>,
    /// About this; of a component its places too.
    pub subject: Option<String>,
    /// Not before this.
    pub since: Option<Timestamp>,
    /// Before this.
    pub until: Option<Timestamp>,
    /// Held by actor, kind, subject or body, whatever the case of its letters.
    pub text: Option<String>,
}

/// What a search came to.
#[derive(Debug, Clone, PartialEq)]
pub struct Searched {
    /// In the order asked for.
    pub events: Vec<Event>,
    /// Where to go on, even where nothing was found so far; none at the end of the log.
    pub next: Option<i64>,
}

fn logged(row: &db::Row) -> Result<Logged, StoreError> {
    let (seq, kind) = (row.int(0)?, row.text(4)?);
    let body = row.maybe(7)?;
    Ok(Logged {
        seq,
        at: row.int(1)?,
        actor: row.text(2)?,
        request: row.text(3)?,
        subject: row.text(5)?,
        body_sha256: row.text(6)?,
        found: body.as_ref().map(|body| Digest::of(body.as_bytes()).hex().to_string()),
        erased: match &body {
            Some(body) if kind == "event.erased" => erased(body),
            _ => Vec::new(),
        },
        kind,
    })
}

/// What a record of an erasure names.
fn erased(body: &str) -> Vec<i64> {
    let body: serde_json::Value = serde_json::from_str(body).unwrap_or_default();
    let named = body.pointer("/after/events").and_then(serde_json::Value::as_array);
    named
        .map(|named| named.iter().filter_map(serde_json::Value::as_i64).collect())
        .unwrap_or_default()
}

/// For LIKE with `!` as escape.
fn pattern(text: &str) -> String {
    let mut pattern = String::from("%");
    for letter in text.to_lowercase().chars() {
        if matches!(letter, '!' | '%' | '_') {
            pattern.push('!');
        }
        pattern.push(letter);
    }
    pattern.push('%');
    pattern
}

impl Store {
    /// The events from `from` to `to` that are there, with what their bodies were found to be. For a thousand or so.
    pub async fn logged(&self, from: i64, to: i64) -> Result<Vec<Logged>, StoreError> {
        let (mut all, mut from) = (Vec::new(), from);
        loop {
            let mut found = self.logged_first(from, to).await?;
            let Some(last) = found.last() else { return Ok(all) };
            from = last.seq + 1;
            all.append(&mut found);
        }
    }

    /// The first few of them; none where there is none.
    pub async fn logged_first(&self, from: i64, to: i64) -> Result<Vec<Logged>, StoreError> {
        let args = [from.into(), to.into(), PIECE.into()];
        self.inner.db.fetch(sql::LOGGED, &args).await?.iter().map(logged).collect()
    }

    /// Those of these events that are there; one statement per hundred.
    pub async fn events_at(&self, seqs: &[i64]) -> Result<Vec<Event>, StoreError> {
        let seqs: BTreeSet<i64> = seqs.iter().copied().collect();
        let seqs: Vec<i64> = seqs.into_iter().collect();
        let mut session = self.inner.db.reader().await?;
        let mut reader = session.read().await?;
        let rows = commit::read_rows(&mut reader, &sql::EVENTS_AT, &seqs, |args, seq| {
            args.push((*seq).into());
        });
        rows.await?.iter().map(read::event).collect()
    }

    /// Rows that no commit ever wrote: the log begins with 1.
    pub async fn logged_before_the_first(&self) -> Result<Vec<Logged>, StoreError> {
        let rows = self.inner.db.fetch(sql::LOGGED_ODD, &[PIECE.into()]).await?;
        rows.iter().map(logged).collect()
    }

    /// What stands in the places of the seals after this one, by number; none where it is no seal.
    pub async fn seals(
        &self,
        after: i64,
        limit: u32,
    ) -> Result<Vec<(i64, Option<Seal>)>, StoreError> {
        let args = [after.into(), i64::from(limit).into()];
        let rows = self.inner.db.fetch(sql::SEALS_AFTER, &args).await?;
        let seal = |row: &db::Row| Ok((row.int(0)?, serde_json::from_str(row.str(1)?).ok()));
        rows.iter().map(seal).collect()
    }

    /// Events by what is in them. Looks at a bounded piece of the log a call; whoever wants more goes on from `next`.
    pub async fn search(&self, search: &Search) -> Result<Searched, StoreError> {
        let head = self.head().await?;
        let wide = search.subject.is_some();
        let (low, high) = if search.newest_first {
            let high = search.from.map_or(head, |from| head.min(from.saturating_sub(1)));
            (if wide { 1 } else { 1.max(high.saturating_sub(SCAN - 1)) }, high)
        } else {
            let low = search.from.unwrap_or(0).max(0).saturating_add(1);
            (low, if wide { head } else { head.min(low.saturating_add(SCAN - 1)) })
        };
        let limit = i64::from(search.limit.clamp(1, 1_000));
        let text = search.text.as_deref().filter(|text| !text.is_empty());
        let text = text.map(pattern).unwrap_or_default();
        let mut args: Vec<db::Arg<'_>> = vec![
            low.into(),
            high.into(),
            search.actor.as_deref().unwrap_or_default().into(),
            search.kind.as_deref().unwrap_or_default().into(),
            search.since.map_or(i64::MIN, |at| at.0).into(),
            search.until.map_or(i64::MAX, |at| at.0).into(),
            text.into(),
            limit.into(),
        ];
        args.extend(search.subject.as_ref().map(db::Arg::from));
        let statement = match (wide, search.newest_first) {
            (false, true) => sql::SEARCH_NEWEST,
            (false, false) => sql::SEARCH_OLDEST,
            (true, true) => sql::SEARCH_OF_NEWEST,
            (true, false) => sql::SEARCH_OF_OLDEST,
        };
        let rows = self.inner.db.fetch(statement, &args).await?;
        let events = rows.iter().map(read::event).collect::<Result<Vec<_>, _>>()?;
        let full = events.len() as i64 == limit;
        let last = events.last().map(|event| event.seq);
        let next = match (search.newest_first, last.filter(|_| full)) {
            (true, last) => Some(last.unwrap_or(low)).filter(|seq| *seq > 1),
            (false, last) => Some(last.unwrap_or(high)).filter(|seq| *seq < head),
        };
        Ok(Searched { events, next })
    }
}
