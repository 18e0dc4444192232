// Rows as vectors of four words: PER elements (4, or 8 of 16 bits) to a vector. A row may begin and
// end within a vector; what does not belong to it is masked.

// A stretch of a row: its columns lie in `count` vectors from `first` on, and begin `head` elements
// into the first of them.
struct Span {
    row: u32,
    begin: u32, // the first column
    n: u32,     // columns
    first: u32,
    count: u32,
    head: u32,
    whole: u32, // vectors that can be read at once: all but the binding's last words
    inner: u32, // the first vector of which every element belongs to the span
    outer: u32, // one past the last such
    first_ok: u32, // which elements of the first vector belong to it, as bits
    last_ok: u32,
}

fn span(row: u32, begin: u32, n: u32) -> Span {
    let place = p.offset + row * p.stride + begin;
    let first = place / PER;
    let head = place % PER;
    let end = head + n;
    let count = (end + PER - 1u) / PER;
    let whole = min(count, p.vectors - min(p.vectors, first));
    let inner = select(0u, 1u, head != 0u);
    let outer = min(whole, end / PER);
    let first_ok = bits_of_range(head, min(end, PER));
    let last_ok = bits_of_range(0u, end - min(end, (count - min(count, 1u)) * PER));
    return Span(row, begin, n, first, count, head, whole, inner, outer, first_ok, last_ok);
}

// Elements from..to of a vector, as bits: bit b is element `of_bit(b)`.
fn bits_of_range(from_element: u32, to: u32) -> u32 {
    let bits = ((1u << to) - 1u) & ~((1u << from_element) - 1u);
#ifdef HALF
    // Every other bit, twice.
    let both = vec2<u32>(bits, bits >> 1u) & vec2<u32>(0x55u);
    let pairs = (both | (both >> vec2<u32>(1u))) & vec2<u32>(0x33u);
    let fours = (pairs | (pairs >> vec2<u32>(2u))) & vec2<u32>(0xfu);
    return fours.x | (fours.y << 4u);
#else
    return bits;
#endif
}

// The elements of vector i that belong to the span, as bits.
fn valid(s: Span, i: u32) -> u32 {
    var ok = select(PER_BITS, 0u, i >= s.count);
    ok = select(ok, ok & s.first_ok, i == 0u);
    return select(ok, ok & s.last_ok, i + 1u == s.count);
}

// Vector i of a span.
fn words(s: Span, i: u32) -> vec4<u32> {
    if (i < s.whole) {
        return vectors[s.first + i];
    }
    return last_words(s);
}

// The binding's last words, where they are no vector.
fn last_words(s: Span) -> vec4<u32> {
    var w = vec4<u32>(0u);
    let at = (s.first + s.whole) * 4u;
    let end = arrayLength(&input);
    for (var j = 0u; j < rounds(4u); j += 1u) {
        if (at + j < end) {
            w[j] = input[at + j];
        }
    }
    return w;
}

// A vector's raw keys, four elements at a time: with HALF those of the even ones, and then of the odd
// ones. Both halves of a word are turned together, and only what moves NaN is added to each; the even
// ones' lower halves are no part of the key.
#ifdef HALF
fn turned(w: vec4<u32>) -> vec4<u32> {
    let signs = (w >> vec4<u32>(15u)) & vec4<u32>(0x00010001u);
    return w ^ (signs * vec4<u32>(p.mask >> 16u)) ^ vec4<u32>(p.flip | (p.flip >> 16u));
}
fn raw_evens(w: vec4<u32>) -> vec4<u32> {
    return (turned(w) << vec4<u32>(16u)) + vec4<u32>(p.add);
}
fn raw_odds(w: vec4<u32>) -> vec4<u32> {
    return (turned(w) & vec4<u32>(0xffff0000u)) + vec4<u32>(p.add);
}
#else
fn raw_evens(w: vec4<u32>) -> vec4<u32> {
    let sign = bitcast<vec4<u32>>(bitcast<vec4<i32>>(w) >> vec4<u32>(31u));
    return ((w ^ (sign & vec4<u32>(p.mask))) ^ vec4<u32>(p.flip)) + vec4<u32>(p.add);
}
#endif

fn keys_of_raw(raw_keys: vec4<u32>) -> vec4<u32> {
    var raw = raw_keys;
    if (p.floats != 0u) {
        let nan = (raw >= vec4<u32>(p.nan_low)) & (raw <= vec4<u32>(p.nan_high));
        let zero = raw == vec4<u32>(p.zero_low);
        raw = select(select(raw, raw + vec4<u32>(p.zero_step), zero), vec4<u32>(p.nan_high), nan);
    }
    return raw;
}

fn greatest(v: vec4<u32>) -> u32 {
    return max(max(v.x, v.y), max(v.z, v.w));
}

// The greatest raw keys of a vector, element by element of four.
fn top_raw(w: vec4<u32>) -> vec4<u32> {
#ifdef HALF
    return max(raw_evens(w), raw_odds(w));
#else
    return raw_evens(w);
#endif
}

fn bits4(hit: vec4<bool>) -> u32 {
    return select(0u, 1u, hit.x) | select(0u, 2u, hit.y) | select(0u, 4u, hit.z) | select(0u, 8u, hit.w);
}

// A bit for each element of a vector whose raw key reaches `least`: bit b is element `of_bit(b)`.
fn hits(w: vec4<u32>, least: vec4<u32>) -> u32 {
#ifdef HALF
    return bits4(raw_evens(w) >= least) | (bits4(raw_odds(w) >= least) << 4u);
#else
    return bits4(raw_evens(w) >= least);
#endif
}

fn of_bit(b: u32) -> u32 {
#ifdef HALF
    return ((b & 3u) << 1u) | (b >> 2u);
#else
    return b;
#endif
}

// The column of element e of vector i.
fn column_of(s: Span, i: u32, e: u32) -> u32 {
    return s.begin + (i * PER + e) - s.head;
}

// Tiles of TILE_V vectors: thread t has vectors t, t + WG and so on, VECS of them at most.
fn in_tile(j: u32) -> bool {
#ifdef WHOLE_TILE
    return true;
#else
    return j * WG + tid < TILE_V;
#endif
}

#ifdef RESIDENT
// The span is one tile at most: each thread holds its part of it.
#each j VECS
var<private> held_$j: vec4<u32>;
#end

fn hold(s: Span) {
#each j VECS
    if (in_tile($ju) && $ju * WG + tid < s.whole) {
        held_$j = vectors[s.first + $ju * WG + tid];
    }
#end
    if (s.whole < s.count) {
        let last = last_words(s);
#each j VECS
        held_$j = select(held_$j, last, in_tile($ju) && $ju * WG + tid == s.whole);
#end
    }
}
#endif
