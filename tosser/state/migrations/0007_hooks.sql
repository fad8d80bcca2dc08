-- Calls of hooks, one for each message and hook, from the commit that records the message as stored until the call is
-- done, refused, given up or dropped.
CREATE TABLE hook_calls (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    hook TEXT NOT NULL,
    event TEXT NOT NULL,                -- id
    payload BLOB NOT NULL,
    created REAL NOT NULL
) STRICT;
CREATE INDEX hook_calls_hook ON hook_calls (hook, seq, created);

-- Hooks whose last call failed, and since when they have done nothing but fail.
CREATE TABLE failing_hooks (
    hook TEXT PRIMARY KEY,
    since REAL NOT NULL
) STRICT, WITHOUT ROWID;
