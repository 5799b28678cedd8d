"""Synap: a durable session store. A login survives a crash, and a logout is final.

The package is read from the bottom up; each layer imports only from those before it:

1. ground: ``errors``, ``clock``, ``fs``, ``config``, ``telemetry``
2. vocabulary: ``commands`` (wishes), ``results``, ``events`` (facts), ``codec`` (their canonical CBOR)
3. state: ``radix`` (the ordered map), ``keyspace`` (what a command does, what an event changes)
4. durability: ``wal`` (bytes and files), ``datadir`` (one store, one server), ``repair``
5. engine: ``recovery``, ``committer``, ``expirer``, ``store``
6. ``protocol.http``: requests to commands, results to responses
7. shells: ``server``, ``cli``
"""

__version__ = "0.1.0"
