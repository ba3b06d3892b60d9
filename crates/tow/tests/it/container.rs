//! Containers for real: the binary, Podman with everything of it in a temporary directory, and images made here.

#![allow(clippy::unwrap_used, reason = "a test that can't be set up fails")]

use crate::ferry::{TOW, get, try_get};
use rustix::process::Signal;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::io::{Read as _, Write as _};
use std::path::Path;
use std::time::{Duration, Instant};
use tow_testkit::binary::{Binary, Done, not_run, send, until};
use tow_testkit::engine::{Image, Podman};
use tow_testkit::load::Load;

/// The label that every container of ours has.
const OWNER: &str = "dev.towpath.owner";

/// An engine with busybox; none, said so, where there can't be one.
pub(crate) fn engine() -> Option<Podman> {
    let started = Podman::start().and_then(|podman| Ok((podman, Image::busybox()?)));
    match started {
        Ok((podman, busybox)) => {
            podman.load("busybox", &busybox);
            Some(podman)
        }
        Err(why) => {
            not_run(&format!("containers: {why}"));
            None
        }
    }
}

/// A platform whose environment `boxes` runs containers of this engine.
fn up(podman: &Podman) -> Binary {
    let up = Binary::up(TOW);
    declare(
        &up,
        &format!("type: container, engine: \"{}\", pull: never", podman.address()),
        "boxes",
    );
    up
}

/// Declares a runtime and an environment, both of this name.
#[track_caller]
pub(crate) fn declare(up: &Binary, spec: &str, name: &str) {
    let text = format!(
        "apiVersion: towpath.dev/v1\nkind: Runtime\nmetadata: {{name: {name}}}\nspec: {{{spec}}}\n---\n\
         apiVersion: towpath.dev/v1\nkind: Environment\nmetadata: {{name: {name}}}\nspec: {{tier: development, runtime: {name}}}\n"
    );
    let file = up.home().join(format!("{name}.yaml"));
    std::fs::write(&file, text).unwrap();
    up.tow(["apply", "-f", &file.display().to_string()]).exits(0);
}

/// A folder with one Score file.
fn folder(score: &str) -> tempfile::TempDir {
    let folder = tempfile::Builder::new().prefix("score-").tempdir().unwrap();
    std::fs::write(folder.path().join("score.yaml"), score).unwrap();
    folder
}

#[track_caller]
fn deploy(up: &Binary, folder: &Path) -> Value {
    up.json(&["deploy", &folder.display().to_string(), "-e", "boxes"])
}

/// What a web server in busybox says.
const WEB: &str = r#"apiVersion: score.dev/v1b1
metadata:
  name: web
service:
  ports:
    web:
      port: 8080
      targetPort: 80
containers:
  main:
    image: busybox
    command: ["/bin/sh", "-c"]
    args: ["echo begun; echo trouble >&2; cat /etc/greeting > /www/index.html; httpd -f -p 80 -h /www"]
    variables:
      GREETING: hello from a container
    files:
      /etc/greeting:
        content: "hello from ${metadata.name}\n"
        mode: "0640"
    volumes:
      /www:
        source: ${resources.data}
    readinessProbe:
      exec:
        command: ["wget", "-q", "-O", "-", "http://127.0.0.1/"]
    resources:
      limits:
        memory: 64Mi
        cpu: 500m
resources:
  data:
    type: volume
"#;

/// Runs a command in the component's program's container; its output.
#[track_caller]
fn inside(up: &Binary, component: &str, argv: &[&str]) -> String {
    let args = ["exec", "-c", component, "-e", "boxes", "-T", "--"];
    up.tow(args.iter().chain(argv)).exits(0).out
}

/// With a delivery that gives up soon and lets go at once.
fn hasty(folder: &Path, component: &str, workload: &str) {
    let text = format!(
        "apiVersion: towpath.dev/v1\nkind: Delivery\nmetadata: {{name: {component}}}\nspec:\n  component: {component}\n  \
         workloads:\n    {workload}:\n      health: {{deadline: 60s}}\n      stop: {{grace: 1s, drain: 5s}}\n"
    );
    std::fs::write(folder.join("tow.yaml"), text).unwrap();
}

