"""Boards and what stands on them: notices, comments, thanks, and who has read what."""
