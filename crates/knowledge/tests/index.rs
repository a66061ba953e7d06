//! An index: in memory and in a file, of all formats, against hostile questions.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::sync::LazyLock;

use knowledge::{Dictionary, Knowledge, Limits, Options, Question, Texts, build};
use proptest::prelude::*;

/// One for all tests: reading it takes a while.
fn dictionary() -> Dictionary {
    static DICTIONARY: LazyLock<Dictionary> = LazyLock::new(Dictionary::default);
    DICTIONARY.clone()
}

fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, contents) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, contents).unwrap();
    }
    folder
}

fn shop() -> tempfile::TempDir {
    folder(&[
        (
            "en/tea.md",
            "---\ntitle: Our teas\nurl: /teas\n---\n# Teas\n## What is Cloud Mist?\nA green tea from **Hangzhou**.\n",
        ),
        (
            "en/pots.html",
            "<html lang=en><link rel=canonical href=/pots><title>Pots</title><nav>Menu</nav><h2>Which pots?</h2><p>Clay and glass.",
        ),
        ("zh/tea.md", "# 茶叶\n## 云雾是什么茶？\n杭州的绿茶。\n"),
        ("hours.txt", "We are open from ten to six.\n"),
        ("synonyms.toml", "groups = [[\"pots\", \"kettles\"]]"),
        ("logo.png", "\u{0}"),
    ])
}

fn best(knowledge: &Knowledge, question: &str) -> Option<(String, Option<String>, bool)> {
    let found = knowledge.search(question.into()).unwrap();
    let best = found.passages.into_iter().next()?;
    Some((best.passage.file, best.passage.url, found.is_answerable))
}

#[track_caller]
fn finds_all(knowledge: &Knowledge) {
    let url = |url: &str| Some(url.to_owned());
    for (question, file, address) in [
        ("what is cloud mist", "en/tea.md", url("/teas")),
        ("Do you have kettles?", "en/pots.html", url("/pots")),
        ("云雾是什么", "zh/tea.md", url("https://shop.example/zh/tea")),
        ("when are you open", "hours.txt", url("https://shop.example/hours")),
    ] {
        assert_eq!(best(knowledge, question), Some((file.to_owned(), address, true)), "{question}");
    }
    assert!(!knowledge.search("Who is the king of Spain?".into()).unwrap().is_answerable);
    assert!(knowledge.search("Menu".into()).unwrap().passages.is_empty());
}

fn options() -> Options {
    Options { base_url: Some("https://shop.example".to_owned()), dictionary: dictionary(), ..Options::default() }
}

#[test]
fn markdown_html_and_text_are_found_with_their_addresses() {
    let (knowledge, report) = Knowledge::read(shop().path(), &options()).unwrap();
    finds_all(&knowledge);
    assert_eq!(report.files, 4);
    assert_eq!(
        report.passages.iter().map(|(language, count)| (language.as_str(), *count)).collect::<Vec<_>>(),
        [("en", 3), ("zh", 1)]
    );
    assert_eq!(knowledge.passages(), &report.passages);
    assert_eq!(report.skipped.iter().map(|skipped| skipped.file.as_str()).collect::<Vec<_>>(), ["logo.png"]);
}

#[test]
fn an_index_in_a_file_is_the_same_and_replaces_the_old_one() {
    let out = tempfile::tempdir().unwrap();
    let old = folder(&[("old.md", "Only old texts.")]);
    build(old.path(), out.path(), &options()).unwrap();
    let report = build(shop().path(), out.path(), &options()).unwrap();
    finds_all(&Knowledge::open_with(out.path(), &dictionary()).unwrap());
    let files: Vec<_> = fs::read_dir(out.path()).unwrap().map(|entry| entry.unwrap()).collect();
    assert_eq!(files.len(), 1);
    assert_eq!(files[0].metadata().unwrap().len(), report.index_bytes as u64);
}

#[test]
fn what_goes_wrong_while_building_leaves_the_old_index() {
    let out = tempfile::tempdir().unwrap();
    build(shop().path(), out.path(), &options()).unwrap();
    let bad = folder(&[("a.md", "a"), ("synonyms.toml", "groups = 1")]);
    let error = build(bad.path(), out.path(), &options()).unwrap_err().to_string();
    assert!(error.contains("synonyms.toml"), "{error}");
    finds_all(&Knowledge::open_with(out.path(), &dictionary()).unwrap());
}

