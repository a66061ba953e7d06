//! Where the links of the Markdown files lead.

use std::collections::BTreeSet;

/// The links of a Markdown text that stay in the repository, without those in code.
pub fn local_links(markdown: &str) -> Vec<String> {
    let mut links = Vec::new();
    for line in outside_of_code_blocks(markdown) {
        let line = without_code(line);
        for part in line.split("](").skip(1) {
            let link = part.split([')', ' ']).next().unwrap_or_default();
            if !link.is_empty() && !link.contains("://") && !link.starts_with("mailto:") {
                links.push(link.to_owned());
            }
        }
    }
    links
}

/// The links of `path` that lead nowhere. `files` are all files of the repository, `text_of` reads one.
pub fn dead_links(path: &str, files: &BTreeSet<String>, text_of: impl Fn(&str) -> Option<String>) -> Vec<String> {
    let text = text_of(path).unwrap_or_default();
    let is_dead = |link: &String| {
        let (target, anchor) = link.split_once('#').map_or((link.as_str(), None), |(to, anchor)| (to, Some(anchor)));
        let target = if target.is_empty() { path.to_owned() } else { resolve(path, target) };
        let is_folder =
            files.range(format!("{target}/")..).next().is_some_and(|one| one.starts_with(&format!("{target}/")));
        if !files.contains(&target) {
            return !is_folder;
        }
        anchor.is_some_and(|anchor| {
            target.ends_with(".md") && !anchors(&text_of(&target).unwrap_or_default()).contains(anchor)
        })
    };
    local_links(&text).into_iter().filter(is_dead).map(|link| format!("{path}: {link} leads nowhere")).collect()
}

/// The anchors that GitHub makes of the headings.
fn anchors(markdown: &str) -> BTreeSet<String> {
    let headings = outside_of_code_blocks(markdown).filter(|line| line.starts_with('#'));
    let anchor = |line: &str| {
        let kept = |c: &char| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_');
        line.trim_start_matches('#').trim().to_lowercase().chars().filter(kept).collect::<String>().replace(' ', "-")
    };
    headings.map(anchor).collect()
}

fn outside_of_code_blocks(markdown: &str) -> impl Iterator<Item = &str> {
    let mut in_code = false;
    markdown.lines().filter(move |line| {
        let fence = line.trim_start().starts_with("```");
        in_code ^= fence;
        !in_code && !fence
    })
}

fn without_code(line: &str) -> String {
    line.split('`').step_by(2).collect()
}

/// Pages and texts in it are served as a site of their own: there `/` is this folder.
const DEMO_SITE: &str = "web/demo/";

fn resolve(from: &str, link: &str) -> String {
    let base = match link.starts_with('/') {
        true if from.starts_with(DEMO_SITE) => DEMO_SITE,
        true => "",
        false => from.rsplit_once('/').map_or("", |(folder, _)| folder),
    };
    let mut parts = Vec::new();
    for part in base.split('/').chain(link.split('/')) {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    parts.join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dead(text: &str) -> Vec<String> {
        let files = ["README.md", "docs/protocol.md", "web/loader/index.ts"].map(str::to_owned).into();
        let text_of = |path: &str| match path {
            "docs/protocol.md" => Some(text.to_owned()),
            "README.md" => Some("# Front desk\n## Two commands, `tests/run`\n".to_owned()),
            _ => None,
        };
        dead_links("docs/protocol.md", &files, text_of)
    }

    #[test]
    fn links_to_files_folders_and_headings_are_followed() {
        assert_eq!(dead("# A b\n[a](../README.md) [b](#a-b) [c](/web/loader) [d](https://a.example/x)"), [""; 0]);
        assert_eq!(dead("[a](../README.md#two-commands-testsrun) ![p](../web/loader/index.ts)"), [""; 0]);
    }

    #[test]
    fn links_that_lead_nowhere_are_found() {
        assert_eq!(dead("[a](README.md)"), ["docs/protocol.md: README.md leads nowhere"]);
        assert_eq!(dead("[a](#none) [b](../README.md#none)").len(), 2);
        assert_eq!(dead("[a](../webb)").len(), 1);
    }

    #[test]
    fn what_stands_in_code_is_no_link() {
        assert_eq!(dead("`[a](none)`\n```\n[b](none)\n```\n"), [""; 0]);
    }
}
