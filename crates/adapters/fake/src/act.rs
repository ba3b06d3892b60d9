//! What a pretended program or command does, act by act, and where: its files, its volumes, who answers on which port.
//! Pure: time comes from outside.

use serde::Deserialize;
use std::collections::BTreeMap;
use tow_names::{Duration, Id};
use tow_ports::Size;
use tow_record::{Exit, InstanceSpec, Isolation, LogStream, Mount};

/// The program of an argv whose second word is a list of acts as JSON.
pub(crate) const PRETENDED: &str = "pretended";
const SIGKILL: i32 = 9;

/// One thing that a pretended program does. After the last one a program runs on, and a command ends with code 0.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Act {
    /// A line to standard output.
    Say(String),
    /// A line to standard error.
    Complain(String),
    /// A line of so many letters.
    Long(u64),
    /// These bytes and a line end.
    Bytes(Vec<u8>),
    /// So many milliseconds pass.
    Wait(u64),
    /// From here on GET / on this port is answered with this text.
    Serve(u16, String),
    /// The same by a child that heeds no SIGTERM.
    StubbornServe(u16, String),
    /// GET / is not found from here on.
    Sicken,
    /// It is found again.
    Recover,
    /// Says `PATH: content`, or `PATH: refused`.
    Show(String),
    /// Says `PATH: 640`, or `PATH: refused`.
    Mode(String),
    /// Writes a file, and says `PATH: written`, or `PATH: refused`.
    Write(String, String),
    /// Ends with code 1 where there is no such file.
    Require(String),
    /// Says `NAME: value`, or `NAME: not set`.
    Variable(String),
    /// Heeds no SIGTERM from here on.
    IgnoreTerm,
    /// Does with SIGTERM what is done by default.
    DefaultTerm,
    /// At SIGTERM: so many milliseconds later it says this and ends with code 0.
    Bye(u64, String),
    /// Takes so many MiB of memory, and says `ate`.
    Eat(u64),
    /// Starts so many processes, and says `forked`.
    Fork(u64),
    /// Writes so many MiB into a file, and says `filled`, or `filling: refused`.
    Fill(String, u64),
    /// Ends with this code.
    Exit(i32),
    /// Ends by this signal.
    Die(i32),
    /// Asks the port from inside, and says `got TEXT`, or `got nothing`.
    Get(u16),
    /// Standard input to standard output, until there is no more of it.
    Echo,
    /// Says its size as `ROWS COLUMNS`, or `no terminal`.
    Terminal,
    /// Says its size whenever it is another one.
    Sizes,
    /// Goes on until it is ended.
    Stay,
}

/// What an argv stands for: acts, where it is [`PRETENDED`]; a few programs that every machine has; none else.
pub(crate) fn acts_of(argv: &[String]) -> Option<Vec<Act>> {
    let words: Vec<&str> = argv.iter().map(String::as_str).collect();
    let number = |text: &str| text.parse().unwrap_or(0);
    Some(match words.as_slice() {
        [PRETENDED, acts] => serde_json::from_str(acts).ok()?,
        ["true"] => Vec::new(),
        ["false"] => vec![Act::Exit(1)],
        ["echo", words @ ..] => vec![Act::Say(words.join(" "))],
        ["cat"] => vec![Act::Echo],
        ["cat", path] => vec![Act::Require((*path).into()), Act::Show((*path).into())],
        ["test", "-e", path] => vec![Act::Require((*path).into())],
        ["printenv", name] => vec![Act::Variable((*name).into())],
        ["sleep", seconds] => vec![Act::Wait(number(seconds) as u64 * 1000)],
        ["exit", code] => vec![Act::Exit(number(code))],
        ["stty", "size"] => vec![Act::Terminal],
        _ => return None,
    })
}

/// How SIGTERM is met.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) enum Term {
    /// It ends with code 0.
    #[default]
    Ends,
    Ignored,
    Default,
    Bye(Duration, String),
}

/// Whose network: of a pod that has its own, or the machine's, which has no name.
pub(crate) fn network(spec: &InstanceSpec) -> String {
    let own = spec.setting.isolation >= Isolation::Sandbox && !spec.setting.inside.is_empty();
    if own { spec.setting.pod.clone() } else { String::new() }
}

