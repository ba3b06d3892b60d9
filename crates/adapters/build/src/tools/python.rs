//! Python: dependencies by uv, Poetry or pip into a folder of the artifact, `.venv`, in which everything is found from where
//! it stands: no link and no path of this machine is in it, so it works wherever it is unpacked.

use crate::archive::{self, Items};
use crate::detect::Procfile;
use crate::tree;
use crate::yard::{Output, Yard, words};
use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use tow_names::Digest;

/// What is started where nothing says what, the first that is there.
pub(crate) const STARTS: [&str; 5] = ["main.py", "app.py", "server.py", "__main__.py", "wsgi.py"];
/// What dependencies are decided by.
const INPUTS: [&str; 5] =
    ["uv.lock", "poetry.lock", "requirements.txt", "pyproject.toml", ".python-version"];
const VENV: &str = ".venv";

pub(crate) fn build(yard: &Yard<'_>) -> Result<Output, String> {
    if let Some(output) = &yard.order.spec.output {
        let kept = crate::yard::within(&yard.folder, output, "build.output")?;
        return Ok(Output { items: archive::items(&kept, "")?, ..Output::default() });
    }
    let python = Python::find(yard)?;
    let mut items = yard.files(&["__pycache__", VENV])?;
    let own = python.install(yard)?;
    let bins: BTreeMap<String, PathBuf> = match &own {
        Some(venv) => archive::items(venv, &format!("{VENV}/"))?,
        None => Items::new(),
    };
    let entry = entry(yard, &items, &bins);
    items.extend(bins);
    Ok(Output { items, entry, is_static: false })
}

/// The interpreter of this machine.
struct Python {
    /// Where it really is: not a shim, not a link.
    path: PathBuf,
    /// `python3.11`.
    name: String,
}

impl Python {
    fn find(yard: &Yard<'_>) -> Result<Self, String> {
        let python = yard.find("python3")?;
        let say = "import sys; print(sys.executable); print('python%d.%d' % sys.version_info[:2])";
        // Isolated: nothing of the source is imported while it is asked.
        match yard.ask(&python, &["-I", "-c", say], &[])?.as_slice() {
            [path, name] => Ok(Self { path: path.into(), name: name.clone() }),
            _ => Err("python3 does not say which version it is".into()),
        }
    }

    /// The folder of dependencies, ready to be packed; none where there are none.
    fn install(&self, yard: &Yard<'_>) -> Result<Option<PathBuf>, String> {
        let venv = yard.slot.kept("venv");
        let what = self.what(yard);
        if yard.holds("venv", &what) {
            (yard.say)("the dependencies are as they were");
            return Ok(venv.is_dir().then_some(venv));
        }
        yard.note("venv", None)?;
        tree::clear(&venv).map_err(|error| format!("cannot clear {}: {error}", venv.display()))?;
        let site = venv.join("lib").join(&self.name).join("site-packages");
        let target = site.display().to_string();
        let cache = yard.slot.kept("pip").display().to_string();
        let list = self.wanted(yard)?;
        let installed = match &list {
            Wanted::Nothing => false,
            Wanted::File(file) => {
                self.pip(yard, &target, &cache, &["--requirement", file]).map(|()| true)?
            }
            Wanted::Exactly(file) => {
                let args = ["--no-deps", "--requirement", file];
                self.pip(yard, &target, &cache, &args).map(|()| true)?
            }
            Wanted::Named(names) if names.is_empty() => false,
            Wanted::Named(names) => {
                let names: Vec<&str> = names.iter().map(String::as_str).collect();
                self.pip(yard, &target, &cache, &names).map(|()| true)?
            }
        };
        if installed {
            self.make_portable(&venv, &site)
                .map_err(|error| format!("cannot write {}: {error}", venv.display()))?;
        }
        yard.note("venv", Some(&what))?;
        Ok(installed.then_some(venv))
    }

