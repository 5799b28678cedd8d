"""The client's hands: httpx, sockets, clocks, threads and event loops, around the core that decides.

===================  ==========================================================================
``options``          what a client is made with
``clock``            time, waiting and chance
``loops``            asyncio and trio: which one runs here, and how one waits in it
``wire``             the core's values as httpx's, and httpx's errors as ours
``pools``            the connections: for all threads, and for each event loop
``kv``               the operations as methods, for every kind of client
``scans``            page after page, keys one by one
``sync``             ``Client``
``sync_watch``       its ``Watch``
``awaitable``        ``AsyncClient``
``awaitable_watch``  its ``AsyncWatch``
``either``           ``SynapClient``
===================  ==========================================================================
"""
