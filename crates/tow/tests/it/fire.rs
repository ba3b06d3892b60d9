//! Under fire: traffic of every kind, while everything underneath is deployed, broken, killed and replaced. Not one
//! request may fail but those that a release answered badly that was taken back for it, and no more of these than its
//! time allows.
//!
//! `TOW_FIRE=full` does all of it, in about 25 minutes (`cargo xtask fire`); else a part of each is done, in less than
//! four. `TOW_FIRE_SEED` says in which order.

#![allow(clippy::unwrap_used, reason = "a test that can't be set up fails")]
#![allow(clippy::print_stdout, reason = "what was measured is a result")]

mod left;
mod oracle;

use crate::ferry::{Ferry, TOW, status};
use crate::upgrade;
use oracle::Reverted;
use rustix::process::Signal;
use serde_json::Value;
use std::time::{Duration, Instant};
use tow_testkit::binary::{Binary, Done, until};
use tow_testkit::traffic::Traffic;

/// What a regression may take to be acted upon, after the first window that shows it, in seconds.
const ACTED: u64 = 3;

/// How much of everything.
struct Fire {
    rate: u32,
    long: Duration,
    /// The window and the time of the bake, in seconds.
    window: u64,
    bake: u64,
    acts: Vec<Act>,
}

/// What is done underneath.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Act {
    /// Another source, fresh instances: it goes well.
    Deploy,
    /// It never becomes healthy.
    Unhealthy,
    /// It becomes healthy, and fails soon after it took over.
    Bad,
    Config,
    Scale,
    Rollback,
    /// A deployment in whose middle the control plane is killed.
    Kill,
    /// A shim of what serves is killed: what it watched lives on.
    Shim,
    /// Another build takes the platform's place, after one that knows an older store was refused.
    Upgrade,
}

impl Fire {
    fn of(is_full: bool, seed: u64) -> Self {
        use Act::{Bad, Config, Deploy, Kill, Rollback, Scale, Shim, Unhealthy, Upgrade};
        let times = |act: Act, full: usize, short: usize| {
            std::iter::repeat_n(act, if is_full { full } else { short })
        };
        let mut acts: Vec<Act> = times(Deploy, 20, 5)
            .chain(times(Unhealthy, 5, 2))
            .chain(times(Bad, 3, 1))
            .chain(times(Config, 5, 2))
            .chain(times(Scale, 3, 1))
            .chain(times(Rollback, 3, 1))
            .chain(times(Kill, 3, 2))
            .chain(times(Shim, 2, 1))
            .chain(times(Upgrade, 2, 1))
            .collect();
        let mut chance = seed | 1;
        for at in (1..acts.len()).rev() {
            chance ^= chance << 13;
            chance ^= chance >> 7;
            chance ^= chance << 17;
            acts.swap(at, usize::try_from(chance % (at as u64 + 1)).unwrap());
        }
        let (long, window, bake) = if is_full { (20, 5, 12) } else { (4, 2, 6) };
        Self { rate: 200, long: Duration::from_secs(long), window, bake, acts }
    }
}

/// Everything that is done to.
struct World {
    up: Binary,
    ferry: Ferry,
    fire: Fire,
    /// Grows with each change.
    turn: usize,
    reverted: Vec<Reverted>,
}

impl World {
    /// Runs a verb that changes something; where told so, the control plane dies in its middle and is started again.
    fn change(&mut self, args: &[&str], kill: Option<Duration>) -> Done {
        let child = self.up.command(args.iter().chain(&["-o", "json"])).spawn().unwrap();
        if let Some(after) = kill {
            let began = Instant::now();
            while began.elapsed() < after {
                std::thread::park_timeout(after.saturating_sub(began.elapsed()));
            }
            self.up.end(Signal::KILL);
            self.up.start();
        }
        let done = child.wait_with_output().unwrap();
        Done {
            status: done.status.code().unwrap_or(-1),
            out: String::from_utf8_lossy(&done.stdout).into_owned(),
            err: String::from_utf8_lossy(&done.stderr).into_owned(),
        }
    }

