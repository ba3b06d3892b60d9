//! Processes in sandboxes, by the real binary: moved there by the environment's runtime alone, and kept from everything
//! that is the platform's or another's, while others answer.

#![allow(clippy::unwrap_used, reason = "a test that can't be set up fails")]

use crate::ferry::{Ferry, TOW, status};
use std::path::Path;
use tow_testkit::binary::{Binary, not_run, until};
use tow_testkit::load::Load;

/// Is there what makes sandboxes? Said, where there is not.
fn can(up: &Binary) -> bool {
    let seen = up.tow(["doctor", "-o", "json"]).json();
    let one = seen.as_array().unwrap().iter().find(|one| one["check"] == "machine.sandbox");
    let one = one.expect("the doctor says whether there are sandboxes");
    if one["state"] != "ok" {
        not_run(&format!("sandboxes: {}", one["seen"]));
    }
    one["state"] == "ok"
}

/// An environment `yard` on a runtime that says this.
fn declare(up: &Binary, spec: &str) {
    let text = format!(
        "apiVersion: towpath.dev/v1\nkind: Runtime\nmetadata: {{name: yard}}\nspec: {{{spec}}}\n---\n\
         apiVersion: towpath.dev/v1\nkind: Environment\nmetadata: {{name: yard}}\nspec: {{tier: development, runtime: yard}}\n"
    );
    let file = up.home().join("yard.yaml");
    std::fs::write(&file, text).unwrap();
    up.tow(["apply", "-f", &file.display().to_string()]).exits(0);
}

const SANDBOX: &str = "type: process, isolation: sandbox";

/// A worker that is a script, with what its container says beside.
fn worker(name: &str, script: &str, container: &str) -> tempfile::TempDir {
    let folder = tempfile::Builder::new().prefix("worker-").tempdir().unwrap();
    std::fs::write(folder.path().join("work.sh"), script).unwrap();
    let score = format!(
        "apiVersion: score.dev/v1b1\nmetadata: {{name: {name}}}\ncontainers:\n  main:\n    image: .\n    \
         command: [sh, work.sh]\n{container}\n"
    );
    std::fs::write(folder.path().join("score.yaml"), score).unwrap();
    let delivery = format!(
        "apiVersion: towpath.dev/v1\nkind: Delivery\nmetadata: {{name: {name}}}\nspec:\n  component: {name}\n  workloads:\n    \
         {name}: {{health: {{deadline: 60s}}, stop: {{grace: 1s, drain: 1s}}}}\n"
    );
    std::fs::write(folder.path().join("tow.yaml"), delivery).unwrap();
    folder
}

fn deploy(up: &Binary, folder: &Path) {
    up.tow(["deploy", &folder.display().to_string(), "-e", "yard"]).exits(0);
}

fn logs(up: &Binary, component: &str) -> String {
    up.tow(["logs", "-c", component, "-e", "yard"]).exits(0).out
}

#[test]
fn a_component_moves_into_a_sandbox_and_out_and_no_request_is_lost() {
    let up = Binary::up(TOW);
    if !can(&up) {
        return;
    }
    declare(&up, "type: process");
    let ferry = Ferry::patient("ferry");
    deploy(&up, ferry.path());
    let origin =
        status(&up, "ferry")["port_url"].as_str().unwrap().trim_end_matches('/').to_string();
    let load = Load { origin, paths: vec!["/".into()], rate: 400 }.begin();
    for (spec, level) in [(SANDBOX, "sandbox"), ("type: process", "none")] {
        declare(&up, spec);
        let done = up.json(&["restart", "-c", "ferry", "-e", "yard"]);
        assert_eq!(done["state"], "live", "{done}");
        until("only the new one is there", || up.json(&["ps"]).as_array().map(Vec::len) == Some(1));
        assert_eq!(up.json(&["ps"])[0]["isolation"], level);
    }
    let report = load.end();
    println!("measured: process → sandbox → process under load: {report}");
    assert!(report.failed.is_empty() && report.answered > 50, "{report}");
}

