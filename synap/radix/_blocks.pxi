# What the blocks of the arena hold: entries and inner nodes, told apart by their first bit.
#
# ::
#
#     entry      head: 1, outside?, kind (8 bits), length of the key (22 bits)             4
#                length of the value                                                       4
#                version                                                                   8
#                deadline, ms since the epoch                                              8
#                position in the order by deadline                                         4
#                key, value                                                                as long as they are
#
#     inner      depth: how many bytes all keys below share (the first bit is 0)           4
#     node       number of keys below                                                      4
#                number of children, whether the first one is the end of a key, room       2, 1, 1
#                labels, ascending                                                         room, rounded up to 4
#                children, in the order of their labels                                    4 * room
#
# An entry keeps its whole key, so an inner node need not know the bytes that all below it share: any key below shows
# them. A node's room depends on its number of children alone, in steps in which no block has a byte to spare; from 65
# children on it is a table of 257, found by label. So the same keys make the same blocks, however they came.
#
# A key and value too large for a block lie outside, one behind the other, and the entry has the pointer to them, at 32.

cdef extern from *:
    """
    #if !CHECKED && defined(__SSE2__)
    #include <emmintrin.h>
    #endif

    /* The position of a label among those from ``first`` (0 or 1) on, or -1. Looks at up to 15 bytes after them: the
       children, and of the smallest node 4 bytes after its end, where a page of such nodes has 16 to spare. */
    static inline int synap_find_label(const uint8_t* labels, int count, int first, uint8_t label) {
    #if !CHECKED && defined(__SSE2__)
        const __m128i wanted = _mm_set1_epi8((char)label);
        for (int start = 0; start < count; start += 16) {
            __m128i some = _mm_loadu_si128((const __m128i*)(labels + start));
            unsigned mask = (unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(some, wanted));
            if (start == 0) mask &= ~(unsigned)first;
            if (count - start < 16) mask &= (1u << (count - start)) - 1;
            if (mask) return start + __builtin_ctz(mask);
        }
    #else
        for (int i = first; i < count; i++) if (labels[i] == label) return i;
    #endif
        return -1;
    }

    /* The first position where two keys differ; the shorter length where one begins the other. */
    static inline uint32_t synap_mismatch(const uint8_t* one, const uint8_t* other, uint32_t size) {
        uint32_t i = 0;
        for (; i + 8 <= size; i += 8) {
            uint64_t a, b;
            memcpy(&a, one + i, 8);
            memcpy(&b, other + i, 8);
            if (a != b) break;
        }
        while (i < size && one[i] == other[i]) i++;
        return i;
    }
    static inline void synap_prefetch(const void* where) { __builtin_prefetch(where); }
    """
    int synap_find_label(const uint8_t* labels, int count, int first, uint8_t label) noexcept nogil
    uint32_t synap_mismatch(const uint8_t* one, const uint8_t* other, uint32_t size) noexcept nogil
    void synap_prefetch(const void* where) noexcept nogil

cdef enum:
    ENTRY_FLAG = 0x80000000
    OUTSIDE_FLAG = 0x40000000
    KIND_SHIFT = 22
    KIND_MAX = 255
    KEY_MAX_BYTES = 0x3FFFFF
    ENTRY_HEAD_BYTES = 28
    ENTRY_OUTSIDE_BYTES = 40
    POINTER_AT = 32
    INNER_HEAD_BYTES = 12
    # The room of a node that is a table of 257 children: that of a key's end, then one for each byte.
    TABLE = 255
    TABLE_CHILDREN = 257
    LISTED_MAX = 64
    NO_POSITION = 0xFFFFFFFF

cdef struct Entry:
    uint32_t head
    uint32_t value_bytes
    uint64_t version
    int64_t deadline_ms
    # ``NO_POSITION`` where there is no deadline.
    uint32_t position

cdef struct Inner:
    uint32_t depth
    uint32_t count
    uint16_t children
    uint8_t end
    uint8_t room

# The room of a node with so many children.
cdef uint8_t ROOMS[TABLE_CHILDREN + 1]


cdef void _fill_rooms() noexcept:
    cdef int children, listed
    cdef int[18] steps = [2, 4, 5, 7, 8, 10, 12, 13, 15, 16, 20, 24, 28, 32, 40, 48, 56, 64]
    for children in range(TABLE_CHILDREN + 1):
        ROOMS[children] = TABLE
        for listed in range(17, -1, -1):
            if steps[listed] >= children:
                ROOMS[children] = <uint8_t> steps[listed]


