//! The document's tables of codes are those of the code, word for word.

use protocol::CloseCode;
use protocol::codes::{ErrorRow, MAX_BAD_FRAMES};
use protocol::v1::ErrorCode;

use crate::markdown;

/// Unassigned numbers between the last code and this one are looked at too.
const MAX_ERROR_CODE: i32 = 1_000;

fn error_codes() -> impl Iterator<Item = ErrorCode> {
    (0..MAX_ERROR_CODE).filter_map(|number| ErrorCode::try_from(number).ok())
}

#[test]
fn the_table_of_errors_is_that_of_the_code() {
    let expected: Vec<_> = error_codes()
        .map(|code| {
            let ErrorRow { means, client, closes } = code.row();
            let closes = closes.map(|code| code.number().to_string()).unwrap_or_default();
            format!("| `{}` | {} | {means} | {client} | {closes} |", code.as_str_name(), code as i32)
        })
        .collect();
    assert_same_table("ErrorCode", &expected);
}

#[test]
fn the_table_of_close_codes_is_that_of_the_code() {
    let expected: Vec<_> = CloseCode::ALL
        .iter()
        .map(|code| {
            let (row, advice) = (code.row(), code.come_back().advice());
            format!("| {} | `{}` | {} | {advice} |", code.number(), row.name, row.means)
        })
        .collect();
    assert_same_table("Close codes", &expected);
}

fn assert_same_table(title: &str, expected: &[String]) {
    let squeezed = |row: &String| row.split_whitespace().collect::<Vec<_>>().join(" ");
    let table: Vec<_> = markdown::section(title).lines.into_iter().filter(|line| line.starts_with('|')).collect();
    let written: Vec<_> = table.iter().skip(2).map(squeezed).collect();
    let expected: Vec<_> = expected.iter().map(squeezed).collect();
    assert!(written == expected, "docs/protocol.md, {title}: the rows should be\n{}", expected.join("\n"));
}

#[test]
fn every_close_code_in_the_text_exists() {
    // The ends of the ranges are no codes yet.
    let mut known: Vec<_> = CloseCode::ALL.iter().map(|code| code.number().to_string()).collect();
    known.extend(["4099", "4199", "4299"].map(str::to_owned));
    let lines = markdown::sections().into_iter().flat_map(|section| section.lines);
    for line in lines {
        for word in line.split(|c: char| !c.is_ascii_digit()) {
            let is_code =
                word.len() == 4 && (word.starts_with("40") || word.starts_with("41") || word.starts_with("42"));
            assert!(!is_code || known.iter().any(|code| code == word), "{word} in: {line}");
        }
    }
}

#[test]
fn the_text_says_how_many_bad_frames_are_too_many() {
    let sentence = format!("After {MAX_BAD_FRAMES} frames that are malformed, too large or out of order");
    assert!(markdown::document().contains(&sentence), "{sentence} …");
}
