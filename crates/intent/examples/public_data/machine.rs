//! What this runs on.

/// The processor and the number of cores, where the system tells.
pub(crate) fn description() -> String {
    let cpu = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpu.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or(": unknown processor");
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    format!("machine: {}, {cores} cores, {}", model.trim_start_matches([':', '\t', ' ']), std::env::consts::ARCH)
}
