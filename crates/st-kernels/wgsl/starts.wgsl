// Merging in device memory (range.wgsl): turns the counts of fine bins into the places where they
// begin, and lists those that are crowded. A workgroup for each STARTS fine bins: it has the coarse bins
// that begin among these, whose places are known.
//
// Reads and writes the bins once.
#import params
#import keys
#import scan
#import lists
#import dense
#import main

// Fine bins of a thread in one step, and of a workgroup.
const STARTS_EACH: u32 = 4u;
const STARTS: u32 = STARTS_EACH * WG;

var<workgroup> begin_bin: atomic<u32>;
var<workgroup> begin_place: atomic<u32>;
var<workgroup> end_bin: atomic<u32>;

fn run(row: u32, part: u32) {
    let ranks = wanted_here(row);
    let from_bin = 1u + part * STARTS;
    let to_bin = from_bin + STARTS;
    let bins = lists[header_base(row) + 2u].y;
    if (tid == 0u) {
        atomicStore(&begin_bin, bins);
        atomicStore(&begin_place, 0xffffffffu);
        atomicStore(&end_bin, bins);
    }
    workgroupBarrier();
    // Bins and places ascend together: the least are the first's.
    for (var at = 0u; at < rounds(COARSE); at += WG) {
        let i = at + tid;
        var bin = vec4<u32>(0u);
        if (i < COARSE) {
            bin = table_of(row, i);
        }
        if (i < COARSE && is_wanted_bin(bin)) {
            if (bin.x >= to_bin) {
                atomicMin(&end_bin, bin.x);
            } else if (bin.x >= from_bin) {
                atomicMin(&begin_bin, bin.x);
                atomicMin(&begin_place, lists[table_base(row) + 2u * COARSE + i].x);
            }
        }
    }
    workgroupBarrier();
    let begin = uniform_of(atomicLoad(&begin_bin));
    let end = uniform_of(atomicLoad(&end_bin));
    let words = word_base(row) + FINE;
    var place = atomicLoad(&begin_place);
    for (var at = begin; at < end; at += STARTS) {
        let first = at + tid * STARTS_EACH;
        var sum = 0u;
#each j 4
        var count_$j: u32 = 0u;
        if (first + $ju < end) {
            count_$j = atomicLoad(&row_bins[words + first + $ju]);
        }
        sum += count_$j;
#end
        let places = scan(sum);
        var start = place + places.x;
        place += places.y;
#each j 4
        if (first + $ju < end) {
            atomicStore(&row_bins[words + first + $ju], start);
            let next = start + count_$j;
            if (start < ranks.y && next >= ranks.y) {
                lists[header_base(row) + 3u] = vec2<u32>(next, 0u);
            }
            if (count_$j > MOST_COUNTED && start < ranks.y && next > ranks.x) {
                let nth = atomicAdd(&row_bins[word_base(row)], 1u);
                lists[crowd_base(row) + nth] = vec2<u32>(start, next);
            }
            start = next;
        }
#end
    }
}
