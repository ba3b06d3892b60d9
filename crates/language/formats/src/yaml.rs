//! YAML 1.2 text → trees with places. The one wrapper around the YAML parser: duplicate keys, bombs and whatever JSON
//! can't hold are refused here. Knows nothing of kinds.

use crate::scalar::{self, Scalar};
use crate::source::{Source, Span};
use crate::tree::{Data, Key, Node};
use serde_saphyr::granit_parser as parser;
use std::collections::BTreeMap;
use std::rc::Rc;
use tow_record::Violation;

/// The most bytes of a text: 1 MiB.
pub const MAX_BYTES: usize = 1 << 20;
/// The most levels of lists and maps in each other.
pub const MAX_DEPTH: usize = 64;
/// The most values in a text, with every alias written out.
pub const MAX_VALUES: usize = 200_000;
/// The most bytes of texts and keys in a text, with every alias and every file that it asks for written out: 8 MiB.
pub const MAX_EXPANDED: usize = 8 << 20;
/// The most characters of a key.
pub const MAX_KEY: usize = 512;

enum Frame {
    List {
        items: Vec<Rc<Node>>,
    },
    Map {
        entries: Vec<(Key, Rc<Node>)>,
        seen: BTreeMap<String, Span>,
        key: Option<Pending>,
        merges: Vec<(Span, Rc<Node>)>,
    },
}

/// A key that waits for its value.
enum Pending {
    Key(Key),
    /// `<<`, unquoted: the value's entries are taken over.
    Merge(Span),
    /// Refused already; its value goes with it.
    Refused,
}

struct Open {
    frame: Frame,
    start: usize,
    anchor: usize,
}

/// Reading has to end here: a limit, or a syntax error.
struct Stop;

struct Reader<'s, 't> {
    source: &'s Source<'t>,
    stack: Vec<Open>,
    anchors: BTreeMap<usize, Rc<Node>>,
    root: Option<Rc<Node>>,
    documents: Vec<Rc<Node>>,
    values: usize,
    bytes: usize,
    merged: usize,
    /// Where the tag of the event at hand is written.
    tag: Option<Span>,
    violations: Vec<Violation>,
}

/// The documents of a text, without those that are empty, and everything that is wrong with the text as YAML. After a
/// syntax error or a limit the rest of the text is not read.
pub(crate) fn read(source: &Source<'_>) -> (Vec<Rc<Node>>, Vec<Violation>) {
    let mut reader = Reader {
        source,
        stack: Vec::new(),
        anchors: BTreeMap::new(),
        root: None,
        documents: Vec::new(),
        values: 0,
        bytes: 0,
        merged: 0,
        tag: None,
        violations: Vec::new(),
    };
    if let Some(start) = source.text.find('\0') {
        // The parser would take it for the end of the text, and the rest would be left out in silence.
        reader.nul(Span { start, end: start + 1 });
        return (reader.documents, reader.violations);
    }
    let options = parser::options! { emit_comments: false, emit_unresolved_aliases: true };
    for event in parser::Parser::new_from_str_with_options(source.text, options) {
        let step = match event {
            Ok((event, span)) => {
                reader.tag = span.tag_span().map(|tag| bytes(source, &tag));
                reader.event(event, bytes(source, &span))
            }
            Err(error) => reader.syntax(&error),
        };
        if step.is_err() {
            break;
        }
    }
    (reader.documents, reader.violations)
}

fn bytes(source: &Source<'_>, span: &parser::Span) -> Span {
    let range = span.byte_range().unwrap_or(0..0);
    let end = range.end.min(source.text.len());
    Span { start: range.start.min(end), end }
}

impl Reader<'_, '_> {
    fn say(
        &mut self,
        span: Span,
        code: &str,
        message: impl Into<String>,
        expected: &str,
        hint: Option<&str>,
    ) {
        if self.violations.len() > crate::MAX_VIOLATIONS {
            return;
        }
        let violation =
            self.source.violation(span, code, message, expected, hint.map(str::to_string));
        self.violations.push(violation);
    }

