# Memory in blocks of 8 bytes and multiples, named by 32-bit numbers instead of pointers.
#
# ::
#
#     one mapping, which may move when it grows
#     ┌── page 0, 64 KiB ─────────────┬── page 1 ─────────────────────┬── page 2 ──
#     │ block │ block │ free │ block  │ block            │ block      │ no blocks yet
#     └───────────────────────────────┴───────────────────────────────┴────────────
#
# * A page holds blocks of one size, without headers: 28 + 340 bytes take 368 bytes, not one more. What is known of a
#   page (16 bytes) lies beside the mapping, and whoever owns a block knows its size.
# * A reference is the block's distance from the beginning in units of 8 bytes, plus one: 0 refers to nothing. 32 bits
#   reach 32 GiB, and a tree whose nodes refer with 4 bytes is half as large as one with pointers.
# * A page that has lost its last block serves blocks of any size again. A few such pages wait where they are, the
#   memory of any others goes back to the system.
# * What is larger than ``BLOCK_MAX_BYTES`` lies *outside*, where malloc puts it.
#
# As the mapping moves, no pointer into it is kept across ``take``.
#
# Two ways to build it are for tests, with an address sanitizer. ``SYNAP_RADIX_CHECKED``: each block is one of malloc,
# so that all that is done to it is seen, and references are positions in a table. ``SYNAP_RADIX_RESTLESS``: the
# mapping moves at every ``take``.

cdef extern from *:
    """
    #ifdef SYNAP_RADIX_CHECKED
    #define CHECKED 1
    #else
    #define CHECKED 0
    #endif

    #ifdef SYNAP_RADIX_RESTLESS
    #define RESTLESS 1
    #else
    #define RESTLESS 0
    #endif
    """
    const bint CHECKED
    const bint RESTLESS

cdef enum:
    UNIT_BYTES = 8
    PAGE_BITS = 13
    PAGE_UNITS = 1 << 13
    PAGE_BYTES = 1 << 16
    # The end of a page where no further block fits: at most a sixteenth, and 0.2 % for sessions of 300 bytes.
    BLOCK_MAX_BYTES = 4096
    BLOCK_MAX_UNITS = 512
    # A reference has 32 bits.
    PAGES_MAX = 1 << 19
    # Of empty pages, so many keep their memory: a tree that is emptied and filled does not ask the system each time.
    KEPT_PAGES = 16
    # What malloc takes for a block beside what was asked for: its header, and half of 16 bytes lost at the end.
    OUTSIDE_EXTRA_BYTES = 16

cdef struct Page:
    # The size of its blocks in units; 0 for an empty page.
    uint16_t block_units
    # Blocks in use.
    uint16_t used
    # The first of the free blocks that were in use before, each of which begins with the next: its unit, plus one.
    uint16_t free
    # The first unit that was never in use.
    uint16_t fresh
    # Neighbours among the pages of this size that have room, or the next empty one: number plus one.
    uint32_t after
    uint32_t before

cdef struct Arena:
    # One unit before the mapping, so that reference 1 is its beginning.
    char* origin
    size_t mapped_bytes
    Page* pages
    # How many pages there are, and how many ``pages`` has room for.
    uint32_t page_count
    uint32_t page_room
    # Empty pages that have memory, their number, and those that have none: number of the first, plus one.
    uint32_t kept
    uint32_t kept_count
    uint32_t returned
    # By block size: the first page with room, number plus one.
    uint32_t with_room[BLOCK_MAX_UNITS + 1]
    # What the blocks in use occupy, inside and outside.
    size_t block_bytes
    size_t outside_bytes
    size_t block_count
    size_t outside_count
    # Where checked: the blocks themselves, and the first free place (plus one) in a list of those.
    void** blocks
    uint32_t places
    uint32_t place_room

# How many allocations may still succeed; negative: as many as there is memory for. Only tests set it.
cdef long _allowed_allocations = -1

# What all trees together have from the system, in bytes. Only tests ask for it.
cdef size_t _held_bytes = 0


cdef bint _denied() noexcept nogil:
    global _allowed_allocations
    if _allowed_allocations < 0:
        return False
    if _allowed_allocations == 0:
        return True
    _allowed_allocations -= 1
    return False


