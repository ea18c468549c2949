"""English, the console's language."""