fn deploy_fails(up: &Binary, folder: &Path) -> Done {
    let done = up.tow(["deploy", &folder.display().to_string(), "-e", "boxes"]);
    assert_ne!(done.status, 0, "{done}");
    done
}

#[test]
fn an_image_goes_live_and_all_of_it_goes_away() {
    let Some(podman) = engine() else { return };
    let up = up(&podman);
    let web = folder(WEB);
    hasty(web.path(), "web", "web");
    let began = Instant::now();
    let done = deploy(&up, web.path());
    assert_eq!(done["state"], "live", "{done}");
    println!("measured: an image live in {:.1} s", began.elapsed().as_secs_f64());
    let url = done["url"].as_str().unwrap();
    assert_eq!(get(url, "/"), (200, "hello from web\n".into()));
    until("its words are in the log", || {
        let log = up.tow(["logs", "-c", "web", "-e", "boxes"]).exits(0);
        log.out.contains("begun") && log.out.contains("trouble")
    });
    let all = up.json(&["ps"]);
    assert_eq!(all[0]["isolation"], "container", "{all}");
    let pid = all[0]["pid"].as_u64().unwrap();
    let args = std::fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap();
    assert!(args.contains("httpd"), "the pid is the program's own: {args:?}");

    // What it may, and what not.
    assert_eq!(inside(&up, "web", &["sh", "-c", "echo $GREETING"]), "hello from a container\n");
    assert!(inside(&up, "web", &["ls", "-l", "/etc/greeting"]).starts_with("-rw-r-----"));
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = |name: &str| {
        status
            .lines()
            .find_map(|line| line.strip_prefix(name))
            .unwrap_or_default()
            .trim()
            .to_string()
    };
    assert_eq!(line("NoNewPrivs:"), "1");
    // chown, dac_override, fowner, kill, setgid, setuid, net_bind_service
    assert_eq!(line("CapEff:"), "00000000000004eb");
    assert_eq!(line("CapBnd:"), "00000000000004eb");
    let code = up.tow(["exec", "-c", "web", "-e", "boxes", "-T", "--", "sh", "-c", "exit 7"]);
    assert_eq!(code.status, 7, "{code}");
    let gone = up.tow(["exec", "-c", "web", "-e", "boxes", "-T", "--", "/no/such"]);
    assert_eq!(gone.status, 127, "{gone}");
    assert!(gone.err.contains("/no/such is not in the container"), "{gone}");
    much_goes_both_ways(&up);
    held_by_itself(&podman);

    assert_eq!(podman.containers(OWNER).len(), 2, "the program's and the network's");
    up.tow(["stop", "-c", "web", "-e", "boxes"]).exits(0);
    until("its containers are gone", || podman.containers(OWNER).is_empty());
    assert_eq!(up.data().join("volumes").read_dir().unwrap().count(), 1, "the volume stays");
    // A volume outlives what used it.
    up.tow(["start", "-c", "web", "-e", "boxes"]).exits(0);
    assert!(inside(&up, "web", &["ls", "/www"]).contains("index.html"));
    drop(up);
    assert_eq!(podman.containers(OWNER), [], "down takes all of it away");
}