    fn deploy(&mut self) -> Done {
        let folder = self.ferry.text();
        self.change(&["deploy", &folder], None)
    }

    fn is_live(&self) -> bool {
        let now = status(&self.up, "ferry");
        let counts = &now["instances"];
        now["state"] == "live" && counts["ready"] == counts["wanted"]
    }

    fn act(&mut self, act: Act) {
        self.turn += 1;
        let turn = self.turn;
        let before = self.release();
        match act {
            Act::Deploy => {
                self.ferry.source(&turn.to_string());
                self.deploy().exits(0);
            }
            Act::Unhealthy => {
                let health = ["fail", "hang", "exit", "mute"][turn % 4];
                let good = std::mem::replace(&mut self.ferry.delivery, self.fire.delivery("1s"));
                self.ferry.set("HEALTH", health);
                let done = self.deploy().exits(1);
                assert!(done.err.contains("\"rollout/"), "{health}: {done}");
                self.ferry.delivery = good;
                self.ferry.set("HEALTH", "");
            }
            Act::Bad => {
                self.ferry.set("BAD_AFTER", "2000");
                let done = self.deploy().exits(1);
                assert!(done.err.contains("bake: "), "{done}");
                self.ferry.set("BAD_AFTER", "");
                let told = self.up.json(&["deployments", "ferry"]);
                self.reverted.push(Reverted::of(&told));
            }
            Act::Config => {
                let value = format!("TIDE={turn}");
                self.change(&["config", "set", &value, "-c", "ferry"], None).exits(0);
            }
            Act::Scale => {
                for (said, count) in [("ferry=4", 4), ("ferry=2", 2)] {
                    self.change(&["scale", said, "-c", "ferry"], None).exits(0);
                    let wanted = serde_json::json!({"ready": count, "wanted": count});
                    until("so many are there", || status(&self.up, "ferry")["instances"] == wanted);
                }
            }
            Act::Rollback => {
                // Something to go back from.
                self.act(Act::Deploy);
                self.change(&["rollback", "-c", "ferry"], None).exits(0);
            }
            Act::Kill => {
                self.ferry.source(&turn.to_string());
                let folder = self.ferry.text();
                let after = Duration::from_millis(60 + 120 * (turn as u64 % 5));
                let done = self.change(&["deploy", &folder], Some(after));
                if done.status != 0 {
                    // It was killed before it had been told.
                    assert!(done.err.contains("\"client/"), "{done}");
                    until("what was begun is done", || self.is_live());
                    self.deploy().exits(0);
                }
            }
            Act::Shim => self.kill_shim(),
            Act::Upgrade => self.upgrade(),
        }
        until("it is live", || self.is_live());
        // What serves is what was to serve: a failure that went unnoticed would be another release's.
        match act {
            Act::Deploy | Act::Kill => assert!(self.release() > before, "{act:?} after {before}"),
            _ => assert_eq!(self.release(), before, "{act:?}"),
        }
    }

    fn release(&self) -> i64 {
        let now = status(&self.up, "ferry");
        now["release"].as_i64().unwrap_or_else(|| panic!("a release serves: {now}"))
    }

    fn kill_shim(&self) {
        let rows = self.up.json(&["ps", "ferry"]);
        let instance = rows[0]["instance"].as_str().unwrap().to_string();
        let pid = rows[0]["pid"].clone();
        let shim = || -> Option<u32> {
            let all = self.up.role("shim").into_iter();
            let mut own = all.filter(|one| one.args.iter().any(|arg| arg.contains(&instance)));
            own.next().map(|one| one.pid)
        };
        let killed = shim().unwrap();
        tow_testkit::binary::send(killed, Signal::KILL);
        until("another took over", || shim().is_some_and(|pid| pid != killed));
        let same = |rows: &Value| {
            let rows = rows.as_array().unwrap().iter();
            let mut own = rows.filter(|row| row["instance"] == instance.as_str());
            own.any(|row| row["pid"] == pid)
        };
        assert!(same(&self.up.json(&["ps", "ferry"])), "the program lives on");
    }
}

