"""The keyspace: what a command does and what an event changes. Pure: no clock, no randomness, no files, no tasks.

============  ==============================================================================
``limits``    how large and how long anything may be
``digest``    one number for a whole state
``state``     ``Keyspace``: the entries as of a sequence number, changed only by ``apply``
``changes``   ``Changes``: what a stretch of the log makes of any state before it
``eviction``  how much memory a store may take, and what goes where that is not enough
``order``     in which order it goes, for each policy
``memory``    ``Memory``: the limit and the order, kept from batch to batch
``overlay``   ``Overlay``: the state plus what the batch has decided so far
``decide``    writes to events and results: a table of deciders
``deciders``  the deciders, by subject
``room``      ``Room``: deciding within the limit, and what is evicted for it
``answer``    queries to results: a table of answers
============  ==============================================================================
"""

from synap.keyspace.answer import answer, live_key_at, live_keys, match_keys
from synap.keyspace.changes import Changes
from synap.keyspace.decide import decide
from synap.keyspace.digest import Digest, state_bytes
from synap.keyspace.eviction import MemoryLimit
from synap.keyspace.limits import Limits
from synap.keyspace.memory import UNLIMITED, Memory
from synap.keyspace.overlay import Overlay
from synap.keyspace.room import Room
from synap.keyspace.state import Keyspace

__all__ = [
    "UNLIMITED",
    "Changes",
    "Digest",
    "Keyspace",
    "Limits",
    "Memory",
    "MemoryLimit",
    "Overlay",
    "Room",
    "answer",
    "decide",
    "live_key_at",
    "live_keys",
    "match_keys",
    "state_bytes",
]
