//! The one text form of questions about declared objects, for the API, the command line and the portal.
//!
//! ```text
//! query  = any ;                            nothing, or * : every object
//! any    = all { "or" all } ;
//! all    = one { ["and"] one } ;            side by side means both
//! one    = ( "-" | "!" | "not" ) one | "(" any ")" | "*" | has | is | words ;
//! has    = "has:" key ;                     the key is there
//! is     = key ( "=" | "!=" ) value { "," value }     one of these; none of these
//!        | key "^=" value                   begins so
//!        | key "~=" value                   has this in it
//!        | "tag:" value { "," value } | kind ":" [ namespace "/" ] name ;
//! words  = word | '"' text '"' ;            full text: each begins a word of the object
//! key    = short | path | ( "label:" | "annotation:" ) name | '"' path '"' ;
//! short  = kind name namespace title description uid ref type lifecycle tag owner system domain, or a relation ;
//! value  = word | '"' text '"' | "*" ;      = * : whatever it is
//! ```
//!
//! Everything is compared without regard to case. `owner`, `system`, `domain` and the relations (`ownedBy`, `dependsOn`,
//! …) read references: `owner=quay` is `relations.ownedBy=group:default/quay`. A path is written out: `spec.type`,
//! `metadata.annotations.example.org/id`, `relations.partOf`. In quotes `\"` and `\\` stand for `"` and `\`.
//!
//! `kind=component type=service,website owner=quay tag:java -lifecycle=deprecated name^=pay (web or "front end")`

use crate::words::meant;
use tow_model::query::{Filter, Key, MOST_CONDITIONS, MOST_VALUES, Order};
use tow_model::{Kind, Relation};
use tow_names::{EntityRef, Namespace};

/// Longest text of a query, in bytes.
pub const LONGEST_QUERY: usize = 16 * 1024;
const DEEPEST: usize = 40;

/// Why a text is no query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueryError {
    /// Where, in characters from 1.
    pub column: usize,
    /// What is wrong.
    pub message: String,
    /// What would be right.
    pub expected: String,
}

impl std::fmt::Display for QueryError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "column {}: {}; expected {}", self.column, self.message, self.expected)
    }
}

impl std::error::Error for QueryError {}

/// Reads a query.
pub fn parse_query(text: &str) -> Result<Filter, QueryError> {
    if text.len() > LONGEST_QUERY {
        let reader = Reader { text, at: 0, depth: 0 };
        return Err(reader.wrong(0, "the query is too long", "at most 16 KiB"));
    }
    parse_long(text)
}

/// Reads what [`query_text`] wrote, however long it is.
pub(crate) fn parse_long(text: &str) -> Result<Filter, QueryError> {
    let mut reader = Reader { text, at: 0, depth: 0 };
    reader.space();
    if reader.rest().is_empty() {
        return Ok(Filter::everything());
    }
    let found = reader.any()?;
    if !reader.rest().is_empty() {
        return Err(reader.wrong(reader.at, "this ) closes nothing", "the end"));
    }
    if found.conditions() > MOST_CONDITIONS {
        let most = format!("at most {MOST_CONDITIONS}");
        return Err(reader.wrong(0, "the query has too many conditions", most));
    }
    Ok(found.simplified())
}

/// Reads an order: keys with commas between, `-` before one that goes from Z to A; `name`, `-updated,ref`.
pub fn parse_order(text: &str) -> Result<Vec<Order>, QueryError> {
    let mut found: Vec<Order> = Vec::new();
    let mut at = 0;
    for part in text.split(',') {
        let reader = Reader { text, at, depth: 0 };
        let trimmed = part.trim();
        let (descending, name) = match trimmed.strip_prefix('-') {
            Some(name) => (true, name),
            None => (false, trimmed),
        };
        if name.is_empty() {
            return Err(reader.wrong(at, "a key is missing", "a key, as in name,-updated"));
        }
        let key = match name.to_lowercase().as_str() {
            lower @ ("created" | "updated") => Key::new(lower),
            _ => reader.key(name, at)?.0,
        };
        if found.iter().any(|order| order.key == key) {
            return Err(reader.wrong(at, format!("{name} stands twice"), "each key once"));
        }
        found.push(Order { key, descending });
        at += part.len() + 1;
    }
    if found.len() > tow_model::query::MOST_ORDERS {
        let most = format!("at most {} keys", tow_model::query::MOST_ORDERS);
        return Err(Reader { text, at: 0, depth: 0 }.wrong(0, "there are too many keys", most));
    }
    Ok(found)
}

