//! The code that is checked in is what the schema makes.

use std::fs;

#[test]
fn the_checked_in_code_is_what_the_schema_makes() {
    let fresh = tempfile::tempdir().unwrap();
    schema::generate(fresh.path()).unwrap();
    for file in schema::GENERATED {
        let checked_in = fs::read_to_string(schema::protocol_dir().join("src/generated").join(file)).unwrap();
        let made = fs::read_to_string(fresh.path().join(file)).unwrap();
        assert!(checked_in == made, "{file} is not what the schema makes: run `cargo run -p schema`");
    }
    assert_eq!(fs::read_dir(fresh.path()).unwrap().count(), schema::GENERATED.len(), "a file is not checked in");
}
