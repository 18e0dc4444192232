// Pasted where the hits of the tile that begins at vector `at` of the span are to go to the list with their raw
// keys: so many that it takes less time to look at each element in its register than to read again those
// that are hits. Nothing is written where there is no room for all of a thread's.
#unroll j VECS
            let there_$j = in_tile($ju) && vector + $ju * WG < s.outer;
            var w_$j = vec4<u32>(0u);
#end
            if (at + TILE_V <= s.outer) {
#unroll j VECS
                if (in_tile($ju)) {
                    w_$j = vectors[s.first + vector + $ju * WG];
                }
#end
            } else {
#unroll j VECS
                if (there_$j) {
                    w_$j = vectors[s.first + vector + $ju * WG];
                }
#end
            }
            let behind = ~column_of(s, vector, 0u);
#unroll j VECS
#ifdef HALF
            let evens_$j = raw_evens(w_$j);
            let odds_$j = raw_odds(w_$j);
            let hits_$j = bits4(evens_$j >= vec4<u32>(least)) | (bits4(odds_$j >= vec4<u32>(least)) << 4u);
#else
            let raw_$j = raw_evens(w_$j);
            let hits_$j = bits4(raw_$j >= vec4<u32>(least));
#endif
            mask = mask | (select(0u, hits_$j, there_$j) << ($ju * PER));
#end
            let count = countOneBits(mask);
            place = own_places(count);
            if (place + count <= room) {
#unroll j VECS
#unroll h 4
#ifdef HALF
                if ((mask & (1u << $(j * 8 + h)u)) != 0u) {
                    list[place] = vec2<u32>(evens_$j[$h] & 0xffff0000u, behind - $(j * WG * 8)u - $(h * 2)u);
                    place += 1u;
                }
                if ((mask & (1u << $(j * 8 + h + 4)u)) != 0u) {
                    list[place] = vec2<u32>(odds_$j[$h], behind - $(j * WG * 8)u - $(h * 2 + 1)u);
                    place += 1u;
                }
#else
                if ((mask & (1u << $(j * 4 + h)u)) != 0u) {
                    list[place] = vec2<u32>(raw_$j[$h], behind - $(j * WG * 4)u - $(h)u);
                    place += 1u;
                }
#endif
#end
#end
            }