    fn nul(&mut self, span: Span) {
        self.say(
            span,
            "yaml/nul",
            "there is a NUL character (U+0000)",
            "text without it",
            Some("take it out: neither a database nor a program's environment can hold one"),
        );
    }

    fn syntax(&mut self, error: &parser::ScanError) -> Result<(), Stop> {
        let marker = error.marker();
        let start = marker
            .byte_offset()
            .unwrap_or_else(|| self.source.byte(marker.line() as u32, marker.col() as u32 + 1))
            .min(self.source.text.len());
        let span = Span { start, end: start + 1 };
        let (line, _) = self.source.position(start);
        let words = self.source.line(line);
        let hint = if words.trim_start_matches(' ').starts_with('\t') {
            Some("indent with blanks, not with tabs")
        } else if words.contains("${") {
            Some("quote a text with ${…} that stands between { and }")
        } else {
            None
        };
        self.say(
            span,
            "yaml/syntax",
            format!("this is not YAML: {}", error.info()),
            "YAML 1.2",
            hint,
        );
        Err(Stop)
    }

    fn event(&mut self, event: parser::Event<'_>, span: Span) -> Result<(), Stop> {
        use parser::Event as E;
        match event {
            E::DocumentStart(..) => {
                self.root = None;
                self.anchors.clear();
            }
            E::DocumentEnd => {
                if let Some(root) = self.root.take() {
                    self.values = self.values.saturating_add(root.weight);
                    self.bytes = self.bytes.saturating_add(root.bytes);
                    self.budget(root.span)?;
                    if !matches!(root.data, Data::Null) {
                        self.documents.push(root);
                    }
                }
            }
            E::Scalar(text, style, anchor, tag) => {
                let plain = style == parser::ScalarStyle::Plain;
                if plain && text == "<<" && tag.is_none() && self.wants_key() {
                    self.key(Pending::Merge(span));
                    return Ok(());
                }
                if text.contains('\0') {
                    self.nul(span);
                }
                let data = self.scalar(&text, plain, tag.as_deref(), span);
                let node = Rc::new(Node::new(data, span));
                self.remember(anchor, &node);
                self.put(node, Some(&text))?;
            }
            E::SequenceStart(_, anchor, tag) => {
                self.collection_tag(tag.as_deref(), "seq", span);
                self.open(Frame::List { items: Vec::new() }, span, anchor)?;
            }
            E::MappingStart(_, anchor, tag) => {
                self.collection_tag(tag.as_deref(), "map", span);
                let frame = Frame::Map {
                    entries: Vec::new(),
                    seen: BTreeMap::new(),
                    key: None,
                    merges: Vec::new(),
                };
                self.open(frame, span, anchor)?;
            }
            E::SequenceEnd | E::MappingEnd => self.close(span)?,
            E::Alias(id) => {
                let node = match self.anchors.get(&id) {
                    Some(node) => Rc::clone(node),
                    None => {
                        self.say(
                            span,
                            "yaml/alias",
                            format!("{} refers to what it is part of", self.source.slice(span)),
                            "an anchor that is complete before",
                            None,
                        );
                        Rc::new(Node::new(Data::Null, span))
                    }
                };
                self.put(node, None)?;
            }
            E::UnresolvedAlias(name) => {
                self.say(
                    span,
                    "yaml/alias",
                    format!("there is no anchor &{name} before this"),
                    "an anchor of this document",
                    Some("quote a text that begins with *"),
                );
                self.put(Rc::new(Node::new(Data::Null, span)), None)?;
            }
            _ => {}
        }
        Ok(())
    }

