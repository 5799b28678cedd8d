"""The REST API without input and output: a request as a value in, a response as a value out.

Two doors share it, so that they answer alike. A shell reads a request, finds its ``Match`` by method and path
(``routes.find``), makes it a ``Call`` (``match.call(request)``), has the call's wish answered by the
``Service`` and the result rendered (``call.respond(result)``); whatever is raised on the way becomes a response
through ``respond_to_error``, and every response leaves through ``finish``.

============  ==============================================================================
``message``   ``Request`` and ``Response``
``percent``   the segments of a path
``query``     the parameters of a query
``cursor``    where a scan goes on
``media_type``  what a body is declared to be
``bodies``    the shapes of the JSON bodies of requests
``answers``   those of answers
``decoding``  how bytes become them
``values``    JSON values to stored bytes and back
``raw``       values as bodies of their own
``precondition``   If-Match and If-None-Match
``origin``    whether a web page may write
``host``      under which name the server may be asked for
``cors``      which web pages of other origins may use the API
``credentials``  who a request says it comes from
``permission``   who may have which wish granted
``ttl``       times to exact milliseconds
``endpoints`` one function per route: request to wish, result to response; by subject
``router``    patterns and how a path finds its own
``routes``    the table of all routes
``render``    bodies to bytes, compression, HEAD
``errors``    the table of all errors
``description``   what is said of a route, and its ``tags``
``openapi``   what is made of that: /openapi.json, /docs and docs/rest.md
``service``   what the API asks of the server behind it
============  ==============================================================================
"""

from synap.protocol.http.errors import respond_to_error, show
from synap.protocol.http.message import Headers, Request, Response
from synap.protocol.http.render import finish
from synap.protocol.http.router import Call, Match
from synap.protocol.http.routes import find
from synap.protocol.http.service import Service, answer

__all__ = [
    "Call",
    "Headers",
    "Match",
    "Request",
    "Response",
    "Service",
    "answer",
    "find",
    "finish",
    "respond_to_error",
    "show",
]
