"""How fast the hot paths are, as ratios against a yardstick in the same run: `make bench`."""