/// Reads what [`crate::order_text`] wrote: whole paths, which may be anything but hold no comma.
pub(crate) fn parse_paths(text: &str) -> Option<Vec<Order>> {
    let each = text.split(',').map(|part| {
        let (descending, name) = match part.strip_prefix('-') {
            Some(name) => (true, name),
            None => (false, part),
        };
        (!name.is_empty()).then(|| Order { key: Key::new(name), descending })
    });
    each.collect()
}

const SHORT: [(&str, &str); 13] = [
    ("kind", "kind"),
    ("name", "metadata.name"),
    ("namespace", "metadata.namespace"),
    ("title", "metadata.title"),
    ("description", "metadata.description"),
    ("uid", "metadata.uid"),
    ("ref", "ref"),
    ("tag", "metadata.tags"),
    ("tags", "metadata.tags"),
    ("type", "spec.type"),
    ("lifecycle", "spec.lifecycle"),
    ("apiversion", "apiversion"),
    ("version", "apiversion"),
];

/// Which kind a relation most often leads to: what a reference without a kind means.
const fn leads_to(relation: Relation) -> &'static str {
    match relation {
        Relation::OwnedBy | Relation::MemberOf | Relation::ParentOf | Relation::ChildOf => "group",
        Relation::HasMember => "user",
        Relation::ProvidesApi | Relation::ConsumesApi => "api",
        Relation::PartOf => "system",
        Relation::OwnerOf
        | Relation::ApiProvidedBy
        | Relation::ApiConsumedBy
        | Relation::DependsOn
        | Relation::DependencyOf
        | Relation::HasPart => "component",
    }
}

struct Reader<'t> {
    text: &'t str,
    at: usize,
    depth: usize,
}

/// A word as it stands: bare, or in quotes.
enum Word<'t> {
    Bare(&'t str),
    Quoted(String),
}

const STOPS: [char; 4] = ['(', ')', '"', ','];

