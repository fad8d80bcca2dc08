-- Areas that ever took or refused a message. The bad area of a network is one of them; netmail is network '' and tag ''.
CREATE TABLE areas (
    id INTEGER PRIMARY KEY,
    network TEXT NOT NULL,
    tag TEXT NOT NULL,
    stored INTEGER NOT NULL DEFAULT 0,
    duplicates INTEGER NOT NULL DEFAULT 0,
    last_at REAL,
    last TEXT,                          -- JSON: the last message, for people
    version INTEGER NOT NULL DEFAULT 0, -- grows with every change
    published INTEGER NOT NULL DEFAULT 0, -- the version the broker has
    UNIQUE (network, tag)
) STRICT;

CREATE TABLE links (
    network TEXT NOT NULL,
    address TEXT NOT NULL,              -- without domain
    packets INTEGER NOT NULL DEFAULT 0,
    messages INTEGER NOT NULL DEFAULT 0,
    last_in REAL,
    last_file TEXT,
    version INTEGER NOT NULL DEFAULT 0,
    published INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (network, address)
) STRICT;

-- Running totals: message.<reason>, file.<state>.
CREATE TABLE counters (
    name TEXT PRIMARY KEY,
    value INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;

CREATE TABLE dupes (
    key BLOB PRIMARY KEY,
    area INTEGER NOT NULL REFERENCES areas (id),
    seen INTEGER NOT NULL               -- Unix seconds
) STRICT, WITHOUT ROWID;
CREATE INDEX dupes_old ON dupes (area, seen);

-- The inbound ledger: every file that was ever claimed.
CREATE TABLE files (
    claim TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    inbound TEXT NOT NULL,
    class TEXT NOT NULL,
    size INTEGER NOT NULL,
    arrived REAL NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0,
    progress TEXT,                      -- JSON: where a file larger than a batch stands
    state TEXT,                         -- NULL until final
    reason TEXT,
    what TEXT,
    "offset" INTEGER,
    sender TEXT,
    digest TEXT,
    packets INTEGER,
    counts TEXT,                        -- JSON: messages by reason code
    kept INTEGER NOT NULL DEFAULT 0,    -- whether the file itself is set aside
    finished REAL
) STRICT;
CREATE INDEX files_open ON files (claim) WHERE state IS NULL;
CREATE INDEX files_finished ON files (finished);

-- Decisions that are not yet carried out.
CREATE TABLE batches (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    decision TEXT NOT NULL,             -- JSON
    positions TEXT NOT NULL             -- JSON: path -> where each base stood before
) STRICT;

-- Events not yet acknowledged by the broker.
CREATE TABLE outbox (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL,
    topic TEXT NOT NULL,
    payload BLOB NOT NULL,
    created REAL NOT NULL,
    refusals INTEGER NOT NULL DEFAULT 0,
    code INTEGER                        -- the broker's last reason code for it, when it said no
) STRICT;
-- Counting must not read the payloads.
CREATE INDEX outbox_created ON outbox (created);
CREATE INDEX outbox_topic ON outbox (topic);
CREATE INDEX outbox_refused ON outbox (topic, code) WHERE refusals > 0;

-- What is wrong at this moment, for people: one line a subject ('toss', 'broker'), gone when it is well again.
CREATE TABLE conditions (
    subject TEXT PRIMARY KEY,
    text TEXT NOT NULL,
    since REAL NOT NULL
) STRICT, WITHOUT ROWID;
