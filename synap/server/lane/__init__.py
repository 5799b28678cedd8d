"""The fast lane: the door for requests that are plain, small and many. hypercorn is the other one, for all of HTTP.

The lane has every new connection first. It serves what it fully understands straight from the REST API and the store:
no task, no channel and no message for a request. With the first thing that it does not understand it hands the
connection over, every byte from the beginning of that request included, and hypercorn serves it from then on. So the
lane never refuses anything for its form: there is one place that says what is wrong with a request, and it is the other
door.

============  ==============================================================================
``heads``     where a head ends, and what its first line says; with a compiled twin
``framing``   bytes to requests, and when to hand over; sans-IO
``answering`` what becomes of a request: a response at once, or later, or not here
``beliefs``   what is believed of requests with the same header fields, for a second at most
``reads``     the one request that outnumbers all others, in one go
``writes``    the most frequent change, in two: as it comes, and as it is durable
``rendering`` responses to bytes; sans-IO
``passage``   one connection: reading, answering in order, sending
``patience``  how long a connection may take for what; one watch over all of them
``door``      all connections: who is next
============  ==============================================================================
"""