#[test]
fn what_a_sandbox_tries_is_stopped_and_told_and_others_answer_all_the_while() {
    let up = Binary::up(TOW);
    if !can(&up) {
        return;
    }
    declare(&up, SANDBOX);
    let mut ferry = Ferry::patient("ferry");
    ferry.set("PASSWORD", "of-the-ferry");
    deploy(&up, ferry.path());
    let origin =
        status(&up, "ferry")["port_url"].as_str().unwrap().trim_end_matches('/').to_string();
    let before = crate::ferry::pids(&up, "ferry");
    let load = Load { origin, paths: vec!["/".into()], rate: 20 }.begin();

    let data = up.data().display();
    let script = format!(
        "cat {data}/keys* {data}/*.db {data}/run/i/*/spec.json {data}/run/i/*/work/* 2>&1 | head -3\n\
         cat /proc/*/environ 2>/dev/null | tr '\\0' '\\n' | grep -c of-the-ferry\n\
         kill -9 {} 2>&1\nls {data} 2>&1\ncat /etc/own\nid -u\nfind / -name '*.sock' 2>/dev/null\necho tried\nexec sleep 1000\n",
        before[0],
    );
    let container = "    files: {/etc/own: {content: \"own\\n\"}}";
    let nosy = worker("nosy", &script, container);
    deploy(&up, nosy.path());
    until("it tried", || logs(&up, "nosy").contains("tried"));
    let text = logs(&up, "nosy");
    assert!(text.contains("No such file or directory") && text.contains("own"), "{text}");
    assert!(text.to_lowercase().contains("no such process"), "{text}");
    assert!(!text.contains("ctl.sock") && !text.contains("of-the-ferry"), "{text}");

    let eats = "echo eating\nsleep 2\ntail /dev/zero\n";
    let limits = "    resources: {limits: {memory: 32Mi}}";
    let eater = worker("eater", eats, limits);
    // It may go live before it eats, or not: what counts is what is said.
    up.tow(["deploy", &eater.path().display().to_string(), "-e", "yard"]);
    until("what killed it is told", || {
        let all = up.json(&["ps", "-e", "yard"]).to_string();
        all.contains("32 MiB") || logs(&up, "eater").contains("32 MiB")
    });

    let report = load.end();
    println!("measured: beside what tries everything: {report}");
    assert!(report.failed.is_empty() && report.answered > 20, "{report}");
    assert_eq!(crate::ferry::pids(&up, "ferry"), before, "the same process all the while");
    for role in up.role("shim") {
        let text = std::fs::read_to_string(format!("/proc/{}/smaps_rollup", role.pid)).unwrap();
        let line = text.lines().find(|line| line.starts_with("Pss:")).unwrap();
        println!("measured: a shim {}", line.split_whitespace().collect::<Vec<_>>().join(" "));
    }
}

/// Can sandboxes have a network of their own here? Said, where they can't.
fn can_have_networks(up: &Binary) -> bool {
    let seen = up.tow(["doctor", "-o", "json"]).json();
    let all = seen.as_array().unwrap();
    let one = all.iter().find(|one| one["check"] == "machine.own-network");
    let one = one.expect("the doctor says whether sandboxes can have a network");
    if one["state"] != "ok" {
        not_run(&format!("sandboxes with a network of their own: {}", one["seen"]));
    }
    one["state"] == "ok"
}

/// A ferry that always listens on 8080, whatever it is told, and says so in its Score file.
fn fixed(name: &str) -> Ferry {
    let mut ferry = Ferry::patient(name);
    ferry.command = r#"["sh", "-c", "PORT=8080 exec ./app"]"#.into();
    say_fixed(&mut ferry);
    ferry
}

fn say_fixed(ferry: &mut Ferry) {
    ferry.write();
    let path = ferry.path().join("score.yaml");
    let score = std::fs::read_to_string(&path).unwrap();
    let port = "      port: 8080\n";
    assert!(score.contains(port), "{score}");
    std::fs::write(&path, score.replacen(port, &format!("{port}      targetPort: 8080\n"), 1))
        .unwrap();
}

fn origin(up: &Binary, component: &str) -> String {
    status(up, component)["port_url"].as_str().unwrap().trim_end_matches('/').to_string()
}

