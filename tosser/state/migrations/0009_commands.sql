-- Requests to post that came by MQTT and were accepted: kept for a while, so that a repeated one gets the same answer.
CREATE TABLE commands (
    user TEXT NOT NULL,
    id TEXT NOT NULL,                   -- idempotency key; the user chose it
    digest BLOB NOT NULL,               -- of the request without its token
    messages INTEGER NOT NULL,
    answer TEXT NOT NULL,               -- JSON, as it was first given
    file TEXT NOT NULL,                 -- name of the packet in the post box
    packet BLOB,                        -- until it is there
    at REAL NOT NULL,
    PRIMARY KEY (user, id)
) STRICT;
CREATE INDEX commands_at ON commands (at);
CREATE INDEX commands_waiting ON commands (file) WHERE packet IS NOT NULL;
