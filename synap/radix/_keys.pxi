# The order by key: ways down, and changes of shape.
#
# The way down is optimistic: an inner node says at which byte its keys part, and the bytes before it are not compared.
# It ends at the entry that has the key if any has, and at one that agrees with it as far as any does. So looking for a
# key compares one whole key, and adding one needs a second way down, to the place where the two part.
#
# Nothing recurses: a chain of keys a, aa, aaa, … makes a tree as deep as its longest key is long.

cdef struct Place:
    # A node or entry; 0 where there is none. The inner node above it and the one above that; 0 where there is none.
    uint32_t ref
    uint32_t parent
    uint32_t grandparent


cdef inline Entry* entry_at(const Map* map, uint32_t ref) noexcept nogil:
    return <Entry*> at(&map.arena, ref)


cdef inline Inner* inner_at(const Map* map, uint32_t ref) noexcept nogil:
    return <Inner*> at(&map.arena, ref)


cdef inline uint32_t size_of(const Map* map, uint32_t ref) noexcept nogil:
    """The number of entries below a node; 1 for an entry, and 0 for nothing."""
    if ref == 0:
        return 0
    return 1 if is_entry(at(&map.arena, ref)) else inner_at(map, ref).count


# --- ways down -------------------------------------------------------------------------------------------

cdef inline uint32_t find(const Map* map, const uint8_t* key, uint32_t size) noexcept nogil:
    """The entry of a key; 0 where there is none."""
    cdef uint32_t ref = map.root
    cdef uint32_t* where
    cdef char* block
    while ref:
        block = at(&map.arena, ref)
        if is_entry(block):
            return ref if has_key(<Entry*> block, key, size) else 0
        where = child(<Inner*> block, key, size)
        if where == NULL:
            return 0
        ref = where[0]
    return 0


cdef Place find_place(const Map* map, const uint8_t* key, uint32_t size) noexcept nogil:
    """As ``find``, with what is above."""
    cdef Place place = Place(map.root, 0, 0)
    cdef uint32_t* where
    while place.ref and not is_entry(at(&map.arena, place.ref)):
        where = child(inner_at(map, place.ref), key, size)
        place = Place(where[0] if where != NULL else 0, place.ref, place.parent)
    if place.ref and not has_key(entry_at(map, place.ref), key, size):
        place.ref = 0
    return place


cdef uint32_t first_entry(const Map* map, uint32_t ref) noexcept nogil:
    """The entry with the least key below ``ref``."""
    while not is_entry(at(&map.arena, ref)):
        ref = first_child(inner_at(map, ref))
    return ref


cdef uint32_t nearest(const Map* map, uint32_t ref, const uint8_t* key, uint32_t size) noexcept nogil:
    """An entry below ``ref`` with a key that agrees with ``key`` for as many bytes as any there does."""
    cdef uint32_t* where
    while not is_entry(at(&map.arena, ref)):
        where = child(inner_at(map, ref), key, size)
        ref = where[0] if where != NULL else first_child(inner_at(map, ref))
    return ref


cdef inline uint32_t agreement(const Entry* entry, const uint8_t* key, uint32_t size) noexcept nogil:
    """For how many bytes the key of an entry agrees with another."""
    cdef uint32_t shorter = size if size < key_bytes(entry) else key_bytes(entry)
    return synap_mismatch(key_of(entry), key, shorter)


cdef Place parting(const Map* map, const uint8_t* key, uint32_t depth) noexcept nogil:
    """The topmost node or entry below which all agree with a key, of ``depth`` bytes or more, on those: on the way
    to it the key has every child.
    """
    cdef Place place = Place(map.root, 0, 0)
    while not is_entry(at(&map.arena, place.ref)) and inner_at(map, place.ref).depth < depth:
        place = Place(child(inner_at(map, place.ref), key, depth)[0], place.ref, place.parent)
    return place


cdef Place cover(const Map* map, const uint8_t* prefix, uint32_t size) noexcept nogil:
    """What has below it all the keys with a prefix and no others."""
    cdef Place place = Place(map.root, 0, 0)
    cdef uint32_t* where
    cdef Entry* entry
    while place.ref and not is_entry(at(&map.arena, place.ref)) and inner_at(map, place.ref).depth < size:
        where = child(inner_at(map, place.ref), prefix, size)
        place = Place(where[0] if where != NULL else 0, place.ref, place.parent)
    if place.ref:
        entry = entry_at(map, first_entry(map, place.ref))
        if key_bytes(entry) < size or memcmp(key_of(entry), prefix, size) != 0:
            place.ref = 0
    return place


cdef uint32_t at_position(const Map* map, uint32_t number) noexcept nogil:
    """The entry at a position in key order; there are so many."""
    cdef uint32_t ref = map.root, below, position
    while not is_entry(at(&map.arena, ref)):
        position = 0
        below = child_from(inner_at(map, ref), &position)
        while number >= size_of(map, below):
            number -= size_of(map, below)
            below = child_from(inner_at(map, ref), &position)
        ref = below
    return ref


# --- changes ---------------------------------------------------------------------------------------------

cdef void hang(Map* map, uint32_t parent, const uint8_t* key, uint32_t size, uint32_t ref) noexcept nogil:
    """Let a node, or the tree where there is none, refer to ``ref`` as the child that ``key`` belongs to, in the place
    of another.
    """
    if parent:
        child(inner_at(map, parent), key, size)[0] = ref
    else:
        map.root = ref


