"""Who is on duty: the calendar of turns, and its order to every gateway."""
