//! Builds from source to blob, in real processes.

mod monorepo;
mod packages;
mod shelf;
mod tools;
mod world;

use crate::{Limits, order};
use tow_names::{Digest, Duration, Id, Timestamp};
use tow_ports::{Blobs as _, Builder as _, PortError};
use tow_record::{BuildTool, Exit};
use world::World;

#[tokio::test]
async fn a_site_becomes_an_artifact_once() {
    let world = World::new();
    let spec = world
        .source(&[
            ("public/index.html", "<h1>hi</h1>"),
            ("public/a/b.css", "b{}"),
            ("score.yaml", ""),
        ])
        .await;
    let (id, seen) = world.build(&spec).await;
    let artifact = seen.artifact.clone().expect(&seen.message);
    assert_eq!((artifact.tool, artifact.is_static), (BuildTool::Static, true));
    assert_eq!((&artifact.key, &artifact.build), (&spec.key(), &id));
    assert_eq!(seen.exit, Some(Exit::Code { code: 0 }));
    let files = world.files(&artifact);
    assert_eq!(files.keys().collect::<Vec<_>>(), ["a/b.css", "index.html"]);

    assert_eq!(world.builder.observe(&id).await.unwrap(), seen, "looking again changes nothing");
    world.builder.start(1, &id, &spec, &Default::default(), Timestamp(9)).await.unwrap();
    assert_eq!(world.builder.observe(&id).await.unwrap(), seen, "nor does starting again");
    let (other, again) = world.build(&spec).await;
    assert_eq!(again.artifact.unwrap().digest, artifact.digest, "the same source, the same bytes");

    let mut ids = vec![id.clone(), other.clone()];
    ids.sort();
    assert_eq!(world.builder.list().await.unwrap(), ids);
    for id in ids {
        world.builder.remove(1, &id).await.unwrap();
        world.builder.remove(1, &id).await.unwrap();
        assert!(matches!(world.builder.observe(&id).await, Err(PortError::NotThere(_))));
        assert!(world.builder.log(&id, 1).await.is_err());
    }
    assert_eq!(world.builder.list().await.unwrap(), []);
    assert_eq!(world.runtime.count(), 0);
    assert!(world.blobs.has(&artifact.digest).await.unwrap(), "the artifact stays");
}

#[tokio::test]
async fn a_root_site_keeps_the_platforms_files_to_itself() {
    let world = World::new();
    let spec = world
        .source(&[("index.html", "1"), ("score.yaml", "1"), ("tow.yaml", "1"), (".gitignore", "1")])
        .await;
    let artifact = world.build(&spec).await.1.artifact.unwrap();
    assert_eq!(world.files(&artifact).keys().collect::<Vec<_>>(), ["index.html"]);
}

#[tokio::test]
async fn a_command_builds_with_its_log_and_without_our_environment() {
    let world = World::with(Limits::default(), &[("TOW_TOKEN", "secret-value")]);
    let mut spec = world.source(&[("app/in.txt", "input"), ("other.txt", "1")]).await;
    spec.dir = "app".into();
    spec.command = Some(
        "echo to-stdout; echo to-stderr >&2; echo token=[$TOW_TOKEN]; mkdir out; tr a-z A-Z <in.txt >out/made; \
         printf '#!/bin/sh' >out/run; chmod +x out/run"
            .into(),
    );
    spec.output = Some("out".into());
    let (id, seen) = world.build(&spec).await;
    let artifact = seen.artifact.clone().expect(&seen.message);
    assert_eq!(
        (artifact.tool, artifact.is_static, artifact.entry.len()),
        (BuildTool::Command, false, 0)
    );
    assert_eq!(world.files(&artifact)["made"], b"INPUT");
    let log = world.log(&id).await;
    for line in ["to-stdout", "to-stderr", "token=[]"] {
        assert!(log.contains(line), "{line} in {log}");
    }
    assert_eq!(world.builder.log(&id, 1).await.unwrap().len(), 1);

    spec.output = None;
    let artifact = world.build(&spec).await.1.artifact.unwrap();
    let files = world.files(&artifact);
    assert_eq!(files.keys().collect::<Vec<_>>(), ["in.txt", "out/made", "out/run"]);
}

