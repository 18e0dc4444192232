// mk = 1, mkd = 2. Each thread keeps the KL best of its columns sorted; the threads' lists are then
// merged pairwise. A thread may have dropped one that is wanted: unless the last one wanted comes
// before the last that each full thread kept, the part is selected again by radix.
//
// Reads the input once, or PASSES + 2 times. Preferred where kl x threads is well above k.
#import params
#import keys
#import vectors
#import scan
#import votes
#import bins
#import sort
#import order
#import output
#import lists
#import finish
#import radix
#import part_run
#import main

var<workgroup> doubtful: atomic<u32>;

// Leaves the b best of the part sorted in list[0..b) (all, if it has fewer), and says how many.
fn select_best(row: u32, begin: u32, n: u32, most: u32) -> u32 {
    let held = min(most, n);
    let own = tid * KL;
    var count = 0u;
    var dropped = false;
    for (var at = 0u; at < n; at += TILE) {
        let end = min(at + TILE, n);
        for (var i = at + tid; i < end; i += WG) {
            let e = entry(row, begin + i);
            if (count == KL) {
                dropped = true;
                if (!before(e, list[own + KL - 1u])) {
                    continue;
                }
            }
            var place = min(count, KL - 1u);
            while (place > 0u && before(e, list[own + place - 1u])) {
                list[own + place] = list[own + place - 1u];
                place -= 1u;
            }
            list[own + place] = e;
            count = min(count + 1u, KL);
        }
    }
    let last = list[own + KL - 1u];
    for (var i = count; i < rounds(KL); i += 1u) {
        list[own + i] = vec2<u32>(0u);
    }
    // Runs in turns descending and ascending, as the network wants them.
    if ((tid & 1u) == 1u) {
        for (var i = 0u; i < rounds(KL / 2u); i += 1u) {
            let x = list[own + i];
            list[own + i] = list[own + KL - 1u - i];
            list[own + KL - 1u - i] = x;
        }
    }
    if (tid == 0u) {
        atomicStore(&doubtful, 0u);
    }
    workgroupBarrier();
    sort_list_from(WG * KL, KL);
    if (held > 0u && dropped && before(last, list[held - 1u])) {
        atomicStore(&doubtful, 1u);
    }
    workgroupBarrier();
    let doubt = uniform_of(atomicLoad(&doubtful));
    workgroupBarrier();
    if (doubt != 0u) {
        let s = span(row, begin, n);
        collect(s, bounds_of(s, 0u, held), false, 0u);
        sort_list(held);
    }
    return held;
}
