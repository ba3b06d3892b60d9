//! What declared objects are found by: written beside them, several objects a statement. An argument of rows is one
//! JSON text.

statements! {
    OBJECT_LAST = "SELECT COALESCE(MAX(id), 0) FROM object";
    INDEXED = "SELECT version FROM indexed WHERE id = 1";
    INDEXED_PUT = "UPDATE indexed SET version = $1 WHERE id = 1";
    /// The next objects by number, with what is made of them.
    OBJECTS_FROM = "SELECT id, body FROM object WHERE id > $1 ORDER BY id LIMIT $2";

    KEYS_FIND: both = {
        sqlite: "SELECT id, name FROM search_key WHERE name IN (SELECT value FROM json_each($1))",
        postgres: "SELECT id, name FROM search_key WHERE name IN (SELECT jsonb_array_elements_text($1::jsonb))",
    };
    KEYS_MAKE: both = {
        sqlite: "INSERT INTO search_key (name) SELECT value FROM json_each($1) RETURNING id, name",
        postgres: "INSERT INTO search_key (name) SELECT jsonb_array_elements_text($1::jsonb) RETURNING id, name",
    };
    /// `[[object, key, value, form, shown], …]`
    SEARCH_PUT: both = {
        sqlite: "INSERT INTO search (object, key, value, form, shown) \
                 SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4 FROM json_each($1)",
        postgres: "INSERT INTO search (object, key, value, form, shown) \
                   SELECT (r ->> 0)::bigint, (r ->> 1)::bigint, r ->> 2, (r ->> 3)::bigint, r ->> 4 \
                   FROM jsonb_array_elements($1::jsonb) r",
    };
    /// `[[origin, type, target], …]`
    RELATION_PUT: both = {
        sqlite: "INSERT INTO relation (origin, type, target) \
                 SELECT value ->> 0, value ->> 1, value ->> 2 FROM json_each($1)",
        postgres: "INSERT INTO relation (origin, type, target) \
                   SELECT (r ->> 0)::bigint, r ->> 1, r ->> 2 FROM jsonb_array_elements($1::jsonb) r",
    };
    /// `[[object, "word word …"], …]`
    WORDS_PUT: both = {
        sqlite: "INSERT INTO words (rowid, text) SELECT value ->> 0, value ->> 1 FROM json_each($1)",
        postgres: "INSERT INTO words (object, text) \
                   SELECT (r ->> 0)::bigint, array_to_tsvector(string_to_array(r ->> 1, ' ')) \
                   FROM jsonb_array_elements($1::jsonb) r",
    };
    /// The same argument. Postgres asks its own form of one object as well.
    SAID_PUT: both = {
        sqlite: "INSERT INTO words_said (object, said) \
                 SELECT value ->> 0, ' ' || (value ->> 1) FROM json_each($1)",
        postgres: "SELECT 1 WHERE $1::text IS NULL",
    };
    /// `[object, …]`
    SEARCH_REMOVE: both = {
        sqlite: "DELETE FROM search WHERE object IN (SELECT value FROM json_each($1))",
        postgres: "DELETE FROM search WHERE object IN (SELECT jsonb_array_elements_text($1::jsonb)::bigint)",
    };
    RELATION_REMOVE: both = {
        sqlite: "DELETE FROM relation WHERE origin IN (SELECT value FROM json_each($1))",
        postgres: "DELETE FROM relation WHERE origin IN (SELECT jsonb_array_elements_text($1::jsonb)::bigint)",
    };
    WORDS_REMOVE: both = {
        sqlite: "DELETE FROM words WHERE rowid IN (SELECT value FROM json_each($1))",
        postgres: "DELETE FROM words WHERE object IN (SELECT jsonb_array_elements_text($1::jsonb)::bigint)",
    };
    SAID_REMOVE: both = {
        sqlite: "DELETE FROM words_said WHERE object IN (SELECT value FROM json_each($1))",
        postgres: "SELECT 1 WHERE $1::text IS NULL",
    };
    SEARCH_EMPTY = "DELETE FROM search";
    RELATION_EMPTY = "DELETE FROM relation";
    WORDS_EMPTY = "DELETE FROM words";
    SAID_EMPTY: both = { sqlite: "DELETE FROM words_said", postgres: "SELECT 1" };
}