impl<'t> Reader<'t> {
    fn rest(&self) -> &'t str {
        &self.text[self.at..]
    }

    fn wrong(
        &self,
        at: usize,
        message: impl Into<String>,
        expected: impl Into<String>,
    ) -> QueryError {
        let column = self.text[..at.min(self.text.len())].chars().count() + 1;
        QueryError { column, message: message.into(), expected: expected.into() }
    }

    fn space(&mut self) {
        self.at = self.text.len() - self.rest().trim_start().len();
    }

    /// The word that stands here alone, without reading it.
    fn bare_word(&self) -> &'t str {
        let rest = self.rest();
        let end =
            rest.find(|c: char| c.is_whitespace() || STOPS.contains(&c)).unwrap_or(rest.len());
        &rest[..end]
    }

    fn keyword(&mut self, word: &str) -> bool {
        let found = self.bare_word();
        let alone = !self.rest()[found.len()..].starts_with('"');
        let is = alone && found.eq_ignore_ascii_case(word);
        if is {
            self.at += found.len();
            self.space();
        }
        is
    }

    fn any(&mut self) -> Result<Filter, QueryError> {
        let mut parts = vec![self.all()?];
        while self.keyword("or") {
            parts.push(self.all()?);
        }
        Ok(Filter::Any(parts))
    }

    fn all(&mut self) -> Result<Filter, QueryError> {
        let mut parts = vec![self.one()?];
        loop {
            self.space();
            let rest = self.rest();
            if rest.is_empty() || rest.starts_with(')') {
                break;
            }
            if self.bare_word().eq_ignore_ascii_case("or") {
                break;
            }
            self.keyword("and");
            parts.push(self.one()?);
        }
        Ok(Filter::All(parts))
    }

    fn one(&mut self) -> Result<Filter, QueryError> {
        self.space();
        let from = self.at;
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err(self.wrong(from, "the query goes too deep", "fewer brackets"));
        }
        let rest = self.rest();
        let found = if self.keyword("not") {
            self.one()?.negated()
        } else if rest.starts_with(['-', '!']) {
            self.at += 1;
            if self.rest().starts_with(char::is_whitespace) {
                let expected = "what is not wanted, without a space before it";
                return Err(self.wrong(from, "- and ! stand before something", expected));
            }
            self.one()?.negated()
        } else if rest.starts_with('(') {
            self.at += 1;
            let inside = self.any()?;
            self.space();
            if !self.rest().starts_with(')') {
                return Err(self.wrong(from, "this ( is not closed", "a )"));
            }
            self.at += 1;
            inside
        } else {
            self.term()?
        };
        self.depth -= 1;
        self.space();
        Ok(found)
    }

    fn term(&mut self) -> Result<Filter, QueryError> {
        let from = self.at;
        if let Some(text) = self.quoted()? {
            return if self.operator_next() {
                let key = Key::new(&text);
                self.compared(key, None)
            } else {
                Ok(Filter::Text(text))
            };
        }
        let rest = self.rest();
        let stop = |c: char| c.is_whitespace() || STOPS.contains(&c) || c == '=';
        let mut word = &rest[..rest.find(stop).unwrap_or(rest.len())];
        if rest[word.len()..].starts_with('=') {
            word = word.strip_suffix(['!', '^', '~']).unwrap_or(word);
        }
        match word {
            "" if rest.is_empty() => {
                return Err(self.wrong(from, "something is missing here", "a condition or a word"));
            }
            "" => {
                let mark = rest.chars().next().unwrap_or_default();
                let message = format!("{mark} stands alone");
                return Err(self.wrong(from, message, "a condition or a word"));
            }
            "*" => {
                self.at += 1;
                return Ok(Filter::everything());
            }
            _ => {}
        }
        self.at += word.len();
        if let Some(name) = strip(word, "has:") {
            let key = match self.quoted()? {
                Some(path) if name.is_empty() => Key::new(&path),
                None if !name.is_empty() => self.key(name, from + "has:".len())?.0,
                _ => return Err(self.wrong(from, "has: wants a key", "as in has:spec.system")),
            };
            return Ok(Filter::Exists(key));
        }
        if let Some(first) = strip(word, "tag:") {
            self.at -= first.len();
            let values = self.values(None)?;
            return Ok(Filter::any_of("metadata.tags", values.iter().map(String::as_str)));
        }
        if self.operator_next() {
            let (key, kind) = self.key(word, from)?;
            return self.compared(key, kind);
        }
        self.alone(word, from)
    }

    /// A word without an operator: an object, a key that is there, or full text.
    fn alone(&self, word: &str, from: usize) -> Result<Filter, QueryError> {
        if self.rest().starts_with(',') {
            let message = "commas stand between the values of a condition";
            return Err(self.wrong(self.at, message, "a space, or the text in \"…\""));
        }
        let Some((before, _)) = word.split_once(':') else { return Ok(Filter::Text(word.into())) };
        if strip(word, "label:").is_some() || strip(word, "annotation:").is_some() {
            return Ok(Filter::Exists(self.key(word, from)?.0));
        }
        if Kind::parse(before).is_some() {
            let entity = EntityRef::parse(word, None, &Namespace::default())
                .map_err(|error| self.wrong(from, error.to_string(), "kind:[namespace/]name"))?;
            return Ok(Filter::is("ref", &entity.to_string()));
        }
        let message = format!("{before}: is not known");
        let expected = "tag:, label:, annotation:, has:, a kind, or the text in \"…\"";
        Err(self.wrong(from, message, expected))
    }

    fn operator_next(&self) -> bool {
        ["=", "!=", "^=", "~="].iter().any(|operator| self.rest().starts_with(operator))
    }

    /// The condition from its operator on; `kind` is that of references among the values.
    fn compared(&mut self, key: Key, kind: Option<&str>) -> Result<Filter, QueryError> {
        let (operator, after) = self.rest().split_once('=').unwrap_or_default();
        self.at = self.text.len() - after.len();
        let references = if operator.is_empty() || operator == "!" { kind } else { None };
        if operator.is_empty() && self.bare_word() == "*" {
            self.at += 1;
            return Ok(Filter::Exists(key));
        }
        let values = self.values(references)?;
        let each = |make: fn(Key, String) -> Filter| {
            let lower = values.iter().map(|value| value.to_lowercase());
            Filter::Any(lower.map(|value| make(key.clone(), value)).collect())
        };
        Ok(match operator {
            "^" => each(Filter::Prefix),
            "~" => each(Filter::Contains),
            negated => {
                let is = Filter::any_of(key.as_str(), values.iter().map(String::as_str));
                if negated == "!" { is.negated() } else { is }
            }
        })
    }

    fn values(&mut self, kind: Option<&str>) -> Result<Vec<String>, QueryError> {
        let mut found = Vec::new();
        loop {
            let from = self.at;
            let value = match self.quoted()? {
                Some(text) => Word::Quoted(text),
                None => Word::Bare(self.bare_word()),
            };
            let text = match value {
                Word::Bare("") => {
                    return Err(self.wrong(
                        from,
                        "a value is missing",
                        "a value; \"\" is an empty one",
                    ));
                }
                Word::Bare(word) => {
                    self.at += word.len();
                    word.to_string()
                }
                Word::Quoted(text) => text,
            };
            found.push(match kind {
                Some(kind) => EntityRef::parse(&text, Some(kind), &Namespace::default())
                    .map_err(|_| {
                        let message = format!("{text:?} is not a reference");
                        self.wrong(from, message, format!("as in {kind}:default/name"))
                    })?
                    .to_string(),
                None => text,
            });
            if found.len() > MOST_VALUES {
                let most = format!("at most {MOST_VALUES}");
                return Err(self.wrong(from, "there are too many values", most));
            }
            if !self.rest().starts_with(',') {
                return Ok(found);
            }
            self.at += 1;
        }
    }

    fn quoted(&mut self) -> Result<Option<String>, QueryError> {
        let Some(inside) = self.rest().strip_prefix('"') else { return Ok(None) };
        let mut out = String::new();
        let mut letters = inside.char_indices();
        while let Some((at, letter)) = letters.next() {
            match letter {
                '"' => {
                    self.at += at + 2;
                    return Ok(Some(out));
                }
                '\\' => match letters.next() {
                    Some((_, escaped @ ('"' | '\\'))) => out.push(escaped),
                    _ => {
                        let here = self.at + 1 + at;
                        return Err(self.wrong(here, "\\ stands before \" or \\", "\\\" or \\\\"));
                    }
                },
                other => out.push(other),
            }
        }
        Err(self.wrong(self.at, "this \" is not closed", "a \""))
    }

    /// A key as people write it, and which kind its references mean.
    fn key(&self, word: &str, at: usize) -> Result<(Key, Option<&'static str>), QueryError> {
        let relation = |relation: Relation, kind| {
            Ok((Key::new(&format!("relations.{}", relation.as_str())), Some(kind)))
        };
        for (prefix, path) in
            [("label:", "metadata.labels."), ("annotation:", "metadata.annotations.")]
        {
            if let Some(name) = strip(word, prefix).filter(|name| !name.is_empty()) {
                return Ok((Key::new(&format!("{path}{name}")), None));
            }
        }
        let lower = word.to_lowercase();
        if let Some((_, path)) = SHORT.iter().find(|(short, _)| *short == lower) {
            return Ok((Key::new(path), None));
        }
        match lower.as_str() {
            "owner" => return relation(Relation::OwnedBy, "group"),
            "system" => return relation(Relation::PartOf, "system"),
            "domain" => return relation(Relation::PartOf, "domain"),
            _ => {}
        }
        if let Some(found) = Relation::parse(&lower) {
            return relation(found, leads_to(found));
        }
        if lower.contains('.') {
            return Ok((Key::new(&lower), None));
        }
        let mut known: Vec<&str> = SHORT.iter().map(|(short, _)| *short).collect();
        known.extend(["owner", "system", "domain", "created", "updated"]);
        known.extend(Relation::ALL.map(Relation::as_str));
        let expected = match meant(word, &known) {
            Some(meant) => format!("{meant}, or a path as in spec.{word}"),
            None => format!("a path, as in spec.{word} or metadata.{word}"),
        };
        Err(self.wrong(at, format!("{word} is not known"), expected))
    }
}