/// A command that writes while it is written to is read meanwhile, however much it is.
fn much_goes_both_ways(up: &Binary) {
    const MUCH: usize = 5_000_000;
    let args = ["exec", "-c", "web", "-e", "boxes", "-T", "--", "cat"];
    let mut command = up.command(args);
    command.stdin(std::process::Stdio::piped()).stdout(std::process::Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut typed = child.stdin.take().unwrap();
    let bytes: Vec<u8> = (0..MUCH).map(|at| (at / 7 % 251) as u8).collect();
    let meant = bytes.clone();
    let typing = std::thread::spawn(move || typed.write_all(&bytes));
    let mut said = child.stdout.take().unwrap();
    let reading = std::thread::spawn(move || {
        let mut all = Vec::new();
        said.read_to_end(&mut all).map(|_| all)
    });
    let began = Instant::now();
    while !reading.is_finished() {
        if began.elapsed() > Duration::from_secs(60) {
            child.kill().unwrap();
            panic!("5 MB into a command and out of it again: stuck");
        }
        std::thread::park_timeout(Duration::from_millis(20));
    }
    typing.join().unwrap().unwrap();
    assert!(reading.join().unwrap().unwrap() == meant, "something else came back");
    assert!(child.wait().unwrap().success());
}

/// Nobody said how much memory the pod's web server may have, nor how many processes.
fn held_by_itself(podman: &Podman) {
    for (id, _) in podman.containers("dev.towpath.instance") {
        let said = podman.ask("GET", &format!("/containers/{id}/json"), None).unwrap();
        assert_eq!(said["HostConfig"]["PidsLimit"], 4096, "{said}");
        assert_eq!(said["HostConfig"]["Memory"], 64 << 20, "what was said is held as it was");
    }
}

/// Counts on and on.
const COUNTS: &str = r#"apiVersion: score.dev/v1b1
metadata: {name: counts}
service: {ports: {web: {port: 80}}}
containers:
  main:
    image: busybox
    command: ["sh", "-c", "mkdir -p /www; httpd -p 80 -h /www; n=0; while :; do echo line $n; echo $n > /www/index.html; n=$((n+1)); usleep 20000; done"]
"#;

/// The numbers that the log holds, in order.
fn counted(up: &Binary) -> Vec<u64> {
    let log = up.tow(["logs", "-c", "counts", "-e", "boxes", "-n", "1000000"]).exits(0).out;
    let numbers = log.lines().filter_map(|line| line.rsplit_once("line ")?.1.trim().parse().ok());
    numbers.collect()
}

#[test]
fn whoever_is_killed_the_container_lives_on_and_no_line_is_lost() {
    let Some(mut podman) = engine() else { return };
    let mut up = up(&podman);
    let counts = folder(COUNTS);
    hasty(counts.path(), "counts", "counts");
    deploy(&up, counts.path());
    let ids = |podman: &Podman| podman.containers("dev.towpath.instance");
    let before = ids(&podman);
    assert_eq!(before.len(), 1);
    let role = |up: &Binary, name: &str| {
        let all = up.role(name);
        let found = all.iter().find(|one| one.args.get(2).is_some_and(|dir| dir.contains("/i-")));
        found.map(|one| one.pid)
    };
    for who in ["container", "shim", "both", "all", "engine"] {
        let seen = counted(&up).len();
        match who {
            "container" | "shim" => send(role(&up, who).unwrap(), Signal::KILL),
            "both" | "all" => {
                send(role(&up, "shim").unwrap(), Signal::KILL);
                send(role(&up, "container").unwrap(), Signal::KILL);
                if who == "all" {
                    up.end(Signal::KILL);
                    up.start();
                }
            }
            _ => {
                podman.kill();
                until("the engine is missed", || {
                    up.json(&["ps"])[0]["phase"] == "running"
                        && counted(&up).len() == {
                            let seen = counted(&up).len();
                            std::thread::park_timeout(Duration::from_millis(200));
                            seen
                        }
                });
                podman.wake().unwrap();
            }
        }
        until(&format!("{who}: it is looked after again"), || {
            counted(&up).len() > seen + 20
                && up.json(&["ps"])[0]["state"] == "live"
                && role(&up, "container").is_some()
        });
        assert_eq!(ids(&podman), before, "{who}: the same container runs");
    }
    let numbers = counted(&up);
    let distinct: BTreeSet<u64> = numbers.iter().copied().collect();
    let doubled = numbers.len() - distinct.len();
    assert_eq!(distinct.len() as u64, numbers.last().unwrap() + 1, "no line is lost");
    assert!(doubled <= 20, "{doubled} lines came twice");
    println!("measured: of {} lines {doubled} came twice over five kills", distinct.len());
}

/// What is wrong with an image, a program or a volume, and the words that say so.
#[test]
fn what_can_not_run_says_why_and_leaves_nothing() {
    let Some(podman) = engine() else { return };
    let up = up(&podman);
    podman.load("hollow", &Image::empty());
    let mut foreign = Image::busybox().unwrap();
    foreign.architecture = if foreign.architecture == "arm64" { "amd64" } else { "arm64" }.into();
    podman.load("foreign", &foreign);
    let lie = "sha256:0000000000000000000000000000000000000000000000000000000000000000";
    let cases = [
        ("image: nowhere", "image nowhere is not on this engine"),
        ("image: hollow", "image hollow names no program to run"),
        ("image: foreign", "image foreign is for"),
        (&format!("image: busybox@{lie}"), "image busybox@sha256:0000"),
        ("image: busybox, command: [\"/no/such\"]", "/no/such"),
        ("image: busybox, command: [\"sleep\", \"1000\"], files: {/bin: {content: x}}", "/bin"),
    ];
    for (number, (container, wanted)) in cases.iter().enumerate() {
        let name = format!("bad{number}");
        let score = format!(
            "apiVersion: score.dev/v1b1\nmetadata: {{name: {name}}}\ncontainers: {{main: {{{container}}}}}\n"
        );
        let bad = folder(&score);
        hasty(bad.path(), &name, &name);
        let began = Instant::now();
        let done = deploy_fails(&up, bad.path());
        assert!(done.err.contains(wanted), "{container}: {wanted:?} is not said: {done}");
        assert!(began.elapsed() < Duration::from_secs(30), "{container}: it failed late");
    }
    until("nothing is left", || podman.containers(OWNER).is_empty());
}

#[test]
fn a_registry_that_lies_or_has_nothing_is_found_out() {
    let Some(podman) = engine() else { return };
    let up = Binary::up(TOW);
    declare(&up, &format!("type: container, engine: \"{}\"", podman.address()), "boxes");
    let registry = Registry::start();
    let lie = "sha256:1111111111111111111111111111111111111111111111111111111111111111";
    for (image, wanted) in [
        (format!("127.0.0.1:{}/app@{lie}", registry.port), "could not be fetched"),
        (format!("127.0.0.1:{}/none:1", registry.port), "could not be fetched"),
        ("127.0.0.1:1/app:1".to_string(), "could not be fetched"),
    ] {
        let score = format!(
            "apiVersion: score.dev/v1b1\nmetadata: {{name: fetched}}\ncontainers: {{main: {{image: \"{image}\"}}}}\n"
        );
        let bad = folder(&score);
        hasty(bad.path(), "fetched", "fetched");
        let done = deploy_fails(&up, bad.path());
        assert!(done.err.contains(wanted) && done.err.contains(&image), "{image}: {done}");
    }
    // What it says is what it has: this one is fetched and runs.
    let image = format!("127.0.0.1:{}/app:1", registry.port);
    let score = format!(
        "apiVersion: score.dev/v1b1\nmetadata: {{name: fetched}}\ncontainers: {{main: {{image: \"{image}\", \
         command: [\"sleep\", \"1000\"]}}}}\n"
    );
    let good = folder(&score);
    hasty(good.path(), "fetched", "fetched");
    assert_eq!(deploy(&up, good.path())["state"], "live");
}

/// A registry with one image, `app:1`, which gives the same manifest for every digest it is asked for.
struct Registry {
    port: u16,
}

impl Registry {
    fn start() -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let (layer, config) = Image::busybox().unwrap().parts();
        let part = |kind: &str, bytes: &[u8]| json!({ "mediaType": kind, "size": bytes.len(), "digest": tow_names::Digest::of(bytes).to_string() });
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": part("application/vnd.oci.image.config.v1+json", &config),
            "layers": [part("application/vnd.oci.image.layer.v1.tar", &layer)],
        });
        let manifest = manifest.to_string().into_bytes();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(mut stream) = stream else { return };
                let (layer, config, manifest) = (layer.clone(), config.clone(), manifest.clone());
                std::thread::spawn(move || {
                    let mut bytes = Vec::new();
                    let mut part = [0; 4096];
                    while !bytes.windows(4).any(|four| four == b"\r\n\r\n") {
                        match stream.read(&mut part) {
                            Ok(length) if length > 0 => bytes.extend_from_slice(&part[..length]),
                            _ => return,
                        }
                    }
                    let text = String::from_utf8_lossy(&bytes).into_owned();
                    let path = text.split(' ').nth(1).unwrap_or_default();
                    let digest = |bytes: &[u8]| tow_names::Digest::of(bytes).to_string();
                    let (status, body): (&str, &[u8]) = if path == "/v2/" {
                        ("200 OK", b"{}")
                    } else if path.starts_with("/v2/app/manifests/") {
                        ("200 OK", &manifest)
                    } else if path.ends_with(&digest(&layer)) {
                        ("200 OK", &layer)
                    } else if path.ends_with(&digest(&config)) {
                        ("200 OK", &config)
                    } else {
                        ("404 Not Found", b"{\"errors\":[{\"code\":\"MANIFEST_UNKNOWN\"}]}")
                    };
                    let head = format!(
                        "HTTP/1.1 {status}\r\nContent-Type: application/vnd.oci.image.manifest.v1+json\r\n\
                         Content-Length: {}\r\nConnection: close\r\n\r\n",
                        body.len()
                    );
                    let _ = stream.write_all(head.as_bytes());
                    if !text.starts_with("HEAD") {
                        let _ = stream.write_all(body);
                    }
                });
            }
        });
        Self { port }
    }
}

