//! Whether a visitor clearly asks for a person, in English or Chinese.
//!
//! Only plain requests count. A question about people ("can a person carry this?") must reach the model; the widget's
//! button is there for everybody else.

use crate::language::is_han;

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

/// Whether `message` is a clear request for a person.
pub(crate) fn is_asked_for(message: &str) -> bool {
    let message = normal(message);
    if NEGATIONS.iter().any(|negation| message.contains(negation)) {
        return false;
    }
    WHOLE.contains(&message.trim()) || is_asked_in_english(&message) || is_asked_in_chinese(&message)
}

/// Whether one of the site's `phrases` stands in `message`: as whole words where they are of letters with spaces between.
pub(crate) fn has_phrase(message: &str, phrases: &[String]) -> bool {
    let message = normal(message);
    phrases.iter().map(|phrase| normal(phrase)).filter(|phrase| !phrase.is_empty()).any(|phrase| {
        message.match_indices(&phrase).any(|(at, found)| {
            let (before, after) = (message[..at].chars().last(), message[at + found.len()..].chars().next());
            !goes_on(before, found.chars().next()) && !goes_on(found.chars().last(), after)
        })
    })
}

/// Whether two letters belong to one word. Chinese has no spaces between words.
fn goes_on(one: Option<char>, other: Option<char>) -> bool {
    let is_of_a_word = |letter: Option<char>| letter.is_some_and(|letter| letter.is_alphanumeric() && !is_han(letter));
    is_of_a_word(one) && is_of_a_word(other)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clear_requests_are_heard() {
        for message in [
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
        ] {
            assert!(is_asked_for(message), "{message}");
        }
    }

    #[test]
    fn talk_of_people_is_no_request() {
        for message in [
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
        ] {
            assert!(!is_asked_for(message), "{message}");
        }
    }

    #[test]
    fn the_sites_own_phrases_count_as_whole_words_wherever_they_stand() {
        let phrases = ["lawyer".to_owned(), "Chargeback ".to_owned(), "律师".to_owned()];
        for message in ["My LAWYER will write to you.", "chargeback", "我会找律师的"] {
            assert!(has_phrase(message, &phrases), "{message}");
        }
        for message in ["lawyers", "I like law", ""] {
            assert!(!has_phrase(message, &phrases), "{message}");
        }
        assert!(!has_phrase("anything", &[" ".to_owned()]));
    }
}
