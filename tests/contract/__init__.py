"""The HTTP contract from end to end: the real server on a real socket, and what it answers, byte for byte."""
