"""How pages write moments, by language: Django looks here before its own (FORMAT_MODULE_PATH)."""
