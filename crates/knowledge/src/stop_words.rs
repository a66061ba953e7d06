//! Words that say nothing about what a question is about, and phrases that ask for the same thing in any shop or help page.

/// English, with the words of a conversation: greetings, politeness, and what surrounds a question.
const ENGLISH: &str = " a able about after again already always another away all also am an and any anybody anyone anything are as at be because been before being \
    but by can cannot cant could did didnt do does doesnt doing dont for from get gets getting give go goes going good got great \
    had has have having he hello help her here hey hi him his how however i id if ill im in into is isnt it its ive just \
    kind know let like ll lot make many may maybe me might mine more most much must my myself need needs new no not nice now of \
    off ok okay on one only onto or other our out over own please possible question re really regarding s same say see \
    sell sells sold offer offers take takes took put fine find found look looking shall she should show so some somebody someone something soon still such sure t take tell than thank thanks that thats \
    the their them then there these they thing things this those through to too try up us use ve very want wanted wants was \
    way we well were weve what whats when where which while who whom whose why will with within without wont would yes yet \
    you your yours yourself ";

/// Chinese, by words as jieba cuts them.
const CHINESE: &str = " 的 了 吗 呢 吧 啊 呀 哦 嘛 么 是 我 你 您 他 她 它 我们 你们 您们 他们 有 没有 没 在 和 就 都 而 及 与 跟 着 或 或者 还是 \
    还 也 又 请 请问 问 问下 一下 下 怎么 怎样 如何 什么 为什么 哪 哪个 哪些 这 那 这个 那个 这些 那些 这里 那里 这样 那样 个 些 点 种 能 能不能 \
    可以 可不可以 可 会 会不会 要 要不要 想 想要 需要 给 把 被 让 对 对于 关于 从 到 去 来 用 上 里 中 后 之后 以后 时候 时 很 太 真 不 别 吗 \
    好 好的 谢谢 您好 你好 是不是 有没有 行 行不行 如果 的话 那么 因为 所以 但是 应该 得 地 过 再 才 只 做 办 怎么办 知道 告诉 现在 已经 一个 马上 直接 一直 回事 帮 帮我 我想 发我 觉得 其他 别的 时 卖 卖不卖 ";

/// Words that ask for a kind of answer, whatever it is about: how much, how long, where, who.
const ASKING: [&str; 9] = ["price", "duration", "多少", "价格", "多久", "几点", "哪里", "谁", "几"];

/// What asks for the same, whatever it is asked about. The first of each stands for all of them.
pub(crate) const SAME: &[&[&str]] = &[
    &["price", "how much", "cost", "costs", "expensive", "fee"],
    &["duration", "how long", "how fast", "how quickly", "how many days", "how soon"],
    &["person", "human", "real person", "real people", "somebody real", "representative"],
    &["email", "e mail", "mail address"],
    &["phone", "telephone", "call you"],
    &["价格", "多少钱", "价钱", "贵不贵", "费用"],
    &["多久", "多长时间", "什么时候", "几天", "几年", "何时"],
    &["人工", "真人", "人工客服"],
    &["电话", "手机号", "热线"],
    &["邮箱", "电子邮件", "邮件地址"],
];

/// Whether a word, in lower case, says nothing.
pub(crate) fn is_stop_word(word: &str) -> bool {
    let padded = format!(" {word} ");
    ENGLISH.contains(&padded) || CHINESE.contains(&padded)
}

/// Whether a word asks for a kind of answer, and says little of what about.
pub(crate) fn is_asking_word(word: &str) -> bool {
    ASKING.contains(&word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stop_words_are_whole_words() {
        for word in ["the", "please", "的", "怎么"] {
            assert!(is_stop_word(word), "{word}");
        }
        for word in ["tea", "th", "茶", "茶叶", ""] {
            assert!(!is_stop_word(word), "{word}");
        }
    }
}
