//! One folder of many: what counts of a source, what a build sees of it, and what its artifact is found by.

use super::tools::{made_of, run, there};
use super::world::World;
use tow_names::Digest;
use tow_record::{BuildBounds, BuildSpec, BuildTool};

const MEMBER: &str = "[package]\nname = \"web\"\nversion = \"0.1.0\"\nedition = \"2021\"\n\n[dependencies]\nword = { path = \"../../libs/word\" }\n";
const LIBRARY: &str = "[package]\nname = \"word\"\nversion = \"0.1.0\"\nedition = \"2021\"\n";
const LOCK: &str = "version = 4\n\n[[package]]\nname = \"web\"\nversion = \"0.1.0\"\ndependencies = [\n \"word\",\n]\n\n\
                    [[package]]\nname = \"word\"\nversion = \"0.1.0\"\n";

#[tokio::test]
async fn a_member_of_a_cargo_workspace_is_built_with_what_it_watches_alone() {
    if !there("cargo", &["cargo"]) {
        return;
    }
    let world = World::new();
    let spec = async |word: &str, other: &str| {
        let text = format!("pub fn word() -> &'static str {{ \"{word}\" }}\n");
        let spec = world
            .source(&[
                (
                    "Cargo.toml",
                    "[workspace]\nmembers = [\"apps/*\", \"libs/*\"]\nresolver = \"2\"\n",
                ),
                ("Cargo.lock", LOCK),
                ("apps/web/Cargo.toml", MEMBER),
                ("apps/web/src/main.rs", "fn main() { println!(\"{}\", word::word()) }\n"),
                ("libs/word/Cargo.toml", LIBRARY),
                ("libs/word/src/lib.rs", &text),
                // Nobody could build this one, and nobody looks at it.
                ("apps/other/Cargo.toml", other),
            ])
            .await;
        let watch = ["libs/word", "Cargo.toml", "Cargo.lock"].map(ToString::to_string).into();
        let mut spec = BuildSpec { dir: "apps/web".into(), watch, ..spec };
        spec.found = Some(tow_ports::Builder::inspect(&world.builder, &spec).await.unwrap());
        spec
    };
    let first = spec("one", "this is no manifest").await;
    let (one, log) = made_of(&world, &first).await;
    assert_eq!((one.tool, one.entry.join(" ")), (BuildTool::Cargo, "./web".into()), "{log}");
    assert!(log.contains("--locked"), "the lock file of the workspace holds: {log}");
    assert_eq!(run(&world, &one), "one\n");

    let elsewhere = spec("one", "nor is this").await;
    assert_ne!(elsewhere.source, first.source);
    assert_eq!(elsewhere.key(), first.key(), "a change elsewhere is no new artifact");
    let library = spec("two", "this is no manifest").await;
    assert_ne!(library.key(), first.key(), "a change of what is watched is one");
    assert_eq!(run(&world, &made_of(&world, &library).await.0), "two\n");

    // In another folder with nothing kept, the same bytes.
    let (again, _) = made_of(&world, &BuildSpec { component: None, ..first.clone() }).await;
    assert_eq!(again.digest, one.digest);

    // What is not watched is not there: a library that was forgotten is missed at the first build.
    let watch = vec!["Cargo.toml".to_string(), "Cargo.lock".to_string()];
    let (id, seen) = world.build(&BuildSpec { watch, ..first }).await;
    assert!(seen.artifact.is_none() && seen.message.contains("cargo"), "{}", seen.message);
    assert!(world.log(&id).await.contains("libs/word"), "{}", world.log(&id).await);
}

#[tokio::test]
async fn an_artifact_is_found_by_all_that_goes_into_it() {
    let world = World::new();
    let mut plain = world.source(&[("index.html", "1")]).await;
    plain.found = Some(tow_ports::Builder::inspect(&world.builder, &plain).await.unwrap());
    let of = |change: &dyn Fn(&mut BuildSpec)| {
        let mut spec = plain.clone();
        change(&mut spec);
        spec.key()
    };
    let found =
        |change: fn(&mut tow_record::Found)| of(&|spec| spec.found.iter_mut().for_each(change));
    let mut keys = vec![
        plain.key(),
        of(&|spec| spec.source = Digest::of(b"another")),
        of(&|spec| spec.dir = "a".into()),
        of(&|spec| spec.command = Some("make".into())),
        of(&|spec| spec.output = Some("out".into())),
        of(&|spec| spec.watch = vec!["b".into()]),
        of(&|spec| spec.secrets = vec!["KEY".into()]),
        found(|found| found.tool = BuildTool::Node),
        found(|found| found.toolchain = "node 22".into()),
        found(|found| found.platform = "linux/other".into()),
        found(|found| found.content = Some(Digest::of(b"what counts"))),
    ];
    let all = keys.len();
    keys.sort();
    keys.dedup();
    assert_eq!(keys.len(), all, "each of them tells artifacts apart");
    // How much it may use, how long, and whose it is without secrets: nothing of that is in the bytes.
    let more = of(&|spec| {
        spec.bounds = BuildBounds { memory: Some(1 << 30), ..BuildBounds::default() };
        spec.timeout = tow_names::Duration::from_secs(7);
        spec.component = None;
    });
    assert_eq!(more, plain.key());
}
