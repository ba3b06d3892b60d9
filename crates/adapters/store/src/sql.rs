//! Every statement, each one constant, in the dialect that SQLite and Postgres share: `$1`, ON CONFLICT … DO UPDATE …
//! WHERE, RETURNING, row values; BIGINT microseconds, ids and bodies TEXT. A test prepares all of them.

/// A statement for several rows at once: `head ($1, $2), ($3, $4) tail`.
pub(crate) struct Rows {
    pub(crate) head: &'static str,
    pub(crate) columns: usize,
    pub(crate) tail: &'static str,
}

/// How many rows one statement takes: few texts, so that each stays prepared, and far below the limit of 32,766
/// parameters a statement.
pub(crate) const SIZES: [usize; 4] = [100, 20, 5, 1];

impl Rows {
    /// The text for so many rows.
    pub(crate) fn text(&self, rows: usize) -> String {
        use std::fmt::Write as _;
        let mut text = String::from(self.head);
        let mut number = 0;
        for row in 0..rows {
            text.push_str(if row == 0 { "(" } else { ", (" });
            for column in 0..self.columns {
                number += 1;
                let _ = write!(text, "{}${number}", if column == 0 { "" } else { ", " });
            }
            text.push(')');
        }
        text.push_str(self.tail);
        text
    }
}

pub(crate) const BEGIN: &str = "BEGIN IMMEDIATE";

pub(crate) const TABLES: &str = "SELECT name FROM sqlite_master WHERE type = 'table'";
pub(crate) const MIGRATIONS_MADE: &str =
    "CREATE TABLE IF NOT EXISTS migration (number BIGINT NOT NULL PRIMARY KEY, name TEXT NOT NULL)";
pub(crate) const MIGRATION_LAST: &str = "SELECT COALESCE(MAX(number), 0) FROM migration";
pub(crate) const MIGRATION_DONE: &str =
    "INSERT INTO migration (number, name) VALUES ($1, $2) ON CONFLICT (number) DO NOTHING";

pub(crate) const RECORD_GET: &str =
    "SELECT id, version, body FROM record WHERE kind = $1 AND id = $2";
pub(crate) const RECORD_LAST: &str = "SELECT id, version, body FROM record \
     WHERE kind = $1 AND subject = $2 ORDER BY number DESC, id DESC LIMIT 1";
pub(crate) const RECORD_ALL: &str =
    "SELECT kind, id, subject, number, open, body FROM record ORDER BY kind, id";
pub(crate) const RECORD_VERSIONS: Rows = Rows {
    head: "SELECT kind, id, version FROM record WHERE (kind, id) IN (VALUES ",
    columns: 2,
    tail: ")",
};
pub(crate) const RECORD_PUT: Rows = Rows {
    head: "INSERT INTO record (kind, id, subject, number, open, version, made, body) VALUES ",
    columns: 8,
    tail: " ON CONFLICT (kind, id) DO UPDATE SET subject = excluded.subject, number = excluded.number, \
          open = excluded.open, version = excluded.version, body = excluded.body \
          WHERE record.version = excluded.version - 1",
};
pub(crate) const RECORD_REMOVE: Rows =
    Rows { head: "DELETE FROM record WHERE (kind, id) IN (VALUES ", columns: 2, tail: ")" };

macro_rules! record_list {
    ($filter:literal, $order:literal, $limit:literal) => {
        concat!(
            "SELECT id, version, body FROM record WHERE kind = $1",
            $filter,
            " ORDER BY ",
            $order,
            " LIMIT ",
            $limit
        )
    };
}
const BY_SUBJECT: &str = record_list!(" AND subject = $2", "number, id", "$3");
const BY_SUBJECT_NEWEST: &str = record_list!(" AND subject = $2", "number DESC, id DESC", "$3");
const BY_OPEN: &str = record_list!(" AND open = $2", "subject, number, id", "$3");
const BY_OPEN_NEWEST: &str =
    record_list!(" AND open = $2", "made DESC, number DESC, id DESC", "$3");
const BY_BOTH: &str = record_list!(" AND subject = $2 AND open = $3", "number, id", "$4");
const BY_BOTH_NEWEST: &str =
    record_list!(" AND subject = $2 AND open = $3", "number DESC, id DESC", "$4");
const BY_KIND: &str = record_list!("", "subject, number, id", "$2");
const BY_KIND_NEWEST: &str = record_list!("", "made DESC, number DESC, id DESC", "$2");

/// The list of a kind's records: parameters are the kind, then those filters that are given, then the limit.
pub(crate) const fn record_find(subject: bool, open: bool, newest: bool) -> &'static str {
    match (subject, open, newest) {
        (true, false, false) => BY_SUBJECT,
        (true, false, true) => BY_SUBJECT_NEWEST,
        (false, true, false) => BY_OPEN,
        (false, true, true) => BY_OPEN_NEWEST,
        (true, true, false) => BY_BOTH,
        (true, true, true) => BY_BOTH_NEWEST,
        (false, false, false) => BY_KIND,
        (false, false, true) => BY_KIND_NEWEST,
    }
}

