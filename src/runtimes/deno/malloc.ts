/**
 * Has the allocator keep the memory of large messages. That of glibc maps pieces from 128 KiB on, and gives them
 * back to the system when they are freed: a new message then costs a page fault for each 4 KiB of it. Once a mapped
 * piece was freed, it takes pieces up to that size, which may be 32 MiB, from its heap, and gives free memory at
 * the end of the heap back from twice that size on.
 *
 * @module
 */

// Nothing is written to it, so it takes no memory.
const piece = new ArrayBuffer(32 * 1024 * 1024 - 65_536);
piece.transfer(0);