#[test]
fn an_engine_that_is_away_is_waited_for_and_one_that_is_not_there_refused() {
    let Some(mut podman) = engine() else { return };
    let up = up(&podman);
    let late = folder(
        "apiVersion: score.dev/v1b1\nmetadata: {name: late}\nservice: {ports: {web: {port: 80}}}\ncontainers:\n  \
         main:\n    image: busybox\n    command: [\"sh\", \"-c\", \"mkdir -p /www; sleep 3; exec httpd -f -p 80 -h /www\"]\n",
    );
    hasty(late.path(), "late", "late");
    std::thread::scope(|scope| {
        let deployed = scope.spawn(|| deploy(&up, late.path()));
        until("its container is there", || !podman.containers("dev.towpath.instance").is_empty());
        podman.kill();
        std::thread::park_timeout(Duration::from_secs(1));
        podman.wake().unwrap();
        assert_eq!(deployed.join().unwrap()["state"], "live", "adopted when it returned");
    });
    assert_eq!(podman.containers("dev.towpath.instance").len(), 1);

    podman.kill();
    let refused = up.tow(["plan", &late.path().display().to_string(), "-e", "boxes", "-o", "json"]);
    assert_ne!(refused.status, 0, "{refused}");
    assert!(refused.err.contains("plan/runtime-unavailable"), "{refused}");
    assert!(refused.err.contains("score.yaml"), "by line: {refused}");
    podman.wake().unwrap();
    // An image in an environment of processes is refused too, by its line.
    let refused = up.tow(["plan", &late.path().display().to_string(), "-e", "development"]);
    assert!(refused.err.contains("plan/no-container-runtime"), "{refused}");
}

