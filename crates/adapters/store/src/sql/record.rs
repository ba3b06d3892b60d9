//! What is produced.

macro_rules! list {
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

statements! {
    RECORD_GET = "SELECT id, version, body FROM record WHERE kind = $1 AND id = $2";
    RECORD_BY: rows = {
        columns: 2,
        head: "SELECT id, version, body FROM record WHERE (kind, id) IN (VALUES ",
        tail: ")",
    };
    RECORD_LAST = "SELECT id, version, body FROM record \
         WHERE kind = $1 AND subject = $2 ORDER BY number DESC, id DESC LIMIT 1";
    RECORD_ALL = "SELECT kind, id, subject, number, open, body FROM record ORDER BY kind, id";
    RECORD_VERSIONS: rows = {
        columns: 2,
        head: "SELECT kind, id, version FROM record WHERE (kind, id) IN (VALUES ",
        tail: ")",
    };
    RECORD_PUT: rows = {
        columns: 8,
        head: "INSERT INTO record (kind, id, subject, number, open, version, made, body) VALUES ",
        tail: " ON CONFLICT (kind, id) DO UPDATE SET subject = excluded.subject, number = excluded.number, \
              open = excluded.open, version = excluded.version, body = excluded.body \
              WHERE record.version = excluded.version - 1",
    };
    RECORD_REMOVE: rows = {
        columns: 2,
        head: "DELETE FROM record WHERE (kind, id) IN (VALUES ",
        tail: ")",
    };
    BY_SUBJECT = (list!(" AND subject = $2", "number, id", "$3"));
    BY_SUBJECT_NEWEST = (list!(" AND subject = $2", "number DESC, id DESC", "$3"));
    BY_OPEN = (list!(" AND open = $2", "subject, number, id", "$3"));
    BY_OPEN_NEWEST = (list!(" AND open = $2", "made DESC, number DESC, id DESC", "$3"));
    BY_BOTH = (list!(" AND subject = $2 AND open = $3", "number, id", "$4"));
    BY_BOTH_NEWEST = (list!(" AND subject = $2 AND open = $3", "number DESC, id DESC", "$4"));
    // `@` is followed by `A`: everything between the two is a place of the component.
    BY_COMPONENT_NEWEST = (list!(
        " AND subject > $2 || '@' AND subject < $2 || 'A'",
        "made DESC, number DESC, id DESC",
        "$3"
    ));
    BY_ENVIRONMENT_NEWEST = (list!(
        " AND subject LIKE $2 ESCAPE '\\'",
        "made DESC, number DESC, id DESC",
        "$3"
    ));
    BY_KIND = (list!("", "subject, number, id", "$2"));
    BY_KIND_NEWEST = (list!("", "made DESC, number DESC, id DESC", "$2"));
}

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
