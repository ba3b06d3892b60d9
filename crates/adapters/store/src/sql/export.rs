//! The tables that say everything: what is exported and imported. The others are made of these. Statements are built of
//! this list alone.

use std::fmt::Write as _;

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Column {
    Text,
    MaybeText,
    Int,
}

/// A table as it is exported.
#[derive(Debug)]
pub(crate) struct Table {
    pub(crate) name: &'static str,
    /// Its first columns are its key: rows come in the order of these.
    pub(crate) key: usize,
    pub(crate) columns: &'static [(&'static str, Column)],
}

use Column::{Int, MaybeText, Text};

/// In the order in which they are exported.
pub(crate) const EXPORTED: &[Table] = &[
    Table { name: "head", key: 1, columns: &[("id", Int), ("seq", Int)] },
    Table {
        name: "lease",
        key: 1,
        columns: &[("name", Text), ("holder", Text), ("epoch", Int), ("expires", Int)],
    },
    Table { name: "cursor", key: 1, columns: &[("consumer", Text), ("seq", Int)] },
    Table {
        name: "idempotency",
        key: 3,
        columns: &[
            ("actor", Text),
            ("route", Text),
            ("key", Text),
            ("body_sha256", Text),
            ("status", Int),
            ("reply", Text),
            ("at", Int),
        ],
    },
    Table {
        name: "object",
        key: 1,
        columns: &[
            ("id", Int),
            ("kind", Text),
            ("namespace", Text),
            ("name", Text),
            ("uid", Text),
            ("version", Int),
            ("generation", Int),
            ("body", Text),
            ("status", MaybeText),
            ("created_at", Int),
            ("updated_at", Int),
            ("created_by", Text),
            ("source", MaybeText),
        ],
    },
    Table {
        name: "record",
        key: 2,
        columns: &[
            ("kind", Text),
            ("id", Text),
            ("subject", Text),
            ("number", Int),
            ("open", Int),
            ("version", Int),
            ("made", Int),
            ("body", Text),
        ],
    },
    Table {
        name: "event",
        key: 1,
        columns: &[
            ("seq", Int),
            ("at", Int),
            ("actor", Text),
            ("request", Text),
            ("kind", Text),
            ("subject", Text),
            ("body_sha256", Text),
            ("body", MaybeText),
        ],
    },
];

/// What is made of the exported tables, and what says which schema this is.
#[cfg(test)]
pub(crate) const DERIVED: [&str; 6] =
    ["migration", "search", "search_key", "relation", "words", "indexed"];

/// Rows a page.
pub(crate) const PAGE: usize = 200;

impl Table {
    pub(crate) fn by_name(name: &str) -> Option<&'static Self> {
        EXPORTED.iter().find(|table| table.name == name)
    }

    fn names(&self, count: usize) -> String {
        let names: Vec<&str> = self.columns[..count].iter().map(|(name, _)| *name).collect();
        names.join(", ")
    }

    /// The next page: after the row with this key, the arguments, or the first one.
    pub(crate) fn page(&self, after: bool) -> String {
        let mut text = format!("SELECT {} FROM {}", self.names(self.columns.len()), self.name);
        let key = self.names(self.key);
        if after {
            let marks: Vec<String> = (1..=self.key).map(|n| format!("${n}")).collect();
            let _ = write!(text, " WHERE ({key}) > ({})", marks.join(", "));
        }
        let _ = write!(text, " ORDER BY {key} LIMIT {PAGE}");
        text
    }

    /// Writes so many rows.
    pub(crate) fn insert(&self, rows: usize) -> String {
        let mut text =
            format!("INSERT INTO {} ({}) VALUES ", self.name, self.names(self.columns.len()));
        let width = self.columns.len();
        for row in 0..rows {
            let marks: Vec<String> = (1..=width).map(|n| format!("${}", row * width + n)).collect();
            let _ = write!(text, "{}({})", if row == 0 { "" } else { ", " }, marks.join(", "));
        }
        text
    }

    /// Is there any row?
    pub(crate) fn any(&self) -> String {
        format!("SELECT {} FROM {} LIMIT 1", self.columns[0].0, self.name)
    }
}

statements! {
    HEAD_SET = "UPDATE head SET seq = $1 WHERE id = 1";
    /// An import waits for whoever hands it the rows.
    PATIENT: both = {
        sqlite: "SELECT 1",
        postgres: "SET LOCAL idle_in_transaction_session_timeout = 0",
    };
}
