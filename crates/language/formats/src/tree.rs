//! The tree a YAML text is read into: values that know where they are written.

use crate::source::Span;
use serde_json::{Map, Number, Value};
use std::rc::Rc;
use tow_model::{Spot, pointer};

/// A value and its place.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    pub(crate) data: Data,
    pub(crate) span: Span,
    /// Values in it, itself counted, aliases written out.
    pub(crate) weight: usize,
    /// Levels below it; 0 for a scalar.
    pub(crate) height: usize,
    /// Bytes of the texts and keys in it, aliases written out.
    pub(crate) bytes: usize,
}

/// What a value is.
#[derive(Debug, Clone)]
pub(crate) enum Data {
    Null,
    Bool(bool),
    Number(Number),
    Text(String),
    List(Vec<Rc<Node>>),
    Map(Vec<(Key, Rc<Node>)>),
}

/// A key and its place.
#[derive(Debug, Clone)]
pub(crate) struct Key {
    pub(crate) text: String,
    pub(crate) span: Span,
}

impl Node {
    /// A value whose weight and height follow from what is in it.
    pub(crate) fn new(data: Data, span: Span) -> Self {
        let children: &mut dyn Iterator<Item = &Rc<Self>> = match &data {
            Data::List(items) => &mut items.iter(),
            Data::Map(entries) => &mut entries.iter().map(|(_, node)| node),
            _ => &mut std::iter::empty(),
        };
        let (mut weight, mut height, mut bytes) = (1_usize, 0, 0_usize);
        for child in children {
            weight = weight.saturating_add(child.weight);
            height = height.max(child.height + 1);
            bytes = bytes.saturating_add(child.bytes);
        }
        let own = match &data {
            Data::Text(text) => text.len(),
            Data::Map(entries) => entries.iter().map(|(key, _)| key.text.len()).sum(),
            _ => 0,
        };
        Self { data, span, weight, height, bytes: bytes.saturating_add(own) }
    }

    /// The value alone.
    pub(crate) fn value(&self) -> Value {
        match &self.data {
            Data::Null => Value::Null,
            Data::Bool(b) => Value::Bool(*b),
            Data::Number(n) => Value::Number(n.clone()),
            Data::Text(t) => Value::String(t.clone()),
            Data::List(items) => Value::Array(items.iter().map(|item| item.value()).collect()),
            Data::Map(entries) => Value::Object(
                entries.iter().map(|(k, v)| (k.text.clone(), v.value())).collect::<Map<_, _>>(),
            ),
        }
    }

    /// The entry of a map.
    pub(crate) fn entry(&self, key: &str) -> Option<&(Key, Rc<Self>)> {
        match &self.data {
            Data::Map(entries) => entries.iter().find(|(k, _)| k.text == key),
            _ => None,
        }
    }

    /// The text, if it is one.
    pub(crate) fn text(&self) -> Option<&str> {
        match &self.data {
            Data::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The value at an RFC 6901 pointer and the key it stands under; where nothing is, the last value on the way.
    pub(crate) fn find(&self, pointer: &str) -> (Option<&Key>, &Self) {
        let (mut key, mut at) = (None, self);
        for token in pointer.split('/').skip(1) {
            let token = token.replace("~1", "/").replace("~0", "~");
            let next = match &at.data {
                Data::List(items) => {
                    token.parse::<usize>().ok().and_then(|i| items.get(i)).map(|n| (None, n))
                }
                Data::Map(_) => at.entry(&token).map(|(k, n)| (Some(k), n)),
                _ => None,
            };
            let Some((next_key, next)) = next else { break };
            (key, at) = (next_key, next);
        }
        (key, at)
    }

    /// Where a person would point for a spot of the value at a pointer: at a scalar itself, at the key of a list, a map
    /// or nothing. `raw` gives the text of a span.
    pub(crate) fn spot(&self, pointer: &str, spot: Spot, text: &str) -> Span {
        let (key, node) = self.find(pointer);
        let key_span = key.map(|k| k.span);
        match spot {
            Spot::Key => key_span.unwrap_or_else(|| node.point(None)),
            Spot::Value => node.point(key_span),
            Spot::Inside { offset, length } => {
                node.inside(offset, length, text).unwrap_or_else(|| node.point(key_span))
            }
        }
    }

    fn point(&self, key: Option<Span>) -> Span {
        let start = self.span.start;
        match &self.data {
            Data::List(_) | Data::Map(_) => key.unwrap_or(Span { start, end: start + 1 }),
            Data::Null if self.span.end <= start => key.unwrap_or(self.span),
            _ => self.span,
        }
    }

    /// A part of a text, found by its own words in what is written: escapes elsewhere in the text do no harm.
    fn inside(&self, offset: usize, length: usize, text: &str) -> Option<Span> {
        let own = self.text()?;
        let byte = |chars: usize| own.char_indices().nth(chars).map_or(own.len(), |(byte, _)| byte);
        let (from, to) = (byte(offset), byte(offset + length));
        let part = own.get(from..to).filter(|part| !part.is_empty())?;
        let earlier = own.get(..from)?.matches(part).count();
        let raw = text.get(self.span.start..self.span.end)?;
        let (at, _) = raw.match_indices(part).nth(earlier)?;
        let start = self.span.start + at;
        Some(Span { start, end: start + part.len() })
    }

    /// Calls `visit` with every pointer below and the place to point at; stops when it says false.
    pub(crate) fn walk(&self, visit: &mut dyn FnMut(&str, Span) -> bool) {
        self.walk_from("", None, visit);
    }

    fn walk_from(
        &self,
        path: &str,
        key: Option<Span>,
        visit: &mut dyn FnMut(&str, Span) -> bool,
    ) -> bool {
        if !visit(path, self.point(key)) {
            return false;
        }
        match &self.data {
            Data::List(items) => items
                .iter()
                .enumerate()
                .all(|(i, item)| item.walk_from(&format!("{path}/{i}"), None, visit)),
            Data::Map(entries) => entries
                .iter()
                .all(|(k, v)| v.walk_from(&pointer(path, &k.text), Some(k.span), visit)),
            _ => true,
        }
    }
}