    /// What is to be installed, out of a lock file where there is one.
    fn wanted(&self, yard: &Yard<'_>) -> Result<Wanted, String> {
        let list = yard.slot.kept("requirements.txt").display().to_string();
        if yard.sight.has("uv.lock") {
            let uv = yard.find("uv")?;
            let python = self.path.display().to_string();
            let args = [
                "export",
                "--frozen",
                "--no-dev",
                // Members of a workspace are put in as they are, and not as links to where they lie.
                "--no-editable",
                "--no-emit-project",
                "--no-header",
                "--python",
                &python,
                "--output-file",
                &list,
                "--quiet",
            ];
            yard.run(&uv, &args)?;
            return Ok(Wanted::File(list));
        }
        if yard.sight.has("poetry.lock") {
            return poetry(yard, list);
        }
        if yard.sight.has("requirements.txt") {
            return Ok(Wanted::File("requirements.txt".into()));
        }
        let Some(text) = yard.sight.text("pyproject.toml") else { return Ok(Wanted::Nothing) };
        let project: toml::Table =
            text.parse().map_err(|error| format!("pyproject.toml is not valid:\n{error}"))?;
        let names = project
            .get("project")
            .and_then(|project| project.get("dependencies"))
            .and_then(toml::Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(|name| name.as_str().map(ToString::to_string));
        Ok(Wanted::Named(names.collect()))
    }

    fn pip(&self, yard: &Yard<'_>, target: &str, cache: &str, what: &[&str]) -> Result<(), String> {
        if yard.sight.has("uv.lock") {
            let python = self.path.display().to_string();
            let mut args = vec![
                "pip",
                "install",
                "--python",
                &python,
                "--target",
                target,
                "--cache-dir",
                cache,
            ];
            forget_built(Path::new(cache))
                .map_err(|error| format!("cannot clear {cache}: {error}"))?;
            args.extend(what);
            return yard.run(&yard.find("uv")?, &args);
        }
        let mut args = vec![
            "-m",
            "pip",
            "install",
            "--target",
            target,
            "--cache-dir",
            cache,
            "--no-compile",
            "--no-input",
            "--disable-pip-version-check",
            "--no-warn-script-location",
        ];
        args.extend(what);
        yard.run_with(&self.path, &args, &[("PIP_ROOT_USER_ACTION", "ignore")], None)
            .map_err(|why| format!("{why} (pip comes with the system's package python3-pip)"))
    }

    /// Everything that decides what is installed.
    fn what(&self, yard: &Yard<'_>) -> String {
        let texts: Vec<String> = INPUTS
            .iter()
            .map(|name| std::fs::read_to_string(yard.folder.join(name)).unwrap_or_default())
            .collect();
        let mut more = included(&yard.folder, &texts[2]);
        // Packages of the source itself are copied: they are installed again where they changed.
        for below in of_this_folder(&texts[0], &texts[2]) {
            for (path, full) in archive::items(&yard.folder.join(&below), "").unwrap_or_default() {
                let bytes = std::fs::read(full).unwrap_or_default();
                more.push(format!("{} {path} {}", below.display(), Digest::of(&bytes)));
            }
        }
        let python = (&self.name, self.path.display().to_string());
        let parts = serde_json::json!([1, python, texts, more]);
        Digest::of(parts.to_string().as_bytes()).to_string()
    }

    /// Programs that find their interpreter and their modules from where they stand.
    fn make_portable(&self, venv: &Path, site: &Path) -> std::io::Result<()> {
        let bin = venv.join("bin");
        std::fs::create_dir_all(&bin)?;
        let programs = site.join("bin");
        if programs.is_dir() {
            for entry in std::fs::read_dir(&programs)? {
                let entry = entry?;
                let to = bin.join(entry.file_name());
                match portable(&std::fs::read(entry.path())?) {
                    Some(script) => write(&to, script.as_bytes())?,
                    None => std::fs::rename(entry.path(), &to)?,
                }
            }
            tree::clear(&programs)?;
        }
        for name in ["python", "python3", &self.name] {
            write(&bin.join(name), self.launcher().as_bytes())?;
        }
        if has_path_files(site)? {
            std::fs::write(site.join("sitecustomize.py"), PATH_FILES)?;
        }
        forget_origins(site)?;
        tree::clear(&site.join("__pycache__"))
    }

    /// `.venv/bin/python`: the interpreter of the machine, or the one of the same version that is on the PATH, with the
    /// modules beside it.
    fn launcher(&self) -> String {
        format!(
            "#!/bin/sh\n\
             here=$(cd \"$(dirname \"$0\")/..\" && pwd)\n\
             VIRTUAL_ENV=$here\n\
             PYTHONPATH=$here/lib/{name}/site-packages${{PYTHONPATH:+:$PYTHONPATH}}\n\
             export VIRTUAL_ENV PYTHONPATH\n\
             if [ -x '{path}' ]; then exec '{path}' \"$@\"; fi\n\
             exec {name} \"$@\"\n",
            name = self.name,
            path = self.path.display()
        )
    }
}

enum Wanted {
    Nothing,
    /// A list in a file.
    File(String),
    /// A list in a file that names all there is to be, so that nothing is looked for beside it.
    Exactly(String),
    /// By name, as pip takes them.
    Named(Vec<String>),
}

/// Modules that say themselves what else is to be found: read as an interpreter reads those of its own.
const PATH_FILES: &str =
    "import os\nimport site\n\nsite.addsitedir(os.path.dirname(os.path.abspath(__file__)))\n";

fn has_path_files(site: &Path) -> std::io::Result<bool> {
    for entry in std::fs::read_dir(site)? {
        if entry?.path().extension().is_some_and(|ending| ending == "pth") {
            return Ok(true);
        }
    }
    Ok(false)
}

fn write(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    std::fs::write(path, bytes)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755))
}

