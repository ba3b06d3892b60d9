//! The log as evidence: read whole and unbelieved, searched, and stripped of bodies.

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT seq, at, actor, request, kind, subject, body_sha256, body FROM event ",
            $rest
        )
    };
}

// $3 actor, $4 beginning of the kind, $5 and $6 from and until when, $7 what any of the texts holds; empty: any.
macro_rules! filtered {
    ($where:literal, $order:literal) => {
        concat!(
            "SELECT seq, at, actor, request, kind, subject, body_sha256, body FROM event WHERE ",
            $where,
            " AND ($3 = '' OR actor = $3) AND ($4 = '' OR substr(kind, 1, length($4)) = $4) \
             AND at >= $5 AND at < $6 \
             AND ($7 = '' OR lower(actor || ' ' || kind || ' ' || subject || ' ' || COALESCE(body, '')) \
             LIKE $7 ESCAPE '!') ORDER BY ",
            $order
        )
    };
}

statements! {
    LOGGED = (select!("WHERE seq >= $1 AND seq <= $2 ORDER BY seq LIMIT $3"));
    EVENTS_AT: rows = {
        columns: 1,
        head: (select!("WHERE seq IN (VALUES ")),
        tail: ")",
    };
    LOGGED_ODD = (select!("WHERE seq < 1 ORDER BY seq LIMIT $1"));
    SEARCH_NEWEST = (filtered!("seq >= $1 AND seq <= $2", "seq DESC LIMIT $8"));
    SEARCH_OLDEST = (filtered!("seq >= $1 AND seq <= $2", "seq LIMIT $8"));
    SEARCH_OF_NEWEST = (filtered!(
        "(subject = $9 OR (subject > $9 || '@' AND subject < $9 || 'A')) AND seq >= $1 AND seq <= $2",
        "seq DESC LIMIT $8"
    ));
    SEARCH_OF_OLDEST = (filtered!(
        "(subject = $9 OR (subject > $9 || '@' AND subject < $9 || 'A')) AND seq >= $1 AND seq <= $2",
        "seq LIMIT $8"
    ));
    SEALS_AFTER = "SELECT number, body FROM record \
         WHERE kind = 'seal' AND subject = '' AND number > $1 ORDER BY number LIMIT $2";
    EVENT_ERASE: rows = {
        columns: 1,
        head: "UPDATE event SET body = NULL WHERE seq IN (SELECT CAST(column1 AS BIGINT) FROM (VALUES ",
        tail: ") AS erased)",
    };
}
