//! Text → documents: which kind each is, judged by its schema and its own rules, turned into the model.

use crate::schema::{self, Compiled};
use crate::source::{Source, Span};
use crate::substitution::{Files, Substitution};
use crate::tree::Node;
use crate::violation::located;
use crate::{MAX_BYTES, judge, score, words, yaml};
use serde_json::Value;
use std::collections::BTreeMap;
use std::rc::Rc;
use tow_model::kinds::workload::{SCORE_VERSION, Workload};
use tow_model::{API_VERSION, BACKSTAGE_VERSIONS, Invalid, Kind, Manifest, check};
use tow_names::Digest;
use tow_record::Violation;

/// Where each JSON pointer of a document is written: line and column, from 1, columns in characters. A scalar's place is
/// its own, that of a list or map the key it stands under.
pub type Positions = BTreeMap<String, (u32, u32)>;

/// The most violations of one text that are told; one more says that there are others.
pub const MAX_VIOLATIONS: usize = 200;
/// How many bytes of pointers a table of positions holds; deeper ones are left out.
const MAX_POINTERS: usize = 4 << 20;

/// A document, read.
#[derive(Debug, Clone, PartialEq)]
#[expect(
    clippy::large_enum_variant,
    reason = "manifests are the many, and are read one text at a time"
)]
pub enum Document {
    /// One of the declared kinds.
    Manifest(Manifest),
    /// A Score file.
    Score(Box<ScoreFile>),
}

/// A Score file, read.
#[derive(Debug, Clone, PartialEq)]
pub struct ScoreFile {
    /// As the user named the file.
    pub file: String,
    /// What it says, with files and volumes as maps.
    pub workload: Workload,
    /// Where it says it.
    pub positions: Positions,
    /// Of the whole text.
    pub digest: Digest,
}

/// Reads a text of one or more YAML documents. `name` is the file's name as the user gave it (`-` for standard input).
/// Empty documents are passed over; a text with no other is refused.
///
/// # Errors
/// Everything that is wrong with the text, in the order of its lines; at most [`MAX_VIOLATIONS`] and one more that says
/// so. After a YAML syntax error or a broken limit the rest of the text is not looked at.
pub fn read(name: &str, text: &str) -> Result<Vec<Document>, Vec<Violation>> {
    read_with(name, text, &Files::new())
}

/// [`read`], with the files that the documents of the catalog's kinds ask for ([`crate::references`]).
///
/// # Errors
/// Those of [`read`]; and a file that is asked for and not among `files`, or that can't be put in, at the placeholder.
pub fn read_with(name: &str, text: &str, files: &Files) -> Result<Vec<Document>, Vec<Violation>> {
    Ok(read_placed(name, text, files)?.into_iter().map(|(_, document)| document).collect())
}

/// [`read_with`], each document with the line that it begins in.
pub(crate) fn read_placed(
    name: &str,
    text: &str,
    files: &Files,
) -> Result<Vec<(u32, Document)>, Vec<Violation>> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if text.len() > MAX_BYTES {
        let head: String = text.chars().take(1024).collect();
        let source = Source::new(name, &head);
        return Err(vec![
            source.violation(
                Span { start: 0, end: 1 },
                "yaml/too-large",
                format!("the text has {} bytes; the limit is {MAX_BYTES} (1 MiB)", text.len()),
                format!("at most {MAX_BYTES} bytes"),
                Some(
                    "split it into several files, or move large contents into files of their own"
                        .into(),
                ),
            ),
        ]);
    }
    let source = Source::new(name, text);
    let (roots, mut violations) = yaml::read(&source);
    if roots.is_empty() && violations.is_empty() {
        let expected = format!("a Score file ({SCORE_VERSION}) or one of {}", kinds());
        violations.push(source.violation(
            Span::default(),
            "document/empty",
            "there is no document in it",
            expected,
            None,
        ));
    }
    let mut documents = Vec::new();
    let mut files = Substitution::new(&source, files);
    for root in &roots {
        if violations.len() > MAX_VIOLATIONS {
            break;
        }
        let line = source.position(root.span.start).0;
        let document = one(&source, root, &mut files, &mut violations);
        documents.extend(document.map(|document| (line, document)));
    }
    if violations.is_empty() {
        return Ok(documents);
    }
    let place = |v: &Violation| v.source.as_ref().map(|s| (s.line, s.col));
    violations.sort_by_key(place);
    // What an alias or a merge repeats is written, and wrong, once.
    violations.dedup_by(|a, b| {
        a.source.is_some() && a.source == b.source && a.code == b.code && a.message == b.message
    });
    if violations.len() > MAX_VIOLATIONS {
        violations.truncate(MAX_VIOLATIONS);
        violations.push(Violation {
            code: "document/more".into(),
            pointer: String::new(),
            message: format!("there is more wrong: these are the first {MAX_VIOLATIONS}"),
            expected: String::new(),
            hint: Some("mend these and read it again".into()),
            source: None,
        });
    }
    Err(violations)
}

