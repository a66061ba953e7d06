//! Text in tokens, as a real model would send it: about four letters of a word with the space before it, one or two
//! Chinese characters, or a mark.

use language::is_han;

const MAX_LETTERS: usize = 5;
const MAX_HAN: usize = 2;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Space,
    Letter,
    Han,
    Mark,
}

/// The tokens of `text`; put together they are `text`.
pub(crate) fn tokens(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let (token, after) = rest.split_at(first_token(rest));
        rest = after;
        (!token.is_empty()).then_some(token)
    })
}

fn first_token(text: &str) -> usize {
    let mut taken: Option<(Kind, usize)> = None;
    for (at, letter) in text.char_indices() {
        let kind = kind(letter);
        taken = match taken {
            None | Some((Kind::Space, _)) => Some((kind, 1)),
            Some((Kind::Letter, count)) if kind == Kind::Letter && count < MAX_LETTERS => Some((kind, count + 1)),
            Some((Kind::Han, count)) if kind == Kind::Han && count < MAX_HAN => Some((kind, count + 1)),
            Some(_) => return at,
        };
    }
    text.len()
}

fn kind(letter: char) -> Kind {
    match letter {
        letter if letter.is_whitespace() => Kind::Space,
        letter if is_han(letter) => Kind::Han,
        letter if letter.is_alphanumeric() => Kind::Letter,
        _ => Kind::Mark,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &[&str]) {
        let tokens: Vec<_> = tokens(text).collect();
        assert_eq!(tokens, expected);
        assert_eq!(tokens.concat(), text);
    }

    #[test]
    fn words_marks_and_chinese_characters_become_tokens() {
        check("Hello there, friend", &["Hello", " there", ",", " frien", "d"]);
        check("你好吗?Tea", &["你好", "吗", "?", "Tea"]);
        check("a\n\n- **b**", &["a", "\n\n-", " *", "*", "b", "*", "*"]);
        check("🙂é ", &["🙂", "é", " "]);
        check("", &[]);
    }
}
