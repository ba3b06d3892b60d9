//! `$text`, `$json` and `$yaml` of the Backstage catalog: a map of that one key stands for the file it names. Says which
//! files a text asks for and puts them in; reads none of them.
//!
//! Only documents of the catalog's kinds ask for files. What is put in is not looked at for placeholders again, and
//! counts against the limits of the text: [`MAX_FILES`] files of at most [`MAX_BYTES`] each, [`MAX_DEPTH`] levels,
//! [`MAX_VALUES`] values and [`MAX_EXPANDED`] bytes in all.

use crate::source::{Source, Span};
use crate::tree::{Data, Key, Node};
use crate::{MAX_BYTES, MAX_DEPTH, MAX_EXPANDED, MAX_VALUES, judge, yaml};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use tow_model::{Kind, pointer};
use tow_record::{SourceLine, Violation};

/// The most different files a text may ask for.
pub const MAX_FILES: usize = 100;
/// The most characters of a target.
const LONGEST_TARGET: usize = 1024;

/// The files that a text asks for, by their targets as written: what is in them, or why they can't be read.
pub type Files = BTreeMap<String, Result<String, String>>;

/// How a file is put in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Form {
    /// `$text`: as a text.
    Text,
    /// `$json`: as the JSON value it holds.
    Json,
    /// `$yaml`: as its only YAML document.
    Yaml,
}

impl Form {
    fn of(key: &str) -> Option<Self> {
        match key {
            "$text" => Some(Self::Text),
            "$json" => Some(Self::Json),
            "$yaml" => Some(Self::Yaml),
            _ => None,
        }
    }

    const fn word(self) -> &'static str {
        match self {
            Self::Text => "$text",
            Self::Json => "$json",
            Self::Yaml => "$yaml",
        }
    }
}

/// A file that a text asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// As written: a path relative to the file that asks, or a URL.
    pub target: String,
    /// How it is put in.
    pub form: Form,
    /// Where it is asked for.
    pub source: SourceLine,
}

impl Wanted {
    /// Is it a URL and not a path?
    pub fn is_url(&self) -> bool {
        is_url(&self.target)
    }
}

/// The files a text asks for, each target once, in the order of its lines. Targets that can be neither path nor URL are
/// left out: reading refuses them. Empty for a text that can't be read as YAML.
pub fn references(name: &str, text: &str) -> Vec<Wanted> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    // Most texts ask for nothing, and then need not be read twice.
    if text.len() > MAX_BYTES || !text.contains('$') {
        return Vec::new();
    }
    let source = Source::new(name, text);
    let (roots, violations) = yaml::read(&source);
    if !violations.is_empty() {
        return Vec::new();
    }
    let mut found: Vec<Wanted> = Vec::new();
    let mut seen = BTreeSet::new();
    for root in roots.iter().filter(|root| asks(root)) {
        collect(root, &mut |form, node| {
            if let Ok(target) = target_of(node)
                && seen.insert((target.to_string(), form))
                && seen.len() <= MAX_FILES
            {
                let source = source.line_of(node.span);
                found.push(Wanted { target: target.to_string(), form, source });
            }
        });
    }
    found
}

/// A target of the file at `file`, as a path from the same root as `file`: `apis/../x.json` of `docs/a.yaml` is
/// `docs/x.json`.
///
/// # Errors
/// The words why not: it leads above the root, or is no relative path.
pub fn resolve(file: &str, target: &str) -> Result<String, &'static str> {
    let target = path_of(target)?;
    let mut parts: Vec<&str> = file.split('/').filter(|part| !matches!(*part, "" | ".")).collect();
    parts.pop();
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop().ok_or("it leads above the folder that everything is read from")?;
            }
            part => parts.push(part),
        }
    }
    if parts.is_empty() { Err("it names a folder") } else { Ok(parts.join("/")) }
}

/// A text that can be a relative path.
fn path_of(target: &str) -> Result<&str, &'static str> {
    let drive = target.as_bytes().get(1) == Some(&b':');
    if target.is_empty() {
        Err("it is empty")
    } else if target.chars().count() > LONGEST_TARGET {
        Err("it is longer than 1024 characters")
    } else if target.starts_with(['/', '~']) || drive {
        Err("it is an absolute path")
    } else if target.contains('\\') || target.chars().any(char::is_control) {
        Err("it has a backslash or a control character in it")
    } else {
        Ok(target)
    }
}

fn is_url(target: &str) -> bool {
    let scheme = target.split_once("://").map(|(scheme, _)| scheme);
    scheme.is_some_and(|scheme| scheme.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'+'))
}

/// The target that a placeholder names, or what is wrong with it.
fn target_of(node: &Node) -> Result<&str, String> {
    let Some(text) = node.text() else {
        return Err(format!("{} is no path", judge::found(&node.value())));
    };
    if is_url(text) && text.chars().count() <= LONGEST_TARGET {
        return Ok(text);
    }
    path_of(text)
        .map_err(|why| format!("{} is no path to read: {why}", judge::found(&node.value())))
}

