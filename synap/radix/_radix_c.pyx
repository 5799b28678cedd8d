# cython: language_level=3, binding=False, always_allow_keywords=False, boundscheck=False, wraparound=False
# cython: initializedcheck=False, cdivision=True, embedsignature=False
"""The compiled tree: entries, nodes and both orders in memory of their own, of which Python knows nothing.

A radix tree as in ``keys.py``, but without twigs: nodes are small here, and a dict is not at hand. There is an inner
node wherever two keys part, and it knows how many bytes they share, not which. Here is what ``show`` would draw of
seven keys; the number is the byte at which an inner node parts what is below it::

    7 keys, part at 0
    ├ a ─ 4 keys, part at 4
    │     ├ c ─ 2 keys, part at 7
    │     │     ├ d ─ 'ann:cards'
    │     │     └ t ─ 'ann:cart'
    │     ├ l ─ 'ann:login'
    │     └ t ─ 'ann:theme'
    └ b ─ 3 keys, part at 3
          ├ end ─ 'bob'
          ├ b ─ 'bobby'
          └ c ─ 'bobcat'

Each part is a file that begins with its rules:

* ``_mapping.pxi``    memory from the system
* ``_arena.pxi``      blocks without headers, named by numbers of 32 bits
* ``_blocks.pxi``     what the blocks hold: an entry with its key and value, an inner node
* ``_keys.pxi``       the order by key: ways down, and changes of shape
* ``_deadlines.pxi``  the order by deadline
* ``_load.pxi``       a whole tree at once
* ``_many.pxi``       many keys at once
* ``_hot.pxi``        what is read again and again
* ``_walk.pxi``       iterations
* ``_check.pxi``      what must hold

A session with a key of 40 bytes and a value of 300 takes 368 bytes for its entry, 4 for its place in the order by
deadline, and about 14 for its share of the nodes.

Every function that can run out of memory does so before it changes anything. Nothing here lets go of the interpreter
lock: a call is atomic for other threads.
"""

cimport cython
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.list cimport PyList_GET_ITEM, PyList_GET_SIZE, PyList_SET_ITEM
from cpython.object cimport PyObject
from cpython.ref cimport Py_DECREF, Py_INCREF
from cython cimport final
from libc.stdint cimport INT64_MAX, INT64_MIN, int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free, malloc, realloc
from libc.string cimport memcmp, memcpy, memmove, memset

include "_mapping.pxi"
include "_arena.pxi"

# The fields of an entry that comes in, but for its deadline.
cdef struct Fields:
    const uint8_t* key
    const uint8_t* value
    uint32_t key_bytes
    uint32_t value_bytes
    uint64_t version
    int kind

cdef struct Map:
    Arena arena
    # A node or entry; 0 for an empty tree.
    uint32_t root
    # The entries that have a deadline, see ``_deadlines.pxi``.
    uint32_t* order
    size_t order_count
    size_t order_room

include "_blocks.pxi"
include "_keys.pxi"
include "_deadlines.pxi"
include "_load.pxi"
include "_hot.pxi"

# --- what comes in and goes out --------------------------------------------------------------------------


cdef inline bytes key_object(const Entry* entry):
    return PyBytes_FromStringAndSize(<const char*> key_of(entry), key_bytes(entry))


cdef inline tuple entry_object(const Entry* entry):
    cdef object deadline_ms = None if entry.position == NO_POSITION else entry.deadline_ms
    cdef bytes value = PyBytes_FromStringAndSize(<const char*> value_of(entry), entry.value_bytes)
    return kind_of(entry), value, deadline_ms, entry.version


cdef inline tuple item_object(const Entry* entry):
    cdef object deadline_ms = None if entry.position == NO_POSITION else entry.deadline_ms
    cdef bytes value = PyBytes_FromStringAndSize(<const char*> value_of(entry), entry.value_bytes)
    return key_object(entry), kind_of(entry), value, deadline_ms, entry.version


cdef inline const uint8_t* text_of(bytes text) noexcept:
    return <const uint8_t*> PyBytes_AS_STRING(text)


cdef inline uint32_t size_of_text(bytes text) noexcept:
    """The length of a key or prefix; one that is too long for any entry stays too long for any."""
    cdef Py_ssize_t size = PyBytes_GET_SIZE(text)
    return <uint32_t> size if size <= KEY_MAX_BYTES else KEY_MAX_BYTES + 1


cdef int take_fields(Fields* fields, bytes key, int kind, bytes value, uint64_t version) except -1:
    """Raises ``OverflowError`` where a field is larger than an entry can hold."""
    if PyBytes_GET_SIZE(key) > KEY_MAX_BYTES or PyBytes_GET_SIZE(value) > 0xFFFFFFFF:
        raise OverflowError(f"a key has at most {KEY_MAX_BYTES} bytes, a value at most {0xFFFFFFFF}")
    if not 0 <= kind <= KIND_MAX:
        raise OverflowError(f"a kind is a number from 0 to {KIND_MAX}, not {kind}")
    fields.key, fields.key_bytes = text_of(key), <uint32_t> PyBytes_GET_SIZE(key)
    fields.value, fields.value_bytes = text_of(value), <uint32_t> PyBytes_GET_SIZE(value)
    fields.kind, fields.version = kind, version
    return 0


