# cython: language_level=3, binding=False, always_allow_keywords=False, boundscheck=False, wraparound=False
# cython: initializedcheck=False, cdivision=True, embedsignature=False
"""The compiled twin of coding rows: from the bytes to tuples and events and back, with nothing in between.

It knows only what an encoder writes (see ``cbor.py``), and what is as good::

    rows      an array of a definite length, and nothing behind it
    row       an array of a definite length; where rows have a tag, that comes first, a number
    field     a byte string of a definite length; a number that is not negative, within its limits; null where allowed
    head      in its shortest form or in a longer one

Of anything else it makes nothing at all, and says no more than that: ``rows.py`` then asks the reference, whose errors
are the errors. So there is nothing in which the two could differ but what this one accepts.

No length is believed: a byte string has to lie within the payload, and of rows there can be no more than there
are bytes left for. Nothing recurses.

What it writes are the bytes that the reference writes, each head in its shortest form.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.list cimport PyList_GET_ITEM, PyList_GET_SIZE, PyList_New, PyList_SET_ITEM
from cpython.object cimport PyObject
from cpython.ref cimport Py_DECREF, Py_INCREF
from cpython.tuple cimport PyTuple_GET_ITEM, PyTuple_GET_SIZE, PyTuple_New, PyTuple_SET_ITEM
from cython cimport final
from libc.stdint cimport uint8_t, uint64_t
from libc.stdlib cimport free, realloc
from libc.string cimport memcmp, memcpy

cdef extern from "Python.h":
    object PyObject_Vectorcall(object called, PyObject** arguments, size_t count, PyObject* names)
    bint PyBool_Check(object given)
    bint PyBytes_CheckExact(object given)
    bint PyLong_Check(object given)

cdef enum:
    # The first three bits of an item.
    NUMBER = 0
    BYTES = 2
    ARRAY = 4
    # All of one that is null.
    NULL_ITEM = 0xF6
    FIELDS_MAX = 8
    KINDS_MAX = 16
    # The first byte, and a number of 64 bits.
    HEAD_MAX_BYTES = 9
    # What there is room for at first; doubled where it is too little.
    TEXT_BYTES = 4096

cdef struct Field:
    bint is_bytes
    bint may_be_null
    # The limits of a number.
    uint64_t least
    uint64_t most

cdef struct Kind:
    uint64_t tag
    int count
    Field fields[FIELDS_MAX]

# Null is a field, so it cannot say that there is none.
cdef object _NO_FIELD = object()

# What is not read yet.
cdef struct Rest:
    const uint8_t* at
    const uint8_t* end


# What is written so far.
cdef struct Text:
    uint8_t* start
    size_t size
    size_t room


cdef class Shape:
    """What rows of one shape may be. ``kinds`` is what ``rows.plan_of`` makes of it."""

    cdef Kind kinds[KINDS_MAX]
    cdef int kind_count
    cdef bint has_tags
    # No row takes less: a byte for its own head and for that of each field.
    cdef uint64_t row_min_bytes
    # What is called with the fields of a row, for each kind.
    cdef list made_by

    def __cinit__(self, kinds not None):
        if not 0 < len(kinds) <= KINDS_MAX:
            raise ValueError(f"there may be 1 to {KINDS_MAX} kinds of rows, not {len(kinds)}")
        self.kind_count, self.made_by, self.row_min_bytes = 0, [], 1 + FIELDS_MAX
        self.has_tags = kinds[0].tag is not None
        for kind in kinds:
            if len(kind.fields) > FIELDS_MAX:
                raise ValueError(f"a row may have {FIELDS_MAX} fields, not {len(kind.fields)}")
            self.add(&self.kinds[self.kind_count], kind)
            self.made_by.append(kind.made_by)
            self.row_min_bytes = min(self.row_min_bytes, 1 + self.has_tags + len(kind.fields))
            self.kind_count += 1

    cdef int add(self, Kind* added, kind) except -1:
        cdef int number
        added.tag = kind.tag if self.has_tags else 0
        added.count = len(kind.fields)
        for number in range(added.count):
            field = kind.fields[number]
            added.fields[number] = Field(field.is_bytes, field.may_be_null, field.least, field.most)
        return 0


@final
cdef class Decoder(Shape):
    """Makes rows of a shape."""

    def decode(self, bytes payload not None):
        """The rows of a payload; None where it holds anything that this one does not know."""
        cdef Rest rest
        cdef uint64_t count
        cdef Py_ssize_t number
        rest.at = <const uint8_t*> PyBytes_AS_STRING(payload)
        rest.end = rest.at + PyBytes_GET_SIZE(payload)
        if not read_head(&rest, ARRAY, &count) or count > <uint64_t> (rest.end - rest.at) // self.row_min_bytes:
            return None
        cdef list rows = PyList_New(<Py_ssize_t> count)
        for number in range(<Py_ssize_t> count):
            row = self.row(&rest)
            if row is None:
                return None
            Py_INCREF(row)
            PyList_SET_ITEM(rows, number, row)
        return rows if rest.at == rest.end else None

    cdef inline object row(self, Rest* rest):
        """The next row, or None."""
        cdef uint64_t length, tag
        cdef int number = 0
        if not read_head(rest, ARRAY, &length):
            return None
        if self.has_tags:
            if length == 0 or not read_head(rest, NUMBER, &tag):
                return None
            length -= 1
            while number < self.kind_count and self.kinds[number].tag != tag:
                number += 1
            if number == self.kind_count:
                return None
        if length != <uint64_t> self.kinds[number].count:
            return None
        made_by = <object> PyList_GET_ITEM(self.made_by, number)
        return tuple_of(rest, &self.kinds[number]) if made_by is None else made(rest, &self.kinds[number], made_by)


cdef inline tuple tuple_of(Rest* rest, const Kind* kind):
    """The fields of a row, or None."""
    cdef tuple fields = PyTuple_New(kind.count)
    cdef int number
    cdef object field
    for number in range(kind.count):
        field = read_field(rest, &kind.fields[number])
        if field is _NO_FIELD:
            return None
        Py_INCREF(field)
        PyTuple_SET_ITEM(fields, number, field)
    return fields


cdef inline object made(Rest* rest, const Kind* kind, made_by):
    """What is made of the fields of a row, or None."""
    cdef PyObject* fields[FIELDS_MAX]
    cdef int count = 0
    cdef object field
    try:
        while count < kind.count:
            field = read_field(rest, &kind.fields[count])
            if field is _NO_FIELD:
                return None
            Py_INCREF(field)
            fields[count] = <PyObject*> field
            count += 1
        return PyObject_Vectorcall(made_by, fields, kind.count, NULL)
    finally:
        while count:
            count -= 1
            Py_DECREF(<object> fields[count])


cdef inline object read_field(Rest* rest, const Field* field):
    """The next field; ``_NO_FIELD`` where it is not as it should be."""
    cdef uint64_t number
    if field.may_be_null and rest.at < rest.end and rest.at[0] == NULL_ITEM:
        rest.at += 1
        return None
    if not field.is_bytes:
        if not read_head(rest, NUMBER, &number) or not field.least <= number <= field.most:
            return _NO_FIELD
        return number
    if not read_head(rest, BYTES, &number) or number > <uint64_t> (rest.end - rest.at):
        return _NO_FIELD
    rest.at += number
    return PyBytes_FromStringAndSize(<const char*> rest.at - number, <Py_ssize_t> number)


cdef inline bint read_head(Rest* rest, uint8_t major, uint64_t* number) noexcept nogil:
    """The number in the head of the next item, which must be of this major type; false where there is none."""
    cdef uint8_t low
    cdef size_t length
    if rest.at == rest.end or rest.at[0] >> 5 != major:
        return False
    low = rest.at[0] & 0x1F
    rest.at += 1
    if low < 24:
        number[0] = low
        return True
    # 28 to 30 mean nothing, and 31 that the length is not known yet.
    if low > 27:
        return False
    length = <size_t> 1 << (low - 24)
    if length > <size_t> (rest.end - rest.at):
        return False
    number[0] = 0
    while length:
        number[0] = number[0] << 8 | rest.at[0]
        rest.at += 1
        length -= 1
    return True


@final
cdef class Encoder(Shape):
    """Writes rows of a shape, of which each kind is made by the type of its rows, and has a tag."""

    # Of the fields, for each kind.
    cdef list names

    def __cinit__(self, kinds not None):
        self.names = [kind.made_by.__struct_fields__ for kind in kinds]

    def encode(self, list rows not None):
        """The payload; None where a row is anything that this one does not know."""
        cdef Text text = Text(NULL, 0, 0)
        try:
            write_head(&text, ARRAY, <uint64_t> PyList_GET_SIZE(rows))
            for row in rows:
                if not self.write(&text, row):
                    return None
            return PyBytes_FromStringAndSize(<const char*> text.start, <Py_ssize_t> text.size)
        finally:
            free(text.start)

    cdef bint write(self, Text* text, row) except -1:
        """Write a row; false where it is of no kind, or a field is not as it should be."""
        cdef int number = 0, place
        cdef const Kind* kind
        cdef tuple names
        while number < self.kind_count and type(row) is not <object> PyList_GET_ITEM(self.made_by, number):
            number += 1
        if number == self.kind_count:
            return False
        kind, names = &self.kinds[number], <tuple> PyList_GET_ITEM(self.names, number)
        write_head(text, ARRAY, <uint64_t> kind.count + 1)
        write_head(text, NUMBER, kind.tag)
        for place in range(kind.count):
            if not write_field(text, getattr(row, <str> PyTuple_GET_ITEM(names, place)), &kind.fields[place]):
                return False
        return True


cdef bint write_field(Text* text, given, const Field* field) except -1:
    """Write a field; false where it is not as it should be."""
    cdef uint64_t number
    if given is None:
        if field.may_be_null:
            make_room(text, 1)
            text.start[text.size] = NULL_ITEM
            text.size += 1
        return field.may_be_null
    if field.is_bytes:
        if not PyBytes_CheckExact(given):
            return False
        write_head(text, BYTES, <uint64_t> PyBytes_GET_SIZE(given))
        make_room(text, <size_t> PyBytes_GET_SIZE(given))
        memcpy(text.start + text.size, PyBytes_AS_STRING(given), <size_t> PyBytes_GET_SIZE(given))
        text.size += <size_t> PyBytes_GET_SIZE(given)
        return True
    # To the reference, True is no number.
    if not PyLong_Check(given) or PyBool_Check(given):
        return False
    try:
        number = given
    except OverflowError:
        return False
    if not field.least <= number <= field.most:
        return False
    write_head(text, NUMBER, number)
    return True


cdef int write_head(Text* text, uint8_t major, uint64_t number) except -1:
    """Write the head of an item in its shortest form, or all of a number."""
    cdef int power = 0
    make_room(text, HEAD_MAX_BYTES)
    if number < 24:
        text.start[text.size] = major << 5 | <uint8_t> number
        text.size += 1
        return 0
    while power < 3 and number >> (8 << power):
        power += 1
    text.start[text.size] = major << 5 | <uint8_t> (24 + power)
    text.size += 1
    for power in range((8 << power) - 8, -8, -8):
        text.start[text.size] = <uint8_t> (number >> power)
        text.size += 1
    return 0


cdef inline int make_room(Text* text, size_t size) except -1:
    """Let there be room for so many bytes more."""
    cdef size_t room = max(text.room, <size_t> TEXT_BYTES)
    cdef void* start
    if size <= text.room - text.size:
        return 0
    while room - text.size < size:
        room *= 2
    start = realloc(text.start, room)
    if start == NULL:
        raise MemoryError
    text.start, text.room = <uint8_t*> start, room
    return 0


def look_over(list entries not None, bytes before):
    """See ``rows.look_over``."""
    cdef Py_ssize_t number, text_bytes = 0
    cdef bint ascend = True
    cdef tuple entry
    cdef bytes key, value
    for number in range(PyList_GET_SIZE(entries)):
        entry = <tuple?> <object> PyList_GET_ITEM(entries, number)
        if PyTuple_GET_SIZE(entry) != 5:
            raise ValueError("an entry has five fields")
        key, value = <bytes?> <object> PyTuple_GET_ITEM(entry, 0), <bytes?> <object> PyTuple_GET_ITEM(entry, 2)
        text_bytes += PyBytes_GET_SIZE(key) + PyBytes_GET_SIZE(value)
        ascend = ascend and (before is None or is_less(before, key))
        before = key
    return text_bytes, ascend


cdef inline bint is_less(bytes one, bytes other) noexcept:
    cdef Py_ssize_t one_bytes = PyBytes_GET_SIZE(one), other_bytes = PyBytes_GET_SIZE(other)
    cdef int order = memcmp(PyBytes_AS_STRING(one), PyBytes_AS_STRING(other), min(one_bytes, other_bytes))
    return order < 0 or (order == 0 and one_bytes < other_bytes)
