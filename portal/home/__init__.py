"""The front page, the shell around every page, and how big the words are."""
