"""Which bands there are, whose they are, and what each must know: the allow-list and where it comes from."""