    fn budget(&mut self, span: Span) -> Result<(), Stop> {
        if self.values > MAX_VALUES || self.merged > MAX_VALUES {
            let message =
                format!("with its aliases written out the text has more than {MAX_VALUES} values");
            self.say(
                span,
                "yaml/too-many-values",
                message,
                &format!("at most {MAX_VALUES} values"),
                None,
            );
            return Err(Stop);
        }
        if self.bytes > MAX_EXPANDED {
            let message =
                format!("with its aliases written out the text has more than {MAX_EXPANDED} bytes");
            let expected = format!("at most {MAX_EXPANDED} bytes (8 MiB)");
            self.say(span, "yaml/too-large", message, &expected, None);
            return Err(Stop);
        }
        Ok(())
    }

    fn remember(&mut self, anchor: usize, node: &Rc<Node>) {
        if anchor != 0 {
            self.anchors.insert(anchor, Rc::clone(node));
        }
    }

    fn open(&mut self, frame: Frame, span: Span, anchor: usize) -> Result<(), Stop> {
        if self.stack.len() >= MAX_DEPTH {
            self.too_deep(span)?;
        }
        self.stack.push(Open { frame, start: span.start, anchor });
        Ok(())
    }

    fn too_deep(&mut self, span: Span) -> Result<(), Stop> {
        self.say(
            span,
            "yaml/too-deep",
            format!("lists and maps are nested more than {MAX_DEPTH} deep"),
            &format!("at most {MAX_DEPTH} levels"),
            None,
        );
        Err(Stop)
    }

    fn close(&mut self, end: Span) -> Result<(), Stop> {
        let Some(open) = self.stack.pop() else { return Ok(()) };
        let span = Span { start: open.start, end: end.start.max(open.start) };
        let data = match open.frame {
            Frame::List { items } => Data::List(items),
            Frame::Map { mut entries, mut seen, merges, .. } => {
                self.merge(&mut entries, &mut seen, merges)?;
                Data::Map(entries)
            }
        };
        let node = Node::new(data, span);
        let here = Span { start: span.start, end: span.start + 1 };
        if node.weight > MAX_VALUES || node.bytes > MAX_EXPANDED {
            (self.values, self.bytes) = (node.weight, node.bytes);
            self.budget(here)?;
        }
        if node.height > MAX_DEPTH {
            self.too_deep(here)?;
        }
        let node = Rc::new(node);
        self.remember(open.anchor, &node);
        self.put(node, None)
    }

    /// Takes over the entries of merged maps: what is written here wins, then the earlier one.
    fn merge(
        &mut self,
        entries: &mut Vec<(Key, Rc<Node>)>,
        seen: &mut BTreeMap<String, Span>,
        merges: Vec<(Span, Rc<Node>)>,
    ) -> Result<(), Stop> {
        for (span, node) in merges {
            let sources: Vec<&Rc<Node>> = match &node.data {
                Data::List(items) => items.iter().collect(),
                _ => vec![&node],
            };
            for source in sources {
                let Data::Map(more) = &source.data else {
                    self.say(
                        span,
                        "yaml/merge",
                        "<< takes the entries of a map, and this is none",
                        "a map, or a list of maps",
                        Some("quote the key if it is meant as a text"),
                    );
                    continue;
                };
                self.merged = self.merged.saturating_add(more.len());
                self.budget(span)?;
                for (key, value) in more {
                    if !seen.contains_key(&key.text) {
                        seen.insert(key.text.clone(), key.span);
                        entries.push((key.clone(), Rc::clone(value)));
                    }
                }
            }
        }
        Ok(())
    }

    fn wants_key(&self) -> bool {
        matches!(self.stack.last(), Some(Open { frame: Frame::Map { key: None, .. }, .. }))
    }

    fn key(&mut self, pending: Pending) {
        if let Some(Open { frame: Frame::Map { key, .. }, .. }) = self.stack.last_mut() {
            *key = Some(pending);
        }
    }

