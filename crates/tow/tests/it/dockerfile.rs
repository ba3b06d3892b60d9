//! Dockerfiles for real: built by Podman, kept as artifacts, run by image. Base images are made here; nothing is fetched.

#![allow(clippy::unwrap_used, reason = "a test that can't be set up fails")]

use crate::container::{declare, engine};
use crate::ferry::{TOW, get};
use rustix::process::Signal;
use serde_json::Value;
use std::io::Read as _;
use std::path::Path;
use std::time::Instant;
use tow_testkit::binary::{Binary, send, until};
use tow_testkit::engine::Podman;

/// The label of everything that a build leaves in an engine.
const LABEL: &str = "dev.towpath.build";

/// A platform whose environment `boxes` runs containers of this engine.
fn up(podman: &Podman) -> Binary {
    let up = Binary::up(TOW);
    let said = format!("type: container, engine: \"{}\", pull: never", podman.address());
    declare(&up, &said, "boxes");
    up
}

/// A folder whose Dockerfile builds `web`; `build`: lines of `build` in `tow.yaml`.
fn folder(dockerfile: &str, build: &str) -> tempfile::TempDir {
    let folder = tempfile::Builder::new().prefix("dockerfile-").tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    write("Dockerfile", dockerfile);
    write("index.html", "first page\n");
    write("score.yaml", &score(""));
    let build = if build.is_empty() { String::new() } else { format!("  build: {{{build}}}\n") };
    write(
        "tow.yaml",
        &format!(
            "apiVersion: towpath.dev/v1\nkind: Delivery\nmetadata: {{name: web}}\nspec:\n  component: web\n{build}  \
             workloads:\n    web: {{health: {{deadline: 60s}}, stop: {{grace: 1s, drain: 1s}}}}\n"
        ),
    );
    folder
}

fn score(more: &str) -> String {
    format!(
        "apiVersion: score.dev/v1b1\nmetadata: {{name: web}}\nservice: {{ports: {{web: {{port: 8080}}}}}}\n\
         containers:\n  main:\n    image: .\n{more}"
    )
}

const SERVES: &str = r#"FROM busybox
WORKDIR /www
ENV GREETING=greetings
RUN echo built > built.txt
COPY index.html .
USER 1000
ENTRYPOINT ["/bin/sh", "-c"]
CMD ["echo user $(id -u) in $PWD says $GREETING; exec httpd -f -p 8080 -h /www"]
"#;

#[track_caller]
fn deploy(up: &Binary, folder: &Path) -> Value {
    up.json(&["deploy", &folder.display().to_string(), "-e", "boxes"])
}

fn log(up: &Binary) -> String {
    up.tow(["logs", "-c", "web", "-e", "boxes"]).exits(0).out
}

/// Ids of images with our label that lead to nothing.
fn dangling(podman: &Podman) -> Vec<String> {
    let filters = r#"{"dangling":["true"],"label":["dev.towpath.build"]}"#;
    let filters: String = filters.bytes().map(|byte| format!("%{byte:02x}")).collect();
    let all = podman.ask("GET", &format!("/images/json?filters={filters}"), None).unwrap();
    all.as_array().unwrap().iter().map(|one| one["Id"].as_str().unwrap().to_string()).collect()
}

/// Containers that a build works in.
fn working(podman: &Podman) -> Vec<String> {
    let path = "/v4.0.0/libpod/containers/json?all=true&external=true";
    let all = match podman.ask("GET", path, None) {
        Ok(all) => all,
        // While one of them is going, none can be listed.
        Err(why) => return vec![why],
    };
    let all = all.as_array().into_iter().flatten();
    all.map(|one| one["Names"][0].as_str().unwrap_or_default().to_string())
        .filter(|name| name.contains("working-container"))
        .collect()
}

/// Processes of steps of builds whose command has `word` in it.
fn steps(word: &str) -> usize {
    let entries = std::fs::read_dir("/proc").unwrap().flatten();
    let read = |path: &Path, name: &str| std::fs::read(path.join(name)).unwrap_or_default();
    entries
        .filter(|entry| {
            let text = |name| String::from_utf8_lossy(&read(&entry.path(), name)).into_owned();
            text("cgroup").contains("towbuild") && text("cmdline").contains(word)
        })
        .count()
}

#[track_caller]
fn nothing_is_left(podman: &Podman, word: &str) {
    until("no step of it runs", || steps(word) == 0);
    until("no container of it is left", || working(podman).is_empty());
    until("no layer of it is left", || dangling(podman).is_empty());
}

