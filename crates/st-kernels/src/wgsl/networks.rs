//! Sorting networks of compare and exchanges, as lines of WGSL.

/// Compare and exchanges of unsigned integers in variables of one name but for a number, the greater to
/// the first place.
pub(super) fn exchanges(name: &str, network: &[(usize, usize)], out: &mut String) {
    for (a, b) in network {
        out.push_str(&format!(
            "    {{ let x = max({name}{a}, {name}{b}); {name}{b} = min({name}{a}, {name}{b}); \
             {name}{a} = x; }}\n"
        ));
    }
}

/// Batcher's odd-even merge sort of `n`, a power of two.
pub(super) fn sorting_network(n: usize) -> Vec<(usize, usize)> {
    let mut pairs = Vec::new();
    let mut p = 1;
    while p < n {
        let mut k = p;
        while k >= 1 {
            for j in (k % p..n - k).step_by(2 * k) {
                for i in 0..k.min(n - j - k) {
                    if (i + j) / (2 * p) == (i + j + k) / (2 * p) {
                        pairs.push((i + j, i + j + k));
                    }
                }
            }
            k /= 2;
        }
        p *= 2;
    }
    pairs
}

/// Batcher's bitonic merge of `n`, a power of two.
pub(super) fn merging_network(n: usize) -> Vec<(usize, usize)> {
    let mut pairs = Vec::new();
    let mut step = n / 2;
    while step > 0 {
        pairs.extend((0..n).filter(|i| i & step == 0).map(|i| (i, i + step)));
        step /= 2;
    }
    pairs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_order_every_pattern_of_zeros_and_ones() {
        // Knuth's principle: a network that orders all of these orders everything.
        let run = |network: &[(usize, usize)], bits: u32, n: usize| {
            let mut v: Vec<u32> = (0..n).map(|i| bits >> i & 1).collect();
            for &(a, b) in network {
                if v[a] < v[b] {
                    v.swap(a, b);
                }
            }
            v.is_sorted_by(|a, b| a >= b)
        };
        let network = sorting_network(16);
        assert!((0..1 << 16).all(|bits| run(&network, bits, 16)));
        assert_eq!(sorting_network(32).len(), 191);
        let merge = merging_network(16);
        for ones in 0..=16 {
            for turn in 0..16 {
                // A bitonic sequence: ones in a row, around a circle.
                let row: u32 = (1 << ones) - 1;
                let bits = (row << turn | row >> (16 - turn)) & 0xffff;
                assert!(run(&merge, bits, 16), "{bits:b}");
            }
        }
    }
}
