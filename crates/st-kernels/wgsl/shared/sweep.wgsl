// The sweep of a part against a running threshold. ROOM entries of list are used.

var<workgroup> appended: atomic<u32>;

// Leaves the b leading candidates of the part sorted in list[0..b) (all, if it has fewer), and says
// how many there are.
fn select_best(row: u32, begin: u32, n: u32, b: u32) -> u32 {
    var held = 0u;
    // No key passes a threshold that is not known yet but by being there.
    var limited = false;
    var threshold = 0u;
    // So many columns can pass at once without overflow; a quarter of the room for new ones, so that
    // most steps need no cut.
    let step = max(min(TILE, (ROOM - min(b, ROOM)) / 4u / WG * WG), WG);
    if (tid == 0u) {
        atomicStore(&appended, 0u);
    }
    workgroupBarrier();
    for (var at = 0u; at < n; at += step) {
        let end = min(at + step, n);
        for (var i = at + tid; i < end; i += WG) {
            let key = key_of(element(row, begin + i));
            if (!limited || key > threshold) {
                let place = atomicAdd(&appended, 1u);
                list[held + place] = vec2<u32>(key, ~(begin + i));
            }
        }
        workgroupBarrier();
        let new_ones = uniform_of(atomicLoad(&appended));
        workgroupBarrier();
        // Cut where the next step might not fit, and at the end.
        if (held + new_ones + step > ROOM || end == n) {
            sort_list(held + new_ones);
            held = min(held + new_ones, b);
            if (held == b && b > 0u) {
                limited = true;
                threshold = list[b - 1u].x;
            }
            if (tid == 0u) {
                atomicStore(&appended, 0u);
            }
            workgroupBarrier();
        } else {
            held += new_ones;
            if (tid == 0u) {
                atomicStore(&appended, 0u);
            }
            workgroupBarrier();
        }
    }
    return held;
}
