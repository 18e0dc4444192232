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
#ifdef RESIDENT
    let i_$j = $ju * WG + tid;
    sample_$j = held_$j;
#else
    let nth_$j = $ju * WG + dealt;
    let i_$j = select(nth_$j * each + nth_$j * rest / (WG * SAMPLE), nth_$j, all);
    if (i_$j < s.whole) {
        sample_$j = vectors[s.first + i_$j];
    }
#endif
    let ok_$j = valid(s, i_$j);
#end
#ifndef RESIDENT
    if (s.whole < s.count) {
        let last = last_words(s);
#unroll j SAMPLE
        sample_$j = select(sample_$j, last, i_$j == s.whole);
#end
    }
#endif