#[test]
fn containers_of_a_pod_share_a_network_and_only_that() {
    let Some(podman) = engine() else { return };
    let up = up(&podman);
    let pod = folder(
        r#"apiVersion: score.dev/v1b1
metadata: {name: pair}
service: {ports: {web: {port: 8080, targetPort: 80}}}
containers:
  first:
    image: busybox
    command: ["sh", "-c", "touch /tmp/ready; exec httpd -f -p 80 -h /tmp"]
  second:
    image: busybox
    command: ["sh", "-c", "until wget -q -O /tmp/got http://127.0.0.1/ready; do usleep 100000; done; sleep 1000"]
  third:
    image: busybox
    command: ["sh", "-c", "echo made > /data/made"]
    volumes: {/data: {source: "${resources.data}"}}
    before: {first: {ready: complete}}
resources: {data: {type: volume}}
"#,
    );
    hasty(pod.path(), "pair", "pair");
    assert_eq!(deploy(&up, pod.path())["state"], "live");
    let args = ["exec", "-c", "pair", "-e", "boxes", "--container", "second", "-T", "--"];
    until("the second reached the first over the loopback", || {
        up.tow(args.iter().chain(&["ls", "/tmp/got"])).status == 0
    });
    let seen = up.tow(args.iter().chain(&["ls", "/tmp/ready"]));
    assert_ne!(seen.status, 0, "each has its own files: {seen}");
    let volumes = up.data().join("volumes");
    let volume = volumes.read_dir().unwrap().next().unwrap().unwrap().path();
    assert_eq!(std::fs::read_to_string(volume.join("made")).unwrap(), "made\n");
    assert_eq!(podman.containers(OWNER).len(), 3, "two and their network; the third is done");
    up.tow(["stop", "-c", "pair", "-e", "boxes"]).exits(0);
    until("the last one out took the network along", || podman.containers(OWNER).is_empty());

    // A part of a volume, which may lead out of it by a link that is put there at any time.
    std::fs::create_dir(volume.join("part")).unwrap();
    let score = std::fs::read_to_string(pod.path().join("score.yaml")).unwrap();
    for (path, why) in [("part", "plan/volume-path"), ("../other", "../other")] {
        let source = r#"{source: "${resources.data}""#;
        let text = score.replace(source, &format!("{source}, path: {path}"));
        assert_ne!(text, score);
        std::fs::write(pod.path().join("score.yaml"), text).unwrap();
        let done = up.tow(["deploy", &pod.path().display().to_string(), "-e", "boxes"]);
        assert_ne!(done.status, 0, "{done}");
        assert!(done.err.contains(why), "{path}: {done}");
    }
    assert!(!Path::new("/etc/made").exists() && !volumes.join("other").exists());
}

