//! The store: can it be read, is it whole, who holds it, and how far behind are those who follow its log.

use super::finding::Finding;
use super::scene::Scene;
use crate::error::{HostError, count};
use std::time::Duration as Std;
use tow_names::{Duration, Timestamp};
use tow_platform::{Examined, KeysSeen, Location, StoreError};

/// How long the structure may be looked at; a doctor answers at once.
const PATIENCE: Std = Std::from_millis(400);
/// Whoever follows the log and is further behind than this is held up.
const BEHIND: Duration = Duration::from_secs(600);

/// Looks into the store; nothing where there is none yet.
pub(super) fn examine(
    at: &Location,
    deep: bool,
) -> Result<Option<Result<Examined, StoreError>>, HostError> {
    if let Location::File(path) = at
        && !path.exists()
    {
        return Ok(None);
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|e| HostError::new("host/runtime", e.to_string()))?;
    let all = Std::from_secs(if deep { 3_600 } else { 3 });
    let examined = runtime.block_on(async {
        let look = tow_platform::examine(at, (!deep).then_some(PATIENCE));
        match tokio::time::timeout(all, look).await {
            Ok(examined) => examined,
            Err(_) => Err(StoreError::Busy { at: at.to_string() }),
        }
    });
    // A look that takes too long must not hold the process back.
    runtime.shutdown_background();
    Ok(Some(examined))
}

pub(super) fn look(scene: &Scene) -> Vec<Finding> {
    let seen = match &scene.store {
        None => return vec![Finding::ok("store.whole", "there is none yet")],
        Some(Err(error)) => {
            return vec![
                Finding::fail("store.whole", error.to_string())
                    .cause(format!("the platform can't use its store [{}]", error.code()))
                    .fix(error.hint()),
            ];
        }
        Some(Ok(seen)) => seen,
    };
    let kept = std::fs::read_to_string(scene.layout.damage()).unwrap_or_default();
    let mut found = vec![flagged(seen, &kept).unwrap_or_else(|| whole(seen)), schema(seen)];
    if seen.schema.found == seen.schema.known {
        found.extend(leases(seen, scene.up(), scene.now));
        found.push(sealer(seen, scene.up(), scene.now));
        found.extend(outboxes(seen, scene.up(), scene.now));
        found.push(backups(seen));
        found.push(keys(seen, scene));
    }
    found
}

fn whole(seen: &Examined) -> Finding {
    let check = "store.whole";
    match seen.damage.as_deref() {
        Some([]) => Finding::ok(check, format!("{}: {}", seen.at, count(seen.head, "event"))),
        Some(lines) => Finding::fail(check, format!("{}: {}", seen.at, lines.join("; ")))
            .cause("the database's structure is broken, by a disk or by another program")
            .fix("tow down, keep the file for a look, and tow restore the last backup"),
        None => Finding::ok(
            check,
            format!("{}: too large to be checked at once; tow doctor --deep does", seen.at),
        ),
    }
}

/// What was found when the platform was started, where there is no time to look again.
fn flagged(seen: &Examined, kept: &str) -> Option<Finding> {
    let kept = kept.trim();
    (seen.damage.is_none() && !kept.is_empty()).then(|| {
        Finding::fail("store.whole", format!("{}: {kept}", seen.at))
            .cause("found when the platform was last started: the database's structure is broken")
            .fix("tow down, keep the file for a look, and tow restore the last backup; tow doctor --deep looks again")
    })
}

fn schema(seen: &Examined) -> Finding {
    let (found, known) = (seen.schema.found, seen.schema.known);
    let check = "store.schema";
    let text = format!("schema {found}, this tow knows {known}");
    if found > known {
        Finding::fail(check, text)
            .cause("a newer tow has used this store")
            .fix("use the newer tow, or restore a backup made by this one")
    } else if found < known {
        Finding::warn(check, text)
            .cause("an older tow made it; the rest was not looked at")
            .fix("tow up brings it up to date")
    } else {
        Finding::ok(check, text)
    }
}

fn leases(seen: &Examined, up: bool, now: Timestamp) -> Vec<Finding> {
    let check = "store.lease";
    let judge = |lease: &tow_record::Lease| {
        let who = format!("{} is held by {} in epoch {}", lease.name, lease.holder, lease.epoch);
        if lease.expires > now.plus(Duration::from_secs(3_600)) {
            return Finding::fail(check, format!("{who} until {}", lease.expires))
                .cause("no lease is taken for so long: the clock stood wrong when it was taken")
                .fix("on one machine tow up takes it over; with a shared database set the clocks first");
        }
        if up && lease.expires.plus(Duration::from_secs(5)) < now {
            return Finding::fail(
                check,
                format!("{who}, but was to be renewed by {}", lease.expires),
            )
            .cause(
                "the control plane runs and does not get to renew it: it hangs, or its disk does",
            )
            .fix("look at what tow up wrote; end it with SIGTERM and start it again");
        }
        Finding::ok(check, who)
    };
    if seen.leases.is_empty() {
        return vec![Finding::ok(check, "nobody ever held one")];
    }
    seen.leases.iter().map(judge).collect()
}

