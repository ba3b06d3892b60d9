//! Every tool with its real toolchain: from source to something that runs where it was unpacked, and again after a change.
//! Where a toolchain is missing, what was not run is said.

use super::world::World;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use tow_record::{Artifact, BuildSpec, BuildTool};

/// Is a program there? Said where it is not.
pub(super) fn there(test: &str, programs: &[&str]) -> bool {
    let env = crate::environment::own();
    let missing: Vec<&&str> =
        programs.iter().filter(|name| crate::toolchain::find(name, &env).is_none()).collect();
    if !missing.is_empty() {
        println!("not run: {test}: {missing:?} not installed");
    }
    missing.is_empty()
}

/// Builds files, shows the log where nothing was made.
pub(super) async fn made(world: &World, files: &[(&str, &str)]) -> (Artifact, String) {
    let spec = world.source(files).await;
    made_of(world, &spec).await
}

pub(super) async fn made_of(world: &World, spec: &BuildSpec) -> (Artifact, String) {
    let (id, seen) = world.build(spec).await;
    let log = world.log(&id).await;
    (seen.artifact.unwrap_or_else(|| panic!("{}\n{log}", seen.message)), log)
}

/// Unpacks an artifact somewhere else and runs its entry there, with a path that leads to the system's programs.
pub(super) fn run(world: &World, artifact: &Artifact) -> String {
    let folder = tempfile::tempdir().unwrap();
    unpack(world, artifact, folder.path());
    let env = crate::environment::own();
    let program = &artifact.entry[0];
    let program = match program.contains('/') {
        true => folder.path().join(program),
        false => crate::toolchain::find(program, &env).unwrap(),
    };
    let done = Command::new(program)
        .args(&artifact.entry[1..])
        .current_dir(folder.path())
        .env("WHO", "you")
        .output()
        .unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    String::from_utf8(done.stdout).unwrap()
}

fn unpack(world: &World, artifact: &Artifact, to: &Path) {
    let bytes = std::fs::File::open(world.blobs.file(&artifact.digest)).unwrap();
    tar::Archive::new(bytes).unpack(to).unwrap();
}

const GO: &str = "package main\n\nimport \"fmt\"\n\nfunc main() { fmt.Println(\"one\") }\n";

#[tokio::test]
async fn go_is_built_and_built_again_where_it_changed() {
    if !there("go", &["go"]) {
        return;
    }
    let world = World::new();
    let files = [("go.mod", "module example.org/hello\n\ngo 1.19\n"), ("main.go", GO)];
    let (one, log) = made(&world, &files).await;
    assert_eq!(
        (one.tool, one.entry.as_slice()),
        (BuildTool::Go, ["./hello".to_string()].as_slice())
    );
    assert!(one.toolchain.starts_with("go1."), "{one:?}");
    assert!(log.contains("there is go.mod"), "{log}");
    assert_eq!(run(&world, &one), "one\n");
    let two = GO.replace("one", "two");
    let (two, _) = made(&world, &[files[0], ("main.go", &two)]).await;
    assert_eq!(run(&world, &two), "two\n");
    // Another component, another cache, the same program.
    let mut spec = world.source(&files).await;
    spec.component = None;
    assert_eq!(made_of(&world, &spec).await.0.digest, one.digest);

    let cmd = [
        ("go.mod", "module example.org/many\n\ngo 1.19\n"),
        ("cmd/web/main.go", GO),
        ("cmd/worker/main.go", GO),
        ("Procfile", "web: ./web --port $PORT\nworker: ./worker\n"),
    ];
    let (many, log) = made(&world, &cmd).await;
    assert_eq!(world.files(&many).keys().collect::<Vec<_>>(), ["web", "worker"]);
    assert_eq!(many.entry[..2], ["/bin/sh", "-c"], "the Procfile says what runs");
    assert!(log.contains("worker needs a workload of its own"), "{log}");
    let broken =
        world.source(&[files[0], ("main.go", "package main\n\nfunc main() { x }\n")]).await;
    let (id, seen) = world.build(&broken).await;
    assert!(seen.message.starts_with("go build ended"), "{}", seen.message);
    assert!(world.log(&id).await.contains("undefined: x"));
}

