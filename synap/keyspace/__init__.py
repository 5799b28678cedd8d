"""The keyspace: what a command does and what an event changes. Pure: no clock, no randomness, no files, no tasks.

============  ==============================================================================
``limits``    how large and how long anything may be
``digest``    one number for a whole state
``state``     ``Keyspace``: the entries as of a sequence number, changed only by ``apply``
``changes``   ``Changes``: what a stretch of the log makes of any state before it
``overlay``   ``Overlay``: the state plus what the batch has decided so far
``decide``    writes to events and results: a table of deciders
``deciders``  the deciders, by subject
``answer``    queries to results: a table of answers
``glob``      patterns of keys
============  ==============================================================================
"""

from synap.keyspace.answer import answer, live_key_at, live_keys, match_keys
from synap.keyspace.changes import Changes
from synap.keyspace.decide import decide
from synap.keyspace.digest import Digest, state_bytes
from synap.keyspace.limits import Limits
from synap.keyspace.overlay import Overlay
from synap.keyspace.state import Keyspace

__all__ = [
    "Changes",
    "Digest",
    "Keyspace",
    "Limits",
    "Overlay",
    "answer",
    "decide",
    "live_key_at",
    "live_keys",
    "match_keys",
    "state_bytes",
]
