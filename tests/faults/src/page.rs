//! `docs/faults.md`: made from what was seen, and compared with it.

use std::fmt::Write;

use crate::rows::Section;
use crate::seen::Seen;
use crate::world::{FIRST_TOKEN_MS, GAP_MS, PROVIDER_FIRST_MS, PROVIDER_TOKEN_MS, TOTAL_MS};

/// Columns that are compared; the others are times, and counts that depend on them.
const COMPARED: usize = 3;

/// The page. `seen` has what was seen for each row of each section.
pub fn page(sections: &[Section], seen: &[Vec<Seen>]) -> String {
    let mut page = introduction();
    for (section, seen) in sections.iter().zip(seen) {
        let _ = write!(page, "\n## {}\n\n{}\n\n", section.title, section.about);
        page.push_str(
            "| fault | what the model's server does | what the visitor sees | first word, ms | over, ms | asked |\n",
        );
        page.push_str("| --- | --- | --- | ---: | ---: | ---: |\n");
        for (row, seen) in section.rows.iter().zip(seen) {
            let first = seen.first_ms.map_or_else(|| "–".to_owned(), |first| first.to_string());
            let Seen { what, over_ms, requests, .. } = seen;
            let _ = writeln!(page, "| `{}` | {} | {what} | {first} | {over_ms} | {requests} |", row.name, row.about);
        }
    }
    page
}

fn introduction() -> String {
    format!(
        "# What a visitor sees when the model fails\n\n\
         Made by `tests/run faults` with a real visitor's client, `local-dev` with its node and the function `ai`, and the mock\n\
         provider of `tests/provider`, whose names the faults have. `cargo run -p faults -- --write` makes this page anew; the test\n\
         compares all but the last three columns.\n\n\
         The clocks are short here: {FIRST_TOKEN_MS} ms to the first token, {GAP_MS} ms between two, {TOTAL_MS} ms for the whole \
         answer. The provider\n\
         writes its first token after {PROVIDER_FIRST_MS} ms and one each {PROVIDER_TOKEN_MS} ms. Times are milliseconds since the \
         visitor sent the message, with\n\
         a debug build on a machine that had other work too. *First word* is the first piece of an answer being written (– where\n\
         the text came at once), *over* the event that ends the turn, *asked* how many requests the model's servers saw.\n"
    )
}

/// How the page that is there differs from what was seen now; empty: not at all.
pub fn differences(there: &str, now: &str) -> Vec<String> {
    let (there, now) = (compared(there), compared(now));
    let mut differences: Vec<_> =
        there.iter().filter(|line| !now.contains(line)).map(|line| format!("- {line}")).collect();
    differences.extend(now.iter().filter(|line| !there.contains(line)).map(|line| format!("+ {line}")));
    if differences.is_empty() && there != now {
        differences.push("the rows have another order".to_owned());
    }
    differences
}

fn compared(page: &str) -> Vec<String> {
    let without_times = |line: &str| match line.strip_prefix("| `") {
        Some(_) => line.split(" | ").take(COMPARED).collect::<Vec<_>>().join(" | "),
        None => line.to_owned(),
    };
    page.lines().map(without_times).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rows::sections;

    fn seen(what: &str, over_ms: u128) -> Seen {
        Seen { what: what.to_owned(), first_ms: None, over_ms, requests: 1 }
    }

    fn made(what: &str, over_ms: u128) -> String {
        let sections = sections();
        let seen: Vec<Vec<Seen>> =
            sections.iter().map(|section| section.rows.iter().map(|_| seen(what, over_ms)).collect()).collect();
        page(&sections, &seen)
    }

    #[test]
    fn times_are_not_compared_and_words_are() {
        assert_eq!(differences(&made("the whole answer", 1), &made("the whole answer", 2)), [""; 0]);
        assert!(!differences(&made("the whole answer", 1), &made("nothing", 1)).is_empty());
    }

    #[test]
    fn every_fault_has_its_row_on_the_page_that_is_committed() {
        let page = include_str!("../../../docs/faults.md");
        for section in sections() {
            for row in section.rows {
                let start = format!("| `{}` | {} | ", row.name, row.about);
                assert!(page.contains(&start), "docs/faults.md has no row {start}: run faults --write");
            }
        }
    }
}
