# cython: language_level=3, binding=False, always_allow_keywords=False, boundscheck=False, wraparound=False
# cython: initializedcheck=False, cdivision=True, embedsignature=False
"""The compiled twin of ``heads.py``: the same answer, from one pass over the head.

A bytes object has a zero byte behind its end, which is no part of any token here. So comparing goes on without looking
at the length: it stops there at the latest.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.string cimport memchr, strncmp


def head_of(bytes buffer not None, Py_ssize_t max_bytes):
    """See ``heads.head_in_python``."""
    cdef const char* start = PyBytes_AS_STRING(buffer)
    cdef const char* limit = start + PyBytes_GET_SIZE(buffer)
    cdef const char* target
    cdef const char* query
    cdef const char* at
    cdef const char* line_end
    cdef str method = method_of(start)
    if method is None:
        return None
    target = at = start + len(method) + 1
    if at[0] != c"/":
        return None
    query = NULL
    while c"!" <= at[0] <= c"~" and at[0] != c"#":
        if at[0] == c"?" and query == NULL:
            query = at
        at += 1
    if strncmp(at, b" HTTP/1.1\r\n", 11) != 0:
        return None
    line_end = at + 9
    end = head_end(line_end, limit)
    if end == NULL or end - start > max_bytes:
        return None
    return (
        method,
        PyBytes_FromStringAndSize(target, (at if query == NULL else query) - target),
        b"" if query == NULL else PyBytes_FromStringAndSize(query + 1, at - query - 1),
        line_end - start,
        end - start,
    )


cdef inline str method_of(const char* start):
    """The method that a line begins with, and a blank; None where that is none for the lane."""
    if strncmp(start, b"GET ", 4) == 0:
        return "GET"
    if strncmp(start, b"POST ", 5) == 0:
        return "POST"
    if strncmp(start, b"PUT ", 4) == 0:
        return "PUT"
    if strncmp(start, b"DELETE ", 7) == 0:
        return "DELETE"
    if strncmp(start, b"HEAD ", 5) == 0:
        return "HEAD"
    return None


cdef inline const char* head_end(const char* at, const char* limit) noexcept nogil:
    """Behind the first empty line; NULL where there is none yet."""
    while True:
        at = <const char*> memchr(at, c"\r", limit - at)
        if at == NULL:
            return NULL
        if strncmp(at, b"\r\n\r\n", 4) == 0:
            return at + 4
        at += 1
