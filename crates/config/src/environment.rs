//! Overriding the file by environment variables.

use std::collections::BTreeMap;

use toml::{Table, Value};

use crate::ConfigError;
use crate::schema::{Key, Kind, join};

/// Every variable that sets a key starts so. The key's path follows, in upper case, with `_` for `.` and `-`.
pub(crate) const PREFIX: &str = "FRONTDESK_";

/// Names the configuration file itself.
pub const FILE_VARIABLE: &str = "FRONTDESK_CONFIG";

/// The key for the model's server, as OpenAI's own tools name it.
pub(crate) const OPENAI_API_KEY: &str = "OPENAI_API_KEY";

/// OpenTelemetry's variables for traces, as all of its tools name them: where to, the same for all signals, and what turns
/// traces off.
const TRACES_ENDPOINT: &str = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT";
const ENDPOINT: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";
const TRACES_HEADERS: &str = "OTEL_EXPORTER_OTLP_TRACES_HEADERS";
const HEADERS: &str = "OTEL_EXPORTER_OTLP_HEADERS";
const DISABLED: &str = "OTEL_SDK_DISABLED";
const EXPORTER: &str = "OTEL_TRACES_EXPORTER";
const OPENTELEMETRY: [&str; 6] = [TRACES_ENDPOINT, ENDPOINT, TRACES_HEADERS, HEADERS, DISABLED, EXPORTER];

/// What an endpoint for all signals has no path for.
const TRACES_PATH: &str = "/v1/traces";

/// Which variable set which key (dotted path).
pub(crate) type SetBy = BTreeMap<String, String>;

/// The variables of this process that concern the configuration.
#[must_use]
pub fn environment() -> Vec<(String, String)> {
    std::env::vars_os()
        .map(|(name, value)| (name.to_string_lossy().into_owned(), value.to_string_lossy().into_owned()))
        .filter(|(name, _)| {
            name.starts_with(PREFIX) || name == OPENAI_API_KEY || OPENTELEMETRY.contains(&name.as_str())
        })
        .collect()
}

/// Writes the variables into the table read from the file. An empty variable counts as not set.
pub(crate) fn overlay(
    root: &mut Table,
    keys: &'static [Key],
    variables: &BTreeMap<String, String>,
) -> Result<SetBy, ConfigError> {
    let mut set_by = SetBy::new();
    for (name, text) in variables.iter().filter(|(_, text)| !text.is_empty()) {
        let Some(rest) = name.strip_prefix(PREFIX) else { continue };
        if name == FILE_VARIABLE || is_service_link(rest) {
            continue;
        }
        let Some((path, kind)) = resolve(keys, &rest.to_ascii_lowercase(), root) else {
            return Err(ConfigError::new(
                name,
                "sets no key; docs/configuration.md lists the keys and their variables",
            ));
        };
        let dotted = path.join(".");
        let value = parse(kind, text).map_err(|reason| {
            let error = ConfigError::new(&dotted, reason).set_by(name);
            match kind.holds_secret() {
                true => error,
                false => error.with_value(&format!("{text:?}")),
            }
        })?;
        insert(root, &path, value).map_err(|at| ConfigError::new(at, "must be a table"))?;
        set_by.insert(dotted, name.clone());
    }
    Ok(set_by)
}

/// Takes `OPENAI_API_KEY` for `ai.api_key`, where nothing else sets it.
pub(crate) fn accept_openai_key(root: &mut Table, variables: &BTreeMap<String, String>) {
    let Some(key) = variables.get(OPENAI_API_KEY).filter(|key| !key.is_empty()) else { return };
    let ai = root.entry("ai").or_insert_with(|| Value::Table(Table::new()));
    if let Value::Table(ai) = ai {
        ai.entry("api_key").or_insert_with(|| Value::from(key.as_str()));
    }
}

/// Takes OpenTelemetry's variables for `traces.url` and `traces.headers`, where nothing else sets these.
pub(crate) fn accept_opentelemetry(root: &mut Table, variables: &BTreeMap<String, String>, set_by: &mut SetBy) {
    let variable = |name: &'static str| variables.get(name).filter(|text| !text.is_empty()).map(|text| (name, text));
    let says = |name, word: &str| variable(name).is_some_and(|(_, text)| text.eq_ignore_ascii_case(word));
    if says(DISABLED, "true") || says(EXPORTER, "none") {
        return;
    }
    let whole = variable(TRACES_ENDPOINT).map(|(name, url)| (name, url.clone()));
    let base = || variable(ENDPOINT).map(|(name, base)| (name, format!("{}{TRACES_PATH}", base.trim_end_matches('/'))));
    let headers = variable(TRACES_HEADERS).or_else(|| variable(HEADERS)).map(|(name, text)| (name, text.clone()));
    for (key, found) in [("url", whole.or_else(base)), ("headers", headers)] {
        let Some((variable, text)) = found else { continue };
        let traces = root.entry("traces").or_insert_with(|| Value::Table(Table::new()));
        if let Value::Table(traces) = traces
            && !traces.contains_key(key)
        {
            traces.insert(key.to_owned(), Value::from(text));
            set_by.insert(join("traces", key), variable.to_owned());
        }
    }
}