/// Who answers on a port of a network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Answering {
    pub(crate) instance: Id,
    /// Tells commands of one instance from each other; 0 is the program.
    pub(crate) command: u64,
    pub(crate) text: String,
    pub(crate) well: bool,
}

/// What all pretended programs share.
#[derive(Debug, Clone, Default)]
pub(crate) struct Ground {
    /// By volume and path below its root.
    pub(crate) volumes: BTreeMap<String, BTreeMap<String, String>>,
    /// By network and port.
    pub(crate) answering: BTreeMap<(String, u16), Answering>,
}

impl Ground {
    /// What GET / says on a port of the machine.
    pub(crate) fn reached(&self, specs: &[InstanceSpec], port: u16) -> Option<String> {
        let inside = specs.iter().find_map(|spec| {
            Some((network(spec), *spec.setting.inside.get(&port)?))
                .filter(|(network, _)| !network.is_empty())
        });
        let key = inside.unwrap_or((String::new(), port));
        self.answering.get(&key).filter(|one| one.well).map(|one| one.text.clone())
    }

    /// Nobody of it answers any more.
    pub(crate) fn leave(&mut self, instance: &Id, command: u64) {
        self.answering.retain(|_, one| one.instance != *instance || one.command != command);
    }
}

/// One doer: a program, or a command beside it.
pub(crate) struct Scene<'a> {
    pub(crate) spec: &'a InstanceSpec,
    pub(crate) env: &'a BTreeMap<String, String>,
    pub(crate) files: &'a mut BTreeMap<String, String>,
    pub(crate) ground: &'a mut Ground,
    pub(crate) command: u64,
    pub(crate) tty: Option<Size>,
    pub(crate) said: Vec<(LogStream, Vec<u8>)>,
}

/// What follows from an act.
pub(crate) enum Next {
    On,
    Wait(Duration),
    Ends(Exit, Option<String>),
    Term(Term),
    /// Only a command has any.
    Input,
    Sizes,
    Stay,
}

