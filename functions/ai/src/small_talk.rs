//! Greetings, thanks and the like, and what to say where the texts have no answer.

/// What can be said without any texts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Greeting,
    Thanks,
    Goodbye,
    WhoAreYou,
    Agreement,
}

const KINDS: [(Kind, &[&str]); 5] = [
    (
        Kind::Greeting,
        &[
            "hi",
            "hello",
            "hey",
            "hi there",
            "hello there",
            "hey there",
            "good morning",
            "good afternoon",
            "good evening",
            "你好",
            "您好",
            "嗨",
            "哈喽",
            "在吗",
            "早上好",
            "下午好",
            "晚上好",
            "你好啊",
        ],
    ),
    (
        Kind::Thanks,
        &[
            "thanks",
            "thank you",
            "thx",
            "thanks a lot",
            "thank you very much",
            "thanks so much",
            "many thanks",
            "great thanks",
            "ok thanks",
            "perfect thanks",
            "谢谢",
            "多谢",
            "谢谢你",
            "谢谢您",
            "好的谢谢",
            "非常感谢",
            "感谢",
            "谢了",
        ],
    ),
    (Kind::Goodbye, &["bye", "goodbye", "bye bye", "see you", "good night", "再见", "拜拜", "晚安"]),
    (
        Kind::WhoAreYou,
        &[
            "who are you",
            "what are you",
            "are you a bot",
            "are you a robot",
            "are you human",
            "are you an ai",
            "are you real",
            "am i talking to a bot",
            "你是谁",
            "你是机器人吗",
            "你是人吗",
            "你是真人吗",
            "你是人工智能吗",
            "你是ai吗",
        ],
    ),
    (
        Kind::Agreement,
        &[
            "ok",
            "okay",
            "good",
            "great",
            "perfect",
            "i see",
            "got it",
            "yes",
            "no",
            "fine",
            "cool",
            "好的",
            "好",
            "嗯",
            "明白了",
            "知道了",
            "是的",
            "不用了",
            "可以",
        ],
    ),
];

/// What kind of small talk a whole message is, if it is nothing else.
pub(crate) fn kind(message: &str) -> Option<Kind> {
    let kept = message.chars().filter(|letter| letter.is_alphanumeric() || letter.is_whitespace()).collect::<String>();
    let message = kept.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase();
    KINDS.iter().find(|(_, phrases)| phrases.contains(&message.as_str())).map(|(kind, _)| *kind)
}

/// The reply to small talk.
pub(crate) fn reply(kind: Kind, language: &str) -> &'static str {
    match (kind, language) {
        (Kind::Greeting, "zh") => "您好！我是这里的 AI 助手，您想了解什么？",
        (Kind::Greeting, _) => "Hello! I am the AI assistant here. What would you like to know?",
        (Kind::Thanks, "zh") => "不客气！还有别的问题吗？",
        (Kind::Thanks, _) => "You are welcome! Is there anything else?",
        (Kind::Goodbye, "zh") => "再见，欢迎随时再来！",
        (Kind::Goodbye, _) => "Goodbye, and come back any time!",
        (Kind::WhoAreYou, "zh") => "我是 **AI 助手**，不是真人。我根据本站的资料回答；您也可以随时找真人客服。",
        (Kind::WhoAreYou, _) => {
            "I am an **AI assistant**, not a person. I answer from this site's own texts, and you can talk to a person at any time."
        }
        (Kind::Agreement, "zh") => "好的。如果还有问题，请随时告诉我。",
        (Kind::Agreement, _) => "All right. If there is anything else, just ask.",
    }
}

/// The honest answer where the texts have none. A person is offered beside it.
pub(crate) fn unknown(language: &str) -> &'static str {
    match language {
        "zh" => "抱歉，这个问题我在本站的资料里没有找到答案。您可以换个说法再问我，或者找真人客服。",
        _ => {
            "I am sorry, I don't know: this site's texts do not say. You can ask me in other words, or talk to a person."
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_talk_is_a_whole_message_whatever_its_punctuation() {
        assert_eq!(kind("Hi!"), Some(Kind::Greeting));
        assert_eq!(kind(" Thank  you :) "), Some(Kind::Thanks));
        assert_eq!(kind("你好！"), Some(Kind::Greeting));
        assert_eq!(kind("Are you a bot?"), Some(Kind::WhoAreYou));
        assert_eq!(kind("Hi, how much is shipping?"), None);
        assert_eq!(kind(""), None);
    }
}
