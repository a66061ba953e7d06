//! Which requests get which fault, or which text: rules with chances, drawn from a seed.

use anyhow::ensure;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde::{Deserialize, Serialize};

use crate::fault::Fault;
use crate::request::Completion;

/// The most rules at once.
const MAX_RULES: usize = 256;

/// What to do with requests whose model's name asks for nothing. The first rule that hits counts.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RuleSet {
    /// The same seed and the same requests one after the other: the same faults.
    pub seed: u64,
    /// In this order.
    pub rules: Vec<Rule>,
}

/// One rule. What is not given fits every request.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Rule {
    /// The fault, as in [`Fault`]; `ok` where only the text matters.
    pub fault: String,
    /// How often a request that fits is hit, 0 to 1.
    pub probability: f64,
    /// The model's whole name.
    pub model: Option<String>,
    /// What the visitor's last message contains.
    pub contains: Option<String>,
    /// What is answered.
    pub answer: Option<String>,
    /// The rule is used up after so many hits.
    pub times: Option<u64>,
}

impl Default for Rule {
    fn default() -> Self {
        let fault = Fault::OK.to_string();
        Self { fault, probability: 1.0, model: None, contains: None, answer: None, times: None }
    }
}

impl Rule {
    /// This fault for every request.
    pub fn always(fault: Fault) -> Self {
        Self { fault: fault.to_string(), ..Self::default() }
    }
}

/// What a request gets.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Chosen {
    pub(crate) fault: Fault,
    pub(crate) answer: Option<String>,
}

/// The rules at work.
#[derive(Debug)]
pub(crate) struct Rules {
    set: RuleSet,
    faults: Vec<Fault>,
    hits: Vec<u64>,
    random: StdRng,
}

impl Rules {
    /// # Errors
    /// A fault that does not exist, or too many rules.
    pub(crate) fn new(set: RuleSet) -> anyhow::Result<Self> {
        ensure!(set.rules.len() <= MAX_RULES, "more than {MAX_RULES} rules");
        let faults = set.rules.iter().map(|rule| rule.fault.parse()).collect::<anyhow::Result<_>>()?;
        let (hits, random) = (vec![0; set.rules.len()], StdRng::seed_from_u64(set.seed));
        Ok(Self { set, faults, hits, random })
    }

    pub(crate) fn set(&self) -> &RuleSet {
        &self.set
    }

    /// What this request gets: what its model's name asks for, else what the rules say.
    pub(crate) fn choose(&mut self, request: &Completion) -> Chosen {
        if let Some(fault) = Fault::of_model(&request.model) {
            return Chosen { fault, answer: None };
        }
        for (index, rule) in self.set.rules.iter().enumerate() {
            let fits = rule.times.is_none_or(|times| self.hits[index] < times)
                && rule.model.as_ref().is_none_or(|model| *model == request.model)
                && rule.contains.as_ref().is_none_or(|text| request.question.contains(text));
            // Drawn only where it decides, so that rules without chance change nothing for those with it.
            if fits && (rule.probability >= 1.0 || self.random.random::<f64>() < rule.probability) {
                self.hits[index] += 1;
                return Chosen { fault: self.faults[index], answer: rule.answer.clone() };
            }
        }
        Chosen { fault: Fault::OK, answer: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fault::Kind;

    fn request(model: &str, question: &str) -> Completion {
        Completion { model: model.into(), question: question.into(), ..Completion::default() }
    }

    fn rules(json: &str) -> Rules {
        Rules::new(serde_json::from_str(json).unwrap()).unwrap()
    }

    #[test]
    fn the_first_rule_that_fits_counts_and_is_used_up() {
        let mut rules = rules(
            r#"{"rules": [{"fault": "html", "contains": "page", "times": 1}, {"fault": "503", "model": "large"}]}"#,
        );
        let mut kinds = ["page", "page", "other"].map(|text| rules.choose(&request("large", text)).fault.kind);
        assert_eq!(kinds, [Kind::Html, Kind::Status, Kind::Status]);
        kinds = ["page", "page", "other"].map(|text| rules.choose(&request("small", text)).fault.kind);
        assert_eq!(kinds, [Kind::Ok; 3]);
    }

    #[test]
    fn a_models_name_goes_before_the_rules() {
        let mut rules = rules(r#"{"rules": [{"fault": "html"}]}"#);
        assert_eq!(rules.choose(&request("mock/ok", "")).fault, Fault::OK);
    }

    #[test]
    fn chances_are_kept_and_come_from_the_seed() {
        let drawn = |seed: u64| -> Vec<bool> {
            let mut rules = rules(&format!(r#"{{"seed": {seed}, "rules": [{{"fault": "500", "probability": 0.1}}]}}"#));
            (0..10_000).map(|_| rules.choose(&request("m", "")).fault != Fault::OK).collect()
        };
        let hits = drawn(1).iter().filter(|hit| **hit).count();
        assert!((900..1100).contains(&hits), "{hits}");
        assert_eq!(drawn(1), drawn(1));
        assert_ne!(drawn(1), drawn(2));
    }

    #[test]
    fn a_fault_that_does_not_exist_is_refused() {
        assert!(
            Rules::new(RuleSet { rules: vec![Rule { fault: "nonsense".into(), ..Rule::default() }], seed: 0 }).is_err()
        );
    }
}