macro_rules! object_select {
    ($rest:literal) => {
        concat!(
            "SELECT kind, namespace, name, uid, generation, version, created_at, updated_at, \
             created_by, body FROM object ",
            $rest
        )
    };
}
pub(crate) const OBJECT_GET: &str =
    object_select!("WHERE kind = $1 AND namespace = $2 AND name = $3");
pub(crate) const OBJECT_KIND: &str = object_select!("WHERE kind = $1 ORDER BY namespace, name");
pub(crate) const OBJECT_ALL: &str = object_select!("ORDER BY namespace, name, kind");
pub(crate) const OBJECT_BY: Rows = Rows {
    head: object_select!("WHERE (kind, namespace, name) IN (VALUES "),
    columns: 3,
    tail: ")",
};
pub(crate) const OBJECT_VERSIONS: Rows = Rows {
    head: "SELECT kind, namespace, name, version, generation, uid, created_at, created_by \
           FROM object WHERE (kind, namespace, name) IN (VALUES ",
    columns: 3,
    tail: ")",
};
pub(crate) const OBJECT_PUT: Rows = Rows {
    head: "INSERT INTO object (kind, namespace, name, uid, version, generation, body, created_at, \
           updated_at, created_by) VALUES ",
    columns: 10,
    tail: " ON CONFLICT (kind, namespace, name) DO UPDATE SET version = excluded.version, \
          generation = excluded.generation, body = excluded.body, updated_at = excluded.updated_at \
          WHERE object.version = excluded.version - 1",
};
pub(crate) const OBJECT_REMOVE: Rows = Rows {
    head: "DELETE FROM object WHERE (kind, namespace, name) IN (VALUES ",
    columns: 3,
    tail: ")",
};

pub(crate) const HEAD: &str = "SELECT seq FROM head WHERE id = 1";
pub(crate) const HEAD_BUMP: &str = "UPDATE head SET seq = seq + $1 WHERE id = 1 RETURNING seq";
pub(crate) const EVENT_PUT: Rows = Rows {
    head: "INSERT INTO event (seq, at, actor, request, kind, subject, body_sha256, body) VALUES ",
    columns: 8,
    tail: "",
};

macro_rules! event_select {
    ($rest:literal) => {
        concat!(
            "SELECT seq, at, actor, request, kind, subject, body_sha256, body FROM event ",
            $rest
        )
    };
}
pub(crate) const EVENTS_AFTER: &str = event_select!("WHERE seq > $1 ORDER BY seq LIMIT $2");
pub(crate) const EVENTS_LAST: &str = event_select!("ORDER BY seq DESC LIMIT $1");
// `@` is followed by `A`: everything between the two is a place of the component.
pub(crate) const EVENTS_OF_AFTER: &str = event_select!(
    "WHERE (subject = $1 OR (subject > $1 || '@' AND subject < $1 || 'A')) AND seq > $2 ORDER BY seq LIMIT $3"
);
pub(crate) const EVENTS_OF_LAST: &str = event_select!(
    "WHERE (subject = $1 OR (subject > $1 || '@' AND subject < $1 || 'A')) ORDER BY seq DESC LIMIT $2"
);
pub(crate) const EVENTS_ALL: &str = event_select!("ORDER BY seq");

pub(crate) const LEASE_EPOCH: &str = "SELECT epoch FROM lease WHERE name = $1";
pub(crate) const LEASE_TAKE: &str = "INSERT INTO lease (name, holder, epoch, expires) VALUES ($1, $2, 1, $3) \
     ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, epoch = lease.epoch + 1, expires = excluded.expires \
     WHERE lease.expires <= $4 OR lease.holder = excluded.holder OR $5 = 1 RETURNING epoch";
pub(crate) const LEASE_RENEW: &str = "UPDATE lease SET expires = $4 \
     WHERE name = $1 AND holder = $2 AND epoch = $3 RETURNING epoch";

pub(crate) const IDEMPOTENCY_GET: &str = "SELECT body_sha256, status, reply FROM idempotency \
     WHERE actor = $1 AND route = $2 AND key = $3 AND at > $4";
pub(crate) const IDEMPOTENCY_PUT: &str = "INSERT INTO idempotency (actor, route, key, body_sha256, status, reply, at) \
     VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (actor, route, key) DO NOTHING";
pub(crate) const IDEMPOTENCY_SWEEP: &str = "DELETE FROM idempotency WHERE at <= $1";

