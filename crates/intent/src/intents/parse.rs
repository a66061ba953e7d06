//! From TOML to [`Intents`], with an error that names the entry.

use std::collections::{BTreeMap, BTreeSet};

use toml::{Table, Value};

use super::check::{self, Result, wrong};
use super::{
    Action, ByLanguage, Intent, Intents, IntentsError, MAX_EXAMPLE_CHARS, MAX_EXAMPLES, MAX_INTENTS, MAX_REPLY_CHARS,
    MAX_TITLE_CHARS, MAX_URL_CHARS, MIN_INTENTS,
};
use crate::text::Normal;

pub(super) fn parse(text: &str) -> Result<Intents> {
    let table: Table = text.parse().map_err(|error: toml::de::Error| IntentsError::Syntax(error.to_string()))?;
    let file = Entry { place: String::new(), table: &table };
    file.knows(&["intents", "out_of_scope"])?;
    let all = file.inner("intents")?.ok_or_else(|| wrong("intents", "missing; declare [intents.KEY] for each"))?;
    let intents: Vec<Intent> = all.table.iter().map(|(key, value)| intent(&all, key, value)).collect::<Result<_>>()?;
    let out_of_scope = match file.inner("out_of_scope")? {
        Some(entry) => entry.by_language(examples)?.into_values().flatten().collect(),
        None => Vec::new(),
    };
    let intents = Intents { intents, out_of_scope };
    check_counts(&intents)?;
    check_languages(&intents)?;
    check_repeats(&intents)?;
    Ok(intents)
}

fn intent(all: &Entry<'_>, key: &str, value: &Value) -> Result<Intent> {
    let place = all.at(key);
    check::key(&place, key)?;
    let entry = Entry::new(place, value)?;
    entry.knows(&["title", "examples", "reply", "handover", "action"])?;
    Ok(Intent {
        key: key.to_owned(),
        title: entry.needed("title")?.by_language(|place, value| text(place, value, MAX_TITLE_CHARS))?,
        examples: entry.needed("examples")?.by_language(examples)?,
        reply: entry.needed("reply")?.by_language(|place, value| text(place, value, MAX_REPLY_CHARS))?,
        handover: entry.switch("handover")?,
        action: entry.inner("action")?.map(|entry| action(&entry)).transpose()?,
    })
}

fn action(entry: &Entry<'_>) -> Result<Action> {
    entry.knows(&["url", "label"])?;
    let label = entry.needed("label")?.by_language(|place, value| text(place, value, MAX_TITLE_CHARS))?;
    let url = match entry.table.get("url") {
        // One address for all languages.
        Some(Value::String(_)) => {
            let url = url(&entry.at("url"), &entry.table["url"])?;
            label.keys().map(|language| (language.clone(), url.clone())).collect()
        }
        _ => entry.needed("url")?.by_language(url)?,
    };
    Ok(Action { url, label })
}

fn url(place: &str, value: &Value) -> Result<String> {
    let url = text(place, value, MAX_URL_CHARS)?;
    check::url(place, &url)?;
    Ok(url)
}

fn text(place: &str, value: &Value, most: usize) -> Result<String> {
    let text = value.as_str().ok_or_else(|| wrong(place, "not a text; put it in quotes"))?.trim();
    check::text(place, text, most)?;
    Ok(text.to_owned())
}

fn examples(place: &str, value: &Value) -> Result<Vec<String>> {
    let list = value.as_array().ok_or_else(|| wrong(place, "not a list; write [\"…\", \"…\"]"))?;
    if list.is_empty() {
        return Err(wrong(place, "no examples; write at least one, better ten"));
    }
    let one = |(index, value)| {
        let place = format!("{place}[{index}]");
        let text = text(&place, value, MAX_EXAMPLE_CHARS)?;
        let has_words = !Normal::new(&text).words.is_empty();
        if has_words { Ok(text) } else { Err(wrong(&place, "no word in it; write what a visitor would write")) }
    };
    list.iter().enumerate().map(one).collect()
}

