//! What a message's words stand for, where asking for a person is concerned: so that "get me your supervisor" is like
//! "fetch one of your staff" although they share no word.

use std::collections::HashMap;

use super::words::{ASKS_WHO_ANSWERS, CHINESE, ENGLISH, NO_MISSPELLINGS};
use crate::text::Normal;

/// What a word stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Concept {
    /// One of the desk's people, or any person.
    Person,
    /// Somebody, anybody.
    Someone,
    /// Who leads them.
    Chief,
    /// All of them: the team, customer service.
    Team,
    /// A request and its person in one word: "转人工".
    Summons,
    /// To want, to be connected, to speak.
    Request,
    /// Please, now.
    Please,
    /// Help, a call, a reply.
    Aid,
    /// Real, live.
    Real,
    Not,
    /// What is no person.
    Machine,
    /// When and where, and what one asks so about a desk: hours, a phone number.
    When,
    /// How, why, what, which.
    Way,
    Who,
    /// What a question begins with: is, do, have.
    Be,
    /// What a Chinese question ends with.
    Asked,
    /// What was: yesterday, already.
    Before,
    /// There, available.
    Present,
    /// What a shop sells, and who brings it.
    Goods,
    /// "人工" where it is no person: made by hand, artificial.
    Craft,
    /// "有人", which may be anybody.
    Somebody,
    About,
    /// Any other word.
    Other,
    /// A word that says nothing here.
    Filler,
}

use Concept::{Chief, Filler, Machine, Not, Other, Person, Please, Real, Request, Someone, Summons, Team};

/// Words between "not" and what is refused that leave it a refusal.
const BETWEEN: [&str; 15] =
    ["to", "a", "an", "the", "any", "for", "with", "your", "wish", "like", "have", "me", "be", "给", "我"];

/// A word is compared with listed ones for misspellings from this many letters on; shorter ones are too much alike.
const LEAST_MISSPELT: usize = 5;

/// A message of so few concepts is marked as short.
const SHORT: usize = 2;

/// A word of a message.
#[derive(Debug, Clone, Copy)]
struct Token<'a> {
    text: &'a str,
    concept: Concept,
}

/// Knows what words stand for.
#[derive(Debug)]
pub(super) struct Concepts {
    english: HashMap<&'static str, Concept>,
    chinese: HashMap<&'static str, Concept>,
    /// Letters of the longest Chinese word.
    longest: usize,
}

impl Concepts {
    pub(super) fn new() -> Self {
        let by_word = |lists: &[(Concept, &'static str)]| {
            let mut by_word = HashMap::new();
            for (concept, words) in lists {
                for word in words.split_whitespace() {
                    by_word.entry(word).or_insert(*concept);
                }
            }
            by_word
        };
        let chinese: HashMap<&'static str, Concept> = by_word(CHINESE);
        let longest = chinese.keys().map(|word| word.chars().count()).max().unwrap_or_default();
        Self { english: by_word(ENGLISH), chinese, longest }
    }

    /// The message, a word for each concept in it in the order of the message, and a word for each thing that its order
    /// says. No visitor writes these words.
    pub(super) fn with_concepts(&self, text: &str) -> String {
        let letters = Normal::new(text).whole();
        let tokens = self.tokens(&letters);
        let mut words: Vec<String> = Vec::new();
        let mut last = Filler;
        for token in tokens.iter().filter(|token| token.concept != Filler) {
            if token.concept != Other || last != Other {
                words.push(token.concept.word());
            }
            last = token.concept;
        }
        let is_short = words.len() <= SHORT;
        words.push("zzend".to_owned());
        if is_short {
            words.push("zzshort".to_owned());
        }
        if ASKS_WHO_ANSWERS.iter().any(|start| letters.starts_with(start)) {
            words.push("zzqwhoanswers".to_owned());
        }
        for place in 0..tokens.len() {
            for sign in signs(&tokens, place) {
                if !words.contains(&sign) {
                    words.push(sign);
                }
            }
        }
        let text: String = text.chars().take(crate::MAX_MESSAGE_CHARS).collect();
        format!("{text}. {}", words.join(" "))
    }

    /// Whether a person is refused: "not" with nothing but a request between it and the person.
    pub(super) fn is_refusal(&self, text: &str) -> bool {
        let letters = Normal::new(text).whole();
        let tokens = self.tokens(&letters);
        tokens.split(|token| token.concept == Not).skip(1).any(|after| {
            let goes_on = |token: &&Token<'_>| token.concept.is_asking() || BETWEEN.contains(&token.text);
            after.iter().find(|token| !goes_on(token)).is_some_and(|token| token.concept.is_person())
        })
    }

    /// English words, Chinese words that stand for a concept, and single characters.
    fn tokens<'a>(&self, letters: &'a str) -> Vec<Token<'a>> {
        let mut tokens = Vec::new();
        let mut rest = letters;
        while let Some(first) = rest.chars().next() {
            let (concept, length) = match first.is_ascii_alphanumeric() {
                true => self.english(rest),
                false => self.chinese(rest),
            };
            let (text, after) = rest.split_at_checked(length).unwrap_or((rest, ""));
            if let Some(concept) = concept.or(first.is_alphanumeric().then_some(Other)) {
                tokens.push(Token { text, concept });
            }
            rest = after;
        }
        tokens
    }

    /// The concept of the word at the beginning of `rest`, and the word's length.
    fn english(&self, rest: &str) -> (Option<Concept>, usize) {
        let length = rest.find(|letter: char| !letter.is_ascii_alphanumeric()).unwrap_or(rest.len());
        let word = rest.get(..length).unwrap_or_default();
        (self.english.get(word).copied().or_else(|| misspelt(word)), length)
    }

    fn chinese(&self, rest: &str) -> (Option<Concept>, usize) {
        let ends = rest.char_indices().map(|(start, letter)| start + letter.len_utf8()).take(self.longest);
        let known = ends.clone().filter_map(|end| Some((Some(*self.chinese.get(rest.get(..end)?)?), end)));
        known.last().unwrap_or((None, ends.min().unwrap_or(rest.len())))
    }
}

