//! Which of the languages there are texts for suits a visitor best.

/// The language that `available` has texts in and that fits best: what the visitor's message is written in where the
/// letters show it, else what the client shows (`tag`, BCP 47), else English, else the first.
pub(crate) fn choose<'a>(
    available: impl Iterator<Item = &'a str> + Clone,
    message: &str,
    tag: &str,
) -> Option<&'a str> {
    let find = |wanted: &str| available.clone().find(|language| primary(language).eq_ignore_ascii_case(wanted));
    let by_message = match script(message) {
        Script::Han => find("zh"),
        Script::Latin if matches!(primary(tag), "zh" | "ja" | "ko") => find("en"),
        Script::Latin | Script::Other => None,
    };
    by_message.or_else(|| find(primary(tag))).or_else(|| find("en")).or_else(|| available.clone().next())
}

/// Whether `letter` is a Chinese character.
pub(crate) fn is_han(letter: char) -> bool {
    matches!(letter, '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}' | '\u{f900}'..='\u{faff}' | '\u{20000}'..='\u{3134f}')
}

/// Whether a text is written in Chinese.
pub(crate) fn is_chinese(text: &str) -> bool {
    script(text) == Script::Han
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Script {
    Han,
    Latin,
    Other,
}

fn script(text: &str) -> Script {
    let is_kana = |letter: char| matches!(letter, '\u{3040}'..='\u{30ff}');
    let han = text.chars().filter(|letter| is_han(*letter)).count();
    let latin = text.chars().filter(char::is_ascii_alphabetic).count();
    // A Chinese character says about as much as three letters: product names in Latin letters do not change a language.
    if han > 0 && han * 3 >= latin && !text.chars().any(is_kana) {
        Script::Han
    } else if latin > 0 && han == 0 {
        Script::Latin
    } else {
        Script::Other
    }
}

fn primary(tag: &str) -> &str {
    tag.split(['-', '_']).next().unwrap_or(tag)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(available: &[&str], message: &str, tag: &str, expected: Option<&str>) {
        assert_eq!(choose(available.iter().copied(), message, tag), expected);
    }

    #[test]
    fn the_letters_of_the_message_win_over_the_clients_language() {
        check(&["en", "zh"], "运费是多少?", "en-GB", Some("zh"));
        check(&["en", "zh"], "How much is shipping?", "zh-CN", Some("en"));
        check(&["en", "zh"], "Cloud Mist 多少钱?", "en", Some("zh"));
    }

    #[test]
    fn where_letters_do_not_show_it_the_clients_language_counts() {
        check(&["en", "zh"], "???", "zh-Hans-CN", Some("zh"));
        check(&["en", "fr"], "Bonjour", "fr-CA", Some("fr"));
        check(&["en", "ja", "zh"], "送料はいくらですか", "ja", Some("ja"));
    }

    #[test]
    fn without_a_match_it_is_english_and_then_the_first() {
        check(&["zh", "en"], "Wie teuer?", "de", Some("en"));
        check(&["zh", "fr"], "Wie teuer?", "de", Some("zh"));
        check(&[], "Hi", "en", None);
    }
}
