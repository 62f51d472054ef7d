"""The audit record as its readers use it: a page, its table, its checks, and a line a day for the log."""
