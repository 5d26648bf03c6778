"""Data sets by name, and reading them from files."""
