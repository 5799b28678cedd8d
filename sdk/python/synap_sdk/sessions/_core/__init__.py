"""Sessions without input and output: what an id is, what changed, what is asked of the store, what the cookie says.

Nothing here knows a web framework, a client, a clock or chance; ``tests/test_architecture.py`` of the client says so.

==============  ============================================================================
``identity``    ids, and the keys that they are stored under
``options``     what an application decides
``data``        what a session may hold
``merge``       two requests that changed one session
``session``     ``Session``: what a request has in hand
``steps``       what is asked of the store, one step after the other
``finish``      what has to happen at the end of a request
``cookie``      the headers of a response
==============  ============================================================================
"""
