use super::*;

/// Written apart from the examples, and never learned from.
const HELD_OUT: &str = include_str!("../../tests/data/person_requests.txt");

#[track_caller]
fn check(messages: &[&str], expected: bool) {
    let requests = PersonRequests::new();
    let model = requests.model.as_ref().unwrap();
    for message in messages {
        let likely = requests.likelihood(model, message);
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

#[test]
fn a_plain_request_is_heard_in_a_long_message_wherever_it_stands() {
    let story = "Hello, my name is Margaret Ellison and I placed an order with you nearly three weeks ago for a birthday present.";
    let chinese = "收到的茶壶有裂缝，我发了照片也没有人回复，已经等了三天。";
    let request = "I want to talk to a human.";
    let long = [&*"The tea was fine. ".repeat(50), request, &"\n好喝。".repeat(9)].concat();
    check(
        &[
            &format!("{story} {request}"),
            &format!("{request} {story}"),
            "The website told me that everything was in stock. I want to talk to a human.",
            &format!("{chinese}转人工。"),
            &long,
        ],
        true,
    );
    check(
        &[story, chinese, &format!("{story} I don't want to talk to a human."), &format!("{chinese}不要转人工。")],
        false,
    );
}

/// Of requests, the share that must be heard; of other messages, nearly all of them near misses, the share that may be taken
/// for requests: what was measured, rounded.
const LEAST_HEARD: f64 = 0.95;
const MOST_FALSE: f64 = 0.05;

#[test]
fn of_held_out_messages_enough_requests_are_heard_and_few_others_are_taken_for_one() {
    let requests = PersonRequests::new();
    let (mut missed, mut wrong, mut asked, mut others) = (Vec::new(), Vec::new(), 0, 0);
    for line in HELD_OUT.lines().filter(|line| !line.starts_with('#')) {
        let (sign, message) = line.split_once(' ').unwrap();
        let is_heard = requests.asks_for_person(message);
        match sign {
            "+" => {
                asked += 1;
                missed.extend((!is_heard).then_some(message));
            }
            _ => {
                others += 1;
                wrong.extend(is_heard.then_some(message));
            }
        }
    }
    assert!(asked >= 100 && others >= 150, "{asked} requests, {others} others: too few to say anything");
    let share = |part: usize, all: usize| part as f64 / all as f64;
    let found =
        format!("missed {} of {asked}: {missed:#?}\nwrong {} of {others}: {wrong:#?}", missed.len(), wrong.len());
    assert!(share(asked - missed.len(), asked) >= LEAST_HEARD && share(wrong.len(), others) <= MOST_FALSE, "{found}");
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
