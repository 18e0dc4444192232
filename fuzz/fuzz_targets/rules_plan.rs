//! Any bytes as rules for any problem on any device: the plan is one that the device can run.
#![no_main]

use libfuzzer_sys::fuzz_target;
use st_plan::{Knowledge, explain, plan};
use st_rank::{Backend, DeviceCaps, Problem, RankKind};

fuzz_target!(|data: &[u8]| {
    let Some((bytes, program)) = data.split_first_chunk::<16>() else { return };
    let number = |i: usize| usize::from(u16::from_le_bytes([bytes[i], bytes[i + 1]]));
    let backend = [Backend::Wgpu, Backend::Cuda, Backend::Hip, Backend::Mps, Backend::Cpu];
    let lane = u32::from(bytes[0] % 128) + 1;
    let caps = DeviceCaps {
        backend: backend[usize::from(bytes[1]) % backend.len()],
        ..DeviceCaps::wgpu(lane, bytes[2] & 1 == 1, lane * (u32::from(bytes[3]) + 1))
            .with_shared_mem(number(4) as u32 * 4)
            .with_cores(u32::from(bytes[6]))
    };
    let kind = [RankKind::TopK, RankKind::BottomK, RankKind::MidK, RankKind::Range { start: 7 }];
    let kind = kind[usize::from(bytes[7] % 4)];
    // Up to 2^32 columns.
    let problem = Problem::new(kind, number(8), number(10) * number(10), number(12) * number(14));

    let mut knowledge = Knowledge::default();
    if let Err(error) = knowledge.add_rules("fuzz", program) {
        assert!(error.to_string().contains("fuzz:"));
        assert_eq!(knowledge.notes().len(), 1);
    }
    let made = plan(&problem, &caps, &knowledge);
    assert_eq!(st_kernels::check(&made.choice, &problem, &caps), Ok(()), "{made}");
    assert_eq!(explain(&problem, &caps, &knowledge, 3).plan, made);
});
