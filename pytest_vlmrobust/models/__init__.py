"""Models: how they are named, asked and read."""
