// The steps of the network over a row's candidates that reach beyond a tile: three at a time in
// registers, of eight candidates for each thread. `size` is that of the runs being merged; MIRROR:
// their first step and the next two; else steps of `step`, and of a half and a quarter of it, which
// may lie within a tile.
#import params
#import keys
#import lists
#import dense
#import main

var<private> e: array<vec2<u32>, 8>;

// Puts the one that comes first first.
fn exchange(a: u32, b: u32) {
    let x = e[a];
    let y = e[b];
    let turned = before(y, x);
    e[a] = select(x, y, turned);
    e[b] = select(y, x, turned);
}

fn run(row: u32, part: u32) {
    let total = total_of(row);
    if (!can_order(row, total)) {
        return;
    }
    let end = padded(total);
    let thread = part * WG + tid;
    var place: array<u32, 8>;
#ifdef MIRROR
    let eighth = p.size >> 3u;
    let start = thread / eighth * p.size;
    let i = thread % eighth;
    for (var a = 0u; a < 4u; a += 1u) {
        place[a] = start + i + a * eighth;
        place[4u + a] = start + (p.size >> 1u) + (eighth - 1u - i) + a * eighth;
    }
#else
    let quarter = p.size >> 2u;
    let start = thread / quarter * (p.size << 1u) + thread % quarter;
    for (var a = 0u; a < 8u; a += 1u) {
        place[a] = start + a * quarter;
    }
#endif
    if (start >= end) {
        return;
    }
    let base = dense_base(row);
    for (var a = 0u; a < 8u; a += 1u) {
        e[a] = vec2<u32>(0u);
        if (place[a] < end) {
            e[a] = lists[base + place[a]];
        }
    }
#ifdef MIRROR
    exchange(0u, 7u);
    exchange(1u, 6u);
    exchange(2u, 5u);
    exchange(3u, 4u);
#else
    exchange(0u, 4u);
    exchange(1u, 5u);
    exchange(2u, 6u);
    exchange(3u, 7u);
#endif
    for (var half = 0u; half < 8u; half += 4u) {
        exchange(half, half + 2u);
        exchange(half + 1u, half + 3u);
        exchange(half, half + 1u);
        exchange(half + 2u, half + 3u);
    }
    for (var a = 0u; a < 8u; a += 1u) {
        if (place[a] < end) {
            lists[base + place[a]] = e[a];
        }
    }
}
