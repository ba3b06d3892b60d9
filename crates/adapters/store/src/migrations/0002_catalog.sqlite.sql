-- What declared objects are found by. All of it is made of their bodies, in the transaction that writes them.
-- An object has a number, so that what belongs to it is small; its body comes last, so that the rest is read without it.
CREATE TABLE IF NOT EXISTS object_numbered (
    id INTEGER NOT NULL PRIMARY KEY,
    kind TEXT NOT NULL,
    namespace TEXT NOT NULL,
    name TEXT NOT NULL,
    ref TEXT NOT NULL GENERATED ALWAYS AS (kind || ':' || namespace || '/' || name) STORED,
    uid TEXT NOT NULL,
    version BIGINT NOT NULL,
    generation BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    created_by TEXT NOT NULL,
    source TEXT,
    status TEXT,
    body TEXT NOT NULL,
    UNIQUE (kind, namespace, name)
);
DELETE FROM object_numbered;
INSERT INTO object_numbered (kind, namespace, name, uid, version, generation, created_at, updated_at, created_by,
    source, status, body)
    SELECT kind, namespace, name, uid, version, generation, created_at, updated_at, created_by, source, status, body
    FROM object ORDER BY created_at, kind, namespace, name;
DROP TABLE object;
ALTER TABLE object_numbered RENAME TO object;
CREATE UNIQUE INDEX IF NOT EXISTS object_ref ON object (ref);
CREATE INDEX IF NOT EXISTS object_name ON object (name);
CREATE INDEX IF NOT EXISTS object_kind_name ON object (kind, name);
CREATE INDEX IF NOT EXISTS object_namespace ON object (namespace);
CREATE INDEX IF NOT EXISTS object_uid ON object (uid);
CREATE INDEX IF NOT EXISTS object_source ON object (source) WHERE source IS NOT NULL;
CREATE INDEX IF NOT EXISTS object_created ON object (created_at);
CREATE INDEX IF NOT EXISTS object_updated ON object (updated_at);

-- Paths, lower case: few, and each said once.
CREATE TABLE IF NOT EXISTS search_key (
    id INTEGER NOT NULL PRIMARY KEY,
    name TEXT NOT NULL UNIQUE
);

-- What an object holds at a path, lower case. `form`: 0 a value, 1 one of a list, 2 none that could be compared.
-- `shown`: as it was written, where that differs.
DROP TABLE IF EXISTS search;
CREATE TABLE search (
    object INTEGER NOT NULL,
    key INTEGER NOT NULL,
    value TEXT NOT NULL,
    form INTEGER NOT NULL,
    shown TEXT,
    PRIMARY KEY (object, key, value, form)
) WITHOUT ROWID;
CREATE INDEX search_value ON search (key, value, object);

-- Which entities an object names, and as what; the other half of each pair is read the other way round.
DROP TABLE IF EXISTS relation;
CREATE TABLE relation (
    origin INTEGER NOT NULL,
    type TEXT NOT NULL,
    target TEXT NOT NULL,
    PRIMARY KEY (origin, type, target)
) WITHOUT ROWID;
CREATE INDEX relation_target ON relation (target, type, origin);

-- Words of full text, as we split them: this tokeniser only parts them at spaces.
DROP TABLE IF EXISTS words;
CREATE VIRTUAL TABLE words USING fts5 (text, content = '', contentless_delete = 1, detail = 'none', tokenize = 'ascii');

-- The same words of an object as one text, each after a space: to ask of one object whether it has them.
DROP TABLE IF EXISTS words_said;
CREATE TABLE words_said (
    object INTEGER NOT NULL PRIMARY KEY,
    said TEXT NOT NULL
);

-- Which way of making the above the tables hold; 0: none yet.
CREATE TABLE IF NOT EXISTS indexed (
    id BIGINT NOT NULL PRIMARY KEY,
    version BIGINT NOT NULL
);
INSERT INTO indexed (id, version) VALUES (1, 0) ON CONFLICT (id) DO UPDATE SET version = 0;
