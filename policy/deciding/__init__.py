"""Decisions: checked, taken, by two where a rule says so, told, exported, and undone."""
