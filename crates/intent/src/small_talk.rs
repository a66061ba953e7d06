//! Greetings, thanks and the like: whole messages that need neither the site's texts nor a model.
//!
//! A message is small talk if all of it is made of the phrases in `small_talk/phrases.rs`: "Hi! How are you?" is, "Hi, how
//! much is shipping?" is a question that begins with a greeting ([`without_greeting`]).

mod phrases;

use std::cmp::Ordering;

use language::is_han;

use crate::text::Normal;
use phrases::{CHINESE_IDENTITY, ENGLISH_IDENTITY, FILLERS, GREETINGS, Identity, PHRASES, Phrases};

/// Small talk is short. This bounds the work as well.
const MAX_CHARS: usize = 80;

/// What small talk is about. Of several things in one message the later one here is replied to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SmallTalk {
    /// "Hello"
    Greeting,
    /// "No": it answers what was said before.
    Refusal,
    /// "OK", "yes": it says that something was heard, or answers what was said before.
    Agreement,
    /// "Thank you"
    Thanks,
    /// "Bye"
    Goodbye,
    /// "How are you?"
    HowAreYou,
    /// "What can you do?"
    Abilities,
    /// "Are you a robot?"
    WhoAreYou,
}

impl SmallTalk {
    /// What the whole of `message` is about, if it is nothing but small talk.
    pub fn of(message: &str) -> Option<Self> {
        parts(message)?.about
    }

    /// Whether "OK", "yes" or the like is a part of `message`, which is nothing but small talk.
    pub(crate) fn agrees(message: &str) -> bool {
        parts(message).is_some_and(|parts| parts.agrees)
    }

    /// The reply, Markdown. In Chinese for `zh`, else in English.
    pub fn reply(self, language: &str) -> &'static str {
        match (self, language == "zh") {
            (Self::Greeting, false) => "Hello! I am the AI assistant here. What would you like to know?",
            (Self::Greeting, true) => "您好！我是这里的 AI 助手，您想了解什么？",
            (Self::Agreement | Self::Refusal, false) => "All right. If there is anything else, just ask.",
            (Self::Agreement | Self::Refusal, true) => "好的。如果还有问题，请随时告诉我。",
            (Self::Thanks, false) => "You are welcome! If there is anything else, just ask.",
            (Self::Thanks, true) => "不客气！如果还有问题，请随时告诉我。",
            (Self::Goodbye, false) => "Goodbye, and come back any time!",
            (Self::Goodbye, true) => "再见，欢迎随时再来！",
            (Self::HowAreYou, false) => "Very well, thank you for asking! What can I help you with?",
            (Self::HowAreYou, true) => "我很好，谢谢关心！有什么可以帮您？",
            (Self::Abilities, false) => {
                "I answer questions about this site and what it offers. Just ask in your own words; you can also talk to a person at any time."
            }
            (Self::Abilities, true) => "我可以回答关于本站的问题，直接用您自己的话问就行；您也可以随时找真人客服。",
            (Self::WhoAreYou, false) => {
                "I am an **AI assistant**, not a person. I answer questions about this site, and you can talk to a person at any time."
            }
            (Self::WhoAreYou, true) => "我是 **AI 助手**，不是真人。我回答关于本站的问题；您也可以随时找真人客服。",
        }
    }
}

/// What `message` is made of, if it is nothing but small talk.
fn parts(message: &str) -> Option<Reached> {
    if message.chars().nth(MAX_CHARS).is_some() {
        return None;
    }
    let letters = without_drawl(Normal::new(message).whole().chars().filter(|letter| *letter != '?'));
    // How each place is reached from the beginning: with the fewest phrases, for "good morning" is not "good".
    let mut reached: Vec<Option<Reached>> = vec![None; letters.len() + 1];
    if let Some(first) = reached.first_mut() {
        *first = Some(Reached::default());
    }
    for start in 0..letters.len() {
        let (Some(Some(before)), Some(rest)) = (reached.get(start).copied(), letters.get(start..)) else {
            continue;
        };
        each_beginning(rest, |about, length| {
            let Some(end) = reached.get_mut(start + length) else { return };
            let is_space = length == 1 && rest.first() == Some(&' ');
            let next = before.and(about, usize::from(!is_space));
            *end = Some(end.map_or(next, |known| known.better(next)));
        });
    }
    reached.pop().flatten()
}

/// How a place in a message is reached.
#[derive(Clone, Copy, Debug, Default)]
struct Reached {
    phrases: usize,
    /// None: by fillers alone.
    about: Option<SmallTalk>,
    agrees: bool,
}

