"""The fault suite: real processes, real kills, and a count of what became of every message."""
