-- What this system answered by itself, so that no message is answered twice and no system too often.
CREATE TABLE answers (
    key TEXT PRIMARY KEY,
    kind TEXT NOT NULL,                 -- bounce, pong, trace, receipt, audit
    system TEXT NOT NULL,               -- who got it: without point
    at REAL NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX answers_kind ON answers (kind, at);
CREATE INDEX answers_system ON answers (kind, system, at);

-- Netmail for robots that are programs: entered when the message is in its base, gone when the program has ended.
CREATE TABLE hand_overs (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    robot TEXT NOT NULL,
    about TEXT NOT NULL,                -- for people: from whom, when
    message BLOB NOT NULL,              -- what the program reads
    attempts INTEGER NOT NULL DEFAULT 0
) STRICT;
