"""The simulated neighbourhood: bands, a telephone network and a family, all outside the gateway."""