/// A script whose first line names an interpreter of this machine, changed to use the one beside it; `None` where it is
/// none. The first lines mean one thing to a shell and another to Python.
fn portable(script: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(script).ok()?;
    let (first, rest) = text.split_once('\n')?;
    if !first.starts_with("#!") || !first.contains("python") {
        return None;
    }
    Some(format!(
        "#!/bin/sh\n'''exec' \"$(dirname -- \"$0\")/python\" \"$0\" \"$@\"\n' '''\n{rest}"
    ))
}

/// Folders of the source that are installed as packages: members of uv's workspace, and lines of a `requirements.txt`.
fn of_this_folder(lock: &str, list: &str) -> Vec<PathBuf> {
    let lines = list.lines().map(str::trim).map(|line| {
        line.strip_prefix("-e ").or_else(|| line.strip_prefix("--editable ")).unwrap_or(line)
    });
    let lines = lines.filter(|line| line.starts_with("./") || line.starts_with("file:./"));
    let lines = lines.map(|line| line.trim_start_matches("file:").trim().to_string());
    members(lock)
        .into_iter()
        .chain(lines)
        .filter_map(|said| archive::inside(Path::new(&said)))
        .filter(|path| path.components().count() > 0)
        .collect()
}

/// Takes away what uv built of folders of the source before: it does not look whether it would build the same now.
fn forget_built(cache: &Path) -> std::io::Result<()> {
    let Ok(entries) = std::fs::read_dir(cache) else { return Ok(()) };
    for entry in entries {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with("sdists-v") {
            tree::clear(&entry.path().join("path"))?;
            tree::clear(&entry.path().join("editable"))?;
        }
    }
    Ok(())
}

/// Packages of a `uv.lock` that lie in the source: their folders.
fn members(lock: &str) -> Vec<String> {
    let lock: toml::Table = lock.parse().unwrap_or_default();
    let packages = lock.get("package").and_then(toml::Value::as_array).into_iter().flatten();
    let member = |package: &toml::Value| {
        let source = package.get("source")?;
        let folder = ["editable", "directory"].iter().find_map(|kind| source.get(kind)?.as_str());
        Some(folder?.to_string())
    };
    packages.filter_map(member).collect()
}

/// What installers note of a package of the source: where it lay, and when.
const ORIGINS: [&str; 2] = ["direct_url.json", "uv_cache.json"];

