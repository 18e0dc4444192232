// See ranks.cuh.
#include "ranks.cuh"

KERNEL(rank_digit, RankParams) { count_digit(p, group()); }
KERNEL(rank_tally, RankParams) { tally_part(p, group()); }
KERNEL(rank_collect, RankParams) { collect_part(p, group()); }
