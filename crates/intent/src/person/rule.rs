//! Plain requests for a person, word by word, in English and Chinese.

/// What stands for the person who is asked for.
const PEOPLE: [&str; 22] = [
    "human",
    "person",
    "agent",
    "representative",
    "operator",
    "somebody",
    "someone",
    "staff",
    "employee",
    "support",
    "human being",
    "human agent",
    "real person",
    "real human",
    "live agent",
    "live person",
    "actual person",
    "actual human",
    "customer service",
    "customer support",
    "support agent",
    "member of your team",
];

/// What comes before the person.
const REQUESTS: [&str; 16] = [
    "talk to",
    "talk with",
    "speak to",
    "speak with",
    "chat with",
    "chat to",
    "connect me to",
    "connect me with",
    "transfer me to",
    "put me through to",
    "hand me over to",
    "get me",
    "give me",
    "i want",
    "i need",
    "let me talk to",
];

/// Words between the request and the person that change nothing.
const ARTICLES: [&str; 6] = ["a ", "an ", "the ", "your ", "some ", "one of your "];

/// Whole messages that ask for a person.
const WHOLE: [&str; 9] = [
    "human",
    "agent",
    "human please",
    "agent please",
    "person please",
    "real person please",
    "operator",
    "representative",
    "live agent",
];

const CHINESE: [&str; 20] = [
    "转人工",
    "轉人工",
    "人工客服",
    "人工服务",
    "人工服務",
    "真人客服",
    "找客服",
    "联系客服",
    "聯繫客服",
    "转接客服",
    "轉接客服",
    "找真人",
    "跟真人",
    "和真人",
    "与真人",
    "要真人",
    "接人工",
    "找人工",
    "要人工",
    "换人工",
];

/// Chinese questions about the desk itself, which a text can answer.
const CHINESE_QUESTIONS: [&str; 8] = ["几点", "时间", "电话", "多久", "什么时候", "上班", "邮箱", "地址"];

/// Words that turn a request into something else.
const NEGATIONS: [&str; 6] = ["don't", "do not", "dont", "不要", "不用", "不需要"];

/// Whether `message` is a plain request for a person.
pub(super) fn is_plain_request(message: &str) -> bool {
    let message = normal(message);
    if NEGATIONS.iter().any(|negation| message.contains(negation)) {
        return false;
    }
    WHOLE.contains(&message.trim()) || is_asked_in_english(&message) || is_asked_in_chinese(&message)
}

fn is_asked_in_chinese(message: &str) -> bool {
    message.trim() == "人工"
        || CHINESE.iter().any(|phrase| message.contains(phrase))
            && !CHINESE_QUESTIONS.iter().any(|question| message.contains(question))
}

fn is_asked_in_english(message: &str) -> bool {
    // "When can I talk to a person?" asks for the hours, "How do I …" for the way.
    let asks_about = ["when ", "how ", "why ", "what ", "where ", "which ", "who "];
    if asks_about.iter().any(|word| message.trim_start().starts_with(word)) {
        return false;
    }
    REQUESTS.iter().any(|request| {
        message.match_indices(request).any(|(at, _)| {
            let begins_a_word = !message[..at].ends_with(char::is_alphanumeric);
            begins_a_word && names_a_person(message[at + request.len()..].trim_start())
        })
    })
}

fn names_a_person(text: &str) -> bool {
    let text = ARTICLES.iter().find_map(|article| text.strip_prefix(article)).unwrap_or(text);
    PEOPLE.iter().any(|person| {
        text.strip_prefix(person).is_some_and(|rest| {
            let rest = rest.strip_prefix('s').unwrap_or(rest);
            let rest = rest.trim_start();
            // "I want a person to sign for it" asks for something else; so does "support for iOS".
            rest.is_empty()
                || ["please", "now", "instead", "about", "here", "from", "at ", "who", "on ", ".", "!", "?", ","]
                    .iter()
                    .any(|after| rest.starts_with(after))
        })
    })
}

/// Lower case, one space between words, straight apostrophes, no punctuation at the end.
fn normal(message: &str) -> String {
    let words: Vec<_> = message.split_whitespace().collect();
    let message = words.join(" ").to_lowercase().replace('\u{2019}', "'");
    message.trim_end_matches(['.', '!', '?', '。', '！', '？', '~', ' ']).to_owned()
}
