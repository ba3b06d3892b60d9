//! Every statement, in the dialect that SQLite and Postgres share: `$1`, ON CONFLICT … DO UPDATE … WHERE, RETURNING, row
//! values; BIGINT microseconds, ids and bodies TEXT. Where the two differ a statement says both. One file a table, and
//! each is a list, so that a test prepares all of them on both databases.

#[cfg(test)]
use crate::db::Both;

/// A statement for several rows at once: `head ($1, $2), ($3, $4) tail`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rows {
    pub(crate) columns: usize,
    pub(crate) head: &'static str,
    pub(crate) tail: &'static str,
}

/// How many rows one statement takes: few texts, so that each stays prepared, and far below the limits of parameters a
/// statement (SQLite 32,766, Postgres 65,535).
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

/// A statement as the tests see it.
#[cfg(test)]
#[derive(Debug, Clone, Copy)]
pub(crate) enum Listed {
    One(&'static str),
    Both(Both),
    Rows(Rows),
}

/// Declares statements and lists them: `NAME = "text";`, `NAME: both = { sqlite: "text", postgres: "text" };`,
/// `NAME: rows = { columns: 2, head: "text", tail: "text" };`.
macro_rules! statements {
    ($($(#[$about:meta])* $name:ident $(: $kind:ident)? = $text:tt;)*) => {
        $(statements!(@declare $(#[$about])* $name $($kind)? $text);)*
        #[cfg(test)]
        pub(crate) const LISTED: &[(&str, $crate::sql::Listed)] =
            &[$((stringify!($name), statements!(@list $name $($kind)?))),*];
    };
    (@declare $(#[$about:meta])* $name:ident both { sqlite: $sqlite:expr, postgres: $postgres:expr $(,)? }) => {
        $(#[$about])* pub(crate) const $name: $crate::db::Both =
            $crate::db::Both { sqlite: $sqlite, postgres: $postgres };
    };
    (@declare $(#[$about:meta])* $name:ident rows { columns: $columns:expr, head: $head:expr, tail: $tail:expr $(,)? }) => {
        $(#[$about])* pub(crate) const $name: $crate::sql::Rows =
            $crate::sql::Rows { columns: $columns, head: $head, tail: $tail };
    };
    (@declare $(#[$about:meta])* $name:ident $text:tt) => {
        $(#[$about])* #[allow(unused_parens, reason = "a macro's text comes in parentheses")]
        pub(crate) const $name: &str = $text;
    };
    (@list $name:ident both) => { $crate::sql::Listed::Both($name) };
    (@list $name:ident rows) => { $crate::sql::Listed::Rows($name) };
    (@list $name:ident) => { $crate::sql::Listed::One($name) };
}

/// The files of statements: seen by the rest of the room, and listed.
macro_rules! tables {
    ($($table:ident),* $(,)?) => {
        $(pub(crate) use $table::*;)*
        #[cfg(test)]
        const TABLES: &[&[(&str, Listed)]] = &[$($table::LISTED),*];
    };
}

mod audit;
mod catalog;
mod event;
mod examine;
mod export;
mod idempotency;
mod lease;
mod migration;
mod object;
mod record;

tables!(audit, catalog, event, examine, export, idempotency, lease, migration, object, record);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::db::Text;
    use crate::given;
    use crate::migration::migrate;

    #[tokio::test]
    async fn every_statement_is_understood() {
        for given in given::each().await {
            let db = &given.db;
            migrate(db).await.unwrap();
            let mut session = db.writer().await.unwrap();
            let mut tx = session.write().await.unwrap();
            let (mut prepared, mut wrong) = (0, Vec::new());
            for (name, listed) in TABLES.iter().copied().flatten() {
                let texts: Vec<(Text, usize)> = match listed {
                    Listed::One(text) => vec![((*text).into(), 0)],
                    Listed::Both(both) => vec![((*both).into(), 0)],
                    // Keys that are one number each: Postgres takes what stands in VALUES for text unless it is told.
                    Listed::Rows(rows) => {
                        let numbers = |size: &usize| if rows.columns == 1 { *size } else { 0 };
                        SIZES.iter().map(|size| (rows.text(*size).into(), numbers(size))).collect()
                    }
                };
                for (text, numbers) in texts {
                    // A statement that fails ends a transaction of Postgres.
                    if let Err(error) = tx.prepare(text, numbers).await {
                        wrong.push(format!("{}: {name}: {error:?}", db.at));
                        drop(tx);
                        tx = session.write().await.unwrap();
                    }
                    prepared += 1;
                }
            }
            assert!(wrong.is_empty(), "{}", wrong.join("\n"));
            assert!(prepared > 60, "{prepared}");
        }
    }

    /// Whoever asks for one subject, one event or one key must not pay for all the others.
    #[tokio::test]
    async fn what_is_asked_often_goes_by_an_index() {
        let given = given::file().await;
        let db = &given.db;
        migrate(db).await.unwrap();
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
            let rows = db.fetch(format!("EXPLAIN QUERY PLAN {text}"), &[]).await.unwrap();
            let plan: Vec<String> = rows.iter().map(|row| row.text(3).unwrap()).collect();
            let plan = plan.join("; ");
            assert!(plan.contains("SEARCH") && !plan.contains("SCAN"), "{text}: {plan}");
            assert!(!order || !plan.contains("TEMP B-TREE"), "{text}: {plan}");
        }
    }
}
