//! What committed texts may not hold: traces of one machine, and names that say nothing.

/// What a text may not hold. Written in two parts, so that this file does not hold it either.
const FORBIDDEN: &[(&str, &str, &str)] = &[
    ("/ro", "ot/", "a path of one machine"),
    ("/ho", "me/", "a path of one machine"),
    ("/Us", "ers/", "a path of one machine"),
    ("/wo", "rk/", "a path of one machine"),
    ("sub", "agent", "how it was made, not what it is"),
    ("FIX", "ME", "work left over"),
    ("TO", "DO:", "work left over"),
    ("<<<", "<<<< ", "a merge left half done"),
];

/// Words in names of files, and of Rust and TypeScript items, that could stand for anything.
const SAYS_NOTHING: &[&str] = &["util", "utils", "helper", "helpers", "handler", "handlers"];

/// Names of files that could hold anything.
const HOLDS_ANYTHING: &[&str] = &["misc", "common", "stuff"];

/// What is wrong with the text of the file at `path`; empty: nothing. Each entry names the file and the line.
pub fn wrong_words(path: &str, text: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let at = |what: String| format!("{path}:{}: {what}", number + 1);
        for (start, end, reason) in FORBIDDEN {
            if line.contains(&format!("{start}{end}")) {
                wrong.push(at(format!("{start}{end} is {reason}")));
            }
        }
        if let Some(name) = defined_name(path, line).filter(|name| says_nothing(name)) {
            wrong.push(at(format!("the name {name} could stand for anything")));
        }
    }
    wrong
}

/// What is wrong with a file's own name.
pub fn wrong_name(path: &str) -> Option<String> {
    let bad: Vec<_> = SAYS_NOTHING.iter().chain(HOLDS_ANYTHING).collect();
    let says_nothing = |part: &str| bad.contains(&&part.split('.').next().unwrap_or(part));
    path.split('/').any(says_nothing).then(|| format!("{path}: the name could stand for anything"))
}

/// The name of the item that a line of source defines.
fn defined_name<'a>(path: &str, line: &'a str) -> Option<&'a str> {
    if ![".rs", ".ts", ".tsx"].iter().any(|end| path.ends_with(end)) {
        return None;
    }
    let mut words = line.split_whitespace();
    let keyword =
        |word: &&str| ["fn", "struct", "enum", "trait", "mod", "type", "function", "class", "interface"].contains(word);
    words.by_ref().take(4).find(keyword)?;
    words.next().map(|name| name.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or(name))
}

fn says_nothing(name: &str) -> bool {
    let mut snake = String::new();
    for c in name.chars() {
        if c.is_uppercase() {
            snake.push('_');
        }
        snake.extend(c.to_lowercase());
    }
    snake.split('_').any(|part| SAYS_NOTHING.contains(&part))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn traces_of_a_machine_are_found_with_their_line() {
        let path = format!("/ho{}", "me/ana/x");
        let wrong = wrong_words("README.md", &format!("one\ntwo {path}\n"));
        assert_eq!(wrong.len(), 1);
        assert!(wrong[0].starts_with("README.md:2: "), "{wrong:?}");
    }

    #[test]
    fn names_that_say_nothing_are_found() {
        // In two parts, so that this file is not found itself.
        let wrong = |path: &str, start: &str, end: &str| wrong_words(path, &format!("{start}{end}")).len();
        assert_eq!(wrong("a.rs", "pub(crate) struct Connection", "Handler {"), 1);
        assert_eq!(wrong("a.ts", "export function ", "util_for_times() {"), 1);
        assert_eq!(wrong("a.rs", "pub fn ", "handle_frame(&mut self)"), 0);
        assert_eq!(wrong("a.md", "a function ", "helper"), 0);
        assert!(wrong_name("crates/store/src/utils.rs").is_some());
        assert!(wrong_name("tests/common/mod.rs").is_some());
        assert_eq!(wrong_name("crates/store/src/key.rs"), None);
    }
}
