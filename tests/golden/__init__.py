"""Data directories as each version of the format was written, kept for ever: what was stored once can be read."""
