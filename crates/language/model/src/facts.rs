//! What a declared object can be found by: its search rows, as the Backstage catalog makes them of an entity, and its
//! words for full text. Pure: the store keeps them beside the object, the evaluator of queries reads them.
//!
//! Rows (source: `buildEntitySearch` of Backstage's catalog): every path of the document, keys and values in lower
//! case, lists descended; a list's text `v` at `path` is also found as `path.v` = `true`; a key longer than 200 is
//! dropped; a value longer than 200, or none, is there but equals nothing. Left out are `status`, `relations`,
//! `attachments` and what the platform itself sets under `metadata`; `metadata.uid` is added.

use serde_json::{Map, Value};
use std::collections::{BTreeSet, HashSet};

/// Longest key and longest value that are kept, in UTF-16 units as Backstage counts.
pub const LONGEST: usize = 200;
/// Longest word of the full text, in characters; longer ones are cut, in objects and in queries alike.
pub const LONGEST_WORD: usize = 40;
/// How many different words of an object are kept: its metadata first.
pub const MOST_WORDS: usize = 2_000;

/// What a row holds beside its key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Form {
    /// A value.
    Plain,
    /// A text that stands in a list: found under its own path too.
    Listed,
    /// Nothing that could be compared: the key is there.
    Bare,
}

impl Form {
    /// As it is stored: 0, 1, 2.
    pub const fn number(self) -> i64 {
        match self {
            Self::Plain => 0,
            Self::Listed => 1,
            Self::Bare => 2,
        }
    }
}

/// One search row.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fact {
    /// Lower case: `spec.type`.
    pub key: String,
    /// Lower case; empty where `form` is [`Form::Bare`].
    pub value: String,
    /// What kind of row it is.
    pub form: Form,
    /// The value as written, where that differs.
    pub shown: Option<String>,
}

/// Everything one object can be found by: what the reference evaluator of queries reads.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Facts {
    /// The store's number of the object: the order of those that are otherwise equal.
    pub id: i64,
    /// `kind:namespace/name`, lower case.
    pub reference: String,
    /// Lower case.
    pub kind: String,
    /// Lower case.
    pub namespace: String,
    /// Lower case.
    pub name: String,
    /// Given by the store.
    pub uid: String,
    /// Microseconds since 1970.
    pub created: i64,
    /// Microseconds since 1970.
    pub updated: i64,
    /// Its search rows.
    pub rows: BTreeSet<Fact>,
    /// Its relations of both directions: the type as written, the other's reference.
    pub relations: BTreeSet<(String, String)>,
    /// Its words.
    pub words: BTreeSet<String>,
}

/// The search rows of a document, each once.
pub fn rows(document: &Value) -> Vec<Fact> {
    let mut found = Rows::default();
    found.visit("", document);
    found.out
}

#[derive(Default)]
struct Rows {
    out: Vec<Fact>,
    seen: HashSet<(String, String, Form)>,
}

impl Rows {
    fn visit(&mut self, path: &str, value: &Value) {
        match path {
            "attachments"
            | "relations"
            | "status"
            | "metadata.uid"
            | "metadata.etag"
            | "metadata.generation" => return,
            _ => {}
        }
        match value {
            Value::Array(items) => {
                for item in items {
                    match item {
                        Value::String(text) => self.add(path, Some(text.clone()), Form::Listed),
                        other => self.visit(path, other),
                    }
                }
            }
            Value::Object(members) => self.descend(path, members),
            Value::Null => self.add(path, None, Form::Bare),
            Value::String(text) => self.add(path, Some(text.clone()), Form::Plain),
            Value::Bool(flag) => self.add(path, Some(flag.to_string()), Form::Plain),
            Value::Number(number) => self.add(path, Some(number_text(number)), Form::Plain),
        }
    }

    fn descend(&mut self, path: &str, members: &Map<String, Value>) {
        for (key, member) in members {
            if path.is_empty() {
                self.visit(key, member);
            } else {
                self.visit(&format!("{path}.{key}"), member);
            }
        }
    }