#[test]
fn what_nothing_wants_goes_and_what_is_another_s_stays() {
    let Some(podman) = engine() else { return };
    let mut up = up(&podman);
    let counts = folder(COUNTS);
    hasty(counts.path(), "counts", "counts");
    deploy(&up, counts.path());
    let owner = std::fs::read_to_string(up.data().join("run/c/.owner")).unwrap();
    let owner: Value = serde_json::from_str(&owner).unwrap();
    let owner = owner["id"].as_str().unwrap();
    let make = |name: &str, labels: &[String]| {
        let mut command = podman.command();
        command.args(["create", "--name", name]);
        for label in labels {
            command.args(["--label", label]);
        }
        let done = command.args(["localhost/busybox", "sleep", "1000"]).output().unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    };
    let of = |owner: &str, instance: &str| {
        vec![format!("{OWNER}={owner}"), format!("dev.towpath.instance={instance}")]
    };
    make("orphan", &of(owner, "i-gone"));
    make("others", &of("someone", "i-gone"));
    make("plain", &[]);
    let there = |name: &str| {
        let done = podman.command().args(["container", "exists", name]).status().unwrap();
        done.success()
    };
    up.end(Signal::KILL);
    up.start();
    until("the orphan is taken away", || !there("orphan"));
    assert!(there("others") && there("plain"));
    assert_eq!(up.json(&["ps"])[0]["state"], "live");
    drop(up);
    assert!(there("others") && there("plain"), "not even by tow down");
    assert_eq!(podman.containers(OWNER).len(), 1);
}

