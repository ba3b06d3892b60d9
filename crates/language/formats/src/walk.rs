//! Reading a location: which files of a source are to be read, in which order, and what they declare. Asks for lists and
//! texts and is given them, so it does no IO; whoever has the source drives it.
//!
//! Locations in what was read lead to further files of the same source, each file once, [`DEEPEST`] levels deep. In a
//! folder only files count that say by their `apiVersion` that they are ours; a file that is named is read whatever it
//! says. Limits: [`MAX_FILES`] files, [`MAX_TEXT`] bytes, [`MAX_OBJECTS`] objects; above them nothing is taken.

use crate::document::{Document, read_placed};
use crate::substitution::{Files, references, resolve};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use tow_model::kinds::location::Presence;
use tow_model::{Manifest, Spec};
use tow_names::{EntityRef, Hasher};
use tow_record::{Level, StatusItem, Violation};

/// The most files of a location.
const MAX_FILES: usize = 10_000;
/// The most bytes of all files of a location: 64 MiB.
const MAX_TEXT: usize = 64 << 20;
/// The most objects of a location.
pub const MAX_OBJECTS: usize = 100_000;
/// How deep locations in locations are followed.
const DEEPEST: usize = 10;
/// How many things that are wrong are told; one more says that there are others.
const MAX_ITEMS: usize = 50;
/// How many texts are asked for at once.
const AT_ONCE: usize = 64;

/// What is needed next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ask {
    /// What is at this path: answer with [`Walk::listed`].
    List(String),
    /// The texts of these files: answer with [`Walk::texts`].
    Texts(Vec<String>),
}

/// What there is at a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Under {
    /// A file.
    File,
    /// A folder with these files, by their paths from the source's root.
    Folder(Vec<String>),
    /// Nothing.
    Missing,
}

/// An object, and where it was found.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    /// What it says.
    pub manifest: Manifest,
    /// The file, from the source's root.
    pub path: String,
    /// The line that its document begins in.
    pub line: u32,
}

/// What a location came to.
#[derive(Debug, Default)]
pub struct Reading {
    /// What it declares.
    pub found: BTreeMap<EntityRef, Found>,
    /// What is wrong.
    pub items: Vec<StatusItem>,
    /// All of it was read: what is not among `found` is not declared. Otherwise nothing may be taken away for it.
    pub complete: bool,
    /// It goes beyond a limit: nothing of it is to be kept.
    pub refused: bool,
    /// How many files were read.
    pub files: usize,
    /// Of everything that was read, in its order.
    pub digest: String,
}

enum Todo {
    /// A target: a path or a pattern, named by a file, or by the location itself.
    Target { pattern: String, by: Option<String>, optional: bool },
    /// A file. `named`: by itself, and not for lying in a folder.
    Read { path: String, named: bool },
    /// A file that asks for others.
    Whole { path: String, text: String, targets: Vec<(String, String)>, files: Files },
}

/// The path of a URL that is part of a source.
pub type PathOf = Box<dyn Fn(&str) -> Option<String> + Send>;

/// The reading of one location.
pub struct Walk {
    todo: VecDeque<Todo>,
    asked: Vec<Todo>,
    /// Files that are or were read, with the file that led to them and how many locations deep they are.
    seen: BTreeMap<String, (Option<String>, usize)>,
    path_of: PathOf,
    name_of: Box<dyn Fn(&str) -> String + Send>,
    kind: String,
    root: EntityRef,
    bytes: usize,
    hasher: Hasher,
    more: usize,
    out: Reading,
}

impl Walk {
    /// Of the location `root`, whose source is of this kind (`file`, `url`, `git`), from these targets; `optional`: they
    /// may be missing. `path_of` gives the path of a URL that is part of the source, `name_of` how a file is called in
    /// what is said about it.
    pub fn new(
        root: EntityRef,
        kind: &str,
        targets: Vec<String>,
        optional: bool,
        path_of: PathOf,
        name_of: Box<dyn Fn(&str) -> String + Send>,
    ) -> Self {
        let target = |pattern| Todo::Target { pattern, by: None, optional };
        Self {
            todo: targets.into_iter().map(target).collect(),
            asked: Vec::new(),
            seen: BTreeMap::new(),
            path_of,
            name_of,
            kind: kind.into(),
            root,
            bytes: 0,
            hasher: Hasher::default(),
            more: 0,
            out: Reading { complete: true, ..Reading::default() },
        }
    }

