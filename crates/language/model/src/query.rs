//! A question about declared objects as a value: which, in which order, from where. It knows no text form (`formats`)
//! and no SQL (`store`); [`Filter::matches`] and [`Query::answer`] say what it means, and tests hold the store to them.
//!
//! Keys are the paths of [`crate::facts`], in any case: `spec.type`, `metadata.tags.java`, `relations.ownedBy`. Beside
//! them stand `ref` (the whole reference), and for orders `created` and `updated`. Everything is compared in lower case.

use crate::facts::{self, Facts, Form};
use std::cmp::Ordering;
use std::collections::BTreeSet;

/// How many conditions a filter may have.
pub const MOST_CONDITIONS: usize = 400;
/// How many values one condition may name.
pub const MOST_VALUES: usize = 5_000;
/// By how many keys a list may be ordered.
pub const MOST_ORDERS: usize = 4;
/// How many objects one page may hold.
pub const MOST_ROWS: u32 = 10_000;

/// Where an object holds what is asked for; lower case.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(String);

/// What a key means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Field<'k> {
    /// `kind`.
    Kind,
    /// `metadata.namespace`.
    Namespace,
    /// `metadata.name`.
    Name,
    /// `metadata.uid`.
    Uid,
    /// `ref`: `kind:namespace/name`.
    Reference,
    /// `relations.TYPE`; lower case.
    Relation(&'k str),
    /// `created`, for orders.
    Created,
    /// `updated`, for orders.
    Updated,
    /// Any other path.
    Path(&'k str),
    /// Longer than any path that is kept: nothing has it.
    Nowhere,
}

impl Key {
    /// A key, in any case.
    pub fn new(text: &str) -> Self {
        Self(text.to_lowercase())
    }

    /// Lower case.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What it means.
    pub fn field(&self) -> Field<'_> {
        match self.0.as_str() {
            "kind" => Field::Kind,
            "metadata.namespace" => Field::Namespace,
            "metadata.name" => Field::Name,
            "metadata.uid" => Field::Uid,
            "ref" => Field::Reference,
            "created" => Field::Created,
            "updated" => Field::Updated,
            path => match path.strip_prefix("relations.") {
                Some(kind) => Field::Relation(kind),
                None if path.encode_utf16().count() > facts::LONGEST => Field::Nowhere,
                None => Field::Path(path),
            },
        }
    }

    /// For `metadata.tags.java`: every path that could be a list's, with the text that stands in it.
    pub fn listed(&self) -> impl Iterator<Item = (&str, &str)> {
        let path = matches!(self.field(), Field::Path(_));
        self.0
            .match_indices('.')
            .filter(move |_| path)
            .map(|(at, _)| (&self.0[..at], &self.0[at + 1..]))
    }
}

impl std::fmt::Display for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// Which objects. Values are compared in lower case.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Filter {
    /// Those that all of these hold for; of none: every object.
    All(Vec<Self>),
    /// Those that one of these holds for; of none: no object.
    Any(Vec<Self>),
    /// The others.
    Not(Box<Self>),
    /// The key is there, whatever it holds.
    Exists(Key),
    /// The key holds one of these.
    In(Key, Vec<String>),
    /// The key holds something that begins so.
    Prefix(Key, String),
    /// The key holds something that has this in it.
    Contains(Key, String),
    /// Every word of this text begins a word of the object; a text without words finds nothing.
    Text(String),
}

impl Filter {
    /// Every object.
    pub const fn everything() -> Self {
        Self::All(Vec::new())
    }

    /// No object.
    pub const fn nothing() -> Self {
        Self::Any(Vec::new())
    }

    /// The key holds this.
    pub fn is(key: &str, value: &str) -> Self {
        Self::any_of(key, [value])
    }

