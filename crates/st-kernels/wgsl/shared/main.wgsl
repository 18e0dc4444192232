// The entry: one workgroup for each part (STAGE 0) or each row (STAGE 1).

@compute @workgroup_size(WG)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
#ifdef SUBGROUP
    @builtin(subgroup_invocation_id) subgroup_lane: u32,
    @builtin(subgroup_size) subgroup_lanes: u32,
    @builtin(subgroup_id) subgroup_number: u32,
    @builtin(num_subgroups) subgroup_count: u32,
#endif
) {
    tid = local;
#ifdef SUBGROUP
    lane = subgroup_lane;
    lanes = subgroup_lanes;
    subgroup = subgroup_number;
    subgroups = subgroup_count;
#endif
    let number = group_number(group);
    if (number < p.rows * p.parts) {
        run(number / p.parts, number % p.parts);
    }
}
