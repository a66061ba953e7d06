//! The widget's files, which are part of the program.

use std::collections::HashMap;
use std::io::{self, Write as _};

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use sha2::{Digest, Sha256};

/// Every file in `web/dist`, by its path there.
const EMBEDDED: &[(&str, &[u8])] = include!(concat!(env!("OUT_DIR"), "/widget.rs"));

/// Files whose name holds a hash of their content never change.
const FOR_EVER: &str = "public, max-age=31536000, immutable";

/// Others, like the loader, are new within five minutes of a release; until asked again an old one serves for a day.
const FOR_A_WHILE: &str = "public, max-age=300, stale-while-revalidate=86400";

/// Holds for a file that is opened as a page of its own, which none is meant to be.
const NO_PAGE: &str = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; \
                       require-trusted-types-for 'script'; trusted-types 'none'";

/// Files to serve, with what their responses say.
#[derive(Debug)]
pub struct Assets(HashMap<&'static str, Asset>);

#[derive(Debug)]
struct Asset {
    content_type: &'static str,
    cache_control: &'static str,
    plain: Content,
    /// Only where it is shorter.
    gzip: Option<Content>,
}

#[derive(Debug)]
struct Content {
    etag: HeaderValue,
    bytes: Bytes,
}

impl Assets {
    /// The widget as built with the program.
    ///
    /// # Errors
    /// A file cannot be compressed.
    pub fn embedded() -> io::Result<Self> {
        Self::new(EMBEDDED)
    }

    fn new(files: &[(&'static str, &'static [u8])]) -> io::Result<Self> {
        files.iter().map(|(name, bytes)| Ok((*name, Asset::new(name, bytes)?))).collect::<io::Result<_>>().map(Self)
    }

    /// Answers a request for a file. `None`: there is no such file.
    #[must_use]
    pub fn respond(&self, name: &str, request: &HeaderMap) -> Option<Response> {
        let asset = self.0.get(name)?;
        let gzip = asset.gzip.as_ref().filter(|_| accepts_gzip(request));
        let content = gzip.unwrap_or(&asset.plain);
        let mut response = if has_it(request, &content.etag) {
            let mut response = Response::new(Body::empty());
            *response.status_mut() = StatusCode::NOT_MODIFIED;
            response
        } else {
            Response::new(Body::from(content.bytes.clone()))
        };
        let headers = response.headers_mut();
        if gzip.is_some() {
            headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        }
        headers.insert(header::ETAG, content.etag.clone());
        asset.describe(headers);
        Some(response)
    }
}

impl Asset {
    fn new(name: &str, bytes: &'static [u8]) -> io::Result<Self> {
        let content_type = content_type(name);
        let packed = gzip(bytes)?;
        let gzip = (packed.len() < bytes.len()).then(|| Content { etag: etag(bytes, "-gzip"), bytes: packed.into() });
        let cache_control = if is_hashed(name) { FOR_EVER } else { FOR_A_WHILE };
        let plain = Content { etag: etag(bytes, ""), bytes: Bytes::from_static(bytes) };
        Ok(Self { content_type, cache_control, plain, gzip })
    }

    fn describe(&self, headers: &mut HeaderMap) {
        let lines = [
            (header::CONTENT_TYPE, self.content_type),
            (header::CACHE_CONTROL, self.cache_control),
            (header::VARY, "accept-encoding"),
            (header::CONTENT_SECURITY_POLICY, NO_PAGE),
            // Pages of every origin load these files; they hold nothing of anybody.
            (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
            (header::HeaderName::from_static("cross-origin-resource-policy"), "cross-origin"),
        ];
        for (name, value) in lines {
            headers.insert(name, HeaderValue::from_static(value));
        }
    }
}

fn gzip(bytes: &[u8]) -> io::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes)?;
    encoder.finish()
}

/// Different for the two encodings of one file, as RFC 9110, section 8.8.3, asks of strong tags.
fn etag(bytes: &[u8], suffix: &str) -> HeaderValue {
    let hash: String = Sha256::digest(bytes)[..12].iter().map(|byte| format!("{byte:02x}")).collect();
    HeaderValue::try_from(format!("\"{hash}{suffix}\"")).unwrap_or(HeaderValue::from_static("\"\""))
}

/// Whether a name ends in a hash, like `panel-0f3a9b21cc.js`: eight or more letters and digits after the last `-` or
/// `.`, at least one of them a digit, so that a word is not taken for one.
fn is_hashed(name: &str) -> bool {
    let stem = name.rsplit_once('.').map_or(name, |(stem, _)| stem);
    let last = stem.rsplit_once(['-', '.']).map_or("", |(_, last)| last);
    last.len() >= 8
        && last.bytes().all(|byte| byte.is_ascii_alphanumeric())
        && last.bytes().any(|byte| byte.is_ascii_digit())
}

fn content_type(name: &str) -> &'static str {
    match name.rsplit_once('.').map_or("", |(_, extension)| extension) {
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "html" => "text/html; charset=utf-8",
        "json" | "map" => "application/json",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "woff2" => "font/woff2",
        "txt" => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}

