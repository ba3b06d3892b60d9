//! What people declare.

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT kind, namespace, name, uid, generation, version, created_at, updated_at, \
             created_by, body, COALESCE(source, '') FROM object ",
            $rest
        )
    };
}

statements! {
    OBJECT_GET = (select!("WHERE kind = $1 AND namespace = $2 AND name = $3"));
    OBJECT_STATUS =
        "UPDATE object SET status = $4 WHERE kind = $1 AND namespace = $2 AND name = $3";
    OBJECT_KIND = (select!("WHERE kind = $1 ORDER BY namespace, name"));
    OBJECT_ALL = (select!("ORDER BY namespace, name, kind"));
    OBJECT_OF = (select!("WHERE source = $1 ORDER BY kind, namespace, name"));
    OBJECT_BY: rows = {
        columns: 3,
        head: select!("WHERE (kind, namespace, name) IN (VALUES "),
        tail: ")",
    };
    OBJECT_VERSIONS: rows = {
        columns: 3,
        head: "SELECT kind, namespace, name, version, generation, uid, created_at, created_by, id \
               FROM object WHERE (kind, namespace, name) IN (VALUES ",
        tail: ")",
    };
    OBJECT_PUT: rows = {
        columns: 12,
        head: "INSERT INTO object (id, kind, namespace, name, uid, version, generation, body, created_at, \
               updated_at, created_by, source) VALUES ",
        tail: " ON CONFLICT (id) DO UPDATE SET version = excluded.version, \
              generation = excluded.generation, body = excluded.body, updated_at = excluded.updated_at, \
              source = COALESCE(excluded.source, object.source) \
              WHERE object.version = excluded.version - 1",
    };
    OBJECT_REMOVE: rows = {
        columns: 3,
        head: "DELETE FROM object WHERE (kind, namespace, name) IN (VALUES ",
        tail: ")",
    };
}
