# Many keys at once: several ways down side by side, so that the processor fetches memory for all of them while it waits
# for one.

cdef enum:
    SIDE_BY_SIDE = 16
    # Of an entry, so much is fetched ahead; what is longer comes as it is copied.
    FETCHED_BYTES = 512
    LINE_BYTES = 64


cdef int foresee(const Map* map, list keys) except -1:
    """See ``Tree.foresee``; nobody else has ``keys``."""
    cdef Py_ssize_t count = PyList_GET_SIZE(keys), start
    cdef uint32_t refs[SIDE_BY_SIDE]
    check_keys(keys)
    for start in range(0, count, SIDE_BY_SIDE):
        _find_many(map, keys, start, min(SIDE_BY_SIDE, count - start), refs)
    return 0


cdef int check_keys(list keys) except -1:
    for key in keys:
        if type(key) is not bytes:
            raise TypeError(f"a key is bytes, not {type(key).__name__}")
    return 0


cdef list many(CompiledTree tree, list keys):
    """See ``Tree.get_many``; nobody else has ``keys``."""
    cdef Py_ssize_t count = PyList_GET_SIZE(keys), start, number
    cdef uint32_t refs[SIDE_BY_SIDE]
    cdef uint64_t changes
    cdef list found = [None] * count
    cdef bytes key
    cdef object entry
    check_keys(keys)
    for start in range(0, count, SIDE_BY_SIDE):
        changes = tree.changes
        _find_many(&tree.map, keys, start, min(SIDE_BY_SIDE, count - start), refs)
        for number in range(start, min(start + SIDE_BY_SIDE, count)):
            # Making objects may wake the collector, and what that runs may change the tree.
            if changes != tree.changes:
                key = <bytes> PyList_GET_ITEM(keys, number)
                refs[number - start] = find(&tree.map, text_of(key), size_of_text(key))
            if refs[number - start]:
                entry = entry_object(entry_at(&tree.map, refs[number - start]))
                Py_INCREF(entry)
                # What is there is None, which needs no care.
                PyList_SET_ITEM(found, number, entry)
    return found


cdef void _find_many(const Map* map, list keys, Py_ssize_t start, Py_ssize_t count, uint32_t* refs) noexcept:
    """As ``find``, for ``count`` keys from ``start`` on."""
    cdef const uint8_t* texts[SIDE_BY_SIDE]
    cdef uint32_t sizes[SIDE_BY_SIDE]
    cdef int under_way[SIDE_BY_SIDE]
    cdef Py_ssize_t number, left = count, still, each
    for number in range(count):
        texts[number] = text_of(<bytes> PyList_GET_ITEM(keys, start + number))
        sizes[number] = size_of_text(<bytes> PyList_GET_ITEM(keys, start + number))
        refs[number] = map.root
        under_way[number] = <int> number
    if map.root == 0:
        return
    while left:
        still = 0
        for each in range(left):
            number = under_way[each]
            if _step(map, &refs[number], texts[number], sizes[number]):
                under_way[still] = <int> number
                still += 1
        left = still
    for number in range(count):
        if refs[number] and not has_key(entry_at(map, refs[number]), texts[number], sizes[number]):
            refs[number] = 0


cdef inline bint _step(const Map* map, uint32_t* ref, const uint8_t* key, uint32_t size) noexcept nogil:
    """Go down by a node, and have what comes next fetched; false where the way ends, at an entry or at 0."""
    cdef char* block = at(&map.arena, ref[0])
    cdef uint32_t* where
    cdef size_t fetched = LINE_BYTES, bytes_left
    if is_entry(block):
        bytes_left = entry_weight(<Entry*> block)
        while fetched < FETCHED_BYTES and fetched < bytes_left:
            synap_prefetch(block + fetched)
            fetched += LINE_BYTES
        return False
    where = child(<Inner*> block, key, size)
    ref[0] = where[0] if where != NULL else 0
    if ref[0]:
        synap_prefetch(at(&map.arena, ref[0]))
    return ref[0] != 0
