# What was read last and again: a few results of ``get``, kept as the tuples that they are.
#
# A key that is asked for twice, with no other one of its place between, is hot: its entry is then found by the hash
# that its key object has anyway, without a way down and without making value, numbers and tuple again. Keys that are
# read once never come in. Any change of an entry throws out what has its place, so nothing here is ever old.
#
# At most 256 entries of at most 4 KiB, whatever the number of sessions; they are no part of ``memory_bytes``.

cdef enum:
    HOT_PLACES = 256

cdef struct Hot:
    PyObject* key
    PyObject* entry
    Py_hash_t hash
    # That of the key which was asked for last and is not the one that is here.
    Py_hash_t asked


cdef inline PyObject* hot_entry(const Hot* places, bytes key, Py_hash_t hash) noexcept:
    """The entry of a key if it is hot, else NULL; borrowed."""
    cdef const Hot* place = &places[hash & (HOT_PLACES - 1)]
    if place.entry == NULL or place.hash != hash:
        return NULL
    if place.key == <PyObject*> key or <object> place.key == key:
        return place.entry
    return NULL


cdef void asked_for(Hot* places, bytes key, Py_hash_t hash, object entry) noexcept:
    """Take notice that an entry, which is not hot, was read."""
    cdef Hot* place = &places[hash & (HOT_PLACES - 1)]
    if place.asked != hash:
        place.asked = hash
        return
    cool(place)
    Py_INCREF(key)
    Py_INCREF(entry)
    place.key, place.entry, place.hash = <PyObject*> key, <PyObject*> entry, hash


cdef inline void changed(Hot* places, bytes key) noexcept:
    """Forget the entry of a key."""
    if places != NULL:
        cool(&places[hash(key) & (HOT_PLACES - 1)])


cdef void cool(Hot* place) noexcept:
    """Empty a place."""
    cdef PyObject* key = place.key
    cdef PyObject* entry = place.entry
    if entry == NULL:
        return
    place.key = place.entry = NULL
    Py_DECREF(<object> key)
    Py_DECREF(<object> entry)


cdef void cool_all(Hot* places) noexcept:
    cdef int number
    if places != NULL:
        for number in range(HOT_PLACES):
            cool(&places[number])