# --- the tree --------------------------------------------------------------------------------------------


@final
cdef class CompiledTree:
    """See ``interface.Tree``."""

    cdef Map map
    cdef uint64_t changes
    cdef Hot* hot
    cdef bint loading

    def __dealloc__(self):
        clear(&self.map)
        cool_all(self.hot)
        free(self.hot)

    cdef int change(self) except -1:
        """Whoever changes the tree asks first."""
        if self.loading:
            raise RuntimeError("items must not change the tree that is made of them")
        return 0

    cdef tuple find_to_change(self, bytes key, Place* place):
        """The entry of a key, None where there is none, and where it is.

        Making a tuple may wake the collector, and what that runs may change the tree: then all of it is done again.
        """
        cdef uint64_t changes
        cdef tuple entry
        while True:
            changes = self.changes
            place[0] = find_place(&self.map, text_of(key), size_of_text(key))
            entry = entry_object(entry_at(&self.map, place.ref)) if place.ref else None
            if changes == self.changes:
                return entry

    # --- one entry ---------------------------------------------------------------------------------------

    def get(self, bytes key not None):
        """See ``Tree``."""
        cdef Py_hash_t hashed = hash(key)
        cdef PyObject* hot
        if self.hot != NULL:
            hot = hot_entry(self.hot, key, hashed)
            if hot != NULL:
                return <object> hot
        cdef uint32_t ref = find(&self.map, text_of(key), size_of_text(key))
        if ref == 0:
            return None
        cdef bint outside = (entry_at(&self.map, ref).head & OUTSIDE_FLAG) != 0
        cdef tuple found = entry_object(entry_at(&self.map, ref))
        if not outside:
            if self.hot == NULL:
                self.hot = <Hot*> calloc(HOT_PLACES, sizeof(Hot))
            if self.hot != NULL:
                asked_for(self.hot, key, hashed, found)
        return found

    def get_many(self, keys not None):
        """See ``Tree``."""
        return many(self, list(keys))

    def foresee(self, keys not None):
        """See ``Tree``."""
        foresee(&self.map, list(keys))

    def entry_bytes(self, bytes key not None):
        """See ``Tree``."""
        cdef uint32_t ref = find(&self.map, text_of(key), size_of_text(key))
        return 0 if ref == 0 else entry_weight(entry_at(&self.map, ref))

    def put(self, bytes key not None, int kind, bytes value not None, deadline_ms, uint64_t version):
        """See ``Tree``."""
        cdef Fields fields
        cdef bint has_deadline = deadline_ms is not None
        cdef int64_t deadline = deadline_ms if has_deadline else 0
        cdef Place place
        cdef uint32_t ref
        self.change()
        take_fields(&fields, key, kind, value, version)
        cdef tuple replaced = self.find_to_change(key, &place)
        if has_deadline and not have_order_room(&self.map):
            raise MemoryError
        ref = replace(&self.map, place, &fields) if place.ref else insert(&self.map, &fields)
        if ref == 0:
            raise MemoryError
        self.changes += 1
        changed(self.hot, key)
        move_in_order(&self.map, ref, has_deadline, deadline)
        return replaced

    def set_deadline(self, bytes key not None, deadline_ms):
        """See ``Tree``."""
        cdef bint has_deadline = deadline_ms is not None
        cdef int64_t deadline = deadline_ms if has_deadline else 0
        self.change()
        cdef Place place
        cdef tuple entry = self.find_to_change(key, &place)
        if entry is None:
            return None
        if has_deadline and not have_order_room(&self.map):
            raise MemoryError
        self.changes += 1
        changed(self.hot, key)
        move_in_order(&self.map, place.ref, has_deadline, deadline)
        return entry

    def delete(self, bytes key not None):
        """See ``Tree``."""
        self.change()
        cdef Place place
        cdef tuple entry = self.find_to_change(key, &place)
        if entry is None:
            return None
        self.changes += 1
        changed(self.hot, key)
        detach(&self.map, place, text_of(key), size_of_text(key))
        give_below(&self.map, place.ref)
        return entry

    # --- all at once -------------------------------------------------------------------------------------

    def load(self, items not None):
        """See ``Tree``."""
        self.change()
        if self.map.root:
            raise ValueError("only an empty tree can be loaded")
        # What was in use before may lie scattered.
        clear(&self.map)
        self.loading = True
        try:
            fill(&self.map, items)
        except BaseException:
            clear(&self.map)
            raise
        finally:
            self.loading = False
        if self.map.root:
            self.changes += 1

    # --- all under a prefix ------------------------------------------------------------------------------

    def __len__(self):
        return size_of(&self.map, self.map.root)

    def count(self, bytes prefix not None=b""):
        """See ``Tree``."""
        return size_of(&self.map, cover(&self.map, text_of(prefix), size_of_text(prefix)).ref)

    def delete_prefix(self, bytes prefix not None):
        """See ``Tree``."""
        self.change()
        cdef Place place = cover(&self.map, text_of(prefix), size_of_text(prefix))
        cdef uint32_t count = size_of(&self.map, place.ref)
        if count == 0:
            return 0
        self.changes += 1
        cool_all(self.hot)
        if place.parent == 0:
            clear(&self.map)
        else:
            detach(&self.map, place, text_of(prefix), size_of_text(prefix))
            give_below(&self.map, place.ref)
        return count

    def key_at(self, position not None):
        """See ``Tree``."""
        if not 0 <= position < size_of(&self.map, self.map.root):
            raise IndexError(f"there is no key {position} among {len(self)}")
        return key_object(entry_at(&self.map, at_position(&self.map, position)))

    def keys(self, bytes prefix not None=b"", bytes start not None=b""):
        """See ``Tree``."""
        return walk(self, prefix, start, False)

    def items(self, bytes prefix not None=b"", bytes start not None=b""):
        """See ``Tree``."""
        return walk(self, prefix, start, True)

    # --- the other order, and the size -------------------------------------------------------------------

    def due(self, now_ms not None, limit=None):
        """See ``Tree``."""
        cdef int64_t latest_ms = min(max(now_ms, INT64_MIN), INT64_MAX)
        return due_keys(&self.map, latest_ms, self.map.order_count if limit is None else limit)

    @property
    def memory_bytes(self):
        """See ``Tree``. The blocks in use, to the byte, memory outside of them, and the places in the other order."""
        cdef const Map* map = &self.map
        return map.arena.block_bytes + map.arena.outside_bytes + map.order_count * sizeof(uint32_t)

    def check(self):
        """Raise ``AssertionError`` where what must hold of a tree does not; for tests."""
        check_map(&self.map)