fn sealer(seen: &Examined, up: bool, now: Timestamp) -> Finding {
    let check = "backlog.seal";
    let Some(since) = seen.unsealed_since else {
        return Finding::ok(check, format!("all {} events are sealed", seen.head));
    };
    let waits = now.since(since);
    let are = if seen.head - seen.sealed == 1 { "is" } else { "are" };
    let events = count(seen.head - seen.sealed, "event");
    let text = format!("{events} {are} not sealed yet, the first for {}", waits.rounded());
    if waits > BEHIND && up {
        return Finding::warn(check, text)
            .cause("the sealer is held up; until it goes on, those events can be changed unnoticed")
            .fix("look at what tow up wrote about seal");
    }
    Finding::ok(check, text)
}

fn outboxes(seen: &Examined, up: bool, now: Timestamp) -> Vec<Finding> {
    let check = "backlog.webhooks";
    if seen.outboxes.is_empty() {
        return vec![Finding::ok(check, "there are none")];
    }
    let judge = |outbox: &tow_platform::OutboxSeen| {
        let name = format!("{} to {}", outbox.webhook, outbox.origin);
        let events = count(seen.head - outbox.seq, "event");
        if let Some(why) = &outbox.paused {
            let why = if why.is_empty() { "by somebody's order" } else { why };
            return Finding::warn(check, format!("{name} is paused: {why}; {events} to come"))
                .cause("nobody there is told of what happens here")
                .fix(format!("tow webhook resume {}", outbox.webhook));
        }
        match outbox.waiting_since.map(|since| now.since(since)) {
            Some(waits) if waits > BEHIND && up => {
                Finding::warn(check, format!("{name} is {} behind: {events}", waits.rounded()))
                    .cause("its receiver refuses, or does not answer")
                    .fix(format!("tow webhook deliveries {} says what it answers", outbox.webhook))
            }
            _ => Finding::ok(check, format!("{name}: {events} to look at")),
        }
    };
    seen.outboxes.iter().map(judge).collect()
}

/// Fresh keys in the place of lost ones open nothing.
fn keys(seen: &Examined, scene: &Scene) -> Finding {
    let check = "keys.fit";
    let lost = |text: String| {
        Finding::fail(check, text)
            .cause("configuration values and secrets sealed with them can't be opened, and the log's seals can't be proved")
            .fix(crate::up::KEYS_HINT)
    };
    match seen.keys.against(&scene.layout, seen.head) {
        Ok(KeysSeen::Fit) => Finding::ok(check, "the store was sealed with the keys that are here"),
        Ok(KeysSeen::Some(missing)) => {
            let named = missing.into_iter().take(3).collect::<Vec<_>>().join(", ");
            lost(format!("keys are missing that values were sealed with: {named}"))
        }
        Ok(KeysSeen::Lost(why)) => lost(why),
        // That is a finding of its own, which --fix mends.
        Err(error) if error.code() == "keys/readable-by-others" => {
            Finding::ok(check, "not looked at while others may read them")
        }
        Err(error) => Finding::fail(check, error.to_string())
            .cause("the keys can't be read")
            .fix(error.hint()),
    }
}

fn backups(seen: &Examined) -> Finding {
    let check = "backup.last";
    let Some(event) = &seen.last_backup else {
        return Finding::ok(check, "no scheduled backup was made so far; tow backup makes one");
    };
    let summary = event.body.as_ref().map_or("", |body| body.summary.as_str());
    let text = format!("{}: {summary}", event.at);
    if event.kind == "backup.failed" {
        return Finding::warn(check, text)
            .cause("the last scheduled backup was not made")
            .fix("mend what it says; it is tried again by itself");
    }
    Finding::ok(check, text)
}

/// As people say a length of time.
trait Rounded {
    fn rounded(self) -> String;
}