#[test]
fn a_dockerfile_goes_from_source_to_live() {
    let Some(podman) = engine() else { return };
    let up = up(&podman);
    let web = folder(SERVES, "");
    let path = web.path().display().to_string();
    let plan = up.tow(["plan", &path, "-e", "boxes"]).exits(0);
    assert!(plan.out.contains("there is Dockerfile") && plan.out.contains("odman"), "{plan}");
    let began = Instant::now();
    let done = deploy(&up, web.path());
    println!("measured: a Dockerfile live in {:.1} s", began.elapsed().as_secs_f64());
    let url = done["url"].as_str().unwrap().to_string();
    assert_eq!(get(&url, "/"), (200, "first page\n".into()));
    assert_eq!(get(&url, "/built.txt"), (200, "built\n".into()));
    until("user, folder and variables are the image's", || {
        log(&up).contains("user 1000 in /www says greetings")
    });
    let kept = up.json(&["artifact", "list"]);
    assert_eq!(kept[0]["tool"], "dockerfile", "{kept}");

    // One line more: what comes before it is not built again.
    std::fs::write(web.path().join("index.html"), "second page\n").unwrap();
    let began = Instant::now();
    let done = deploy(&up, web.path());
    println!("measured: one line later live in {:.1} s", began.elapsed().as_secs_f64());
    assert_eq!(done["state"], "live", "{done}");
    assert_eq!(get(&url, "/"), (200, "second page\n".into()));

    // What the Score file says stands over what the image says.
    std::fs::write(
        web.path().join("score.yaml"),
        score("    variables: {GREETING: hello}\n    args: [\"echo over $GREETING; exec httpd -f -p 8080 -h /www\"]\n"),
    )
    .unwrap();
    deploy(&up, web.path());
    until("the arguments are the Score file's", || log(&up).contains("over hello"));

    // An engine that lost it is given it again, out of what the platform keeps.
    up.tow(["stop", "-c", "web", "-e", "boxes"]).exits(0);
    until("its containers are gone", || podman.containers("dev.towpath.owner").is_empty());
    let all = podman.ask("GET", "/images/json?all=true", None).unwrap();
    for one in all.as_array().unwrap().iter().filter(|one| one["Labels"].get(LABEL).is_some()) {
        let id = one["Id"].as_str().unwrap();
        let _ = podman.ask("DELETE", &format!("/images/{id}?force=true"), None);
    }
    up.tow(["start", "-c", "web", "-e", "boxes"]).exits(0);
    assert_eq!(get(&url, "/"), (200, "second page\n".into()));
    up.tow(["rollback", "1", "-c", "web", "-e", "boxes"]).exits(0);
    assert_eq!(get(&url, "/"), (200, "first page\n".into()));
    until("no container of a build is left", || working(&podman).is_empty());
}

/// Starts a build and waits until its step runs; its id.
fn begun(up: &Binary, folder: &Path, word: &str) -> String {
    let dir = folder.display().to_string();
    let build = up.json(&["build", &dir, "-e", "boxes", "--detach"]);
    until("its step runs", || steps(word) > 0);
    build["id"].as_str().unwrap().to_string()
}

/// How a build ended.
fn failure(up: &Binary, id: &str) -> String {
    let mut said = String::new();
    until("the build is over", || {
        let shown = up.tow(["build", "cancel", id, "-o", "json"]).exits(0).json();
        said = shown["failure"].as_str().unwrap_or_default().to_string();
        shown["finished"] == true
    });
    said
}

#[test]
fn a_dockerfile_that_never_ends_is_ended() {
    let Some(podman) = engine() else { return };
    let mut up = up(&podman);
    let endless = |word: &str, build: &str| {
        folder(
            &format!(
                "FROM busybox\nRUN echo layer > /layer\nRUN echo begun; sleep {word}\nRUN sleep {word}\n"
            ),
            build,
        )
    };
    // By its time.
    let slow = endless("86001", "timeout: 4s");
    let done = up.tow(["deploy", &slow.path().display().to_string(), "-e", "boxes"]).exits(1);
    assert!(done.err.contains("longer than 4s"), "{done}");
    nothing_is_left(&podman, "86001");

    // By whoever asks.
    let slow = endless("86002", "");
    let id = begun(&up, slow.path(), "86002");
    up.tow(["build", "cancel", &id]).exits(0);
    assert!(failure(&up, &id).contains("cancelled"));
    let said = up.tow(["logs", "--build", &id]).exits(0);
    assert!(said.out.contains("begun"), "its log stays: {said}");
    nothing_is_left(&podman, "86002");

    // By the death of who asked the engine, while nobody is in charge.
    let slow = endless("86003", "");
    let id = begun(&up, slow.path(), "86003");
    up.end(Signal::KILL);
    send(up.role("builder")[0].pid, Signal::KILL);
    up.start();
    nothing_is_left(&podman, "86003");
    let said = failure(&up, &id);
    // Whoever asks how it ended asks for its end, too, and may come first.
    assert!(said.contains("signal 9") || said.contains("cancelled"), "{said}");
}