/// [`read`] for bytes as they come from a file.
///
/// # Errors
/// Those of [`read`]; bytes that are not UTF-8 are refused where they begin.
pub fn read_bytes(name: &str, bytes: &[u8]) -> Result<Vec<Document>, Vec<Violation>> {
    let error = match std::str::from_utf8(bytes) {
        Ok(text) => return read(name, text),
        Err(error) => error,
    };
    if bytes.len() > MAX_BYTES {
        // The limit comes first: no more of it is looked at.
        let head = String::from_utf8_lossy(&bytes[..1024]).into_owned();
        let filler = "\n".repeat(MAX_BYTES);
        return read(name, &(head + &filler));
    }
    let valid = String::from_utf8_lossy(bytes);
    let source = Source::new(name, &valid);
    let start = error.valid_up_to();
    let hint = bytes
        .starts_with(&[0xff, 0xfe])
        .then(|| "it looks like UTF-16: save it as UTF-8".to_string());
    Err(vec![source.violation(
        Span { start, end: start + 1 },
        "yaml/encoding",
        format!("byte {start} is not UTF-8"),
        "text in UTF-8",
        hint,
    )])
}

/// Where everything is in each document of a text, in the order in which [`read`] gives them. Empty for a text that
/// can't be read as YAML.
pub fn positions(text: &str) -> Vec<Positions> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if text.len() > MAX_BYTES {
        return Vec::new();
    }
    let source = Source::new("", text);
    let (roots, violations) = yaml::read(&source);
    if !violations.is_empty() {
        return Vec::new();
    }
    roots.iter().map(|root| places(&source, root)).collect()
}

fn places(source: &Source<'_>, root: &Node) -> Positions {
    let mut positions = Positions::new();
    let mut bytes = 0;
    root.walk(&mut |pointer, span| {
        bytes += pointer.len();
        positions.insert(pointer.to_string(), source.position(span.start));
        bytes < MAX_POINTERS
    });
    positions
}

fn names() -> Vec<&'static str> {
    Kind::ALL.iter().map(|kind| kind.as_str()).collect()
}

fn kinds() -> String {
    words::list(&names())
}

fn one(
    source: &Source<'_>,
    root: &Rc<Node>,
    files: &mut Substitution<'_, '_>,
    out: &mut Vec<Violation>,
) -> Option<Document> {
    let refuse = |invalid: Invalid, out: &mut Vec<Violation>| {
        let span = root.spot(&invalid.pointer, invalid.spot, source.text);
        out.push(located(source, span, invalid));
    };
    if !matches!(root.data, crate::tree::Data::Map(_)) {
        let found = judge::found(&root.value());
        let expected = "a map that begins with apiVersion:";
        refuse(
            Invalid::new("", "document/not-a-map", format!("the document is {found}"), expected),
            out,
        );
        return None;
    }
    let text_of = |key: &str| root.entry(key).and_then(|(_, node)| node.text());
    let version = text_of("apiVersion").unwrap_or("");
    if version.starts_with("score.dev/")
        || (root.entry("kind").is_none() && root.entry("containers").is_some())
    {
        return score_file(source, root, out);
    }
    let Some((_, kind_node)) = root.entry("kind") else {
        let expected = format!("kind: one of {}; or apiVersion: {SCORE_VERSION}", kinds());
        let message = "the document doesn't say what it is: `kind` is missing";
        refuse(Invalid::new("", "document/kind-missing", message, expected), out);
        return None;
    };
    let name = kind_node.text().unwrap_or("");
    let Some(kind) = Kind::ALL.iter().copied().find(|kind| kind.as_str() == name) else {
        let message = format!("{} is no kind that is known here", judge::found(&kind_node.value()));
        let expected =
            format!("one of {}; Score files have no kind but apiVersion: {SCORE_VERSION}", kinds());
        let invalid = Invalid::new("/kind", "document/kind-unknown", message, expected);
        let meant = Kind::parse(name).map(Kind::as_str).or_else(|| words::meant(name, &names()));
        let invalid = match meant {
            Some(word) => invalid.hint(format!("did you mean `{word}`?")),
            None => invalid,
        };
        refuse(invalid, out);
        return None;
    };
    let before = out.len();
    let root = if kind.is_catalog() { files.whole(root, out) } else { Rc::clone(root) };
    let judged = out.len();
    let document = manifest(source, &root, kind, out);
    // What a placeholder stands for is not known then: the rules that it breaks as it is are not its own.
    let later = out.split_off(judged);
    let unknown: Vec<String> = out[before..].iter().map(|v| v.pointer.clone()).collect();
    out.extend(later.into_iter().filter(|v| !unknown.contains(&v.pointer)));
    if unknown.is_empty() { document } else { None }
}

