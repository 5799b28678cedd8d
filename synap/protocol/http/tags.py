"""What routes are about: the headings of the reference, in its order."""

from synap.protocol.http.description import Tag

KEYS = Tag("Keys and values", "One value under one key: set it, read it, delete it.")
DEADLINES = Tag("Deadlines", "When the value under a key ends.")
COUNTERS = Tag("Counters", "An integer under a key, changed in one step.", "visits:1")
PARTS = Tag(
    "Parts of values",
    "Text read and written in part, and a value exchanged for another one. Positions are bytes.",
    "note:1",
)
NAMES = Tag("Names", "Keys as names: what is there, what it weighs, and the same value under another name.")
RAW = Tag("Raw values", "A value as a body of its own, for plain HTTP clients and caches. Here, a missing key is 404.")
MANY = Tag("Many keys", "Several keys in one step, keys by pattern, and everything under a prefix.")
WATCHING = Tag("Watching", "What happens to keys, as it happens.")
COMMANDS = Tag("Commands", "Every operation through one address, for clients that speak Synap's command envelope.")
SERVER = Tag("Server", "How the server is and what it has done.")
SNAPSHOTS = Tag("Snapshots and backups", "The state on the disk, and a copy of all of it.")
DOCUMENTS = Tag("Documents", "This description, for programs and for readers.")

ALL = (KEYS, DEADLINES, COUNTERS, PARTS, NAMES, RAW, MANY, WATCHING, COMMANDS, SERVER, SNAPSHOTS, DOCUMENTS)
"""Every heading."""
