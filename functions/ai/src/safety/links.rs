//! To which addresses an answer may lead.

use std::collections::HashSet;

use url::Url;

/// What the answers of one turn may link to. Hosts are those of the site; single addresses those its own texts name.
#[derive(Clone, Debug, Default)]
pub(crate) struct Links {
    hosts: Vec<String>,
    addresses: HashSet<String>,
    images: bool,
}

/// The characters of an address that no reader of Markdown takes for anything else.
const PLAIN: &str = "-._~:/?#@!$&+,;=%";

impl Links {
    /// Allows `hosts` and those under them, and with `images` pictures from there.
    pub(crate) fn new(hosts: impl IntoIterator<Item = String>, images: bool) -> Self {
        let hosts = hosts.into_iter().map(|host| host.to_ascii_lowercase()).collect();
        Self { hosts, addresses: HashSet::new(), images }
    }

    /// Allows, beside that, the very addresses that stand in `text`, a text of the site's own.
    pub(crate) fn allow_those_in(&mut self, text: &str) {
        let ends = |letter: char| letter.is_whitespace() || "<>\"'()[]`".contains(letter) || !letter.is_ascii();
        for word in text.split(ends) {
            let word = word.trim_end_matches(['.', ',', ';', ':', '!', '?', '*', '_', '~']);
            if ["https://", "http://", "mailto:", "tel:"].iter().any(|scheme| word.starts_with(scheme)) {
                self.addresses.insert(word.to_owned());
            }
        }
    }

    /// Whether a link may lead to `address`, as it stands in the text.
    pub(crate) fn allow(&self, address: &str) -> bool {
        if address.is_empty() || !address.chars().all(|letter| letter.is_ascii_alphanumeric() || PLAIN.contains(letter))
        {
            return false;
        }
        // One address inside of another is how a page that redirects is abused.
        if address.matches("//").count() > 1 {
            return false;
        }
        self.addresses.contains(address) || is_on_the_same_page(address) || self.is_on_a_host(address)
    }

    /// Whether any address may be linked to that begins with this one.
    pub(crate) fn allow_longer(&self, address: &str) -> bool {
        let rest = address.split_once("://").map_or(address, |(_, rest)| rest);
        rest.contains(['/', '?', '#']) && self.is_on_a_host(address)
    }

    /// Whether a picture may be loaded from `address`.
    pub(crate) fn allow_image(&self, address: &str) -> bool {
        self.images && self.allow(address) && self.is_on_a_host(address)
    }

    fn is_on_a_host(&self, address: &str) -> bool {
        let Ok(url) = Url::parse(address) else { return false };
        match url.scheme() {
            "http" | "https" => url.username().is_empty() && url.password().is_none() && self.has_host(url.host_str()),
            "mailto" => url.query().is_none() && self.has_host(url.path().rsplit_once('@').map(|(_, host)| host)),
            _ => false,
        }
    }

    fn has_host(&self, host: Option<&str>) -> bool {
        let Some(host) = host.map(str::to_ascii_lowercase) else { return false };
        self.hosts.iter().any(|allowed| {
            host.strip_suffix(allowed.as_str()).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
        })
    }
}

/// A path without a host. Entities (`&`) and schemes (`:`) would be read in more ways than one.
fn is_on_the_same_page(address: &str) -> bool {
    !address.starts_with("//") && !address.contains([':', '&', '@'])
}

/// The host that an address leads to, for reading only: nothing makes a link of it, and it carries nothing but itself.
pub(crate) fn host_of(address: &str) -> String {
    let with_scheme = if address.contains("://") { address.to_owned() } else { format!("http://{address}") };
    let host = Url::parse(&with_scheme).ok().and_then(|url| url.host_str().map(str::to_owned)).unwrap_or_default();
    let host: String =
        host.chars().filter(|letter| letter.is_ascii_alphanumeric() || matches!(letter, '.' | '-')).collect();
    host.split('.').filter(|label| !label.is_empty() && *label != "www").collect::<Vec<_>>().join(".")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn links() -> Links {
        let mut links = Links::new(["shop.example".to_owned()], false);
        links.allow_those_in("Track it at https://carrier.example/track?lang=en. Write to <mailto:hi@mail.example>.");
        links
    }

    #[test]
    fn own_hosts_own_paths_and_addresses_of_own_texts_are_allowed() {
        for address in [
            "https://shop.example",
            "http://WWW.Shop.Example:8080/a?b=c#d",
            "/en/shipping.html",
            "#top",
            "https://carrier.example/track?lang=en",
            "mailto:hi@mail.example",
            "mailto:orders@shop.example",
        ] {
            assert!(links().allow(address), "{address}");
        }
    }

    #[test]
    fn everything_else_is_foreign() {
        for address in [
            "",
            "https://evil.example/",
            "https://shop.example.evil.example/",
            "https://notshop.example/",
            "https://shop.example@evil.example/",
            "https://shop.example:secret@evil.example/",
            "https://a@shop.example/",
            "//evil.example/a",
            "\\\\evil.example/a",
            "/\\evil.example",
            "https:/\\evil.example",
            "&#104;ttps://evil.example",
            "javascript:alert(1)",
            "data:image/png;base64,AAAA",
            "https://carrier.example/track?lang=en&order=secret",
            "https://shop.example\u{3002}evil.example",
            "mailto:me@evil.example",
            "mailto:hi@shop.example?bcc=me@evil.example",
            "ftp://shop.example/a",
            "tel:+4912345",
            "https://shop.example/leave?to=https://evil.example/",
        ] {
            assert!(!links().allow(address), "{address}");
        }
    }

    #[test]
    fn images_need_their_switch_and_an_own_host() {
        let with_images = Links::new(["shop.example".to_owned()], true);
        assert!(with_images.allow_image("https://shop.example/pot.png"));
        assert!(!with_images.allow_image("https://evil.example/pot.png"));
        assert!(!with_images.allow_image("/pot.png"));
        assert!(!links().allow_image("https://shop.example/pot.png"));
    }

    #[test]
    fn a_foreign_address_leaves_its_host_to_read() {
        assert_eq!(host_of("https://www.evil.example/a?b"), "evil.example");
        assert_eq!(host_of("www.evil.example/a"), "evil.example");
        assert_eq!(host_of("http://"), "");
    }
}