    /// The key holds one of these.
    pub fn any_of<'v>(key: &str, values: impl IntoIterator<Item = &'v str>) -> Self {
        let values: BTreeSet<String> = values.into_iter().map(str::to_lowercase).collect();
        Self::In(Key::new(key), values.into_iter().collect())
    }

    /// The key is there.
    pub fn exists(key: &str) -> Self {
        Self::Exists(Key::new(key))
    }

    /// The key holds something that begins so.
    pub fn prefix(key: &str, start: &str) -> Self {
        Self::Prefix(Key::new(key), start.to_lowercase())
    }

    /// One of the keys holds something that has this in it.
    pub fn contains<'k>(keys: impl IntoIterator<Item = &'k str>, part: &str) -> Self {
        let part = part.to_lowercase();
        let keys: BTreeSet<Key> = keys.into_iter().map(Key::new).collect();
        let each = keys.into_iter().map(|key| Self::Contains(key, part.clone()));
        Self::Any(each.collect()).simplified()
    }

    /// The others. Twice is not at all.
    #[must_use]
    pub fn negated(self) -> Self {
        match self {
            Self::Not(inner) => *inner,
            other => Self::Not(Box::new(other)),
        }
    }

    /// Both hold.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self::All(vec![self, other]).simplified()
    }

    /// The same objects in the fewest words: no list of one, no list in a list of its sort, nothing said twice.
    #[must_use]
    pub fn simplified(self) -> Self {
        match self {
            Self::All(parts) => {
                let mut flat = Vec::new();
                for part in parts {
                    match part.simplified() {
                        Self::All(inner) => flat.extend(inner),
                        none @ Self::Any(_) if none == Self::nothing() => return none,
                        other => flat.push(other),
                    }
                }
                let flat = distinct(flat);
                match one_kind(&flat) {
                    Some(kind) if flat.iter().any(Self::asks_kind_within) => {
                        let known = flat.into_iter().map(|part| match part {
                            Self::In(..) => part,
                            other => other.knowing(&kind),
                        });
                        Self::All(known.collect()).simplified()
                    }
                    _ => Self::one_or(flat, Self::All),
                }
            }
            Self::Any(parts) => {
                let mut flat = Vec::new();
                for part in parts {
                    match part.simplified() {
                        Self::Any(inner) => flat.extend(inner),
                        all @ Self::All(_) if all == Self::everything() => return all,
                        other => flat.push(other),
                    }
                }
                Self::one_or(distinct(flat), Self::Any)
            }
            Self::Not(inner) => match inner.simplified() {
                Self::All(parts) if parts.is_empty() => Self::nothing(),
                Self::Any(parts) if parts.is_empty() => Self::everything(),
                other => other.negated(),
            },
            Self::In(_, values) if values.is_empty() => Self::nothing(),
            other => other,
        }
    }

    /// Asks for a kind somewhere below its top.
    fn asks_kind_within(&self) -> bool {
        match self {
            Self::All(parts) | Self::Any(parts) => parts.iter().any(|part| match part {
                Self::In(key, _) => key.field() == Field::Kind,
                other => other.asks_kind_within(),
            }),
            Self::Not(inner) => match &**inner {
                Self::In(key, _) => key.field() == Field::Kind,
                other => other.asks_kind_within(),
            },
            _ => false,
        }
    }

    /// The same for objects of this kind: what asks for the kind is answered.
    fn knowing(self, kind: &str) -> Self {
        match self {
            Self::All(parts) => Self::All(parts.into_iter().map(|p| p.knowing(kind)).collect()),
            Self::Any(parts) => Self::Any(parts.into_iter().map(|p| p.knowing(kind)).collect()),
            Self::Not(inner) => Self::Not(Box::new(inner.knowing(kind))),
            Self::In(key, values) if key.field() == Field::Kind => {
                if values.iter().any(|value| value == kind) {
                    Self::everything()
                } else {
                    Self::nothing()
                }
            }
            other => other,
        }
    }

    fn one_or(mut parts: Vec<Self>, list: impl Fn(Vec<Self>) -> Self) -> Self {
        match (parts.len(), parts.pop()) {
            (1, Some(one)) => one,
            (_, last) => {
                parts.extend(last);
                list(parts)
            }
        }
    }

    /// How many conditions it has: what it costs to ask.
    pub fn conditions(&self) -> usize {
        match self {
            Self::All(parts) | Self::Any(parts) => {
                1 + parts.iter().map(Self::conditions).sum::<usize>()
            }
            Self::Not(inner) => 1 + inner.conditions(),
            Self::In(key, values) => {
                let listed =
                    if values.iter().any(|v| v == "true") { key.listed().count() } else { 0 };
                1 + values.len() / 100 + listed
            }
            Self::Exists(key) | Self::Prefix(key, _) | Self::Contains(key, _) => {
                1 + key.listed().count()
            }
            Self::Text(_) => 1,
        }
    }

    /// How deep it goes.
    pub fn depth(&self) -> usize {
        match self {
            Self::All(parts) | Self::Any(parts) => {
                1 + parts.iter().map(Self::depth).max().unwrap_or_default()
            }
            Self::Not(inner) => 1 + inner.depth(),
            _ => 1,
        }
    }

    /// Does an object pass? What the word means; the store says the same in SQL.
    pub fn matches(&self, of: &Facts) -> bool {
        match self {
            Self::All(parts) => parts.iter().all(|part| part.matches(of)),
            Self::Any(parts) => parts.iter().any(|part| part.matches(of)),
            Self::Not(inner) => !inner.matches(of),
            Self::Exists(key) => of.has(key),
            Self::In(key, values) => of.values(key).iter().any(|found| values.contains(found)),
            Self::Prefix(key, start) => of.values(key).iter().any(|found| found.starts_with(start)),
            Self::Contains(key, part) => of.values(key).iter().any(|found| found.contains(part)),
            Self::Text(text) => {
                let asked = facts::asked(text);
                let begun = |start: &String| of.words.iter().any(|word| word.starts_with(start));
                !asked.is_empty() && asked.iter().all(begun)
            }
        }
    }
}