/// Is it a document whose kind may ask for files?
fn asks(root: &Node) -> bool {
    let kind = root.entry("kind").and_then(|(_, node)| node.text());
    kind.is_some_and(|kind| Kind::ALL.iter().any(|k| k.as_str() == kind && k.is_catalog()))
}

/// The placeholder that a node is: its form and the node of its target.
fn placeholder(node: &Node) -> Option<(Form, &Rc<Node>)> {
    let Data::Map(entries) = &node.data else { return None };
    let [(key, target)] = entries.as_slice() else { return None };
    Form::of(&key.text).map(|form| (form, target))
}

/// Is it left alone, with all that is in it? A map with one key of that form that nobody knows.
fn opaque(node: &Node) -> bool {
    matches!(&node.data, Data::Map(entries) if entries.iter().any(|(key, _)| key.text.starts_with('$')))
}

fn collect<'a>(node: &'a Node, found: &mut impl FnMut(Form, &'a Node)) {
    if let Some((form, target)) = placeholder(node) {
        return found(form, target);
    }
    if opaque(node) {
        return;
    }
    match &node.data {
        Data::List(items) => items.iter().for_each(|item| collect(item, found)),
        Data::Map(entries) => entries.iter().for_each(|(_, value)| collect(value, found)),
        _ => {}
    }
}

