// What candidates are put into bins by: their marks, the greater of which come first.

var<workgroup> key_least: atomic<u32>;
var<workgroup> key_most: atomic<u32>;

// The least and the greatest of all threads' values; `key_least` and `key_most` are reset, behind a
// barrier.
fn range_of(least: u32, most: u32) -> vec2<u32> {
    if (least == group_min(least)) {
        atomicMin(&key_least, least);
    }
    if (most == group_max(most)) {
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

// The bin of a mark that is so much above the least, the greatest being `range` (not 0) above it: by the
// logarithm of that and an eighth of the range, because of many elements the leading ones become rarer
// upwards. Each step keeps the order, whatever it rounds; a float's bits are its logarithm, in straight
// lines.
fn bin_of(above: u32, range: u32) -> u32 {
    let start = f32((range >> 3u) + 1u);
    let low = bitcast<u32>(start);
    let high = bitcast<u32>(f32(range) + start);
    let place = f32(bitcast<u32>(f32(above) + start) - low) * (f32(LAST_BIN) / f32(high - low));
    return LAST_BIN - min(u32(place), LAST_BIN);
}