/// The kind that all of them must be of, where it is one: said by one of the conditions.
fn one_kind(parts: &[Filter]) -> Option<String> {
    parts.iter().find_map(|part| match part {
        Filter::In(key, values) if key.field() == Field::Kind => match values.as_slice() {
            [kind] => Some(kind.clone()),
            _ => None,
        },
        _ => None,
    })
}

fn distinct(parts: Vec<Filter>) -> Vec<Filter> {
    let mut seen = BTreeSet::new();
    parts.into_iter().filter(|part| seen.insert(part.clone())).collect()
}

impl Facts {
    /// What the key holds, lower case, each once.
    pub fn values(&self, key: &Key) -> BTreeSet<String> {
        let one = |text: &String| BTreeSet::from([text.clone()]);
        match key.field() {
            Field::Kind => one(&self.kind),
            Field::Namespace => one(&self.namespace),
            Field::Name => one(&self.name),
            Field::Uid => one(&self.uid),
            Field::Reference => one(&self.reference),
            Field::Relation(kind) => self
                .relations
                .iter()
                .filter(|(found, _)| found.eq_ignore_ascii_case(kind))
                .map(|(_, target)| target.clone())
                .collect(),
            Field::Path(path) => {
                let held = self.rows.iter().filter(|row| row.key == path && row.form != Form::Bare);
                let mut found: BTreeSet<String> = held.map(|row| row.value.clone()).collect();
                if self.lists(key) {
                    found.insert("true".into());
                }
                found
            }
            Field::Created | Field::Updated | Field::Nowhere => BTreeSet::new(),
        }
    }

    fn lists(&self, key: &Key) -> bool {
        key.listed().any(|(path, value)| {
            let held = |row: &facts::Fact| {
                row.form == Form::Listed && row.key == path && row.value == value
            };
            self.rows.iter().any(held)
        })
    }

    fn has(&self, key: &Key) -> bool {
        match key.field() {
            Field::Path(path) => self.rows.iter().any(|row| row.key == path) || self.lists(key),
            _ => !self.values(key).is_empty(),
        }
    }

    /// What it is ordered by: of several values the first. The text in a list's own path orders nothing.
    pub fn ordered(&self, key: &Key) -> Option<Sorted> {
        match key.field() {
            Field::Created => Some(Sorted::Number(self.created)),
            Field::Updated => Some(Sorted::Number(self.updated)),
            Field::Path(path) => {
                let held = self.rows.iter().filter(|row| row.key == path && row.form != Form::Bare);
                held.map(|row| row.value.clone()).min().map(Sorted::Text)
            }
            _ => self.values(key).into_iter().next().map(Sorted::Text),
        }
    }
}

/// A key to order by. Objects without it come last, whichever way.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Order {
    /// Any key; of several values the first counts.
    pub key: Key,
    /// Z to A.
    pub descending: bool,
}

impl Order {
    /// A to Z.
    pub fn by(key: &str) -> Self {
        Self { key: Key::new(key), descending: false }
    }

    /// Z to A.
    #[must_use]
    pub fn down(mut self) -> Self {
        self.descending = true;
        self
    }
}

/// What an object is put in order by.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Sorted {
    /// By bytes, lower case.
    Text(String),
    /// Microseconds since 1970.
    Number(i64),
}

