//! Which interfaces are opened: a process of its own, so that no other test has opened more.

use st_backend_wgpu::{WgpuExecutor, adapters};
use st_rank::Backend;

/// Mesa's GL shows all of the process a compiler of its own; one that is loaded later (Triton's) then ends it.
#[test]
fn gl_is_not_opened_where_there_is_something_else() {
    let found = adapters(Backend::Wgpu);
    assert!(!found.is_empty() && found.iter().all(|a| a.interface != "Gl"), "{found:?}");
    WgpuExecutor::default().caps().expect("there is a software driver");
    if cfg!(target_os = "linux") {
        let maps = std::fs::read_to_string("/proc/self/maps").expect("Linux has it");
        let loaded: Vec<&str> = maps.lines().filter(|line| line.contains("libEGL")).collect();
        assert!(loaded.is_empty(), "{loaded:?}");
    }
}
