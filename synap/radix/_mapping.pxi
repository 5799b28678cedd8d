# Memory from the system, as one piece that grows.
#
# ``mremap`` moves pages without copying what they hold. Only Linux has it; elsewhere this does not compile, and the
# pure tree serves.

cdef extern from *:
    """
    #include <sys/mman.h>

    #define SYNAP_HUGE_BYTES ((size_t)2 << 20)

    /* Memory, or more of it, which may move; NULL where there is none, and then the old is as it was. Begins where a
       huge page could, as the kernel has to take those apart that it moves to anywhere else. Asks for them: at a
       million sessions a look-up takes a quarter less. */
    static char* synap_map(char* old, size_t old_bytes, size_t new_bytes) {
        const int kind = MAP_PRIVATE | MAP_ANONYMOUS;
        void* found = old ? mremap(old, old_bytes, new_bytes, 0) : MAP_FAILED;
        char* room = MAP_FAILED;
        if (found == MAP_FAILED && new_bytes >= SYNAP_HUGE_BYTES)
            room = mmap(NULL, new_bytes + SYNAP_HUGE_BYTES, PROT_NONE, kind | MAP_NORESERVE, -1, 0);
        if (room != MAP_FAILED) {
            size_t before = -(uintptr_t)room & (SYNAP_HUGE_BYTES - 1);
            if (before) munmap(room, before);
            munmap(room + before + new_bytes, SYNAP_HUGE_BYTES - before);
            room += before;
            found = old ? mremap(old, old_bytes, new_bytes, MREMAP_MAYMOVE | MREMAP_FIXED, room)
                        : mmap(room, new_bytes, PROT_READ | PROT_WRITE, kind | MAP_FIXED, -1, 0);
            if (found == MAP_FAILED) munmap(room, new_bytes);
        }
        /* Where address space is scarce, anywhere is better than nowhere. */
        if (found == MAP_FAILED)
            found = old ? mremap(old, old_bytes, new_bytes, MREMAP_MAYMOVE)
                        : mmap(NULL, new_bytes, PROT_READ | PROT_WRITE, kind, -1, 0);
        if (found == MAP_FAILED) return NULL;
        if (new_bytes >= 16 * SYNAP_HUGE_BYTES) madvise(found, new_bytes, MADV_HUGEPAGE);
        return (char*)found;
    }
    /* Memory moved elsewhere, so that nobody can have kept a pointer into it; where it is if that cannot be. */
    static char* synap_elsewhere(char* old, size_t bytes) {
        void* room = mmap(NULL, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        void* found = room == MAP_FAILED ? room : mremap(old, bytes, bytes, MREMAP_MAYMOVE | MREMAP_FIXED, room);
        return found == MAP_FAILED ? old : (char*)found;
    }
    static void synap_unmap(char* base, size_t bytes) { munmap(base, bytes); }
    static void synap_give_back(char* start, size_t bytes) { madvise(start, bytes, MADV_DONTNEED); }
    """
    char* synap_map(char* old, size_t old_bytes, size_t new_bytes) noexcept nogil
    char* synap_elsewhere(char* old, size_t bytes) noexcept nogil
    void synap_unmap(char* base, size_t bytes) noexcept nogil
    void synap_give_back(char* start, size_t bytes) noexcept nogil
