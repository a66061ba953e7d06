//! What the suite found.

use std::collections::BTreeMap;

use anyhow::Context;
use serde::Deserialize;

/// The name under which the node's stack stands in the reports.
pub(crate) const AGENT: &str = "conn-node";

/// The result of a run.
#[derive(Debug)]
pub(crate) struct Report {
    /// How many cases were run.
    pub(crate) cases: usize,
    /// Those that failed, in the suite's order.
    pub(crate) failed: Vec<Failure>,
}

/// A case that failed.
#[derive(Debug)]
pub(crate) struct Failure {
    /// Such as `6.4.1`.
    pub(crate) number: String,
    /// Such as `FAILED` or `WRONG CODE`.
    pub(crate) behavior: String,
    /// The file of details, in the reports' folder.
    pub(crate) report_file: String,
}

/// One case, in `index.json`.
#[derive(Debug, Deserialize)]
struct Case {
    behavior: String,
    #[serde(rename = "behaviorClose")]
    behavior_close: String,
    #[serde(rename = "reportfile")]
    report_file: String,
}

/// What the suite itself does not count as failed. NON-STRICT is right but not the best; INFORMATIONAL is only told.
const PASSED: [&str; 3] = ["OK", "NON-STRICT", "INFORMATIONAL"];

impl Report {
    /// Reads `index.json`.
    ///
    /// # Errors
    /// Text of another shape, or a run of something else.
    pub(crate) fn parse(index: &[u8]) -> anyhow::Result<Self> {
        let mut agents: BTreeMap<String, BTreeMap<String, Case>> =
            serde_json::from_slice(index).context("the suite's index.json has another shape")?;
        let cases = agents.remove(AGENT).context("the suite's index.json is not about the node")?;
        let total = cases.len();
        let mut failed: Vec<_> = cases.into_iter().filter_map(|(number, case)| case.failure(number)).collect();
        failed.sort_by_key(|failure| order(&failure.number));
        Ok(Self { cases: total, failed })
    }
}

impl Case {
    fn failure(self, number: String) -> Option<Failure> {
        let bad = [self.behavior, self.behavior_close].into_iter().find(|word| !PASSED.contains(&word.as_str()))?;
        Some(Failure { number, behavior: bad, report_file: self.report_file })
    }
}

fn order(number: &str) -> Vec<u32> {
    number.split('.').filter_map(|part| part.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_case_that_is_not_right_is_told_in_the_suites_order() {
        let index = br#"{"conn-node": {
            "1.1.1": {"behavior": "OK", "behaviorClose": "OK", "reportfile": "a.json"},
            "10.1.1": {"behavior": "FAILED", "behaviorClose": "OK", "reportfile": "b.json"},
            "6.4.1": {"behavior": "NON-STRICT", "behaviorClose": "INFORMATIONAL", "reportfile": "c.json"},
            "2.1": {"behavior": "OK", "behaviorClose": "WRONG CODE", "reportfile": "d.json"}}}"#;
        let report = Report::parse(index).unwrap();
        let failed: Vec<_> = report.failed.iter().map(|one| (one.number.as_str(), one.behavior.as_str())).collect();
        assert_eq!((report.cases, failed), (4, vec![("2.1", "WRONG CODE"), ("10.1.1", "FAILED")]));
    }

    #[test]
    fn a_report_of_another_agent_is_refused() {
        assert!(Report::parse(br#"{"other": {}}"#).is_err());
        assert!(Report::parse(b"[]").is_err());
    }
}
