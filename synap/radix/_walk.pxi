# Iterations in key order: the nodes above the next entry, each with the position of the child that comes next.
#
# At most as many as the tree is deep, whatever the number of keys.

cdef enum:
    FIRST_STEPS = 16

cdef struct Step:
    uint32_t node
    uint32_t position


@final
@cython.internal
cdef class Walk:
    """An iterator over keys or items; ``next`` raises ``RuntimeError`` once the tree has changed."""

    cdef CompiledTree tree
    cdef uint64_t changes
    cdef bint with_fields
    cdef Step* steps
    cdef size_t count
    cdef size_t room
    # An entry that comes before all the steps; 0 where there is none.
    cdef uint32_t first

    def __dealloc__(self):
        free(self.steps)

    def __iter__(self):
        return self

    def __next__(self):
        if self.tree.changes != self.changes:
            raise RuntimeError("the tree was changed during an iteration")
        cdef uint32_t ref = self.next_entry()
        if ref == 0:
            raise StopIteration
        cdef Entry* entry = entry_at(&self.tree.map, ref)
        return item_object(entry) if self.with_fields else key_object(entry)

    cdef uint32_t next_entry(self) except? 0:
        cdef const Map* map = &self.tree.map
        cdef Step* step
        cdef uint32_t ref = self.first
        self.first = 0
        while ref == 0 or not is_entry(at(&map.arena, ref)):
            if ref:
                self.push(ref, 0)
            if self.count == 0:
                return 0
            step = &self.steps[self.count - 1]
            ref = child_from(inner_at(map, step.node), &step.position)
            if ref == 0:
                self.count -= 1
        return ref

    cdef int push(self, uint32_t node, uint32_t position) except -1:
        cdef Step* steps
        if self.count == self.room:
            steps = <Step*> realloc(self.steps, (self.room * 2 + FIRST_STEPS) * sizeof(Step))
            if steps == NULL:
                raise MemoryError
            self.steps = steps
            self.room = self.room * 2 + FIRST_STEPS
        self.steps[self.count] = Step(node, position)
        self.count += 1
        return 0

    cdef int seek(self, uint32_t top, const uint8_t* start, uint32_t size) except -1:
        """Begin with the first key below ``top`` that is not less than ``start``."""
        cdef const Map* map = &self.tree.map
        cdef Entry* entry = entry_at(map, nearest(map, top, start, size))
        cdef uint32_t depth = agreement(entry, start, size), ref = top, position
        cdef int label = label_of(start, size, depth)
        # As long as all below agree with start, only what lies after the way to it is needed of each node ...
        while not is_entry(at(&map.arena, ref)) and inner_at(map, ref).depth < depth:
            position = position_of(inner_at(map, ref), start[inner_at(map, ref).depth])
            self.push(ref, position + 1)
            ref = children_of(inner_at(map, ref))[position]
        # ... and what the way has led to is needed in part, if its keys part here, or as a whole, or not at all.
        if not is_entry(at(&map.arena, ref)) and inner_at(map, ref).depth == depth:
            self.push(ref, position_of(inner_at(map, ref), label))
        elif label <= label_of(key_of(entry), key_bytes(entry), depth):
            self.first = ref
        return 0


cdef uint32_t position_of(const Inner* node, int label) noexcept nogil:
    """The position of the first child with this label or a greater one."""
    cdef uint32_t position = 0
    if node.room == TABLE:
        return <uint32_t> (label + 1)
    while position < node.children and label_at(node, position) < label:
        position += 1
    return position