    /// A complete value: the root, an item, a key or an entry's value. `written` is a scalar's text.
    fn put(&mut self, node: Rc<Node>, written: Option<&str>) -> Result<(), Stop> {
        if self.wants_key() {
            let pending = self.read_key(&node, written);
            self.key(pending);
            return Ok(());
        }
        match self.stack.last_mut().map(|open| &mut open.frame) {
            None => self.root = Some(node),
            Some(Frame::List { items }) => items.push(node),
            Some(Frame::Map { entries, key, merges, .. }) => match key.take() {
                Some(Pending::Key(key)) => entries.push((key, node)),
                Some(Pending::Merge(span)) => merges.push((span, node)),
                Some(Pending::Refused) | None => {}
            },
        }
        Ok(())
    }

    fn read_key(&mut self, node: &Node, written: Option<&str>) -> Pending {
        let text = match (written, node.text()) {
            (_, Some(text)) => text,
            (Some(written), None) if !matches!(node.data, Data::Null) => written,
            _ => {
                let span = Span { start: node.span.start, end: node.span.start + 1 };
                self.say(
                    span,
                    "yaml/key",
                    "a key has to be a text",
                    "a word or a quoted text before the colon",
                    Some("quote it"),
                );
                return Pending::Refused;
            }
        };
        if text.chars().count() > MAX_KEY {
            self.say(
                node.span,
                "yaml/key",
                format!("a key is longer than {MAX_KEY} characters"),
                &format!("at most {MAX_KEY} characters"),
                None,
            );
            return Pending::Refused;
        }
        let Some(Open { frame: Frame::Map { seen, .. }, .. }) = self.stack.last_mut() else {
            return Pending::Refused;
        };
        if let Some(first) = seen.get(text).copied() {
            let (line, _) = self.source.position(first.start);
            let message = format!("the key {text:?} is already in line {line}");
            self.say(node.span, "yaml/duplicate-key", message, "each key once", None);
            return Pending::Refused;
        }
        seen.insert(text.to_string(), node.span);
        Pending::Key(Key { text: text.to_string(), span: node.span })
    }

    fn scalar(&mut self, text: &str, plain: bool, tag: Option<&parser::Tag>, span: Span) -> Data {
        let core =
            tag.map(|tag| if tag.original() == "!" { Some("str") } else { tag.core_suffix() });
        let read = match core {
            None if plain => scalar::read(text),
            None | Some(Some("str")) => Scalar::Text,
            Some(Some(kind @ ("null" | "bool" | "int" | "float"))) => {
                let read = scalar::read(text);
                let fits = match &read {
                    Scalar::Null => kind == "null",
                    Scalar::Bool(_) => kind == "bool",
                    Scalar::Number(n) => kind == "float" || (kind == "int" && !n.is_f64()),
                    Scalar::Text | Scalar::Unwieldy => false,
                };
                if !fits {
                    self.tag(tag, span);
                }
                read
            }
            Some(_) => {
                self.tag(tag, span);
                Scalar::Text
            }
        };
        match read {
            Scalar::Null => Data::Null,
            Scalar::Bool(b) => Data::Bool(b),
            Scalar::Number(n) => Data::Number(n),
            Scalar::Text => Data::Text(text.to_string()),
            Scalar::Unwieldy => {
                let message =
                    format!("the number {} can't be kept exactly", self.source.slice(span));
                self.say(
                    span,
                    "yaml/number",
                    message,
                    "a finite number of at most 64 bits",
                    Some("quote it if it is meant as a text"),
                );
                Data::Null
            }
        }
    }

    fn collection_tag(&mut self, tag: Option<&parser::Tag>, kind: &str, span: Span) {
        if tag.is_some_and(|tag| tag.original() != "!" && tag.core_suffix() != Some(kind)) {
            self.tag(tag, Span { start: span.start, end: span.start + 1 });
        }
    }

    fn tag(&mut self, tag: Option<&parser::Tag>, span: Span) {
        let name = tag.map(parser::Tag::original).unwrap_or_default();
        let span = self.tag.unwrap_or(span);
        self.say(
            span,
            "yaml/tag",
            format!("the tag {name} does not fit here"),
            "a value without a tag",
            None,
        );
    }
}