cdef inline char* at(const Arena* arena, uint32_t ref) noexcept nogil:
    """Where a block is, until the next ``take``."""
    if CHECKED:
        return <char*> arena.blocks[ref]
    return arena.origin + <size_t> ref * UNIT_BYTES


cdef inline size_t rounded(size_t size) noexcept nogil:
    """What a block of ``size`` bytes occupies."""
    return (size + UNIT_BYTES - 1) & ~<size_t> (UNIT_BYTES - 1)


cdef uint32_t take(Arena* arena, size_t size) noexcept nogil:
    """A block of ``size`` bytes, at most ``BLOCK_MAX_BYTES``; 0 where there is no memory."""
    cdef uint32_t units = <uint32_t> (rounded(size) // UNIT_BYTES), number, unit
    cdef Page* page
    if _denied():
        return 0
    if CHECKED:
        return _take_checked(arena, size)
    if RESTLESS and arena.mapped_bytes:
        arena.origin = synap_elsewhere(arena.origin + UNIT_BYTES, arena.mapped_bytes) - UNIT_BYTES
    number = arena.with_room[units]
    if number == 0:
        number = _begin_page(arena, units)
        if number == 0:
            return 0
    page = &arena.pages[number - 1]
    if page.free:
        unit = page.free - 1
        page.free = (<uint16_t*> at(arena, ((number - 1) << PAGE_BITS) + unit + 1))[0]
    else:
        unit = page.fresh
        page.fresh += units
    page.used += 1
    if page.free == 0 and page.fresh + units > PAGE_UNITS:
        _leave_room(arena, number, page)
    arena.block_bytes += units * UNIT_BYTES
    arena.block_count += 1
    return ((number - 1) << PAGE_BITS) + unit + 1


cdef void give(Arena* arena, uint32_t ref, size_t size) noexcept nogil:
    """Take back a block that was taken with this size."""
    global _held_bytes
    cdef uint32_t units = <uint32_t> (rounded(size) // UNIT_BYTES)
    cdef uint32_t number = ((ref - 1) >> PAGE_BITS) + 1, unit = (ref - 1) & (PAGE_UNITS - 1)
    cdef Page* page
    arena.block_bytes -= units * UNIT_BYTES
    arena.block_count -= 1
    if CHECKED:
        _held_bytes -= rounded(size)
        free(arena.blocks[ref])
        arena.blocks[ref] = <void*> <size_t> arena.kept
        arena.kept = ref
        return
    page = &arena.pages[number - 1]
    if page.free == 0 and page.fresh + units > PAGE_UNITS:
        _have_room(arena, number, page)
    (<uint16_t*> at(arena, ref))[0] = page.free
    page.free = <uint16_t> (unit + 1)
    page.used -= 1
    if page.used == 0:
        _leave_room(arena, number, page)
        _empty_page(arena, number, page)


cdef void* take_outside(Arena* arena, size_t size) noexcept nogil:
    """Memory outside of the pages; NULL where there is none."""
    global _held_bytes
    cdef void* memory = NULL if _denied() else malloc(size)
    if memory != NULL:
        arena.outside_bytes += size + OUTSIDE_EXTRA_BYTES
        arena.outside_count += 1
        _held_bytes += size
    return memory


cdef void give_outside(Arena* arena, void* memory, size_t size) noexcept nogil:
    """Take back memory outside of the pages that was taken with this size."""
    global _held_bytes
    arena.outside_bytes -= size + OUTSIDE_EXTRA_BYTES
    arena.outside_count -= 1
    _held_bytes -= size
    free(memory)


cdef void drop(Arena* arena) noexcept nogil:
    """Take back all blocks at once; what lies outside was taken back before."""
    global _held_bytes
    if arena.mapped_bytes:
        synap_unmap(arena.origin + UNIT_BYTES, arena.mapped_bytes)
    _held_bytes -= arena.mapped_bytes + arena.page_room * sizeof(Page)
    free(arena.pages)
    free(arena.blocks)
    memset(arena, 0, sizeof(Arena))


# --- pages -----------------------------------------------------------------------------------------------

cdef uint32_t _begin_page(Arena* arena, uint32_t units) noexcept nogil:
    """The number, plus one, of a page for blocks of this size; 0 where there is no memory."""
    cdef uint32_t number
    cdef Page* page
    if arena.kept:
        number = arena.kept
        arena.kept = arena.pages[number - 1].after
        arena.kept_count -= 1
    elif arena.returned:
        number = arena.returned
        arena.returned = arena.pages[number - 1].after
    else:
        if not _add_page(arena):
            return 0
        number = arena.page_count
    page = &arena.pages[number - 1]
    page.block_units = <uint16_t> units
    page.used = page.free = page.fresh = 0
    _have_room(arena, number, page)
    return number


cdef bint _add_page(Arena* arena) noexcept nogil:
    """Make the mapping, and what is known of its pages, larger by a page where they are full."""
    cdef size_t needed = <size_t> (arena.page_count + 1) * PAGE_BYTES
    if arena.page_count == PAGES_MAX:
        return False
    if arena.page_count == arena.page_room and not _add_page_room(arena):
        return False
    # Memory that is mapped and not touched costs nothing, but somebody may have limited it.
    if needed > arena.mapped_bytes and not _grow(arena, needed + needed // 2) and not _grow(arena, needed):
        return False
    arena.page_count += 1
    return True


cdef bint _grow(Arena* arena, size_t size) noexcept nogil:
    global _held_bytes
    cdef char* old = arena.origin + UNIT_BYTES if arena.mapped_bytes else NULL
    cdef char* base
    size = (size + PAGE_BYTES - 1) & ~<size_t> (PAGE_BYTES - 1)
    base = synap_map(old, arena.mapped_bytes, size)
    if base == NULL:
        return False
    _held_bytes += size - arena.mapped_bytes
    arena.origin = base - UNIT_BYTES
    arena.mapped_bytes = size
    return True


cdef bint _add_page_room(Arena* arena) noexcept nogil:
    global _held_bytes
    cdef uint32_t room = arena.page_room * 2 if arena.page_room else 8
    cdef Page* pages = <Page*> realloc(arena.pages, room * sizeof(Page))
    if pages == NULL:
        return False
    _held_bytes += (room - arena.page_room) * sizeof(Page)
    arena.pages = pages
    arena.page_room = room
    return True


cdef void _empty_page(Arena* arena, uint32_t number, Page* page) noexcept nogil:
    page.block_units = 0
    if arena.kept_count < KEPT_PAGES:
        page.after = arena.kept
        arena.kept = number
        arena.kept_count += 1
        return
    synap_give_back(arena.origin + UNIT_BYTES + <size_t> (number - 1) * PAGE_BYTES, PAGE_BYTES)
    page.after = arena.returned
    arena.returned = number


cdef void _have_room(Arena* arena, uint32_t number, Page* page) noexcept nogil:
    cdef uint32_t first = arena.with_room[page.block_units]
    page.before = 0
    page.after = first
    if first:
        arena.pages[first - 1].before = number
    arena.with_room[page.block_units] = number


cdef void _leave_room(Arena* arena, uint32_t number, Page* page) noexcept nogil:
    if page.before:
        arena.pages[page.before - 1].after = page.after
    else:
        arena.with_room[page.block_units] = page.after
    if page.after:
        arena.pages[page.after - 1].before = page.before


# --- where every block is one of malloc ------------------------------------------------------------------

cdef uint32_t _take_checked(Arena* arena, size_t size) noexcept nogil:
    global _held_bytes
    cdef uint32_t place
    cdef void* block = malloc(size)
    cdef void** blocks
    if block == NULL:
        return 0
    if arena.kept:
        place = arena.kept
        arena.kept = <uint32_t> <size_t> arena.blocks[place]
    else:
        if arena.places + 1 >= arena.place_room:
            blocks = <void**> realloc(arena.blocks, (arena.place_room * 2 + 8) * sizeof(void*))
            if blocks == NULL:
                free(block)
                return 0
            arena.blocks = blocks
            arena.place_room = arena.place_room * 2 + 8
        arena.places += 1
        place = arena.places
    _held_bytes += rounded(size)
    arena.blocks[place] = block
    arena.block_bytes += rounded(size)
    arena.block_count += 1
    return place
