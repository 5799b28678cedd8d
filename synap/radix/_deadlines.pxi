# The order by deadline: a heap of references, four children to each, and in each entry its position in there.
#
# ::
#
#     position   0 │ 1 2 3 4 │ 5 6 7 8 │ 9 …         no entry comes due before the one at (position - 1) / 4
#
# 8 bytes an entry, exact at every moment. Moving a deadline compares with a few others (a session that was prolonged
# is later than most, and stays near the end of the heap), at worst with four on each of ten levels at a million
# entries. Order is made where it is asked for, from the front.
#
# Buckets of a second with entries chained in them, as the pure tree has, weigh the same, and where sessions live for
# a month as much again for the buckets themselves, which then hold one session or none.

cdef enum:
    ORDER_ROOM = 16
    ORDER_CHILDREN = 4

cdef struct Due:
    int64_t deadline_ms
    uint32_t ref
    uint32_t position


cdef inline int64_t deadline_at(const Map* map, uint32_t position) noexcept nogil:
    return entry_at(map, map.order[position]).deadline_ms


cdef inline void _seat(Map* map, uint32_t position, uint32_t ref) noexcept nogil:
    map.order[position] = ref
    entry_at(map, ref).position = position


cdef bint have_order_room(Map* map) noexcept nogil:
    """Make sure that one more entry can have a deadline."""
    global _held_bytes
    cdef size_t room
    cdef uint32_t* order
    if map.order_count < map.order_room:
        return True
    room = map.order_room + map.order_room // 2 if map.order_room else ORDER_ROOM
    order = NULL if _denied() else <uint32_t*> realloc(map.order, room * sizeof(uint32_t))
    if order == NULL:
        return False
    _held_bytes += (room - map.order_room) * sizeof(uint32_t)
    map.order = order
    map.order_room = room
    return True


cdef void drop_order(Map* map) noexcept nogil:
    global _held_bytes
    _held_bytes -= map.order_room * sizeof(uint32_t)
    free(map.order)
    map.order = NULL
    map.order_count = map.order_room = 0


cdef void move_in_order(Map* map, uint32_t ref, bint has_deadline, int64_t deadline_ms) noexcept nogil:
    """Give an entry a deadline or none; where it had none, there is room for it."""
    cdef Entry* entry = entry_at(map, ref)
    if not has_deadline:
        leave_order(map, ref)
        entry.deadline_ms = 0
        return
    if entry.position == NO_POSITION:
        entry.position = <uint32_t> map.order_count
        map.order_count += 1
    entry.deadline_ms = deadline_ms
    _sift(map, entry.position, ref)


cdef void leave_order(Map* map, uint32_t ref) noexcept nogil:
    """Take an entry out of the order, if it is in it."""
    cdef Entry* entry = entry_at(map, ref)
    cdef uint32_t position = entry.position, last
    if position == NO_POSITION:
        return
    entry.position = NO_POSITION
    map.order_count -= 1
    last = map.order[map.order_count]
    if last != ref:
        _sift(map, position, last)


cdef inline void replace_in_order(Map* map, uint32_t ref) noexcept nogil:
    """Let an entry that has the position and deadline of another take its place."""
    if entry_at(map, ref).position != NO_POSITION:
        map.order[entry_at(map, ref).position] = ref


