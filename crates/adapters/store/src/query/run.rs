//! A page of objects. Two ways lead to it: to walk along the order and ask each object, or to gather those that one
//! condition holds for and put them in order. The counts say which is shorter.

use super::compile::{Sql, apart, column, only_kind};
use crate::db::Row;
use crate::{Store, StoreError, Topic};
use tow_model::Relation;
use tow_model::query::{Cursor, Field, Filter, MOST_ROWS, Order, Query, Sorted};
use tow_names::Timestamp;

const COLUMNS: &str = "o.id, o.kind, o.ref, o.uid, o.generation, o.version, o.created_at, o.updated_at, \
                       o.created_by, o.source, o.status, o.body";
/// Where the relations stand: what the object says of others, and what others say of it. A line each: the type, a
/// space, the reference.
const RELATIONS: usize = 12;
/// Where the values an object is ordered by stand.
const FIRST_SORTED: usize = 14;

/// The columns of a row, with the relations where they are wanted.
fn columns(relations: bool, postgres: bool) -> String {
    if !relations {
        return format!("{COLUMNS}, NULL, NULL");
    }
    let (gather, line) =
        if postgres { ("string_agg", "chr(10)") } else { ("group_concat", "char(10)") };
    format!(
        "{COLUMNS}, (SELECT {gather}(r.type || ' ' || r.target, {line}) FROM relation r WHERE r.origin = o.id), \
         (SELECT {gather}(r.type || ' ' || p.ref, {line}) FROM relation r JOIN object p ON p.id = r.origin \
         WHERE r.target = o.ref)"
    )
}

/// An object that was found. Its body is the text that was stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The store's number: the order of those that are otherwise equal.
    pub id: i64,
    /// Lower case.
    pub kind: String,
    /// `kind:namespace/name`, lower case.
    pub reference: String,
    /// Given when it was made.
    pub uid: String,
    /// Grows when the spec changes.
    pub generation: i64,
    /// Grows with each write.
    pub version: i64,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last written.
    pub updated_at: Timestamp,
    /// Who made it.
    pub created_by: String,
    /// Which source it belongs to.
    pub source: Option<String>,
    /// JSON.
    pub status: Option<String>,
    /// JSON: the manifest, with `apiVersion`, `kind`, `metadata` and `spec` in this order.
    pub body: String,
    /// Of both directions where they were asked for: the type, and the other's reference; in order, each once.
    pub relations: Vec<(&'static str, String)>,
    sorted: Vec<Option<Sorted>>,
}

/// Objects in order, and where to go on.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Page {
    /// The objects.
    pub rows: Vec<Found>,
    /// How many there are in all, where that was asked.
    pub total: Option<i64>,
    /// The page before, where there may be one.
    pub before: Option<Cursor>,
    /// The page after, where there is one.
    pub after: Option<Cursor>,
}

/// Those that have the key they are ordered by, or those that lack it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Group {
    Having,
    Lacking,
}

/// Part of a walk: a group from a place on.
#[derive(Debug, Clone, Copy)]
struct Stretch<'c> {
    group: Group,
    from: Option<&'c Cursor>,
    offset: i64,
}

impl Store {
    /// A page of what is asked for; with the objects' relations where those are wanted.
    pub async fn query(&self, query: &Query, relations: bool) -> Result<Page, StoreError> {
        let revision = self.revision(Topic::Catalog);
        // On the heap: whoever asks is often deep in other futures already.
        let make = Box::pin(self.queried(revision, query, relations));
        self.inner.asked.pages.get(revision, query, relations, make).await
    }

