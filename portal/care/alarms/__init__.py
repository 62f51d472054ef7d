"""What is known of one alarm: its story, why it was raised, its report, drills, the history."""
