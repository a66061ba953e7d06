//! The document names every message, field and enum value of the schema, and nothing else.

use std::collections::{BTreeMap, BTreeSet};

use crate::markdown;

/// Name → rows of (field or value, number, type).
type Tables = BTreeMap<String, Vec<(String, i32, String)>>;

/// The messages and the enums of the schema.
fn schema_tables() -> (Tables, Tables) {
    let set = schema::descriptors().unwrap().file_descriptor_set();
    let file = set.file.iter().find(|file| file.name() == schema::CLIENT_PROTO).unwrap();
    let own_name = |path: &str| path.rsplit('.').next().unwrap().to_owned();
    let messages = file.message_type.iter().map(|message| {
        let rows = message.field.iter().map(|field| {
            let scalar = field.r#type().as_str_name().trim_start_matches("TYPE_").to_lowercase();
            let one = if field.type_name().is_empty() { scalar } else { own_name(field.type_name()) };
            let is_list = field.label().as_str_name() == "LABEL_REPEATED";
            let kind = if is_list { format!("repeated {one}") } else { one };
            (field.name().to_owned(), field.number(), kind)
        });
        (message.name().to_owned(), rows.collect())
    });
    let enums = file.enum_type.iter().map(|list| {
        let rows = list.value.iter().map(|value| (value.name().to_owned(), value.number(), String::new()));
        (list.name().to_owned(), rows.collect())
    });
    (messages.collect(), enums.collect())
}

/// The rows of a section's table; an enum's have no type.
fn documented(section: &markdown::Section, with_type: bool) -> Vec<(String, i32, String)> {
    let kind = |row: &[String]| if with_type { row[2].clone() } else { String::new() };
    section.rows().iter().map(|row| (row[0].clone(), row[1].parse().unwrap(), kind(row))).collect()
}

#[test]
fn every_message_has_a_section_with_exactly_its_fields() {
    let (messages, enums) = schema_tables();
    for (name, fields) in &messages {
        let section = markdown::section(name);
        assert_eq!(documented(&section, true), *fields, "fields of {name}");
        let empty = section.lines.iter().any(|line| line.starts_with("No fields."));
        assert_eq!(empty, fields.is_empty(), "{name} says that it has no fields");
    }
    let named: BTreeSet<_> = markdown::subsections("Messages").into_iter().map(|section| section.title).collect();
    let known: BTreeSet<_> = messages.keys().chain(enums.keys()).cloned().collect();
    assert_eq!(named.difference(&known).collect::<Vec<_>>(), Vec::<&String>::new(), "not in the schema");
}

#[test]
fn every_enum_has_a_section_with_exactly_its_values() {
    let (_, enums) = schema_tables();
    for (name, values) in &enums {
        assert_eq!(documented(&markdown::section(name), false), *values, "values of {name}");
    }
}

#[test]
fn every_field_and_value_that_the_text_mentions_exists() {
    let (messages, enums) = schema_tables();
    let values: BTreeSet<_> = enums.values().flatten().map(|(value, ..)| value.clone()).collect();
    for span in markdown::code_spans() {
        if let Some((message, field)) = span.split_once('.')
            && let Some(fields) = messages.get(message)
        {
            assert!(fields.iter().any(|(name, ..)| name == field), "`{span}` is not in the schema");
        }
        let is_constant = span.contains('_') && span.bytes().all(|b| b.is_ascii_uppercase() || b == b'_');
        assert!(!is_constant || values.contains(&span), "`{span}` is not in the schema");
        let is_name = span.starts_with(|first: char| first.is_ascii_uppercase())
            && span.bytes().all(|b| b.is_ascii_alphabetic())
            && span.bytes().any(|b| b.is_ascii_lowercase());
        assert!(!is_name || messages.contains_key(&span) || enums.contains_key(&span), "`{span}` is not in the schema");
    }
}
