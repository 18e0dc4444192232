// Merging in device memory (range.wgsl): cuts the coarse bins that hold wanted ranks into fine ones and
// counts the candidates of each. `slices` workgroups for each list; each makes the whole table, which
// is faster than to wait for one that does.
//
// Reads the candidates once.
#import params
#import keys
#import scan
#import lists
#import dense
#import main

var<workgroup> table: array<vec4<u32>, COARSE>;
var<workgroup> first_place: atomic<u32>;

// Counts a candidate with scaled key x and inverted column y; `words` is where fine bins begin.
fn count(words: u32, x: u32, y: u32) {
    let bin = table[coarse_of(x)];
    if (is_wanted_bin(bin)) {
        atomicAdd(&row_bins[words + fine_of(bin, x, y)], 1u);
    }
}

fn run(row: u32, part: u32) {
    let ranks = wanted_here(row);
    let from_words = word_base(row) + COUNTS;
    let to = table_base(row);
    if (tid == 0u) {
        atomicStore(&first_place, 0xffffffffu);
    }
    // No coarse bin but the last wanted has more candidates than there is room for.
    let most_bits = bits_of_number(max(p.sort_room / 4u, 1u)) - 1u;
    var counted = 0u;
    // The first word stands for what lies before the first fine bin.
    var bins = 1u;
    for (var first = 0u; first < rounds(COARSE); first += WG) {
        let i = first + tid;
        var n = 0u;
        var least_key = 0u;
        var key_bits = 0u;
        var least_column = 0u;
        var column_bits = 0u;
        if (i < COARSE) {
            n = atomicLoad(&row_bins[from_words + i]);
            least_key = atomicLoad(&row_bins[from_words + COARSE + i]);
            key_bits = bits_of_number(atomicLoad(&row_bins[from_words + 2u * COARSE + i]) - least_key);
            least_column = atomicLoad(&row_bins[from_words + 3u * COARSE + i]);
            column_bits =
                bits_of_number(atomicLoad(&row_bins[from_words + 4u * COARSE + i]) - least_column);
        }
        let before_these = scan(n);
        let place = counted + before_these.x;
        counted += before_these.y;
        let is_here = n > 0u && place < ranks.y && place + n > ranks.x;
        let for_two = bits_of_number(max(n / 2u, 1u)) - 1u;
        let bits = min(min(for_two, most_bits), key_bits + column_bits);
        let bins_before = scan(select(0u, 1u << bits, is_here));
        let bin = vec4<u32>(
            bins + bins_before.x,
            select(0u, packed_bits(bits, key_bits, column_bits), is_here),
            least_key,
            least_column,
        );
        bins += bins_before.y;
        if (i < COARSE) {
            table[i] = bin;
            if (is_here) {
                atomicMin(&first_place, place);
            }
            if (part == 0u) {
                lists[to + i] = bin.xy;
                lists[to + COARSE + i] = bin.zw;
                lists[to + 2u * COARSE + i] = vec2<u32>(place, n);
            }
        }
    }
    workgroupBarrier();
    if (part == 0u && tid == 0u) {
        let place = atomicLoad(&first_place);
        lists[header_base(row) + 2u] = vec2<u32>(place, bins);
        atomicStore(&row_bins[word_base(row) + FINE], place);
    }
    let words = word_base(row) + FINE;
    let scale = scale_of(row);
#paste slice_walk count(words, scaled(e_$j.x, scale), e_$j.y);
}
