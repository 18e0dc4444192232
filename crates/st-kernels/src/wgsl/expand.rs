//! Putting a source together: imports, pasted parts, lines chosen by defines.

/// What kernels share, by name.
pub(crate) const SHARED: &[(&str, &str)] = &[
    ("params", include_str!("../../wgsl/shared/params.wgsl")),
    ("keys", include_str!("../../wgsl/shared/keys.wgsl")),
    ("scan", include_str!("../../wgsl/shared/scan.wgsl")),
    ("sort", include_str!("../../wgsl/shared/sort.wgsl")),
    ("output", include_str!("../../wgsl/shared/output.wgsl")),
    ("finish", include_str!("../../wgsl/shared/finish.wgsl")),
    ("radix", include_str!("../../wgsl/shared/radix.wgsl")),
    ("vectors", include_str!("../../wgsl/shared/vectors.wgsl")),
    ("votes", include_str!("../../wgsl/shared/votes.wgsl")),
    ("bins", include_str!("../../wgsl/shared/bins.wgsl")),
    ("uniform", include_str!("../../wgsl/shared/uniform.wgsl")),
    ("marks", include_str!("../../wgsl/shared/marks.wgsl")),
    ("order", include_str!("../../wgsl/shared/order.wgsl")),
    ("lists", include_str!("../../wgsl/shared/lists.wgsl")),
    ("threshold", include_str!("../../wgsl/shared/threshold.wgsl")),
    ("dense", include_str!("../../wgsl/shared/dense.wgsl")),
    ("key_range", include_str!("../../wgsl/shared/key_range.wgsl")),
    ("put", include_str!("../../wgsl/shared/put.wgsl")),
    ("group_find", include_str!("../../wgsl/shared/group_find.wgsl")),
    ("group_merge", include_str!("../../wgsl/shared/group_merge.wgsl")),
    ("group_reach", include_str!("../../wgsl/shared/group_reach.wgsl")),
    ("group", include_str!("../../wgsl/shared/group.wgsl")),
    ("append_keyed", include_str!("../../wgsl/shared/append_keyed.wgsl")),
    ("tile_vectors", include_str!("../../wgsl/shared/tile_vectors.wgsl")),
    ("stretch", include_str!("../../wgsl/shared/stretch.wgsl")),
    ("append", include_str!("../../wgsl/shared/append.wgsl")),
    ("each_listed", include_str!("../../wgsl/shared/each_listed.wgsl")),
    ("slice_walk", include_str!("../../wgsl/shared/slice_walk.wgsl")),
    ("walk", include_str!("../../wgsl/shared/walk.wgsl")),
    ("take_sample", include_str!("../../wgsl/shared/take_sample.wgsl")),
    ("sweep", include_str!("../../wgsl/shared/sweep.wgsl")),
    ("part_run", include_str!("../../wgsl/shared/part_run.wgsl")),
    ("main", include_str!("../../wgsl/shared/main.wgsl")),
];

fn shared(name: &str) -> Option<&'static str> {
    SHARED.iter().find(|(known, _)| *known == name).map(|&(_, text)| text)
}

/// Appends a text with its imports and the lines that the defines choose. Directives that make no
/// sense become comments that no compiler accepts, so that the tests over all permutations find
/// them.
pub(super) fn expand(text: &str, defines: &[&str], imported: &mut Vec<String>, out: &mut String) {
    // For each open condition: whether its lines count.
    let mut open: Vec<bool> = Vec::new();
    for line in text.lines() {
        let (word, rest) = line.trim().split_once(' ').unwrap_or((line.trim(), ""));
        let all_on = open.iter().all(|&on| on);
        match word {
            "#ifdef" => open.push(defines.contains(&rest.trim())),
            "#ifndef" => open.push(!defines.contains(&rest.trim())),
            "#else" => match open.last_mut() {
                Some(on) => *on = !*on,
                None => out.push_str("#else without #ifdef\n"),
            },
            "#endif" if open.pop().is_none() => out.push_str("#endif without #ifdef\n"),
            "#endif" => {}
            "#import" if all_on => {
                let name = rest.trim();
                if imported.iter().any(|known| known == name) {
                    continue;
                }
                imported.push(name.to_owned());
                match shared(name) {
                    Some(text) => expand(text, defines, imported, out),
                    None => out.push_str(&format!("#import of {name}, which is not there\n")),
                }
            }
            "#import" => {}
            "#paste" if all_on => {
                let (name, with) = rest.trim().split_once(' ').unwrap_or((rest.trim(), ""));
                match shared(name) {
                    Some(text) => expand(&text.replace('@', with), defines, imported, out),
                    None => out.push_str(&format!("#paste of {rest}, which is not there\n")),
                }
            }
            "#paste" => {}
            _ if all_on => {
                out.push_str(line);
                out.push('\n');
            }
            _ => {}
        }
    }
    if !open.is_empty() {
        out.push_str("#ifdef without #endif\n");
    }
}
