// The second command of every kernel: one workgroup for each row selects the wanted ranks from the
// parts' lists, which hold nothing where a part was short. Equal keys stand in the lists in the
// order of their index: parts are in order, and each list is ordered by index or by rank.
//
// Reads parts x kept candidates PASSES + 1 times.
#import params
#import keys
#import scan
#import sort
#import output
#import finish
#import radix
#import main
#import collected

fn run(row: u32, part: u32) {
    let ranks = wanted(row_length(row));
    let found = ranks.y - ranks.x;
    if (found == 0u) {
        pad_rest(row, 0u);
        return;
    }
    let m = p.list_parts * p.kept;
    let b = bounds_of(row, 0u, m, ranks.x, ranks.y);
    output_collected(row, 0u, m, b, found);
}
