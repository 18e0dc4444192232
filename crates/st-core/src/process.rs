//! What this process knows, read once.

use std::sync::LazyLock;

use st_plan::Planner;

use crate::settings::Settings;

/// The planner of this process: with the rules, tables and weights that its environment named when
/// it was first asked. Other knowledge can be set. With the feature `kv-redis` and `REDIS_URL`,
/// [hints that others share](crate::hints) are added, when they arrive, to what it knows then.
pub fn planner() -> &'static Planner {
    static PLANNER: LazyLock<Planner> = LazyLock::new(|| {
        let loaded = Settings::from_env().load();
        for fault in &loaded.faults {
            tracing::warn!(target: "spiraltorch", "{fault}");
        }
        Planner::new(loaded.knowledge).with_observer(crate::hints::observe)
    });
    &PLANNER
}
