"""The proof that no press is lost: the real gateway in virtual time, killed everywhere, in seeded worlds."""
