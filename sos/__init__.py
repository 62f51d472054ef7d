"""The SOS cascade: who is told, in which order, until a person answers."""
