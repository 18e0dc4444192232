// What differs between CUDA, HIP and the emulator of the tests: nothing else names a compiler's own
// functions. WAVE lanes run together; THREADS is the size of a block, GROUPS how many of them a
// multiprocessor should hold; both are set by whoever compiles.
#pragma once

#ifndef WAVE
#define WAVE 32
#endif
#define WAVES (THREADS / WAVE)
// Blocks that run at the same time and read one another's shared memory; 1: none do.
#ifndef CLUSTER
#define CLUSTER 1
#endif

#ifdef ST_EMULATE
#include "emulate.cuh"
#else

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;
typedef long long i64;
typedef uint4 Vector;

#define DEVICE static __device__ __forceinline__
// A function that belongs to an object.
#define MEMBER __device__ __forceinline__
// Rarely taken ways, kept out of the registers of the usual one.
#define RARE static __device__ __noinline__
#if CLUSTER > 1
#define CLUSTERED __cluster_dims__(CLUSTER, 1, 1)
// Says that a thread has come so far, and waits for all threads of the cluster that have not ended; what they wrote before they
// came there can be read then.
DEVICE void cluster_arrive() { asm volatile("barrier.cluster.arrive.aligned;" ::: "memory"); }
DEVICE void cluster_wait() { asm volatile("barrier.cluster.wait.aligned;" ::: "memory"); }
DEVICE void cluster_barrier() {
    cluster_arrive();
    cluster_wait();
}
// Where another block of the cluster has what this one has at an address of its shared memory.
template <typename T> DEVICE T* of_block(T* at, u32 block) {
    u64 other;
    asm("mapa.u64 %0, %1, %2;" : "=l"(other) : "l"(u64(at)), "r"(block));
    return reinterpret_cast<T*>(other);
}
#else
#define CLUSTERED
#endif
#if __CUDA_ARCH__ >= 900
// A kernel may be launched before the one that it follows on the stream has ended (st-backend-cuda's launch.rs). It waits
// here for that end and for what was written until then, and lets the one that follows it be launched in the same way.
DEVICE void follow() {
    asm volatile("griddepcontrol.wait; griddepcontrol.launch_dependents;" ::: "memory");
}
#else
DEVICE void follow() {}
#endif
#if __CUDA_ARCH__ >= 800
// Copies of vectors from device memory into shared memory, for which the thread that asks for them has no registers.
#define COPIES_AHEAD
DEVICE void copy_ahead(Vector* to, const Vector* from) {
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16;" ::"r"(u32(__cvta_generic_to_shared(to))),
                 "l"(__cvta_generic_to_global(from))
                 : "memory");
}
// What was asked for since the last time is a group; waits for all groups but the last MANY.
DEVICE void copies_asked() { asm volatile("cp.async.commit_group;" ::: "memory"); }
template <u32 MANY> DEVICE void copies_wait() { asm volatile("cp.async.wait_group %0;" ::"n"(MANY) : "memory"); }
#endif
#define KERNEL(name, Params)                                                                                         \
    DEVICE void name##_body(const Params& p);                                                                        \
    extern "C" __global__ void CLUSTERED __launch_bounds__(THREADS, GROUPS) name(const __grid_constant__ Params p) { \
        follow();                                                                                                    \
        name##_body(p);                                                                                              \
    }                                                                                                                \
    DEVICE void name##_body(const Params& p)

#if WAVE == 64
typedef u64 LaneMask;
#else
typedef u32 LaneMask;
#endif

DEVICE u32 thread() { return threadIdx.x; }
DEVICE u32 group() { return blockIdx.x; }
DEVICE u32 groups() { return gridDim.x; }
DEVICE char* shared() {
    extern __shared__ uint4 dynamic[];
    return reinterpret_cast<char*>(dynamic);
}
DEVICE void barrier() { __syncthreads(); }
DEVICE bool barrier_or(bool x) { return __syncthreads_or(x); }
DEVICE void wave_barrier() { __syncwarp(); }

