use super::*;

/// Written apart from the examples, and never learned from.
const HELD_OUT: &str = include_str!("../../tests/data/person_requests.txt");

#[track_caller]
fn check(messages: &[&str], expected: bool) {
    let requests = PersonRequests::new();
    let model = requests.model.as_ref().unwrap();
    for message in messages {
        let likely = likelihood(model, message);
        assert_eq!(requests.asks_for_person(message), expected, "{message}: {likely}");
    }
}

#[test]
fn clear_requests_are_heard() {
    check(
        &[
            "Human",
            "agent please!",
            "I want to talk to a human.",
            "Can I speak with a real person, please?",
            "Please connect me to  someone from your team",
            "let me talk to customer service",
            "get me an agent now",
            "I need a human",
            "转人工",
            "我要转人工!",
            "人工",
            "请帮我找真人客服",
            "我想和真人聊",
        ],
        true,
    );
}

#[test]
fn talk_of_people_is_no_request() {
    check(
        &[
            "Can one person carry the large pot?",
            "When can I talk to a person?",
            "How do I talk to a person?",
            "I don't want to talk to a human",
            "Do you give me personal advice?",
            "Is there somebody at the shop on Sunday?",
            "I want someone to sign for the parcel",
            "What is human-grade tea?",
            "不要转人工",
            "这是人工采摘的吗?",
            "人工客服几点上班?",
            "一个人喝买多少克?",
            "",
        ],
        false,
    );
}

#[test]
fn other_wordings_are_heard_that_no_rule_lists() {
    check(&["could a colleague of yours take over", "enough with the bot, I want somebody real", "叫你们经理来"], true);
}

/// A change of the examples or of training shows here, better or worse.
#[test]
fn held_out_messages_are_judged_as_measured() {
    let requests = PersonRequests::new();
    let (mut right, mut missed, mut wrong) = (0, Vec::new(), Vec::new());
    for line in HELD_OUT.lines().filter(|line| !line.starts_with('#')) {
        let (sign, message) = line.split_once(' ').unwrap();
        match (sign, requests.asks_for_person(message)) {
            ("+", true) => right += 1,
            ("+", false) => missed.push(message),
            ("-", true) => wrong.push(message),
            _ => {}
        }
    }
    let found = format!("asked {}, heard {right}\nmissed {missed:#?}\nwrong {wrong:#?}", right + missed.len());
    expect_test::expect![[r#"
        asked 47, heard 37
        missed [
            "how do you get past the robot? I want a real person",
            "I have had enough, give me your manager",
            "can you ask a colleague to come in",
            "I can't explain this to a bot, is someone available?",
            "Somebody else please, you keep repeating yourself",
            "I want to be helped by a person",
            "can you get Mei Lin or anyone else on here",
            "我要见你们经理",
            "你说的不对，找人工",
            "我要直接跟店主谈",
        ]
        wrong [
            "人工客服晚上有人吗",
        ]"#]]
    .assert_eq(&found);
}

#[test]
fn no_held_out_message_is_an_example() {
    let normal = |text: &str| crate::text::Normal::new(text).whole();
    let known: Vec<_> = crate::person::examples()
        .intents
        .iter()
        .flat_map(|intent| intent.examples.values().flatten().map(|text| normal(text)).collect::<Vec<_>>())
        .collect();
    let repeated: Vec<_> = HELD_OUT.lines().filter(|line| known.contains(&normal(&line[1..]))).collect();
    assert_eq!(repeated, [""; 0]);
}

#[test]
fn the_built_in_file_is_what_the_examples_make() {
    let mut file = Vec::new();
    PersonRequests::train().model.write(&mut file).unwrap();
    assert!(file == TRAINED, "run `cargo run --release -p intent --example person_requests` and commit its file");
}