cdef void arrange(Map* map) noexcept nogil:
    """Make an order of entries that are in ``order`` anyhow."""
    cdef uint32_t position = <uint32_t> (map.order_count // ORDER_CHILDREN + 1)
    while position:
        position -= 1
        if position < map.order_count:
            _sift_down(map, position, map.order[position])


cdef void _forget_order(Map* map) noexcept nogil:
    """Let all entries leave at once, before they are given back one by one."""
    cdef size_t position
    for position in range(map.order_count):
        entry_at(map, map.order[position]).position = NO_POSITION
    map.order_count = 0


cdef void _sift(Map* map, uint32_t position, uint32_t ref) noexcept nogil:
    """Seat an entry at a free position or where order wants it from there."""
    cdef int64_t deadline_ms = entry_at(map, ref).deadline_ms
    cdef uint32_t above, start = position
    while position:
        above = (position - 1) // ORDER_CHILDREN
        if deadline_at(map, above) <= deadline_ms:
            break
        _seat(map, position, map.order[above])
        position = above
    if position == start:
        _sift_down(map, position, ref)
    else:
        _seat(map, position, ref)


cdef void _sift_down(Map* map, uint32_t position, uint32_t ref) noexcept nogil:
    cdef int64_t deadline_ms = entry_at(map, ref).deadline_ms, least_ms, other_ms
    cdef size_t below, end, each, least
    while True:
        below = <size_t> position * ORDER_CHILDREN + 1
        if below >= map.order_count:
            break
        end = below + ORDER_CHILDREN
        if end > map.order_count:
            end = map.order_count
        least = below
        least_ms = deadline_at(map, <uint32_t> below)
        for each in range(below + 1, end):
            other_ms = deadline_at(map, <uint32_t> each)
            if other_ms < least_ms:
                least, least_ms = each, other_ms
        if deadline_ms <= least_ms:
            break
        _seat(map, position, map.order[least])
        position = <uint32_t> least
    _seat(map, position, ref)


# --- what is due -----------------------------------------------------------------------------------------

cdef list due_keys(const Map* map, int64_t now_ms, size_t limit):
    """See ``Tree.due``.

    The front is a small heap of its own: of each entry that is taken, the (at most four) after it come into question.
    """
    cdef Due* front = NULL
    cdef Due first
    cdef size_t count = 0, room = 0, each, end
    cdef list found = [], deadlines = []
    if map.order_count == 0 or limit == 0 or deadline_at(map, 0) > now_ms:
        return found
    try:
        front = _front_room(front, &room, 1)
        front[0] = Due(deadline_at(map, 0), map.order[0], 0)
        count = 1
        while count and <size_t> PyList_GET_SIZE(found) < limit:
            first = front[0]
            count -= 1
            _front_down(front, count, front[count])
            found.append(key_object(entry_at(map, first.ref)))
            deadlines.append(first.deadline_ms)
            front = _front_room(front, &room, count + ORDER_CHILDREN)
            each = <size_t> first.position * ORDER_CHILDREN + 1
            end = min(each + ORDER_CHILDREN, map.order_count)
            while each < end:
                if deadline_at(map, <uint32_t> each) <= now_ms:
                    _front_up(front, count, Due(deadline_at(map, <uint32_t> each), map.order[each], <uint32_t> each))
                    count += 1
                each += 1
    finally:
        free(front)
    # Only here, where no entry is looked at any more: what sorts makes objects, which may wake the collector.
    return _sorted_ties(found, deadlines)


cdef list _sorted_ties(list found, list deadlines):
    """Keys that come in the order of their deadlines, with those of the same deadline in order, too."""
    cdef Py_ssize_t start = 0, end, count = PyList_GET_SIZE(found)
    while start < count:
        end = start + 1
        while end < count and deadlines[end] == deadlines[start]:
            end += 1
        if end > start + 1:
            found[start:end] = sorted(found[start:end])
        start = end
    return found


cdef Due* _front_room(Due* front, size_t* room, size_t needed) except NULL:
    cdef Due* grown
    if needed <= room[0]:
        return front
    grown = <Due*> realloc(front, (room[0] * 2 + 64) * sizeof(Due))
    if grown == NULL:
        raise MemoryError
    room[0] = room[0] * 2 + 64
    return grown


cdef void _front_up(Due* front, size_t position, Due due) noexcept nogil:
    while position and front[(position - 1) // 2].deadline_ms > due.deadline_ms:
        front[position] = front[(position - 1) // 2]
        position = (position - 1) // 2
    front[position] = due


cdef void _front_down(Due* front, size_t count, Due due) noexcept nogil:
    cdef size_t position = 0, below
    while True:
        below = position * 2 + 1
        if below >= count:
            break
        if below + 1 < count and front[below + 1].deadline_ms < front[below].deadline_ms:
            below += 1
        if due.deadline_ms <= front[below].deadline_ms:
            break
        front[position] = front[below]
        position = below
    front[position] = due
