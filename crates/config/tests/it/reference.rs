use expect_test::expect_file;

#[test]
fn the_configuration_page_is_in_step_with_the_declarations() {
    // UPDATE_EXPECT=1 writes the page anew.
    expect_file!["../../../../docs/configuration.md"].assert_eq(&config::reference());
}

#[test]
fn the_configuration_page_names_a_key_of_every_depth() {
    let page = config::reference();
    for line in [
        "## `[node]`",
        "| `max_connections` | number, 1 to 1000000 | `18000` | Connections held at once.",
        "## `[[tokens.keys]]`",
        "## `[sites.KEY]`",
        "| `greeting` | by language: text | none |",
        "## `[sites.KEY.theme]`",
        "## `[[sites.KEY.identity.keys]]`",
        "| `public_key` | secret text | none |",
        "Environment: `FRONTDESK_SITES_KEY_IDENTITY_…`",
    ] {
        assert!(page.contains(line), "{line} is missing");
    }
}

#[test]
fn the_example_on_the_page_can_be_used() {
    let page = config::reference();
    let example = page.split("```toml\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();

    let config = crate::parse(example, &[]).unwrap();

    assert_eq!(config.sites["shop"].name, "Cloud Tea");
}
