//! Every package manager that is named, with its own lock file, against a registry of this machine: what is installed is
//! what was locked, what only builds is left out, a change of a line installs nothing, and empty caches make the same
//! bytes. Where a manager is missing, what was not run is said.

use super::shelf::{Shelf, said};
use super::tools::{made, made_of, run, there, wheel};
use super::world::World;
use crate::Limits;
use std::path::Path;
use std::process::Command;
use tow_record::BuildTool;

const PACKAGE: &str = r#"{"name":"a","version":"1.0.0","private":true,
    "dependencies":{"greet":"^1.0.0","near":"file:./near"},"devDependencies":{"maker":"^2.0.0"},
    "scripts":{"build":"maker","start":"node made.js"}}"#;
const NEAR: [(&str, &str); 2] = [
    ("near/package.json", r#"{"name":"near","version":"1.0.0","main":"index.js"}"#),
    ("near/index.js", "module.exports = 'near'"),
];
/// Lock files of those that copy what is in the folder itself.
const COPIES: [&str; 2] = ["pnpm-lock.yaml", "yarn.lock"];
const SOURCE: &str = "console.log(require('greet'), require('near'), 'one')\n";

/// `greet` runs and needs `word`; `maker` builds and is not to be found in what runs.
fn shelf() -> Shelf {
    Shelf::npm(&[
        ("word", "1.1.0", r#"{"main":"index.js"}"#, "module.exports = 'hello'\n"),
        (
            "greet",
            "1.0.3",
            r#"{"main":"index.js","dependencies":{"word":"^1.0.0"}}"#,
            "module.exports = require('word') + ' from greet'\n",
        ),
        (
            "maker",
            "2.0.0",
            r#"{"bin":{"maker":"index.js"}}"#,
            "#!/usr/bin/env node\nconst f = require('fs'); f.writeFileSync('made.js', f.readFileSync('source.js'))\n",
        ),
    ])
}

/// A manager that locks by `lock` into `file`, and everything that is asked of it.
async fn node(
    manager: &str,
    lock: &[&str],
    file: &str,
    more: &[(&str, &str)],
    env: &[(&str, &str)],
) {
    let shelf = shelf();
    let url = shelf.url();
    let mut all = vec![("NPM_CONFIG_REGISTRY", url.as_str())];
    all.extend(
        env.iter().map(|(name, value)| (*name, if *value == "URL" { url.as_str() } else { value })),
    );
    let world = World::with(Limits::default(), &all);
    let dir = tempfile::tempdir().unwrap();
    for folder in ["near", ".yarn/releases"] {
        std::fs::create_dir_all(dir.path().join(folder)).unwrap();
    }
    std::fs::write(dir.path().join("package.json"), PACKAGE).unwrap();
    for (name, text) in NEAR.iter().chain(more) {
        std::fs::write(dir.path().join(name), text).unwrap();
    }
    let home = dir.path().join("home");
    said(Command::new(lock[0]).args(&lock[1..]).current_dir(&dir).envs(all).env("HOME", &home));
    let lock = std::fs::read_to_string(dir.path().join(file)).unwrap();
    let mut files = vec![("package.json", PACKAGE), (file, lock.as_str()), NEAR[0], NEAR[1]];
    files.extend(more);
    files.push(("source.js", SOURCE));
    let (one, log) = made(&world, &files).await;
    assert_eq!(one.tool, BuildTool::Node);
    assert!(one.toolchain.contains(&format!(", {manager} ")), "{}", one.toolchain);
    assert_eq!(run(&world, &one), "hello from greet near one\n", "{log}");
    let there: Vec<String> = world.files(&one).into_keys().collect();
    assert!(!there.iter().any(|path| path.contains("node_modules/maker")), "{there:?}");

    let changed = SOURCE.replace("one", "two");
    files.pop();
    files.push(("source.js", &changed));
    let (two, log) = made(&world, &files).await;
    assert_eq!(run(&world, &two), "hello from greet near two\n");
    assert_eq!(log.matches("the dependencies are as they were").count(), 2, "{log}");
    // Whoever copies packages of the folder itself copies them again. The later yarn holds them to its lock file.
    if COPIES.contains(&file) && more.is_empty() {
        files[3].1 = "module.exports = 'nearer'";
        let (three, log) = made(&world, &files).await;
        assert_eq!(run(&world, &three), "hello from greet nearer two\n", "{log}");
    }

    // Nobody's build has empty caches and other folders, and makes the same bytes.
    files[3].1 = NEAR[1].1;
    files.pop();
    files.push(("source.js", SOURCE));
    let mut spec = world.source(&files).await;
    spec.component = None;
    let (again, _) = made_of(&world, &spec).await;
    assert_eq!(again.digest, one.digest, "{manager}: {:?}", differ(&world, &one, &again));

    // A lock file that is not that of package.json is an error, and nothing is quietly resolved anew.
    let stale = PACKAGE.replace("^1.0.0", "^9.0.0");
    files[0].1 = &stale;
    let spec = world.source(&files).await;
    let (id, seen) = world.build(&spec).await;
    assert!(seen.artifact.is_none(), "{}", world.log(&id).await);
}

/// Names of what is not the same in two artifacts.
fn differ(world: &World, one: &tow_record::Artifact, two: &tow_record::Artifact) -> Vec<String> {
    let (one, two) = (world.files(one), world.files(two));
    let names: std::collections::BTreeSet<&String> = one.keys().chain(two.keys()).collect();
    names.into_iter().filter(|name| one.get(*name) != two.get(*name)).cloned().collect()
}

#[tokio::test]
async fn npm_installs_what_is_locked() {
    if there("npm", &["node", "npm"]) {
        let lock = ["npm", "install", "--package-lock-only", "--no-audit"];
        node("npm", &lock, "package-lock.json", &[], &[]).await;
    }
}

#[tokio::test]
async fn pnpm_installs_what_is_locked() {
    if there("pnpm", &["node", "pnpm"]) {
        node("pnpm", &["pnpm", "install", "--lockfile-only"], "pnpm-lock.yaml", &[], &[]).await;
    }
}

#[tokio::test]
async fn yarn_installs_what_is_locked() {
    if there("yarn", &["node", "yarn"]) {
        let lock = ["yarn", "install", "--ignore-scripts", "--non-interactive"];
        node("yarn", &lock, "yarn.lock", &[], &[("YARN_REGISTRY", "URL")]).await;
    }
}

/// The later yarn as projects have it: its program lies in the source, named in its settings, and is started by whichever
/// yarn is on the machine. Of how modules are kept nothing is said, so that by itself it would make no folder of them.
#[tokio::test]
async fn the_later_yarn_installs_what_is_locked() {
    if !there("yarn, a later one", &["node", "yarn", "yarn-berry"]) {
        return;
    }
    let program = crate::toolchain::find("yarn-berry", &crate::environment::own()).unwrap();
    let program = std::fs::read_to_string(program).unwrap();
    let more = [
        (".yarnrc.yml", "yarnPath: .yarn/releases/yarn.cjs\n"),
        (".yarn/releases/yarn.cjs", program.as_str()),
    ];
    let env = [("YARN_NPM_REGISTRY_SERVER", "URL"), ("YARN_UNSAFE_HTTP_WHITELIST", "127.0.0.1")];
    let lock = ["yarn", "install", "--mode=update-lockfile"];
    node("yarn", &lock, "yarn.lock", &more, &env).await;
}

const APP: &str = "import greet\nprint(greet.WORD, 'one')\n";

/// Everything that is asked of a manager of Python's packages.
async fn python(manager: &str, world: &World, files: &[(&str, &str)]) {
    let mut files = files.to_vec();
    files.push(("app.py", APP));
    let (one, log) = made(world, &files).await;
    assert_eq!(one.tool, BuildTool::Python);
    assert_eq!(run(world, &one), "hello one\n", "{log}");
    let there: Vec<String> = world.files(&one).into_keys().collect();
    assert!(!there.iter().any(|path| path.contains("maker")), "{there:?}");
    let changed = APP.replace("one", "two");
    files.pop();
    files.push(("app.py", &changed));
    let (two, log) = made(world, &files).await;
    assert_eq!(run(world, &two), "hello two\n");
    assert!(log.contains("the dependencies are as they were"), "{log}");
    files.pop();
    files.push(("app.py", APP));
    let mut spec = world.source(&files).await;
    spec.component = None;
    let (again, _) = made_of(world, &spec).await;
    assert_eq!(again.digest, one.digest, "{manager}: {:?}", differ(world, &one, &again));
}

/// Three wheels: what runs, what it needs, what only builds.
fn wheels(folder: &Path) {
    wheel(folder, "word", "WORD = 'hello'\\n", "");
    wheel(folder, "greet", "from word import WORD\\n", "Requires-Dist: word\\n");
    wheel(folder, "maker", "WORD = 'maker'\\n", "");
}

#[tokio::test]
async fn uv_installs_what_is_locked() {
    if !there("uv", &["python3", "uv"]) {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    wheels(dir.path());
    let shelf = Shelf::wheels(dir.path());
    let index = format!("{}/simple/", shelf.url());
    let text = "[project]\nname = \"a\"\nversion = \"1\"\nrequires-python = \">=3.8\"\ndependencies = [\"greet\"]\n\n\
                [dependency-groups]\ndev = [\"maker\"]\n";
    let project = tempfile::tempdir().unwrap();
    std::fs::write(project.path().join("pyproject.toml"), text).unwrap();
    let env = [("UV_DEFAULT_INDEX", index.as_str()), ("UV_NO_CONFIG", "1"), ("UV_FIND_LINKS", "")];
    said(Command::new("uv").arg("lock").current_dir(&project).envs(env));
    let lock = std::fs::read_to_string(project.path().join("uv.lock")).unwrap();
    assert!(lock.contains("sha256:"), "{lock}");
    let world = World::with(Limits::default(), &env);
    python("uv", &world, &[("pyproject.toml", text), ("uv.lock", &lock)]).await;
}

/// A member of the workspace is installed as it is and again where it changed, and notes nothing of where it lay.
#[tokio::test]
async fn uv_installs_members_of_its_workspace() {
    if !there("uv", &["python3", "uv"]) {
        return;
    }
    // A builder of packages that needs nothing from elsewhere.
    let backend = "import zipfile\n\
        def build_wheel(to, settings=None, about=None):\n\
        \x20   name = 'greet-1.0-py3-none-any.whl'\n\
        \x20   z = zipfile.ZipFile(to + '/' + name, 'w')\n\
        \x20   put = lambda path, text: z.writestr(zipfile.ZipInfo(path), text)\n\
        \x20   put('greet.py', open('greet.py').read())\n\
        \x20   put('greet-1.0.dist-info/METADATA', 'Metadata-Version: 2.1\\nName: greet\\nVersion: 1.0\\n')\n\
        \x20   put('greet-1.0.dist-info/WHEEL', 'Wheel-Version: 1.0\\nGenerator: test\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n')\n\
        \x20   put('greet-1.0.dist-info/RECORD', '')\n\
        \x20   z.close()\n\
        \x20   return name\n";
    let member = "[project]\nname = \"greet\"\nversion = \"1.0\"\nrequires-python = \">=3.8\"\n\n\
                  [build-system]\nrequires = []\nbuild-backend = \"backend\"\nbackend-path = [\".\"]\n";
    let text = "[project]\nname = \"a\"\nversion = \"1\"\nrequires-python = \">=3.8\"\ndependencies = [\"greet\"]\n\n\
                [tool.uv.sources]\ngreet = { workspace = true }\n\n[tool.uv.workspace]\nmembers = [\"libs/*\"]\n";
    let mut files = vec![
        ("pyproject.toml", text),
        ("libs/greet/pyproject.toml", member),
        ("libs/greet/backend.py", backend),
        ("libs/greet/greet.py", "WORD = 'hello'\n"),
    ];
    let project = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(project.path().join("libs/greet")).unwrap();
    for (name, text) in &files {
        std::fs::write(project.path().join(name), text).unwrap();
    }
    let env = [("UV_OFFLINE", "1"), ("UV_FIND_LINKS", "")];
    said(Command::new("uv").arg("lock").current_dir(&project).envs(env));
    let lock = std::fs::read_to_string(project.path().join("uv.lock")).unwrap();
    files.push(("uv.lock", lock.as_str()));
    let world = World::with(Limits::default(), &env);
    python("uv", &world, &files).await;
    files[3].1 = "WORD = 'bye'\n";
    files.push(("app.py", APP));
    let (other, log) = made(&world, &files).await;
    assert_eq!(run(&world, &other), "bye one\n", "{log}");
}

#[tokio::test]
async fn poetry_installs_what_is_locked() {
    if !there("poetry", &["python3", "poetry"]) {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    wheels(dir.path());
    let shelf = Shelf::wheels(dir.path());
    let index = format!("{}/simple/", shelf.url());
    let text = format!(
        "[tool.poetry]\nname = \"a\"\nversion = \"1\"\ndescription = \"\"\nauthors = [\"a <a@example.com>\"]\n\
         packages = []\n\n[tool.poetry.dependencies]\npython = \">=3.8\"\ngreet = \"1.0\"\n\n\
         [tool.poetry.group.dev.dependencies]\nmaker = \"1.0\"\n\n[[tool.poetry.source]]\nname = \"here\"\n\
         url = \"{index}\"\npriority = \"primary\"\n"
    );
    let project = tempfile::tempdir().unwrap();
    std::fs::write(project.path().join("pyproject.toml"), &text).unwrap();
    let mut poetry = Command::new("poetry");
    poetry.args(["lock", "--no-interaction"]).current_dir(&project);
    said(poetry.env("POETRY_CACHE_DIR", dir.path().join("cache")));
    let lock = std::fs::read_to_string(project.path().join("poetry.lock")).unwrap();
    let env = [("PIP_INDEX_URL", index.as_str()), ("PIP_FIND_LINKS", "")];
    let world = World::with(Limits::default(), &env);
    python("poetry", &world, &[("pyproject.toml", &text), ("poetry.lock", &lock)]).await;
}