#[tokio::test]
async fn node_without_dependencies_is_the_folder() {
    if !there("node", &["node"]) {
        return;
    }
    let world = World::new();
    let package = r#"{"name":"a","scripts":{"start":"node server.js"}}"#;
    let (one, _) =
        made(&world, &[("package.json", package), ("server.js", "console.log('one')")]).await;
    assert_eq!((one.tool, one.entry.join(" ")), (BuildTool::Node, "node server.js".into()));
    assert_eq!(run(&world, &one), "one\n");
    let spec = world.source(&[("package.json", "{"), ("server.js", "")]).await;
    assert!(world.build(&spec).await.1.message.contains("package.json is not valid"));
}

/// A package of this folder, so that nothing has to be fetched.
const LOCAL: [(&str, &str); 3] = [
    (
        "package.json",
        r#"{"name":"a","version":"1.0.0","dependencies":{"dep":"file:./dep"},"devDependencies":{"tool":"file:./tool"},
            "scripts":{"build":"tool","start":"node main.js"}}"#,
    ),
    ("dep/package.json", r#"{"name":"dep","version":"1.0.0","main":"index.js"}"#),
    ("dep/index.js", "module.exports = 'from dep'"),
];

#[tokio::test]
async fn npm_installs_builds_and_leaves_the_tools_out() {
    if !there("npm", &["node", "npm"]) {
        return;
    }
    let world = World::new();
    let tool = "#!/usr/bin/env node\nconst fs = require('fs');\n\
                fs.writeFileSync('main.js', `console.log(require('dep'), '${fs.readFileSync('word')}')`)\n";
    let mut files = LOCAL.to_vec();
    files.push((
        "tool/package.json",
        r#"{"name":"tool","version":"1.0.0","bin":{"tool":"tool.js"}}"#,
    ));
    files.push(("tool/tool.js", tool));
    files.push(("word", "one"));
    let (one, log) = made(&world, &files).await;
    assert!(log.contains("$ npm run build"), "{log}");
    assert_eq!(run(&world, &one), "from dep one\n");
    assert!(!world.files(&one).keys().any(|path| path.starts_with("node_modules/tool")));
    files.pop();
    files.push(("word", "two"));
    let (two, log) = made(&world, &files).await;
    assert_eq!(run(&world, &two), "from dep two\n");
    assert!(log.contains("the dependencies are as they were"), "{log}");
}

#[tokio::test]
async fn a_package_that_makes_pages_is_a_site() {
    if !there("npm", &["node", "npm"]) {
        return;
    }
    let world = World::new();
    let package = r#"{"name":"a","scripts":{"build":"mkdir -p dist && cp page.html dist/index.html","start":"vite"}}"#;
    let (one, log) = made(&world, &[("package.json", package), ("page.html", "<h1>1</h1>")]).await;
    assert!(one.is_static, "{log}");
    assert_eq!(world.files(&one).keys().collect::<Vec<_>>(), ["index.html"]);
}

/// A wheel is an archive with two texts: made here, so that pip has something to install without a registry.
pub(super) fn wheel(folder: &Path, name: &str, module: &str, about: &str) {
    let script = format!(
        "import zipfile\n\
         z = zipfile.ZipFile(r'{dir}/{name}-1.0-py3-none-any.whl', 'w')\n\
         z.writestr('{name}.py', '''{module}''')\n\
         z.writestr('{name}-1.0.dist-info/METADATA', 'Metadata-Version: 2.1\\nName: {name}\\nVersion: 1.0\\n{about}')\n\
         z.writestr('{name}-1.0.dist-info/WHEEL', 'Wheel-Version: 1.0\\nGenerator: test\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n')\n\
         z.writestr('{name}-1.0.dist-info/entry_points.txt', '[console_scripts]\\n{name}-run = {name}:main\\n')\n\
         z.writestr('{name}-1.0.dist-info/RECORD', '')\n\
         z.close()\n",
        dir = folder.display()
    );
    let done = Command::new("python3").arg("-c").arg(script).status().unwrap();
    assert!(done.success());
}

