//! Where one build happens: its source, its environment, what its component keeps, and how its tools are run. Each tool
//! gets one of these and gives back an [`Output`].

use crate::archive::{self, Items};
use crate::child::{self, Job};
use crate::order::Order;
use crate::secret::Secrets;
use crate::sight::Sight;
use crate::slot::Slot;
use crate::toolchain;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// A build's surroundings.
pub(crate) struct Yard<'a> {
    pub(crate) order: &'a Order,
    pub(crate) slot: &'a Slot,
    /// The source.
    pub(crate) root: PathBuf,
    /// `build.dir` in it: where tools are run.
    pub(crate) folder: PathBuf,
    pub(crate) sight: Sight,
    /// What the machine passes on: for finding programs.
    pub(crate) machine: &'a BTreeMap<String, String>,
    /// What tools see.
    pub(crate) env: BTreeMap<String, String>,
    /// The build's own temporary files.
    pub(crate) temporary: PathBuf,
    /// Put before each tool.
    pub(crate) wrapper: Vec<String>,
    pub(crate) secrets: &'a Secrets,
    /// One line of the log.
    pub(crate) say: &'a dyn Fn(&str),
}

/// What a tool made.
#[derive(Debug, Default)]
pub(crate) struct Output {
    /// By path in the artifact.
    pub(crate) items: Items,
    /// What runs where the container gives no command; empty where that is not clear.
    pub(crate) entry: Vec<String>,
    /// Files that the platform serves.
    pub(crate) is_static: bool,
}

impl Yard<'_> {
    /// A program that this build needs.
    pub(crate) fn find(&self, program: &str) -> Result<PathBuf, String> {
        toolchain::find(program, self.machine)
            .ok_or_else(|| format!("{program} is not on PATH any more"))
    }

    /// Runs a tool in the folder, with its line in the log.
    pub(crate) fn run(&self, program: &Path, args: &[&str]) -> Result<(), String> {
        self.run_with(program, args, &[], None)
    }

    /// The same with more variables; standard output goes to `line`, where there is one.
    pub(crate) fn run_with(
        &self,
        program: &Path,
        args: &[&str],
        env: &[(&str, &str)],
        line: Option<&mut dyn FnMut(&str)>,
    ) -> Result<(), String> {
        let short = program.file_name().unwrap_or_default().to_string_lossy();
        (self.say)(&format!("$ {short} {}", args.join(" ")));
        let name = match args.first() {
            Some(first) if !first.starts_with('-') => format!("{short} {first}"),
            _ => short.into_owned(),
        };
        let mut words = self.wrapper.clone();
        words.push(program.display().to_string());
        words.extend(args.iter().map(|arg| (*arg).to_string()));
        let mut all = self.env.clone();
        all.extend(env.iter().map(|(name, value)| ((*name).to_string(), (*value).to_string())));
        let job = Job {
            name: &name,
            program: Path::new(&words[0]),
            args: words[1..].to_vec(),
            folder: &self.folder,
            env: all,
            watched: vec![self.slot.dir().to_path_buf(), self.root.clone(), self.temporary.clone()]
                .into_iter()
                .filter(|folder| folder == self.slot.dir() || !folder.starts_with(self.slot.dir()))
                .collect(),
            limit: self.order.limits.work,
            processes: self.order.limits.processes,
            memory: self.order.limits.memory,
            secrets: self.secrets,
        };
        child::run(job, line)
    }

    /// What a tool says on standard output.
    pub(crate) fn ask(
        &self,
        program: &Path,
        args: &[&str],
        env: &[(&str, &str)],
    ) -> Result<Vec<String>, String> {
        let mut lines = Vec::new();
        self.run_with(program, args, env, Some(&mut |line| lines.push(line.to_string())))?;
        Ok(lines)
    }

    /// Everything in the folder but what is for the tools: `leave` names folders and files, at any depth.
    pub(crate) fn files(&self, leave: &[&str]) -> Result<Items, String> {
        let mut items = archive::items(&self.folder, "")?;
        items
            .retain(|path, _| !path.split('/').any(|part| part == ".git" || leave.contains(&part)));
        Ok(items)
    }

    /// What `build.output` names, under its own name; nothing where it names nothing.
    pub(crate) fn output(&self) -> Result<Items, String> {
        let Some(output) = &self.order.spec.output else { return Ok(Items::new()) };
        let keep = within(&self.folder, output, "build.output")?;
        let below = archive::inside(Path::new(output)).unwrap_or_default();
        let prefix = match below.to_string_lossy() {
            name if name.is_empty() => String::new(),
            name => format!("{name}/"),
        };
        archive::items(&keep, &prefix)
    }

    /// Does what is remembered under `name` still hold? It does where it was noted of the same `what`.
    pub(crate) fn holds(&self, name: &str, what: &str) -> bool {
        std::fs::read_to_string(self.slot.kept(&format!("{name}.stamp")))
            .is_ok_and(|known| known == what)
    }

    /// Remembers under `name` that `what` was done; `None` forgets it, before it is done anew.
    pub(crate) fn note(&self, name: &str, what: Option<&str>) -> Result<(), String> {
        let path = self.slot.kept(&format!("{name}.stamp"));
        let done = match what {
            Some(what) => std::fs::write(&path, what),
            None => match std::fs::remove_file(&path) {
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
                done => done,
            },
        };
        done.map_err(|error| format!("cannot write {}: {error}", path.display()))
    }
}

