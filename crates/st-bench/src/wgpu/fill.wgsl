// Fills the words of some rows with a pattern's elements, each from its place alone: the peers'
// inputs, not bit for bit but drawn the same way. PATTERN and DTYPE are put before this.

@group(0) @binding(0) var<storage, read_write> words: array<u32>;
// Words, columns of a row, the first row, a number that differs from buffer to buffer.
@group(0) @binding(1) var<uniform> job: vec4<u32>;

// Chris Wellons' lowbias32.
fn hash(seed: u32) -> u32 {
    var x = seed;
    x ^= x >> 16u;
    x *= 0x7feb352du;
    x ^= x >> 15u;
    x *= 0x846ca68bu;
    x ^= x >> 16u;
    return x;
}

// The draw-th random word of an element.
fn random(element: u32, draw: u32) -> u32 {
    return hash(element ^ hash(job.w * 8u + draw + 0x9e3779b9u));
}

// In (0, 1].
fn unit(element: u32, draw: u32) -> f32 {
    return (f32(random(element, draw)) + 1.0) * 0x1p-32f;
}

// Box and Muller. A logarithm may be a little above 0 at 1.
fn normal(element: u32) -> f32 {
    let radius = sqrt(max(-2.0 * log(unit(element, 0u)), 0.0));
    return radius * cos(6.2831853 * unit(element, 1u));
}

fn value(element: u32) -> f32 {
    let column = element % job.y;
    switch PATTERN {
        case NORMAL: { return normal(element); }
        case UNIFORM: { return f32(random(element, 0u) >> 8u) * 0x1p-24f; }
        case TIES: { return f32(random(element, 0u) >> 29u); }
        case RADIXADV: { return bitcast<f32>(0x3f800000u + (random(element, 0u) >> 20u)); }
        case RELU: { return max(normal(element) - 1.0, 0.0); }
        case PIVOT: { return select(1.0, 2.0, column % max(job.y / 40u, 1u) == 0u); }
        case BLOCKASC: { return normal(element) + f32(column / 4096u); }
        case LASTWIN: { return normal(element) + select(0.0, 20.0, column + 4096u >= job.y); }
        case SORTED: { return f32(column); }
        default: { return 1.0; }
    }
}

// As bfloat16, rounded to the nearest, ties to even. No pattern has NaN.
fn bfloat(x: f32) -> u32 {
    let bits = bitcast<u32>(x);
    return (bits + 0x7fffu + ((bits >> 16u) & 1u)) >> 16u;
}

fn half_of(element: u32) -> u32 {
    let x = value(element);
    if (DTYPE == BF16) {
        return bfloat(x);
    }
    return pack2x16float(vec2<f32>(x, 0.0)) & 0xffffu;
}

fn integer(element: u32) -> u32 {
    var x = 0i;
    switch PATTERN {
        case SORTED: { x = i32(element % job.y); }
        case RADIXADV: { x = i32(random(element, 0u) >> 20u); }
        case BLOCKASC: { x = i32(value(element) * 1024.0); }
        default: { x = i32(value(element) * 0x1p20f); }
    }
    return bitcast<u32>(x) ^ select(0u, 0x80000000u, DTYPE == U32);
}

fn word(i: u32) -> u32 {
    if (DTYPE == F32) {
        return bitcast<u32>(value(i));
    }
    if (DTYPE == BF16 || DTYPE == F16) {
        return half_of(2u * i) | (half_of(2u * i + 1u) << 16u);
    }
    return integer(i);
}

@compute @workgroup_size(256)
fn main(@builtin(global_invocation_id) id: vec3<u32>,
        @builtin(num_workgroups) groups: vec3<u32>) {
    for (var i = id.x; i < job.x; i += groups.x * 256u) {
        words[i] = word(i);
    }
}