#[tokio::test]
async fn python_dependencies_work_wherever_they_are_unpacked() {
    if !there("pip", &["python3"]) {
        return;
    }
    let wheels = tempfile::tempdir().unwrap();
    wheel(
        wheels.path(),
        "greet",
        "def main():\\n    print('script', __name__)\\n\\nWORD = 'one'\\n",
        "",
    );
    let links = wheels.path().display().to_string();
    let world =
        World::with(crate::Limits::default(), &[("PIP_FIND_LINKS", &links), ("PIP_NO_INDEX", "1")]);
    let app = "import greet, os\nprint(greet.WORD, os.environ['WHO'])\n";
    let files = [("requirements.txt", "greet==1.0\n"), ("app.py", app)];
    let (one, log) = made(&world, &files).await;
    assert_eq!(one.tool, BuildTool::Python);
    assert!(one.toolchain.starts_with("Python 3."), "{one:?}");
    assert_eq!(one.entry, ["./.venv/bin/python", "app.py"], "{log}");
    assert_eq!(run(&world, &one), "one you\n");
    let text = |artifact: &Artifact| {
        let files: BTreeMap<String, Vec<u8>> = world.files(artifact);
        String::from_utf8_lossy(&files[".venv/bin/greet-run"]).into_owned()
    };
    assert!(text(&one).starts_with("#!/bin/sh\n"), "{}", text(&one));
    let mut script = one.clone();
    script.entry = vec!["./.venv/bin/greet-run".into()];
    assert_eq!(run(&world, &script), "script greet\n");
    // The code changes and the dependencies don't; the Procfile says what runs.
    let changed = app.replace("WORD", "WORD * 2");
    let (two, log) =
        made(&world, &[files[0], ("app.py", &changed), ("Procfile", "web: python app.py\n")]).await;
    assert!(log.contains("the dependencies are as they were"), "{log}");
    assert_eq!(run(&world, &two), "oneone you\n");
    // In an empty cache the same source is the same artifact.
    let mut spec = world.source(&files).await;
    spec.component = None;
    assert_eq!(made_of(&world, &spec).await.0.digest, one.digest);
    let (_, seen) = world
        .build(&world.source(&[("requirements.txt", "nowhere==1\n"), ("app.py", "")]).await)
        .await;
    assert!(seen.message.contains("ended with"), "{}", seen.message);
}

const JAVA: &str = "public class Main { public static void main(String[] args) { System.out.println(\"one\"); } }\n";

fn pom() -> String {
    std::fs::read_to_string(
        PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../examples/hello-java/pom.xml"),
    )
    .unwrap()
}

#[tokio::test]
async fn maven_makes_a_jar_that_runs_and_is_the_same_again() {
    if !there("maven", &["mvn", "javac"]) {
        return;
    }
    let world = World::new();
    let pom = pom();
    let of = async |text: &str| {
        let java = JAVA.replace("one", text);
        let spec = world.source(&[("pom.xml", &pom), ("src/main/java/Main.java", &java)]).await;
        world.build(&spec).await
    };
    let (id, seen) = of("one").await;
    let log = world.log(&id).await;
    if log.contains("Could not transfer artifact") || log.contains("Could not find artifact") {
        println!("not run: maven: its registry can't be reached from here");
        return;
    }
    let one = seen.artifact.unwrap_or_else(|| panic!("{}\n{log}", seen.message));
    assert_eq!(one.entry, ["java", "-jar", "app.jar"]);
    assert_eq!(run(&world, &one), "one\n");
    let two = of("two").await.1.artifact.unwrap();
    assert_eq!(run(&world, &two), "two\n");
    let again = of("one").await.1.artifact.unwrap();
    assert_eq!(again.digest, one.digest, "no time is in it");
}

#[tokio::test]
async fn gradle_makes_a_jar_that_runs() {
    if !there("gradle", &["gradle", "javac"]) {
        return;
    }
    let world = World::new();
    let script = "apply plugin: 'java'\njar { manifest { attributes 'Main-Class': 'Main' } }\n";
    let of = async |text: &str| {
        let java = JAVA.replace("one", text);
        made(&world, &[("build.gradle", script), ("src/main/java/Main.java", &java)]).await.0
    };
    let one = of("one").await;
    assert_eq!(one.tool, BuildTool::Gradle);
    assert_eq!(run(&world, &one), "one\n");
    assert_eq!(run(&world, &of("two").await), "two\n");
    assert_eq!(of("one").await.digest, one.digest);
}