    async fn queried(
        &self,
        revision: u64,
        query: &Query,
        relations: bool,
    ) -> Result<Page, StoreError> {
        let asked = apart(query.asked()).simplified();
        let total = self.counted(revision, &asked).await?;
        let limit = i64::from(query.limit.min(MOST_ROWS));
        let mut page = Page { total: query.total.then_some(total), ..Page::default() };
        if limit == 0 || total == 0 {
            return Ok(page);
        }
        let orders = query.orders();
        let fewest = self.fewest(revision, &asked).await?;
        let back = query.cursor.as_ref().is_some_and(|cursor| cursor.back);
        let columns = columns(relations, self.inner.db.is_postgres());
        let want = limit + 1;
        let plan = Plan { query, asked: &asked, orders: &orders, back, want, columns: &columns };
        let walked = self.walked(revision, &plan, total).await?;
        let mut rows = match (&fewest, walked) {
            (Some((_, few)), Some(steps)) if steps > *few => self.gathered(&plan, &fewest).await?,
            (_, Some(_)) => self.walk(revision, &plan, total).await?,
            _ => self.gathered(&plan, &fewest).await?,
        };
        let more = rows.len() as i64 > limit;
        rows.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
        if back {
            rows.reverse();
        }
        let (before, after) =
            if back { (more, true) } else { (query.cursor.is_some() || query.offset > 0, more) };
        let cursor = |back: bool, row: Option<&Found>| {
            row.map(|row| Cursor { back, values: row.sorted.clone(), id: row.id })
        };
        page.before = if before { cursor(true, rows.first()) } else { None };
        page.after = if after { cursor(false, rows.last()) } else { None };
        page.rows = rows;
        Ok(page)
    }

    /// Those of these objects (canonical references) that there are and that pass, in no particular order.
    pub async fn find(
        &self,
        references: &[String],
        scope: &Filter,
        relations: bool,
    ) -> Result<Vec<Found>, StoreError> {
        if references.is_empty() {
            return Ok(Vec::new());
        }
        let mut sql = Sql::new(self.inner.db.is_postgres());
        let columns = columns(relations, sql.postgres);
        sql.push(&format!("SELECT {columns} FROM object o WHERE o.ref "));
        match references {
            [one] => {
                sql.push("= ");
                sql.arg(one.clone());
            }
            many => {
                sql.push("IN ");
                sql.among(many);
            }
        }
        if *scope != Filter::everything() {
            sql.push(" AND ");
            sql.condition(scope);
        }
        let rows = self.inner.db.fetch(sql.text, &sql.args).await?;
        rows.iter().map(|row| read(row, &[])).collect()
    }

    /// How many objects a walk would look at; none where the order can't be walked along.
    async fn walked(
        &self,
        revision: u64,
        plan: &Plan<'_>,
        total: i64,
    ) -> Result<Option<i64>, StoreError> {
        let [order] = plan.orders else { return Ok(None) };
        let along = match order.key.field() {
            Field::Nowhere | Field::Kind | Field::Relation(_) => return Ok(None),
            Field::Path(_) => Filter::Exists(order.key.clone()),
            Field::Name | Field::Reference => match only_kind(plan.asked) {
                Some(kind) => Filter::is("kind", kind),
                None => Filter::everything(),
            },
            _ => Filter::everything(),
        };
        let along = self.counted(revision, &along).await?;
        let wanted = i64::from(plan.query.offset) + plan.want;
        Ok(Some(wanted.saturating_mul(along) / total.max(1)))
    }

    /// Along the order, those that lack the key after those that have it.
    async fn walk(
        &self,
        revision: u64,
        plan: &Plan<'_>,
        total: i64,
    ) -> Result<Vec<Found>, StoreError> {
        let order = &plan.orders[0];
        let lacking = match order.key.field() {
            Field::Path(path) => self.lacking(revision, plan.asked, path).await?,
            _ => 0,
        };
        let mut rows = Vec::new();
        for stretch in plan.stretches(total - lacking) {
            if stretch.group == Group::Lacking && lacking == 0 {
                continue;
            }
            let want = plan.want - rows.len() as i64;
            if want <= 0 {
                break;
            }
            let sql = plan.step(stretch, want, self.inner.db.is_postgres());
            for row in self.inner.db.fetch(sql.text, &sql.args).await? {
                let sorted = match stretch.group {
                    Group::Having => read(&row, plan.orders)?,
                    Group::Lacking => Found { sorted: vec![None], ..read(&row, &[])? },
                };
                rows.push(sorted);
            }
        }
        Ok(rows)
    }

