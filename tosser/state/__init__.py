"""Our own SQLite database: the journal, the dupe history, the inbound ledger, the outbox, the counters."""