/// The same component, moved by its environment's runtime alone.
#[test]
fn a_component_moves_between_runtimes_and_no_request_is_lost() {
    let Some(podman) = engine() else { return };
    let up = Binary::up(TOW);
    let container = format!(
        "type: container, engine: \"{}\", pull: never, bases: {{default: busybox}}",
        podman.address()
    );
    declare(&up, "type: process", "boxes");
    let moves = folder(
        "apiVersion: score.dev/v1b1\nmetadata: {name: moves}\nservice: {ports: {web: {port: 8080}}}\ncontainers:\n  main:\n    \
         image: .\n    command: [\"./serve\"]\n    files: {note: {content: \"from the score file\"}}\n",
    );
    let script = "#!/bin/sh\necho serving on $PORT\ntrap 'exit 0' TERM\nbusybox httpd -f -p $PORT -h . &\nwait\n";
    let path = moves.path().join("serve");
    std::fs::write(&path, script).unwrap();
    std::fs::write(moves.path().join("index.html"), "hello\n").unwrap();
    std::os::unix::fs::PermissionsExt::set_mode(&mut path.metadata().unwrap().permissions(), 0o755);
    let status = std::process::Command::new("chmod").arg("755").arg(&path).status().unwrap();
    assert!(status.success());
    hasty(moves.path(), "moves", "moves");
    let done = deploy(&up, moves.path());
    let url = done["url"].as_str().unwrap().trim_end_matches('/').to_string();
    let origin = crate::ferry::status(&up, "moves")["port_url"].as_str().unwrap().to_string();
    let origin = origin.trim_end_matches('/').to_string();
    let load =
        Load { origin, paths: vec!["/index.html".into(), "/note".into()], rate: 100 }.begin();
    let isolation = || up.json(&["ps"])[0]["isolation"].clone();
    assert_eq!(isolation(), "none");
    for (spec, level) in [(container.as_str(), "container"), ("type: process", "none")] {
        declare(&up, spec, "boxes");
        let done = up.json(&["restart", "-c", "moves", "-e", "boxes"]);
        assert_eq!(done["state"], "live", "{done}");
        until("only the new one is there", || up.json(&["ps"]).as_array().map(Vec::len) == Some(1));
        assert_eq!(isolation(), level);
        let log = up.tow(["logs", "-c", "moves", "-e", "boxes"]).exits(0);
        assert!(log.out.contains("serving on"), "{log}");
        assert_eq!(try_get(&url, "/note").unwrap(), (200, "from the score file".into()));
    }
    let report = load.end();
    println!("measured: process → container → process under load: {report}");
    assert!(report.failed.is_empty() && report.answered > 100, "{report}");
}

/// Images of the names that the corpus uses.
fn stand_ins(podman: &Podman) {
    let busybox = Image::busybox().unwrap();
    let server = "#!/bin/sh\nexec httpd -f -p ${NGINX_PORT:-80} -h /www\n";
    let curl = "#!/bin/sh\nfor last; do :; done\nexec wget -q -O - \"$last\"\n";
    let podinfo = "#!/bin/sh\nfor arg; do case $arg in --port=*) port=${arg#*=};; esac; done\n\
                   mkdir -p /tmp/www; echo ok > /tmp/www/healthz; echo ok > /tmp/www/readyz\n\
                   exec httpd -f -p $port -h /tmp/www\n";
    let web = busybox
        .clone()
        .folder("www", 0o755)
        .file("www/index.html", b"stand-in\n", 0o644)
        .folder("usr", 0o755)
        .folder("usr/bin", 0o755)
        .file("usr/bin/curl", curl.as_bytes(), 0o755)
        .file("bin/serve", server.as_bytes(), 0o755)
        .config(json!({ "Cmd": ["serve"], "Env": ["PATH=/bin:/usr/bin"] }));
    podman.load("nginx", &web);
    let info = busybox
        .clone()
        .folder("home", 0o755)
        .file("home/podinfo", podinfo.as_bytes(), 0o755)
        .config(json!({ "Entrypoint": ["sh"], "WorkingDir": "/home", "Env": ["PATH=/bin"] }));
    podman.load("podinfo", &info);
    let example =
        busybox.config(json!({ "Entrypoint": ["sleep"], "Cmd": ["1000"], "Env": ["PATH=/bin"] }));
    podman.load("example-image", &example);
}