    async fn gathered(
        &self,
        plan: &Plan<'_>,
        fewest: &Option<(Filter, i64)>,
    ) -> Result<Vec<Found>, StoreError> {
        let by = fewest.as_ref().map(|(part, _)| part);
        let sql = plan.gathering(by, self.inner.db.is_postgres());
        let rows = self.inner.db.fetch(sql.text, &sql.args).await?;
        rows.iter().map(|row| read(row, plan.orders)).collect()
    }
}

#[cfg(test)]
impl Found {
    /// For tests of what is kept.
    pub(super) fn of_size(bytes: usize) -> Self {
        Self {
            id: 1,
            kind: String::new(),
            reference: String::new(),
            uid: String::new(),
            generation: 1,
            version: 1,
            created_at: Timestamp(0),
            updated_at: Timestamp(0),
            created_by: String::new(),
            source: None,
            status: None,
            body: "x".repeat(bytes),
            relations: Vec::new(),
            sorted: Vec::new(),
        }
    }
}

fn read(row: &Row, orders: &[Order]) -> Result<Found, StoreError> {
    let mut sorted = Vec::with_capacity(orders.len());
    for (at, order) in orders.iter().enumerate() {
        let at = FIRST_SORTED + at;
        sorted.push(match order.key.field() {
            Field::Created | Field::Updated => row.maybe_int(at)?.map(Sorted::Number),
            _ => row.maybe(at)?.map(Sorted::Text),
        });
    }
    Ok(Found {
        id: row.int(0)?,
        kind: row.text(1)?,
        reference: row.text(2)?,
        uid: row.text(3)?,
        generation: row.int(4)?,
        version: row.int(5)?,
        created_at: Timestamp(row.int(6)?),
        updated_at: Timestamp(row.int(7)?),
        created_by: row.text(8)?,
        source: row.maybe(9)?,
        status: row.maybe(10)?,
        body: row.text(11)?,
        relations: relations(row)?,
        sorted,
    })
}

/// In order, each once: both ends may have said it.
fn relations(row: &Row) -> Result<Vec<(&'static str, String)>, StoreError> {
    let mut found = Vec::new();
    for (at, turned) in [(RELATIONS, false), (RELATIONS + 1, true)] {
        let Some(lines) = row.maybe(at)? else { continue };
        for (kind, target) in lines.lines().filter_map(|line| line.split_once(' ')) {
            let Some(kind) = Relation::parse(kind) else { continue };
            let kind = if turned { kind.inverse() } else { kind };
            found.push((kind.as_str(), target.to_string()));
        }
    }
    found.sort();
    found.dedup();
    Ok(found)
}

/// What is asked, put ready.
struct Plan<'q> {
    query: &'q Query,
    asked: &'q Filter,
    orders: &'q [Order],
    back: bool,
    want: i64,
    columns: &'q str,
}

