// Pasted where a sample of the span `s` is wanted: a thread's vectors in `sample_0` and so on, with
// bits in `ok_0` and so on of the elements that belong to the span. `all`: the sample is the whole span.
#ifdef SUBGROUP
    // Neighbours of a sorted row go to different subgroups.
    let dealt = lane * subgroups + subgroup;
#else
    let dealt = tid;
#endif
    let each = s.count / (WG * SAMPLE);
    let rest = s.count % (WG * SAMPLE);
#unroll j SAMPLE
    var sample_$j = vec4<u32>(0u);
    var ok_$j = 0xffu;
    {
        let nth = $ju * WG + dealt;
        var i = nth * each + nth * rest / (WG * SAMPLE);
#ifdef RESIDENT
        i = $ju * WG + tid;
        sample_$j = held_$j;
        if (i >= s.count) {
            ok_$j = 0u;
        }
#else
        if (all) {
            i = nth;
        }
        if (i < s.count) {
            sample_$j = words(s, i);
        } else {
            ok_$j = 0u;
        }
#endif
        if (ok_$j != 0u && (i == 0u || i + 1u == s.count)) {
            ok_$j = valid(s, i);
        }
    }
#end
