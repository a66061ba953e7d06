//! Files that are damaged, cut, or made to harm: each is an error, and none a panic or more memory than the file has.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::sync::OnceLock;

use intent::{FileError, Intents, Model};
use proptest::prelude::*;
use serde_json::json;

const INTENTS: &str = r#"
[intents.hours]
title.en = "opening hours"
examples.en = ["when are you open", "opening hours", "are you open today"]
reply.en = "From ten to six."

[intents.returns]
title.en = "returning something"
examples.en = ["how do I return this", "send it back", "return policy"]
reply.en = "Within 30 days."
"#;

/// Bytes before the checksummed part: magic, version, checksum.
const HEAD: usize = 16;

fn good() -> &'static [u8] {
    static GOOD: OnceLock<Vec<u8>> = OnceLock::new();
    GOOD.get_or_init(|| {
        let mut file = Vec::new();
        Model::train(&Intents::parse(INTENTS).unwrap()).model.write(&mut file).unwrap();
        file
    })
}

/// The file with a checksum that fits, so that what lies behind it is reached.
fn with_checksum(mut file: Vec<u8>) -> Vec<u8> {
    if file.len() >= HEAD {
        let checksum = crc32fast::hash(&file[HEAD..]);
        file[12..HEAD].copy_from_slice(&checksum.to_le_bytes());
    }
    file
}

/// Whatever comes out must be usable without a panic.
fn read_and_use(file: &[u8]) -> Result<(), FileError> {
    let model = Model::read(file)?;
    for text in ["when are you open", "", "退货", "x"] {
        let _ = (model.decide(text, "en"), model.explain(text), model.is_sure_enough_for_instant(text, "zh"));
    }
    Ok(())
}

#[test]
fn the_undamaged_file_is_read() {
    assert_eq!(read_and_use(good()), Ok(()));
    assert_eq!(read_and_use(&with_checksum(good().to_vec())), Ok(()));
}

#[test]
fn every_cut_is_an_error() {
    for length in (0..good().len()).step_by(7) {
        assert!(Model::read(&good()[..length]).is_err(), "{length}");
        assert!(Model::read(&with_checksum(good()[..length].to_vec())).is_err(), "{length} with a checksum that fits");
    }
}

#[test]
fn something_after_the_end_is_an_error() {
    let longer = with_checksum([good(), b"x"].concat());
    assert_eq!(Model::read(&longer), Err(FileError::Damaged("it is longer than it says")));
}

#[test]
fn other_files_and_other_versions_are_named() {
    assert_eq!(Model::read(b"PK\x03\x04 and more of a zip"), Err(FileError::Foreign));
    assert_eq!(Model::read(b""), Err(FileError::Foreign));
    let mut newer = good().to_vec();
    newer[8] = 2;
    assert_eq!(Model::read(&newer), Err(FileError::Version(2)));
    assert_eq!(Model::read(&vec![0; intent::MAX_FILE_BYTES + 1]), Err(FileError::TooLong(32_000_001)));
}

#[test]
fn sizes_that_promise_gigabytes_are_errors() {
    // Texts, intents, rows, bits: each the largest number.
    for at in [16, 20, 24, 28] {
        let mut file = good().to_vec();
        file[at..at + 4].copy_from_slice(&u32::MAX.to_le_bytes());
        assert!(matches!(Model::read(&with_checksum(file)), Err(FileError::Damaged(_))), "{at}");
    }
}

#[test]
fn numbers_that_are_not_finite_are_errors() {
    let mut file = good().to_vec();
    file[32..36].copy_from_slice(&f32::NAN.to_le_bytes());
    assert_eq!(Model::read(&with_checksum(file)), Err(FileError::Damaged("a number in it is not finite")));
}

/// The file with other texts, and a checksum that fits.
fn with_texts(change: impl FnOnce(&mut serde_json::Value)) -> Vec<u8> {
    const TEXTS: usize = HEAD + 20;
    let end = TEXTS + u32::from_le_bytes(good()[HEAD..HEAD + 4].try_into().unwrap()) as usize;
    let mut texts = serde_json::from_slice(&good()[TEXTS..end]).unwrap();
    change(&mut texts);
    let texts = serde_json::to_vec(&texts).unwrap();
    let length = u32::try_from(texts.len()).unwrap().to_le_bytes();
    with_checksum([&good()[..HEAD], &length, &good()[HEAD + 4..TEXTS], &texts, &good()[end..]].concat())
}

#[test]
fn intents_that_a_site_could_not_declare_are_errors_that_name_them() {
    assert_eq!(read_and_use(&with_texts(|_| ())), Ok(()));
    let check = |at: &str, value: serde_json::Value, said: &str| {
        let forged = with_texts(|texts| *texts.pointer_mut(at).unwrap() = value);
        let error = Model::read(&forged).unwrap_err().to_string();
        assert!(error.contains(said), "{error}");
    };
    check("/intents/0/reply/en", "".into(), "intents.hours.reply.en: empty");
    check("/intents/0/reply/en", "R".repeat(4_001).into(), "intents.hours.reply.en: too long with 4001 characters");
    check("/intents/0/reply", json!({}), "intents.hours.reply: empty");
    check("/intents/1/title", json!({}), "intents.returns.title: empty");
    check("/intents/1/title/en", "T".repeat(81).into(), "intents.returns.title.en: too long");
    check("/intents/1/title", json!({ "zh": "退货" }), "intents.hours.title.zh: missing");
    check("/intents/1/title", json!({ "e\n": "x" }), "not a language");
    check("/intents/1/key", "x\n".repeat(100_000).into(), "intents[1]: a key has 1 to 64");
    check("/intents/1/key", "hours".into(), "intents.hours: there twice");
    let action = |url: &str, label: &str| json!({ "url": { "en": url }, "label": { "en": label } });
    check("/intents/0/action", action("javascript:alert(1)", "x"), "intents.hours.action.url.en: not an address");
    check("/intents/0/action", action("/hours", " "), "intents.hours.action.label.en: empty");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn any_changed_byte_is_found(at in any::<prop::sample::Index>(), change in 1_u8..) {
        let mut file = good().to_vec();
        let at = at.index(file.len());
        file[at] ^= change;
        prop_assert!(Model::read(&file).is_err(), "byte {at}");
    }

    #[test]
    fn changed_bytes_with_a_checksum_that_fits_never_panic(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..20),
        head_changes in prop::collection::vec((HEAD..HEAD + 700, any::<u8>()), 0..3),
    ) {
        let mut file = good().to_vec();
        for (at, byte) in changes {
            let at = at.index(file.len());
            file[at] = byte;
        }
        for (at, byte) in head_changes {
            file[at] = byte;
        }
        let _ = read_and_use(&with_checksum(file));
    }

    #[test]
    fn any_bytes_behind_a_good_head_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..4_000)) {
        let file = [&good()[..HEAD], &bytes].concat();
        let _ = read_and_use(&with_checksum(file));
    }

    #[test]
    fn any_message_is_judged(text in ".{0,300}", language in "[a-zA-Z-]{0,12}") {
        let model = Model::read(good()).unwrap();
        let ranking = model.classify(&text);
        prop_assert!(ranking.intents.iter().all(|one| (0.0..=1.0).contains(&one.confidence)));
        let _ = (model.decide(&text, &language), model.explain(&text));
        let _ = intent::PersonRequests::new().asks_for_person(&text);
    }
}