/// The configuration that the files ask for.
const SET: [(&str, &str); 2] = [("NAME", "Ann"), ("TEST", "a test")];

/// As the platform fills it in.
fn filled(text: &str, name: &str) -> String {
    let mut text = text.replace("${metadata.name}", name);
    for (key, value) in SET {
        text = text.replace(&format!("${{resources.env.{key}}}"), value);
    }
    text.replace("$$", "$")
}

/// Every Score file of the corpus whose types of resource are made here: live, and inside it is as written.
#[test]
#[expect(clippy::disallowed_methods, reason = "a test reads where the corpus is")]
fn score_files_of_others_run_as_they_are_written() {
    let Some(root) = std::env::var_os("TOW_CORPUS") else {
        return not_run("TOW_CORPUS is not set");
    };
    let Some(podman) = engine() else { return };
    let up = up(&podman);
    stand_ins(&podman);
    let mut paths: Vec<_> = std::fs::read_dir(Path::new(&root).join("score"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|ext| ext == "yaml"))
        .collect();
    paths.sort();
    let mut done = 0;
    for path in paths {
        let text = std::fs::read_to_string(&path).unwrap();
        let file = path.display().to_string();
        let documents = tow_formats::read(&file, &text).unwrap();
        let [tow_formats::Document::Score(score)] = documents.as_slice() else { panic!("{file}") };
        let score = &score.workload;
        let known = ["environment", "route", "volume"];
        if score.resources.values().any(|one| !known.contains(&one.kind.as_str())) {
            continue;
        }
        let name = score.metadata.name.as_str();
        let here = folder(&text);
        hasty(here.path(), name, name);
        let catalog = format!(
            "apiVersion: backstage.io/v1alpha1\nkind: Component\nmetadata: {{name: {name}}}\nspec: {{type: service, \
             lifecycle: experimental, owner: group:default/platform}}\n"
        );
        std::fs::write(here.path().join("catalog-info.yaml"), catalog).unwrap();
        std::fs::write(here.path().join("fileA.txt"), "beside the file\n").unwrap();
        let catalog = here.path().join("catalog-info.yaml");
        up.tow(["apply", "-f", &catalog.display().to_string()]).exits(0);
        for (key, value) in SET {
            let pair = format!("{key}={value}");
            up.tow(["config", "set", &pair, "-c", name, "-e", "boxes"]).exits(0);
        }
        let live = deploy(&up, here.path());
        assert_eq!(live["state"], "live", "{file}: {live}");
        for (container, spec) in &score.containers {
            let base = ["exec", "-c", name, "-e", "boxes", "--container", container, "-T", "--"];
            let run = |argv: &[&str]| up.tow(base.iter().chain(argv)).exits(0).out;
            let env = run(&["env"]);
            for (key, value) in &spec.variables {
                let wanted = format!("{key}={}", filled(value, name));
                assert!(env.lines().any(|line| line == wanted), "{file}: {wanted} in {env}");
            }
            for (target, put) in &spec.files {
                let wanted = match (&put.content, &put.binary_content) {
                    (Some(text), _) => filled(text, name),
                    (None, Some(_)) => "hello world".into(),
                    (None, None) => "beside the file\n".into(),
                };
                assert_eq!(run(&["cat", target]), wanted, "{file}: {target}");
                let mode = put.mode.as_deref().unwrap_or("644").trim_start_matches('0');
                assert_eq!(run(&["stat", "-c", "%a", target]).trim(), mode, "{file}: {target}");
            }
            for target in spec.volumes.keys() {
                run(&["sh", "-c", &format!("echo kept > {target}/note")]);
                assert!(run(&["cat", "/proc/mounts"]).contains(&format!(" {target} ")), "{file}");
            }
        }
        done += 1;
    }
    println!("measured: {done} Score files of the corpus live in containers, as they are written");
    assert!(done >= 13, "only {done} files");
    drop(up);
    assert_eq!(podman.containers(OWNER), []);
}
