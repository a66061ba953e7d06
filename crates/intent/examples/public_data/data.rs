//! The two data sets, from the files that their authors publish.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Context;
use intent::{Intent, Intents, Messages};

/// What is learned from, and what is judged.
pub(crate) struct Split {
    pub intents: Intents,
    /// None: by cross-validation alone.
    pub messages: Option<Messages>,
}

/// BANKING77 has no part for validation: only its test, or cross-validation.
pub(crate) fn banking(folder: &Path, is_test: bool) -> anyhow::Result<Split> {
    let read = |name: &str| -> anyhow::Result<Vec<(String, String)>> {
        let path = folder.join("banking77").join(name);
        Ok(csv(&std::fs::read_to_string(&path).with_context(|| path.display().to_string())?))
    };
    let of_intent = |(text, name): (String, String)| (text, Some(key(&name)));
    let messages = if is_test {
        Some(Messages { messages: read("test.csv")?.into_iter().map(of_intent).collect() })
    } else {
        None
    };
    Ok(Split { intents: intents(read("train.csv")?, Vec::new()), messages })
}

/// CLINC150: learned from `train` and `oos_train`, judged on `val` and `oos_val`, or on `test` and `oos_test`.
pub(crate) fn clinc(folder: &Path, is_test: bool) -> anyhow::Result<Split> {
    let path = folder.join("clinc150").join("data_full.json");
    let text = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    let mut parts: BTreeMap<String, Vec<(String, String)>> = serde_json::from_str(&text)?;
    let mut part = |name: &str| parts.remove(name).with_context(|| format!("there is no part {name}"));
    let (inside, outside) = if is_test { ("test", "oos_test") } else { ("val", "oos_val") };
    let inside = part(inside)?.into_iter().map(|(text, name)| (text, Some(key(&name))));
    let outside = part(outside)?.into_iter().map(|(text, _)| (text, None));
    let messages = Messages { messages: inside.chain(outside).collect() };
    let out_of_scope = part("oos_train")?.into_iter().map(|(text, _)| text).collect();
    Ok(Split { intents: intents(part("train")?, out_of_scope), messages: Some(messages) })
}

/// What stands for titles and replies, which an intent must have and the data sets do not. A model learns nothing from it.
const NO_TEXT: &str = "–";

/// In the order of the data set's own names, on which the figures depend a little.
fn intents(examples: Vec<(String, String)>, out_of_scope: Vec<String>) -> Intents {
    let mut by_name: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (text, name) in examples {
        by_name.entry(name).or_default().push(text);
    }
    let no_text = || BTreeMap::from([("en".to_owned(), NO_TEXT.to_owned())]);
    let intent = |(name, examples): (String, Vec<String>)| Intent {
        key: key(&name),
        title: no_text(),
        examples: BTreeMap::from([("en".to_owned(), examples)]),
        reply: no_text(),
        ..Intent::default()
    };
    Intents { intents: by_name.into_iter().map(intent).collect(), out_of_scope }
}

/// An intent's name in the data set as a key that an intent may have: `Refund_not_showing_up`, `reverted_card_payment?`.
fn key(name: &str) -> String {
    let letter = |letter: char| if letter.is_ascii_alphanumeric() || letter == '-' { letter } else { '_' };
    name.chars().map(letter).collect::<String>().to_ascii_lowercase()
}

/// Two columns after a line of headings; quotes stand around texts with commas, line breaks or doubled quotes.
fn csv(text: &str) -> Vec<(String, String)> {
    let (mut rows, mut row, mut field, mut is_quoted) = (Vec::new(), Vec::new(), String::new(), false);
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '"' if is_quoted && letters.peek() == Some(&'"') => field.extend(letters.next()),
            '"' => is_quoted = !is_quoted,
            ',' if !is_quoted => row.push(std::mem::take(&mut field)),
            '\r' if !is_quoted => {}
            '\n' if !is_quoted => {
                row.push(std::mem::take(&mut field));
                rows.push(std::mem::take(&mut row));
            }
            letter => field.push(letter),
        }
    }
    let pair = |row: Vec<String>| <[String; 2]>::try_from(row).ok().map(|[text, category]| (text, category));
    rows.into_iter().skip(1).filter_map(pair).collect()
}
