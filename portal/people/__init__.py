"""People: organisations, accounts and roles."""
