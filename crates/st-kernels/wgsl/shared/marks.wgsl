// What candidates are put into bins by: their marks, the greater of which come first.

var<workgroup> key_least: atomic<u32>;
var<workgroup> key_most: atomic<u32>;

// The least and the greatest of all threads' values; `key_least` and `key_most` are reset, behind a
// barrier.
fn range_of(least: u32, most: u32) -> vec2<u32> {
    if (least < atomicLoad(&key_least)) {
        atomicMin(&key_least, least);
    }
    if (most > atomicLoad(&key_most)) {
        atomicMax(&key_most, most);
    }
    workgroupBarrier();
    return vec2<u32>(atomicLoad(&key_least), atomicLoad(&key_most));
}

// How a list's candidates become marks. A mark is what a key has more than the list's least, as far up in
// the word as the greatest allows, and below it as much of the inverted column as there is room for: marks
// are in the order of candidates, the key can be had back from one, and ties are spread as keys are.
struct Marking {
    least: u32,  // the least key
    up: u32,     // how far up keys go
    base: u32,   // the least inverted column
    wide: u32,   // how far up columns go, or
    narrow: u32, // how far down
    bins: Binning,
}

// How marks become bins.
struct Binning {
    start: u32, // what half of a mark is added to
    first: u32, // the first bin, and the logarithm of `start`
    scale: u32, // bins for each logarithm
}

// What is needed again when candidates are in their bins: registers are few until then.
var<workgroup> kept_marking: array<u32, 5>;

// To be called by one thread; a barrier must follow.
fn keep_marking(m: Marking) {
    kept_marking[0] = m.bins.start;
    kept_marking[1] = m.bins.first;
    kept_marking[2] = m.bins.scale;
    kept_marking[3] = m.least;
    kept_marking[4] = m.up;
}

// Of a list whose keys are from `keys.x` to `keys.y`, and its inverted columns from `columns.x` to
// `columns.y`.
fn marking_of(keys: vec2<u32>, columns: vec2<u32>) -> Marking {
    let range = keys.y - keys.x;
    let zeros = countLeadingZeros(range);
    let up = min(zeros, 31u);
    // The lower half of keys of 16 bits is free. Where all keys are the same, they take one bit.
    let room = min(zeros + KEY_END, 31u);
    // No row has 2^31 columns: bindings are of less than 2^32 bytes.
    let bits = 32u - countLeadingZeros((columns.y - columns.x) | 1u);
    let most = (range << up) | ((1u << room) - 1u);
    let start = (most >> 4u) + 1u;
    let low = log_of(start);
    let scale = (LAST_PLACE << 16u) / (log_of((most >> 1u) + start) - low);
    return Marking(
        keys.x,
        up,
        columns.x,
        room - min(room, bits),
        min(bits - min(bits, room), 31u),
        Binning(start, (LAST_PLACE << 16u) + 0xffffu + low * scale, scale),
    );
}

fn mark_of(e: vec2<u32>, m: Marking) -> u32 {
    return ((e.x - m.least) << m.up) | (((e.y - m.base) << m.wide) >> m.narrow);
}

// A candidate with its key in place of its mark.
fn unmarked(e: vec2<u32>) -> vec2<u32> {
    return vec2<u32>(kept_marking[3] + ((e.x >> kept_marking[4]) & ~((1u << KEY_END) - 1u)), e.y);
}

// A number's logarithm, in straight lines from one power of two to the next, times 2^14; of 0 it is not
// asked.
fn log_of(x: u32) -> u32 {
    let zeros = countLeadingZeros(x);
    return ((32u - zeros) << 14u) | (((x << zeros) >> 17u) & 0x3fffu);
}

// The bin of a mark: by the logarithm of that and an eighth of the greatest, because of many elements the
// leading ones become rarer upwards. Integers only, so that it is the same wherever it is worked out;
// nothing overflows, as `start` has 28 bits or 29 and logarithms differ by three and a bit.
fn bin_of(mark: u32, b: Binning) -> u32 {
    return (b.first - log_of((mark >> 1u) + b.start) * b.scale) >> 16u;
}

fn kept_binning() -> Binning {
    return Binning(kept_marking[0], kept_marking[1], kept_marking[2]);
}
