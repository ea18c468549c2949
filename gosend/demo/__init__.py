"""The product's main job on one screen, with real processes."""
