//! What a message's words stand for, where asking for a person is concerned: so that "get me your supervisor" is like
//! "fetch one of your staff" although they share no word.

use crate::text::Normal;

/// A word that is added to the message for each concept in it, in the order of the message. No visitor writes these.
const PERSON: &str = "zzperson";
const REQUEST: &str = "zzrequest";
const NOT: &str = "zznot";
const MACHINE: &str = "zzmachine";
const ASKS_ABOUT: &str = "zzabout";
const BEFORE: &str = "zzbefore";
const GOODS: &str = "zzgoods";

const ENGLISH: &[(&str, &[&str])] = &[
    (
        PERSON,
        &[
            "human",
            "humans",
            "person",
            "people",
            "agent",
            "agents",
            "representative",
            "rep",
            "operator",
            "somebody",
            "someone",
            "anybody",
            "anyone",
            "staff",
            "employee",
            "employees",
            "colleague",
            "colleagues",
            "manager",
            "supervisor",
            "boss",
            "owner",
            "team",
            "support",
            "service",
            "care",
            "assistant",
            "member",
            "advisor",
        ],
    ),
    (
        REQUEST,
        &[
            "talk",
            "talking",
            "speak",
            "speaking",
            "chat",
            "connect",
            "connected",
            "transfer",
            "transferred",
            "put",
            "hand",
            "handover",
            "forward",
            "redirect",
            "pass",
            "switch",
            "escalate",
            "get",
            "give",
            "gimme",
            "bring",
            "fetch",
            "want",
            "wanna",
            "need",
            "prefer",
            "rather",
            "let",
            "please",
            "pls",
            "plz",
            "reach",
            "call",
            "contact",
            "join",
            "take",
            "over",
            "answer",
            "help",
            "handle",
            "look",
            "insist",
            "demand",
            "real",
            "live",
            "actual",
            "now",
        ],
    ),
    (NOT, &["dont", "not", "no", "never", "cant", "without", "stop", "nobody", "any", "anymore"]),
    (MACHINE, &["bot", "robot", "robots", "machine", "computer", "ai", "automated", "chatbot"]),
    (
        ASKS_ABOUT,
        &[
            "when", "how", "why", "what", "where", "which", "who", "hours", "number", "email", "mail", "phone", "open",
            "time", "does", "do", "are", "is", "am", "has", "have", "did",
        ],
    ),
    (BEFORE, &["yesterday", "already", "was", "said", "told", "spoke", "talked", "ago", "thanks", "later", "were"]),
    (
        GOODS,
        &[
            "tea", "teas", "pot", "teapot", "cup", "gift", "present", "parcel", "delivery", "tasting", "price",
            "discount", "kettle", "sign", "send", "buy", "pay", "for", "per", "one", "two",
        ],
    ),
];

/// Longer ones first, because the first that fits is taken: "机器人" before "人".
const CHINESE: &[(&str, &[&str])] = &[
    (MACHINE, &["机器人", "機器人", "人工智能", "机器", "機器"]),
    (
        PERSON,
        &[
            "人工",
            "真人",
            "活人",
            "客服",
            "工作人员",
            "工作人員",
            "人员",
            "人員",
            "同事",
            "经理",
            "經理",
            "店员",
            "店長",
            "店长",
            "负责人",
            "負責人",
            "领导",
            "老板",
            "老闆",
            "主管",
            "专人",
            "店家",
        ],
    ),
    (NOT, &["不要", "不想", "不用", "不需要", "别", "沒", "没", "不"]),
    (
        ASKS_ABOUT,
        &[
            "几点",
            "什么时候",
            "多久",
            "时间",
            "电话",
            "电話",
            "邮箱",
            "地址",
            "微信",
            "上班",
            "下班",
            "休息",
            "周末",
            "怎么",
            "几个",
            "多少",
            "是谁",
            "哪里",
            "都是",
            "吗",
            "嗎",
        ],
    ),
    (BEFORE, &["昨天", "之前", "已经", "说过", "说可以", "说的", "聊过", "上次", "答应", "态度"]),
    (
        GOODS,
        &[
            "采摘", "炒", "打磨", "香精", "色素", "成本", "手工", "送人", "个人", "别人", "有人", "没人", "茶", "壶",
            "快递", "代",
        ],
    ),
    (
        REQUEST,
        &[
            "转接", "轉接", "转", "轉", "接", "找", "叫", "要", "让", "讓", "换", "換", "联系", "聯絡", "聯繫", "安排",
            "呼叫", "给我", "給我", "帮我", "幫我", "请", "請", "跟", "和", "来", "來", "想", "需要", "求", "处理",
            "回答", "回复", "在吗", "说话", "聊",
        ],
    ),
];