_fill_rooms()

# --- entries ---------------------------------------------------------------------------------------------


cdef inline bint is_entry(const char* block) noexcept nogil:
    return ((<const uint32_t*> block)[0] & ENTRY_FLAG) != 0


cdef inline uint32_t key_bytes(const Entry* entry) noexcept nogil:
    return entry.head & KEY_MAX_BYTES


cdef inline int kind_of(const Entry* entry) noexcept nogil:
    return (entry.head >> KIND_SHIFT) & KIND_MAX


cdef inline const uint8_t* key_of(const Entry* entry) noexcept nogil:
    if entry.head & OUTSIDE_FLAG:
        return (<const uint8_t**> (<const char*> entry + POINTER_AT))[0]
    return <const uint8_t*> entry + ENTRY_HEAD_BYTES


cdef inline const uint8_t* value_of(const Entry* entry) noexcept nogil:
    return key_of(entry) + key_bytes(entry)


cdef inline bint has_key(const Entry* entry, const uint8_t* key, uint32_t size) noexcept nogil:
    return key_bytes(entry) == size and memcmp(key_of(entry), key, size) == 0


cdef inline size_t entry_block_bytes(size_t text_bytes) noexcept nogil:
    """The size of the block of an entry, by the bytes of its key and value."""
    if ENTRY_HEAD_BYTES + text_bytes <= BLOCK_MAX_BYTES:
        return ENTRY_HEAD_BYTES + text_bytes
    return ENTRY_OUTSIDE_BYTES


cdef inline size_t entry_weight(const Entry* entry) noexcept nogil:
    """What an entry occupies, inside and outside."""
    cdef size_t text_bytes = <size_t> key_bytes(entry) + entry.value_bytes
    if entry.head & OUTSIDE_FLAG:
        return ENTRY_OUTSIDE_BYTES + text_bytes + OUTSIDE_EXTRA_BYTES
    return rounded(ENTRY_HEAD_BYTES + text_bytes)


cdef uint32_t new_entry(Arena* arena, const Fields* fields) noexcept nogil:
    """An entry without a deadline; 0 where there is no memory, and then nothing was taken."""
    cdef size_t text_bytes = <size_t> fields.key_bytes + fields.value_bytes
    cdef size_t size = entry_block_bytes(text_bytes)
    cdef bint outside = ENTRY_HEAD_BYTES + text_bytes > BLOCK_MAX_BYTES
    cdef char* text = NULL
    cdef Entry* entry
    cdef uint32_t ref
    if outside:
        text = <char*> take_outside(arena, text_bytes)
        if text == NULL:
            return 0
    ref = take(arena, size)
    if ref == 0:
        if outside:
            give_outside(arena, text, text_bytes)
        return 0
    entry = <Entry*> at(arena, ref)
    entry.head = ENTRY_FLAG | (<uint32_t> fields.kind << KIND_SHIFT) | fields.key_bytes
    entry.position = NO_POSITION
    if outside:
        entry.head |= OUTSIDE_FLAG
        (<char**> (<char*> entry + POINTER_AT))[0] = text
    else:
        text = <char*> entry + ENTRY_HEAD_BYTES
    memcpy(text, fields.key, fields.key_bytes)
    memcpy(text + fields.key_bytes, fields.value, fields.value_bytes)
    entry.value_bytes = fields.value_bytes
    entry.version = fields.version
    entry.deadline_ms = 0
    return ref


cdef void give_entry(Arena* arena, uint32_t ref) noexcept nogil:
    cdef Entry* entry = <Entry*> at(arena, ref)
    cdef size_t text_bytes = <size_t> key_bytes(entry) + entry.value_bytes
    if entry.head & OUTSIDE_FLAG:
        give_outside(arena, <void*> key_of(entry), text_bytes)
    give(arena, ref, entry_block_bytes(text_bytes))


# --- inner nodes -----------------------------------------------------------------------------------------


cdef inline uint8_t* labels_of(const Inner* node) noexcept nogil:
    return <uint8_t*> node + INNER_HEAD_BYTES


cdef inline uint32_t* children_of(const Inner* node) noexcept nogil:
    if node.room == TABLE:
        return <uint32_t*> (<char*> node + INNER_HEAD_BYTES)
    return <uint32_t*> (<char*> node + INNER_HEAD_BYTES + ((node.room + 3) & ~3))


