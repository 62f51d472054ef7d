"""The durable record: one SQLite file, one writer thread, many read-only readers."""
