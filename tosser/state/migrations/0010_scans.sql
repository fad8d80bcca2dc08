-- How far the message bases were looked through for mail that other programs wrote.
CREATE TABLE scans (
    path TEXT PRIMARY KEY,              -- of the base, without suffix
    since REAL NOT NULL,                -- when it was looked at first, Unix seconds
    created INTEGER NOT NULL,           -- when the base says that it was made (JAM time); 0: there was none
    next INTEGER NOT NULL,              -- number of the first message that was not looked at
    mark INTEGER NOT NULL,              -- what tells the message before that from another
    waiting TEXT NOT NULL               -- JSON: numbers of earlier ones that were locked or on hold
) STRICT, WITHOUT ROWID;

-- The mail that was found. A packet that is there is still to be tossed, or its message to be marked in its base.
CREATE TABLE scanned (
    serial INTEGER PRIMARY KEY,         -- of its MSGID, if it had none; names its packet
    path TEXT NOT NULL,                 -- of the base
    number INTEGER NOT NULL,            -- in the base, when it was found
    digest BLOB NOT NULL,               -- what tells it from any other message of the base
    packet BLOB,                        -- NULL when all is done
    found REAL NOT NULL
) STRICT;
CREATE INDEX scanned_left ON scanned (path) WHERE packet IS NOT NULL;
CREATE INDEX scanned_digest ON scanned (path, digest);
CREATE INDEX scanned_found ON scanned (found);
