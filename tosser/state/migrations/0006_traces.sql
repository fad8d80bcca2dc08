-- What happened to each message, kept for a while: one row a batch, which the journal leaves behind when it is done.
ALTER TABLE batches ADD COLUMN keys BLOB NOT NULL DEFAULT x'';

CREATE TABLE traces (
    batch INTEGER PRIMARY KEY,
    decision TEXT NOT NULL,             -- JSON, as it was in the journal
    keys BLOB NOT NULL,                 -- 8 bytes a message, in the order of the decision
    numbers TEXT NOT NULL,              -- JSON: path of a base -> runs of numbers its messages got
    packets TEXT NOT NULL,              -- JSON: the packets that were made: serial number, network, link, flavour, messages
    finished REAL NOT NULL
) STRICT;
CREATE INDEX traces_finished ON traces (finished);

-- Where packets went, once the mailer finds them.
CREATE TABLE shipped (
    serial INTEGER PRIMARY KEY,
    file TEXT NOT NULL,
    at REAL NOT NULL
) STRICT;
CREATE INDEX shipped_at ON shipped (at);
