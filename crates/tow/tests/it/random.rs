//! Random requests from the platform's own OpenAPI document, as everybody: no answer that is the platform's fault, none
//! that says what its asker may not know, and nothing changed by whoever may not. `TOW_RANDOM_SEED` and
//! `TOW_RANDOM_SECONDS` say which and for how long.

#![allow(clippy::unwrap_used, reason = "a test that can't go on says so by panicking")]
#![allow(
    clippy::disallowed_methods,
    reason = "how long and with which seed is said by whoever runs it"
)]
#![allow(clippy::print_stdout, reason = "the seed and what is measured are results")]

mod ask;
mod dice;
mod documents;
mod forms;
mod offer;
mod oracle;
mod setting;
mod wire;
mod world;

use crate::ferry::TOW;
use ask::Asker;
use dice::Dice;
use oracle::Oracle;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};
use tow_testkit::binary::Binary;
use wire::{Request, Wire};
use world::{Badge, Who, World};

/// Connections that ask at once.
const CONNECTIONS: u64 = 4;

/// What was seen.
#[derive(Default)]
struct Seen {
    asked: u64,
    /// By operation and status; by asker.
    statuses: BTreeMap<(String, u16), u64>,
    roles: BTreeSet<&'static str>,
    /// By operation and kind of fault: how often, and the first in full.
    broken: BTreeMap<(String, &'static str), (u64, String)>,
    /// The last that changed something, as who may do nearly everything: the newest last.
    mighty: VecDeque<String>,
}

impl Seen {
    /// So many are kept, to find the one that changed who may what.
    const MIGHTY: usize = 400;

