//! Cuts a section into pieces that are small enough, where a reader would.

use std::ops::Range;

/// A piece of a section.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Piece {
    /// What of the section is in this piece and in no other.
    pub(crate) own: Range<usize>,
    /// That, and before it what makes it readable by itself: the head of its table, or the sentence before.
    pub(crate) text: String,
}

/// What may be repeated of the piece before, as a share of a piece.
const REPEATED: usize = 4;

/// Cuts `text` into pieces of at most `most` bytes (at least 16), which together are all of it but the blanks where it was cut.
///
/// A cut is made, in this order, at a blank line, at the end of a line, at the end of a sentence, at a space, between two
/// characters: the first of them that lies in the last two thirds of what would fit.
pub(crate) fn cut(text: &str, most: usize) -> Vec<Piece> {
    let most = most.max(16);
    let mut pieces = Vec::new();
    let mut before = String::new();
    let mut from = skip_blanks(text, 0);
    while from < text.len() {
        let room = most - before.len();
        let rest = text[from..].trim_end().len();
        let (length, place) = if rest <= room { (rest, Place::Paragraph) } else { cut_length(&text[from..], room) };
        let own = from..from + text[from..from + length].trim_end().len();
        pieces.push(Piece { text: format!("{before}{}", &text[own.clone()]), own: own.clone() });
        from = skip_blanks(text, from + length);
        before = repeated(text, &own, from, place, most / REPEATED);
    }
    pieces
}

/// Where a text can be cut, best last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Place {
    Character,
    Space,
    Sentence,
    Line,
    Paragraph,
}

/// How many bytes of `text`, which is longer than `room`, the next piece gets, and at what place it ends.
fn cut_length(text: &str, room: usize) -> (usize, Place) {
    let least = room / 3;
    let mut best = (0, Place::Character);
    let mut letters = text.char_indices().peekable();
    while let Some((at, letter)) = letters.next() {
        let end = at + letter.len_utf8();
        if end > room {
            break;
        }
        let next = letters.peek().map(|(_, next)| *next);
        let place = place_after(letter, next, text.as_bytes().get(..at).is_some_and(|before| before.ends_with(b"\n")));
        // Before a third of the room only to have anything at all.
        if end <= least || place >= best.1 || best.0 <= least {
            best = (end, if end <= least { Place::Character } else { place });
        }
    }
    // `room` holds at least one character; see `cut`.
    (best.0.max(text.chars().next().map_or(1, char::len_utf8)), best.1)
}

fn place_after(letter: char, next: Option<char>, is_line_start: bool) -> Place {
    match (letter, next) {
        ('\n', _) if is_line_start => Place::Paragraph,
        ('\n', Some('\n')) => Place::Sentence,
        ('\n', _) => Place::Line,
        ('。' | '！' | '？' | '；' | '…', _) => Place::Sentence,
        ('.' | '!' | '?' | ';', Some(next)) if next.is_whitespace() => Place::Sentence,
        (letter, _) if letter.is_whitespace() => Place::Space,
        _ => Place::Character,
    }
}

fn skip_blanks(text: &str, from: usize) -> usize {
    text.len() - text[from..].trim_start().len()
}

/// What the piece that begins at `from` repeats: at most `most` bytes.
fn repeated(text: &str, last: &Range<usize>, from: usize, place: Place, most: usize) -> String {
    match table_head(text, from) {
        Some(head) if head.len() <= most => head.to_owned(),
        Some(_) => String::new(),
        // Within a paragraph, what was said last is what this is about.
        None if place < Place::Line => last_sentence(&text[last.clone()])
            .filter(|sentence| sentence.len() < most)
            .map_or_else(String::new, |sentence| {
                let blank = if sentence.ends_with(char::is_alphanumeric) || sentence.is_ascii() { " " } else { "" };
                format!("{sentence}{blank}")
            }),
        None => String::new(),
    }
}

/// The first two lines of the table in which `from` is a later line.
fn table_head(text: &str, from: usize) -> Option<&str> {
    if !text[from..].starts_with('|') || !text[..from].ends_with('\n') {
        return None;
    }
    let mut start = from;
    while let Some(line) = text[..start].strip_suffix('\n').map(|above| above.rsplit('\n').next().unwrap_or(above)) {
        if !line.starts_with('|') {
            break;
        }
        start -= line.len() + 1;
    }
    let mut lines = text[start..].split_inclusive('\n');
    let (first, second) = (lines.next()?, lines.next()?);
    let is_rule =
        second.contains("--") && second.chars().all(|letter| matches!(letter, '|' | '-' | ':' | ' ' | '\n' | '\r'));
    let end = start + first.len() + second.len();
    (is_rule && end <= from).then(|| &text[start..end])
}