impl Rounded for Duration {
    fn rounded(self) -> String {
        let seconds = self.millis() / 1_000;
        match seconds {
            0..120 => format!("{seconds} s"),
            120..7_200 => format!("{} min", seconds / 60),
            7_200..172_800 => format!("{} h", seconds / 3_600),
            _ => format!("{} days", seconds / 86_400),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::finding::State;
    use std::collections::BTreeSet;
    use tow_platform::{OutboxSeen, Schema};
    use tow_record::{Event, EventBody, Lease};

    const NOW: Timestamp = Timestamp(1_795_000_000_000_000);

    fn ago(seconds: i64) -> Timestamp {
        Timestamp(NOW.0 - seconds * 1_000_000)
    }

    fn seen() -> Examined {
        Examined {
            at: "tow.db".into(),
            schema: Schema { found: 2, known: 2 },
            damage: Some(Vec::new()),
            head: 10,
            clock_ahead: None,
            last_event: Some(ago(1)),
            leases: Vec::new(),
            sealed: 10,
            unsealed_since: None,
            outboxes: Vec::new(),
            instances: BTreeSet::new(),
            builds: BTreeSet::new(),
            blobs: BTreeSet::new(),
            engines: Vec::new(),
            last_backup: None,
            certificates: Vec::new(),
            keys: tow_platform::NamedKeys::default(),
        }
    }

    #[test]
    fn damage_and_another_schema_are_named() {
        let mut store = seen();
        assert_eq!(whole(&store).state, State::Ok);
        store.damage = Some(vec!["row 3 missing from index record_open".into()]);
        assert_eq!(whole(&store).state, State::Fail);
        assert!(whole(&store).seen.contains("record_open"));
        store.damage = None;
        assert!(whole(&store).seen.contains("--deep"));
        assert_eq!(flagged(&store, "row 3\n").map(|found| found.state), Some(State::Fail));
        assert!(flagged(&store, "").is_none());
        let looked = Examined { damage: Some(Vec::new()), ..store.clone() };
        assert!(flagged(&looked, "row 3").is_none(), "a look of now counts more");
        store.schema.found = 9;
        assert_eq!(schema(&store).state, State::Fail);
        store.schema.found = 1;
        assert_eq!(schema(&store).state, State::Warn);
    }

    #[test]
    fn a_lease_that_is_stuck_is_named() {
        let mut store = seen();
        let mut hold = |expires| {
            let (name, holder) = ("control".to_string(), "h".to_string());
            store.leases = vec![Lease { name, holder, epoch: 3, expires }];
            (leases(&store, true, NOW)[0].state, leases(&store, false, NOW)[0].state)
        };
        assert_eq!(hold(NOW.plus(Duration::from_secs(9))), (State::Ok, State::Ok));
        assert_eq!(hold(ago(60)), (State::Fail, State::Ok), "a platform that does not renew");
        assert_eq!(hold(NOW.plus(Duration::from_secs(99_999))), (State::Fail, State::Fail));
    }

    #[test]
    fn whoever_is_behind_the_log_is_named() {
        let mut store = seen();
        assert_eq!(sealer(&store, true, NOW).state, State::Ok);
        (store.sealed, store.unsealed_since) = (4, Some(ago(7_300)));
        let behind = sealer(&store, true, NOW);
        assert_eq!(behind.state, State::Warn);
        assert!(behind.seen.contains("6 events") && behind.seen.contains("2 h"), "{behind:?}");
        assert_eq!(sealer(&store, false, NOW).state, State::Ok, "nobody seals while it is down");
        store.outboxes = vec![OutboxSeen {
            webhook: "hook-1".into(),
            origin: "https://example.org".into(),
            paused: None,
            seq: 2,
            waiting_since: Some(ago(3_600)),
        }];
        assert_eq!(outboxes(&store, true, NOW)[0].state, State::Warn);
        store.outboxes[0].waiting_since = Some(ago(5));
        assert_eq!(outboxes(&store, true, NOW)[0].state, State::Ok);
        store.outboxes[0].paused = Some("410 for a day".into());
        assert!(outboxes(&store, true, NOW)[0].seen.contains("410 for a day"));
    }

    #[test]
    fn a_backup_that_failed_is_named() {
        let mut store = seen();
        assert_eq!(backups(&store).state, State::Ok);
        store.last_backup = Some(Event {
            seq: 9,
            at: ago(60),
            actor: "system:backup".into(),
            request: String::new(),
            kind: "backup.failed".into(),
            subject: String::new(),
            body_sha256: String::new(),
            body: Some(EventBody {
                summary: "the disk is full".into(),
                before: serde_json::Value::Null,
                after: serde_json::Value::Null,
            }),
        });
        let failed = backups(&store);
        assert_eq!(failed.state, State::Warn);
        assert!(failed.seen.contains("the disk is full"));
    }
}
