"""Where a wearer was: the way read from the store, thinned, told in words, played back, exported."""
