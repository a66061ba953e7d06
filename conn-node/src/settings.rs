//! A site's public settings: what the widget needs to know before it connects.

use std::collections::BTreeMap;
use std::io;

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use config::{Site, Translated};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::assets::has_it;

/// Pages see a change within a minute.
const CACHE_CONTROL: &str = "public, max-age=60";

/// The settings as they are sent.
#[derive(Debug)]
pub(crate) struct Settings {
    json: Bytes,
    etag: HeaderValue,
}

/// The JSON of `/v1/sites/{site}`.
#[derive(Serialize)]
struct Document<'s> {
    name: &'s str,
    /// BCP 47 tags; the first is used for visitors whose language is not among them.
    languages: Vec<&'s str>,
    greeting: BTreeMap<&'s str, &'s String>,
    suggestions: BTreeMap<&'s str, &'s Vec<String>>,
    theme: Theme<'s>,
    identity_required: bool,
    max_text_bytes: usize,
}

#[derive(Serialize)]
struct Theme<'s> {
    color: &'s str,
}

impl Settings {
    pub(crate) fn new(site: &Site, max_text_bytes: usize) -> io::Result<Self> {
        let json = serde_json::to_vec(&Document {
            name: &site.name,
            languages: site.languages.iter().map(config::Language::as_str).collect(),
            greeting: by_tag(&site.greeting),
            suggestions: by_tag(&site.suggestions),
            theme: Theme { color: site.theme.color.as_str() },
            identity_required: site.identity.required,
            max_text_bytes,
        })?;
        let hash: String = Sha256::digest(&json)[..12].iter().map(|byte| format!("{byte:02x}")).collect();
        let etag = HeaderValue::try_from(format!("\"{hash}\"")).map_err(io::Error::other)?;
        Ok(Self { json: json.into(), etag })
    }

    pub(crate) fn respond(&self, request: &HeaderMap) -> Response {
        let is_known = has_it(request, &self.etag);
        let mut response = Response::new(if is_known { Body::empty() } else { Body::from(self.json.clone()) });
        if is_known {
            *response.status_mut() = StatusCode::NOT_MODIFIED;
        }
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(CACHE_CONTROL));
        headers.insert(header::ETAG, self.etag.clone());
        response
    }
}

fn by_tag<T>(translated: &Translated<T>) -> BTreeMap<&str, &T> {
    translated.iter().map(|(language, value)| (language.as_str(), value)).collect()
}