#[cfg(unix)]
#[test]
fn opening_an_index_writes_nothing() {
    use std::os::unix::fs::PermissionsExt;
    let out = tempfile::tempdir().unwrap();
    build(shop().path(), out.path(), &options()).unwrap();
    let file = fs::read_dir(out.path()).unwrap().next().unwrap().unwrap().path();
    let state = || (fs::read(&file).unwrap(), fs::metadata(&file).unwrap().modified().unwrap());
    let before = state();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o444)).unwrap();
    fs::set_permissions(out.path(), fs::Permissions::from_mode(0o555)).unwrap();
    finds_all(&Knowledge::open_with(out.path(), &dictionary()).unwrap());
    fs::set_permissions(out.path(), fs::Permissions::from_mode(0o755)).unwrap();
    assert_eq!(state(), before);
    assert_eq!(fs::read_dir(out.path()).unwrap().count(), 1);
}

#[test]
fn a_missing_a_foreign_and_a_damaged_index_are_named() {
    let out = tempfile::tempdir().unwrap();
    let error = |said: &str| {
        let error = Knowledge::open_with(out.path(), &dictionary()).unwrap_err().to_string();
        assert!(error.contains(said) && error.contains("knowledge.index"), "{error}");
    };
    error("cannot be read");
    let file = out.path().join("knowledge.index");
    fs::write(&file, "something else").unwrap();
    error("is no knowledge index");
    build(shop().path(), out.path(), &options()).unwrap();
    let mut bytes = fs::read(&file).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0xff;
    fs::write(&file, bytes).unwrap();
    error("is damaged");
}

/// The index with `change` made to its parts, and a check sum that fits.
fn forged(index: &[u8], change: impl FnOnce(&mut [u8])) -> Vec<u8> {
    const SUM: usize = b"frontdesk knowledge index\n".len() + 4;
    const HEAD: usize = SUM + 4 + 8;
    let mut bytes = index.to_vec();
    change(&mut bytes[HEAD..]);
    let sum = crc32fast::hash(&bytes[HEAD..]);
    bytes[SUM..SUM + 4].copy_from_slice(&sum.to_le_bytes());
    bytes
}

#[test]
fn damage_behind_a_right_check_sum_is_an_error_and_no_panic() {
    let out = tempfile::tempdir().unwrap();
    build(shop().path(), out.path(), &options()).unwrap();
    let file = out.path().join("knowledge.index");
    let good = fs::read(&file).unwrap();
    let step = 61;
    let mut damaged = 0;
    for at in (0..good.len() - 64).step_by(step) {
        let change = |parts: &mut [u8]| parts.iter_mut().skip(at).take(step).for_each(|byte| *byte = 0xff);
        fs::write(&file, forged(&good, change)).unwrap();
        let found = Knowledge::open_with(out.path(), &dictionary())
            .and_then(|knowledge| knowledge.search("what is cloud mist".into()));
        damaged +=
            usize::from(found.is_err_and(|error| error.to_string().contains("the search cannot read its parts")));
    }
    assert!(damaged > 0, "no damage made the search panic, so that this shows nothing");
}

#[test]
fn a_folder_without_passages_is_indexed_and_finds_nothing() {
    let (knowledge, report) = Knowledge::read(folder(&[("logo.png", "x")]).path(), &options()).unwrap();
    assert_eq!((report.files, report.skipped.len()), (0, 1));
    let found = knowledge.search("anything".into()).unwrap();
    assert!(found.passages.is_empty() && !found.is_answerable);
}

#[test]
fn a_long_section_becomes_passages_within_the_bound_that_keep_their_heading() {
    let text = format!(
        "# Tea\n## History\n{}",
        "Tea was drunk in many places, and of all of them something is told. ".repeat(60)
    );
    let (knowledge, report) = Knowledge::read(folder(&[("a.md", &text)]).path(), &options()).unwrap();
    assert!(report.passages["en"] > 3, "{report}");
    let found = knowledge.search("tea history".into()).unwrap();
    assert_eq!(found.passages.len(), 5);
    for scored in found.passages {
        assert!(scored.passage.text.len() <= options().passage_bytes);
        assert_eq!(scored.passage.heading(), "History");
    }
}

