-- What people declare. `name` is lower case: two spellings are one object; the body keeps the spelling.
CREATE TABLE IF NOT EXISTS object (
    kind TEXT NOT NULL,
    namespace TEXT NOT NULL,
    name TEXT NOT NULL,
    uid TEXT NOT NULL,
    version BIGINT NOT NULL,
    generation BIGINT NOT NULL,
    body TEXT NOT NULL,
    status TEXT,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    created_by TEXT NOT NULL,
    source TEXT,
    PRIMARY KEY (kind, namespace, name)
);

-- What is produced. `made` is the head of the event log when the row came to be: newest first across subjects.
CREATE TABLE IF NOT EXISTS record (
    kind TEXT NOT NULL,
    id TEXT NOT NULL,
    subject TEXT NOT NULL,
    number BIGINT NOT NULL,
    open BIGINT NOT NULL,
    version BIGINT NOT NULL,
    made BIGINT NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (kind, id)
);
CREATE INDEX IF NOT EXISTS record_subject ON record (kind, subject, number, id);
CREATE INDEX IF NOT EXISTS record_open ON record (kind, open, made, number, id);
CREATE INDEX IF NOT EXISTS record_made ON record (kind, made, number, id);
-- At most one unfinished operation a place.
CREATE UNIQUE INDEX IF NOT EXISTS record_one_operation ON record (subject) WHERE kind = 'operation' AND open = 1;

-- The one log. The body may be erased; its digest stays.
CREATE TABLE IF NOT EXISTS event (
    seq BIGINT NOT NULL PRIMARY KEY,
    at BIGINT NOT NULL,
    actor TEXT NOT NULL,
    request TEXT NOT NULL,
    kind TEXT NOT NULL,
    subject TEXT NOT NULL,
    body_sha256 TEXT NOT NULL,
    body TEXT
);
CREATE INDEX IF NOT EXISTS event_subject ON event (subject, seq);
CREATE TABLE IF NOT EXISTS head (
    id BIGINT NOT NULL PRIMARY KEY,
    seq BIGINT NOT NULL
);
INSERT INTO head (id, seq) VALUES (1, 0) ON CONFLICT (id) DO NOTHING;

CREATE TABLE IF NOT EXISTS lease (
    name TEXT NOT NULL PRIMARY KEY,
    holder TEXT NOT NULL,
    epoch BIGINT NOT NULL,
    expires BIGINT NOT NULL
);

-- Replies kept for a day, so that a repeated request is answered and not done again.
CREATE TABLE IF NOT EXISTS idempotency (
    actor TEXT NOT NULL,
    route TEXT NOT NULL,
    key TEXT NOT NULL,
    body_sha256 TEXT NOT NULL,
    status BIGINT NOT NULL,
    reply TEXT NOT NULL,
    at BIGINT NOT NULL,
    PRIMARY KEY (actor, route, key)
);
CREATE INDEX IF NOT EXISTS idempotency_at ON idempotency (at);

-- How far each reader of the log has come.
CREATE TABLE IF NOT EXISTS cursor (
    consumer TEXT NOT NULL PRIMARY KEY,
    seq BIGINT NOT NULL
);
