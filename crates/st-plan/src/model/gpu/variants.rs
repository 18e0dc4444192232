//! The choices worth predicting: for each kernel its sensible settings.

use super::*;

impl Model<'_> {
    /// Offers the choices worth predicting: for each kernel its sensible settings, and those with
    /// the wanted values.
    pub(crate) fn variants(&self, wanted: &Wanted, offer: &mut dyn FnMut(Choice)) {
        let (caps, problem) = (&self.caps, self.problem);
        let (tile, ctile) = caps.recommended_tiles(problem.cols);
        let wg = caps.recommended_workgroup(problem.cols);
        let base = Choice {
            mk: MergeKind::Bitonic,
            mkd: MergeDetail::Auto,
            tile,
            ctile,
            use_2ce: false,
            wg,
            kl: caps.preferred_k_loop(problem.k),
            ch: 0,
        };
        for &mk in wanted.kinds() {
            for &mkd in details(mk) {
                // `auto` is the usual detail, and is weighed only where a rule asks for it.
                if mkd == MergeDetail::Auto && details(mk).len() > 1 && !wanted.asks(Field::Mkd) {
                    continue;
                }
                let max = caps.max_workgroup;
                let wgs: &[u32] = match mk {
                    MergeKind::Warp if is_grouped(mk, mkd) => &[32, 64, 128],
                    MergeKind::Filter => &[wg, max, max / 2, max / 4, max / 8],
                    MergeKind::Radix => &[wg, max, max / 2, max / 4],
                    _ => &[wg, wg / 2, max, caps.lane],
                };
                for &wg in wanted.values(Field::Wg, wgs).as_slice() {
                    let (split, half) = self.splits(mk, wg);
                    let chs: &[u32] = if split == 0 { &[0] } else { &[0, split, half] };
                    for &ch in wanted.values(Field::Ch, chs).as_slice() {
                        for two in wanted.flags(ch > 0) {
                            let choice = Choice { mk, mkd, wg, ch, use_2ce: two, ..base };
                            self.settings(choice, wanted, offer);
                        }
                    }
                }
            }
        }
    }

    /// Offers a choice with each tile and each number of candidates that a lane may keep.
    fn settings(&self, choice: Choice, wanted: &Wanted, offer: &mut dyn FnMut(Choice)) {
        let Choice { mk, mkd, wg, tile, ctile, .. } = choice;
        let uses = uses(mk, mkd);
        // Whole vectors for each thread: as many as there are bits for in a word of hits, or half as
        // many, for a filter; up to eight that a row in registers takes.
        let vectors =
            |n: u32| wg.saturating_mul(n).saturating_mul(vector_elements(self.problem.dtype));
        let swept = wg.saturating_mul(MOST_SWEPT);
        let part = part_columns(&choice, self.problem.cols);
        let aligned = is_aligned(self.problem);
        let whole = |most: u32| {
            let fits = |n: &u32| is_resident(part, vectors(*n), wg, self.problem.dtype, aligned);
            (1..=most).find(fits).map_or(vectors(most), vectors)
        };
        // A field that the kernel does not use has one value; the solver may give it others.
        let tiles = match mk {
            // Not more than a part has.
            MergeKind::Filter => {
                let most = whole(swept / vectors(1).max(1));
                let half = most.min(swept / 2);
                // The first wins where the model sees no difference: great workgroups have no
                // registers for eight vectors.
                if wg > LARGE_GROUP { [half, most, most] } else { [most, half, half] }
            }
            _ => [tile, tile / 2, tile.saturating_mul(2)],
        };
        let ctiles = match mk {
            MergeKind::Radix => [vectors(4), whole(MOST_HELD), vectors(8)],
            _ => [ctile; 3],
        };
        let tiles = wanted.values_if(uses.has(Field::Tile), Field::Tile, &tiles);
        let ctiles = wanted.values_if(uses.has(Field::Ctile), Field::Ctile, &ctiles);
        for &tile in tiles.as_slice() {
            let choice = Choice { tile, ..choice };
            let least = self.least_kl(&choice);
            let kls = match mk {
                MergeKind::Warp if mkd == MergeDetail::GroupNetwork => {
                    // Twice what is wanted must fit.
                    wanted.values(Field::Kl, if least <= 2 { &[4] } else { &[8] })
                }
                MergeKind::Warp if is_grouped(mk, mkd) => {
                    wanted.values(Field::Kl, &[least.max(2), least * 2])
                }
                // The more room, the smaller the sample.
                MergeKind::Filter => wanted.values(Field::Kl, &[least, (1 << 12) / wg.max(1)]),
                _ if uses.has(Field::Kl) => {
                    wanted.values(Field::Kl, &[least, least * 2, least * 4, least * 8])
                }
                _ => wanted.values_if(false, Field::Kl, &[choice.kl]),
            };
            for &kl in kls.as_slice() {
                for &ctile in ctiles.as_slice() {
                    offer(Choice { kl, ctile, ..choice });
                }
            }
        }
    }

    /// The fewest candidates that each lane (thread, for kernels of a workgroup) may keep.
    fn least_kl(&self, choice: &Choice) -> u32 {
        let b = kept(choice, self.problem);
        let (keepers, most) = match choice.mk {
            MergeKind::Warp if is_grouped(choice.mk, choice.mkd) => (GROUP, 8),
            MergeKind::Warp => (self.caps.lane, MAX_REGISTER_KL),
            _ => (choice.wg, MAX_KL),
        };
        let wanted = match choice.mk {
            MergeKind::Filter if merges_in_memory(choice, self.problem, &self.caps) => 1,
            MergeKind::Filter => b + u64::from(choice.wg),
            _ => b,
        };
        let each = wanted.div_ceil(u64::from(keepers.max(1))).max(1);
        let least = u32::try_from(each).unwrap_or(u32::MAX).min(most).next_power_of_two();
        if choice.mk != MergeKind::Filter {
            return least;
        }
        // Room for what the sample admits, hardly ever more; of a part, its share and more.
        let mut kl = least;
        while kl < 32 {
            let choice = Choice { kl, ..*choice };
            let all = sample(&choice, self.problem, &self.caps).most;
            let held = if merges_in_memory(&choice, self.problem, &self.caps) {
                4.0 * all / parts(&choice, self.problem.cols) as f64
            } else {
                all
            };
            if held <= f64::from(choice.wg) * f64::from(kl) {
                break;
            }
            kl *= 2;
        }
        kl
    }

    /// Columns of a part so that all parts together fill the device once, and of half as many parts;
    /// 0: rows stay whole.
    fn splits(&self, mk: MergeKind, wg: u32) -> (u32, u32) {
        let Problem { rows, cols, .. } = *self.problem;
        // Whether a kernel can merge its lists of k is for the feasibility check.
        if !self.caps.prefers_two_stage(rows, cols, 1) {
            return (0, 0);
        }
        let heavy = matches!(mk, MergeKind::Filter | MergeKind::Radix);
        let threads = if heavy { HEAVY_THREADS } else { CORE_THREADS };
        let resident = (threads / f64::from(wg)).max(1.0) as usize;
        let places = self.caps.cores_or_assumed() as usize * resident.min(2);
        let parts = (places / rows.max(1)).clamp(2, MAX_PARTS);
        // Whole tiles, the smallest of two vectors for each thread.
        // (A rule may ask for workgroups that no device has: they are refused later.)
        let two = wg.saturating_mul(2 * vector_elements(self.problem.dtype));
        let tile = two.checked_next_multiple_of(self.caps.lane).unwrap_or(u32::MAX);
        let least = if heavy { tile } else { self.caps.recommended_sweep_tile(cols) } as usize;
        let columns = |parts: usize| {
            let step = if heavy { tile } else { self.caps.lane } as usize;
            u32::try_from(cols.div_ceil(parts).max(least).next_multiple_of(step)).unwrap_or(0)
        };
        (columns(parts), columns((parts / 2).max(2)))
    }
}