/// `word` behind `prefix`, in any case.
fn strip<'w>(word: &'w str, prefix: &str) -> Option<&'w str> {
    let head = word.get(..prefix.len())?;
    head.eq_ignore_ascii_case(prefix).then(|| &word[prefix.len()..])
}

/// A query as text: what [`parse_query`] reads back.
pub fn query_text(filter: &Filter) -> String {
    let mut out = String::new();
    write_filter(filter, false, &mut out);
    out
}

fn write_filter(filter: &Filter, inside: bool, out: &mut String) {
    match filter {
        Filter::All(parts) if parts.is_empty() => out.push('*'),
        Filter::Any(parts) if parts.is_empty() => out.push_str("-*"),
        Filter::All(parts) => write_parts(parts, " ", inside, out),
        Filter::Any(parts) => write_parts(parts, " or ", true, out),
        Filter::Not(part) => {
            out.push('-');
            write_filter(part, true, out);
        }
        Filter::Exists(key) => {
            out.push_str("has:");
            write_key(key, out);
        }
        Filter::In(key, values) if values.is_empty() => {
            let _ = key;
            out.push_str("-*");
        }
        Filter::In(key, values) => {
            write_key(key, out);
            for (index, value) in values.iter().enumerate() {
                out.push(if index == 0 { '=' } else { ',' });
                write_value(value, out);
            }
        }
        Filter::Prefix(key, start) => {
            write_key(key, out);
            out.push_str("^=");
            write_value(start, out);
        }
        Filter::Contains(key, part) => {
            write_key(key, out);
            out.push_str("~=");
            write_value(part, out);
        }
        Filter::Text(text) => write_quoted(text, out),
    }
}

