// Pasted where the runs of `@` lanes each, and those of the next as many, are to become one.
    {
        let is_first = (own_lane & @u) == 0u;
#unroll i KL
        let other_$i = subgroupShuffleXor(v_$i, 2u * @u - 1u);
#end
#unroll i KL
        // The other lane's last register first.
        let end_$i = other_$(KL - 1 - i);
        v_$i = select(min(v_$i, end_$i), max(v_$i, end_$i), is_first);
#end
        for (var step = @u >> 1u; step > 0u; step = step >> 1u) {
            let is_near = (own_lane & step) == 0u;
#unroll i KL
            let far_$i = subgroupShuffleXor(v_$i, step);
            v_$i = select(min(v_$i, far_$i), max(v_$i, far_$i), is_near);
#end
        }
#merge v_ KL
    }
