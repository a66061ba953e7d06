//! The words of a text that say something about its subject.

use std::collections::HashSet;

use crate::language::is_han;

/// English words that say nothing about a subject.
const STOPWORDS: &str = " a an and are as at be been but by can could did do does for from get had has have he her his how i \
    if in into is it its me my no not of on or our she should so some than that the their them then there these they this \
    to too us was we were what when where which who why will with would you your please tell about know need want like \
    just any much many long also let thing something anything hello hi hey there im ive id whats s t d m re ve ll take ";

/// English words that mean the same to a shop, and what they are counted as.
const SAME: [(&str, &[&str]); 7] = [
    ("cost", &["how much", "price", "prices", "expensive", "fee", "fees", "charge"]),
    ("duration", &["how long", "how fast", "how quickly"]),
    ("shipping", &["delivery", "deliver", "delivered", "postage", "ship"]),
    ("best", &["recommend", "recommendation", "suggest"]),
    ("shop", &["located", "location"]),
    ("contact", &["phone", "telephone", "email", "e mail", "call"]),
    ("breakage", &["broke", "broken", "break", "smashed", "dropped"]),
];

/// Chinese characters that say nothing about a subject.
const CHINESE_STOPWORDS: &str = "的了吗呢吧啊是我你您们在有和就都而及与着或请问么怎什这那个能可以想要会给把被哪里些";

/// The same for Chinese. Longer words stand before words that are part of them.
const CHINESE_SAME: [(&str, &[&str]); 8] = [
    ("多久", &["多长时间", "什么时候", "需要几天", "要几天", "几天"]),
    ("多少", &["多少钱", "价格", "价钱", "贵不贵"]),
    ("收货", &["配送", "快递", "送货", "到货", "发货"]),
    ("礼物", &["礼盒", "礼品包装"]),
    ("摔坏", &["摔碎", "打碎", "碎"]),
    ("初学者", &["新手", "入门"]),
    ("修改地址", &["地址写错", "地址错", "改地址", "换地址"]),
    ("开封", &["拆封", "打开过"]),
];

/// The words of a text that say something: stems of English words, pairs of Chinese characters.
pub(crate) fn words(text: &str) -> HashSet<String> {
    let text = with_same_words(&text.to_lowercase().replace(['\'', '\u{2019}'], ""));
    let mut words = HashSet::new();
    for run in text.split(|letter: char| !letter.is_alphanumeric()) {
        let mut latin = String::new();
        let mut han = Vec::new();
        for letter in run.chars() {
            if is_han(letter) {
                insert_stem(&mut words, &mut latin);
                han.push(letter);
            } else {
                insert_pairs(&mut words, &mut han);
                latin.push(letter);
            }
        }
        insert_stem(&mut words, &mut latin);
        insert_pairs(&mut words, &mut han);
    }
    words
}

/// How many words of `text` say something, a run of Chinese characters taken as one for every two.
pub(crate) fn count(text: &str) -> usize {
    words(text).iter().filter(|word| !is_single(word)).count()
}

/// Whether a word is one Chinese character.
pub(crate) fn is_single(word: &str) -> bool {
    word.chars().all(is_han) && word.chars().count() == 1
}

/// Whether a word is two Chinese characters.
pub(crate) fn is_pair(word: &str) -> bool {
    word.chars().all(is_han) && word.chars().count() == 2
}

/// Lower-case text with [`SAME`] and [`CHINESE_SAME`] words replaced.
fn with_same_words(text: &str) -> String {
    let words: Vec<_> = text.split(|letter: char| !letter.is_alphanumeric()).filter(|word| !word.is_empty()).collect();
    let mut text = format!(" {} ", words.join(" "));
    for (word, same) in SAME {
        for other in same {
            text = text.replace(&format!(" {other} "), &format!(" {word} "));
        }
    }
    for (word, same) in CHINESE_SAME {
        for other in same {
            text = text.replace(other, word);
        }
    }
    text
}

fn insert_stem(words: &mut HashSet<String>, word: &mut String) {
    let word = std::mem::take(word);
    if !word.is_empty() && !STOPWORDS.contains(&format!(" {word} ")) {
        words.insert(stem(&word).to_owned());
    }
}

/// Pairs of Chinese characters, and each for itself.
fn insert_pairs(words: &mut HashSet<String>, han: &mut Vec<char>) {
    let run = std::mem::take(han);
    for part in run.split(|letter| CHINESE_STOPWORDS.contains(*letter)) {
        words.extend(part.iter().map(char::to_string));
        words.extend(part.windows(2).map(|pair| pair.iter().collect::<String>()));
    }
}

/// A word without its commonest English endings: enough to match "teapots" with "teapot" and "shipping" with "ship".
fn stem(word: &str) -> &str {
    if !word.is_ascii() || word.len() < 4 {
        return word;
    }
    let word =
        word.strip_suffix("ies").or_else(|| word.strip_suffix('s').filter(|rest| !rest.ends_with('s'))).unwrap_or(word);
    let stem = ["ings", "ing", "ed", "ly"]
        .iter()
        .find_map(|ending| word.strip_suffix(ending).filter(|rest| rest.len() >= 3))
        .unwrap_or(word);
    let bytes = stem.as_bytes();
    let stem = match bytes {
        // "shipp" from "shipping"
        [.., a, b] if a == b && stem.len() < word.len() => &stem[..stem.len() - 1],
        _ => stem,
    };
    stem.strip_suffix(['e', 'y']).filter(|rest| rest.len() >= 3).unwrap_or(stem)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_stems_and_pairs_of_characters() {
        let sorted = |text| {
            let mut words: Vec<_> = words(text).into_iter().collect();
            words.sort();
            words
        };
        assert_eq!(sorted("Delivery of the TEAPOTS"), ["ship", "teapot"]);
        assert_eq!(sorted("Cloud Mist的运费"), ["cloud", "mist", "费", "运", "运费"]);
    }
}