cdef inline size_t inner_bytes(int room) noexcept nogil:
    """The size of the block of a node with this room."""
    if room == TABLE:
        return INNER_HEAD_BYTES + 4 * TABLE_CHILDREN
    return INNER_HEAD_BYTES + ((room + 3) & ~3) + 4 * room


cdef uint32_t new_inner(Arena* arena, int room) noexcept nogil:
    """A node without children, depth or count; 0 where there is no memory."""
    cdef uint32_t ref = take(arena, inner_bytes(room))
    if ref:
        memset(at(arena, ref), 0, inner_bytes(room))
        (<Inner*> at(arena, ref)).room = <uint8_t> room
    return ref


cdef inline void give_inner(Arena* arena, uint32_t ref) noexcept nogil:
    give(arena, ref, inner_bytes((<Inner*> at(arena, ref)).room))


cdef inline uint32_t* child(const Inner* node, const uint8_t* key, uint32_t size) noexcept nogil:
    """Where the node refers to the child that ``key`` belongs to; NULL where it has none."""
    cdef uint32_t* children
    cdef int position = 0
    cdef uint32_t depth = node.depth
    if depth >= size:
        return children_of(node) if node.end else NULL
    if node.room == TABLE:
        children = children_of(node) + 1 + key[depth]
        return children if children[0] else NULL
    position = synap_find_label(labels_of(node), node.children, node.end, key[depth])
    return children_of(node) + position if position >= 0 else NULL


cdef inline uint32_t child_from(const Inner* node, uint32_t* position) noexcept nogil:
    """The first child at ``position`` or after it, which becomes the one after that; 0 where none is left."""
    cdef uint32_t* children = children_of(node)
    cdef uint32_t number = TABLE_CHILDREN if node.room == TABLE else node.children
    while position[0] < number:
        position[0] += 1
        if children[position[0] - 1]:
            return children[position[0] - 1]
    return 0


cdef inline int label_at(const Inner* node, uint32_t position) noexcept nogil:
    """The label of the child at a position, from 0 to 255; -1 where it is the end of a key."""
    if node.room == TABLE:
        return <int> position - 1
    return -1 if node.end and position == 0 else labels_of(node)[position]


cdef inline uint32_t first_child(const Inner* node) noexcept nogil:
    cdef uint32_t position = 0
    return child_from(node, &position)


cdef inline int label_of(const uint8_t* key, uint32_t size, uint32_t depth) noexcept nogil:
    """The byte of a key at ``depth``; -1 at its end."""
    return key[depth] if depth < size else -1


cdef void add_child(Inner* node, int label, uint32_t ref) noexcept nogil:
    """Add a child with a label that the node does not have; there is room."""
    cdef uint32_t* children = children_of(node)
    cdef uint8_t* labels = labels_of(node)
    cdef int position = 0, number = node.children
    if node.room == TABLE:
        children[label + 1] = ref
    else:
        # The end comes first, and its label is no label.
        if label >= 0:
            position = node.end
            while position < number and labels[position] < label:
                position += 1
        memmove(labels + position + 1, labels + position, number - position)
        memmove(children + position + 1, children + position, (number - position) * sizeof(uint32_t))
        labels[position] = <uint8_t> (label if label >= 0 else 0)
        children[position] = ref
    node.children += 1
    if label < 0:
        node.end = 1


cdef void drop_child(Inner* node, uint32_t* where) noexcept nogil:
    """Take off the child to which the node refers at ``where``."""
    cdef uint32_t* children = children_of(node)
    cdef uint8_t* labels = labels_of(node)
    cdef int position = <int> (where - children), after = node.children - position - 1
    if position == 0 and node.end:
        node.end = 0
    if node.room == TABLE:
        where[0] = 0
    else:
        memmove(labels + position, labels + position + 1, after)
        memmove(where, where + 1, after * sizeof(uint32_t))
    node.children -= 1


cdef void copy_children(Inner* to, const Inner* source) noexcept nogil:
    """Give a node, which has none and enough room, the children of another, its depth and its count."""
    cdef uint32_t position = 0, ref
    to.depth = source.depth
    to.count = source.count
    if to.room != TABLE and source.room != TABLE:
        memcpy(labels_of(to), labels_of(source), source.children)
        memcpy(children_of(to), children_of(source), source.children * sizeof(uint32_t))
        to.children = source.children
        to.end = source.end
        return
    while True:
        ref = child_from(source, &position)
        if ref == 0:
            return
        add_child(to, label_at(source, position - 1), ref)