#[tokio::test]
async fn failures_say_why() {
    let world = World::new();
    let plain = world.source(&[("a.txt", "1")]).await;
    let cases: [(&str, &str, Option<&str>, &str); 5] = [
        ("", "exit 3", None, "exit status: 3"),
        ("", "true", Some("dist"), "build.output says \"dist\""),
        ("missing", "true", None, "build.dir says \"missing\""),
        ("../x", "true", None, "expected a path inside the source"),
        ("", "ln -s /etc/hosts bad", None, "a link to /etc/hosts, which leaves the folder"),
    ];
    for (dir, command, output, expected) in cases {
        let mut spec = plain.clone();
        spec.dir = dir.into();
        spec.command = Some(command.into());
        spec.output = output.map(Into::into);
        let (id, seen) = world.build(&spec).await;
        assert!(seen.message.contains(expected), "{command}: {}", seen.message);
        assert_eq!((seen.exit, seen.artifact), (Some(Exit::Code { code: 1 }), None), "{command}");
        assert!(world.log(&id).await.contains(expected), "the log says it too");
        assert!(!world.root.path().join("b").join(id.as_str()).join("work").exists());
    }
    let mut spec = plain;
    spec.source = Digest::of(b"nobody brought this");
    let refused =
        world.builder.start(1, &Id::fresh("b"), &spec, &Default::default(), Timestamp(1)).await;
    assert!(matches!(refused, Err(PortError::NotThere(_))), "{refused:?}");
}

#[tokio::test]
async fn a_build_that_never_ends_is_ended() {
    let world = World::new();
    let mut spec = world.source(&[("a.txt", "1")]).await;
    spec.command = Some("sleep 1000".into());
    spec.timeout = Duration::from_millis(300);
    let (id, seen) = world.build(&spec).await;
    assert_eq!(seen.exit, Some(Exit::Timeout));
    assert!(seen.message.contains("longer than 300ms"), "{}", seen.message);
    assert!(
        !world.root.path().join("b").join(id.as_str()).join("work").exists(),
        "cleaned up for it"
    );
}

#[tokio::test]
async fn a_build_that_fills_the_disk_is_ended() {
    let world = World::with(Limits { work: 8 << 20, output: 1 << 20, ..Limits::default() }, &[]);
    let mut spec = world.source(&[("a.txt", "1")]).await;
    spec.command = Some(
        "i=0; while :; do i=$((i+1)); head -c 1000000 /dev/zero >f$i; sleep 0.05; done".into(),
    );
    let (_, seen) = world.build(&spec).await;
    assert!(seen.message.contains("more than 8 MiB of disk"), "{}", seen.message);
    spec.command = Some("head -c 2000000 /dev/zero >big".into());
    let (_, seen) = world.build(&spec).await;
    assert!(seen.message.contains("output is larger than 1048576 bytes"), "{}", seen.message);
}

