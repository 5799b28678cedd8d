"""The client without input and output: what is asked, what an answer means, when to ask again.

Nothing here knows httpx, an event loop, a clock or a thread; ``tests/test_architecture.py`` of the client says so.

===============  ===========================================================================
``line``         what of a request may be told to anybody
``message``      requests and responses as values
``values``       what was set is what is read
``lifetime``     times to live and deadlines
``fields``       from a response to a result
``results``      results that are more than a value
``call``         a request, and how its answer is read
``operations``   the table: one function for each operation
``refusal``      answers that are no success, as errors
``target``       where the server is, and who asks
``retry``        when to try again, and when to give up
``scan``         where a scan stands
``sse``          server-sent events
``changes``      the events of the feed
``feed``         where a watch stands
===============  ===========================================================================
"""
