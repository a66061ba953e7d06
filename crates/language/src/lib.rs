//! Which language a text is written in, as far as its letters show it, and in which one to answer.

/// Whether `letter` is a Chinese character (Unicode's Han script: the unified ideographs, their extensions, and the sign
/// that repeats one).
pub fn is_han(letter: char) -> bool {
    matches!(letter, '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}' | '\u{f900}'..='\u{faff}' | '\u{20000}'..='\u{323af}' | '々')
}

/// Whether a text is written in Chinese. Product names in Latin letters do not change it.
pub fn is_chinese(text: &str) -> bool {
    script(text) == Script::Han
}

/// The one of `available` that suits the visitor best: Chinese where the message is written in Chinese characters, else
/// what the client shows (`tag`, BCP 47), else English, else the first. A message in Latin letters from a client that
/// shows Chinese is answered in English.
pub fn choose<'a>(available: impl Iterator<Item = &'a str> + Clone, message: &str, tag: &str) -> Option<&'a str> {
    let find = |wanted: &str| available.clone().find(|language| primary(language).eq_ignore_ascii_case(wanted));
    let exact = || available.clone().find(|language| language.eq_ignore_ascii_case(tag));
    let by_message = match script(message) {
        Script::Han if primary(tag).eq_ignore_ascii_case("zh") => exact().or_else(|| find("zh")),
        Script::Han => find("zh"),
        Script::Latin if matches!(primary(tag), "zh" | "ja" | "ko") => find("en"),
        Script::Latin | Script::Other => None,
    };
    by_message.or_else(exact).or_else(|| find(primary(tag))).or_else(|| find("en")).or_else(|| available.clone().next())
}

/// The one of `texts`, each with its language, that suits the visitor best, by the rule of [`choose`].
pub fn choose_text<'a>(
    texts: impl Iterator<Item = (&'a str, &'a str)> + Clone,
    message: &str,
    tag: &str,
) -> Option<&'a str> {
    let language = choose(texts.clone().map(|(language, _)| language), message, tag)?;
    texts.clone().find(|(known, _)| *known == language).map(|(_, text)| text)
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

/// `zh-Hans-CN` is `zh`.
pub fn primary(tag: &str) -> &str {
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
        check(&["en", "zh-CN", "zh-TW"], "運費多少", "zh-TW", Some("zh-TW"));
    }

    #[test]
    fn where_letters_do_not_show_it_the_clients_language_counts() {
        check(&["en", "zh"], "???", "zh-Hans-CN", Some("zh"));
        check(&["en", "pt", "pt-BR"], "Bom dia", "pt-BR", Some("pt-BR"));
        check(&["en", "ja", "zh"], "送料はいくらですか", "ja", Some("ja"));
    }

    #[test]
    fn without_a_match_it_is_english_and_then_the_first() {
        check(&["zh", "en"], "Wie teuer?", "de", Some("en"));
        check(&["zh", "fr"], "Wie teuer?", "de", Some("zh"));
        check(&[], "Hi", "en", None);
    }

    #[test]
    fn a_text_is_chosen_with_its_language() {
        let texts = [("en", "Hello"), ("zh", "您好")];
        let chosen = |message| choose_text(texts.into_iter(), message, "en");
        assert_eq!((chosen("你好"), chosen("Hi")), (Some("您好"), Some("Hello")));
        assert_eq!(choose_text([].into_iter(), "Hi", "en"), None);
    }

    #[test]
    fn chinese_is_what_is_mostly_written_in_its_characters() {
        assert!(is_chinese("Cloud Mist 多少钱") && is_chinese("人々"));
        assert!(!is_chinese("We are called 空山") && !is_chinese("送料はいくら") && !is_chinese("123"));
    }
}