#[tokio::test]
async fn removing_a_running_build_leaves_nothing() {
    let world = World::new();
    let mut spec = world.source(&[("a.txt", "1")]).await;
    spec.command = Some("echo $$ >pid.tmp; mv pid.tmp pid; sleep 1000".into());
    let id = Id::fresh("b");
    world.builder.start(1, &id, &spec, &Default::default(), Timestamp(1)).await.unwrap();
    let dir = world.root.path().join("b").join(id.as_str());
    let began = std::time::Instant::now();
    let pid: u32 = loop {
        if let Ok(text) = std::fs::read_to_string(dir.join("work/pid")) {
            break text.trim().parse().unwrap();
        }
        assert!(began.elapsed().as_secs() < 60, "{}", world.log(&id).await);
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    };
    assert!(world.builder.observe(&id).await.unwrap().running);
    assert!(world::alive(pid));
    world.builder.remove(1, &id).await.unwrap();
    while world::alive(pid) {
        assert!(began.elapsed().as_secs() < 60, "{pid} outlived its build");
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    assert!(!dir.exists());
}

#[tokio::test]
async fn a_crash_between_order_and_start_is_made_good() {
    let world = World::new();
    let spec = world.source(&[("index.html", "1")]).await;
    let id = Id::fresh("b");
    let dir = world.root.path().join("b").join(id.as_str());
    std::fs::create_dir_all(&dir).unwrap();
    assert_eq!(world.builder.list().await.unwrap(), std::slice::from_ref(&id));
    assert!(matches!(world.builder.observe(&id).await, Err(PortError::NotThere(_))));
    let known = order::Order {
        id: id.clone(),
        spec: spec.clone(),
        source: world.blobs.file(&spec.source),
        cache: world.root.path().join("cache"),
        limits: Limits::default(),
        accepted_at: Timestamp(1),
    };
    order::write(&dir, order::BUILD, &known).unwrap();
    let unstarted = world.builder.observe(&id).await;
    assert!(matches!(unstarted, Err(PortError::NotThere(_))), "{unstarted:?}");
    world.builder.start(1, &id, &spec, &Default::default(), Timestamp(2)).await.unwrap();
    assert!(world.ended(&id).await.artifact.is_some());
}

const MANIFEST: &str =
    "[package]\nname = \"greeter\"\nversion = \"0.1.0\"\nedition = \"2021\"\n[workspace]\n";

fn program(text: &str) -> String {
    format!("fn main() {{ println!(\"{text}\"); }}\n")
}

#[tokio::test]
async fn rust_is_built_and_built_again_where_it_changed() {
    let world = World::new();
    let of = async |text: &str| {
        let spec = world
            .source(&[
                ("svc/Cargo.toml", MANIFEST),
                ("svc/src/main.rs", &program(text)),
                ("svc/src/bin/other.rs", &program("other")),
                ("svc/assets/a.txt", "asset"),
            ])
            .await;
        let spec =
            tow_record::BuildSpec { dir: "svc".into(), output: Some("assets".into()), ..spec };
        let (id, seen) = world.build(&spec).await;
        let log = world.log(&id).await;
        (seen.artifact.unwrap_or_else(|| panic!("{}\n{log}", seen.message)), log)
    };
    let (one, log) = of("first").await;
    assert_eq!((one.tool, one.entry.clone()), (BuildTool::Cargo, vec!["./greeter".to_string()]));
    assert!(log.contains("Compiling greeter"), "{log}");
    let run = |artifact: &tow_record::Artifact| {
        use std::os::unix::fs::PermissionsExt as _;
        let files = world.files(artifact);
        assert_eq!(files.keys().collect::<Vec<_>>(), ["assets/a.txt", "greeter", "other"]);
        let path = world.root.path().join("run");
        std::fs::write(&path, &files["greeter"]).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        let done = std::process::Command::new("/bin/sh").arg("-c").arg(&path).output().unwrap();
        String::from_utf8(done.stdout).unwrap()
    };
    assert_eq!(run(&one), "first\n");
    let (two, _) = of("second").await;
    assert_eq!(run(&two), "second\n", "a change is never taken for old");
    let (three, _) = of("first").await;
    assert_eq!(three.digest, one.digest, "and the same source is the same program again");
    let (four, log) = of("first").await;
    assert_eq!(four.digest, one.digest);
    assert!(!log.contains("Compiling"), "nothing changed, nothing is compiled: {log}");
}

#[tokio::test]
async fn broken_rust_shows_the_compilers_words() {
    let world = World::new();
    let spec =
        world.source(&[("Cargo.toml", MANIFEST), ("src/main.rs", "fn main() { nope() }")]).await;
    let (id, seen) = world.build(&spec).await;
    assert!(seen.message.contains("ended with exit status: 101"), "{}", seen.message);
    assert!(world.log(&id).await.contains("cannot find function `nope`"));
    let spec = world.source(&[("Cargo.toml", "[package\n")]).await;
    let (_, seen) = world.build(&spec).await;
    assert!(seen.message.contains("Cargo.toml is not valid"), "{}", seen.message);
}

#[tokio::test]
async fn without_cargo_the_message_says_what_to_do() {
    let nowhere = [("PATH", "/nowhere"), ("HOME", "/nowhere"), ("CARGO_HOME", "/nowhere")];
    let world = World::with(Limits::default(), &nowhere);
    let spec = world.source(&[("Cargo.toml", MANIFEST), ("src/main.rs", &program("x"))]).await;
    let (_, seen) = world.build(&spec).await;
    assert!(seen.message.starts_with("cargo is not on PATH"), "{}", seen.message);
    assert!(seen.message.contains("build.command"), "{}", seen.message);
}