impl Concept {
    /// Whether a person is meant who could take over.
    fn is_person(self) -> bool {
        matches!(self, Person | Someone | Chief | Team | Summons)
    }

    /// Whether it may stand between the request and its person.
    fn is_asking(self) -> bool {
        matches!(self, Request | Please | Concept::Aid | Real)
    }

    fn word(self) -> String {
        format!("zz{self:?}").to_lowercase()
    }
}

/// What the words around a person or a machine say: that it is asked for or refused, that the message begins with it, and
/// what comes next.
fn signs(tokens: &[Token<'_>], place: usize) -> Vec<String> {
    let (before, after) = (tokens.get(..place).unwrap_or_default(), tokens.get(place + 1..).unwrap_or_default());
    let Some(concept) = tokens.get(place).map(|token| token.concept) else { return Vec::new() };
    if concept != Machine && !concept.is_person() {
        return Vec::new();
    }
    let passes = |token: &&Token<'_>| token.concept.is_asking() || token.concept.is_person() || token.concept == Filler;
    let run: Vec<_> = before.iter().rev().take_while(passes).collect();
    let stops_at = before.len().checked_sub(run.len() + 1).and_then(|at| before.get(at));
    let may_be_refused = run.iter().all(|token| token.concept != Filler || BETWEEN.contains(&token.text));
    let is_refused = may_be_refused && stops_at.is_some_and(|token| token.concept == Not);
    let is_asked_for = concept == Summons || run.iter().any(|token| token.concept == Request);
    let sign = |name: &str| vec![format!("zzq{name}")];
    match concept {
        Machine if is_refused => return sign("nomachine"),
        Machine if is_asked_for => return sign("wantsmachine"),
        Machine => return Vec::new(),
        _ if is_refused => return sign("noperson"),
        _ => {}
    }
    let mut signs = Vec::new();
    if is_asked_for {
        signs.extend(sign("wants"));
    } else if stops_at.is_none() {
        signs.extend(sign("first"));
    }
    let next = after.iter().find(|token| !passes(token)).map_or("zzend".to_owned(), |token| token.concept.word());
    signs.push(format!("zzs{}{next}", if is_asked_for { "wants" } else { "" }));
    signs
}

/// The concept of the person or the request that `word` is one slip away from: a letter wrong, missing, too much, or two
/// swapped. The first letter is right in nearly all misspellings, and is what tells many words apart.
fn misspelt(word: &str) -> Option<Concept> {
    if word.len() < LEAST_MISSPELT || NO_MISSPELLINGS.contains(&word) {
        return None;
    }
    let lists = ENGLISH.iter().filter(|(concept, _)| concept.is_person() || *concept == Request);
    let is_meant = |known: &str| known.len() >= LEAST_MISSPELT && is_one_slip(known.as_bytes(), word.as_bytes());
    lists.filter(|(_, words)| words.split_whitespace().any(is_meant)).map(|(concept, _)| *concept).next()
}

fn is_one_slip(known: &[u8], word: &[u8]) -> bool {
    if known.first() != word.first() || known.len().abs_diff(word.len()) > 1 {
        return false;
    }
    let alike = known.iter().zip(word).take_while(|(one, other)| one == other).count();
    let (known, word) = (known.get(alike..).unwrap_or_default(), word.get(alike..).unwrap_or_default());
    let alike = known.iter().rev().zip(word.iter().rev()).take_while(|(one, other)| one == other).count();
    let (known, word) = (known.get(..known.len() - alike), word.get(..word.len() - alike));
    match (known.unwrap_or_default(), word.unwrap_or_default()) {
        ([_], []) | ([], [_]) | ([_], [_]) => true,
        ([one, two], [three, four]) => one == four && two == three,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_person_that_is_refused_is_a_refusal() {
        let concepts = Concepts::new();
        for text in ["I don't want to talk to a human", "no need for an agent", "我不想转人工", "先不用麻烦客服了"]
        {
            assert!(concepts.is_refusal(text), "{text}");
        }
        for text in
            ["I don't want a bot, a person please", "you don't understand, I want a person", "不要机器人，要人工"]
        {
            assert!(!concepts.is_refusal(text), "{text}");
        }
    }

    #[track_caller]
    fn check(text: &str, expected: &str) {
        assert_eq!(Concepts::new().with_concepts(text), expected);
    }

    #[test]
    fn concepts_follow_the_message_in_its_order_and_then_what_it_says() {
        check("Fetch your boss!", "Fetch your boss!. zzrequest zzchief zzend zzshort zzqwants zzswantszzend");
        check("不要机器人", "不要机器人. zznot zzmachine zzend zzshort zzqnomachine");
        check("no agent, thanks", "no agent, thanks. zznot zzperson zzbefore zzend zzqnoperson");
        check("blue café tables", "blue café tables. zzother zzend zzshort");
        check("", ". zzend zzshort");
    }

    #[test]
    fn one_slip_is_forgiven_and_another_word_is_not() {
        for (word, meant) in
            [("preson", Person), ("agnet", Person), ("tranfer", Request), ("supportt", Team), ("someane", Someone)]
        {
            assert_eq!(misspelt(word), Some(meant), "{word}");
        }
        for word in ["arent", "taking", "stuff", "reason", "prson1", "urgent", "talc", "correct"] {
            assert_eq!(misspelt(word), None, "{word}");
        }
    }
}
