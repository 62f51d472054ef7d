"""Fences as people draw them: the editor, its questions, what each number does, and pauses."""