#ifdef __HIP__
DEVICE LaneMask ballot(bool x) { return __ballot(x); }
template <typename T> DEVICE T shuffle(T x, u32 lane) { return __shfl(x, lane); }
template <typename T> DEVICE T shuffle_xor(T x, u32 mask) { return __shfl_xor(x, mask); }
template <typename T> DEVICE T shuffle_up(T x, u32 by) { return __shfl_up(x, by); }
DEVICE Vector load_stream(const Vector* at) { return *at; }
template <typename T> DEVICE T load_fresh(const T* at) { return __builtin_nontemporal_load(at); }
#else
#define ALL_LANES 0xffffffffu
DEVICE LaneMask ballot(bool x) { return __ballot_sync(ALL_LANES, x); }
template <typename T> DEVICE T shuffle(T x, u32 lane) { return __shfl_sync(ALL_LANES, x, lane); }
template <typename T> DEVICE T shuffle_xor(T x, u32 mask) { return __shfl_xor_sync(ALL_LANES, x, mask); }
template <typename T> DEVICE T shuffle_up(T x, u32 by) { return __shfl_up_sync(ALL_LANES, x, by); }
// Read once: around the first-level cache, which holds nothing that comes again.
DEVICE Vector load_stream(const Vector* at) {
    Vector v;
    asm volatile("ld.global.nc.v4.u32 {%0,%1,%2,%3},[%4];"
                 : "=r"(v.x), "=r"(v.y), "=r"(v.z), "=r"(v.w)
                 : "l"(at));
    return v;
}
// What another block has written: from the second-level cache, where blocks meet.
template <typename T> DEVICE T load_fresh(const T* at) { return __ldcg(at); }
#if __CUDA_ARCH__ >= 800
// One operation instead of a shuffle for each halving.
#define REDUCES
DEVICE u32 reduce_least(u32 x) { return __reduce_min_sync(ALL_LANES, x); }
DEVICE u32 reduce_most(u32 x) { return __reduce_max_sync(ALL_LANES, x); }
DEVICE u32 reduce_sum(u32 x) { return __reduce_add_sync(ALL_LANES, x); }
#endif
// x, and the x of the lane so many before it, if there is such a lane: two operations, since the shuffle says whether there is.
#define ADDS_FROM_BEFORE
DEVICE u32 add_from_before(u32 x, u32 by) {
    u32 sum;
    asm volatile("{.reg .pred there; .reg .u32 other; shfl.sync.up.b32 other|there, %1, %2, 0, 0xffffffff; mov.u32 %0, %1;"
                 " @there add.u32 %0, %1, other;}"
                 : "=r"(sum)
                 : "r"(x), "r"(by));
    return sum;
}
#if __CUDA_ARCH__ >= 900
// Pairs of 16-bit floats.
#define COMPARES_PAIRS
#define PAIRS(name, how)                                                 \
    struct name {                                                        \
        DEVICE u32 of(u32 a, u32 b) {                                    \
            u32 pair;                                                    \
            asm(how " %0,%1,%2;" : "=r"(pair) : "r"(a), "r"(b));         \
            return pair;                                                 \
        }                                                                \
    };
// Compared: all bits of a half are set, or none.
PAIRS(BrainsReachOrNan, "set.geu.u32.bf16x2")
PAIRS(BrainsReach, "set.ge.u32.bf16x2")
PAIRS(BrainsStay, "set.le.u32.bf16x2")
PAIRS(HalvesReachOrNan, "set.geu.u32.f16x2")
PAIRS(HalvesReach, "set.ge.u32.f16x2")
PAIRS(HalvesStay, "set.le.u32.f16x2")
// The greater, or the lesser: a number where one is NaN, but for OrNan.
PAIRS(BrainsMostOrNan, "max.NaN.bf16x2")
PAIRS(BrainsMost, "max.bf16x2")
PAIRS(BrainsLeast, "min.bf16x2")
PAIRS(HalvesMostOrNan, "max.NaN.f16x2")
PAIRS(HalvesMost, "max.f16x2")
PAIRS(HalvesLeast, "min.f16x2")
#undef PAIRS
#endif
#endif

// Four bytes of a (0 to 3) and b (4 to 7), each of which a digit of `which` to the base 16 names, the lowest first.
DEVICE u32 bytes_of(u32 a, u32 b, u32 which) { return __byte_perm(a, b, which); }
// Keeps the compiler from making a value anew wherever it is used.
DEVICE u32 made(u32 x) {
    asm volatile("" : "+r"(x));
    return x;
}
#ifdef __CUDA_ARCH__
// As below, by way of the carry: of several the compiler adds up the carries, two operations for each.
DEVICE u32 add_less(u32 count, u32 a, u32 b) {
    u32 sum;
    asm("{.reg .u32 less; sub.cc.u32 less, %1, %2; subc.u32 less, 0, 0; sub.u32 %0, %3, less;}"
        : "=r"(sum)
        : "r"(a), "r"(b), "r"(count));
    return sum;
}
#endif
DEVICE void fence() { __threadfence(); }
DEVICE u32 atomic_add(u32* at, u32 by) { return atomicAdd(at, by); }
DEVICE u32 leading_zeros(u32 x) { return __clz(x); }
DEVICE u32 leading_zeros(u64 x) { return __clzll(x); }
DEVICE u32 count_bits(u32 x) { return __popc(x); }
DEVICE u32 count_bits(u64 x) { return __popcll(x); }
DEVICE u32 first_bit(u32 x) { return __ffs(x) - 1; }
DEVICE u32 first_bit(u64 x) { return __ffsll(x) - 1; }

#endif

typedef unsigned __int128 u128;

DEVICE u32 leading_zeros(u128 x) {
    const u64 high = u64(x >> 64);
    return high ? leading_zeros(high) : 64 + leading_zeros(u64(x));
}
DEVICE u128 shuffle_xor(u128 x, u32 mask) {
    return u128(shuffle_xor(u64(x >> 64), mask)) << 64 | shuffle_xor(u64(x), mask);
}
DEVICE u32 lane() { return thread() % WAVE; }
DEVICE u32 wave() { return thread() / WAVE; }
DEVICE bool any(bool x) { return ballot(x) != 0; }
// The lanes before this one.
DEVICE LaneMask before() { return (LaneMask(1) << lane()) - 1; }

// The float with those bits, and the other way.
union FloatBits {
    u32 bits;
    float x;
};
DEVICE float as_float(u32 bits) {
    FloatBits both;
    both.bits = bits;
    return both.x;
}
DEVICE u32 as_bits(float x) {
    FloatBits both;
    both.x = x;
    return both.bits;
}

// The count, and one more if a < b.
DEVICE u32 add_less(u32 count, u64 a, u64 b) { return count + (a < b); }
template <typename T> DEVICE T least(T a, T b) { return a < b ? a : b; }
template <typename T> DEVICE T most(T a, T b) { return a < b ? b : a; }
DEVICE u32 ceil_div(u32 a, u32 b) { return (a + b - 1) / b; }
