-- What the broker is to keep as the last value of its topic.
ALTER TABLE outbox ADD COLUMN retain INTEGER NOT NULL DEFAULT 0;

-- When the text of a condition last changed: its event is named by it.
ALTER TABLE conditions ADD COLUMN changed REAL NOT NULL DEFAULT 0;
UPDATE conditions SET changed = since;

-- What came from links that have a limit, by the minute (Unix minutes), for the last hour.
CREATE TABLE intake (
    network TEXT NOT NULL,
    link TEXT NOT NULL,                 -- without domain
    minute INTEGER NOT NULL,
    messages INTEGER NOT NULL,
    duplicates INTEGER NOT NULL,
    PRIMARY KEY (network, link, minute)
) STRICT, WITHOUT ROWID;

-- Links nothing is tossed from for now, by a command or because too much came from them.
CREATE TABLE holds (
    network TEXT NOT NULL,
    link TEXT NOT NULL,                 -- without domain
    since REAL NOT NULL,
    who TEXT NOT NULL,
    why TEXT NOT NULL,
    released REAL,                      -- when that ended; for an hour from then no limit counts
    PRIMARY KEY (network, link)
) STRICT, WITHOUT ROWID;

-- When things were last done that go by the clock.
CREATE TABLE moments (
    name TEXT PRIMARY KEY,
    at REAL NOT NULL
) STRICT, WITHOUT ROWID;