impl Reached {
    fn and(self, about: Option<SmallTalk>, phrases: usize) -> Self {
        let agrees = self.agrees || about == Some(SmallTalk::Agreement);
        Self { phrases: self.phrases + phrases, about: self.about.max(about), agrees }
    }

    fn better(self, other: Self) -> Self {
        match self.phrases.cmp(&other.phrases) {
            Ordering::Less => self,
            Ordering::Greater => other,
            Ordering::Equal => Self { about: self.about.max(other.about), agrees: self.agrees || other.agrees, ..self },
        }
    }
}

/// `message` without the greeting that it begins with; the whole where nothing else would be left.
pub(crate) fn without_greeting(message: &str) -> &str {
    let mut rest = message.trim_start();
    while let Some(after) = GREETINGS.split('|').find_map(|greeting| after_greeting(rest, greeting)) {
        rest = after;
    }
    if rest.is_empty() { message } else { rest }
}

/// Marks that stand between a greeting and what is asked.
const MARKS: [char; 14] = [',', '.', '!', '?', ':', ';', '~', '-', '，', '。', '！', '？', '、', '～'];

fn after_greeting<'a>(text: &'a str, greeting: &str) -> Option<&'a str> {
    let (start, after) = text.split_at_checked(greeting.len())?;
    let goes_on = |next: char| next.is_alphanumeric() && !(greeting.ends_with(is_han) && is_han(next));
    // "Hi-fi" and "hey's" are no greetings, "你好运费" is one.
    let is_whole = after.chars().next().is_none_or(|next| !goes_on(next) && !matches!(next, '\'' | '\u{2019}' | '-'));
    let is_greeting = start.eq_ignore_ascii_case(greeting) && is_whole;
    is_greeting.then(|| after.trim_start_matches(|next: char| next.is_whitespace() || MARKS.contains(&next)))
}

/// Calls `found` with each phrase at the beginning of `rest`: what it is about, and how many letters it takes.
fn each_beginning(rest: &[char], mut found: impl FnMut(Option<SmallTalk>, usize)) {
    if rest.first() == Some(&' ') {
        return found(None, 1);
    }
    for (about, phrases) in PHRASES {
        phrases.split('|').filter_map(|phrase| whole(rest, phrase)).for_each(|length| found(Some(about), length));
    }
    FILLERS.split('|').filter_map(|filler| whole(rest, filler)).for_each(|length| found(None, length));
    for identity in [ENGLISH_IDENTITY, CHINESE_IDENTITY] {
        if let Some(length) = asks_identity(rest, &identity) {
            found(Some(SmallTalk::WhoAreYou), length);
        }
    }
}

/// How long the question is that asks what the assistant is: "are you", "a robot", "or a human".
fn asks_identity(rest: &[char], identity: &Identity) -> Option<usize> {
    let mut length = longest(rest, identity.questions)?;
    let mut is_named = false;
    loop {
        let after = rest.get(length..)?;
        let space = usize::from(after.first() == Some(&' '));
        let after = after.get(space..)?;
        let part = match longest(after, identity.things) {
            Some(part) => {
                is_named = true;
                Some(part)
            }
            None => longest(after, identity.between),
        };
        match part {
            Some(part) => length += space + part,
            None => return is_named.then_some(length),
        }
    }
}

fn longest(rest: &[char], phrases: Phrases) -> Option<usize> {
    phrases.split('|').filter_map(|phrase| whole(rest, phrase)).max()
}

/// How many letters `phrase` takes at the beginning of `rest`, if it ends where a word does.
fn whole(rest: &[char], phrase: &str) -> Option<usize> {
    let mut letters = rest.iter();
    let mut length = 0;
    let mut last = ' ';
    for letter in phrase.chars() {
        if letters.next() != Some(&letter) {
            return None;
        }
        (last, length) = (letter, length + 1);
    }
    let is_of_a_word = |letter: char| letter.is_alphanumeric() && !is_han(letter);
    let goes_on = is_of_a_word(last) && letters.next().is_some_and(|next| is_of_a_word(*next));
    (!goes_on).then_some(length)
}

