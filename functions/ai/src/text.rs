//! Cutting text by bytes without cutting a character.

/// The longest beginning of `text` that has at most `max_bytes` bytes.
pub(crate) fn head(text: &str, max_bytes: usize) -> &str {
    let mut end = max_bytes.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

/// `text` in pieces of at most `max_bytes` bytes, which must be 4 or more.
pub(crate) fn split(text: &str, max_bytes: usize) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let piece = head(rest, max_bytes.max(4));
        rest = &rest[piece.len()..];
        (!piece.is_empty()).then_some(piece)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_never_ends_inside_a_character() {
        assert_eq!(head("你好", 5), "你");
        assert_eq!(head("你好", 6), "你好");
        assert_eq!(head("你好", 2), "");
        assert_eq!(head("abc", 9), "abc");
    }

    #[test]
    fn pieces_of_a_split_make_the_whole_again() {
        let text = "a你b好🙂c".repeat(9);
        for max_bytes in 4..20 {
            let pieces: Vec<_> = split(&text, max_bytes).collect();
            assert!(pieces.iter().all(|piece| piece.len() <= max_bytes));
            assert_eq!(pieces.concat(), text);
        }
    }
}