fn manifest(
    source: &Source<'_>,
    root: &Rc<Node>,
    kind: Kind,
    out: &mut Vec<Violation>,
) -> Option<Document> {
    let value = root.value();
    let clean = judged(source, root, &value, schema::of_kind(kind), out, &|value| {
        check::manifest(kind, value)
    });
    if !clean {
        return None;
    }
    let mut value = value;
    whole(&mut value["spec"]);
    if let Some(metadata) = value["metadata"].as_object_mut() {
        // Written by the platform: what `tow get` prints can be applied again.
        for written in ["uid", "etag", "generation"] {
            metadata.remove(written);
        }
    }
    finish(source, root, serde_json::from_value(value), out).map(Document::Manifest)
}

fn score_file(source: &Source<'_>, root: &Rc<Node>, out: &mut Vec<Violation>) -> Option<Document> {
    let before = out.len();
    let root = score::normalised(root, source, out);
    let value = root.value();
    let clean = judged(source, &root, &value, schema::of_score(), out, &check::score);
    if !clean || out.len() > before {
        return None;
    }
    let mut value = value;
    // Not in params and metadata: what is written there is kept.
    for key in ["service", "containers"] {
        if let Some(part) = value.get_mut(key) {
            whole(part);
        }
    }
    let workload = finish(source, &root, serde_json::from_value(value), out)?;
    Some(Document::Score(Box::new(ScoreFile {
        file: source.name.to_string(),
        workload,
        positions: places(source, &root),
        digest: Digest::of(source.text.as_bytes()),
    })))
}

/// Schema and rules; true where neither has anything against the document.
fn judged(
    source: &Source<'_>,
    root: &Node,
    value: &Value,
    compiled: &Compiled,
    out: &mut Vec<Violation>,
    rules: &dyn Fn(&Value) -> Vec<Invalid>,
) -> bool {
    let mut invalid = judge::judge(compiled, root, value, source.text);
    // What is of the wrong type is wrong once.
    let mistyped: Vec<String> =
        invalid.iter().filter(|i| i.code == "schema/type").map(|i| i.pointer.clone()).collect();
    invalid.extend(rules(value).into_iter().filter(|rule| !mistyped.contains(&rule.pointer)));
    let clean = invalid.is_empty();
    for invalid in invalid {
        let invalid = version_hint(invalid);
        let span = root.spot(&invalid.pointer, invalid.spot, source.text);
        out.push(located(source, span, invalid));
        if out.len() > MAX_VIOLATIONS {
            break;
        }
    }
    clean
}

/// An `apiVersion` of another kind is a mix-up that deserves its own words.
fn version_hint(mut invalid: Invalid) -> Invalid {
    if invalid.pointer == "/apiVersion" && invalid.code == "schema/choice" {
        invalid.code = "document/api-version";
        invalid.hint.get_or_insert_with(|| {
            format!(
                "our kinds are {API_VERSION}, the catalog's {}, Score files {SCORE_VERSION}",
                BACKSTAGE_VERSIONS[0]
            )
        });
    }
    invalid
}

/// JSON Schema calls 80.0 a whole number; the model's types want it written as one.
fn whole(value: &mut Value) {
    match value {
        Value::Number(n) => {
            if let Some(float) =
                n.as_f64().filter(|f| n.is_f64() && f.fract() == 0.0 && f.abs() < 9e15)
            {
                *value = Value::from(float as i64);
            }
        }
        Value::Array(items) => items.iter_mut().for_each(whole),
        Value::Object(members) => members.values_mut().for_each(whole),
        _ => {}
    }
}

fn finish<T>(
    source: &Source<'_>,
    root: &Node,
    read: Result<T, serde_json::Error>,
    out: &mut Vec<Violation>,
) -> Option<T> {
    match read {
        Ok(read) => Some(read),
        Err(error) => {
            // The schema passed what the types refuse: still an answer with a place, not a panic.
            let invalid = Invalid::new(
                "",
                "document/unreadable",
                error.to_string(),
                "what the kind's schema says",
            );
            out.push(located(source, root.spot("", invalid.spot, source.text), invalid));
            None
        }
    }
}