/// Kubernetes gives every container variables for each service: a service called `frontdesk` would otherwise stop the
/// node.
fn is_service_link(rest: &str) -> bool {
    let rest = format!("_{rest}");
    rest.ends_with("_PORT") || rest.contains("_SERVICE_HOST") || rest.contains("_SERVICE_PORT") || {
        rest.split("_PORT_").nth(1).is_some_and(|rest| rest.starts_with(|first: char| first.is_ascii_digit()))
    }
}

/// Finds the key that a variable means. `rest` is lower case; `_` may stand for `.`, `-` or itself.
fn resolve(keys: &'static [Key], rest: &str, table: &Table) -> Option<(Vec<String>, &'static Kind)> {
    if let Some(key) = keys.iter().find(|key| key.name == rest) {
        return Some((vec![key.name.to_owned()], &key.kind));
    }
    let empty = Table::new();
    keys.iter().find_map(|key| {
        let rest = rest.strip_prefix(key.name)?.strip_prefix('_')?;
        let inner = table.get(key.name).and_then(Value::as_table).unwrap_or(&empty);
        let (mut path, kind) = resolve_inner(&key.kind, rest, inner)?;
        path.insert(0, key.name.to_owned());
        Some((path, kind))
    })
}

fn resolve_inner(kind: &'static Kind, rest: &str, table: &Table) -> Option<(Vec<String>, &'static Kind)> {
    match kind {
        Kind::Table(keys) => resolve(keys, rest, table),
        Kind::ByLanguage(kind) => {
            let tag = rest.replace('_', "-");
            let known = table.keys().find(|known| known.eq_ignore_ascii_case(&tag)).cloned();
            Some((vec![known.unwrap_or(tag)], kind))
        }
        Kind::BySite(keys) => resolve_site(keys, rest, table),
        Kind::Text(_)
        | Kind::Secret
        | Kind::Url(_)
        | Kind::Integer
        | Kind::Switch
        | Kind::List(_)
        | Kind::Tables(_) => None,
    }
}

/// A site of the file, the longest name first; else the first word names a new site.
fn resolve_site(keys: &'static [Key], rest: &str, table: &Table) -> Option<(Vec<String>, &'static Kind)> {
    let mut sites: Vec<_> = table.keys().map(|site| (site.clone(), site.replace('-', "_"))).collect();
    sites.sort_by_key(|(site, _)| std::cmp::Reverse(site.len()));
    if let Some((site, _)) = rest.split_once('_') {
        sites.push((site.to_owned(), site.to_owned()));
    }
    let empty = Table::new();
    sites.iter().find_map(|(site, spelt)| {
        let rest = rest.strip_prefix(spelt.as_str())?.strip_prefix('_')?;
        let inner = table.get(site).and_then(Value::as_table).unwrap_or(&empty);
        let (mut path, kind) = resolve(keys, rest, inner)?;
        path.insert(0, site.clone());
        Some((path, kind))
    })
}

/// Reads a variable's text as a value of the file.
fn parse(kind: &Kind, text: &str) -> Result<Value, &'static str> {
    match kind {
        Kind::Text(_) | Kind::Secret | Kind::Url(_) => Ok(Value::from(text)),
        Kind::Integer => text.replace('_', "").parse::<i64>().map(Value::from).map_err(|_| "must be a whole number"),
        Kind::Switch => text.parse::<bool>().map(Value::from).map_err(|_| "must be true or false"),
        Kind::List(kind) if !text.trim_start().starts_with('[') => {
            let items: Result<Vec<_>, _> = text.split(',').map(|item| parse(kind, item.trim())).collect();
            items.map(Value::Array)
        }
        Kind::List(_) | Kind::Tables(_) => inline(text, "must be a list, written as in the file: [ … ]"),
        Kind::Table(_) | Kind::ByLanguage(_) | Kind::BySite(_) => {
            inline(text, "must be a table, written as in the file: { … }")
        }
    }
}

/// A list or a table in the file's own notation.
fn inline(text: &str, reason: &'static str) -> Result<Value, &'static str> {
    let mut table: Table = format!("value = {text}").parse().map_err(|_| reason)?;
    match (table.remove("value"), table.is_empty()) {
        (Some(value), true) if value.is_array() || value.is_table() => Ok(value),
        _ => Err(reason),
    }
}

/// Sets the value at a path, making tables on the way. The error is the path of something that is no table.
fn insert(root: &mut Table, path: &[String], value: Value) -> Result<(), String> {
    let Some((last, tables)) = path.split_last() else { return Ok(()) };
    let mut at = String::new();
    let mut table = root;
    for name in tables {
        at = join(&at, name);
        let next = table.entry(name).or_insert_with(|| Value::Table(Table::new()));
        table = next.as_table_mut().ok_or_else(|| at.clone())?;
    }
    table.insert(last.clone(), value);
    Ok(())
}

/// The variable that set `path`, or something around it.
pub(crate) fn setter<'a>(set_by: &'a SetBy, path: &str) -> Option<&'a str> {
    let around = |set: &str| path == set || path.strip_prefix(set).is_some_and(|rest| rest.starts_with(['.', '[']));
    set_by.iter().find(|(set, _)| around(set)).map(|(_, variable)| variable.as_str())
}
