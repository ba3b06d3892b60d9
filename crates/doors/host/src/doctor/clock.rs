//! The clock: has it gone back since the last event, does it agree with the file system, are there time zones.

use super::finding::Finding;
use super::scene::Scene;
use std::os::unix::fs::MetadataExt as _;
use tow_names::{Duration, Timestamp};
use tow_platform::SystemClock;
use tow_ports::Clock as _;

/// Nothing of ours was written before.
const BEGINNING: Timestamp = Timestamp(1_767_225_600_000_000);
/// So much may lie between two clocks.
const SLACK: Duration = Duration::from_secs(2);

pub(super) fn look(scene: &Scene) -> Vec<Finding> {
    let last = scene.examined().and_then(|examined| examined.last_event);
    let mut found = vec![since(scene.now, last)];
    found.extend(scene.examined().and_then(|seen| seen.clock_ahead).map(server));
    if scene.begun {
        found.extend(files(scene));
    }
    found.push(zones(&["/usr/share/zoneinfo", "/usr/lib/zoneinfo", "/usr/share/lib/zoneinfo"]));
    found
}

fn since(now: Timestamp, last: Option<Timestamp>) -> Finding {
    let fix = "let the machine take its time from the network (timedatectl set-ntp true)";
    if now < BEGINNING {
        return Finding::fail("clock.now", format!("it is {now}"))
            .cause("that is before this program was made: the clock was never set")
            .fix(fix);
    }
    match last {
        Some(last) if last > now.plus(SLACK) => {
            Finding::fail("clock.now", format!("it is {now}, but the last event is of {last}"))
                .cause("the clock went back: tokens, links and leases last longer than they should")
                .fix(fix)
        }
        Some(last) => Finding::ok("clock.now", format!("{now}; the last event is of {last}")),
        None => Finding::ok("clock.now", now.to_string()),
    }
}

/// A control plane compares leases by its own clock: on one database they have to agree.
fn server(ahead: i64) -> Finding {
    let check = "clock.database";
    let apart = Duration::from_micros(ahead.abs());
    if apart <= SLACK {
        return Finding::ok(check, format!("the database's server agrees, to {apart}"));
    }
    let which = if ahead > 0 { "ahead of" } else { "behind" };
    Finding::warn(check, format!("the database's server is {apart} {which} this machine"))
        .cause("another control plane may stand by with the server's time: it would take the lease too early or too late")
        .fix("let both machines take their time from the network (timedatectl set-ntp true)")
}

/// Writes a file for a moment and looks at what time the file system gave it.
fn files(scene: &Scene) -> Option<Finding> {
    let path = scene.layout.root().join(format!(".doctor-{}", std::process::id()));
    let written = std::fs::write(&path, "").and_then(|()| path.metadata());
    let _ = std::fs::remove_file(&path);
    let meta = written.ok()?;
    let at = Timestamp(meta.mtime().saturating_mul(1_000_000) + meta.mtime_nsec() / 1_000);
    Some(apart(SystemClock.now(), at))
}

fn apart(now: Timestamp, files: Timestamp) -> Finding {
    let apart = Duration::from_micros((now.0 - files.0).abs());
    if apart > SLACK {
        return Finding::warn(
            "clock.files",
            format!("the file system's clock is {apart} away from this machine's"),
        )
        .cause("files of a build look newer or older than they are")
        .fix(
            "set both clocks by the network, or put the data directory on a disk of this machine",
        );
    }
    Finding::ok("clock.files", "the file system agrees")
}

fn zones(places: &[&str]) -> Finding {
    match places.iter().find(|place| std::path::Path::new(place).join("UTC").exists()) {
        Some(place) => Finding::ok("clock.zones", format!("time zones are in {place}")),
        None => Finding::warn("clock.zones", "there is no time zone data")
            .cause("schedules in other time zones than UTC can't be kept")
            .fix("install the package tzdata"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::finding::State;

    #[test]
    fn a_clock_that_went_back_is_named() {
        let now = Timestamp(BEGINNING.0 + 1_000_000_000_000);
        let later = now.plus(Duration::from_secs(60));
        let went_back = since(now, Some(later));
        assert_eq!(went_back.state, State::Fail);
        assert!(went_back.cause.contains("went back"));
        assert_eq!(since(now, Some(now)).state, State::Ok);
        assert_eq!(since(now, None).state, State::Ok);
        assert_eq!(since(Timestamp(0), None).state, State::Fail);
        assert_eq!(apart(now, later).state, State::Warn);
        assert_eq!(apart(now, now).state, State::Ok);
        assert_eq!(server(1_500_000).state, State::Ok);
        let behind = server(-60_000_000);
        assert_eq!(behind.state, State::Warn);
        assert!(behind.seen.contains("behind"), "{behind:?}");
        assert!(server(60_000_000).seen.contains("ahead of"));
        assert_eq!(zones(&["/nowhere"]).state, State::Warn);
    }
}