fn check_counts(intents: &Intents) -> Result<()> {
    let count = intents.intents.len();
    if !(MIN_INTENTS..=MAX_INTENTS).contains(&count) {
        return Err(wrong("intents", format!("{count} intents; there must be {MIN_INTENTS} to {MAX_INTENTS}")));
    }
    let count = intents.examples();
    if count > MAX_EXAMPLES {
        return Err(wrong("intents", format!("{count} examples; there may be {MAX_EXAMPLES}, so leave some out")));
    }
    Ok(())
}

/// Every intent must speak every language that one of them speaks.
fn check_languages(intents: &Intents) -> Result<()> {
    let languages: BTreeSet<&String> = (intents.intents.iter())
        .flat_map(|intent| intent.title.keys().chain(intent.examples.keys()).chain(intent.reply.keys()))
        .collect();
    for intent in &intents.intents {
        let place = format!("intents.{}.examples", intent.key);
        check::has_all(&place, &intent.examples, &languages)?;
        check::languages(intent, &languages)?;
    }
    Ok(())
}

/// One message cannot belong to two intents, and saying it twice teaches nothing.
fn check_repeats(intents: &Intents) -> Result<()> {
    let mut seen = BTreeMap::new();
    let of_intents = intents.intents.iter().flat_map(|intent| {
        intent.examples.values().flatten().map(|example| (format!("intents.{}.examples", intent.key), example))
    });
    let out_of_scope = intents.out_of_scope.iter().map(|example| ("out_of_scope".to_owned(), example));
    for (place, example) in of_intents.chain(out_of_scope) {
        let before = seen.insert(Normal::new(example).whole(), place.clone());
        if let Some(before) = before {
            let problem = if before == place {
                format!("the example {example:?} is there twice; remove one")
            } else {
                format!("the example {example:?} is also in {before}; leave it where it belongs")
            };
            return Err(wrong(&place, problem));
        }
    }
    Ok(())
}

/// A table and its full key.
struct Entry<'a> {
    place: String,
    table: &'a Table,
}

impl<'a> Entry<'a> {
    fn new(place: String, value: &'a Value) -> Result<Self> {
        match value.as_table() {
            Some(table) => Ok(Self { place, table }),
            None => Err(wrong(&place, "not a table; give it one entry for each language, such as en and zh")),
        }
    }

    fn at(&self, key: &str) -> String {
        if self.place.is_empty() { key.to_owned() } else { format!("{}.{key}", self.place) }
    }

    fn knows(&self, keys: &[&str]) -> Result<()> {
        match self.table.keys().find(|key| !keys.contains(&key.as_str())) {
            Some(key) => Err(wrong(&self.at(key), format!("unknown; there are {}", keys.join(", ")))),
            None => Ok(()),
        }
    }

    fn inner(&self, key: &str) -> Result<Option<Entry<'a>>> {
        self.table.get(key).map(|value| Entry::new(self.at(key), value)).transpose()
    }

    fn needed(&self, key: &str) -> Result<Entry<'a>> {
        self.inner(key)?.ok_or_else(|| wrong(&self.at(key), "missing; add it with one entry for each language"))
    }

    fn switch(&self, key: &str) -> Result<bool> {
        match self.table.get(key) {
            None => Ok(false),
            Some(value) => value.as_bool().ok_or_else(|| wrong(&self.at(key), "write true or false")),
        }
    }

    fn by_language<T>(&self, read: impl Fn(&str, &Value) -> Result<T>) -> Result<ByLanguage<T>> {
        if self.table.is_empty() {
            return Err(wrong(&self.place, "empty; add one entry for each language, such as en and zh"));
        }
        let one = |(language, value): (&String, &Value)| {
            let place = self.at(language);
            check::tag(&place, language)?;
            Ok((language.clone(), read(&place, value)?))
        };
        self.table.iter().map(one).collect()
    }
}
