# All keys at once, in order: the tree that as many insertions make, built from its last leaf upwards.
#
# Only the nodes on the way to the last key are open; whatever lies before it is done::
#
#     'ann:cards'  'ann:cart'  'ann:login'  ◄── the next one, 'bob', agrees with the last for 0 bytes
#
#     open:   depth 4 ── c: (node of 'ann:car…')             so the node of depth 4 is closed, with l: 'ann:login' as
#                                                            its last child, and one of depth 0 is opened above it
#
# An open node is a part of one stack of children, so that it is made when their number is known, and its room is right
# at once. Each key is compared with the one before it, which costs what reading it does, and nothing is looked for.

cdef enum:
    LOADED = 0
    NO_MEMORY = 1
    NOT_GREATER = 2

cdef struct Child:
    uint32_t ref
    uint32_t count
    int label

cdef struct Open:
    uint32_t depth
    # Its first child in the stack of children; its last one is the node or entry that is carried.
    size_t first

cdef struct Building:
    Child* children
    size_t child_count
    size_t child_room
    Open* open
    size_t open_count
    size_t open_room
    # What has no parent yet, and the last entry, which is in it.
    Child carried
    uint32_t last


cdef int append(
    Map* map, Building* building, const Fields* fields, bint has_deadline, int64_t deadline_ms
) noexcept nogil:
    """Add the next entry; returns ``LOADED`` or what was wrong."""
    cdef uint32_t depth = 0, ref
    cdef Entry* last
    if building.last:
        last = entry_at(map, building.last)
        depth = agreement(last, fields.key, fields.key_bytes)
        if label_of(fields.key, fields.key_bytes, depth) <= label_of(key_of(last), key_bytes(last), depth):
            return NOT_GREATER
        if not _close(map, building, depth) or not _open(map, building, depth):
            return NO_MEMORY
    if has_deadline and not have_order_room(map):
        return NO_MEMORY
    ref = new_entry(&map.arena, fields)
    if ref == 0:
        return NO_MEMORY
    building.carried = Child(ref, 1, 0)
    building.last = ref
    if has_deadline:
        entry_at(map, ref).deadline_ms = deadline_ms
        _seat(map, <uint32_t> map.order_count, ref)
        map.order_count += 1
    return LOADED


cdef bint finish(Map* map, Building* building) noexcept nogil:
    """Close all that is open, and let that be the tree; false where there is no memory."""
    if building.last == 0:
        return True
    if not _close(map, building, -1):
        return False
    arrange(map)
    map.root = building.carried.ref
    building.carried.ref = 0
    return True


cdef void stop(Map* map, Building* building) noexcept nogil:
    """Give back what building took, and all entries where it did not come to its end."""
    cdef size_t number
    # Pages go as a whole when the map is cleared; only what lies outside has to be looked for.
    if map.root == 0 and (CHECKED or map.arena.outside_count):
        _forget_order(map)
        if building.carried.ref:
            give_below(map, building.carried.ref)
        for number in range(building.child_count):
            give_below(map, building.children[number].ref)
    free(building.children)
    free(building.open)


cdef bint _close(Map* map, Building* building, int64_t depth) noexcept nogil:
    """Close all nodes deeper than ``depth``; false where there is no memory."""
    cdef Open* last
    cdef uint32_t ref
    while building.open_count and building.open[building.open_count - 1].depth > depth:
        last = &building.open[building.open_count - 1]
        if not _add(map, building, last.depth):
            return False
        building.carried.ref = 0
        ref = new_inner(&map.arena, ROOMS[building.child_count - last.first])
        if ref == 0:
            return False
        building.open_count -= 1
        building.carried = _made(map, building, ref, last)
    return True


cdef Child _made(Map* map, Building* building, uint32_t ref, Open* opened) noexcept nogil:
    """A node of the children from ``opened`` on."""
    cdef Inner* node = inner_at(map, ref)
    cdef size_t number
    node.depth = opened.depth
    for number in range(opened.first, building.child_count):
        add_child(node, building.children[number].label, building.children[number].ref)
        node.count += building.children[number].count
    building.child_count = opened.first
    return Child(ref, node.count, 0)


cdef bint _open(Map* map, Building* building, uint32_t depth) noexcept nogil:
    """Make what is carried a child of the open node of this depth, which may have to be opened."""
    cdef Open* grown
    if building.open_count == 0 or building.open[building.open_count - 1].depth < depth:
        if building.open_count == building.open_room:
            grown = NULL if _denied() else <Open*> realloc(building.open, (building.open_room * 2 + 16) * sizeof(Open))
            if grown == NULL:
                return False
            building.open = grown
            building.open_room = building.open_room * 2 + 16
        building.open[building.open_count] = Open(depth, building.child_count)
        building.open_count += 1
    if not _add(map, building, depth):
        return False
    building.carried.ref = 0
    return True


cdef bint _add(Map* map, Building* building, uint32_t depth) noexcept nogil:
    """Put what is carried onto the stack of children, labelled as it is at this depth."""
    cdef Entry* last = entry_at(map, building.last)
    cdef Child* grown
    if building.child_count == building.child_room:
        grown = NULL if _denied() else <Child*> realloc(
            building.children, (building.child_room * 2 + 64) * sizeof(Child)
        )
        if grown == NULL:
            return False
        building.children = grown
        building.child_room = building.child_room * 2 + 64
    building.children[building.child_count] = Child(
        building.carried.ref, building.carried.count, label_of(key_of(last), key_bytes(last), depth)
    )
    building.child_count += 1
    return True
