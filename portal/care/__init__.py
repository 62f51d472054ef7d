"""Care: the wearers, where they are, how they are, and what is being done about an alarm."""
