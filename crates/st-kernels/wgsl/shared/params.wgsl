// What every stage is told, and the buffers it works on. Elements are bound as words: 16-bit ones
// are two to a word and are read into the upper half, so that one code map serves both widths.

struct Params {
    rows: u32,          // of this dispatch
    cols: u32,
    k: u32,
    start: u32,         // first rank wanted, if MODE is 2
    mode: u32,          // 0: ranks from 0; 1: the middle; 2: from `start`
    stride: u32,        // elements from row to row
    offset: u32,        // of row 0's first element in the binding
    row0: u32,          // this dispatch's first row among all
    parts: u32,         // of a row
    part_cols: u32,
    kept: u32,          // leading ranks that a part keeps
    list_stride: u32,   // entries of a row in `lists`
    mask: u32,          // the code map: see st_rank::order
    flip: u32,
    add: u32,
    nan_low: u32,
    nan_high: u32,
    zero_low: u32,
    zero_step: u32,
    floats: u32,
    sorted: u32,
    ragged: u32,        // 1: rows have lengths of their own; 2: and what short ones lack is filled up
    groups_x: u32,      // workgroups in x, for grids that need two dimensions
    lo: u32,            // compaction: the range of keys
    hi: u32,
    list_parts: u32,    // lists of a row, for the second command
    sort_room: u32,     // entries that a part has to be sorted in, behind the lists
    sort_base: u32,     // where that room begins
    vectors: u32,       // whole vectors of four words in the binding of the input
    sample_rank: u32,   // of a sample's keys, the one that the threshold is set at
    room: u32,          // entries that a part's list has room for
    count_base: u32,    // where a row's counts of its parts' lists begin
    steps: u32,         // of interpolation, for groups
    held: u32,          // vectors that a lane of a group holds
    slices: u32,        // merging in device memory: workgroups for each list
    bins_stride: u32,   // words of a row behind the lists of all rows: bins
    bins_base: u32,     // where those of the first row begin, in entries
    again: u32,         // 1: what is wanted was ordered by rank, and is ordered once more by index
}

@group(0) @binding(0) var<storage, read> input: array<u32>;
@group(0) @binding(1) var<storage, read> lengths: array<u32>;
@group(0) @binding(2) var<storage, read_write> lists: array<vec2<u32>>;
#ifdef BINS_IN_MEMORY
// What lies behind the lists, in place of the values.
@group(0) @binding(3) var<storage, read_write> row_bins: array<atomic<u32>>;
#else
@group(0) @binding(3) var<storage, read_write> values: array<u32>;
#endif
@group(0) @binding(4) var<storage, read_write> indices: array<u32>;
@group(0) @binding(5) var<uniform> p: Params;
@group(0) @binding(6) var<storage, read> vectors: array<vec4<u32>>;
#ifdef RAGGED
@group(0) @binding(7) var<storage, read_write> status: array<atomic<u32>>;
#endif

var<private> tid: u32;

// How often a loop goes round whose number of rounds is a constant.
fn rounds(n: u32) -> u32 {
#ifdef ROLLED
    // The compiler is kept from knowing it, and so from repeating the loop's lines: it does not know that
    // this adds 0. (Mesa's sees through a choice between two constants.)
    return n + (p.again >> 1u);
#else
    return n;
#endif
}

// The number of a workgroup in a grid of two dimensions.
fn group_number(group: vec3<u32>) -> u32 {
    return group.y * p.groups_x + group.x;
}

#ifdef RAGGED
// Whether a row's length, which nobody may have checked, does not do: it is beyond the columns, or too little for
// what is wanted of the row, unless that is filled up.
fn is_bad(row: u32) -> bool {
    let n = lengths[p.row0 + row];
    let ranks = wanted(n);
    return n > p.cols || (p.ragged == 1u && ranks.y - ranks.x < p.k);
}

// Elements of a row. A bad one counts as empty, in every command, so that all of its places are filled up.
fn row_length(row: u32) -> u32 {
    return select(lengths[p.row0 + row], 0u, is_bad(row));
}
#else
// Elements of a row.
fn row_length(row: u32) -> u32 {
    if (p.ragged != 0u) {
        return min(lengths[p.row0 + row], p.cols);
    }
    return p.cols;
}
#endif

// The ranks wanted of a row of n elements: first, and one past the last.
fn wanted(n: u32) -> vec2<u32> {
    var first = 0u;
    if (p.mode == 1u) {
        first = (n - min(n, p.k)) / 2u;
    } else if (p.mode == 2u) {
        first = min(p.start, n);
    }
    return vec2<u32>(first, first + min(p.k, n - first));
}

#import uniform
