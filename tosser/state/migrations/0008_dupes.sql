-- Every message paid for this index, and only the hourly housekeeping used it, which looks at all keys instead.
DROP INDEX dupes_old;
