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
    return key_of_raw(raw_key(bits));
}

fn key_of_raw(raw: u32) -> u32 {
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

// Whether a key stands for several bit patterns: NaN, the zeros.
fn is_shared(key: u32) -> bool {
    return p.floats != 0u && (key == p.nan_high || key == p.zero_low + p.zero_step);
}

// The bits of a key that stands for one pattern.
fn bits_of(key: u32) -> u32 {
    let bits = (key - p.add) ^ p.flip;
    return bits ^ (bitcast<u32>(bitcast<i32>(bits) >> 31u) & p.mask);
}

// The least raw key of elements whose key is `key` or greater; where elements have 16 bits, that is any
// number between two of their keys too.
fn least_raw(key: u32) -> u32 {
    if (p.floats != 0u) {
        if (key > p.nan_low && key <= p.nan_high) {
            return p.nan_low;
        }
        if (key > p.zero_low && key <= p.zero_low + p.zero_step) {
            return p.zero_low;
        }
    }
    return key;
}

// A candidate is a key and an inverted index: of two the greater comes first.
fn before(a: vec2<u32>, b: vec2<u32>) -> bool {
    return a.x > b.x || (a.x == b.x && a.y > b.y);
}

fn entry(row: u32, column: u32) -> vec2<u32> {
    return vec2<u32>(key_of(element(row, column)), ~column);
}