cdef uint32_t replace(Map* map, Place place, const Fields* fields) noexcept nogil:
    """Give an entry another value, kind and version; 0 where there is no memory."""
    cdef Entry* old = entry_at(map, place.ref)
    cdef Entry* entry
    cdef uint32_t ref
    cdef size_t size = ENTRY_HEAD_BYTES + <size_t> fields.key_bytes + fields.value_bytes
    if not CHECKED and not old.head & OUTSIDE_FLAG and size <= BLOCK_MAX_BYTES and rounded(size) == entry_weight(old):
        memcpy(<uint8_t*> value_of(old), fields.value, fields.value_bytes)
        old.head = ENTRY_FLAG | (<uint32_t> fields.kind << KIND_SHIFT) | fields.key_bytes
        old.value_bytes = fields.value_bytes
        old.version = fields.version
        return place.ref
    ref = new_entry(&map.arena, fields)
    if ref == 0:
        return 0
    old, entry = entry_at(map, place.ref), entry_at(map, ref)
    entry.deadline_ms, entry.position = old.deadline_ms, old.position
    replace_in_order(map, ref)
    hang(map, place.parent, fields.key, fields.key_bytes, ref)
    give_entry(&map.arena, place.ref)
    return ref


cdef fill(Map* map, items):
    """Fill an empty map with items in key order. Raises as ``Tree.load`` does, and leaves the map to be cleared."""
    cdef Building building
    cdef Fields fields
    cdef bytes key, value
    cdef size_t number = 0
    cdef int said
    memset(&building, 0, sizeof(Building))
    try:
        for key, kind, value, deadline_ms, version in items:
            if key is None or value is None:
                raise TypeError("keys and values are bytes")
            take_fields(&fields, key, kind, value, version)
            said = append(map, &building, &fields, deadline_ms is not None, 0 if deadline_ms is None else deadline_ms)
            if said == NOT_GREATER:
                raise ValueError(f"the key of entry {number}, counted from 0, is not greater than the one before")
            if said == NO_MEMORY:
                raise MemoryError
            number += 1
        if not finish(map, &building):
            raise MemoryError
    finally:
        stop(map, &building)


include "_many.pxi"
include "_walk.pxi"
include "_check.pxi"


cdef Walk walk(CompiledTree tree, bytes prefix, bytes start, bint with_fields):
    cdef Walk walk = Walk.__new__(Walk)
    cdef uint32_t top = cover(&tree.map, text_of(prefix), size_of_text(prefix)).ref
    walk.tree, walk.changes, walk.with_fields = tree, tree.changes, with_fields
    if top:
        walk.seek(top, text_of(start), size_of_text(start))
    return walk


# --- for tests -------------------------------------------------------------------------------------------

def allow_allocations(long number):
    """Let so many allocations succeed and then none, in all trees; a negative number lifts the limit."""
    global _allowed_allocations
    _allowed_allocations = number


def held_bytes():
    """What all trees together have from the system."""
    return _held_bytes


IS_CHECKED = CHECKED
"""Whether each block is one of malloc, for an address sanitizer."""
