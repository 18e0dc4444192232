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

// A candidate's key. The lower half of keys of 16 bits is free, and takes what fits of the inverted
// index, so that equal keys do not crowd into one bin.
fn mark_of(e: vec2<u32>) -> u32 {
#ifdef HALF
    let bits = 32u - countLeadingZeros(max(p.cols, 2u) - 1u);
    let low = e.y & (0xffffffffu >> (32u - bits));
    return e.x | ((low << (16u - min(bits, 16u))) >> (max(bits, 16u) - 16u));
#else
    return e.x;
#endif
}

// A number's logarithm, in straight lines from one power of two to the next, times 4096; of 0 it is not
// asked.
fn log_of(x: u32) -> u32 {
    let zeros = countLeadingZeros(x);
    return ((32u - zeros) << 12u) | (((x << zeros) >> 19u) & 0xfffu);
}

// The bin of a mark that is so much above the least, the greatest being `range` (not 0) above it: by the
// logarithm of that and an eighth of the range, because of many elements the leading ones become rarer
// upwards. Integers only, so that it is the same wherever it is worked out; nothing overflows, as
// logarithms differ by less than four.
fn bin_of(above: u32, range: u32) -> u32 {
    let half = range >> 31u;
    let start = ((range >> half) >> 3u) + 1u;
    let low = log_of(start);
    let scale = (LAST_BIN << 18u) / (log_of((range >> half) + start) - low);
    return LAST_BIN - (((log_of((above >> half) + start) - low) * scale) >> 18u);
}
