// The range of keys over a workgroup: the least, the bits that all have, the bits that any has; and how
// many there are.

var<workgroup> range_least: atomic<u32>;
var<workgroup> range_all: atomic<u32>;
var<workgroup> range_any: atomic<u32>;
var<workgroup> range_count: atomic<u32>;

struct KeyRange {
    least: u32,
    all: u32,
    any: u32,
    count: u32,
}

// Of no keys.
fn no_keys() -> KeyRange {
    return KeyRange(0xffffffffu, 0xffffffffu, 0u, 0u);
}

fn joined(a: KeyRange, b: KeyRange) -> KeyRange {
    return KeyRange(min(a.least, b.least), a.all & b.all, a.any | b.any, a.count + b.count);
}

fn joined_by_all(own: KeyRange) -> KeyRange {
    if (tid == 0u) {
        atomicStore(&range_least, 0xffffffffu);
        atomicStore(&range_all, 0xffffffffu);
        atomicStore(&range_any, 0u);
        atomicStore(&range_count, 0u);
    }
    workgroupBarrier();
    if (own.least < atomicLoad(&range_least)) {
        atomicMin(&range_least, own.least);
    }
    if ((atomicLoad(&range_all) & ~own.all) != 0u) {
        atomicAnd(&range_all, own.all);
    }
    if ((own.any & ~atomicLoad(&range_any)) != 0u) {
        atomicOr(&range_any, own.any);
    }
    if (own.count > 0u) {
        atomicAdd(&range_count, own.count);
    }
    workgroupBarrier();
    return KeyRange(
        atomicLoad(&range_least),
        atomicLoad(&range_all),
        atomicLoad(&range_any),
        atomicLoad(&range_count),
    );
}
