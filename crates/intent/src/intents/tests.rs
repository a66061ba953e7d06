use super::*;

const GOOD: &str = r#"
[out_of_scope]
en = ["What is the capital of Peru?"]
zh = ["今天股市怎么样"]

[intents.returns]
title = { en = "returning something", zh = "退货" }
examples.en = ["How do I send it back?", "return an order"]
examples.zh = ["怎么退货", "我要退货"]
reply.en = "Within 30 days."
reply.zh = "30 天内可以退货。"
action = { url = "/returns.html", label = { en = "Returns", zh = "退货" } }

[intents.complaint]
title = { en = "a complaint", zh = "投诉" }
examples.en = ["I want to complain"]
examples.zh = ["我要投诉"]
reply.en = "We are sorry."
reply.zh = "很抱歉。"
handover = true
"#;

#[test]
fn a_good_file_is_read_whole() {
    let intents = Intents::parse(GOOD).unwrap();
    let keys: Vec<_> = intents.intents.iter().map(|intent| intent.key.as_str()).collect();
    assert_eq!(keys, ["complaint", "returns"]);
    assert_eq!(intents.languages(), ["en", "zh"]);
    assert_eq!((intents.examples(), intents.out_of_scope.len()), (8, 2));
    let returns = &intents.intents[1];
    assert_eq!(returns.action.as_ref().unwrap().url["zh"], "/returns.html");
    assert_eq!(returns.examples["zh"], ["怎么退货", "我要退货"]);
    assert!(intents.intents[0].handover && !returns.handover);
}

#[track_caller]
fn check(from: &str, to: &str, expected: &str) {
    assert!(GOOD.contains(from), "{from}");
    let error = Intents::parse(&GOOD.replacen(from, to, 1)).unwrap_err().to_string();
    assert_eq!(error, expected);
}

#[test]
fn what_is_missing_is_named() {
    check(
        "reply.zh = \"30 天内可以退货。\"",
        "",
        "intents.returns.reply.zh: missing, and other texts are in this language; add it here, or remove the language everywhere",
    );
    check(
        "examples.en = [\"I want to complain\"]\nexamples.zh = [\"我要投诉\"]",
        "",
        "intents.complaint.examples: missing; add it with one entry for each language",
    );
    check("[\"我要投诉\"]", "[]", "intents.complaint.examples.zh: no examples; write at least one, better ten");
    check("\"We are sorry.\"", "\" \"", "intents.complaint.reply.en: empty; write a text");
    check(
        "title = { en = \"a complaint\", zh = \"投诉\" }",
        "title = {}",
        "intents.complaint.title: empty; add one entry for each language, such as en and zh",
    );
    let error = Intents::parse("").unwrap_err().to_string();
    assert_eq!(error, "intents: missing; declare [intents.KEY] for each");
}

#[test]
fn what_is_unknown_is_named_with_what_there_is() {
    check(
        "handover = true",
        "hand_over = true",
        "intents.complaint.hand_over: unknown; there are title, examples, reply, handover, action",
    );
    check("[out_of_scope]", "[outofscope]", "outofscope: unknown; there are intents, out_of_scope");
    check(
        "url = \"/returns.html\",",
        "url = \"/returns.html\", target = 1,",
        "intents.returns.action.target: unknown; there are url, label",
    );
    check(
        "label = { en = \"Returns\",",
        "label = { fr = \"Retour\", en = \"Returns\",",
        "intents.returns.action.label.fr: no intent has texts in this language; remove it",
    );
}

#[test]
fn what_is_of_another_kind_is_named() {
    check("handover = true", "handover = \"yes\"", "intents.complaint.handover: write true or false");
    check("reply.en = \"We are sorry.\"", "reply.en = 5", "intents.complaint.reply.en: not a text; put it in quotes");
    check(
        "examples.en = [\"I want to complain\"]",
        "examples.en = \"I want to complain\"",
        "intents.complaint.examples.en: not a list; write [\"…\", \"…\"]",
    );
    check(
        "title = { en = \"a complaint\", zh = \"投诉\" }",
        "title = \"a complaint\"",
        "intents.complaint.title: not a table; give it one entry for each language, such as en and zh",
    );
    check(
        "[\"I want to complain\"]",
        "[\"...\"]",
        "intents.complaint.examples.en[0]: no word in it; write what a visitor would write",
    );
    check(
        "intents.complaint]",
        "intents.\"A complaint\"]",
        "intents.A complaint: a key has 1 to 64 of a-z, 0-9, _ and -; give it another name",
    );
    check(
        "zh = [\"今天",
        "中文 = [\"今天",
        "not readable as TOML: TOML parse error at line 4, column 1\n  |\n4 | 中文 = [\"今天股市怎么样\"]\n  | ^^^^^^\ninvalid unquoted key, expected letters, numbers, `-`, `_`\n",
    );
}

#[test]
fn addresses_of_scripts_and_of_other_hosts_without_a_scheme_are_refused() {
    for url in ["javascript:alert(1)", "//elsewhere.example", "returns.html", "/a b"] {
        check(
            "/returns.html",
            url,
            "intents.returns.action.url: not an address; write https://… or a path that begins with one /",
        );
    }
}

#[test]
fn what_is_too_long_is_named_with_both_lengths() {
    check(
        "We are sorry.",
        &"x".repeat(4_001),
        "intents.complaint.reply.en: too long with 4001 characters; shorten it to 4000",
    );
    check("a complaint", &"x".repeat(81), "intents.complaint.title.en: too long with 81 characters; shorten it to 80");
}

#[test]
fn examples_that_are_there_twice_are_named_with_both_places() {
    check(
        "[\"I want to complain\"]",
        "[\"I want to complain\", \"i want to COMPLAIN!\"]",
        "intents.complaint.examples: the example \"i want to COMPLAIN!\" is there twice; remove one",
    );
    check(
        "\"return an order\"",
        "\"i want to complain\"",
        "intents.returns.examples: the example \"i want to complain\" is also in intents.complaint.examples; leave it where it belongs",
    );
    check(
        "What is the capital of Peru?",
        "return an order",
        "out_of_scope: the example \"return an order\" is also in intents.returns.examples; leave it where it belongs",
    );
}

#[test]
fn a_key_that_is_there_twice_is_an_error_with_its_line() {
    let error = Intents::parse(&format!("{GOOD}\n[intents.returns]\n")).unwrap_err().to_string();
    assert!(error.contains("duplicate key") && error.contains("line 22"), "{error}");
}