/// The folder `below` in `root`, links followed, and still in it.
pub(crate) fn within(root: &Path, below: &str, field: &str) -> Result<PathBuf, String> {
    let inside = archive::inside(Path::new(below))
        .ok_or_else(|| format!("{field} says {below:?}: expected a path inside the source"))?;
    let full = root.join(&inside);
    match full.canonicalize() {
        Ok(full) if !full.starts_with(root) => {
            Err(format!("{field} says {below:?}, a link that leaves the source"))
        }
        Ok(full) if full.is_dir() => Ok(full),
        Ok(_) => Err(format!("{field} says {below:?}, which is not a folder")),
        Err(_) => Err(format!(
            "{field} says {below:?}: there is no such folder after unpacking and building; is it named in \
             .gitignore or .towignore?"
        )),
    }
}

/// A line of a `Procfile` or of `scripts.start` as words. `bins` are folders of the artifact whose programs it may call by
/// name; `has` says what they hold. A line that needs a shell gets one.
pub(crate) fn words(line: &str, bins: &[&str], has: &dyn Fn(&str) -> bool) -> Vec<String> {
    let plain = !line.contains(|c: char| "$`\"'\\|&;<>()*?[]#~={}!".contains(c));
    if plain {
        let mut words: Vec<String> = line.split_whitespace().map(ToString::to_string).collect();
        if let Some(first) = words.first_mut()
            && !first.contains('/')
            && let Some(bin) = bins.iter().find(|bin| has(&format!("{bin}/{first}")))
        {
            *first = format!("./{bin}/{first}");
        }
        return words;
    }
    let path: String = bins.iter().map(|bin| format!("$PWD/{bin}:")).collect();
    // The program takes the shell's place, so that it is what is told to stop.
    let exec = match line.split_whitespace().next() {
        _ if line.contains(['|', '&', ';']) => "",
        Some(first) if first.contains('=') => "exec env ",
        _ => "exec ",
    };
    vec!["/bin/sh".into(), "-c".into(), format!("PATH=\"{path}$PATH\"; export PATH; {exec}{line}")]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_become_words() {
        let has = |name: &str| name == "node_modules/.bin/next";
        let of = |line: &str| words(line, &["node_modules/.bin"], &has);
        assert_eq!(of("node server.js --a"), ["node", "server.js", "--a"]);
        assert_eq!(of("next start"), ["./node_modules/.bin/next", "start"]);
        assert_eq!(of("./run"), ["./run"]);
        let shell = of("gunicorn app:app --bind :$PORT");
        assert_eq!(shell[..2], ["/bin/sh", "-c"]);
        assert!(
            shell[2].ends_with("export PATH; exec gunicorn app:app --bind :$PORT"),
            "{shell:?}"
        );
        assert!(of("a && b")[2].ends_with("export PATH; a && b"));
        assert!(
            of("NODE_ENV=production next start")[2]
                .ends_with("PATH; exec env NODE_ENV=production next start")
        );
        assert!(of("serve --listen=$PORT")[2].ends_with("PATH; exec serve --listen=$PORT"));
    }
}
