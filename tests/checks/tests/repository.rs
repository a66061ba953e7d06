//! The checks, on this repository.

use checks::{layering, links, repository, wording};

#[test]
fn arrows_between_crates_point_one_way() {
    let json = repository::output(env!("CARGO"), &["metadata", "--no-deps", "--format-version", "1"]).unwrap();
    let crates = layering::parse_metadata(&json).unwrap();
    assert!(crates.iter().any(|one| one.folder == "crates/conversation"), "cargo metadata is read wrongly");
    assert_eq!(layering::wrong_arrows(&crates), [""; 0]);
}

#[test]
fn trying_it_out_compiles_no_crate_of_amazons_sdk() {
    let tree = ["tree", "--package", "local-dev", "--edges", "normal,build", "--prefix", "none", "--format", "{p}"];
    let tree = String::from_utf8(repository::output(env!("CARGO"), &tree).unwrap()).unwrap();
    let names: Vec<_> = tree.lines().filter_map(|line| line.split(' ').next()).collect();
    assert!(names.contains(&"lambda_runtime"), "cargo tree is read wrongly");
    assert!(layering::amazon_crates(names.iter().copied()).is_empty(), "{:?}", layering::amazon_crates(names));
}

#[test]
fn committed_texts_hold_no_trace_of_a_machine_and_no_name_that_says_nothing() {
    let files = repository::files().unwrap();
    let written = |path: &&String| !path.ends_with("package-lock.json") && !path.ends_with("Cargo.lock");
    let words =
        files.iter().filter(written).filter_map(|path| Some(wording::wrong_words(path, &repository::text(path)?)));
    let wrong: Vec<_> = words.flatten().chain(files.iter().filter_map(|path| wording::wrong_name(path))).collect();
    assert_eq!(wrong, [""; 0]);
}

#[test]
fn links_in_documents_lead_somewhere() {
    let files = repository::files().unwrap();
    let documents = files.iter().filter(|path| path.ends_with(".md"));
    let dead: Vec<_> = documents.flat_map(|path| links::dead_links(path, &files, repository::text)).collect();
    assert_eq!(dead, [""; 0]);
}

#[test]
fn the_readme_names_the_two_commands_and_leaves_nothing_to_be_filled_in() {
    let readme = repository::text("README.md").unwrap();
    for command in ["cargo run -p local-dev", "tests/run"] {
        assert!(readme.lines().any(|line| line == command), "README.md has no line {command:?}");
    }
    let is_left_open = |word: &&str| word.contains('_') && word.len() > 6 && *word == word.to_uppercase();
    let is_variable = |word: &&str| word.starts_with("FRONTDESK_") || *word == "OPENAI_API_KEY";
    let words = readme.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    let left_open: Vec<_> = words.filter(is_left_open).filter(|word| !is_variable(word)).collect();
    assert_eq!(left_open, [""; 0]);
}