fn write_parts(parts: &[Filter], between: &str, brackets: bool, out: &mut String) {
    if brackets {
        out.push('(');
    }
    for (index, part) in parts.iter().enumerate() {
        if index > 0 {
            out.push_str(between);
        }
        write_filter(part, true, out);
    }
    if brackets {
        out.push(')');
    }
}

fn write_key(key: &Key, out: &mut String) {
    let text = key.as_str();
    let plain = |c: char| c.is_alphanumeric() || matches!(c, '.' | '_' | '-' | '/');
    let own = matches!(text, "kind" | "ref" | "apiversion")
        || (text.contains('.') && !text.starts_with('-'));
    if own && text.chars().all(plain) {
        out.push_str(text);
    } else {
        write_quoted(text, out);
    }
}

fn write_value(value: &str, out: &mut String) {
    let bare = |c: char| !c.is_whitespace() && !STOPS.contains(&c);
    if value.is_empty() || value == "*" || !value.chars().all(bare) {
        write_quoted(value, out);
    } else {
        out.push_str(value);
    }
}

fn write_quoted(text: &str, out: &mut String) {
    out.push('"');
    for letter in text.chars() {
        if matches!(letter, '"' | '\\') {
            out.push('\\');
        }
        out.push(letter);
    }
    out.push('"');
}
