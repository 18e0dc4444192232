// `reach_mask`: the elements that reach `reach_least`, as bits.
    {
        let four = vec4<u32>(reach_least);
        var mask = 0u;
#unroll q QUADS
        mask = mask | (bits4(raw_$q >= four) << $(q * 4)u);
#end
#ifdef FULL_ROWS
        reach_mask = mask;
#else
        reach_mask = mask & present;
#endif
    }
