"""The console's pages for messages: the log, a message's story, conversations, search, home."""