/// Takes those notes away, and their lines in the list of a package's files.
fn forget_origins(site: &Path) -> std::io::Result<()> {
    for entry in std::fs::read_dir(site)? {
        let about = entry?.path();
        let is_about = about.extension().is_some_and(|ending| ending == "dist-info");
        if !is_about || !ORIGINS.iter().any(|name| about.join(name).is_file()) {
            continue;
        }
        for name in ORIGINS.map(|name| about.join(name)).iter().filter(|path| path.is_file()) {
            std::fs::remove_file(name)?;
        }
        let record = about.join("RECORD");
        if record.is_file() {
            let text = std::fs::read_to_string(&record)?;
            let stays =
                |line: &&str| !ORIGINS.iter().any(|name| line.contains(&format!("/{name},")));
            let kept: Vec<&str> = text.lines().filter(stays).collect();
            // Links lead to files that other packages may share.
            std::fs::remove_file(&record)?;
            std::fs::write(&record, kept.join("\n") + "\n")?;
        }
    }
    Ok(())
}

/// Texts that a `requirements.txt` includes: they decide as well.
fn included(folder: &Path, text: &str) -> Vec<String> {
    let file = |line: &str| {
        let mut words = line.split_whitespace();
        let word = words.next()?;
        let name = match word {
            "-r" | "--requirement" | "-c" | "--constraint" => words.next()?,
            _ => word.strip_prefix("-r").or_else(|| word.strip_prefix("-c"))?,
        };
        archive::inside(Path::new(name))
    };
    let files = text.lines().filter_map(file);
    files.map(|name| std::fs::read_to_string(folder.join(name)).unwrap_or_default()).collect()
}

/// What Poetry's lock file says, as a `list` for pip: which packages run is what Poetry itself says, and the lock file has
/// their digests and where they come from.
fn poetry(yard: &Yard<'_>, list: String) -> Result<Wanted, String> {
    let poetry = yard.find("poetry")?;
    let lines = yard.ask(
        &poetry,
        &["show", "--only", "main", "--no-ansi", "--no-interaction"],
        &[("POETRY_VIRTUALENVS_CREATE", "false")],
    )?;
    let text = std::fs::read_to_string(yard.folder.join("poetry.lock"))
        .map_err(|error| format!("cannot read poetry.lock: {error}"))?;
    let lock: toml::Table =
        text.parse().map_err(|error| format!("poetry.lock is not valid:\n{error}"))?;
    let names = shown(&lines);
    if names.is_empty() {
        return Ok(Wanted::Nothing);
    }
    let (text, is_whole) = pinned(&names, &lock);
    if !is_whole {
        (yard.say)("poetry.lock has no digests of some packages: versions alone are held to");
    }
    std::fs::write(&list, text).map_err(|error| format!("cannot write {list}: {error}"))?;
    Ok(Wanted::Exactly(list))
}

/// Names and versions in what `poetry show` says.
fn shown(lines: &[String]) -> Vec<(String, String)> {
    let named = |line: &String| {
        let mut words = line.split_whitespace().filter(|word| *word != "(!)");
        let (name, version) = (words.next()?, words.next()?);
        let is_version = version.starts_with(|c: char| c.is_ascii_digit());
        is_version.then(|| (name.to_string(), version.to_string()))
    };
    lines.iter().filter_map(named).collect()
}