/// A place between two objects of an ordered list: beside the one that held these values.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Cursor {
    /// The page before it, not the one after.
    pub back: bool,
    /// One for each [`Order`]; none where the object lacked the key.
    pub values: Vec<Option<Sorted>>,
    /// The object's number.
    pub id: i64,
}

/// A question about declared objects.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Query {
    /// What is asked for.
    pub filter: Filter,
    /// What may be seen: from policy, joined with the filter. Totals and facets count only it.
    pub scope: Filter,
    /// By reference where it is empty. Objects that are otherwise equal: the one made first comes first, or last where
    /// the last order is descending.
    pub order: Vec<Order>,
    /// Where the page begins, or for a page back ends.
    pub cursor: Option<Cursor>,
    /// How many to pass over; only without a cursor.
    pub offset: u32,
    /// How many at most; 0 asks for the total alone.
    pub limit: u32,
    /// Say how many there are in all.
    pub total: bool,
}

impl Query {
    /// The first `limit` of what passes the filter, by reference.
    pub const fn of(filter: Filter, limit: u32) -> Self {
        Self {
            filter,
            scope: Filter::everything(),
            order: Vec::new(),
            cursor: None,
            offset: 0,
            limit,
            total: false,
        }
    }

    /// Filter and scope in one.
    pub fn asked(&self) -> Filter {
        Filter::All(vec![self.filter.clone(), self.scope.clone()]).simplified()
    }

    /// The orders with the one that is meant where none is given.
    pub fn orders(&self) -> Vec<Order> {
        if self.order.is_empty() { vec![Order::by("ref")] } else { self.order.clone() }
    }

    /// Is equal turned round as well?
    pub fn ties_descend(&self) -> bool {
        self.order.last().is_some_and(|order| order.descending)
    }

    /// What is asked of these objects: the numbers of a page's, and whether there are more before and after. What the
    /// words mean; the store says the same in SQL.
    pub fn answer(&self, of: &[Facts]) -> Answer {
        let (asked, orders, ties) = (self.asked(), self.orders(), self.ties_descend());
        let mut found: Vec<(Vec<Option<Sorted>>, i64)> = of
            .iter()
            .filter(|facts| asked.matches(facts))
            .map(|facts| (orders.iter().map(|o| facts.ordered(&o.key)).collect(), facts.id))
            .collect();
        let compare = |a: &(Vec<Option<Sorted>>, i64), b: &(Vec<Option<Sorted>>, i64)| {
            let each = orders.iter().zip(a.0.iter().zip(&b.0));
            let mut all = each.map(|(order, (a, b))| in_order(order.descending, a, b));
            all.find(|found| found.is_ne())
                .unwrap_or_else(|| if ties { b.1.cmp(&a.1) } else { a.1.cmp(&b.1) })
        };
        found.sort_by(compare);
        let total = found.len();
        let limit = self.limit as usize;
        let (from, to) = match &self.cursor {
            None => (self.offset as usize, self.offset as usize + limit),
            Some(cursor) => {
                let here = (cursor.values.clone(), cursor.id);
                if cursor.back {
                    let to = found.partition_point(|one| compare(one, &here).is_lt());
                    (to.saturating_sub(limit), to)
                } else {
                    let from = found.partition_point(|one| compare(one, &here).is_le());
                    (from, from + limit)
                }
            }
        };
        let rows: Vec<(Vec<Option<Sorted>>, i64)> =
            found.get(from.min(total)..to.min(total)).unwrap_or_default().to_vec();
        let cursor = |back: bool, row: Option<&(Vec<Option<Sorted>>, i64)>| {
            row.map(|(values, id)| Cursor { back, values: values.clone(), id: *id })
        };
        let going_back = self.cursor.as_ref().is_some_and(|cursor| cursor.back);
        let (before, after) = if going_back {
            (from > 0, true)
        } else {
            (self.cursor.is_some() || self.offset > 0, to < total)
        };
        Answer {
            before: if before { cursor(true, rows.first()) } else { None },
            after: if after { cursor(false, rows.last()) } else { None },
            ids: rows.into_iter().map(|(_, id)| id).collect(),
            total,
        }
    }
}

fn in_order(descending: bool, a: &Option<Sorted>, b: &Option<Sorted>) -> Ordering {
    match (a, b) {
        (Some(a), Some(b)) if descending => b.cmp(a),
        (Some(a), Some(b)) => a.cmp(b),
        (Some(_), None) => Ordering::Less,
        (None, Some(_)) => Ordering::Greater,
        (None, None) => Ordering::Equal,
    }
}