/// "Hellooo" is "hello": a letter that stands three times or more stands once.
fn without_drawl(letters: impl Iterator<Item = char>) -> Vec<char> {
    let letters: Vec<char> = letters.collect();
    let runs = letters.chunk_by(|one, other| one == other);
    runs.flat_map(|run| run.iter().take(if run.len() < 3 { run.len() } else { 1 })).copied().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(about: Option<SmallTalk>, messages: &[&str]) {
        for message in messages {
            assert_eq!(SmallTalk::of(message), about, "{message}");
        }
    }

    #[test]
    fn small_talk_is_known_in_english_and_chinese_whatever_its_punctuation() {
        check(
            Some(SmallTalk::Greeting),
            &["Hi!", "HELLO", "good morning :)", "heyyy", "hi there", "你好！", "您好", "早上好", "在吗？", "哈喽"],
        );
        check(
            Some(SmallTalk::Thanks),
            &[
                " Thank  you :) ",
                "ok thanks",
                "Thanks a lot!!",
                "谢谢",
                "好的，谢谢你啦",
                "谢谢！",
                "太感谢了",
                "thx 🙏",
            ],
        );
        check(
            Some(SmallTalk::Goodbye),
            &["bye", "Bye bye!", "ok thanks, bye", "Have a nice day", "再见", "拜拜～", "that's all, thanks"],
        );
        check(
            Some(SmallTalk::HowAreYou),
            &["How are you?", "hi, how's it going", "Hello! How are you today?", "你好吗", "最近怎么样？"],
        );
        check(
            Some(SmallTalk::Abilities),
            &["What can you do?", "can you help me", "What can I ask you?", "你能做什么", "你好，你会什么？", "帮帮我"],
        );
        check(
            Some(SmallTalk::Agreement),
            &["ok", "Yes.", "got it", "Great, perfect!", "好的", "嗯嗯", "明白了", "OK 👍"],
        );
    }

    #[test]
    fn yes_and_no_are_told_apart_also_beside_thanks() {
        check(Some(SmallTalk::Refusal), &["no", "Nope!", "不用了", "没事"]);
        check(Some(SmallTalk::Thanks), &["no thanks", "ok thanks", "不用了，谢谢", "好的谢谢"]);
        for (message, agrees) in [
            ("yes", true),
            ("ok thanks", true),
            ("好的谢谢", true),
            ("no thanks", false),
            ("thanks", false),
            ("yes but why", false),
        ] {
            assert_eq!(SmallTalk::agrees(message), agrees, "{message}");
        }
    }

    #[test]
    fn who_it_is_may_be_asked_in_many_ways() {
        check(
            Some(SmallTalk::WhoAreYou),
            &[
                "Are you a robot?",
                "are you a real person",
                "Hi, am I talking to a bot or a human?",
                "Is this an AI?",
                "what's your name",
                "你是机器人吗",
                "您是真人吗？",
                "你是人还是机器人",
                "你好，我在跟机器人说话吗",
                "你是谁",
                "你是AI吗",
            ],
        );
    }

    #[test]
    fn a_message_that_asks_something_too_is_no_small_talk() {
        check(
            None,
            &[
                "Hi, how much is shipping?",
                "thanks, and how do I pay",
                "Are you open on Sunday?",
                "Are you a tea shop?",
                "what can you do about my broken pot",
                "good tea",
                "How are you shipping my order?",
                "你好，运费多少",
                "谢谢，请问怎么退货",
                "你是卖茶的吗",
                "你是",
                "please",
                "",
                "?!",
            ],
        );
        check(None, &["hello ".repeat(40).as_str()]);
    }

    #[test]
    fn a_greeting_before_a_question_is_left_out() {
        for (message, left) in [
            ("Hi, how much is shipping?", "how much is shipping?"),
            ("Good morning! Hello - where is my parcel", "where is my parcel"),
            ("您好，请问运费多少", "运费多少"),
            ("你好运费多少", "运费多少"),
            ("hi-fi tea", "hi-fi tea"),
            ("history of tea", "history of tea"),
            ("Hello!", "Hello!"),
            ("", ""),
        ] {
            assert_eq!(without_greeting(message), left, "{message}");
        }
    }

    #[test]
    fn every_phrase_is_in_the_form_that_messages_are_compared_in() {
        let all = PHRASES.iter().map(|(_, phrases)| *phrases).chain([FILLERS]);
        let parts = [ENGLISH_IDENTITY, CHINESE_IDENTITY];
        let parts = parts.iter().flat_map(|identity| [identity.questions, identity.things, identity.between]);
        for phrase in all.chain(parts).flat_map(|phrases| phrases.split('|')) {
            let normal: String = without_drawl(Normal::new(phrase).whole().chars()).iter().collect();
            assert_eq!(phrase, normal);
        }
    }
}
