//! Which language a text is written in, as far as a search needs to know.

use std::path::Path;

pub(crate) use ::language::is_han;

/// The language that a folder on the way to `path` names, such as `zh` in `zh/shipping.md` or `pt-BR` in `help/pt-BR/a.md`.
pub(crate) fn of_path(path: &Path) -> Option<String> {
    let folders = path.parent()?.components().rev();
    folders.filter_map(|folder| folder.as_os_str().to_str()).find(|name| is_tag(name)).map(base)
}

/// The language of a text that does not name one: Chinese if at least a fifth of its letters are, else English.
pub(crate) fn of_text(text: &str) -> &'static str {
    let (mut han, mut all) = (0_usize, 0_usize);
    for letter in text.chars().filter(|letter| letter.is_alphabetic()) {
        han += usize::from(is_han(letter));
        all += 1;
    }
    if han > 0 && han * 5 >= all { "zh" } else { "en" }
}

/// `zh-Hans-CN` is `zh`.
pub(crate) fn base(tag: &str) -> String {
    tag.split(['-', '_']).next().unwrap_or(tag).to_ascii_lowercase()
}

/// Two letters, with a region or script behind them: as folders of languages are called.
fn is_tag(name: &str) -> bool {
    let mut parts = name.split(['-', '_']);
    let is_language =
        parts.next().is_some_and(|part| part.len() == 2 && part.bytes().all(|byte| byte.is_ascii_lowercase()));
    is_language
        && parts.all(|part| (2..=4).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_alphanumeric()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_names_the_language() {
        let of = |path: &str| of_path(Path::new(path));
        assert_eq!(of("zh/shipping.md").as_deref(), Some("zh"));
        assert_eq!(of("help/zh-Hans/shipping.md").as_deref(), Some("zh"));
        assert_eq!(of("help/shipping.md"), None);
        assert_eq!(of("en.md"), None);
    }

    #[test]
    fn a_text_shows_its_language() {
        assert_eq!(of_text("Cloud Mist 是绿茶，产自杭州"), "zh");
        assert_eq!(of_text("Our name is 空山 and we sell tea in a small shop."), "en");
        assert_eq!(of_text("123"), "en");
    }
}
