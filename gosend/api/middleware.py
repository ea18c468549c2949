"""A request id and a log line around every door."""
