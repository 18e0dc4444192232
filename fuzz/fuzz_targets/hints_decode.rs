//! Any bytes as what others share: a key and a value, read, merged with good evidence, and planned with.
#![no_main]

use libfuzzer_sys::fuzz_target;
use st_kv::{Evidence, Key, MemoryStore, Step, Store, hints};
use st_plan::{Knowledge, Table, plan};
use st_rank::{DeviceCaps, Problem, RankKind};

const NOW: u64 = 1_800_000_000;

fuzz_target!(|data: &[u8]| {
    // The key up to the first line's end, then the value.
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Some((key, value)) = text.split_once('\n') else { return };
    if let Some(known) = Key::decode(key) {
        assert_eq!(known.encode(), key);
    }
    if let Ok(evidence) = Evidence::decode(value, NOW) {
        assert_eq!(evidence.check(NOW), Ok(()));
        let good = Evidence::of_time(10.0, 5.0, 0.1, NOW);
        for merged in [evidence.merged(&good, NOW), good.merged(&evidence, NOW)] {
            assert_eq!(merged.check(NOW), Ok(()), "{merged:?}");
            assert!(merged.encode().len() <= st_kv::store::MOST_TEXT);
        }
    }
    let mut store = MemoryStore::default();
    if store.update("d", &[key.to_owned()], &mut |_, _| Step::Put(value.to_owned())).is_err() {
        return;
    }
    let heard = hints::read(&mut store, "d", NOW).expect("a memory can be read");
    let found =
        heard.times.len() + heard.rules.len() + heard.turned.len() + heard.faded.len();
    assert_eq!(found as u64 + heard.left_out, 1);
    let records: Vec<_> = heard.times.iter().map(|(record, _)| *record).collect();
    let caps = DeviceCaps::wgpu(32, true, 256);
    let mut knowledge = Knowledge::default();
    knowledge.add_table(Table::shared("shared hints", caps, &records));
    for (line, _) in &heard.rules {
        let _ = knowledge.add_shared_rules("shared hints", &caps, line);
    }
    let fixed = Problem::new(RankKind::TopK, 1024, 5000, 100);
    for problem in records.first().map(|record| record.problem()).into_iter().chain([fixed]) {
        let made = plan(&problem, &caps, &knowledge);
        assert_eq!(st_kernels::check(&made.choice, &problem, &caps), Ok(()), "{made}");
        assert!(made.predicted_us.is_some_and(|us| us.is_finite() && us > 0.0), "{made}");
    }
});
