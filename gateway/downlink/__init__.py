"""Orders to bands: their states, their rows, and the sending until the band has them or time is up."""
