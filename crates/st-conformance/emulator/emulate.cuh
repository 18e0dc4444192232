// The kernels as C++ for this machine's processor: each thread of a block is a fiber, the blocks of a launch run one
// after another, those of a cluster by turns. It knows no races between blocks, and takes fibers in an order that
// differs from launch to launch, so that what only works in one order is found. Threads of a wave that do not meet at a wave's operation, or
// threads that do not meet at a barrier, end the process.
#pragma once
#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef unsigned long long u64;
typedef long long i64;
struct alignas(16) Vector {
    u32 x, y, z, w;
};
struct uint2 {
    u32 x, y;
};
typedef u32 LaneMask;

namespace emulated {

// A copy that was asked for, and the group it is of.
struct Copy {
    Vector* to;
    const Vector* from;
    u32 group;
};
const u32 COPIES = 64;

struct Fiber {
    void* stack;
    void* at;
    enum { READY, WAVE_WAIT, BLOCK_WAIT, CLUSTER_WAIT, DONE } state;
    u32 meetings;
    Copy copies[COPIES];
    u32 copies_done, copies_end, groups;
};

struct Block {
    u32 threads, group, groups;
    u32 current;
    char* shared;
    Fiber fibers[1024];
    // What each lane brings to its wave's present meeting, and to the one before.
    u64 brought[2][1024];
    bool voted[1024];
    bool vote;
    void* scheduler;
    void (*body)(const void*);
    const void* params;
};
// Those of a cluster, and the one that runs: of this kernel alone, which is one of several libraries of a process.
static Block blocks[CLUSTER];
static Block* block = blocks;

inline void die(const char* what) {
    fprintf(stderr, "emulated block %u of %u: %s\n", block->group, block->groups, what);
    abort();
}

// Saves this stack in *from and goes on with `to`.
__attribute__((naked, noinline)) inline void change(void** from, void* to) {
    (void)from;
    (void)to;
    asm("pushq %rbp; pushq %rbx; pushq %r12; pushq %r13; pushq %r14; pushq %r15;"
        "movq %rsp, (%rdi); movq %rsi, %rsp;"
        "popq %r15; popq %r14; popq %r13; popq %r12; popq %rbx; popq %rbp; ret");
}
inline void leave() { change(&block->fibers[block->current].at, block->scheduler); }
inline void run_body() {
    block->body(block->params);
    const Fiber& f = block->fibers[block->current];
    if (f.copies_done < f.copies_end) die("a thread has ended before its copies");
    block->fibers[block->current].state = Fiber::DONE;
    leave();
    abort();
}

const size_t STACK = 128 << 10;

inline void begin_block(u32 group) {
    block->group = group;
    for (u32 t = 0; t < block->threads; t++) {
        Fiber& f = block->fibers[t];
        if (!f.stack) f.stack = malloc(STACK);
        void** top = reinterpret_cast<void**>(reinterpret_cast<uintptr_t>(static_cast<char*>(f.stack) + STACK) & ~15ul);
        *--top = nullptr;
        *--top = reinterpret_cast<void*>(run_body);
        top -= 6;
        f.at = top;
        f.state = Fiber::READY;
        f.meetings = 0;
        f.copies_done = f.copies_end = f.groups = 0;
    }
}
// Goes on with the block's fibers as far as they come in one round; whether any came further.
inline bool run_round(u32 order) {
    u32 done = 0, waiting = 0;
    bool ran = false;
    for (u32 i = 0; i < block->threads; i++) {
        const u32 t = order & 1 ? block->threads - 1 - i : i;
        Fiber& f = block->fibers[t];
        if (f.state == Fiber::READY) {
            block->current = t;
            change(&block->scheduler, f.at);
            ran = true;
        }
    }
    for (u32 from = 0; from < block->threads; from += WAVE) {
        u32 here = 0;
        for (u32 t = from; t < from + WAVE; t++) here += block->fibers[t].state == Fiber::WAVE_WAIT;
        if (here == WAVE) {
            for (u32 t = from; t < from + WAVE; t++) block->fibers[t].state = Fiber::READY;
            ran = true;
        }
    }
    for (u32 t = 0; t < block->threads; t++) {
        done += block->fibers[t].state == Fiber::DONE;
        waiting += block->fibers[t].state == Fiber::BLOCK_WAIT;
    }
    if (waiting && waiting + done == block->threads) {
        if (done) die("threads have ended that others wait for at a barrier");
        block->vote = false;
        for (u32 t = 0; t < block->threads; t++) {
            block->vote |= block->voted[t];
            block->fibers[t].state = Fiber::READY;
        }
        ran = true;
    }
    return ran;
}
// Runs the blocks of a cluster from `group` on.
inline void run_cluster(u32 group, u32 order) {
    for (u32 c = 0; c < CLUSTER; c++) {
        block = blocks + c;
        begin_block(group + c);
    }
    while (true) {
        bool ran = false;
        u32 done = 0, waiting = 0, all = 0;
        for (u32 i = 0; i < CLUSTER; i++) {
            block = blocks + (order & 2 ? CLUSTER - 1 - i : i);
            ran |= run_round(order);
            all += block->threads;
            for (u32 t = 0; t < block->threads; t++) {
                done += block->fibers[t].state == Fiber::DONE;
                waiting += block->fibers[t].state == Fiber::CLUSTER_WAIT;
            }
        }
        if (done == all) return;
        if (waiting && waiting + done == all) {
            for (Block& b : blocks) {
                for (u32 t = 0; t < b.threads; t++) {
                    if (b.fibers[t].state == Fiber::CLUSTER_WAIT) b.fibers[t].state = Fiber::READY;
                }
            }
            ran = true;
        }
        if (!ran) die("threads wait for one another");
    }
}

inline const u64* meet(u64 x) {
    Fiber& f = block->fibers[block->current];
    u64* const table = block->brought[f.meetings++ & 1];
    table[block->current] = x;
    f.state = Fiber::WAVE_WAIT;
    leave();
    return table + block->current / WAVE * WAVE;
}

}  // namespace emulated

