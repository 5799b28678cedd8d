# What must hold of a tree between any two calls. Tests ask after every step; it visits every node.
#
# Compares only neighbours: where the first key of a child begins as that of its parent does, all below both do.

cdef _require(bint holds, str invariant):
    if not holds:
        raise AssertionError(invariant)


cdef check_map(const Map* map):
    """Raise ``AssertionError``, naming the invariant, where one does not hold."""
    cdef list waiting = [map.root] if map.root else []
    cdef size_t blocks = 0, block_bytes = 0, outside_bytes = 0, with_deadline = 0
    cdef uint32_t ref
    cdef Entry* entry
    while waiting:
        ref = waiting.pop()
        blocks += 1
        if not is_entry(at(&map.arena, ref)):
            block_bytes += rounded(inner_bytes(inner_at(map, ref).room))
            waiting += _check_inner(map, ref)
            continue
        entry = entry_at(map, ref)
        block_bytes += rounded(entry_block_bytes(<size_t> key_bytes(entry) + entry.value_bytes))
        outside_bytes += entry_weight(entry) if entry.head & OUTSIDE_FLAG else 0
        outside_bytes -= ENTRY_OUTSIDE_BYTES if entry.head & OUTSIDE_FLAG else 0
        with_deadline += entry.position != NO_POSITION
        _require(entry.position == NO_POSITION or map.order[entry.position] == ref, "an entry knows its position")
    _require(with_deadline == map.order_count, "the order holds the entries that have a deadline")
    _require(blocks == map.arena.block_count, "no block is in use that is not in the tree")
    _require(block_bytes == map.arena.block_bytes, "blocks are counted by what they occupy")
    _require(outside_bytes == map.arena.outside_bytes, "memory outside is counted by what it occupies")
    _check_order(map)
    _check_pages(&map.arena)


cdef list _check_inner(const Map* map, uint32_t ref):
    """Check a node beside its children, and return these."""
    cdef const Inner* node = inner_at(map, ref)
    cdef const Entry* first = entry_at(map, first_entry(map, ref))
    cdef const Entry* other
    cdef uint32_t position = 0, below, count = 0
    cdef int label, before = -2
    cdef list children = []
    _require(node.children > 1, "an inner node has two children or more")
    _require(node.room == ROOMS[node.children], "the room of a node depends on the number of its children alone")
    below = child_from(node, &position)
    while below:
        label = label_at(node, position - 1)
        other = entry_at(map, first_entry(map, below))
        _require(label > before, "labels ascend")
        _require((label < 0) <= node.end, "a node knows whether a key ends in it")
        _require(label == label_of(key_of(other), key_bytes(other), node.depth), "a label is the next byte of a key")
        _require(agreement(first, key_of(other), key_bytes(other)) >= node.depth, "all below begins alike")
        _require(is_entry(at(&map.arena, below)) or inner_at(map, below).depth > node.depth, "children part later")
        count += size_of(map, below)
        children.append(below)
        before = label
        below = child_from(node, &position)
    _require(len(children) == node.children, "all children are counted")
    _require(count == node.count, "a count is the number of entries below")
    return children


cdef _check_order(const Map* map):
    cdef size_t position
    for position in range(1, map.order_count):
        _require(
            deadline_at(map, <uint32_t> ((position - 1) // ORDER_CHILDREN)) <= deadline_at(map, <uint32_t> position),
            "no entry is due before the one above it",
        )


cdef _check_pages(const Arena* arena):
    cdef uint32_t number, used = 0, room = 0
    cdef const Page* page
    if CHECKED:
        return
    for number in range(arena.page_count):
        page = &arena.pages[number]
        used += page.used
        _require((page.block_units > 0) == (page.used > 0), "a page without blocks is an empty page")
        room += page.block_units > 0 and (page.free > 0 or page.fresh + page.block_units <= PAGE_UNITS)
    _require(used == arena.block_count, "pages count their blocks")
    for number in range(BLOCK_MAX_UNITS + 1):
        room -= _chained(arena, arena.with_room[number], number)
    _require(room == 0, "the pages with room are found by the size of their blocks")


cdef uint32_t _chained(const Arena* arena, uint32_t number, uint32_t units) except? 0:
    """The number of pages in a chain."""
    cdef uint32_t count = 0, before = 0
    while number:
        _require(arena.pages[number - 1].block_units == units, "a page is among those of its size")
        _require(arena.pages[number - 1].before == before, "neighbours agree")
        before = number
        number = arena.pages[number - 1].after
        count += 1
    return count
