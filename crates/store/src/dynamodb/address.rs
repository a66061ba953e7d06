//! URLs of tables, and clients for them.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::config::timeout::TimeoutConfig;
use aws_sdk_dynamodb::config::{BehaviorVersion, Credentials, Region, SharedHttpClient};
use aws_smithy_http_client::Builder;
use aws_smithy_http_client::tls::Provider;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use url::Url;

use super::Options;
use super::capacity::Meter;
use super::table::Table;
use crate::StoreError;

/// How often a request is tried. With the pauses in between and the limits below, throttling of about two seconds passes
/// unseen.
const ATTEMPTS: u32 = 5;

/// The pause before the second attempt, at most: it is random. Doubles each time.
const FIRST_PAUSE: Duration = Duration::from_millis(50);

/// The longest pause between two attempts.
const LONGEST_PAUSE: Duration = Duration::from_millis(800);

/// Which part of the time for a request one attempt may take, and which one connecting. DynamoDB answers within milliseconds.
const ATTEMPT_PART: u32 = 2;
const CONNECT_PART: u32 = 5;

/// Where a table is: `dynamodb://TABLE?region=eu-central-1`, and `&endpoint=http://127.0.0.1:8000` for one that is not AWS's.
///
/// Without a region the environment says which. Credentials come from where AWS's tools look for them, too; they are made up
/// for an endpoint without TLS, so that no signature of real ones is ever sent in the open. A URL may hold some before the
/// table's name, `dynamodb://ID:SECRET@TABLE`; so it is never shown.
struct Address {
    table: String,
    region: Option<String>,
    endpoint: Option<String>,
    credentials: Option<Credentials>,
}

/// A client for the table of `url`. Nothing is asked of DynamoDB yet.
///
/// # Errors
/// A bad URL.
pub(super) async fn connect(url: &str, options: &Options) -> Result<Table, StoreError> {
    let address = Address::parse(url)?;
    let open = address.endpoint.as_deref().is_some_and(|endpoint| endpoint.starts_with("http://"));
    let mut config = aws_config::defaults(BehaviorVersion::latest())
        .http_client(http_client(open))
        .retry_config(
            RetryConfig::standard()
                .with_max_attempts(ATTEMPTS)
                .with_initial_backoff(FIRST_PAUSE)
                .with_max_backoff(LONGEST_PAUSE),
        )
        .timeout_config(
            TimeoutConfig::builder()
                .connect_timeout(options.timeout / CONNECT_PART)
                .operation_attempt_timeout(options.timeout / ATTEMPT_PART)
                .operation_timeout(options.timeout)
                .build(),
        );
    let made_up = open.then(|| Credentials::new("local", "local", None, None, "made up"));
    if let Some(credentials) = address.credentials.or(made_up) {
        config = config.credentials_provider(credentials);
    }
    if let Some(region) = address.region.or_else(|| open.then(|| "local".to_owned())) {
        config = config.region(Region::new(region));
    }
    if let Some(endpoint) = address.endpoint {
        config = config.endpoint_url(endpoint);
    }
    let client = aws_sdk_dynamodb::Client::new(&config.load().await);
    let meter = options.count_capacity.then(|| Arc::new(Meter::default()));
    Ok(Table::new(client, &address.table, meter))
}

/// TLS as everywhere else in Frontdesk: rustls with ring. Its certificates are the system's.
fn http_client(open: bool) -> SharedHttpClient {
    if open {
        Builder::new().build_http()
    } else {
        Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring)).build_https()
    }
}

impl Address {
    fn parse(text: &str) -> Result<Self, StoreError> {
        let url = Url::parse(text).map_err(|error| invalid(format_args!("{error}")))?;
        if url.scheme() != "dynamodb" {
            return Err(invalid("it begins with another word"));
        }
        let table = url.host_str().unwrap_or_default().to_owned();
        let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
        if !(3..=255).contains(&table.len()) || !table.bytes().all(is_name) || !matches!(url.path(), "" | "/") {
            return Err(invalid("a table's name has 3 to 255 letters, digits and _ . -"));
        }
        let mut address = Self { table, region: None, endpoint: None, credentials: credentials(&url)? };
        for (name, value) in url.query_pairs() {
            match &*name {
                "region" => address.region = Some(value.into_owned()).filter(|region| !region.is_empty()),
                "endpoint" => address.endpoint = Some(endpoint(&value)?),
                _ => return Err(invalid(format_args!("it has region and endpoint, and no {name:?}"))),
            }
        }
        Ok(address)
    }
}

fn credentials(url: &Url) -> Result<Option<Credentials>, StoreError> {
    match (url.username(), url.password()) {
        ("", None) => Ok(None),
        (id, Some(secret)) if !id.is_empty() => {
            Ok(Some(Credentials::new(plain(id)?, plain(secret)?, None, None, "url")))
        }
        _ => Err(invalid("credentials are an id and a secret")),
    }
}

/// Undoes what a URL does to characters of a secret such as `/`.
fn plain(text: &str) -> Result<String, StoreError> {
    // A query is the part of a URL whose encoding the crate undoes; a plus is none there.
    let query = format!("x={}", text.replace('+', "%2B"));
    let mut pairs = url::form_urlencoded::parse(query.as_bytes());
    pairs.next().map(|(_, text)| text.into_owned()).ok_or_else(|| invalid("credentials are an id and a secret"))
}

fn endpoint(text: &str) -> Result<String, StoreError> {
    let url = Url::parse(text).map_err(|error| invalid(format_args!("its endpoint is no URL: {error}")))?;
    let is_web = matches!(url.scheme(), "http" | "https") && url.host_str().is_some();
    if is_web { Ok(text.to_owned()) } else { Err(invalid("its endpoint is no http or https URL")) }
}

/// The URL itself is not told: it may hold a secret.
fn invalid(reason: impl fmt::Display) -> StoreError {
    let reason = format!("its URL is not like dynamodb://TABLE?region=eu-central-1: {reason}");
    StoreError::Invalid { what: "use DynamoDB".to_owned(), reason }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_names_table_region_and_endpoint() {
        let url = "dynamodb://Front_desk.1-a?region=eu-central-1&endpoint=http://127.0.0.1:8000";
        let address = Address::parse(url).unwrap();
        assert_eq!(address.table, "Front_desk.1-a");
        assert_eq!(address.region.as_deref(), Some("eu-central-1"));
        assert_eq!(address.endpoint.as_deref(), Some("http://127.0.0.1:8000"));
        assert!(address.credentials.is_none());
    }

    #[test]
    fn a_secret_may_have_any_characters() {
        let address = Address::parse("dynamodb://AKIA1:a%2Fb+c%40d@frontdesk").unwrap();
        let credentials = address.credentials.unwrap();
        assert_eq!((credentials.access_key_id(), credentials.secret_access_key()), ("AKIA1", "a/b+c@d"));
    }

    #[test]
    fn a_bad_url_is_refused_and_not_told() {
        for url in [
            "",
            "frontdesk",
            "redis://frontdesk",
            "dynamodb://",
            "dynamodb://ab",
            "dynamodb://front desk",
            "dynamodb://table/path",
            "dynamodb://table?regoin=eu",
            "dynamodb://table?endpoint=ftp://there",
            "dynamodb://table?endpoint=there",
            "dynamodb://s3cret@table",
            "dynamodb://:s3cret@table",
            "dynamodb://id:s3cret@table?endpoint=there",
        ] {
            let error = Address::parse(url).err().map(|error| error.to_string());
            assert!(error.is_some_and(|error| !error.contains("s3cret")), "{url}");
        }
    }
}