#define DEVICE static inline
#define MEMBER inline
#define RARE static __attribute__((noinline))
#define KERNEL(name, Params)                                                                        \
    static void name##_body(const Params& p);                                                       \
    extern "C" void name(const void* params, u32 groups, u32 shared_bytes) {                        \
        static u32 launches = 0;                                                                    \
        for (emulated::Block& b : emulated::blocks) {                                               \
            b.threads = THREADS;                                                                    \
            b.groups = groups;                                                                      \
            b.params = params;                                                                      \
            b.body = [](const void* given) { name##_body(*static_cast<const Params*>(given)); };    \
            b.shared = static_cast<char*>(aligned_alloc(16, (shared_bytes + 31) / 16 * 16));        \
        }                                                                                           \
        for (u32 g = 0; g < groups; g += CLUSTER) {                                                 \
            /* Nobody cleans it. */                                                                 \
            for (emulated::Block& b : emulated::blocks) memset(b.shared, 0xA5, shared_bytes);       \
            emulated::run_cluster(g, launches++);                                                   \
        }                                                                                           \
        for (emulated::Block& b : emulated::blocks) free(b.shared);                                 \
    }                                                                                               \
    static void name##_body(const Params& p)

DEVICE u32 thread() { return emulated::block->current; }
DEVICE u32 group() { return emulated::block->group; }
DEVICE u32 groups() { return emulated::block->groups; }
DEVICE char* shared() { return emulated::block->shared; }
DEVICE void wave_barrier() { emulated::meet(0); }
DEVICE bool barrier_or(bool x) {
    emulated::block->voted[thread()] = x;
    emulated::block->fibers[thread()].state = emulated::Fiber::BLOCK_WAIT;
    emulated::leave();
    return emulated::block->vote;
}
DEVICE void barrier() { barrier_or(false); }
#if CLUSTER > 1
DEVICE void cluster_barrier() {
    emulated::block->fibers[thread()].state = emulated::Fiber::CLUSTER_WAIT;
    emulated::leave();
}
// Nobody goes on before all have come, which is more than is asked for.
DEVICE void cluster_arrive() {}
DEVICE void cluster_wait() { cluster_barrier(); }
template <typename T> DEVICE T* of_block(T* at, u32 other) {
    const ptrdiff_t offset = reinterpret_cast<const char*>(at) - shared();
    return reinterpret_cast<T*>(emulated::blocks[other].shared + offset);
}
#endif
// Copies are made when they are waited for, no sooner.
#define COPIES_AHEAD
DEVICE void copy_ahead(Vector* to, const Vector* from) {
    if (uintptr_t(to) % sizeof(Vector) || uintptr_t(from) % sizeof(Vector)) emulated::die("a copy of parts of vectors");
    emulated::Fiber& f = emulated::block->fibers[thread()];
    f.copies[f.copies_end++ % emulated::COPIES] = {to, from, f.groups};
    if (f.copies_end - f.copies_done > emulated::COPIES) emulated::die("more copies than the emulator has room for");
}
DEVICE void copies_asked() { emulated::block->fibers[thread()].groups++; }
template <u32 MANY> DEVICE void copies_wait() {
    emulated::Fiber& f = emulated::block->fibers[thread()];
    for (; f.copies_done < f.copies_end; f.copies_done++) {
        const emulated::Copy& c = f.copies[f.copies_done % emulated::COPIES];
        if (c.group + MANY >= f.groups) break;
        *c.to = *c.from;
    }
}
DEVICE LaneMask ballot(bool x) {
    const u64* const all = emulated::meet(x);
    LaneMask mask = 0;
    for (u32 l = 0; l < WAVE; l++) mask |= LaneMask(all[l]) << l;
    return mask;
}
template <typename T> DEVICE T shuffle(T x, u32 from) { return T(emulated::meet(u64(x))[from % WAVE]); }
template <typename T> DEVICE T shuffle_xor(T x, u32 mask) {
    const u32 own = thread() % WAVE;
    return T(emulated::meet(u64(x))[own ^ mask]);
}
template <typename T> DEVICE T shuffle_up(T x, u32 by) {
    const u32 own = thread() % WAVE;
    const u64* const all = emulated::meet(u64(x));
    return own >= by ? T(all[own - by]) : x;
}
DEVICE Vector load_stream(const Vector* at) { return *at; }
template <typename T> DEVICE T load_fresh(const T* at) { return *at; }
DEVICE u32 bytes_of(u32 a, u32 b, u32 which) {
    const u64 all = u64(b) << 32 | a;
    u32 bytes = 0;
    for (u32 i = 0; i < 4; i++) bytes |= u32(all >> (which >> 4 * i & 7) * 8 & 0xff) << 8 * i;
    return bytes;
}
DEVICE u32 made(u32 x) { return x; }
DEVICE void fence() {}
DEVICE u32 atomic_add(u32* at, u32 by) {
    const u32 was = *at;
    *at += by;
    return was;
}
DEVICE u32 leading_zeros(u32 x) { return x ? __builtin_clz(x) : 32; }
DEVICE u32 leading_zeros(u64 x) { return x ? __builtin_clzll(x) : 64; }
DEVICE u32 count_bits(u32 x) { return __builtin_popcount(x); }
DEVICE u32 count_bits(u64 x) { return __builtin_popcountll(x); }
DEVICE u32 first_bit(u32 x) { return __builtin_ffs(x) - 1; }
DEVICE u32 first_bit(u64 x) { return __builtin_ffsll(i64(x)) - 1; }

#ifdef LANES
// Pairs of 16-bit floats, for the kernels of short rows; the others compare one at a time, as on older devices.
#define COMPARES_PAIRS
inline float number_of_brain(u32 bits) {
    const u32 wide = bits << 16;
    float x;
    memcpy(&x, &wide, 4);
    return x;
}
inline float number_of_half(u32 bits) {
    const u32 exponent = bits >> 10 & 31, mantissa = bits & 1023;
    float x = exponent == 31 ? (mantissa ? NAN : INFINITY)
              : exponent == 0 ? ldexpf(float(mantissa), -24)
                              : ldexpf(float(mantissa | 1024), int(exponent) - 25);
    return bits & 0x8000 ? -x : x;
}
#define PAIRS(name, number, compares)                                                  \
    struct name {                                                                      \
        DEVICE u32 of(u32 a, u32 b) {                                                  \
            u32 mask = 0;                                                              \
            for (u32 i = 0; i < 32; i += 16) {                                         \
                const float x = number(a >> i & 0xffff), y = number(b >> i & 0xffff);  \
                if (compares) mask |= 0xffffu << i;                                    \
            }                                                                          \
            return mask;                                                               \
        }                                                                              \
    };
PAIRS(BrainsReachOrNan, number_of_brain, !(x < y))
PAIRS(BrainsReach, number_of_brain, x >= y)
PAIRS(BrainsStay, number_of_brain, x <= y)
PAIRS(HalvesReachOrNan, number_of_half, !(x < y))
PAIRS(HalvesReach, number_of_half, x >= y)
PAIRS(HalvesStay, number_of_half, x <= y)
#undef PAIRS
// Whichever `first` says; of a number and NaN the number, unless NaN is asked for.
#define PAIRS(name, number, first, nan)                                                                     \
    struct name {                                                                                           \
        DEVICE u32 of(u32 a, u32 b) {                                                                       \
            u32 pair = 0;                                                                                   \
            for (u32 i = 0; i < 32; i += 16) {                                                              \
                const float x = number(a >> i & 0xffff), y = number(b >> i & 0xffff);                       \
                const bool none = nan ? isnan(x) || isnan(y) : isnan(x) && isnan(y);                        \
                const u32 own = none ? 0x7fff : isnan(y) || (first) ? a >> i & 0xffff : b >> i & 0xffff;    \
                pair |= own << i;                                                                           \
            }                                                                                               \
            return pair;                                                                                    \
        }                                                                                                   \
    };
PAIRS(BrainsMostOrNan, number_of_brain, x > y, true)
PAIRS(BrainsMost, number_of_brain, x > y, false)
PAIRS(BrainsLeast, number_of_brain, x < y, false)
PAIRS(HalvesMostOrNan, number_of_half, x > y, true)
PAIRS(HalvesMost, number_of_half, x > y, false)
PAIRS(HalvesLeast, number_of_half, x < y, false)
#undef PAIRS
#endif