#[test]
fn programs_that_always_listen_on_one_port_are_released_anew_and_no_request_is_lost() {
    let up = Binary::up(TOW);
    if !can(&up) || !can_have_networks(&up) {
        return;
    }
    declare(&up, SANDBOX);
    let mut ferry = fixed("ferry");
    let other = fixed("other");
    deploy(&up, ferry.path());
    deploy(&up, other.path());
    let (one, two) = (origin(&up, "ferry"), origin(&up, "other"));
    for origin in [&one, &two] {
        assert!(crate::ferry::served(origin).contains("one"));
    }
    assert!(std::net::TcpStream::connect("127.0.0.1:8080").is_err(), "8080 of the machine is free");
    let kept = crate::ferry::pids(&up, "other");
    let load = Load { origin: one.clone(), paths: vec!["/".into()], rate: 100 }.begin();
    ferry.variables = vec![("GREETING".into(), "two".into())];
    ferry.source("2");
    say_fixed(&mut ferry);
    deploy(&up, ferry.path());
    until("the new release answers", || crate::ferry::served(&one).contains("two"));
    let done = up.json(&["scale", "ferry=2", "-c", "ferry", "-e", "yard"]);
    assert_eq!(done["state"], "live", "{done}");
    assert_eq!(crate::ferry::pids(&up, "ferry").len(), 2, "two of one release on one port");
    let done = up.json(&["rollback", "-c", "ferry", "-e", "yard"]);
    assert_eq!(done["state"], "live", "{done}");
    until("the old release answers", || crate::ferry::served(&one).contains("one"));
    // The shims of what serves: nothing is lost by it.
    let shims = |up: &Binary| -> Vec<u32> {
        let rows = up.json(&["ps", "ferry"]);
        let ids: Vec<&str> =
            rows.as_array().unwrap().iter().map(|row| row["instance"].as_str().unwrap()).collect();
        let all = up.role("shim").into_iter();
        let of_ferry =
            |args: &[String]| args.iter().any(|arg| ids.iter().any(|id| arg.contains(id)));
        all.filter(|shim| of_ferry(&shim.args)).map(|shim| shim.pid).collect()
    };
    let killed = shims(&up);
    assert!(!killed.is_empty(), "{:?}", up.role("shim"));
    for pid in &killed {
        tow_testkit::binary::send(*pid, rustix::process::Signal::KILL);
    }
    until("others took over", || {
        let now = shims(&up);
        now.len() == killed.len() && now.iter().all(|pid| !killed.contains(pid))
    });
    let report = load.end();
    println!("measured: two releases on one fixed port under load: {report}");
    assert!(report.failed.is_empty() && report.answered > 100, "{report}");
    assert_eq!(crate::ferry::pids(&up, "other"), kept, "the neighbour knows nothing of it");
}

#[test]
fn a_sandbox_with_its_own_network_reaches_the_database_it_is_configured_with() {
    let up = Binary::up(TOW);
    if !can(&up) || !can_have_networks(&up) {
        return;
    }
    let database = match tow_postgres::database() {
        Ok(database) => database,
        Err(why) => return not_run(&format!("a sandbox's way to Postgres: {why}")),
    };
    declare(&up, SANDBOX);
    let psql = "psql -X -A -t -c";
    let script = format!(
        "until {psql} \"select 'answer ' || 6 * 7\" \"$DATABASE_URL\"; do sleep 0.2; done\n\
         PORT=8080 exec ./app\n"
    );
    let mut ferry = Ferry::patient("asks");
    std::fs::write(ferry.path().join("work.sh"), script).unwrap();
    ferry.command = r#"["sh", "work.sh"]"#.into();
    ferry.variables.push(("DATABASE_URL".into(), database.url()));
    say_fixed(&mut ferry);
    deploy(&up, ferry.path());
    assert!(logs(&up, "asks").contains("answer 42"), "{}", logs(&up, "asks"));
    crate::ferry::served(&origin(&up, "asks"));
}

#[test]
fn a_fixed_port_in_a_pod_of_several_is_refused_by_its_line() {
    let up = Binary::up(TOW);
    if !can(&up) {
        return;
    }
    declare(&up, SANDBOX);
    let pod = "    variables: {A: b}\n  beside:\n    image: .\n    command: [sh, work.sh]\n\
               service:\n  ports:\n    web:\n      port: 80\n      targetPort: 8080";
    let several = worker("several", "sleep 1000\n", pod);
    let refused = up.tow(["deploy", &several.path().display().to_string(), "-e", "yard"]).exits(3);
    assert!(refused.err.contains("plan/own-network"), "{refused}");
    assert!(
        refused.err.contains("score.yaml:") && refused.err.contains("containers of one pod"),
        "{refused}"
    );
}