    /// What is needed next; nothing once all is read.
    pub fn ask(&mut self) -> Option<Ask> {
        if self.out.refused {
            return None;
        }
        let first = self.todo.pop_front()?;
        let ask = match &first {
            Todo::Target { pattern, .. } => Ask::List(folder_of(pattern).to_string()),
            Todo::Whole { targets, .. } => {
                Ask::Texts(targets.iter().map(|(_, path)| path.clone()).collect())
            }
            Todo::Read { path, .. } => {
                let mut paths = vec![path.clone()];
                self.asked.clear();
                let mut more = Vec::new();
                while paths.len() < AT_ONCE
                    && let Some(Todo::Read { path, .. }) = self.todo.front()
                {
                    paths.push(path.clone());
                    more.extend(self.todo.pop_front());
                }
                self.asked = std::iter::once(first).chain(more).collect();
                return Some(Ask::Texts(paths));
            }
        };
        self.asked = vec![first];
        Some(ask)
    }

    /// The answer to [`Ask::List`].
    pub fn listed(&mut self, under: Result<Under, (&'static str, String)>) {
        let Some(Todo::Target { pattern, by, optional }) = self.asked.pop() else { return };
        let at = by.as_deref().map_or(String::new(), |by| format!("{}: ", (self.name_of)(by)));
        let paths = match under {
            Err((code, why)) => return self.unread(code, format!("{at}{why}")),
            Ok(Under::File) if has_pattern(&pattern) => Vec::new(),
            Ok(Under::File) => vec![(pattern.clone(), true)],
            Ok(Under::Folder(files)) if has_pattern(&pattern) => files
                .into_iter()
                .filter(|path| matches(&pattern, path))
                .map(|path| (path, true))
                .collect(),
            Ok(Under::Folder(files)) => files.into_iter().map(|path| (path, false)).collect(),
            Ok(Under::Missing) => Vec::new(),
        };
        if paths.is_empty() && !optional {
            let shown = if pattern.is_empty() { "the source" } else { &pattern };
            let why = format!("{at}there is no file of the catalog at {shown}");
            return self.unread("location/missing", why);
        }
        for (path, named) in paths.into_iter().rev() {
            if self.is_above(by.as_deref(), &path) {
                let message = format!("{at}{} names itself", (self.name_of)(&path));
                self.say(StatusItem::processing(Level::Error, "location/loop", message));
            } else if !self.seen.contains_key(&path) {
                let depth = by.as_ref().and_then(|by| self.seen.get(by)).map_or(0, |s| s.1 + 1);
                self.seen.insert(path.clone(), (by.clone(), depth));
                self.todo.push_front(Todo::Read { path, named });
            }
        }
        if self.seen.len() > MAX_FILES {
            self.refuse(format!("it has more than {MAX_FILES} files"));
        }
    }

    /// The answer to [`Ask::Texts`], in the order asked.
    pub fn texts(&mut self, texts: Vec<Result<String, String>>) {
        let asked = std::mem::take(&mut self.asked);
        for text in &texts {
            self.bytes = self.bytes.saturating_add(text.as_ref().map_or(0, String::len));
        }
        if self.bytes > MAX_TEXT {
            return self.refuse(format!("its files have more than {MAX_TEXT} bytes (64 MiB)"));
        }
        let mut texts = texts.into_iter();
        let missing = || Err("it was not read".to_string());
        for todo in asked {
            match todo {
                Todo::Read { path, named } => {
                    let text = texts.next().unwrap_or_else(missing);
                    self.text(path, text, named);
                }
                Todo::Whole { path, text, targets, mut files } => {
                    for (target, _) in targets {
                        let content = texts.next().unwrap_or_else(missing);
                        self.hasher.update(target.as_bytes());
                        self.hasher.update(content.as_deref().unwrap_or("").as_bytes());
                        files.insert(target, content);
                    }
                    self.read(&path, &text, &files);
                }
                Todo::Target { .. } => {}
            }
            if self.out.refused {
                return;
            }
        }
    }

    /// What came of it.
    pub fn done(mut self) -> Reading {
        if self.more > 0 {
            let message = format!("there is more wrong: {} further errors", self.more);
            self.out.items.push(StatusItem::processing(Level::Error, "location/more", message));
        }
        self.out.digest = self.hasher.finish().hex().to_string();
        self.out
    }

    fn text(&mut self, path: String, text: Result<String, String>, named: bool) {
        let text = match text {
            Ok(text) => text,
            Err(why) => {
                let name = (self.name_of)(&path);
                return self.unread("location/unreachable", format!("{name} can't be read: {why}"));
            }
        };
        if !named && !is_ours(&text) {
            return self.foreign(&path, &text);
        }
        self.out.files += 1;
        self.hasher.update(path.as_bytes());
        self.hasher.update(text.as_bytes());
        let name = (self.name_of)(&path);
        let wanted = references(&name, &text);
        if wanted.is_empty() {
            return self.read(&path, &text, &Files::new());
        }
        let (mut targets, mut files) = (Vec::new(), Files::new());
        for wanted in wanted {
            if wanted.is_url() {
                // A URL of another place is left out: reading says that it is not fetched from here.
                if let Some(path) = (self.path_of)(&wanted.target) {
                    targets.push((wanted.target, path));
                }
                continue;
            }
            match resolve(&path, &wanted.target) {
                Ok(path) => targets.push((wanted.target, path)),
                Err(why) => {
                    files.insert(wanted.target, Err(why.to_string()));
                }
            }
        }
        targets.sort();
        targets.dedup();
        self.todo.push_front(Todo::Whole { path, text, targets, files });
    }

    /// Nothing says that a file is ours. Where it can't be parsed, and nothing says that it is another's, what it
    /// declared may be ours all the same: it is told, and nothing is taken away for it.
    fn foreign(&mut self, path: &str, text: &str) {
        let versioned = text.lines().any(|line| line.trim_start().starts_with("apiVersion:"));
        let yaml = path.ends_with(".yaml") || path.ends_with(".yml");
        if versioned || !yaml || text.len() > crate::MAX_BYTES {
            return;
        }
        let name = (self.name_of)(path);
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let (_, violations) = crate::yaml::read(&crate::source::Source::new(&name, text));
        self.broken(violations.get(..1).unwrap_or_default());
    }

    fn read(&mut self, path: &str, text: &str, files: &Files) {
        let name = (self.name_of)(path);
        let documents = match read_placed(&name, text, files) {
            Ok(documents) => documents,
            Err(violations) => return self.broken(&violations),
        };
        for (line, document) in documents {
            // A Score file is deployed, and lies here for that.
            let Document::Manifest(manifest) = document else { continue };
            let entity = manifest.entity();
            if entity == self.root {
                continue;
            }
            if let Spec::Location(spec) = &manifest.spec {
                let targets: Vec<String> =
                    spec.target.iter().chain(&spec.targets).cloned().collect();
                let optional = spec.presence == Some(Presence::Optional);
                self.nested(path, line, spec.kind.as_deref(), targets, optional);
            }
            if let Some(other) = self.out.found.get(&entity) {
                let (other, at) = ((self.name_of)(&other.path), other.line);
                let message = format!("{name}:{line}: {entity} is declared in {other}:{at} too");
                self.say(StatusItem::processing(Level::Error, "apply/twice", message));
                continue;
            }
            if self.out.found.len() >= MAX_OBJECTS {
                return self.refuse(format!("it declares more than {MAX_OBJECTS} objects"));
            }
            self.out.found.insert(entity, Found { manifest, path: path.to_string(), line });
        }
    }

    /// A location in what was read: further files of the same source, and no other.
    fn nested(
        &mut self,
        path: &str,
        line: u32,
        kind: Option<&str>,
        targets: Vec<String>,
        optional: bool,
    ) {
        let name = (self.name_of)(path);
        if kind.is_some_and(|kind| kind != self.kind) {
            let message = format!(
                "{name}:{line}: a location in a file is of the file's own type, {}, or of none",
                self.kind
            );
            return self.unread("location/nested", message);
        }
        if self.seen.get(path).is_some_and(|(_, depth)| *depth >= DEEPEST) {
            let message = format!("{name}:{line}: locations are nested more than {DEEPEST} deep");
            return self.unread("location/too-deep", message);
        }
        for target in targets {
            let inside = match (self.path_of)(&target) {
                Some(path) => Ok(path),
                None if target.contains("://") => Err("it is another source"),
                None => resolve(path, &target).or_else(|why| {
                    // The folder of everything is named by a path that leads to nothing.
                    if why == "it names a folder" { Ok(String::new()) } else { Err(why) }
                }),
            };
            match inside {
                Ok(pattern) => {
                    self.todo.push_front(Todo::Target { pattern, by: Some(path.into()), optional });
                }
                Err(why) => {
                    let message = format!("{name}:{line}: {target:?} is not followed: {why}");
                    self.unread("location/nested", message);
                }
            }
        }
    }

    /// Is `path` the file `by`, or one that led to it?
    fn is_above(&self, by: Option<&str>, path: &str) -> bool {
        let mut at = by;
        while let Some(file) = at {
            if file == path {
                return true;
            }
            at = self.seen.get(file).and_then(|(by, _)| by.as_deref());
        }
        false
    }

    fn broken(&mut self, violations: &[Violation]) {
        self.out.complete &= violations.is_empty();
        for violation in violations {
            self.say(StatusItem::violation(violation));
        }
    }

    fn unread(&mut self, code: &str, message: String) {
        self.out.complete = false;
        self.say(StatusItem::processing(Level::Error, code, message));
    }

    fn refuse(&mut self, why: String) {
        self.out.refused = true;
        self.out.complete = false;
        self.out.found.clear();
        self.todo.clear();
        let message = format!("{} is more than is read of one location: {why}", self.root);
        self.out
            .items
            .insert(0, StatusItem::processing(Level::Error, "location/too-large", message));
    }

    fn say(&mut self, item: StatusItem) {
        if self.out.items.len() < MAX_ITEMS {
            self.out.items.push(item);
        } else {
            self.more += 1;
        }
    }
}

/// Does a text say by an `apiVersion` that it is one of ours? Told from the text alone, so that a file with broken YAML
/// is still judged and not passed over.
pub fn is_ours(text: &str) -> bool {
    const OURS: [&str; 4] =
        ["score.dev/", "towpath.dev/", "backstage.io/", "scaffolder.backstage.io/"];
    text.lines().any(|line| {
        let line = line.trim_start_matches([' ', '{', '"', '\'', '\u{feff}']);
        let Some(value) = line.strip_prefix("apiVersion") else { return false };
        let value = value.trim_start_matches(['"', '\'', ' ', ':', '\t']);
        OURS.iter().any(|ours| value.starts_with(ours))
    })
}

fn has_pattern(path: &str) -> bool {
    path.contains(['*', '?', '{'])
}

/// The folder above the first part of a path that is a pattern; the path itself where none is.
fn folder_of(pattern: &str) -> &str {
    let Some(at) = pattern.find(['*', '?', '{']) else { return pattern };
    pattern[..at].rfind('/').map_or("", |slash| &pattern[..slash])
}

/// Does a path fit a pattern? `*` and `?` stay within a part, `**` is any number of parts, `{a,b}` is a choice.
fn matches(pattern: &str, path: &str) -> bool {
    let path: Vec<&str> = path.split('/').collect();
    choices(pattern, 64).iter().any(|pattern| {
        let parts: Vec<&str> = pattern.split('/').collect();
        parts_match(&parts, &path, &mut BTreeSet::new())
    })
}

/// A pattern without its choices: one for each of them, at most so many.
fn choices(pattern: &str, most: usize) -> Vec<String> {
    let mut open = vec![pattern.to_string()];
    let mut done = Vec::new();
    while let Some(pattern) = open.pop() {
        if open.len() + done.len() >= most {
            break;
        }
        let found = pattern.find('{').and_then(|from| {
            let to = pattern[from..].find('}')? + from;
            Some((from, to))
        });
        match found {
            None => done.push(pattern),
            Some((from, to)) => {
                for choice in pattern[from + 1..to].split(',') {
                    open.push(format!("{}{choice}{}", &pattern[..from], &pattern[to + 1..]));
                }
            }
        }
    }
    done
}

/// `tried`: pairs of places that led nowhere, so that many `**` cost no more than their number times the parts.
fn parts_match(pattern: &[&str], path: &[&str], tried: &mut BTreeSet<(usize, usize)>) -> bool {
    let Some((first, rest)) = pattern.split_first() else { return path.is_empty() };
    if !tried.insert((pattern.len(), path.len())) {
        return false;
    }
    if *first == "**" {
        return (0..=path.len()).any(|skip| parts_match(rest, &path[skip..], tried));
    }
    match path.split_first() {
        Some((part, below)) => {
            part_matches(first.as_bytes(), part.as_bytes()) && parts_match(rest, below, tried)
        }
        None => false,
    }
}

/// The usual two-pointer match: back to the last `*` where it fails.
fn part_matches(pattern: &[u8], text: &[u8]) -> bool {
    let (mut p, mut t, mut star) = (0, 0, None);
    while t < text.len() {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p, t));
                p += 1;
            }
            Some(b'?') => (p, t) = (p + 1, t + 1),
            Some(c) if *c == text[t] => (p, t) = (p + 1, t + 1),
            _ => {
                let Some((at, taken)) = star else { return false };
                star = Some((at, taken + 1));
                (p, t) = (at + 1, taken + 1);
            }
        }
    }
    pattern[p..].iter().all(|c| *c == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_nobody_can_parse_does_not_vanish() {
        let of = |path: &str, text: &str| {
            let root = EntityRef::try_from("location:default/l".to_string()).unwrap();
            let (none, name) = (Box::new(|_: &str| None), Box::new(str::to_string));
            let mut walk = Walk::new(root, "file", vec![String::new()], false, none, name);
            assert_eq!(walk.ask(), Some(Ask::List(String::new())));
            walk.listed(Ok(Under::Folder(vec![path.into()])));
            assert_eq!(walk.ask(), Some(Ask::Texts(vec![path.into()])));
            walk.texts(vec![Ok(text.into())]);
            assert_eq!(walk.ask(), None);
            let reading = walk.done();
            (reading.items.len(), reading.complete)
        };
        assert_eq!(of("a.yaml", "kind: [\nmetadata: {name: a}\n"), (1, false));
        for (path, text) in [
            ("a.yaml", "services: {}\n"),
            ("a.yaml", "apiVersion: apps/v1\n{{ if .x }}\n"),
            ("a.json", "{"),
            ("a.yaml", ""),
        ] {
            assert_eq!(of(path, text), (0, true), "{path}: {text}");
        }
    }

    #[test]
    fn patterns_fit_what_they_should() {
        for (pattern, path) in [
            ("a/*.yaml", "a/b.yaml"),
            ("**/*.yaml", "b.yaml"),
            ("**/*.yaml", "a/b/c.yaml"),
            ("a/**/c.yaml", "a/c.yaml"),
            ("a/{b,c}.yaml", "a/c.yaml"),
            ("{a,b}/{c,d}?.yaml", "b/dx.yaml"),
            ("a/**", "a/b/c"),
            ("*a*b*", "xaybz"),
        ] {
            assert!(matches(pattern, path), "{pattern} {path}");
        }
        for (pattern, path) in [
            ("a/*.yaml", "a/b/c.yaml"),
            ("*.yaml", "a/b.yaml"),
            ("a/{b,c}.yaml", "a/d.yaml"),
            ("a?", "a"),
            ("*a*b", "ab-c"),
        ] {
            assert!(!matches(pattern, path), "{pattern} {path}");
        }
        let long = "a/".repeat(200);
        assert!(!matches(&format!("{}c", "**/".repeat(100)), &format!("{long}b")));
        assert!(!matches(&"*a".repeat(100), &"a".repeat(99)));
        assert!(choices(&"{a,b}".repeat(40), 64).len() <= 64);
        assert_eq!(folder_of("a/b/*.yaml"), "a/b");
        assert_eq!((folder_of("*.yaml"), folder_of("a/b")), ("", "a/b"));
    }
}
