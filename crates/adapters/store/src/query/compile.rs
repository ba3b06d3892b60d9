//! A filter as SQL: a condition on the object `o`, or a select of the numbers of the objects it holds for. Nothing that
//! anybody typed is ever part of the text: it goes in as arguments.

use crate::db::Arg;
use std::collections::BTreeSet;
use std::sync::LazyLock;
use tow_model::facts;
use tow_model::query::{Field, Filter, Key};
use tow_model::{Kind, Relation};

/// A statement while it is put together.
#[derive(Debug, Default)]
pub(super) struct Sql {
    pub(super) text: String,
    pub(super) args: Vec<Arg<'static>>,
    pub(super) postgres: bool,
}

/// What a value must be.
#[derive(Debug, Clone, Copy)]
enum Test<'f> {
    /// There, whatever it is.
    There,
    In(&'f [String]),
    Prefix(&'f str),
    Contains(&'f str),
}

impl Test<'_> {
    /// Would this pass?
    fn passes(self, value: &str) -> bool {
        match self {
            Self::There => true,
            Self::In(values) => values.iter().any(|one| one == value),
            Self::Prefix(start) => value.starts_with(start),
            Self::Contains(part) => value.contains(part),
        }
    }
}

/// The relations that some kind writes; of the others only the other half is stored.
static WRITTEN: LazyLock<BTreeSet<Relation>> = LazyLock::new(|| {
    let references = Kind::ALL.iter().flat_map(|kind| kind.facts().references);
    references.filter_map(|reference| reference.relation).collect()
});

/// The conditions that must all hold.
pub(super) fn conjuncts(filter: &Filter) -> Vec<&Filter> {
    match filter {
        Filter::All(parts) => parts.iter().collect(),
        one => vec![one],
    }
}

/// Can the objects it holds for be gathered without looking at all?
pub(super) fn gathers(filter: &Filter) -> bool {
    match filter {
        Filter::In(key, _) | Filter::Prefix(key, _) => {
            !matches!(key.field(), Field::Created | Field::Updated)
        }
        Filter::Exists(key) => matches!(key.field(), Field::Path(_) | Field::Relation(_)),
        Filter::Text(_) => true,
        _ => false,
    }
}

/// The one kind that is asked for, where it is one.
pub(super) fn only_kind(filter: &Filter) -> Option<&str> {
    conjuncts(filter).into_iter().find_map(|part| match part {
        Filter::In(key, values) if key.field() == Field::Kind => match values.as_slice() {
            [kind] => Some(kind.as_str()),
            _ => None,
        },
        _ => None,
    })
}

/// The column of the object that holds it.
pub(super) const fn column(field: Field<'_>) -> Option<&'static str> {
    match field {
        Field::Kind => Some("o.kind"),
        Field::Namespace => Some("o.namespace"),
        Field::Name => Some("o.name"),
        Field::Uid => Some("o.uid"),
        Field::Reference => Some("o.ref"),
        Field::Created => Some("o.created_at"),
        Field::Updated => Some("o.updated_at"),
        Field::Relation(_) | Field::Path(_) | Field::Nowhere => None,
    }
}

/// The first text after all those that begin so; none where there is no end.
fn end_of(start: &str) -> Option<String> {
    let mut letters: Vec<char> = start.chars().collect();
    while let Some(last) = letters.pop() {
        // Between the two lie the surrogates, which are no letters.
        let next = match last {
            '\u{d7ff}' => Some('\u{e000}'),
            other => char::from_u32(u32::from(other) + 1),
        };
        if let Some(next) = next {
            letters.push(next);
            return Some(letters.into_iter().collect());
        }
    }
    None
}

/// Full text as the database asks for it: all words, each the beginning of one. None: nothing is asked for.
fn match_text(text: &str, postgres: bool) -> Option<String> {
    let asked = facts::asked(text);
    let each = asked
        .iter()
        .map(|word| if postgres { format!("'{word}':*") } else { format!("\"{word}\" *") });
    let each: Vec<String> = each.collect();
    (!each.is_empty()).then(|| each.join(if postgres { " & " } else { " AND " }))
}

/// With every word of a text as a condition of its own: the one that fewest objects have can then be gathered by, and
/// the others asked of those.
pub(super) fn apart(filter: Filter) -> Filter {
    match filter {
        Filter::All(parts) => Filter::All(parts.into_iter().map(apart).collect()),
        Filter::Any(parts) => Filter::Any(parts.into_iter().map(apart).collect()),
        Filter::Not(inner) => Filter::Not(Box::new(apart(*inner))),
        Filter::Text(text) => {
            let words = facts::asked(&text);
            if words.is_empty() {
                return Filter::nothing();
            }
            Filter::All(words.into_iter().map(Filter::Text).collect())
        }
        other => other,
    }
}

impl Sql {
    pub(super) fn new(postgres: bool) -> Self {
        Self { postgres, ..Self::default() }
    }

    pub(super) fn push(&mut self, text: &str) {
        self.text.push_str(text);
    }

    /// An argument, where it stands.
    pub(super) fn arg(&mut self, arg: impl Into<Arg<'static>>) {
        self.args.push(arg.into());
        self.push(&format!("${}", self.args.len()));
    }

    /// SQLite is to leave this column's indexes alone: the way is chosen here. Postgres counts for itself.
    const fn aside(&self) -> &'static str {
        if self.postgres { "" } else { "+" }
    }

    /// `path`'s number.
    pub(super) fn key(&mut self, path: &str) {
        self.push("(SELECT id FROM search_key WHERE name = ");
        self.arg(path.to_string());
        self.push(")");
    }

    /// A list of texts as something to be `IN`.
    pub(super) fn among(&mut self, values: &[String]) {
        let list = serde_json::Value::from(values).to_string();
        self.push(if self.postgres {
            "(SELECT jsonb_array_elements_text("
        } else {
            "(SELECT value FROM json_each("
        });
        self.arg(list);
        self.push(if self.postgres { "::jsonb))" } else { "))" });
    }

    /// Does the value of a column pass?
    fn test(&mut self, column: &str, test: Test<'_>) {
        match test {
            Test::There => self.push("1 = 1"),
            Test::In([one]) => {
                self.push(&format!("{column} = "));
                self.arg(one.clone());
            }
            Test::In(values) => {
                self.push(&format!("{column} IN "));
                self.among(values);
            }
            Test::Prefix(start) => {
                self.push(&format!("({column} >= "));
                self.arg(start.to_string());
                if let Some(end) = end_of(start) {
                    self.push(&format!(" AND {column} < "));
                    self.arg(end);
                }
                self.push(")");
            }
            Test::Contains(part) => {
                let find = if self.postgres { "strpos" } else { "instr" };
                self.push(&format!("{find}({column}, "));
                self.arg(part.to_string());
                self.push(") > 0");
            }
        }
    }

    /// Does it hold for the object `o`?
    pub(super) fn condition(&mut self, filter: &Filter) {
        match filter {
            Filter::All(parts) => self.joined(parts, " AND ", "1 = 1"),
            Filter::Any(parts) => self.joined(parts, " OR ", "1 = 0"),
            Filter::Not(inner) => {
                self.push("NOT (");
                self.condition(inner);
                self.push(")");
            }
            Filter::Exists(key) => self.held(key, Test::There),
            Filter::In(_, values) if values.is_empty() => self.push("1 = 0"),
            Filter::In(key, values) => self.held(key, Test::In(values)),
            Filter::Prefix(key, start) => self.held(key, Test::Prefix(start)),
            Filter::Contains(key, part) => self.held(key, Test::Contains(part)),
            Filter::Text(text) => match match_text(text, self.postgres) {
                None => self.push("1 = 0"),
                Some(asked) if self.postgres => {
                    self.push("EXISTS (SELECT 1 FROM words w WHERE w.object = o.id AND w.text @@ ");
                    self.arg(asked);
                    self.push("::tsquery)");
                }
                Some(_) => {
                    self.push("EXISTS (SELECT 1 FROM words_said w WHERE w.object = o.id");
                    for word in facts::asked(text) {
                        self.push(" AND instr(w.said, ");
                        self.arg(format!(" {word}"));
                        self.push(") > 0");
                    }
                    self.push(")");
                }
            },
        }
    }

    fn joined(&mut self, parts: &[Filter], between: &str, none: &str) {
        if parts.is_empty() {
            return self.push(none);
        }
        self.push("(");
        for (index, part) in parts.iter().enumerate() {
            if index > 0 {
                self.push(between);
            }
            self.condition(part);
        }
        self.push(")");
    }

    fn held(&mut self, key: &Key, test: Test<'_>) {
        match key.field() {
            Field::Created | Field::Updated | Field::Nowhere => self.push("1 = 0"),
            Field::Relation(kind) => match Relation::parse(kind) {
                Some(relation) => self.related(relation, test),
                None => self.push("1 = 0"),
            },
            Field::Path(path) => {
                self.push("(EXISTS (SELECT 1 FROM search s WHERE s.object = o.id AND s.key = ");
                self.key(path);
                self.push(" AND ");
                self.test("s.value", test);
                self.push(if matches!(test, Test::There) { ")" } else { " AND s.form < 2)" });
                if test.passes("true") {
                    for (path, value) in key.listed() {
                        self.push(" OR EXISTS (SELECT 1 FROM search s WHERE s.object = o.id AND ");
                        self.one_listed(path, value);
                        self.push(")");
                    }
                }
                self.push(")");
            }
            field => {
                let column = column(field).unwrap_or("o.ref");
                let column = format!("{}{column}", self.aside());
                self.test(&column, test);
            }
        }
    }

    fn one_listed(&mut self, path: &str, value: &str) {
        self.push("s.key = ");
        self.key(path);
        self.push(" AND s.value = ");
        self.arg(value.to_string());
        self.push(" AND s.form = 1");
    }

    fn related(&mut self, relation: Relation, test: Test<'_>) {
        self.push("(1 = 0");
        if WRITTEN.contains(&relation) {
            let kind = relation.as_str();
            self.push(&format!(
                " OR EXISTS (SELECT 1 FROM relation r WHERE r.origin = o.id AND r.type = '{kind}' AND "
            ));
            self.test("r.target", test);
            self.push(")");
        }
        if WRITTEN.contains(&relation.inverse()) {
            let kind = relation.inverse().as_str();
            self.push(&format!(
                " OR EXISTS (SELECT 1 FROM relation r JOIN object p ON p.id = r.origin \
                 WHERE r.target = o.ref AND r.type = '{kind}' AND "
            ));
            self.test("p.ref", test);
            self.push(")");
        }
        self.push(")");
    }

    /// The numbers (`id`), each once, of the objects a condition holds for; only where it [`gathers`].
    pub(super) fn gather(&mut self, filter: &Filter) {
        match filter {
            Filter::Exists(key) => self.gather_held(key, Test::There),
            Filter::In(key, values) => self.gather_held(key, Test::In(values)),
            Filter::Prefix(key, start) => self.gather_held(key, Test::Prefix(start)),
            Filter::Text(text) => match match_text(text, self.postgres) {
                None => self.push("SELECT id FROM object WHERE 1 = 0"),
                Some(asked) if self.postgres => {
                    self.push("SELECT object AS id FROM words WHERE text @@ ");
                    self.arg(asked);
                    self.push("::tsquery");
                }
                Some(asked) => {
                    self.push("SELECT rowid AS id FROM words WHERE words MATCH ");
                    self.arg(asked);
                }
            },
            _ => self.push("SELECT id FROM object"),
        }
    }

    fn gather_held(&mut self, key: &Key, test: Test<'_>) {
        match key.field() {
            Field::Created | Field::Updated | Field::Nowhere => {
                self.push("SELECT id FROM object WHERE 1 = 0");
            }
            Field::Relation(kind) => self.gather_related(Relation::parse(kind), test),
            Field::Path(path) => {
                // One value stands in one row; of several an object may hold two.
                let one = matches!(test, Test::In([_]));
                let distinct = if one { "" } else { "DISTINCT " };
                self.push(&format!("SELECT {distinct}s.object AS id FROM search s WHERE s.key = "));
                self.key(path);
                self.push(" AND ");
                self.test("s.value", test);
                if !matches!(test, Test::There) {
                    self.push(" AND s.form < 2");
                }
                if test.passes("true") {
                    for (path, value) in key.listed() {
                        self.push(" UNION SELECT s.object FROM search s WHERE ");
                        self.one_listed(path, value);
                    }
                }
            }
            field => {
                self.push("SELECT o.id AS id FROM object o WHERE ");
                self.test(column(field).unwrap_or("o.ref"), test);
            }
        }
    }

    fn gather_related(&mut self, relation: Option<Relation>, test: Test<'_>) {
        self.push("SELECT id FROM object WHERE 1 = 0");
        let Some(relation) = relation else { return };
        if WRITTEN.contains(&relation) {
            let kind = relation.as_str();
            self.push(&format!(
                " UNION SELECT r.origin FROM relation r WHERE r.type = '{kind}' AND "
            ));
            self.test("r.target", test);
        }
        if WRITTEN.contains(&relation.inverse()) {
            let kind = relation.inverse().as_str();
            self.push(&format!(
                " UNION SELECT q.id FROM object p JOIN relation r ON r.origin = p.id \
                 JOIN object q ON q.ref = r.target WHERE r.type = '{kind}' AND "
            ));
            self.test("p.ref", test);
        }
    }

    /// What the object `o` is ordered by: its first value there, or nothing.
    pub(super) fn ordered(&mut self, key: &Key) {
        match key.field() {
            Field::Nowhere => self.push("NULL"),
            Field::Path(path) => {
                self.push("(SELECT MIN(s.value) FROM search s WHERE s.object = o.id AND s.key = ");
                self.key(path);
                self.push(" AND s.form < 2)");
            }
            Field::Relation(kind) => {
                let Some(relation) = Relation::parse(kind) else { return self.push("NULL") };
                let (kind, other) = (relation.as_str(), relation.inverse().as_str());
                self.push(&format!(
                    "(SELECT MIN(x.target) FROM (SELECT r.target FROM relation r \
                     WHERE r.origin = o.id AND r.type = '{kind}' UNION ALL \
                     SELECT p.ref FROM relation r JOIN object p ON p.id = r.origin \
                     WHERE r.target = o.ref AND r.type = '{other}') x)"
                ));
            }
            field => self.push(column(field).unwrap_or("o.ref")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_beginning() {
        for (start, end) in [
            ("a", Some("b")),
            ("az", Some("a{")),
            ("a\u{10ffff}", Some("b")),
            ("\u{10ffff}", None),
            ("", None),
            ("\u{d7ff}", Some("\u{e000}")),
        ] {
            assert_eq!(end_of(start).as_deref(), end, "{start:?}");
        }
    }
}
