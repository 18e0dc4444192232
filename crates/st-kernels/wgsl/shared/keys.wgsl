// Elements to keys: the greater key comes first in the direction of the search. Integers only: a
// shader's floats may have neither NaN nor denormals.

// The element's bits; 16-bit ones in the upper half.
fn element(row: u32, column: u32) -> u32 {
    let place = p.offset + row * p.stride + column;
#ifdef HALF
    return (input[place >> 1u] << (16u - 16u * (place & 1u))) & 0xffff0000u;
#else
    return input[place];
#endif
}

// Distinct bits have distinct raw keys: of NaN and of the zeros too.
fn raw_key(bits: u32) -> u32 {
    let sign = bitcast<u32>(bitcast<i32>(bits) >> 31u);
    return ((bits ^ (sign & p.mask)) ^ p.flip) + p.add;
}

// Equal keys are equal here.
fn key_of(bits: u32) -> u32 {
    let raw = raw_key(bits);
    if (p.floats != 0u) {
        if (raw >= p.nan_low && raw <= p.nan_high) {
            return p.nan_high;
        }
        if (raw == p.zero_low) {
            return raw + p.zero_step;
        }
    }
    return raw;
}

// A candidate is a key and an inverted index: of two the greater comes first.
fn before(a: vec2<u32>, b: vec2<u32>) -> bool {
    return a.x > b.x || (a.x == b.x && a.y > b.y);
}

fn entry(row: u32, column: u32) -> vec2<u32> {
    return vec2<u32>(key_of(element(row, column)), ~column);
}
