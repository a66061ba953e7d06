//! Which web pages may talk to a site.
//!
//! A browser names the page's origin in a header that the page cannot change, so a foreign page cannot use a visitor's
//! browser to talk as that visitor. Anything else can send any origin: the list guards visitors in browsers, and tokens
//! guard conversations. Therefore a client that sends no origin (an app, a server) is taken unless the site says
//! otherwise (`allow_no_origin = false`).

use config::Site;
use http::{HeaderMap, header};
use protocol::v1::ErrorCode;

use crate::refusal::Refusal;

/// Checks the request's `Origin` against the site's list.
///
/// # Errors
/// The origin is not on the list, is not text, or is there twice.
pub fn check(site: &Site, headers: &HeaderMap) -> Result<(), Refusal> {
    let mut values = headers.get_all(header::ORIGIN).iter();
    let allowed = match (values.next(), values.next()) {
        (None, _) => site.allows_origin(None),
        (Some(origin), None) => origin.to_str().is_ok_and(|origin| site.allows_origin(Some(origin))),
        (Some(_), Some(_)) => false,
    };
    if allowed {
        return Ok(());
    }
    let message = "this page's origin may not talk to the site; add it to the site's origins";
    Err(Refusal::new(ErrorCode::OriginForbidden, message))
}

#[cfg(test)]
mod tests {
    use config::Config;
    use http::HeaderValue;

    use super::*;

    fn allowed(origins: &[&[u8]], allow_no_origin: bool) -> bool {
        let text = format!(
            "[sites.shop]\nname = \"Shop\"\norigins = [\"https://shop.example\"]\nallow_no_origin = {allow_no_origin}"
        );
        let mut headers = HeaderMap::new();
        for origin in origins {
            headers.append(header::ORIGIN, HeaderValue::from_bytes(origin).unwrap());
        }
        check(&Config::parse(&text, []).unwrap().sites["shop"], &headers).is_ok()
    }

    #[test]
    fn an_origin_on_the_list_is_taken_and_another_is_not() {
        assert!(allowed(&[b"https://shop.example"], true));
        assert!(!allowed(&[b"https://evil.example"], true));
        assert!(!allowed(&[b"null"], true));
        assert!(!allowed(&[b""], true));
    }

    #[test]
    fn no_origin_is_taken_where_the_site_allows_it() {
        assert!(allowed(&[], true));
        assert!(!allowed(&[], false));
    }

    #[test]
    fn an_origin_that_is_there_twice_or_is_no_text_is_refused() {
        assert!(!allowed(&[b"https://shop.example", b"https://shop.example"], true));
        assert!(!allowed(&[b"https://shop.example\xff"], true));
    }
}
