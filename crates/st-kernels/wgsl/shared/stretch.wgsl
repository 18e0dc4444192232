// Pasted where a thread adds up its stretch of scan_@, of which there are MOST_@: each value becomes the sum of
// those before it, and `sum` that of all.
        let first = tid * (STRETCH + 1u);
        var sum = 0u;
        // Shared memory is not cleared: places that no thread has hold anything.
#ifdef ROLLED
        for (var i = 0u; i < rounds(STRETCH); i += 1u) {
            let v = select(0u, scan_@[first + i], tid * STRETCH + i < MOST_@);
            scan_@[first + i] = sum;
            sum += v;
        }
#else
#unroll i STRETCH
        let v_$i = select(0u, scan_@[first + $iu], tid * STRETCH + $iu < MOST_@);
#end
#unroll i STRETCH
        scan_@[first + $iu] = sum;
        sum += v_$i;
#end
#endif
