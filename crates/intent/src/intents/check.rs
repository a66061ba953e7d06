//! What an intent's key and texts must be, wherever they are read from: a site's TOML, or a trained model's file.

use std::collections::BTreeSet;

use super::{ByLanguage, Intent, IntentsError, MAX_KEY_CHARS, MAX_REPLY_CHARS, MAX_TITLE_CHARS, MAX_URL_CHARS};

pub(super) type Result<T> = std::result::Result<T, IntentsError>;

/// Checks intents that are complete but for their examples, which a trained model does not hold.
pub(super) fn trained(intents: &[Intent]) -> Result<()> {
    let mut keys = BTreeSet::new();
    for (index, intent) in intents.iter().enumerate() {
        // Not by its key: that may be what is wrong.
        key(&format!("intents[{index}]"), &intent.key)?;
        let place = format!("intents.{}", intent.key);
        if !keys.insert(&intent.key) {
            return Err(wrong(&place, "there twice; remove one"));
        }
        by_language(&format!("{place}.title"), &intent.title, |place, title| text(place, title, MAX_TITLE_CHARS))?;
        by_language(&format!("{place}.reply"), &intent.reply, |place, reply| text(place, reply, MAX_REPLY_CHARS))?;
        if let Some(action) = &intent.action {
            let place = format!("{place}.action");
            by_language(&format!("{place}.label"), &action.label, |place, label| text(place, label, MAX_TITLE_CHARS))?;
            by_language(&format!("{place}.url"), &action.url, |place, address| {
                text(place, address, MAX_URL_CHARS)?;
                url(place, address)
            })?;
        }
    }
    let all = intents.iter().flat_map(|intent| intent.title.keys().chain(intent.reply.keys())).collect();
    intents.iter().try_for_each(|intent| languages(intent, &all))
}

fn by_language(place: &str, texts: &ByLanguage<String>, check: impl Fn(&str, &str) -> Result<()>) -> Result<()> {
    if texts.is_empty() {
        return Err(wrong(place, "empty; add one entry for each language, such as en and zh"));
    }
    texts.iter().try_for_each(|(language, text)| {
        tag(place, language)?;
        check(&format!("{place}.{language}"), text)
    })
}

/// The key of an intent.
pub(super) fn key(place: &str, key: &str) -> Result<()> {
    let is_plain = |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit() || "_-".contains(letter);
    if key.is_empty() || key.len() > MAX_KEY_CHARS || !key.chars().all(is_plain) {
        let problem = format!("a key has 1 to {MAX_KEY_CHARS} of a-z, 0-9, _ and -; give it another name");
        return Err(wrong(place, problem));
    }
    Ok(())
}

/// The tag of a language.
pub(super) fn tag(place: &str, language: &str) -> Result<()> {
    let is_tag = (2..=16).contains(&language.len())
        && language.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '-');
    if is_tag { Ok(()) } else { Err(wrong(place, "not a language; write a tag such as en, zh or pt-BR")) }
}

/// Any text, of `most` characters.
pub(super) fn text(place: &str, text: &str, most: usize) -> Result<()> {
    if text.trim().is_empty() {
        return Err(wrong(place, "empty; write a text"));
    }
    let length = text.chars().count();
    if length > most {
        return Err(wrong(place, format!("too long with {length} characters; shorten it to {most}")));
    }
    Ok(())
}

/// The address of an action, beside being a text.
pub(super) fn url(place: &str, url: &str) -> Result<()> {
    let is_path = url.starts_with('/') && !url.starts_with("//");
    let is_web = url.starts_with("https://") || url.starts_with("http://");
    if !(is_path || is_web) || url.contains(|letter: char| letter.is_whitespace() || letter.is_control()) {
        return Err(wrong(place, "not an address; write https://… or a path that begins with one /"));
    }
    Ok(())
}

/// An intent's texts are in all of `languages`, and in no other.
pub(super) fn languages(intent: &Intent, languages: &BTreeSet<&String>) -> Result<()> {
    let place = |name: &str| format!("intents.{}.{name}", intent.key);
    has_all(&place("title"), &intent.title, languages)?;
    has_all(&place("reply"), &intent.reply, languages)?;
    if let Some(action) = &intent.action {
        has_all(&place("action.label"), &action.label, languages)?;
        has_all(&place("action.url"), &action.url, languages)?;
    }
    Ok(())
}

pub(super) fn has_all<T>(place: &str, texts: &ByLanguage<T>, languages: &BTreeSet<&String>) -> Result<()> {
    if let Some(unknown) = texts.keys().find(|language| !languages.contains(language)) {
        return Err(wrong(&format!("{place}.{unknown}"), "no intent has texts in this language; remove it"));
    }
    match languages.iter().find(|language| !texts.contains_key(**language)) {
        Some(language) => Err(wrong(
            &format!("{place}.{language}"),
            "missing, and other texts are in this language; add it here, or remove the language everywhere",
        )),
        None => Ok(()),
    }
}

pub(super) fn wrong(place: &str, problem: impl Into<String>) -> IntentsError {
    IntentsError::Entry { place: place.to_owned(), problem: problem.into() }
}