    fn add(&mut self, path: &str, value: Option<String>, form: Form) {
        let key = stored(path);
        if units(&key) > LONGEST {
            return;
        }
        let fact = match value {
            Some(text) => {
                let value = stored(&text);
                if units(&value) > LONGEST {
                    Fact { key, value: String::new(), form: Form::Bare, shown: None }
                } else {
                    let shown = (value != text).then(|| text.replace('\0', ""));
                    Fact { key, value, form, shown }
                }
            }
            None => Fact { key, value: String::new(), form, shown: None },
        };
        let twin = match fact.form {
            Form::Plain => Some(Form::Listed),
            Form::Listed => Some(Form::Plain),
            Form::Bare => None,
        };
        // A value is one row: the one in a list says more.
        if let Some(twin) = twin
            && self.seen.contains(&(fact.key.clone(), fact.value.clone(), twin))
        {
            if fact.form == Form::Listed {
                let same = |other: &&mut Fact| {
                    other.form == twin && other.key == fact.key && other.value == fact.value
                };
                if let Some(other) = self.out.iter_mut().find(same) {
                    other.form = Form::Listed;
                    self.seen.insert((fact.key, fact.value, Form::Listed));
                }
            }
            return;
        }
        if self.seen.insert((fact.key.clone(), fact.value.clone(), fact.form)) {
            self.out.push(fact);
        }
    }
}

/// Lower case, without the one character that no database keeps. That goes first: what a letter becomes may depend on its
/// neighbours (Σ at the end of a word), and what is shown without it must be found by what is shown.
fn stored(text: &str) -> String {
    if text.contains('\0') { text.replace('\0', "").to_lowercase() } else { text.to_lowercase() }
}

fn units(text: &str) -> usize {
    if text.is_ascii() { text.len() } else { text.encode_utf16().count() }
}

/// A number as JavaScript writes it, which is how Backstage finds it.
fn number_text(number: &serde_json::Number) -> String {
    if let Some(whole) = number.as_i64() {
        return whole.to_string();
    }
    if let Some(whole) = number.as_u64() {
        return whole.to_string();
    }
    let value = number.as_f64().unwrap_or_default();
    let size = value.abs();
    if value == 0.0 {
        "0".into()
    } else if (1e-6..1e21).contains(&size) {
        format!("{value}")
    } else {
        // 1e21 is written 1e+21, 1e-7 as it is.
        let text = format!("{value:e}");
        if text.contains("e-") { text } else { text.replace('e', "e+") }
    }
}

/// The words of a document, for full text: of its name, what its metadata says, and every text of its spec.
pub fn words(document: &Value) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let metadata = &document["metadata"];
    let mut text = |value: &Value| texts(value, &mut |text| split(text, &mut found));
    for field in ["name", "title", "description", "tags", "labels", "annotations", "links"] {
        text(&metadata[field]);
    }
    if metadata["namespace"] != "default" {
        text(&metadata["namespace"]);
    }
    text(&document["spec"]);
    found
}

fn texts(value: &Value, with: &mut impl FnMut(&str)) {
    match value {
        Value::String(text) => with(text),
        Value::Array(items) => items.iter().for_each(|item| texts(item, with)),
        Value::Object(members) => members.values().for_each(|member| texts(member, with)),
        _ => {}
    }
}

/// The words of a text: runs of letters and digits in lower case, each whole, and where its case changes in its parts.
fn split(text: &str, out: &mut BTreeSet<String>) {
    for run in runs(text) {
        let parts = parts(run);
        if out.len() >= MOST_WORDS {
            return;
        }
        out.insert(word(run));
        if parts.len() > 1 {
            out.extend(parts.into_iter().map(word));
        }
    }
}

/// What a query's text asks for: beginnings of words, all of which must be there.
pub fn asked(text: &str) -> BTreeSet<String> {
    runs(text).flat_map(parts).map(word).collect()
}

fn runs(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_alphanumeric()).filter(|run| !run.is_empty())
}

