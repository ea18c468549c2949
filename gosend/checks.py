"""Settings that would hurt, each with the cure."""