/// What is in a file, or the code and the words why it can't be put in.
type Parsed = Result<Rc<Node>, (&'static str, String)>;

/// Puts files into the documents of one text.
pub(crate) struct Substitution<'a, 't> {
    source: &'a Source<'t>,
    files: &'a Files,
    /// What was read of a file, by form and target.
    read: BTreeMap<(Form, String), Parsed>,
    values: usize,
    bytes: usize,
    full: bool,
}

impl<'a, 't> Substitution<'a, 't> {
    pub(crate) fn new(source: &'a Source<'t>, files: &'a Files) -> Self {
        Self { source, files, read: BTreeMap::new(), values: 0, bytes: 0, full: false }
    }

    /// The document with every file in its place. What can't be put in is said and left as it was.
    pub(crate) fn whole(&mut self, root: &Rc<Node>, out: &mut Vec<Violation>) -> Rc<Node> {
        if !self.source.text.contains("$") {
            return Rc::clone(root);
        }
        let mut asked = false;
        collect(root, &mut |_, _| asked = true);
        if !asked {
            return Rc::clone(root);
        }
        (self.values, self.bytes) = (self.values + root.weight, self.bytes + root.bytes);
        let whole = self.node(root, "", out);
        if whole.height > MAX_DEPTH {
            let at = Span { start: root.span.start, end: root.span.start + 1 };
            let message = format!("with its files put in it is nested more than {MAX_DEPTH} deep");
            let expected = format!("at most {MAX_DEPTH} levels");
            out.push(self.source.violation(at, "yaml/too-deep", message, expected, None));
            return Rc::clone(root);
        }
        whole
    }

    fn node(&mut self, node: &Rc<Node>, path: &str, out: &mut Vec<Violation>) -> Rc<Node> {
        if let Some((form, target)) = placeholder(node) {
            return match self.file(form, target) {
                Ok(file) => file,
                Err((code, message, expected, hint)) => {
                    if out.len() <= crate::MAX_VIOLATIONS {
                        let span = self.span_of(target);
                        let mut violation =
                            self.source.violation(span, code, message, expected, hint);
                        violation.pointer = path.to_string();
                        out.push(violation);
                    }
                    Rc::clone(node)
                }
            };
        }
        if opaque(node) {
            return Rc::clone(node);
        }
        match &node.data {
            Data::List(items) => {
                let items = items
                    .iter()
                    .enumerate()
                    .map(|(index, item)| self.node(item, &format!("{path}/{index}"), out))
                    .collect();
                Rc::new(Node::new(Data::List(items), node.span))
            }
            Data::Map(entries) => {
                let entries = entries
                    .iter()
                    .map(|(key, value)| {
                        (key.clone(), self.node(value, &pointer(path, &key.text), out))
                    })
                    .collect();
                Rc::new(Node::new(Data::Map(entries), node.span))
            }
            _ => Rc::clone(node),
        }
    }

    fn span_of(&self, target: &Node) -> Span {
        match target.data {
            Data::List(_) | Data::Map(_) => {
                Span { start: target.span.start, end: target.span.start + 1 }
            }
            _ => target.span,
        }
    }

    /// The file as a node that stands where its placeholder does.
    fn file(&mut self, form: Form, target: &Rc<Node>) -> Result<Rc<Node>, Refused> {
        let word = form.word();
        let name = target_of(target).map_err(|message| {
            (
                "substitution/target",
                message,
                format!("{word}: a path relative to this file, as in ./openapi.yaml"),
                None,
            )
        })?;
        let key = (form, name.to_string());
        if !self.read.contains_key(&key) {
            if self.read.len() >= MAX_FILES {
                return Err(too_large(format!("the text asks for more than {MAX_FILES} files")));
            }
            let content = match self.files.get(name) {
                Some(Ok(content)) => content,
                Some(Err(why)) => return Err(unread(word, name, why)),
                None if is_url(name) => return Err(foreign(word, name)),
                None => return Err(unread(word, name, "it was not sent along")),
            };
            self.read.insert(key.clone(), parsed(form, name, content));
        }
        let file = match self.read.get(&key) {
            Some(Ok(file)) => Rc::clone(file),
            Some(Err((code, message))) => {
                let expected = match form {
                    Form::Text => format!("a text of at most {MAX_BYTES} bytes"),
                    Form::Json => "a file with one JSON value".into(),
                    Form::Yaml => "a file with one YAML document".into(),
                };
                return Err((code, message.clone(), expected, None));
            }
            None => return Err(unread(word, name, "it was not read")),
        };
        self.values = self.values.saturating_add(file.weight);
        self.bytes = self.bytes.saturating_add(file.bytes);
        if self.full || self.values > MAX_VALUES || self.bytes > MAX_EXPANDED {
            self.full = true;
            return Err(too_large(format!(
                "with its files put in the text has more than {MAX_VALUES} values or {MAX_EXPANDED} bytes"
            )));
        }
        Ok(placed(&file, target.span))
    }
}

/// Code, message, expected, hint.
type Refused = (&'static str, String, String, Option<String>);

fn unread(word: &str, name: &str, why: &str) -> Refused {
    let message = format!("{word} asks for {name:?}, which can't be read: {why}");
    ("substitution/unread", message, "a file that is there and is a text".into(), None)
}

fn foreign(word: &str, name: &str) -> Refused {
    (
        "substitution/url",
        format!("{word} asks for {name:?}, which is not fetched from here"),
        "a path relative to this file".into(),
        Some("fetch it into the repository, beside this file".into()),
    )
}

fn too_large(message: String) -> Refused {
    let expected = format!("at most {MAX_FILES} files and {MAX_EXPANDED} bytes (8 MiB) in all");
    ("substitution/too-large", message, expected, None)
}

fn parsed(form: Form, name: &str, content: &str) -> Parsed {
    if content.len() > MAX_BYTES {
        let message =
            format!("{name} has {} bytes; the limit is {MAX_BYTES} (1 MiB)", content.len());
        return Err(("substitution/too-large", message));
    }
    let wrong = |message: String| ("substitution/content", message);
    let plain = content.strip_prefix('\u{feff}').unwrap_or(content);
    let nul = || wrong(format!("{name} holds a NUL character (U+0000), which can't be kept"));
    match form {
        Form::Text if content.contains('\0') => Err(nul()),
        Form::Text => Ok(Rc::new(Node::new(Data::Text(content.to_string()), Span::default()))),
        Form::Json => {
            let value: Value = serde_json::from_str(plain)
                .map_err(|error| wrong(format!("{name} is not JSON: {error}")))?;
            if has_nul(&value) {
                return Err(nul());
            }
            Ok(Rc::new(of_value(value)))
        }
        Form::Yaml => {
            let (mut roots, violations) = yaml::read(&Source::new(name, plain));
            if let Some(first) = violations.first() {
                let at = first
                    .source
                    .as_ref()
                    .map_or(String::new(), |s| format!(":{}:{}", s.line, s.col));
                return Err(wrong(format!("{name}{at}: {}", first.message)));
            }
            match (roots.pop(), roots.len()) {
                (Some(only), 0) => Ok(only),
                (None, _) => Err(wrong(format!("there is no document in {name}"))),
                (_, more) => Err(wrong(format!("{name} holds {} documents", more + 1))),
            }
        }
    }
}

/// As deep as the JSON parser goes, no deeper.
fn has_nul(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains('\0'),
        Value::Array(items) => items.iter().any(has_nul),
        Value::Object(members) => {
            members.iter().any(|(key, value)| key.contains('\0') || has_nul(value))
        }
        _ => false,
    }
}

fn of_value(value: Value) -> Node {
    let data = match value {
        Value::Null => Data::Null,
        Value::Bool(b) => Data::Bool(b),
        Value::Number(n) => Data::Number(n),
        Value::String(text) => Data::Text(text),
        Value::Array(items) => {
            Data::List(items.into_iter().map(|item| Rc::new(of_value(item))).collect())
        }
        Value::Object(members) => Data::Map(
            members
                .into_iter()
                .map(|(text, value)| {
                    (Key { text, span: Span::default() }, Rc::new(of_value(value)))
                })
                .collect(),
        ),
    };
    Node::new(data, Span::default())
}

/// The same value, all of it standing at one place.
fn placed(node: &Node, span: Span) -> Rc<Node> {
    let data = match &node.data {
        Data::List(items) => Data::List(items.iter().map(|item| placed(item, span)).collect()),
        Data::Map(entries) => Data::Map(
            entries
                .iter()
                .map(|(key, value)| (Key { text: key.text.clone(), span }, placed(value, span)))
                .collect(),
        ),
        other => other.clone(),
    };
    Rc::new(Node::new(data, span))
}
