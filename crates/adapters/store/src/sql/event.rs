//! The log, its head, and how far its readers have come.

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT seq, at, actor, request, kind, subject, body_sha256, body FROM event ",
            $rest
        )
    };
}

statements! {
    HEAD = "SELECT seq FROM head WHERE id = 1";
    /// First in every write: on Postgres it is what makes writes come one after the other. On SQLite the transaction
    /// itself does.
    HEAD_LOCK: both = {
        sqlite: "SELECT seq FROM head WHERE id = 1",
        postgres: "SELECT seq FROM head WHERE id = 1 FOR UPDATE",
    };
    HEAD_BUMP = "UPDATE head SET seq = seq + $1 WHERE id = 1 RETURNING seq";
    EVENT_PUT: rows = {
        columns: 8,
        head: "INSERT INTO event (seq, at, actor, request, kind, subject, body_sha256, body) VALUES ",
        tail: "",
    };
    EVENTS_AFTER = (select!("WHERE seq > $1 ORDER BY seq LIMIT $2"));
    EVENTS_LAST = (select!("ORDER BY seq DESC LIMIT $1"));
    // `@` is followed by `A`: everything between the two is a place of the component.
    EVENTS_OF_AFTER = (select!(
        "WHERE (subject = $1 OR (subject > $1 || '@' AND subject < $1 || 'A')) AND seq > $2 ORDER BY seq LIMIT $3"
    ));
    EVENTS_OF_LAST = (select!(
        "WHERE (subject = $1 OR (subject > $1 || '@' AND subject < $1 || 'A')) ORDER BY seq DESC LIMIT $2"
    ));
    EVENTS_ALL = (select!("ORDER BY seq"));
    /// Told to other servers when the transaction is kept, and only then.
    NOTIFY: both = { sqlite: "SELECT $1", postgres: "SELECT pg_notify('tow', $1)" };
    CURSOR_GET = "SELECT seq FROM cursor WHERE consumer = $1";
    CURSOR_PUT = "INSERT INTO cursor (consumer, seq) VALUES ($1, $2) \
         ON CONFLICT (consumer) DO UPDATE SET seq = excluded.seq WHERE cursor.seq < excluded.seq";
}
