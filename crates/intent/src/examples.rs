//! The examples of a trained model: enough of each to know it again.

use serde::{Deserialize, Serialize};

use crate::intents::Intents;
use crate::text::Normal;

/// Fingerprints of a site's examples with their intents, sorted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Examples {
    fingerprints: Vec<u64>,
}

impl Examples {
    pub(crate) fn of(intents: &Intents) -> Self {
        let of_intent = |intent: &crate::intents::Intent| {
            let examples = intent.examples.values().flatten();
            examples.map(|text| fingerprint(&intent.key, &Normal::new(text))).collect::<Vec<_>>()
        };
        let mut fingerprints: Vec<u64> = intents.intents.iter().flat_map(of_intent).collect();
        fingerprints.sort_unstable();
        Self { fingerprints }
    }

    /// Whether `message` is an example of the intent `key`, but for capitals, marks and spaces.
    pub(crate) fn contain(&self, key: &str, message: &Normal) -> bool {
        self.fingerprints.binary_search(&fingerprint(key, message)).is_ok()
    }
}

/// FNV-1a over the key and the words. A question mark says nothing here: "delivery free?" is "delivery free".
fn fingerprint(key: &str, message: &Normal) -> u64 {
    let whole = message.whole();
    let words = whole.split(['?', ' ']).filter(|word| !word.is_empty());
    let bytes = std::iter::once(key).chain(words).flat_map(|word| word.bytes().chain([0]));
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_example_is_known_again_by_its_words_and_its_intent() {
        let toml = "[intents.one]\ntitle.en = \"1\"\nreply.en = \"1\"\nexamples.en = [\"Is delivery free?\"]\n\
                    [intents.two]\ntitle.en = \"2\"\nreply.en = \"2\"\nexamples.en = [\"Where are you?\"]\n";
        let examples = Examples::of(&Intents::parse(toml).unwrap());
        let contain = |key: &str, text: &str| examples.contain(key, &Normal::new(text));
        assert!(contain("one", "Is delivery free?") && contain("one", "  IS delivery   free!"));
        assert!(!contain("two", "Is delivery free?"), "another intent's");
        assert!(!contain("one", "Is delivery to Norway free?") && !contain("one", ""));
    }
}
