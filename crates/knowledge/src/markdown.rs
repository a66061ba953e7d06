//! Markdown: front matter, headings, and the words without their markup.

use std::ops::Range;

use pulldown_cmark::{Event, HeadingLevel, Options, Parser, Tag, TagEnd};

use crate::document::Document;
use crate::language;

/// Reads a text in Markdown. Its title is the front matter's, or the first heading of the first level.
pub(crate) fn read(source: &str) -> Document {
    let (front, body) = front_matter(source);
    let headings = headings(body);
    let first = headings.iter().find(|heading| heading.level == HeadingLevel::H1);
    let mut document = Document { language: front.language, url: front.url, ..Document::default() };
    document.title = front.title.or_else(|| first.map(|heading| heading.text.clone())).unwrap_or_default();

    let mut path: Vec<(HeadingLevel, String)> = Vec::new();
    let mut from = 0;
    for heading in headings {
        document.push(&names(&path, &document.title), &body[from..heading.range.start]);
        path.retain(|(level, _)| *level < heading.level);
        path.push((heading.level, heading.text));
        from = heading.range.end;
    }
    document.push(&names(&path, &document.title), &body[from..]);
    document
}

/// The headings of a path without the title, which every passage has beside it.
fn names(path: &[(HeadingLevel, String)], title: &str) -> Vec<String> {
    let is_title =
        |index: usize, level: HeadingLevel, text: &str| index == 0 && level == HeadingLevel::H1 && text == title;
    let rest = path.iter().enumerate().filter(|(index, (level, text))| !is_title(*index, *level, text));
    rest.map(|(_, (_, text))| text.clone()).collect()
}

/// What a text in Markdown says, without its markup and without the targets of its links.
pub(crate) fn plain(source: &str) -> String {
    let mut plain = String::with_capacity(source.len());
    for event in Parser::new_ext(source, options()) {
        match event {
            Event::Text(text) | Event::Code(text) => plain.push_str(&text),
            Event::SoftBreak | Event::HardBreak | Event::Rule => plain.push('\n'),
            Event::End(TagEnd::TableCell) => plain.push_str(" | "),
            Event::End(end) if !is_inside_a_line(end) => plain.push('\n'),
            _ => {}
        }
    }
    plain
}

fn is_inside_a_line(end: TagEnd) -> bool {
    matches!(end, TagEnd::Emphasis | TagEnd::Strong | TagEnd::Strikethrough | TagEnd::Link | TagEnd::Image)
}

fn options() -> Options {
    Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH
}

/// A heading that stands for itself, not in a quotation or a list.
struct Heading {
    level: HeadingLevel,
    text: String,
    range: Range<usize>,
}

fn headings(source: &str) -> Vec<Heading> {
    let mut headings = Vec::new();
    let mut depth = 0_usize;
    let mut open: Option<Heading> = None;
    for (event, range) in Parser::new_ext(source, options()).into_offset_iter() {
        match event {
            Event::Start(Tag::Heading { level, .. }) if depth == 0 => {
                depth += 1;
                open = Some(Heading { level, text: String::new(), range });
            }
            Event::Start(_) => depth += 1,
            Event::End(end) => {
                depth = depth.saturating_sub(1);
                if let (TagEnd::Heading(_), 0, Some(mut heading)) = (end, depth, open.take_if(|_| depth == 0)) {
                    heading.text = heading.text.split_whitespace().collect::<Vec<_>>().join(" ");
                    headings.push(heading);
                }
            }
            Event::Text(text) | Event::Code(text) => {
                if let Some(heading) = &mut open {
                    heading.text.push_str(&text);
                }
            }
            Event::SoftBreak | Event::HardBreak => {
                if let Some(heading) = &mut open {
                    heading.text.push(' ');
                }
            }
            _ => {}
        }
    }
    headings
}

/// What the lines between `---` and `---` at the beginning of a file say.
#[derive(Debug, Default, PartialEq, Eq)]
struct Front {
    title: Option<String>,
    url: Option<String>,
    language: Option<String>,
}

/// Splits the front matter off. Keys that mean nothing here are left out: other programs have theirs.
fn front_matter(source: &str) -> (Front, &str) {
    let mut front = Front::default();
    let Some(rest) = source.strip_prefix("---").and_then(after_line_end) else { return (front, source) };
    let mut from = 0;
    for line in rest.split_inclusive('\n') {
        from += line.len();
        if line.trim_end() == "---" {
            return (front, &rest[from..]);
        }
        let Some((key, value)) = line.split_once(':') else { continue };
        let value = value.trim().trim_matches(['"', '\'']).trim();
        let value = (!value.is_empty()).then(|| value.to_owned());
        match key.trim() {
            "title" => front.title = value,
            "url" => front.url = value,
            "lang" | "language" => front.language = value.as_deref().map(language::base),
            _ => {}
        }
    }
    // No end: the line was a rule, and all of it is text.
    (Front::default(), source)
}

fn after_line_end(text: &str) -> Option<&str> {
    text.strip_prefix('\n').or_else(|| text.strip_prefix("\r\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(source: &str, title: &str, sections: &[(&[&str], &str)]) {
        let document = read(source);
        assert_eq!(document.title, title);
        let found: Vec<(Vec<&str>, &str)> = (document.sections.iter())
            .map(|section| (section.headings.iter().map(String::as_str).collect(), section.text.as_str()))
            .collect();
        let sections: Vec<_> = sections.iter().map(|(headings, text)| (headings.to_vec(), *text)).collect();
        assert_eq!(found, sections);
    }

    #[test]
    fn a_text_is_cut_at_its_headings_and_keeps_their_path() {
        check(
            "# Tea\n\nWe sell tea.\n\n## Green\nFresh.\n### Japan\nSteamed.\n## `Black` *tea*\nStrong.\n",
            "Tea",
            &[
                (&[], "We sell tea."),
                (&["Green"], "Fresh."),
                (&["Green", "Japan"], "Steamed."),
                (&["Black tea"], "Strong."),
            ],
        );
    }

    #[test]
    fn what_looks_like_a_heading_in_code_or_in_a_quotation_is_none() {
        check("# A\n\n```\n# no\n```\n\n> # no\n\nB\n=\nb", "A", &[(&[], "```\n# no\n```\n\n> # no"), (&["B"], "b")]);
    }

    #[test]
    fn a_heading_without_text_is_part_of_the_path_only() {
        check("# A\n## B\n### C\nc\n## D\n", "A", &[(&["B", "C"], "c")]);
    }

    #[test]
    fn front_matter_names_title_address_and_language() {
        let document = read("---\ntitle: \"Our teas\"\nurl: /teas.html\nlang: zh-CN\nlayout: wide\n---\n# Teas\ntext");
        assert_eq!(document.title, "Our teas");
        assert_eq!((document.url.as_deref(), document.language.as_deref()), (Some("/teas.html"), Some("zh")));
        assert_eq!(document.sections[0].headings, ["Teas"]);
        assert_eq!(document.sections[0].text, "text");
    }

    #[test]
    fn a_rule_at_the_beginning_is_no_front_matter() {
        let document = read("---\nurl: x\n\ntext");
        assert_eq!(document.url, None);
        assert_eq!(document.sections[0].text, "---\nurl: x\n\ntext");
    }

    #[test]
    fn plain_text_has_no_markup_and_no_targets() {
        let text = plain("See **[the page](/en/x.html)**, `a`\nand\n\n| A | B |\n|---|---|\n| 1 | 2 |\n\n- x\n- y");
        assert_eq!(text, "See the page, a\nand\nA | B | \n1 | 2 | \n\nx\ny\n\n");
    }
}
