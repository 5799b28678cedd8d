# cython: language_level=3, binding=False, always_allow_keywords=False, boundscheck=False, wraparound=False
# cython: initializedcheck=False, cdivision=True, embedsignature=False
"""The compiled twin of ``digest.py``: the same numbers, without making objects of what is hashed.

An entry's fields are written into one buffer, which is shown to xxhash as an object of its own, always the same; the
sixteen bytes that come back are added as two numbers of 64 bits. An entry that is larger than the buffer, or that comes
while the buffer is in use, is put together in a bytes object.
"""

from cpython.buffer cimport PyBuffer_FillInfo
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cython cimport final
from libc.stdint cimport int64_t, uint8_t, uint64_t
from libc.string cimport memcpy

from xxhash import xxh3_128_digest

cdef extern from "Python.h":
    object PyObject_CallOneArg(object called, object argument)

cdef enum:
    # Length of the key, kind, deadline, version: see ``digest.py``.
    HEAD_BYTES = 4 + 1 + 8 + 8
    # Nearly all entries fit, and it stays in the nearest caches.
    ROOM_BYTES = 16 * 1024
    DIGEST_BYTES = 16
    NO_DEADLINE = -1

# Modulo 2^128.
cdef struct Sum:
    uint64_t high
    uint64_t low


@final
cdef class Window:
    """What xxhash sees: the first ``size`` bytes of the buffer."""

    cdef uint8_t text[ROOM_BYTES]
    cdef Py_ssize_t size
    cdef bint in_use

    def __getbuffer__(self, Py_buffer* view, int flags):
        PyBuffer_FillInfo(view, self, self.text, self.size, 1, flags)


cdef Window _window = Window()
cdef object _hash = xxh3_128_digest


@final
cdef class CompiledDigest:
    """See ``digest.PurePythonDigest``."""

    cdef Sum sum

    @property
    def value(self):
        """See ``PurePythonDigest``."""
        return as_object(self.sum)

    def of(self, items not None):
        """See ``PurePythonDigest``."""
        cdef Passing passing = Passing.__new__(Passing)
        passing.digest, passing.items = self, iter(items)
        return passing

    def add(self, bytes key not None, int kind, bytes value not None, deadline_ms, uint64_t version):
        """See ``PurePythonDigest``."""
        cdef Sum number
        take_number(&number, key, kind, value, deadline_ms, version)
        add(&self.sum, number)

    def exchange(self, bytes key not None, tuple before, tuple after):
        """See ``PurePythonDigest``."""
        cdef Sum gone, come
        # Both are made before anything is changed, as either may raise.
        if before is not None:
            kind, value, deadline_ms, version = before
            take_number(&gone, key, kind, value, deadline_ms, version)
        if after is not None:
            kind, value, deadline_ms, version = after
            take_number(&come, key, kind, value, deadline_ms, version)
            add(&self.sum, come)
        if before is not None:
            subtract(&self.sum, gone)


@final
cdef class Passing:
    """Items that are taken into a digest as they pass."""

    cdef CompiledDigest digest
    cdef object items

    def __iter__(self):
        return self

    def __next__(self):
        cdef Sum number
        item = next(self.items)
        key, kind, value, deadline_ms, version = item
        take_number(&number, key, kind, value, deadline_ms, version)
        add(&self.digest.sum, number)
        return item


def entry_digest(bytes key not None, int kind, bytes value not None, deadline_ms, uint64_t version):
    """See ``digest.entry_digest``."""
    cdef Sum number
    take_number(&number, key, kind, value, deadline_ms, version)
    return as_object(number)


cdef int take_number(Sum* number, bytes key, int kind, bytes value, deadline_ms, uint64_t version) except -1:
    """The number of one entry."""
    if key is None or value is None:
        raise TypeError("keys and values are bytes")
    cdef Py_ssize_t key_bytes = PyBytes_GET_SIZE(key), value_bytes = PyBytes_GET_SIZE(value)
    cdef Py_ssize_t size = HEAD_BYTES + key_bytes + value_bytes
    cdef int64_t deadline = NO_DEADLINE if deadline_ms is None else deadline_ms
    cdef bint fits = size <= ROOM_BYTES and not _window.in_use
    cdef object hashed = _window if fits else PyBytes_FromStringAndSize(NULL, size)
    cdef uint8_t* text = &_window.text[0] if fits else <uint8_t*> PyBytes_AS_STRING(hashed)
    put(text, <uint64_t> key_bytes, 4)
    text[4] = <uint8_t> kind
    put(text + 5, <uint64_t> deadline, 8)
    put(text + 13, version, 8)
    memcpy(text + HEAD_BYTES, PyBytes_AS_STRING(key), key_bytes)
    memcpy(text + HEAD_BYTES + key_bytes, PyBytes_AS_STRING(value), value_bytes)
    if not fits:
        return read(number, PyObject_CallOneArg(_hash, hashed))
    # Should hashing ever let another thread on, that one must not write here.
    _window.size, _window.in_use = size, True
    try:
        return read(number, PyObject_CallOneArg(_hash, hashed))
    finally:
        _window.in_use = False


cdef inline void put(uint8_t* place, uint64_t number, int length) noexcept nogil:
    """Little-endian, whatever the machine is."""
    cdef int each
    for each in range(length):
        place[each] = <uint8_t> (number >> 8 * each)


cdef inline int read(Sum* number, bytes digest) except -1:
    """Sixteen bytes, big-endian, as a number."""
    cdef const uint8_t* text = <const uint8_t*> PyBytes_AS_STRING(digest)
    cdef int each
    number.high = number.low = 0
    for each in range(DIGEST_BYTES // 2):
        number.high = number.high << 8 | text[each]
        number.low = number.low << 8 | text[DIGEST_BYTES // 2 + each]
    return 0


cdef inline void add(Sum* sum, Sum number) noexcept nogil:
    sum.low += number.low
    sum.high += number.high + (sum.low < number.low)


cdef inline void subtract(Sum* sum, Sum number) noexcept nogil:
    sum.high -= number.high + (sum.low < number.low)
    sum.low -= number.low


cdef inline object as_object(Sum number):
    return (<object> number.high << 64) | number.low