fn word(text: &str) -> String {
    // Some letters become two, a letter and a mark, in lower case: the mark would end the word.
    text.chars()
        .flat_map(char::to_lowercase)
        .filter(|c| c.is_alphanumeric())
        .take(LONGEST_WORD)
        .collect()
}

/// `PaymentHTTPServer` is `Payment`, `HTTP`, `Server`.
fn parts(run: &str) -> Vec<&str> {
    let letters: Vec<(usize, char)> = run.char_indices().collect();
    let mut found = Vec::new();
    let mut from = 0;
    for at in 1..letters.len() {
        let (here, letter) = letters[at];
        let before = letters[at - 1].1;
        let after = letters.get(at + 1).map(|(_, letter)| *letter);
        let rises = !before.is_uppercase() && letter.is_uppercase();
        let ends =
            before.is_uppercase() && letter.is_uppercase() && after.is_some_and(char::is_lowercase);
        if rises || ends {
            found.push(&run[from..here]);
            from = here;
        }
    }
    found.push(&run[from..]);
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn said(document: &Value) -> Vec<String> {
        let mut lines: Vec<String> = rows(document)
            .into_iter()
            .map(|row| {
                let mark = match row.form {
                    Form::Plain => "",
                    Form::Listed => " (listed)",
                    Form::Bare => " (bare)",
                };
                let shown = row.shown.map(|text| format!(" as {text}")).unwrap_or_default();
                format!("{}={}{mark}{shown}", row.key, row.value)
            })
            .collect();
        lines.sort();
        lines
    }

    #[test]
    fn rows_are_those_of_the_catalog() {
        let document = json!({
            "kind": "Component",
            "metadata": { "name": "Web", "uid": "mine", "tags": ["Java", "java", "go"], "etag": "e" },
            "spec": {
                "a": { "b": ["c", { "d": 1 }], "e": 7.0, "f": null, "g": [], "h": "x".repeat(201) },
                "k".repeat(201): "dropped",
            },
            "status": { "items": [1] }, "relations": [{ "type": "ownedBy", "targetRef": "x" }],
        });
        assert_eq!(
            said(&document),
            [
                "kind=component as Component",
                "metadata.name=web as Web",
                "metadata.tags=go (listed)",
                "metadata.tags=java (listed) as Java",
                "spec.a.b.d=1",
                "spec.a.b=c (listed)",
                "spec.a.e=7",
                "spec.a.f= (bare)",
                "spec.a.h= (bare)",
            ]
        );
    }

    #[test]
    fn a_value_alone_and_in_a_list_is_one_row() {
        let both = [
            json!({ "a": [{ "b": "x" }, { "b": ["X"] }] }),
            json!({ "a": [{ "b": ["x"] }, { "b": "x" }] }),
        ];
        for document in both {
            assert_eq!(said(&document), ["a.b=x (listed)"]);
        }
    }

    #[test]
    fn numbers_are_written_as_javascript_does() {
        for (number, text) in [
            ("1", "1"),
            ("1.0", "1"),
            ("1.5", "1.5"),
            ("-0.0", "0"),
            ("1e21", "1e+21"),
            ("1e20", "100000000000000000000"),
            ("1e-7", "1e-7"),
            ("0.000001", "0.000001"),
        ] {
            assert_eq!(number_text(&number.parse().unwrap()), text);
        }
    }

    #[test]
    fn words_split_at_marks_and_at_case() {
        let document = json!({
            "metadata": {
                "name": "payment-web", "namespace": "default", "title": "PaymentHTTPServer v2",
                "description": "Für Straße, naïve; İstanbul",
            },
            "spec": { "type": "service", "n": 5 },
        });
        let found: Vec<String> = words(&document).into_iter().collect();
        assert_eq!(
            found,
            [
                "für",
                "http",
                "istanbul",
                "naïve",
                "payment",
                "paymenthttpserver",
                "server",
                "service",
                "straße",
                "v2",
                "web",
            ]
        );
        let asked: Vec<String> = asked("PayServ STRASSE-x").into_iter().collect();
        assert_eq!(asked, ["pay", "serv", "strasse", "x"]);
    }
}
