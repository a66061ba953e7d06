//! The configuration as its readers meet it: good files, bad files, variables, the reference.

mod bad;
mod good;
mod reference;
mod services;
mod variables;

use config::{Config, ConfigError};

/// A site that lacks nothing.
const SHOP: &str = "[sites.shop]\nname = \"Shop\"\norigins = [\"https://shop.example\"]\n";

fn parse(text: &str, variables: &[(&str, &str)]) -> Result<Config, ConfigError> {
    Config::parse(text, variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())))
}

/// What the program prints, for a configuration that must be refused.
fn refusal(text: &str, variables: &[(&str, &str)]) -> String {
    match parse(text, variables) {
        Ok(_) => "(taken)".to_owned(),
        Err(error) => error.to_string(),
    }
}
