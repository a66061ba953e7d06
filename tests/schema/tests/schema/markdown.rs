//! Reads docs/protocol.md: its headings, tables and fenced blocks.

/// The document.
pub(crate) fn document() -> String {
    std::fs::read_to_string(schema::protocol_dir().join("../../docs/protocol.md")).unwrap()
}

/// One heading and the lines under it, without fenced blocks.
#[derive(Debug)]
pub(crate) struct Section {
    pub(crate) level: usize,
    pub(crate) title: String,
    pub(crate) lines: Vec<String>,
}

impl Section {
    /// The cells of the section's table, without its head.
    pub(crate) fn rows(&self) -> Vec<Vec<String>> {
        let rows = self.lines.iter().filter_map(|line| line.strip_prefix("| ")?.strip_suffix('|'));
        rows.skip(2).map(|row| row.split('|').map(|cell| cell.trim().replace('`', "")).collect()).collect()
    }
}

/// All sections, in order.
pub(crate) fn sections() -> Vec<Section> {
    let mut sections = vec![Section { level: 0, title: String::new(), lines: vec![] }];
    let mut fenced = false;
    for line in document().lines() {
        if line.starts_with("```") {
            fenced = !fenced;
        } else if !fenced {
            let level = line.bytes().take_while(|byte| *byte == b'#').count();
            if level > 0 {
                sections.push(Section { level, title: line[level..].trim().to_owned(), lines: vec![] });
            } else if let Some(section) = sections.last_mut() {
                section.lines.push(line.to_owned());
            }
        }
    }
    sections
}

/// The one section with this title.
pub(crate) fn section(title: &str) -> Section {
    let mut found: Vec<_> = sections().into_iter().filter(|section| section.title == title).collect();
    assert_eq!(found.len(), 1, "sections named {title:?}");
    found.remove(0)
}

/// The sections one level below `title`.
pub(crate) fn subsections(title: &str) -> Vec<Section> {
    let mut below = sections().into_iter().skip_while(|section| section.title != title);
    let level = below.next().map(|section| section.level).unwrap_or_default();
    below.take_while(|section| section.level > level).collect()
}

/// The contents of all fenced blocks, with what stands behind the fence.
pub(crate) fn fences() -> Vec<(String, String)> {
    let document = document();
    let parts: Vec<_> = document.split("\n```").collect();
    let blocks = parts.iter().skip(1).step_by(2);
    blocks.map(|block| block.split_once('\n').unwrap()).map(|(kind, text)| (kind.to_owned(), text.to_owned())).collect()
}

/// Everything between backticks outside of fenced blocks.
pub(crate) fn code_spans() -> Vec<String> {
    let lines = sections().into_iter().flat_map(|section| section.lines);
    lines.flat_map(|line| line.split('`').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>()).collect()
}