impl Plan<'_> {
    /// The parts of a walk, in the direction of it. `having`: how many have the key.
    fn stretches(&self, having: i64) -> Vec<Stretch<'_>> {
        let stretch = |group, from, offset| Stretch { group, from, offset };
        let Some(cursor) = &self.query.cursor else {
            let offset = i64::from(self.query.offset);
            return vec![
                stretch(Group::Having, None, offset),
                stretch(Group::Lacking, None, (offset - having).max(0)),
            ];
        };
        let here = Some(cursor);
        let has = cursor.values.first().is_some_and(Option::is_some);
        match (self.back, has) {
            (false, true) => {
                vec![stretch(Group::Having, here, 0), stretch(Group::Lacking, None, 0)]
            }
            (false, false) => vec![stretch(Group::Lacking, here, 0)],
            (true, true) => vec![stretch(Group::Having, here, 0)],
            (true, false) => {
                vec![stretch(Group::Lacking, here, 0), stretch(Group::Having, None, 0)]
            }
        }
    }

    fn direction(&self, descending: bool) -> &'static str {
        if descending == self.back { "ASC" } else { "DESC" }
    }

    /// One stretch of a walk.
    fn step(&self, stretch: Stretch<'_>, want: i64, postgres: bool) -> Sql {
        let (order, mut sql) = (&self.orders[0], Sql::new(postgres));
        let direction = self.direction(order.descending);
        let beyond = if direction == "ASC" { ">" } else { "<" };
        let hint = |index: &str| {
            if postgres { String::new() } else { format!(" INDEXED BY {index}") }
        };
        let kind = only_kind(self.asked);
        match (stretch.group, order.key.field()) {
            (Group::Lacking, _) => {
                let columns = self.columns;
                sql.push(&format!("SELECT {columns} FROM object o WHERE "));
                sql.lacks(order.key.as_str());
                if let Some(cursor) = stretch.from {
                    sql.push(&format!(" AND o.id {beyond} "));
                    sql.arg(cursor.id);
                }
            }
            (Group::Having, Field::Path(path)) => {
                let (hint, columns) = (hint("search_value"), self.columns);
                sql.push(&format!(
                    "SELECT {columns}, s.value FROM search s{hint} CROSS JOIN object o WHERE s.key = "
                ));
                sql.key(path);
                sql.push(
                    " AND s.form < 2 AND o.id = s.object AND NOT EXISTS (SELECT 1 FROM search t \
                     WHERE t.object = s.object AND t.key = s.key AND t.value < s.value AND t.form < 2)",
                );
                self.past_cursor(&mut sql, stretch, "s.value", "s.object", beyond);
            }
            (Group::Having, field) => {
                let column = column(field).unwrap_or("o.ref");
                let index = match (field, kind) {
                    (Field::Name, Some(_)) => "object_kind_name",
                    (Field::Name, None) => "object_name",
                    (Field::Namespace, _) => "object_namespace",
                    (Field::Uid, _) => "object_uid",
                    (Field::Created, _) => "object_created",
                    (Field::Updated, _) => "object_updated",
                    _ => "object_ref",
                };
                let (hint, columns) = (hint(index), self.columns);
                sql.push(&format!("SELECT {columns}, {column} FROM object o{hint} WHERE 1 = 1"));
                match (field, kind) {
                    (Field::Name, Some(kind)) => {
                        sql.push(" AND o.kind = ");
                        sql.arg(kind.to_string());
                    }
                    (Field::Reference, Some(kind)) => {
                        // `;` follows `:`.
                        sql.push(" AND o.ref >= ");
                        sql.arg(format!("{kind}:"));
                        sql.push(" AND o.ref < ");
                        sql.arg(format!("{kind};"));
                    }
                    _ => {}
                }
                self.past_cursor(&mut sql, stretch, column, "o.id", beyond);
            }
        }
        sql.push(" AND ");
        sql.condition(self.asked);
        sql.push(" ORDER BY ");
        match (stretch.group, order.key.field()) {
            (Group::Lacking, _) => sql.push(&format!("o.id {direction}")),
            (_, Field::Reference) => sql.push(&format!("o.ref {direction}")),
            (_, Field::Path(_)) => sql.push(&format!("s.value {direction}, s.object {direction}")),
            (_, field) => {
                let column = column(field).unwrap_or("o.ref");
                sql.push(&format!("{column} {direction}, o.id {direction}"));
            }
        }
        sql.push(" LIMIT ");
        sql.arg(want);
        if stretch.offset > 0 {
            sql.push(" OFFSET ");
            sql.arg(stretch.offset);
        }
        sql
    }

    fn past_cursor(&self, sql: &mut Sql, stretch: Stretch<'_>, key: &str, id: &str, beyond: &str) {
        let Some(cursor) = stretch.from else { return };
        sql.push(&format!(" AND ({key}, {id}) {beyond} ("));
        argument(sql, cursor.values.first().and_then(Option::as_ref));
        sql.push(", ");
        sql.arg(cursor.id);
        sql.push(")");
    }

    /// Gathers what passes, puts it in order, and reads only what is on the page.
    fn gathering(&self, by: Option<&Filter>, postgres: bool) -> Sql {
        let mut sql = Sql::new(postgres);
        let keys: Vec<String> = (0..self.orders.len()).map(|at| format!("k{at}")).collect();
        let listed = |of: &str| keys.iter().map(|key| format!(", {of}.{key}")).collect::<String>();
        let (p, q) = (listed("p"), listed("q"));
        let columns = self.columns;
        sql.push(&format!("SELECT {columns}{p} FROM (SELECT q.id{q} FROM (SELECT o.id AS id"));
        for (order, key) in self.orders.iter().zip(&keys) {
            sql.push(", ");
            sql.ordered(&order.key);
            sql.push(&format!(" AS {key}"));
        }
        sql.push(" FROM ");
        sql.among_gathered(by, self.asked);
        sql.push(") q WHERE 1 = 1");
        if let Some(cursor) = &self.query.cursor {
            sql.push(" AND ");
            self.beyond(&mut sql, cursor, 0);
        }
        let ordered = |of: &str| {
            let mut terms: Vec<String> = Vec::new();
            for (order, key) in self.orders.iter().zip(&keys) {
                let last = if self.back { "DESC" } else { "ASC" };
                terms.push(format!("{of}.{key} IS NULL {last}"));
                terms.push(format!("{of}.{key} {}", self.direction(order.descending)));
            }
            terms.push(format!("{of}.id {}", self.direction(self.query.ties_descend())));
            format!(" ORDER BY {}", terms.join(", "))
        };
        sql.push(&ordered("q"));
        sql.push(" LIMIT ");
        sql.arg(self.want);
        if self.query.cursor.is_none() && self.query.offset > 0 {
            sql.push(" OFFSET ");
            sql.arg(i64::from(self.query.offset));
        }
        sql.push(") p CROSS JOIN object o WHERE o.id = p.id");
        sql.push(&ordered("p"));
        sql
    }

    /// Beyond the cursor in the order, from the key at `at` on.
    fn beyond(&self, sql: &mut Sql, cursor: &Cursor, at: usize) {
        let Some(order) = self.orders.get(at) else {
            let mark = if self.direction(self.query.ties_descend()) == "ASC" { ">" } else { "<" };
            sql.push(&format!("q.id {mark} "));
            return sql.arg(cursor.id);
        };
        let mark = if self.direction(order.descending) == "ASC" { ">" } else { "<" };
        match cursor.values.get(at).and_then(Option::as_ref) {
            Some(value) => {
                sql.push(&format!("(q.k{at} {mark} "));
                argument(sql, Some(value));
                if !self.back {
                    sql.push(&format!(" OR q.k{at} IS NULL"));
                }
                sql.push(&format!(" OR (q.k{at} = "));
                argument(sql, Some(value));
                sql.push(" AND ");
                self.beyond(sql, cursor, at + 1);
                sql.push("))");
            }
            None => {
                let other =
                    if self.back { format!("q.k{at} IS NOT NULL OR ") } else { String::new() };
                sql.push(&format!("({other}(q.k{at} IS NULL AND "));
                self.beyond(sql, cursor, at + 1);
                sql.push("))");
            }
        }
    }
}

fn argument(sql: &mut Sql, value: Option<&Sorted>) {
    match value {
        Some(Sorted::Number(number)) => sql.arg(*number),
        Some(Sorted::Text(text)) => sql.arg(text.clone()),
        None => sql.arg(String::new()),
    }
}