/// The last sentence of a piece, where it ends with one and does not consist of it.
fn last_sentence(piece: &str) -> Option<&str> {
    let ends = ['。', '！', '？', '；', '.', '!', '?', ';', '\n'];
    let body = piece.strip_suffix(['。', '！', '？', '；', '.', '!', '?', ';'])?;
    let mut from = body.char_indices().rev();
    let start = from.find_map(|(at, letter)| {
        let end = at + letter.len_utf8();
        let is_end = ends.contains(&letter)
            && (!letter.is_ascii() || body[end..].starts_with(char::is_whitespace) || letter == '\n');
        is_end.then_some(end)
    })?;
    let sentence = piece[start..].trim_start();
    (!sentence.is_empty()).then_some(sentence)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(text: &str, most: usize, pieces: &[&str]) {
        let found: Vec<_> = cut(text, most).into_iter().map(|piece| piece.text).collect();
        assert_eq!(found, pieces);
    }

    #[test]
    fn a_short_text_is_one_piece_without_the_blanks_around_it() {
        check("\n a b \n", 20, &["a b"]);
        check(" \n ", 20, &[]);
    }

    #[test]
    fn a_blank_line_is_the_best_place_and_then_the_end_of_a_line() {
        check("one two\n\nthree.\nfour. five", 20, &["one two", "three.\nfour. five"]);
        check("one two three.\nfour. five", 20, &["one two three.", "four. five"]);
        check("one two.\n\nthree four. five six seven", 30, &["one two.\n\nthree four.", "five six seven"]);
        check("12345678\n\n1234567890 12345678", 24, &["12345678", "1234567890 12345678"]);
    }

    #[test]
    fn a_sentence_is_repeated_where_a_paragraph_is_cut() {
        let text =
            "The first sentence is long enough to stand. Short one. And the third one goes on for a while. End here.";
        let pieces: Vec<_> = cut(text, 64).into_iter().map(|piece| piece.text).collect();
        assert_eq!(pieces[0], "The first sentence is long enough to stand. Short one.");
        assert_eq!(pieces[1], "Short one. And the third one goes on for a while. End here.");
        check("第一句话在这里。第二句。第三句话也在这里。", 40, &["第一句话在这里。第二句。", "第三句话也在这里。"]);
        check(
            "第一句话写在这里放着。第二。第三句话也写在这里。",
            48,
            &["第一句话写在这里放着。第二。", "第二。第三句话也写在这里。"],
        );
    }

    #[test]
    fn a_table_that_is_cut_keeps_its_head() {
        let rows = "| A | B |\n|---|---|\n| 1 | 2 |\n| 3 | 4 |\n| 5 | 6 |\n| 7 | 8 |\n| 9 | 0 |\n| x | y |\n| z | w |\n| u | v |";
        let pieces = cut(rows, 84);
        assert!(pieces.len() > 1);
        assert!(pieces.iter().all(|piece| piece.text.starts_with("| A | B |\n|---|---|\n| ")), "{pieces:?}");
    }

    #[test]
    fn what_has_no_place_to_cut_is_cut_between_characters() {
        check("茶茶茶茶茶茶茶", 16, &["茶茶茶茶茶", "茶茶"]);
        check("abcdefghijklmnopqrst", 16, &["abcdefghijklmnop", "qrst"]);
    }

    fn blanks_removed(text: &str) -> String {
        text.chars().filter(|letter| !letter.is_whitespace()).collect()
    }

    proptest! {
        #[test]
        fn nothing_is_lost_and_the_bounds_are_kept(
            text in r"([a-z]{1,9}[.!?]? |[茶壶水红绿]{1,7}[。！？]?|\n|\n\n|\| [a-z] \| [0-9] \|\n|\|---\|---\|\n|[\u{300}é😀]{1,3}|\PC){0,80}",
            most in 16_usize..200,
        ) {
            let pieces = cut(&text, most);
            let mut end = 0;
            for piece in &pieces {
                prop_assert!(piece.text.len() <= most, "{piece:?}");
                prop_assert!(piece.own.start >= end && !piece.own.is_empty(), "{piece:?}");
                prop_assert!(piece.text.ends_with(&text[piece.own.clone()]), "{piece:?}");
                prop_assert!(text[end..piece.own.start].trim().is_empty(), "lost {:?}", &text[end..piece.own.start]);
                end = piece.own.end;
            }
            prop_assert!(text[end..].trim().is_empty());
            let own: String = pieces.iter().map(|piece| &text[piece.own.clone()]).collect();
            prop_assert_eq!(blanks_removed(&own), blanks_removed(&text));
        }
    }
}
