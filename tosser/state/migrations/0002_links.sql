-- What goes out. Serial numbers of packets are handed out with the decision that makes them.
ALTER TABLE batches ADD COLUMN first_packet INTEGER NOT NULL DEFAULT 0;
ALTER TABLE batches ADD COLUMN packets INTEGER NOT NULL DEFAULT 0;

ALTER TABLE links ADD COLUMN packets_out INTEGER NOT NULL DEFAULT 0;
ALTER TABLE links ADD COLUMN messages_out INTEGER NOT NULL DEFAULT 0;
ALTER TABLE links ADD COLUMN last_out REAL;
ALTER TABLE links ADD COLUMN last_out_file TEXT;

-- Numbers that are never given twice, by what they are for: the last one given.
CREATE TABLE serials (
    name TEXT PRIMARY KEY,
    value INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Packets on their way: staged, not yet where the mailer finds them.
CREATE TABLE packets (
    serial INTEGER PRIMARY KEY,
    network TEXT NOT NULL,
    link TEXT NOT NULL,                 -- without domain
    size INTEGER NOT NULL,
    messages INTEGER NOT NULL,
    created REAL NOT NULL,
    path TEXT,                          -- the bundle or packet that will hold it; set when that is whole beside its place
    added INTEGER NOT NULL DEFAULT 0,   -- whether that bundle stood there before, with other packets
    boxed INTEGER NOT NULL DEFAULT 0    -- whether it lies in a file box, so that no flow file names it
) STRICT;
CREATE INDEX packets_link ON packets (network, link);

-- Names of bundles that are in use, or were a short while ago.
CREATE TABLE bundles (
    path TEXT PRIMARY KEY,
    network TEXT NOT NULL,
    link TEXT NOT NULL,
    archiver TEXT NOT NULL,
    created REAL NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX bundles_old ON bundles (created);

-- Links that get nothing for now, by a command or because too much waits for them.
CREATE TABLE paused (
    network TEXT NOT NULL,
    link TEXT NOT NULL,                 -- without domain
    since REAL NOT NULL,
    who TEXT NOT NULL,
    why TEXT NOT NULL,
    PRIMARY KEY (network, link)
) STRICT, WITHOUT ROWID;
