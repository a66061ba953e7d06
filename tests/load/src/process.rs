//! What the kernel says of a process.

use std::time::Duration;

use anyhow::Context;

use crate::machine::field;

/// A process of this machine.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Process(pub(crate) u32);

impl Process {
    /// Resident memory that belongs to the process alone, bytes: without the program's own text, and without what the
    /// kernel holds for its sockets.
    ///
    /// # Errors
    /// The process has ended, or this is not Linux.
    pub(crate) fn resident_bytes(self) -> anyhow::Result<u64> {
        let path = format!("/proc/{}/status", self.0);
        let text = std::fs::read_to_string(&path).with_context(|| format!("{path} cannot be read"))?;
        let kib = field(&text, "RssAnon").and_then(|value| value.split(' ').next()?.parse::<u64>().ok());
        Ok(kib.with_context(|| format!("{path} has no RssAnon"))? * 1024)
    }

    /// Time on processors since its start, its own and the kernel's on its behalf.
    ///
    /// # Errors
    /// As [`Process::resident_bytes`].
    pub(crate) fn cpu_time(self) -> anyhow::Result<Duration> {
        let path = format!("/proc/{}/stat", self.0);
        let text = std::fs::read_to_string(&path).with_context(|| format!("{path} cannot be read"))?;
        let ticks = ticks(&text).with_context(|| format!("{path} has another shape"))?;
        Ok(Duration::from_secs_f64(ticks as f64 / rustix::param::clock_ticks_per_second() as f64))
    }
}

/// Fields 14 and 15 of `/proc/PID/stat`; the second field may hold spaces and ends with the last parenthesis.
fn ticks(stat: &str) -> Option<u64> {
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some(user + system)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_found_behind_any_name() {
        let stat = "7 (a) b (c) S 1 7 7 0 -1 4194304 100 0 0 0 25 17 0 0 20 0 3 0 99 1000 10";
        assert_eq!(ticks(stat), Some(42));
        assert_eq!(ticks("7 (a"), None);
    }

    #[test]
    fn this_process_has_memory_and_time() {
        let this = Process(std::process::id());
        assert!(this.resident_bytes().unwrap() > 10_000);
        assert!(this.cpu_time().unwrap() < Duration::from_secs(100_000));
    }
}
