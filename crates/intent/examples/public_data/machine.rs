//! What this runs on.

use std::time::Duration;

/// The processor and the number of cores, where the system tells.
pub(crate) fn description() -> String {
    let cpu = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpu.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or(": unknown processor");
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    format!("machine: {}, {cores} cores, {}", model.trim_start_matches([':', '\t', ' ']), std::env::consts::ARCH)
}

/// How long this program's only thread has been on a core, where Linux tells: what else runs does not count.
pub(crate) fn time_on_a_core() -> Option<Duration> {
    let schedule = std::fs::read_to_string("/proc/self/schedstat").ok()?;
    schedule.split(' ').next()?.parse().ok().map(Duration::from_nanos)
}