pub(crate) const CURSOR_GET: &str = "SELECT seq FROM cursor WHERE consumer = $1";
pub(crate) const CURSOR_PUT: &str = "INSERT INTO cursor (consumer, seq) VALUES ($1, $2) \
     ON CONFLICT (consumer) DO UPDATE SET seq = excluded.seq WHERE cursor.seq < excluded.seq";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::migration::MIGRATIONS;
    use sqlx::{AssertSqlSafe, Executor as _, SqlSafeStr as _, sqlite::SqliteConnectOptions};

    const ALL: [&str; 25] = [
        TABLES,
        MIGRATIONS_MADE,
        MIGRATION_LAST,
        MIGRATION_DONE,
        RECORD_GET,
        RECORD_LAST,
        RECORD_ALL,
        OBJECT_GET,
        OBJECT_KIND,
        OBJECT_ALL,
        HEAD,
        HEAD_BUMP,
        EVENTS_AFTER,
        EVENTS_LAST,
        EVENTS_OF_AFTER,
        EVENTS_OF_LAST,
        EVENTS_ALL,
        LEASE_EPOCH,
        LEASE_TAKE,
        LEASE_RENEW,
        IDEMPOTENCY_GET,
        IDEMPOTENCY_PUT,
        IDEMPOTENCY_SWEEP,
        CURSOR_GET,
        CURSOR_PUT,
    ];
    const ALL_ROWS: [Rows; 8] = [
        OBJECT_BY,
        RECORD_VERSIONS,
        RECORD_PUT,
        RECORD_REMOVE,
        OBJECT_VERSIONS,
        OBJECT_PUT,
        OBJECT_REMOVE,
        EVENT_PUT,
    ];

    #[tokio::test]
    async fn every_statement_is_understood() {
        use sqlx::ConnectOptions as _;
        let options = SqliteConnectOptions::new().in_memory(true);
        let mut connection = options.connect().await.unwrap();
        connection.execute(MIGRATIONS_MADE).await.unwrap();
        for migration in MIGRATIONS {
            connection.execute(sqlx::raw_sql(migration.sql)).await.unwrap();
        }
        let mut texts: Vec<String> = ALL.iter().map(ToString::to_string).collect();
        for rows in &ALL_ROWS {
            texts.extend(SIZES.iter().map(|size| rows.text(*size)));
        }
        for at in 0..8 {
            texts.push(record_find(at & 1 != 0, at & 2 != 0, at & 4 != 0).to_string());
        }
        // Whoever adds a constant above adds it to the lists here.
        let source = include_str!("sql.rs").split("#[cfg(test)]").next().unwrap();
        let written = source.matches("const ").count();
        // Not statements: SIZES, BEGIN, and the function that picks a list.
        assert_eq!(written, ALL.len() + ALL_ROWS.len() + 8 + 3);
        for text in texts {
            let sql = AssertSqlSafe(text.clone()).into_sql_str();
            if let Err(error) = connection.prepare(sql).await {
                panic!("{text}: {error}");
            }
        }
    }

    /// Whoever asks for one subject, one event or one key must not pay for all the others.
    #[tokio::test]
    async fn what_is_asked_often_goes_by_an_index() {
        use sqlx::{ConnectOptions as _, Row as _};
        let options = SqliteConnectOptions::new().in_memory(true);
        let mut connection = options.connect().await.unwrap();
        connection.execute(MIGRATIONS_MADE).await.unwrap();
        for migration in MIGRATIONS {
            connection.execute(sqlx::raw_sql(migration.sql)).await.unwrap();
        }
        let sorted = [
            RECORD_GET,
            RECORD_LAST,
            BY_SUBJECT,
            BY_SUBJECT_NEWEST,
            BY_OPEN_NEWEST,
            BY_KIND,
            BY_KIND_NEWEST,
            OBJECT_GET,
            OBJECT_KIND,
            EVENTS_AFTER,
            IDEMPOTENCY_GET,
            IDEMPOTENCY_SWEEP,
        ];
        // These look only at what is asked for, but put it in order afterwards.
        let found = [BY_OPEN, BY_BOTH, BY_BOTH_NEWEST, EVENTS_OF_AFTER, EVENTS_OF_LAST];
        for (text, order) in
            sorted.into_iter().map(|text| (text, true)).chain(found.into_iter().map(|t| (t, false)))
        {
            let explain = AssertSqlSafe(format!("EXPLAIN QUERY PLAN {text}"));
            let rows = connection.fetch_all(explain).await.unwrap();
            let plan: Vec<String> = rows.iter().map(|row| row.get("detail")).collect();
            let plan = plan.join("; ");
            assert!(plan.contains("SEARCH") && !plan.contains("SCAN"), "{text}: {plan}");
            assert!(!order || !plan.contains("TEMP B-TREE"), "{text}: {plan}");
        }
    }
}