cdef void count_on_way(Map* map, const uint8_t* key, uint32_t size, uint32_t last, int64_t more) noexcept nogil:
    """Add to the counts of all nodes on the way to ``key`` down to ``last``, which is on it; 0 means none of them."""
    cdef uint32_t ref = map.root
    if last == 0:
        return
    while True:
        inner_at(map, ref).count = <uint32_t> (inner_at(map, ref).count + more)
        if ref == last:
            return
        ref = child(inner_at(map, ref), key, size)[0]


cdef uint32_t insert(Map* map, const Fields* fields) noexcept nogil:
    """Add an entry with a key that is absent, and without a deadline; 0 where there is no memory."""
    cdef Entry* neighbour
    cdef uint32_t depth, ref
    cdef int label
    if map.root == 0:
        map.root = new_entry(&map.arena, fields)
        return map.root
    neighbour = entry_at(map, nearest(map, map.root, fields.key, fields.key_bytes))
    depth = agreement(neighbour, fields.key, fields.key_bytes)
    label = label_of(key_of(neighbour), key_bytes(neighbour), depth)
    cdef Place place = parting(map, fields.key, depth)
    if not is_entry(at(&map.arena, place.ref)) and inner_at(map, place.ref).depth == depth:
        return _insert_below(map, fields, place)
    return _insert_beside(map, fields, place, depth, label)


cdef uint32_t _insert_below(Map* map, const Fields* fields, Place place) noexcept nogil:
    """Add an entry as a child of an inner node, which has none for it."""
    cdef Inner* node = inner_at(map, place.ref)
    cdef uint32_t larger = place.ref, ref
    if node.room != TABLE and node.children == node.room:
        larger = new_inner(&map.arena, ROOMS[node.children + 1])
        if larger == 0:
            return 0
    ref = new_entry(&map.arena, fields)
    if ref == 0:
        if larger != place.ref:
            give_inner(&map.arena, larger)
        return 0
    # Nothing can fail any more. The arena may have moved.
    count_on_way(map, fields.key, fields.key_bytes, place.ref, 1)
    if larger != place.ref:
        copy_children(inner_at(map, larger), inner_at(map, place.ref))
        hang(map, place.parent, fields.key, fields.key_bytes, larger)
        give_inner(&map.arena, place.ref)
    node = inner_at(map, larger)
    add_child(node, label_of(fields.key, fields.key_bytes, node.depth), ref)
    return ref


cdef uint32_t _insert_beside(Map* map, const Fields* fields, Place place, uint32_t depth, int label) noexcept nogil:
    """Add an entry and, in the place of a node or entry, an inner node above both. ``label`` is that of the other."""
    cdef uint32_t above = new_inner(&map.arena, ROOMS[2]), ref
    cdef Inner* node
    if above == 0:
        return 0
    ref = new_entry(&map.arena, fields)
    if ref == 0:
        give_inner(&map.arena, above)
        return 0
    # Nothing can fail any more. The arena may have moved.
    count_on_way(map, fields.key, fields.key_bytes, place.parent, 1)
    hang(map, place.parent, fields.key, fields.key_bytes, above)
    node = inner_at(map, above)
    node.depth = depth
    node.count = size_of(map, place.ref) + 1
    add_child(node, label, place.ref)
    add_child(node, label_of(fields.key, fields.key_bytes, depth), ref)
    return ref


cdef void detach(Map* map, Place place, const uint8_t* key, uint32_t size) noexcept nogil:
    """Take off a node or entry, which is on the way to ``key``; it is the caller's. Cannot fail."""
    cdef Inner* parent
    cdef uint32_t position = 0, other, smaller
    if place.parent == 0:
        map.root = 0
        return
    count_on_way(map, key, size, place.parent, -<int64_t> size_of(map, place.ref))
    parent = inner_at(map, place.parent)
    drop_child(parent, child(parent, key, size))
    if parent.children == 1:
        # It parts nothing any more.
        other = child_from(parent, &position)
        hang(map, place.grandparent, key, size, other)
        give_inner(&map.arena, place.parent)
    elif ROOMS[parent.children] != parent.room:
        smaller = new_inner(&map.arena, ROOMS[parent.children])
        # Where there is no memory for a smaller node, the larger one serves.
        if smaller:
            copy_children(inner_at(map, smaller), inner_at(map, place.parent))
            hang(map, place.grandparent, key, size, smaller)
            give_inner(&map.arena, place.parent)


cdef void give_below(Map* map, uint32_t ref) noexcept nogil:
    """Give back a node or entry that was taken off, and all below it, their deadlines included."""
    # Nodes that wait for their turn are chained by their counts, which nobody needs any more.
    cdef uint32_t waiting = 0, below, position, node
    if is_entry(at(&map.arena, ref)):
        _give_one(map, ref)
        return
    inner_at(map, ref).count = 0
    waiting = ref
    while waiting:
        node = waiting
        waiting = inner_at(map, node).count
        position = 0
        below = child_from(inner_at(map, node), &position)
        while below:
            if is_entry(at(&map.arena, below)):
                _give_one(map, below)
            else:
                inner_at(map, below).count = waiting
                waiting = below
            below = child_from(inner_at(map, node), &position)
        give_inner(&map.arena, node)


cdef inline void _give_one(Map* map, uint32_t ref) noexcept nogil:
    leave_order(map, ref)
    give_entry(&map.arena, ref)


cdef void clear(Map* map) noexcept nogil:
    """Give back everything."""
    # Pages go as a whole; only what lies outside has to be looked for.
    if map.root and (CHECKED or map.arena.outside_count):
        _forget_order(map)
        give_below(map, map.root)
    map.root = 0
    drop_order(map)
    drop(&map.arena)