#[test]
fn the_language_of_the_question_is_preferred() {
    let texts = folder(&[("en/a.md", "# Visa\nWe take Visa."), ("zh/a.md", "# Visa\n可以用 Visa 付款。")]);
    let (knowledge, _) = Knowledge::read(texts.path(), &options()).unwrap();
    let best = |text, language| {
        let found = knowledge.search(Question { text, previous: None, language }).unwrap();
        found.passages[0].passage.language.clone()
    };
    assert_eq!(best("visa", Some("en-GB")), "en");
    assert_eq!(best("可以用visa吗", Some("en")), "zh");
}

#[test]
fn misspelt_words_are_found() {
    let (knowledge, _) = Knowledge::read(shop().path(), &options()).unwrap();
    assert_eq!(best(&knowledge, "clowd mist").unwrap().0, "en/tea.md");
    assert_eq!(best(&knowledge, "Hangzou").unwrap().0, "en/tea.md");
}

#[test]
fn full_width_letters_are_the_same_letters() {
    let (knowledge, _) = Knowledge::read(shop().path(), &options()).unwrap();
    assert_eq!(best(&knowledge, "ＣＬＯＵＤ　ＭＩＳＴ？").unwrap().0, "en/tea.md");
}

#[test]
fn signs_of_a_query_language_mean_nothing() {
    let (knowledge, _) = Knowledge::read(shop().path(), &options()).unwrap();
    let plain = knowledge.search("cloud mist open".into()).unwrap();
    for question in [
        "+cloud -mist AND open",
        "text:cloud mist^9 open~2",
        "\"cloud mist\" OR open*",
        "[cloud TO mist] (open",
        "passage:cloud mist open",
    ] {
        let found = knowledge.search(question.into()).unwrap();
        let files =
            |found: &knowledge::Found| found.passages.iter().map(|one| one.passage.file.clone()).collect::<Vec<_>>();
        assert_eq!(files(&found)[..2], files(&plain)[..2], "{question}");
    }
}

#[test]
fn a_report_and_what_was_found_can_be_printed() {
    let (knowledge, _) = Knowledge::read(shop().path(), &options()).unwrap();
    let found = knowledge.search("What is Cloud Mist?".into()).unwrap();
    assert!(
        found.to_string().starts_with("answerable\n1. 1.00 Our teas › Teas › What is Cloud Mist? [/teas]"),
        "{found}"
    );
    assert_eq!(knowledge.search("???".into()).unwrap().to_string(), "not answerable");
}

#[test]
fn limits_hold_for_texts_read_from_a_folder() {
    let limits = Limits { files: 1, ..Limits::default() };
    let texts = Texts::read(shop().path(), &limits).unwrap();
    let (knowledge, report) = Knowledge::new(texts, &options()).unwrap();
    assert_eq!((report.files, knowledge.passages().len()), (1, 1));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_question_and_no_text_is_too_strange(text in r"(\PC|\n|[#|<>*`\[\]&;-]|茶|<p>|</main>){0,60}", question in r"(\PC|茶|tea|\s){0,40}") {
        let mut texts = Texts::default();
        for name in ["a.md", "b.html", "c.txt"] {
            let _ = texts.add(name, text.as_bytes());
        }
        let (knowledge, _) = Knowledge::new(texts, &options()).unwrap();
        for asked in [question.as_str(), text.as_str()] {
            let found = knowledge.search(Question { text: asked, previous: Some(&question), language: None }).unwrap();
            prop_assert!(found.passages.len() <= 5);
            prop_assert!(found.passages.iter().all(|scored| (0.0..=1.0).contains(&scored.score)), "{found}");
        }
    }
}

#[test]
fn an_index_can_be_shared_by_threads() {
    let (knowledge, _) = Knowledge::read(shop().path(), &options()).unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| dictionary().warm());
        for _ in 0..4 {
            scope.spawn(|| finds_all(&knowledge));
        }
    });
}

#[test]
fn a_heading_of_any_length_is_kept_short() {
    let text = format!("# {}\n## {}\ntext about tea\n", "茶".repeat(5000), "x".repeat(100_000));
    let (knowledge, _) = Knowledge::read(folder(&[("a.md", &text)]).path(), &options()).unwrap();
    let found = knowledge.search("tea".into()).unwrap();
    let passage = &found.passages[0].passage;
    assert_eq!((passage.title.chars().count(), passage.heading().chars().count()), (200, 200));
}