#[test]
fn a_dockerfile_that_can_not_be_built_says_where() {
    let Some(podman) = engine() else { return };
    let up = up(&podman);
    let tow = |folder: &Path, environment: &str, status: i32| {
        up.tow(["deploy", &folder.display().to_string(), "-e", environment]).exits(status)
    };
    let wrong = folder("FROM busybox\nRUN true\n\nCOPYY a b\n", "");
    let done = up.tow(["plan", &wrong.path().display().to_string(), "-e", "boxes"]);
    assert!(done.status != 0 && done.err.contains("Dockerfile:4: COPYY"), "{done}");

    let fails = folder("FROM busybox\nRUN echo fine\nRUN echo the-reason >&2; \\\n  exit 3\n", "");
    let done = tow(fails.path(), "boxes", 1);
    assert!(done.err.contains("Dockerfile:3:") && done.err.contains("exit status 3"), "{done}");
    assert!(format!("{}{}", done.out, done.err).contains("the-reason"), "its log is shown: {done}");
    let lacks = folder("FROM busybox\nCOPY nothing /x\n", "");
    let done = tow(lacks.path(), "boxes", 1);
    assert!(done.err.contains("Dockerfile:2:") && done.err.contains("nothing"), "{done}");
    nothing_is_left(&podman, "the-reason");

    // Where no containers run, and where no engine answers: by the line of the Score file.
    let web = folder(SERVES, "");
    let done = tow(web.path(), "development", 3);
    assert!(done.err.contains("score.yaml:6") && done.err.contains("type container"), "{done}");
    declare(&up, "type: container, engine: \"unix:///nowhere/engine.sock\"", "nowhere");
    let done = tow(web.path(), "nowhere", 3);
    assert!(
        done.err.contains("score.yaml:") && done.err.contains("/nowhere/engine.sock"),
        "{done}"
    );
    let done = up.tow(["build", &web.path().display().to_string(), "-e", "nowhere"]);
    assert!(done.status != 0 && done.err.contains("built by a container engine"), "{done}");
}

#[test]
fn secrets_and_networks_of_a_dockerfile_are_its_own() {
    let Some(podman) = engine() else { return };
    let up = up(&podman);
    let web = folder(SERVES, "");
    deploy(&up, web.path());
    let value = "s3cr3t-value-here";
    up.tow(["config", "set", "-c", "web", "-e", "boxes", &format!("API_KEY={value}")]).exits(0);

    let uses = SERVES.replace(
        "RUN echo built",
        "RUN --mount=type=secret,id=API_KEY echo \"key $(cat /run/secrets/API_KEY)\"; ls -a /; cat /proc/net/dev\nRUN echo built",
    );
    let with = folder(&uses, "secrets: [API_KEY], network: \"off\"");
    std::fs::write(with.path().join(".dockerignore"), "score.yaml\n").unwrap();
    let done = up.tow(["build", &with.path().display().to_string(), "-e", "boxes"]).exits(0);
    let text = format!("{}{}", done.out, done.err);
    assert!(text.contains("key •••") && !text.contains(value), "{text}");
    assert!(text.contains("lo:") && !text.contains("eth0"), "it has no network: {text}");
    // Neither in an image of the engine, nor in what is kept.
    let mut found = Vec::new();
    for kept in ["blobs", "cache"] {
        search(&up.data().join(kept), value.as_bytes(), &mut found);
    }
    assert_eq!(found, Vec::<String>::new());

    let before = dangling(&podman);
    let leaks = uses.replace("cat /proc/net/dev", "cp /run/secrets/API_KEY /leaked");
    let with = folder(&leaks, "secrets: [API_KEY]");
    let done = up.tow(["build", &with.path().display().to_string(), "-e", "boxes"]).exits(1);
    assert!(done.err.contains("the build secret API_KEY") && !done.err.contains(value), "{done}");
    until("the image with the secret is gone", || {
        dangling(&podman).iter().all(|one| before.contains(one))
    });
}

/// Files below a folder in which these bytes stand.
fn search(dir: &Path, bytes: &[u8], found: &mut Vec<String>) {
    for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_symlink() {
            continue;
        }
        if path.is_dir() {
            search(&path, bytes, found);
            continue;
        }
        let mut text = Vec::new();
        let read = std::fs::File::open(&path).and_then(|mut file| file.read_to_end(&mut text));
        if read.is_ok() && text.windows(bytes.len()).any(|window| window == bytes) {
            found.push(path.display().to_string());
        }
    }
}
