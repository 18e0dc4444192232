//! Any bytes as a measured table, and plans made with what could be read.
#![no_main]

use libfuzzer_sys::fuzz_target;
use st_plan::{Knowledge, Prior, Table, plan};
use st_rank::{Backend, DeviceCaps, Problem, RankKind};

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let table = match Table::from_json("fuzz", text, Backend::Wgpu) {
        Ok(table) => table,
        Err(error) => {
            assert!(error.to_string().starts_with("fuzz:"));
            return;
        }
    };
    let record = table.records().first().copied();
    let caps = table.device().copied().unwrap_or(DeviceCaps::wgpu(32, true, 256));
    let mut knowledge = Knowledge::default();
    knowledge.add_table(table);
    knowledge.set_prior(Prior { default: 100.0, ..Prior::default() });
    let fixed = Problem::new(RankKind::TopK, 1024, 5000, 100);
    for problem in record.map(|record| record.problem()).into_iter().chain([fixed]) {
        let made = plan(&problem, &caps, &knowledge);
        assert_eq!(st_kernels::check(&made.choice, &problem, &caps), Ok(()), "{made}");
        assert!(made.predicted_us.is_some_and(|us| us.is_finite() && us > 0.0), "{made}");
    }
});
