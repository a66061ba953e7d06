//! The demo shop's intents, with messages that they have not learned from.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::sync::OnceLock;

use expect_test::expect;
use intent::{Decision, Fallback, Intents, Messages, Model, Trained};

const INTENTS: &str = include_str!("../../../web/demo/intents.toml");
const MESSAGES: &str = include_str!("data/demo_messages.toml");

fn trained() -> &'static Trained {
    static TRAINED: OnceLock<Trained> = OnceLock::new();
    TRAINED.get_or_init(|| Model::train(&Intents::parse(INTENTS).unwrap()))
}

/// A change of the intents or of training shows here, better or worse.
#[test]
fn held_out_messages_are_judged_as_measured() {
    let messages = Messages::parse(MESSAGES).unwrap();
    assert_eq!(messages.messages.len(), 90);
    expect![[r#"
        On messages that the model has not learned from:
          right intent     92.3 % (60 of 65)
          kept in scope    100.0 % (65 of 65)
          refused          36.0 % (9 of 25) out of scope
          sure             52.2 % (47 of 90) of all; right: 97.9 % (46 of 47) (confidence from 0.52)
          asked back       5.6 % (5 of 90) of all; right: 60.0 % (3 of 5)
          instant          examples alone: too few were right to promise 98 of 100; add examples
          confidence       22.9 points away from the share that is right
        Intents that are found least:
          contact                          50.0 % (1 of 2)
          refund_time                      50.0 % (1 of 2)
          payment_methods                  66.7 % (2 of 3)
          damaged_parcel                   75.0 % (3 of 4)
          returns                          75.0 % (3 of 4)
        Taken for another:
          3 × (out of scope) taken for brewing: what is 15 percent of 80 · how do I cook rice · 一百美元换多少人民币
          3 × (out of scope) taken for recommendation: do you like dogs · 推荐一部电视剧 · 你叫什么名字
          2 × (out of scope) taken for complaint: sing me a song · 给我讲个故事
          2 × (out of scope) taken for contact: who invented the telephone · where can I buy a used car
          2 × (out of scope) taken for wholesale: can you write python code for me · what's your name
          1 × (out of scope) taken for invoice: I need a plumber
          1 × (out of scope) taken for opening_hours: is it going to rain on sunday
          1 × (out of scope) taken for shipping_time: how far is the moon
          1 × (out of scope) taken for teaware_care: 手机充不进电怎么办
          1 × contact taken for change_address: 给我一个邮箱地址
          1 × damaged_parcel taken for caffeine: 寄来的茶不是我买的那款
          1 × payment_methods taken for contact: 可以用花呗或者微信吗
          1 × refund_time taken for returns: you got my return last week but the money is not there
          1 × returns taken for caffeine: 茶喝不惯能退回去吗
    "#]]
    .assert_eq(&trained().model.evaluate(&messages).unwrap().to_string());
}

#[test]
fn cross_validation_reports_what_was_measured() {
    let report = trained().report.to_string();
    let head: Vec<_> = report.lines().take(8).collect();
    expect![[r#"
        Cross-validation in 5 parts: every example was judged by a model without it.
          right intent     68.3 % (367 of 537)
          kept in scope    95.2 % (511 of 537)
          refused          45.6 % (26 of 57) out of scope
          sure             47.0 % (279 of 594) of all; right: 90.3 % (252 of 279) (confidence from 0.52)
          asked back       4.2 % (25 of 594) of all; right: 88.0 % (22 of 25)
          instant          examples alone: too few were right to promise 98 of 100; add examples
          confidence       14.1 points away from the share that is right"#]]
    .assert_eq(&head.join("\n"));
}

#[test]
fn no_held_out_message_is_an_example() {
    let normal = |text: &str| text.to_lowercase().replace(['?', '？', '!', '。', ',', '，', ' ', '\''], "");
    let examples = Messages::from(&Intents::parse(INTENTS).unwrap()).messages;
    let known: Vec<_> = examples.iter().map(|(text, _)| normal(text)).collect();
    let messages = Messages::parse(MESSAGES).unwrap().messages;
    let repeated: Vec<_> = messages.iter().filter(|(text, _)| known.contains(&normal(text))).collect();
    assert!(repeated.is_empty(), "{repeated:?}");
}

#[test]
fn a_sure_decision_is_the_shops_reply_in_the_visitors_language_with_its_link() {
    let model = &trained().model;
    let Decision::Sure(reply) = model.decide("How much is shipping?", "zh-CN") else { panic!("not sure") };
    assert_eq!(reply.intent.key, "shipping_cost");
    assert!(reply.text.starts_with("Shipping inside the European Union costs **€4.90**"), "{}", reply.text);
    assert_eq!(reply.action, Some(("/en/shipping.html", "All shipping times and costs")));
    let Decision::Sure(reply) = model.decide("寄到新疆运费是多少？", "en") else { panic!("not sure") };
    assert!(reply.text.starts_with("国内运费"), "{}", reply.text);
    assert_eq!(reply.action, Some(("/zh/shipping.html", "配送时间和费用一览")));
    assert!(!reply.handover);
}

#[test]
fn a_complaint_is_handed_over() {
    let Decision::Sure(reply) = trained().model.decide("I want to complain about your terrible service", "en") else {
        panic!("not sure")
    };
    assert!(reply.handover, "{}", reply.intent.key);
}

#[test]
fn between_two_intents_the_visitor_is_asked_which() {
    let ask = |text: &str, language: &str| match trained().model.decide(text, language) {
        Decision::AskBack(ask) => format!("{} {:?}", ask.text, ask.intents.map(|intent| &intent.key)),
        other => panic!("{text}: {other:?}"),
    };
    expect![[r#"Do you mean “a lost or damaged parcel” or “changing the delivery address”? ["damaged_parcel", "change_address"]"#]].assert_eq(&ask("the parcel", "en"));
    expect![[r#"您是想问“运费”还是“怎么泡茶”？ ["shipping_cost", "brewing"]"#]].assert_eq(&ask("多少钱", "en"));
}

#[test]
fn what_is_out_of_scope_is_left_to_people() {
    for text in ["who invented the telephone", "帮我写一段代码", "", "?!", "xqzt vbnw"] {
        assert_eq!(trained().model.decide(text, "en"), Decision::Unsure, "{text}");
        assert_eq!(trained().model.is_sure_enough_for_instant(text, "en"), None, "{text}");
    }
}

#[test]
fn with_few_examples_only_those_themselves_are_answered_at_once() {
    let model = &trained().model;
    assert_eq!(model.instant_confidence(), None, "26 intents with 20 examples each promise nothing");
    let instant = |text: &str| model.is_sure_enough_for_instant(text, "en").map(|reply| reply.intent.key.as_str());
    assert_eq!(instant("How long does shipping take?"), Some("shipping_time"));
    assert_eq!(instant("HOW LONG does shipping take"), Some("shipping_time"));
    assert_eq!(instant("How long does your shipping usually take?"), None);
}

#[test]
fn an_intent_for_people_needs_less_confidence_to_be_handed_over_at_once() {
    let instant = |text: &str| trained().model.is_sure_enough_for_instant(text, "en").map(|reply| reply.handover);
    assert_eq!(instant("I want to complain about your terrible service"), Some(true));
    assert_eq!(instant("the service"), None);
}

#[test]
fn small_talk_is_answered_and_a_question_behind_it_counts() {
    let said = |text: &str| intent::fallback(Some(&trained().model), text, "en", 0);
    for text in ["Hello", "thanks!", "bye", "How are you?", "Are you a robot?", "你好", "谢谢"] {
        assert!(matches!(said(text), Fallback::Reply(_)), "{text}");
        assert_eq!(intent::instant(&trained().model, text, "en"), Fallback::Nothing, "{text}: a model may know better");
    }
    let plain = said("How much is shipping?");
    assert!(matches!(&plain, Fallback::Reply(text) if text.contains("€4.90")), "{plain:?}");
    for text in
        ["Hi, how much is shipping?", "Good morning! How much is shipping?", "Hello there\nhow much is shipping?"]
    {
        assert_eq!(said(text), plain, "{text}");
    }
}

#[test]
fn a_site_may_have_its_own_reply_to_a_greeting() {
    let toml = r#"
        [intents.greeting]
        title = { en = "a greeting", zh = "打招呼" }
        reply = { en = "Ni hao!", zh = "吃了吗？" }
        examples.en = ["hi", "hello", "good day", "hey", "greetings"]
        examples.zh = ["你好", "您好", "早上好", "嗨", "哈喽"]
        [intents.opening]
        title = { en = "opening hours", zh = "营业时间" }
        reply = { en = "Nine to five.", zh = "九点到五点。" }
        examples.en = ["when do you open", "are you open on Sunday", "opening hours", "when is the shop open", "closing time"]
        examples.zh = ["几点开门", "周日营业吗", "营业时间", "什么时候开门", "几点关门"]
    "#;
    let model = Model::train(&Intents::parse(toml).unwrap()).model;
    assert_eq!(intent::fallback(Some(&model), "Hello!", "en", 0), Fallback::Reply("Ni hao!".into()));
    assert_eq!(intent::fallback(Some(&model), "您好！", "en", 0), Fallback::Reply("吃了吗？".into()));
}

#[test]
fn a_question_back_has_choices_and_each_of_them_is_answered_by_its_intent() {
    let model = Some(&trained().model);
    let ask = |text: &str| match intent::fallback(model, text, "en", 0) {
        Fallback::AskBack { choices, .. } => choices,
        other => panic!("{text}: {other:?}"),
    };
    assert_eq!(ask("the parcel"), ["A lost or damaged parcel", "Changing the delivery address"]);
    assert_eq!(ask("多少钱"), ["运费", "怎么泡茶"]);
    for intent in trained().model.intents() {
        for (language, title) in &intent.title {
            let (text, is_for_people) = match intent::fallback(model, title, language, 1) {
                Fallback::Reply(text) => (text, false),
                Fallback::Handover { text } => (text, true),
                other => panic!("{title}: {other:?}"),
            };
            assert!(text.starts_with(&intent.reply[language]) && is_for_people == intent.handover, "{title}: {text}");
        }
    }
}

#[test]
fn an_explanation_names_the_words_that_decided() {
    let explanation = trained().model.explain("do you take paypal");
    assert_eq!(explanation.ranking.intents[0].intent.key, "payment_methods");
    let words: Vec<_> = explanation.features.iter().filter(|one| one.is_word).map(|one| one.text.as_str()).collect();
    assert!(words[..5].contains(&"paypal"), "{words:?}");
    let shares: f32 = explanation.features.iter().map(|one| one.to_first).sum();
    assert!(shares > 0.0 && explanation.features[0].to_first >= explanation.features[1].to_first);
    assert!(explanation.to_string().contains("payment_methods"));
}

#[test]
fn equal_intents_make_equal_files_and_a_file_holds_the_whole_model() {
    let (mut one, mut other) = (Vec::new(), Vec::new());
    trained().model.write(&mut one).unwrap();
    Model::train(&Intents::parse(INTENTS).unwrap()).model.write(&mut other).unwrap();
    assert!(one == other, "training depends on something else than its input");
    assert!(Model::read(&one).unwrap() == trained().model);
    assert!(one.len() < 1_500_000, "{}", one.len());
}

#[test]
fn a_test_file_with_an_unknown_intent_is_an_error_that_names_it() {
    let messages = Messages::parse("shiping_time = [\"when\"]").unwrap();
    let error = trained().model.evaluate(&messages).unwrap_err().to_string();
    assert_eq!(error, "shiping_time: the model has no such intent; correct the key, or train the model with it");
}

#[test]
fn a_greeting_is_no_intent() {
    let model = &trained().model;
    for message in
        ["Hello", "Hello!", "Hi there", "Good evening", "Thanks!", "Thank you", "你好", "您好", "你好！", "谢谢"]
    {
        let decision = model.decide(message, "en");
        assert!(!matches!(decision, Decision::Sure(_)), "{message}: {decision:?}");
    }
}

#[test]
fn the_trained_file_is_that_of_the_examples() {
    let kept = Model::read(include_bytes!("../../../web/demo/shop.intents")).unwrap();
    let messages = Messages::parse(include_str!("data/demo_messages.toml")).unwrap();
    let judged = |model: &Model| model.evaluate(&messages).unwrap().to_string();
    assert_eq!(
        judged(&kept),
        judged(&trained().model),
        "make it anew: ai intents train web/demo/intents.toml --out web/demo/shop.intents"
    );
    let keys = |model: &Model| model.intents().iter().map(|intent| intent.key.clone()).collect::<Vec<_>>();
    assert_eq!(keys(&kept), keys(&trained().model));
}