/// The list, and whether all of it is held to digests: pip takes them of all or of none.
fn pinned(names: &[(String, String)], lock: &toml::Table) -> (String, bool) {
    let plain = |name: &str| name.to_ascii_lowercase().replace(['_', '.'], "-");
    let mut known: BTreeMap<(String, String), Vec<&str>> = BTreeMap::new();
    let mut text = String::new();
    let mut indexes: Vec<&str> = Vec::new();
    for package in lock.get("package").and_then(toml::Value::as_array).into_iter().flatten() {
        let said = |key: &str| package.get(key).and_then(toml::Value::as_str).unwrap_or_default();
        let beside = || lock.get("metadata")?.get("files")?.get(said("name"));
        let files = package.get("files").or_else(beside).and_then(toml::Value::as_array);
        let digests = files.into_iter().flatten().filter_map(|file| file.get("hash")?.as_str());
        known.insert((plain(said("name")), said("version").into()), digests.collect());
        let source = package.get("source");
        let source = |key: &str| source.and_then(|source| source.get(key)?.as_str());
        if source("type") == Some("legacy") {
            indexes.extend(source("url").filter(|url| !indexes.contains(url)));
        }
    }
    for index in indexes {
        text.push_str(&format!("--extra-index-url {index}\n"));
    }
    let digests = |(name, version): &(String, String)| {
        known.get(&(plain(name), version.clone())).filter(|digests| !digests.is_empty())
    };
    let is_whole = names.iter().all(|name| digests(name).is_some());
    for name in names {
        text.push_str(&format!("{}=={}", name.0, name.1));
        for digest in digests(name).filter(|_| is_whole).into_iter().flatten() {
            text.push_str(&format!(" --hash={digest}"));
        }
        text.push('\n');
    }
    (text, is_whole)
}

/// What is started.
fn entry(yard: &Yard<'_>, items: &Items, bins: &Items) -> Vec<String> {
    let bin = format!("{VENV}/bin");
    if let Some(line) = Procfile::of(&yard.sight).web {
        return words(&line, &[&bin], &|name| bins.contains_key(name));
    }
    let python = match bins.contains_key(&format!("{bin}/python")) {
        true => format!("./{bin}/python"),
        false => "python3".to_string(),
    };
    let start = STARTS.iter().find(|name| items.contains_key(**name));
    start.map(|name| vec![python, (*name).to_string()]).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scripts_use_the_interpreter_beside_them() {
        let script = portable(b"#!/usr/bin/python3.11\nimport sys\n").unwrap();
        assert!(script.starts_with("#!/bin/sh\n'''exec' "), "{script}");
        assert!(script.ends_with("\nimport sys\n"), "{script}");
        assert_eq!(portable(b"#!/bin/sh\nexit 0\n"), None);
        assert_eq!(portable(b"\x7fELF\xff"), None);
    }

    #[test]
    fn poetrys_lock_file_becomes_a_list_with_digests() {
        let lines = ["flask   3.0.3   A framework", "Mark_Up (!) 2.1 Text", "", "word 1.0 x"];
        let names = shown(&lines.map(ToString::to_string));
        let lock = "[[package]]\nname = \"flask\"\nversion = \"3.0.3\"\nfiles = [{file = \"a\", hash = \"sha256:1\"}, \
                    {file = \"b\", hash = \"sha256:2\"}]\n[package.source]\ntype = \"legacy\"\nurl = \"https://i/simple\"\n\
                    [[package]]\nname = \"mark-up\"\nversion = \"2.1\"\n[[package]]\nname = \"word\"\nversion = \"1.0\"\n\
                    files = [{file = \"w\", hash = \"sha256:4\"}]\n[metadata.files]\nmark-up = [{file = \"c\", hash = \
                    \"sha256:3\"}]\n";
        let (text, is_whole) = pinned(&names, &lock.parse().unwrap());
        assert!(is_whole);
        assert_eq!(
            text,
            "--extra-index-url https://i/simple\nflask==3.0.3 --hash=sha256:1 --hash=sha256:2\n\
             Mark_Up==2.1 --hash=sha256:3\nword==1.0 --hash=sha256:4\n"
        );
        let other = vec![("flask".to_string(), "9".to_string())];
        let (text, is_whole) = pinned(&other, &lock.parse().unwrap());
        assert!(!is_whole && text.ends_with("flask==9\n"), "{text}");
    }

    #[test]
    fn included_lists_count() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("base.txt"), "a==1").unwrap();
        let text = "b\n-r base.txt\n-r ../outside.txt\n# -r c\n";
        assert_eq!(included(dir.path(), text), ["a==1"]);
    }
}
