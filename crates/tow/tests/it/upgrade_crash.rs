//! `tow upgrade` to a build that passes for a good one and crashes at its start: the one before goes on, as the same
//! process, and nobody who asks a workload notices.

#![allow(clippy::unwrap_used, reason = "a test that can't be set up fails")]
#![allow(clippy::print_stdout, reason = "what was measured is a result")]

use crate::ferry::{Ferry, TOW, pids, served, status};
use crate::upgrade::{another_build, build, script, upgrade};
use std::time::Instant;
use tow_testkit::binary::{Binary, until};
use tow_testkit::load::Load;

/// A build that ends so when it is to start, and does all else as it should.
fn dying(end: &str) -> String {
    format!("case \"$*\" in *--help*) ;; \"up \"*) {end};; esac\nexec {TOW} \"$@\"")
}

#[test]
fn a_build_that_crashes_at_its_start_leaves_the_one_before_as_it_was() {
    let mut up = Binary::up(TOW);
    let ferry = Ferry::patient("ferry");
    up.deploy(ferry.path());
    let line = status(&up, "ferry");
    let (url, port) = (line["url"].as_str().unwrap(), line["port_url"].as_str().unwrap());
    let (programs, first, pid) = (pids(&up, "ferry"), build(&up), up.pid());
    let origin = port.trim_end_matches('/').to_string();
    let load = Load { origin, paths: vec!["/".into()], rate: 50 }.begin();
    until("it is asked", || load.asked() > 20);
    for (name, end, says) in [
        ("segfaults", "kill -SEGV $$", "signal: 11"),
        ("killed", "kill -KILL $$", "signal: 9"),
        ("ends", "exit 7", "exit status: 7"),
        // It does begin, has the store and the lease, and has the gateway renewed.
        ("late", &format!("{TOW} \"$@\"; kill -ABRT $$"), "signal: 6"),
    ] {
        let began = Instant::now();
        let problem = upgrade(&up, &script(&up, name, &dying(end))).problem();
        let why = problem["detail"].as_str().unwrap();
        assert!(why.contains("it did not come up: it crashed at its start"), "{problem}");
        assert!(why.contains(says), "{problem}");
        until("it is back", || up.tow(["status"]).status == 0);
        println!("measured: back {:?} after tow upgrade to one that {name}", began.elapsed());
        assert_eq!((build(&up), up.pid()), (first.clone(), pid), "the same process");
        assert!(up.has_ended().is_none());
    }
    until("one gateway is left, and it is of the build that serves", || {
        let gateways = up.role("gateway");
        gateways.len() == 1 && gateways[0].args[0].contains(&first)
    });
    // A good one takes over as ever.
    let began = Instant::now();
    upgrade(&up, &another_build(&up, "tow-2")).exits(0);
    println!("measured: an upgrade with its rehearsal took {:?}", began.elapsed());
    assert_ne!(build(&up), first);
    let report = load.end();
    assert!(report.failed.is_empty(), "{report}");
    assert_eq!(pids(&up, "ferry"), programs, "workloads go on");
    served(url);
}

#[test]
fn whoever_ends_the_platform_while_another_build_rehearses_is_heard() {
    let mut up = Binary::up(TOW);
    let pid = up.pid();
    let begun = up.home().join("begun");
    let hangs = dying(&format!("touch {}; exec sleep 60", begun.display()));
    let hangs = script(&up, "hangs", &hangs);
    let done = std::thread::scope(|scope| {
        let asking = scope.spawn(|| upgrade(&up, &hangs));
        until("it rehearses", || begun.exists());
        tow_testkit::binary::send(pid, rustix::process::Signal::TERM);
        asking.join().unwrap()
    });
    assert!(done.problem()["detail"].as_str().unwrap().contains("told to end"), "{done:?}");
    until("it has ended", || up.has_ended().is_some());
}