/// Whether `Accept-Encoding` allows gzip: by name, or by `*`, and not with a weight of 0.
fn accepts_gzip(request: &HeaderMap) -> bool {
    let values = request.get_all(header::ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    let mut by_star = false;
    for coding in values.flat_map(|value| value.split(',')) {
        let mut parts = coding.split(';').map(str::trim);
        let name = parts.next().unwrap_or("");
        let weight = parts.find_map(|part| part.strip_prefix("q=")).map_or(1.0, |q| q.parse().unwrap_or(0.0));
        if name.eq_ignore_ascii_case("gzip") {
            return weight > 0.0;
        }
        by_star |= name == "*" && weight > 0.0;
    }
    by_star
}

/// Whether `If-None-Match` names the tag, compared as RFC 9110, section 13.1.2, asks: weakly.
pub(crate) fn has_it(request: &HeaderMap, etag: &HeaderValue) -> bool {
    let values = request.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    values
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .any(|tag| tag == "*" || tag.trim_start_matches("W/") == etag)
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use flate2::read::GzDecoder;
    use http_body_util::BodyExt as _;

    use super::*;

    const SCRIPT: &[u8] = b"console.log('hello'); console.log('hello'); console.log('hello'); console.log('hello');";

    fn assets() -> Assets {
        Assets::new(&[("loader.js", SCRIPT), ("panel-0f3a9b21cc.js", SCRIPT), ("tiny.txt", b"a")]).unwrap()
    }

    /// Status, headers and body of the response to a request with one header.
    async fn get(name: &str, header: Option<(header::HeaderName, &str)>) -> (StatusCode, HeaderMap, Bytes) {
        let request = header.map(|(name, value)| (name, HeaderValue::from_str(value).unwrap())).into_iter().collect();
        let (parts, body) = assets().respond(name, &request).unwrap().into_parts();
        (parts.status, parts.headers, body.collect().await.unwrap().to_bytes())
    }

    #[tokio::test]
    async fn a_file_comes_as_it_is_with_its_type_and_for_every_origin() {
        let (status, headers, body) = get("loader.js", None).await;

        assert_eq!((status, body.as_ref()), (StatusCode::OK, SCRIPT));
        assert_eq!(headers[header::CONTENT_TYPE], "text/javascript; charset=utf-8");
        assert_eq!(headers[header::ACCESS_CONTROL_ALLOW_ORIGIN], "*");
        assert_eq!(headers["cross-origin-resource-policy"], "cross-origin");
        assert!(headers[header::CONTENT_SECURITY_POLICY].to_str().unwrap().contains("default-src 'none'"));
        assert!(!headers.contains_key(header::CONTENT_ENCODING));
    }

    #[tokio::test]
    async fn a_file_comes_compressed_where_that_is_accepted_and_shorter() {
        let accept = |value| Some((header::ACCEPT_ENCODING, value));
        let (_, headers, body) = get("loader.js", accept("br;q=1.0, gzip;q=0.8")).await;

        let mut unpacked = Vec::new();
        GzDecoder::new(body.as_ref()).read_to_end(&mut unpacked).unwrap();
        assert_eq!(unpacked, SCRIPT);
        assert_eq!(
            (&headers[header::CONTENT_ENCODING], &headers[header::VARY]),
            (&HeaderValue::from_static("gzip"), &HeaderValue::from_static("accept-encoding"))
        );
        for value in ["br", "gzip;q=0", "*;q=0", "identity", ""] {
            assert_eq!(get("loader.js", accept(value)).await.2, SCRIPT, "{value}");
        }
        assert_eq!(get("tiny.txt", accept("gzip")).await.2.as_ref(), b"a");
    }

    #[tokio::test]
    async fn who_has_a_file_does_not_get_it_again() {
        let (_, headers, _) = get("loader.js", None).await;
        let tag = headers[header::ETAG].to_str().unwrap().to_owned();

        for value in [tag.clone(), format!("W/{tag}"), format!("\"other\", {tag}"), "*".to_owned()] {
            let (status, headers, body) = get("loader.js", Some((header::IF_NONE_MATCH, &value))).await;
            assert_eq!((status, body.len()), (StatusCode::NOT_MODIFIED, 0), "{value}");
            assert_eq!(headers[header::ETAG], tag.as_str());
        }
        assert_eq!(get("loader.js", Some((header::IF_NONE_MATCH, "\"other\""))).await.0, StatusCode::OK);
    }

    #[tokio::test]
    async fn the_two_encodings_have_different_tags() {
        let plain = get("loader.js", None).await.1[header::ETAG].clone();
        let packed = get("loader.js", Some((header::ACCEPT_ENCODING, "gzip"))).await.1[header::ETAG].clone();

        assert_ne!(plain, packed);
    }

    #[tokio::test]
    async fn only_files_named_by_their_content_are_kept_for_ever() {
        assert_eq!(get("panel-0f3a9b21cc.js", None).await.1[header::CACHE_CONTROL], FOR_EVER);
        assert_eq!(get("loader.js", None).await.1[header::CACHE_CONTROL], FOR_A_WHILE);
    }

    #[test]
    fn the_widget_in_the_program_has_a_loader_and_the_panel_that_it_names() {
        let embedded = Assets::embedded().unwrap();
        let loader = String::from_utf8_lossy(&embedded.0["loader.js"].plain.bytes).into_owned();

        let panel = embedded.0.keys().find(|name| name.starts_with("panel-")).unwrap();
        assert!(loader.contains(panel), "{panel}");
        assert_eq!(embedded.0[panel].cache_control, FOR_EVER);
    }

    #[test]
    fn a_hash_is_told_from_a_word() {
        for (name, hashed) in [
            ("panel-0f3a9b21cc.js", true),
            ("assets/icon.Dx81kq9Z.svg", true),
            ("loader.js", false),
            ("panel-messages.js", false),
            ("panel-1.js", false),
            ("0f3a9b21cc.js", false),
        ] {
            assert_eq!(is_hashed(name), hashed, "{name}");
        }
    }

    #[test]
    fn a_file_that_is_not_there_is_nothing() {
        for name in ["", "other.js", "../Cargo.toml", "/loader.js"] {
            assert!(assets().respond(name, &HeaderMap::new()).is_none(), "{name}");
        }
    }
}
