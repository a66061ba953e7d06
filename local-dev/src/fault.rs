//! Faults that a developer asks for, to see what the rest does about them.

use std::collections::VecDeque;

use serde::Deserialize;

/// The most invocations one request may spoil.
pub const MOST_TIMES: u32 = 10_000;

/// How an invocation fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FaultKind {
    /// It is refused, as if too many were running.
    Throttle,
    /// The process is killed before its first byte.
    Crash,
    /// The process is killed after a first piece of its response.
    CrashMidStream,
    /// The function does its work, but nothing of it arrives; the process is killed after the deadline.
    Hang,
}

/// A fault for the next invocations of a function, as JSON: `{"fault":"crash_mid_stream","times":2}`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// What happens.
    pub fault: FaultKind,
    /// To how many invocations; 1 unless told, at most [`MOST_TIMES`].
    #[serde(default = "once")]
    pub times: u32,
}

fn once() -> u32 {
    1
}

/// The faults still to come, in the order they were asked for.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    coming: VecDeque<FaultKind>,
}

impl Faults {
    /// Adds a fault behind those already asked for; never holds more than [`MOST_TIMES`].
    pub(crate) fn add(&mut self, Fault { fault, times }: Fault) {
        let room = (MOST_TIMES as usize).saturating_sub(self.coming.len());
        let times = (times as usize).min(room);
        self.coming.extend(std::iter::repeat_n(fault, times));
    }

    /// The fault of the invocation that comes now.
    pub(crate) fn take(&mut self) -> Option<FaultKind> {
        self.coming.pop_front()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(json: &str) -> Result<Fault, serde_json::Error> {
        serde_json::from_str(json)
    }

    #[test]
    fn a_fault_happens_once_unless_told() {
        assert_eq!(parse(r#"{"fault":"hang"}"#).unwrap(), Fault { fault: FaultKind::Hang, times: 1 });
        let error = parse(r#"{"fault":"explode"}"#).unwrap_err().to_string();
        assert!(error.contains("crash_mid_stream"), "{error}");
    }

    #[test]
    fn faults_come_in_order_and_are_bounded() {
        let mut faults = Faults::default();
        faults.add(Fault { fault: FaultKind::Crash, times: 1 });
        faults.add(Fault { fault: FaultKind::Throttle, times: u32::MAX });
        assert_eq!(faults.take(), Some(FaultKind::Crash));
        assert_eq!(faults.coming.len(), MOST_TIMES as usize - 1);
    }
}
