//! What machine this is: a figure without it says nothing.

use std::process::Command;

/// One line: processor, cores, memory, kernel, compiler.
pub(crate) fn description() -> String {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let cpu = field(&read("/proc/cpuinfo"), "model name").unwrap_or_else(|| "unknown processor".to_owned());
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let memory_kib = field(&read("/proc/meminfo"), "MemTotal").and_then(|text| text.split(' ').next()?.parse().ok());
    let memory = memory_kib.map_or("?".to_owned(), |kib: u64| (kib / 1024 / 1024).to_string());
    let kernel = read("/proc/sys/kernel/osrelease");
    let rustc = Command::new("rustc").arg("--version").output().ok();
    let rustc = rustc.and_then(|output| String::from_utf8(output.stdout).ok());
    let rustc = rustc.as_deref().and_then(|text| text.split(' ').nth(1)).unwrap_or("unknown");
    let build = if cfg!(debug_assertions) { ", DEBUG BUILD: these figures mean nothing" } else { "" };
    format!("{cpu}, {cores} cores, {memory} GiB, Linux {}, rustc {rustc}{build}", kernel.trim())
}

/// The value of `name: value` in a file of such lines.
pub(crate) fn field(text: &str, name: &str) -> Option<String> {
    let line = text.lines().find(|line| line.split(':').next().is_some_and(|key| key.trim() == name))?;
    line.split_once(':').map(|(_, value)| value.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_found_by_its_whole_name() {
        let text = "VmRSS:\t  10 kB\nRssAnon:\t    9 kB\nRssAnonHuge: 1 kB\n";
        assert_eq!(field(text, "RssAnon").as_deref(), Some("9 kB"));
        assert_eq!(field(text, "Rss"), None);
    }
}
