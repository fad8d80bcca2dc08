-- Netmail may be more urgent than the other mail of its link, and files may go with it.
ALTER TABLE packets ADD COLUMN flavour TEXT;                  -- NULL: as the link's other mail
ALTER TABLE packets ADD COLUMN name TEXT NOT NULL DEFAULT ''; -- where a file is that goes with a netmail; '' for a packet
