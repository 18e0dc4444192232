// See sort.cuh.
#include "sort.cuh"

KERNEL(sort_count, SortParams) { count_entries(p, group()); }
KERNEL(sort_scan, SortParams) { scan_counts(p, group()); }
KERNEL(sort_scatter, SortParams) { scatter_entries(p, group()); }
