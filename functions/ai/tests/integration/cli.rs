//! The commands of the program.

use std::path::Path;
use std::process::{Command, Output};

use anyhow::Result;

use crate::program::AI;

const INTENTS: &str = include_str!("../../src/intents/shop.toml");

fn ai(folder: &Path, args: &[&str]) -> Result<Output> {
    Ok(Command::new(AI).args(args).current_dir(folder).output()?)
}

/// Standard output of a command that goes well.
#[track_caller]
fn said(output: &Output) -> String {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// The command ends with 64 and says `part` on standard error.
#[track_caller]
fn check_refused(output: &Output, part: &str) {
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(64), "{error}");
    assert!(error.contains(part) && output.stdout.is_empty(), "{error}");
}

#[test]
fn intents_are_trained_tested_and_explained() -> Result<()> {
    let folder = tempfile::tempdir()?;
    std::fs::write(folder.path().join("intents.toml"), INTENTS)?;
    let trained = said(&ai(folder.path(), &["intents", "train", "intents.toml", "--out", "shop.intents"])?);
    assert!(trained.contains("shop.intents: ") && folder.path().join("shop.intents").is_file(), "{trained}");
    let tested = said(&ai(folder.path(), &["intents", "test", "intents.toml"])?);
    assert!(trained.starts_with(&tested.trim_end()[..40.min(tested.len())]), "{tested}");
    for model in ["shop.intents", "intents.toml"] {
        let explained = said(&ai(folder.path(), &["intents", "explain", model, "when do I get my money back"])?);
        assert!(explained.contains("refund") && explained.contains("reply: Within five days."), "{explained}");
    }
    let messages = "refund = [\"refund my money\"]\nout_of_scope = [\"what is the capital of Chile\"]\n";
    std::fs::write(folder.path().join("messages.toml"), messages)?;
    said(&ai(folder.path(), &["intents", "test", "intents.toml", "--messages", "messages.toml"])?);
    Ok(())
}

/// One example of a refund has the words of opening hours: it is taken for these, and its likeness for a refund.
const CONFUSED: &str = r#"
[intents.refund]
title.en = "a refund"
reply.en = "Within five days."
examples.en = ["refund my money", "refund the money", "refund money please", "refund money now", "when are you open today"]
[intents.opening]
title.en = "opening hours"
reply.en = "Nine to five."
examples.en = ["when are you open", "when are you open now", "are you open today", "are you open now", "when do you open today"]
"#;

const CONFUSIONS: &str = "Taken for another:
  1 × opening taken for refund: are you open today
  1 × refund taken for opening: when are you open today
";

#[test]
fn intents_are_cross_validated_in_as_many_parts_as_asked_for_with_what_is_confused() -> Result<()> {
    let folder = tempfile::tempdir()?;
    std::fs::write(folder.path().join("confused.toml"), CONFUSED)?;
    let tested = |args: &[&str]| {
        Ok::<_, anyhow::Error>(said(&ai(folder.path(), &[&["intents", "test", "confused.toml"], args].concat())?))
    };
    let in_ten = tested(&["--folds", "10"])?;
    assert!(
        in_ten.starts_with("Cross-validation in 10 parts: every example was judged by a model without it.\n"),
        "{in_ten}"
    );
    assert!(in_ten.contains("  right intent     80.0 % (8 of 10)\n"), "{in_ten}");
    assert!(in_ten.ends_with(CONFUSIONS), "{in_ten}");
    assert!(tested(&["--folds", "2"])?.starts_with("Cross-validation in 2 parts"));
    assert_eq!(tested(&[])?, tested(&["--folds", "5"])?);
    for folds in ["0", "1", "21", "many"] {
        check_refused(&ai(folder.path(), &["intents", "test", "confused.toml", "--folds", folds])?, "--folds");
    }
    std::fs::write(folder.path().join("messages.toml"), "refund = [\"money\"]\n")?;
    let both = ["intents", "test", "confused.toml", "--folds", "3", "--messages", "messages.toml"];
    check_refused(&ai(folder.path(), &both)?, "cannot be used with");
    Ok(())
}

#[test]
fn texts_are_indexed_and_searched_as_an_index_and_as_a_folder() -> Result<()> {
    let folder = tempfile::tempdir()?;
    std::fs::create_dir(folder.path().join("texts"))?;
    std::fs::write(folder.path().join("texts/a.md"), "# Bikes\n\n## Do you rent bikes?\nYes, for **€9** a day.\n")?;
    let indexed = said(&ai(folder.path(), &["knowledge", "index", "texts", "--out", "index"])?);
    assert!(indexed.contains('1'), "{indexed}");
    for place in ["index", "texts"] {
        let found = said(&ai(folder.path(), &["knowledge", "search", place, "do you rent bikes"])?);
        assert!(found.starts_with("answerable") && found.contains("Do you rent bikes?"), "{found}");
        let found = said(&ai(folder.path(), &["knowledge", "search", place, "capital of Mongolia"])?);
        assert!(found.starts_with("not answerable"), "{found}");
    }
    Ok(())
}

#[test]
fn what_cannot_be_used_ends_with_64_and_its_name() -> Result<()> {
    let folder = tempfile::tempdir()?;
    std::fs::write(folder.path().join("bad.toml"), "[intents.one]\nexamples = 3\n")?;
    std::fs::write(folder.path().join("text.txt"), "no model")?;
    for (args, part) in [
        (&["elephant"][..], "elephant"),
        (&["intents", "train", "nowhere.toml", "--out", "x"], "nowhere.toml"),
        (&["intents", "train", "bad.toml", "--out", "x"], "bad.toml"),
        (&["intents", "train", "bad.toml"], "--out"),
        (&["intents", "explain", "text.txt", "hi"], "not a trained intent model"),
        (&["knowledge", "index", "nowhere", "--out", "x"], "nowhere"),
        (&["knowledge", "search", "nowhere", "hi"], "nowhere"),
    ] {
        check_refused(&ai(folder.path(), args)?, part);
    }
    Ok(())
}

#[test]
fn help_says_what_there_is_and_is_no_error() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let help = said(&ai(folder.path(), &["--help"])?);
    assert!(help.contains("intents") && help.contains("knowledge") && help.contains("frontdesk.toml"), "{help}");
    let help = said(&ai(folder.path(), &["intents", "--help"])?);
    assert!(help.contains("train") && help.contains("test") && help.contains("explain"), "{help}");
    Ok(())
}
