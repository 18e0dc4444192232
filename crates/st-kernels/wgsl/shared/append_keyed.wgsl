// Pasted where the hits of the tile that begins at vector `at` of the span are to go to the list with their raw
// keys: so many that it takes less time to look at each element in its register than to read again those
// that are hits. Nothing is written where there is no room for all of a thread's.
#paste tile_vectors
            let behind = ~column_of(s, vector, 0u);
#each j VECS
#ifdef HALF
            let evens_$j: vec4<u32> = raw_evens(w_$j);
            let odds_$j: vec4<u32> = raw_odds(w_$j);
            let hits_$j: u32 = bits4(evens_$j >= vec4<u32>(least)) | (bits4(odds_$j >= vec4<u32>(least)) << 4u);
#else
            let raw_$j: vec4<u32> = raw_evens(w_$j);
            let hits_$j: u32 = bits4(raw_$j >= vec4<u32>(least));
#endif
            mask = mask | (select(0u, hits_$j, there_$j) << ($ju * PER));
#end
            let count = countOneBits(mask);
            place = own_places(count);
            if (place + count <= room) {
#each j VECS
#each h 4
#ifdef HALF
                if ((mask & (1u << ($ju * 8u + $hu))) != 0u) {
                    list[place] = vec2<u32>(evens_$j[$hu] & 0xffff0000u, behind - $ju * WG * 8u - $hu * 2u);
                    place += 1u;
                }
                if ((mask & (1u << ($ju * 8u + $hu + 4u))) != 0u) {
                    list[place] = vec2<u32>(odds_$j[$hu], behind - $ju * WG * 8u - ($hu * 2u + 1u));
                    place += 1u;
                }
#else
                if ((mask & (1u << ($ju * 4u + $hu))) != 0u) {
                    list[place] = vec2<u32>(raw_$j[$hu], behind - $ju * WG * 4u - $hu);
                    place += 1u;
                }
#endif
#end
#end
            }
