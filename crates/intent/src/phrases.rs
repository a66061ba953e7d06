//! Phrases of the site that give the conversation to people.

use language::is_han;

/// Whether one of the site's `phrases` stands in `message`: as whole words where they are of letters with spaces between.
pub fn has_phrase(message: &str, phrases: &[String]) -> bool {
    let message = normal(message);
    phrases.iter().map(|phrase| normal(phrase)).filter(|phrase| !phrase.is_empty()).any(|phrase| {
        message.match_indices(&phrase).any(|(at, found)| {
            let (before, after) = (message[..at].chars().last(), message[at + found.len()..].chars().next());
            !goes_on(before, found.chars().next()) && !goes_on(found.chars().last(), after)
        })
    })
}

/// Whether two letters belong to one word. Chinese has no spaces between words.
fn goes_on(one: Option<char>, other: Option<char>) -> bool {
    let is_of_a_word = |letter: Option<char>| letter.is_some_and(|letter| letter.is_alphanumeric() && !is_han(letter));
    is_of_a_word(one) && is_of_a_word(other)
}

/// Lower case, one space between words, straight apostrophes, no punctuation at the end.
pub(crate) fn normal(message: &str) -> String {
    let words: Vec<_> = message.split_whitespace().collect();
    let message = words.join(" ").to_lowercase().replace('\u{2019}', "'");
    message.trim_end_matches(['.', '!', '?', '。', '！', '？', '~', ' ']).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sites_own_phrases_count_as_whole_words_wherever_they_stand() {
        let phrases = ["lawyer".to_owned(), "Chargeback ".to_owned(), "律师".to_owned()];
        for message in ["My LAWYER will write to you.", "chargeback", "我会找律师的"] {
            assert!(has_phrase(message, &phrases), "{message}");
        }
        for message in ["lawyers", "I like law", ""] {
            assert!(!has_phrase(message, &phrases), "{message}");
        }
        assert!(!has_phrase("anything", &[" ".to_owned()]));
    }
}