impl Scene<'_> {
    pub(crate) fn perform(&mut self, act: &Act) -> Next {
        let bounds = self.spec.setting.bounds;
        match act {
            Act::Say(text) => self.say(text),
            Act::Complain(text) => self.said.push((LogStream::Stderr, line(text.as_bytes()))),
            Act::Long(length) => self.say(&"x".repeat(*length as usize)),
            Act::Bytes(bytes) => self.said.push((LogStream::Stdout, line(bytes))),
            Act::Wait(millis) => return Next::Wait(Duration::from_millis(*millis as i64)),
            Act::Serve(port, text) | Act::StubbornServe(port, text) => {
                let answering = Answering {
                    instance: self.spec.id.clone(),
                    command: self.command,
                    text: text.clone(),
                    well: true,
                };
                let key = (network(self.spec), *port);
                self.ground.answering.entry(key).or_insert(answering);
            }
            Act::Sicken => self.well(false),
            Act::Recover => self.well(true),
            Act::Show(path) => {
                let text = self.read(path).map_or("refused", |text| text.trim_end()).to_string();
                self.say(&format!("{path}: {text}"));
            }
            Act::Mode(path) => {
                let mode = match self.spec.files.get(path) {
                    Some((_, mode)) => format!("{mode:o}"),
                    None if self.read(path).is_some() => "644".into(),
                    None => "refused".into(),
                };
                self.say(&format!("{path}: {mode}"));
            }
            Act::Write(path, text) => {
                let words = if self.write(path, text) { "written" } else { "refused" };
                self.say(&format!("{path}: {words}"));
            }
            Act::Require(path) if self.read(path).is_none() => {
                return Next::Ends(Exit::Code { code: 1 }, None);
            }
            Act::Require(_) => {}
            Act::Variable(name) => {
                let value = self.env.get(name).map_or("not set", String::as_str).to_string();
                self.say(&format!("{name}: {value}"));
            }
            Act::IgnoreTerm => return Next::Term(Term::Ignored),
            Act::DefaultTerm => return Next::Term(Term::Default),
            Act::Bye(millis, text) => {
                let after = Duration::from_millis(*millis as i64);
                return Next::Term(Term::Bye(after, text.clone()));
            }
            Act::Eat(mib) if bounds.memory.is_some_and(|most| mib << 20 > most) => {
                let why = "it used more memory than its limit";
                return Next::Ends(Exit::Signal { signal: SIGKILL }, Some(why.into()));
            }
            Act::Eat(_) => self.say("ate"),
            Act::Fork(count) if bounds.processes.is_some_and(|most| *count >= most) => {
                let why = "it started more processes than its limit";
                return Next::Ends(Exit::Code { code: 2 }, Some(why.into()));
            }
            Act::Fork(_) => self.say("forked"),
            Act::Fill(_, mib) if bounds.disk.is_some_and(|most| mib << 20 > most) => {
                self.say("filling: refused");
            }
            Act::Fill(..) => self.say("filled"),
            Act::Exit(code) => return Next::Ends(Exit::Code { code: *code }, None),
            Act::Die(signal) => return Next::Ends(Exit::Signal { signal: *signal }, None),
            Act::Get(port) => {
                let answering = self.ground.answering.get(&(network(self.spec), *port));
                let text = answering.filter(|one| one.well).map_or("nothing", |one| &one.text);
                let words = format!("got {text}");
                self.say(&words);
            }
            Act::Echo => return Next::Input,
            Act::Terminal => self.terminal(),
            Act::Sizes => {
                self.terminal();
                return Next::Sizes;
            }
            Act::Stay => return Next::Stay,
        }
        Next::On
    }

    /// Its terminal's size.
    pub(crate) fn terminal(&mut self) {
        let words = self.tty.map(|size| format!("{} {}", size.rows, size.columns));
        self.say(words.as_deref().unwrap_or("no terminal"));
    }

    fn say(&mut self, text: &str) {
        self.said.push((LogStream::Stdout, line(text.as_bytes())));
    }

    fn well(&mut self, well: bool) {
        let own = |one: &&mut Answering| one.instance == self.spec.id;
        self.ground.answering.values_mut().filter(own).for_each(|one| one.well = well);
    }

    /// The volume that a path is in, and the path in it.
    fn mounted<'m>(mounts: &'m [Mount], path: &str) -> Option<(&'m Mount, String)> {
        let in_it = |mount: &&Mount| {
            path.strip_prefix(mount.target.as_str()).is_some_and(|rest| rest.starts_with('/'))
        };
        let mount = mounts.iter().filter(in_it).max_by_key(|mount| mount.target.len())?;
        let rest = path.get(mount.target.len()..).unwrap_or_default();
        let below = mount.path.as_deref().unwrap_or_default().trim_matches('/');
        Some((mount, format!("{below}{rest}").trim_start_matches('/').to_string()))
    }

    fn read(&self, path: &str) -> Option<&str> {
        if let Some((mount, inside)) = Self::mounted(&self.spec.setting.mounts, path) {
            return self.ground.volumes.get(&mount.volume)?.get(&inside).map(String::as_str);
        }
        let written = self.files.get(path).map(String::as_str);
        let given = self.spec.files.get(path);
        written.or_else(|| given.and_then(|(bytes, _)| std::str::from_utf8(bytes).ok()))
    }

    fn write(&mut self, path: &str, text: &str) -> bool {
        if let Some((mount, inside)) = Self::mounted(&self.spec.setting.mounts, path) {
            let volume = self.ground.volumes.entry(mount.volume.clone()).or_default();
            return !mount.read_only && volume.insert(inside, text.into()).is_none_or(|_| true);
        }
        let kept = self.spec.setting.isolation == Isolation::None || path.starts_with("/tmp/");
        if path.starts_with('/') && !kept {
            return false;
        }
        self.files.insert(path.into(), text.into());
        true
    }
}

fn line(bytes: &[u8]) -> Vec<u8> {
    let mut line = bytes.to_vec();
    line.push(b'\n');
    line
}