/// One page, as the reference evaluator says it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The objects' numbers, in order.
    pub ids: Vec<i64>,
    /// How many there are in all.
    pub total: usize,
    /// The page before this one, where there may be one.
    pub before: Option<Cursor>,
    /// The page after this one, where there is one.
    pub after: Option<Cursor>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn facts(id: i64, name: &str, spec: serde_json::Value) -> Facts {
        let document = json!({
            "kind": "Component", "metadata": { "name": name, "namespace": "default" }, "spec": spec,
        });
        Facts {
            id,
            reference: format!("component:default/{name}"),
            kind: "component".into(),
            namespace: "default".into(),
            name: name.into(),
            rows: facts::rows(&document).into_iter().collect(),
            words: facts::words(&document),
            relations: BTreeSet::from([("ownedBy".into(), format!("group:default/{name}"))]),
            ..Facts::default()
        }
    }

    #[test]
    fn what_asks_for_a_known_kind_is_answered_beforehand() {
        let components = || Filter::is("kind", "component");
        let of_team = || Filter::is("relations.ownedBy", "group:default/a");
        let governed = Filter::Any(vec![
            Filter::any_of("kind", ["group", "user"]),
            Filter::All(vec![Filter::any_of("kind", ["component", "api"]), of_team()]),
        ]);
        let simple = components().and(governed.clone());
        assert_eq!(simple, Filter::All(vec![components(), of_team()]));
        let groups = Filter::is("kind", "group").and(governed.clone());
        assert_eq!(groups, Filter::is("kind", "group"));
        let not = components().and(governed.clone().negated());
        assert_eq!(not, Filter::All(vec![components(), of_team().negated()]));
        assert_eq!(Filter::is("kind", "location").and(governed), Filter::nothing());
    }

    #[test]
    fn filters_mean_what_the_catalog_means() {
        let of = facts(
            1,
            "pay",
            json!({ "a": { "b": ["C", { "d": 1 }], "e": null }, "type": "Service" }),
        );
        for (filter, passes) in [
            (Filter::exists("spec.a.b"), true),
            (Filter::exists("spec.a.B.c"), true),
            (Filter::is("spec.a.b.c", "TRUE"), true),
            (Filter::is("spec.a.b.d", "1"), true),
            (Filter::exists("spec.a.b.d.1"), false),
            (Filter::exists("spec.type.service"), false),
            (Filter::exists("spec.a.e"), true),
            (Filter::is("spec.a.e", ""), false),
            (Filter::exists("spec.a"), false),
            (Filter::is("kind", "Component"), true),
            (Filter::is("Relations.OwnedBy", "group:default/pay"), true),
            (Filter::exists("relations.ownerOf"), false),
            (Filter::prefix("spec.type", "SER"), true),
            (Filter::contains(["spec.type", "kind"], "PONE"), true),
            (Filter::any_of("spec.type", []), false),
            (Filter::All(vec![]), true),
            (Filter::Any(vec![]), false),
            (Filter::is("spec.type", "service").negated(), false),
            (Filter::Text("pa serv".into()), true),
            (Filter::Text("pa other".into()), false),
            (Filter::Text("?!".into()), false),
            (Filter::exists(&"k".repeat(201)), false),
        ] {
            assert_eq!(filter.matches(&of), passes, "{filter:?}");
            assert_eq!(filter.clone().simplified().matches(&of), passes, "{filter:?}");
        }
    }

    #[test]
    fn pages_go_forth_and_back_and_what_lacks_the_key_comes_last() {
        let of = [
            facts(1, "a", json!({ "t": "x" })),
            facts(2, "b", json!({})),
            facts(3, "c", json!({ "t": "y" })),
            facts(4, "d", json!({ "t": "x" })),
        ];
        let mut query = Query::of(Filter::everything(), 3);
        query.order = vec![Order::by("spec.t").down()];
        let first = query.answer(&of);
        assert_eq!((first.ids, first.total, first.before), (vec![3, 4, 1], 4, None));
        query.cursor = first.after;
        let second = query.answer(&of);
        assert_eq!((second.ids, second.after), (vec![2], None));
        query.cursor = second.before;
        let again = query.answer(&of);
        assert_eq!((again.ids, again.before), (vec![3, 4, 1], None));
        assert!(again.after.is_some());
    }
}
