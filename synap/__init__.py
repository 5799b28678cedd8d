"""Synap: a durable session store. A login survives a crash, and a logout is final.

The package is read from the bottom up; each layer imports only from those before it:

1. ground: ``errors``, ``clock``, ``fs``, ``config``, ``telemetry``
2. vocabulary: ``commands`` (wishes), ``results``, ``events`` (facts), ``cbor`` and ``codec`` (their bytes)
3. state: ``radix`` (the ordered map), ``keyspace`` (what a command does, what an event changes)
4. durability: ``wal`` and ``snapshot`` (bytes and files), ``datadir`` (one store, one server), and what is done to
   whole directories: ``quarantine``, ``repair``, ``founding``, ``archive``
5. engine: ``recovery``, ``committer``, ``expirer``, ``snapshotter`` with its fold, ``walks``, ``counts``, ``store``,
   ``backup``
6. ``protocol.http``: requests to commands, results to responses
7. shells: ``server``, ``replay``, ``cli``
"""

__version__ = "0.1.0"