/// One that passes for an older `tow`.
const OLDER: &str = "case \"$1\" in --version) echo tow 0.0.1;; *) exec \"$TOW\" \"$@\";; esac";

impl World {
    fn upgrade(&self) {
        let up = &self.up;
        let database = up.data().join("tow.db");
        let name = format!("older-{}", self.turn);
        let older = upgrade::script(up, &name, &OLDER.replace("$TOW", TOW));
        upgrade::ahead(&database);
        let refused = upgrade::upgrade(up, &older);
        upgrade::back(&database);
        assert_eq!(refused.problem()["code"], "store/newer-schema", "{refused}");
        let before = upgrade::build(up);
        let other = upgrade::another_build(up, &format!("tow-{}", self.turn));
        upgrade::upgrade(up, &other).exits(0);
        assert_ne!(upgrade::build(up), before);
    }
}

impl Fire {
    fn delivery(&self, deadline: &str) -> String {
        let drain = self.long.as_secs() + 10;
        format!(
            "replicas: 2\nhealth: {{deadline: {deadline}}}\nstop: {{grace: 2s, drain: {drain}s}}"
        )
    }

    /// Times are not judged: on a machine that also builds and kills, they say nothing about a release.
    fn environment(&self) -> String {
        let Self { bake, window, .. } = self;
        format!(
            "apiVersion: towpath.dev/v1\nkind: Environment\nmetadata: {{name: development}}\n\
             spec: {{tier: development, runtime: local, owner: \"group:default/platform\", \
             bake: {{for: {bake}s, window: {window}s, latency: 100}}}}\n"
        )
    }
}

#[expect(clippy::disallowed_methods, reason = "how much is asked for, and in which order")]
fn said(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

#[test]
fn no_request_fails_whatever_is_done_underneath() {
    let seed = said("TOW_FIRE_SEED").map_or(20_261_122, |text| text.parse().expect("a number"));
    let fire = Fire::of(said("TOW_FIRE").as_deref() == Some("full"), seed);
    let up = Binary::up(TOW);
    let file = up.home().join("development.yaml");
    std::fs::write(&file, fire.environment()).unwrap();
    up.tow(["apply", "-f", &file.display().to_string()]).exits(0);
    let mut ferry = Ferry::new("ferry");
    ferry.delivery = fire.delivery("60s");
    ferry.write();
    up.deploy(ferry.path());
    let now = status(&up, "ferry");
    let origin = now["port_url"].as_str().unwrap().trim_end_matches('/').to_string();
    // Half of it comes by name at the gateway's own address: that listener, too, outlives everything.
    let name = now["url"].as_str().unwrap().split('/').nth(2).unwrap().to_string();
    let front = Some((up.ready.as_ref().unwrap().gateway.clone(), name));
    let traffic = Traffic { origin, front, rate: fire.rate, long: fire.long, seed }.begin();
    let acts = fire.acts.clone();
    let mut world = World { up, ferry, fire, turn: 0, reverted: Vec::new() };
    let began = Instant::now();
    for act in &acts {
        let at = began.elapsed().as_secs_f64();
        world.act(*act);
        println!("{at:>7.1} s {act:?}: {:.1} s", began.elapsed().as_secs_f64() - at);
    }
    let report = traffic.end();
    println!("measured: under fire, {} acts in {:.0?}: {report}", acts.len(), began.elapsed());
    // A release has all the traffic once it took over: the short ones of a second, and one of each long kind.
    let most = (u64::from(world.fire.rate) + 5) * (world.fire.window + ACTED);
    let longest = Duration::from_secs(world.fire.window + ACTED + 1);
    oracle::judge(&world.up, &report, &world.reverted, most, longest);
    // Two instances each: the traffic was answered by what was deployed meanwhile, not by one old release.
    let good = acts.iter().filter(|act| **act == Act::Deploy).count();
    assert!(report.who.len() > good, "{} instances answered", report.who.len());
    assert_eq!(
        status(&world.up, "ferry")["instances"],
        serde_json::json!({"ready": 2, "wanted": 2})
    );
    left::nothing_is_left(&world.up);
}
