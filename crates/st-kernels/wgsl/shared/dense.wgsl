// Merging in device memory: the parts' candidates are put into bins and, bin by bin, next to each other.
//
// Bins are of two kinds. Coarse ones are log-linear in what a key has more than the row's least, as
// floats are: most of any distribution lies within a few of them, and a few keys far from all others
// take none from those. Each coarse bin is then cut evenly into fine ones, about as many as two
// candidates want one, between its least and its greatest key and, where a key has several fine bins,
// between its least and its greatest column: ties are spread as well as keys. The greatest keys have
// the lowest bins.
//
// Of a row, behind the counts of its lists: HEADER entries; for each workgroup of its lists the
// range of the keys; the table of coarse bins; the crowded fine bins; room for candidates. Behind the
// lists of all rows, words of a row: how many fine bins are crowded, a spare one, five for each coarse
// bin, the place of the first candidate, the fine bins.

const HEADER: u32 = 4u;
const COUNTS: u32 = 2u;
const FINE: u32 = 2u + 5u * COARSE;

fn header_base(row: u32) -> u32 {
    return row * p.list_stride + p.count_base + p.list_parts;
}

fn range_base(row: u32) -> u32 {
    return header_base(row) + HEADER;
}

fn table_base(row: u32) -> u32 {
    return range_base(row) + 2u * p.list_parts * p.slices;
}

fn crowd_base(row: u32) -> u32 {
    return table_base(row) + 3u * COARSE;
}

fn dense_base(row: u32) -> u32 {
    return row * p.list_stride + p.sort_base;
}

// Where the words of a row begin behind the lists.
fn word_base(row: u32) -> u32 {
    return row * p.bins_stride;
}

#ifndef BINS_IN_MEMORY
// The same words as entries, for stages that change none.
fn word(row: u32, i: u32) -> u32 {
    let at = word_base(row) + i;
    let pair = lists[p.bins_base + (at >> 1u)];
    return select(pair.x, pair.y, (at & 1u) == 1u);
}
#endif

// The ranks wanted, of candidates: where they are ordered once more, all of them.
fn wanted_here(row: u32) -> vec2<u32> {
    let ranks = wanted(row_length(row));
    return select(ranks, vec2<u32>(0u, ranks.y - ranks.x), p.again != 0u);
}

// Whether the lists hold what is wanted, and there was room for it.
fn is_ordered(row: u32, last: u32) -> bool {
    let base = header_base(row);
    return lists[base + 1u].x >= last && lists[base + 3u].x <= p.sort_room;
}

// Candidates that each list has room for where they are ordered once more.
fn share() -> u32 {
    return (p.k + p.list_parts - 1u) / p.list_parts;
}

// A workgroup's part of a list: from, and up to.
fn slice_of(part: u32, count: u32) -> vec2<u32> {
    let each = (count + p.slices - 1u) / p.slices;
    let begin = min(part % p.slices * each, count);
    return vec2<u32>(begin, begin + min(each, count - begin));
}

// The least key of a row, and how many of their lowest bits all keys share: those of numbers that were
// 16-bit floats or small integers once.
fn scale_of(row: u32) -> vec2<u32> {
    return lists[header_base(row)];
}

fn scaled(key: u32, scale: vec2<u32>) -> u32 {
    return (key - scale.x) >> scale.y;
}

// 16 bins for each doubling; each of the first 32 keys has its own.
fn coarse_of(x: u32) -> u32 {
    let shift = 27u - countLeadingZeros(max(x, 16u));
    return COARSE - 1u - (shift * 16u + (x >> shift));
}

// A coarse bin in the table: its first fine bin; how many bits number its fine bins, keys and columns,
// and whether some of it is wanted; its least key and inverted column.
fn table_of(row: u32, coarse: u32) -> vec4<u32> {
    let base = table_base(row) + coarse;
    return vec4<u32>(lists[base], lists[base + COARSE]);
}

fn is_wanted_bin(bin: vec4<u32>) -> bool {
    return bin.y != 0u;
}

fn bits_of_number(x: u32) -> u32 {
    return 32u - countLeadingZeros(x);
}

fn packed_bits(fine: u32, key: u32, column: u32) -> u32 {
    return fine | (key << 8u) | (column << 16u) | (1u << 24u);
}

// The fine bin of a candidate with scaled key x and inverted column y.
fn fine_of(bin: vec4<u32>, x: u32, y: u32) -> u32 {
    let fine_bits = bin.y & 255u;
    let key_bits = (bin.y >> 8u) & 255u;
    let column_bits = (bin.y >> 16u) & 255u;
    var fine = 0u;
    if (fine_bits <= key_bits) {
        fine = (x - bin.z) >> (key_bits - fine_bits);
    } else {
        let rest = fine_bits - key_bits;
        fine = ((x - bin.z) << rest) | ((y - bin.w) >> (column_bits - rest));
    }
    return bin.x + (1u << fine_bits) - 1u - fine;
}