    fn did(&mut self, who: &Who, request: &Request, origin: &str, status: u16) {
        let reads = ["GET", "HEAD", "OPTIONS"].contains(&request.method.as_str());
        if !who.mighty || reads || status >= 400 {
            return;
        }
        if self.mighty.len() == Self::MIGHTY {
            self.mighty.pop_front();
        }
        let text = format!("{} {status} {}", who.name, request.curl(origin));
        self.mighty.push_back(text.chars().take(1200).collect());
    }
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().and_then(|text| text.parse().ok())
}

fn plain(method: &str, target: &str, badge: &Badge, address: &str) -> Request {
    let headers = badge.headers(address);
    Request {
        operation: String::new(),
        method: method.into(),
        target: target.into(),
        headers,
        body: Vec::new(),
    }
}

#[test]
fn random_requests_break_nothing_and_tell_nobody_what_is_not_theirs() {
    let ci = std::env::var("CI").is_ok_and(|ci| ci == "true");
    let seconds = number("TOW_RANDOM_SECONDS").unwrap_or(if ci { 120 } else { 15 });
    let clock = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let seed = number("TOW_RANDOM_SEED").unwrap_or(u64::from(clock.subsec_nanos()));
    println!("TOW_RANDOM_SEED={seed} TOW_RANDOM_SECONDS={seconds}");

    let mut up = Binary::new(TOW);
    let yard = up.home().join("yard");
    std::fs::create_dir_all(&yard).unwrap();
    let root = yard.display().to_string();
    let args = ["--runtime", "fake", "--location-root", &root, "--allow-address", "127.0.0.1"];
    up.try_start(&args, &[]).unwrap();
    let world = World::new(&up, &yard);
    let before = world.untouched();
    let mut wire = Wire::new(&world.address);
    let document = plain("GET", "/api/v1/openapi.json", &world.admin, &world.address);
    let document = wire.ask(&document).unwrap().json();
    let asker = Asker::new(&document, forms::Learned::default());
    world.look(&asker.learned, &mut Dice::new(seed));

    let seen = Mutex::new(Seen::default());
    let over = AtomicBool::new(false);
    let end = Instant::now() + Duration::from_secs(seconds);
    std::thread::scope(|scope| {
        for connection in 0..CONNECTIONS {
            let (asker, world, seen, over) = (&asker, &world, &seen, &over);
            let dice = Dice::new(seed ^ (connection << 56));
            scope.spawn(move || {
                ask(asker, world, seen, over, dice, end);
            });
        }
        // The process lives, and says so, all the while.
        while Instant::now() < end && !over.load(Ordering::Relaxed) {
            let ready = plain("GET", "/readyz", &world.admin, &world.address);
            let answer = wire.ask(&ready);
            if answer.as_ref().map_or(true, |answer| answer.status != 200) {
                let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
                let said = format!("/readyz: {answer:?}");
                seen.broken.entry(("readyz".into(), "not ready")).or_insert((0, said)).0 += 1;
            }
            world.look(&asker.learned, &mut Dice::new(seed));
            // Where a request of the run has moved somebody, all that follows would be judged wrongly.
            if let Err(moved) = world.stands() {
                let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
                let did: Vec<String> = seen.mighty.iter().cloned().collect();
                let said = format!("{moved}\nthe last changes:\n{}", did.join("\n"));
                seen.broken.insert(("the run".into(), "who is who has changed"), (1, said));
                over.store(true, Ordering::Relaxed);
            }
            std::thread::park_timeout(Duration::from_secs(1));
        }
    });
    let mut seen = seen.into_inner().unwrap();

    if let Some(status) = up.has_ended() {
        seen.broken.insert(("process".into(), "ended"), (1, format!("{status}")));
    }
    if std::env::var("TOW_RANDOM_TELL").is_ok() {
        for ((operation, status), count) in &seen.statuses {
            println!("{operation:<40} {status} {count}");
        }
    }
    let broken: u64 = seen.broken.values().map(|(count, _)| count).sum();
    println!(
        "measured: {} requests as {} roles, {} operations of OpenAPI and {} beside it, {broken} broken",
        seen.asked,
        seen.roles.len(),
        asker.listed,
        asker.operations.len() - asker.listed,
    );
    let told: Vec<String> = seen
        .broken
        .iter()
        .map(|((operation, kind), (count, first))| {
            format!("{operation}, {kind}, {count} times: {first}")
        })
        .collect();
    let reached: BTreeSet<&str> = seen
        .statuses
        .iter()
        .filter(|((_, status), _)| *status < 300)
        .map(|((operation, _), _)| operation.as_str())
        .collect();
    let missed: Vec<&str> = asker.operations[..asker.listed]
        .iter()
        .map(|of| of.id.as_str())
        .filter(|id| !reached.contains(id))
        .collect();
    println!("measured: {} operations of OpenAPI never done well: {missed:?}", missed.len());

    assert!(told.is_empty(), "TOW_RANDOM_SEED={seed}\n{}", told.join("\n\n"));
    // A mark that nobody ever comes across proves nothing by its absence.
    let open = || world.marks.iter().filter(|mark| !mark.is_secret());
    let unseen: Vec<&str> = open()
        .filter(|mark| mark.met.load(Ordering::Relaxed) == 0)
        .map(|mark| mark.text.as_str())
        .collect();
    println!(
        "measured: {} of {} marks came to those whom they are for, not: {unseen:?}",
        open().count() - unseen.len(),
        open().count(),
    );
    let met = seen.asked < 10_000 || unseen.len() * 2 < open().count();
    assert!(met, "most marks are met in a long run: {unseen:?}");
    for ((path, before), (_, after)) in before.iter().zip(world.untouched()) {
        assert_eq!(*before, after, "{path}: what nobody may touch has changed");
    }
    let mut verify = plain("POST", "/api/v1/audit/verify", &world.admin, &world.address);
    verify.headers.push(("content-type".into(), "application/json".into()));
    verify.body = b"{}".to_vec();
    let report = wire.ask(&verify).unwrap().json();
    assert_eq!(report["findings"], json!([]), "the log proves itself: {report}");
}

/// One connection's requests.
fn ask(
    asker: &Asker,
    world: &World,
    seen: &Mutex<Seen>,
    over: &AtomicBool,
    mut dice: Dice,
    end: Instant,
) {
    let oracle = Oracle::new(world, &asker.operations);
    let mut wire = Wire::new(&world.address);
    while Instant::now() < end && !over.load(Ordering::Relaxed) {
        // Strangers are soon told to wait; more than a few of their requests say nothing new.
        let who = loop {
            let who = dice.one(&world.people);
            if who.actor.is_some() || dice.chance(25) {
                break who;
            }
        };
        let mut request = asker.request(&mut dice);
        if world.confined(who, &request) {
            continue;
        }
        request.headers.extend(who.badge.headers(&world.address));
        let answer = wire.ask(&request);
        let fault = match &answer {
            Ok(answer) => {
                if who.name == "admin" && answer.status < 300 && dice.chance(20) {
                    asker.learned.read(&answer.json(), &mut dice);
                }
                oracle.judge(who, &request, answer).err()
            }
            Err(error) => Some(("no answer", error.clone())),
        };
        let shown = fault.map(|(kind, what)| {
            let known = {
                let seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
                seen.broken.contains_key(&(request.operation.clone(), kind))
            };
            let origin = format!("http://{}", world.address);
            let text = if known {
                String::new()
            } else {
                let small = shrunk(&request, |one| {
                    let again = wire.ask(one).ok();
                    again.is_some_and(|again| {
                        oracle.judge(who, one, &again).is_err_and(|(k, _)| k == kind)
                    })
                });
                let said = answer.as_ref().map_or(String::new(), wire::Answer::said);
                let said: String = said.chars().take(1500).collect();
                format!("{what}\nas {}: {}\n{said}", who.name, small.curl(&origin))
            };
            (kind, text)
        });
        let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.asked += 1;
        seen.roles.insert(who.name);
        let status = answer.map_or(0, |answer| answer.status);
        seen.did(who, &request, &world.address, status);
        *seen.statuses.entry((request.operation.clone(), status)).or_default() += 1;
        if let Some((kind, text)) = shown {
            seen.broken.entry((request.operation, kind)).or_insert((0, text)).0 += 1;
            if seen.broken.len() > 40 {
                over.store(true, Ordering::Relaxed);
            }
        }
    }
}

/// Smaller, and still as broken: without headers, parts of the query and fields of the body that do not matter.
fn shrunk(request: &Request, mut still: impl FnMut(&Request) -> bool) -> Request {
    let mut best = request.clone();
    if !still(&best) {
        return best;
    }
    for at in (0..best.headers.len()).rev() {
        let mut less = best.clone();
        less.headers.remove(at);
        if still(&less) {
            best = less;
        }
    }
    if let Some((path, query)) = best.target.clone().split_once('?') {
        let mut parts: Vec<&str> = query.split('&').collect();
        for at in (0..parts.len()).rev() {
            let mut fewer = parts.clone();
            fewer.remove(at);
            let mut less = best.clone();
            less.target =
                if fewer.is_empty() { path.into() } else { format!("{path}?{}", fewer.join("&")) };
            if still(&less) {
                (best, parts) = (less, fewer);
            }
        }
    }
    let Ok(serde_json::Value::Object(fields)) = serde_json::from_slice(&best.body) else {
        return best;
    };
    let mut fields = fields;
    for name in fields.keys().cloned().collect::<Vec<_>>() {
        let mut fewer = fields.clone();
        fewer.remove(&name);
        let mut less = best.clone();
        less.body = serde_json::Value::Object(fewer.clone()).to_string().into_bytes();
        if still(&less) {
            (best, fields) = (less, fewer);
        }
    }
    best
}