/// Words between "not" and the person that leave a refusal a refusal.
const BETWEEN: [&str; 13] = ["to", "a", "an", "the", "any", "for", "with", "your", "wish", "like", "have", "麻", "烦"];

/// The message with a word for each concept in it.
pub(super) fn with_concepts(text: &str) -> String {
    let mut with = text.chars().take(crate::MAX_MESSAGE_CHARS).collect::<String>();
    with.push('.');
    for concept in tokens(&Normal::new(text).whole()).iter().filter_map(|token| token.concept) {
        with.push(' ');
        with.push_str(concept);
    }
    with
}

/// Whether a person is refused: "not" with nothing but a request between it and the person.
pub(super) fn is_refusal(text: &str) -> bool {
    let letters = Normal::new(text).whole();
    let tokens = tokens(&letters);
    tokens.split(|token| token.concept == Some(NOT)).skip(1).any(|after| {
        let goes_on = |token: &&Token<'_>| token.concept == Some(REQUEST) || BETWEEN.contains(&token.text);
        after.iter().find(|token| !goes_on(token)).is_some_and(|token| token.concept == Some(PERSON))
    })
}

struct Token<'a> {
    text: &'a str,
    concept: Option<&'static str>,
}

/// English words, and Chinese words that stand for a concept, and single characters.
fn tokens(letters: &str) -> Vec<Token<'_>> {
    let mut tokens = Vec::new();
    let mut rest = letters;
    while let Some(first) = rest.chars().next() {
        let (concept, length) = if first.is_ascii_alphanumeric() { english(rest) } else { chinese(rest, first) };
        let (text, after) = rest.split_at_checked(length).unwrap_or((rest, ""));
        if text != " " {
            tokens.push(Token { text, concept });
        }
        rest = after;
    }
    tokens
}

/// The concept of the word at the beginning of `rest`, and the word's length.
fn english(rest: &str) -> (Option<&'static str>, usize) {
    let length = rest.find(|letter: char| !letter.is_ascii_alphanumeric()).unwrap_or(rest.len());
    let word = rest.get(..length).unwrap_or_default();
    (ENGLISH.iter().find(|(_, words)| words.contains(&word)).map(|(concept, _)| *concept), length)
}

fn chinese(rest: &str, first: char) -> (Option<&'static str>, usize) {
    let found = CHINESE.iter().find_map(|(concept, words)| {
        words.iter().find(|word| rest.starts_with(**word)).map(|word| (Some(*concept), word.len()))
    });
    found.unwrap_or((None, first.len_utf8()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_person_that_is_refused_is_a_refusal() {
        for text in ["I don't want to talk to a human", "no need for an agent", "我不想转人工", "先不用麻烦客服了"]
        {
            assert!(is_refusal(text), "{text}");
        }
        for text in
            ["I don't want a bot, a person please", "you don't understand, I want a person", "不要机器人，要人工"]
        {
            assert!(!is_refusal(text), "{text}");
        }
    }

    #[test]
    fn concepts_follow_the_message_in_its_order() {
        assert_eq!(with_concepts("Fetch your boss!"), "Fetch your boss!. zzrequest zzperson");
        assert_eq!(with_concepts("不要机器人"), "不要机器人. zznot zzmachine");
        assert_eq!(with_concepts("café"), "café.");
        assert_eq!(with_concepts(""), ".");
    }
}
