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
    let names = compiled_for_local_dev(&[]).unwrap();
    assert!(names.iter().any(|name| name == "lambda_runtime"), "cargo tree is read wrongly");
    let amazons = layering::amazon_crates(names.iter().map(String::as_str));
    assert!(amazons.is_empty(), "{amazons:?}");
}

#[test]
fn amazons_sdk_is_compiled_for_who_asks_for_dynamodb_or_lambda_and_with_one_tls_library() {
    for (feature, sdk) in [("dynamodb", "aws-sdk-dynamodb"), ("lambda", "aws-sdk-lambda")] {
        let names = compiled_for_local_dev(&["--features", feature]).unwrap();
        let amazons = layering::amazon_crates(names.iter().map(String::as_str));
        assert!(amazons.contains(sdk), "{amazons:?}");
        let second: Vec<_> = amazons.iter().filter(|name| name.starts_with("aws-lc")).collect();
        assert!(second.is_empty(), "ring is enough: {second:?}");
    }
}

/// The names of the crates that `cargo run -p local-dev` compiles.
fn compiled_for_local_dev(options: &[&str]) -> anyhow::Result<Vec<String>> {
    let tree = ["tree", "--package", "local-dev", "--edges", "normal,build", "--prefix", "none", "--format", "{p}"];
    let tree = String::from_utf8(repository::output(env!("CARGO"), &[&tree, options].concat())?)?;
    Ok(tree.lines().filter_map(|line| line.split(' ').next()).map(str::to_owned).collect())
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
