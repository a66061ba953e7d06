//! `docs/configuration.md`, made from the declarations.

use std::fmt::Write as _;

use crate::Config;
use crate::environment::PREFIX;
use crate::schema::{Key, Kind, Preset, join};

const INTRODUCTION: &str = "\
# Configuration

This page is made from the declarations in `crates/config`; a test keeps the two in step.

One file, `frontdesk.toml`, configures every program. A program reads the file that `FRONTDESK_CONFIG` names, else
`frontdesk.toml` in the working directory if it is there. `local-dev` brings a configuration of its own with the demo shop,
and reads another only if `--config` or `FRONTDESK_CONFIG` names it. Relative paths start at the working directory. A key
that is unknown, of the wrong type or impossible stops the program at once: it names the key, the value and the reason, and
exits with code 64. Secrets are never printed.

Every key can be overridden by an environment variable: `FRONTDESK_`, then the key's path in upper case, with `_` in place
of `.` and `-`. So `FRONTDESK_NODE_LISTEN=0.0.0.0:7001` sets `node.listen`, and
`FRONTDESK_SITES_SHOP_ORIGINS=https://shop.example,https://www.shop.example` sets `sites.shop.origins`.
`FRONTDESK_SITES_SHOP_GREETING_EN` sets the English one of a table by language. A list is written with commas, or as in
the file (`[\"a\", \"b\"]`); a list of tables as in the file. An empty variable counts as not set. A variable that starts so
and sets no key stops the program, except those that Kubernetes makes for a service (`…_SERVICE_HOST`, `…_PORT` and so
on). A site that the file does not have can be made by variables if its key has no `-`.

A file for one site, with everything else as it is by default:

```toml
";

/// The example in the reference. A test reads it.
const EXAMPLE: &str = r##"[node]
listen = "0.0.0.0:7001"

[ai]
model = "openai"
model_url = "https://api.openai.com/v1"
model_name = "gpt-5-mini" # The key comes from OPENAI_API_KEY.

[sites.shop]
name = "Cloud Tea"
origins = ["https://shop.example", "https://www.shop.example"]
languages = ["en", "zh-CN"]
greeting = { en = "Hello! How can we help?", zh-CN = "您好！请问有什么可以帮您？" }
suggestions = { en = ["Where is my parcel?", "How do I return something?"] }
theme = { color = "#2f6f4f" }
instructions = "You help customers of a tea shop. Be brief and kind."
knowledge = "knowledge/shop"
"##;

/// The text of `docs/configuration.md`.
#[must_use]
pub fn reference() -> String {
    let mut page = format!("{INTRODUCTION}{EXAMPLE}```\n");
    section(&mut page, "", Config::KEYS);
    page
}

/// Every key of a table, then the tables in it.
fn section(page: &mut String, path: &str, keys: &'static [Key]) {
    let rows: Vec<_> = keys.iter().filter(|key| inner(&key.kind).is_none()).collect();
    if !rows.is_empty() {
        page.push_str("\n| key | type | default | meaning |\n| --- | --- | --- | --- |\n");
    }
    for key in rows {
        let (kind, default) = (form(key), default(&key.preset));
        // Writing to a String cannot fail.
        let _ = writeln!(page, "| `{}` | {kind} | {default} | {} |", key.name, about(key));
    }
    for key in keys {
        let Some((keys, title)) = inner(&key.kind).map(|keys| (keys, title(path, key))) else { continue };
        let _ = write!(page, "\n## `{title}`\n\n{}\n", about(key));
        let _ = write!(page, "\nEnvironment: `{}`\n", variable(&title, &key.kind));
        section(page, title.trim_matches(['[', ']']), keys);
    }
}

/// The keys of a table or of each table in a list.
fn inner(kind: &Kind) -> Option<&'static [Key]> {
    match kind {
        Kind::Table(keys) | Kind::Tables(keys) | Kind::BySite(keys) => Some(keys),
        Kind::Text(_)
        | Kind::Secret
        | Kind::Url(_)
        | Kind::Integer
        | Kind::Switch
        | Kind::List(_)
        | Kind::ByLanguage(_) => None,
    }
}

fn title(path: &str, key: &Key) -> String {
    let path = join(path, key.name);
    match key.kind {
        Kind::Tables(_) => format!("[[{path}]]"),
        Kind::BySite(_) => format!("[{path}.KEY]"),
        _ => format!("[{path}]"),
    }
}

fn variable(title: &str, kind: &Kind) -> String {
    let name = title.trim_matches(['[', ']']).to_ascii_uppercase().replace('.', "_");
    match kind {
        Kind::Tables(_) => format!("{PREFIX}{name}"),
        _ => format!("{PREFIX}{name}_…"),
    }
}

fn about(key: &Key) -> String {
    key.about.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn form(key: &Key) -> String {
    match &key.preset {
        Preset::Integer { range, .. } => format!("number, {} to {}", range.start(), range.end()),
        _ => kind_name(&key.kind),
    }
}

fn kind_name(kind: &Kind) -> String {
    match kind {
        Kind::Text(form) | Kind::Url(form) => (*form).to_owned(),
        Kind::Secret => "secret text".to_owned(),
        Kind::Integer => "number".to_owned(),
        Kind::Switch => "`true` or `false`".to_owned(),
        Kind::List(kind) => format!("list of: {}", kind_name(kind)),
        Kind::ByLanguage(kind) => format!("by language: {}", kind_name(kind)),
        Kind::Table(_) | Kind::BySite(_) => "table".to_owned(),
        Kind::Tables(_) => "list of tables".to_owned(),
    }
}

fn default(preset: &Preset) -> String {
    match preset {
        Preset::Required => "must be set".to_owned(),
        Preset::Unset | Preset::Table => "none".to_owned(),
        preset => preset.value().map_or_else(String::new, |value| format!("`{value}`")),
    }
}
