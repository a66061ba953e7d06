//! TLS, users, passwords.

use servers::{RedisOptions, RedisServer};
use store::redis::{Options, RedisStore};
use store::{Store, StoreError};

use crate::{append, connect, conversation, event, reason, start};

const PASSWORD: &str = "p@ss/w%rd";
const ENCODED: &str = "p%40ss%2Fw%25rd";

/// A server with TLS, and the user whom the documentation tells to make.
pub(crate) struct Secured(RedisServer);

impl Secured {
    pub(crate) fn start() -> Option<Self> {
        let acl = vec!["user default off".to_owned(), documented_user(PASSWORD)];
        start(RedisOptions { acl, tls: true, ..RedisOptions::default() }).map(Self)
    }

    pub(crate) fn url(&self) -> String {
        self.url_with(ENCODED)
    }

    fn url_with(&self, password: &str) -> String {
        let authority = &self.0.certificate().unwrap().authority;
        format!("{}?ca={}", self.0.url_as("frontdesk", password), authority.display())
    }
}

/// The rule in `docs/redis.md`, as a line of an ACL file.
fn documented_user(password: &str) -> String {
    let page = include_str!("../../../../docs/redis.md");
    let rule = page.lines().find_map(|line| line.trim().strip_prefix("redis-cli ACL SETUSER ")).unwrap();
    format!("user {}", rule.replace('\'', "").replace("PASSWORD", password))
}

#[tokio::test]
async fn a_server_whose_certificate_nobody_vouches_for_is_not_trusted() {
    let Some(server) = Secured::start() else { return };
    let store = connect(&server.0.url_as("frontdesk", ENCODED)).await;
    assert!(reason(store.ready().await).contains("certificate"));
}

#[tokio::test]
async fn an_error_names_what_is_wrong_with_the_user_and_never_the_password() {
    let Some(server) = Secured::start() else { return };
    let wrong = connect(&server.url_with("geheim")).await;
    let error = reason(wrong.ready().await);
    assert!(error.contains("WRONGPASS") && !error.contains("geheim"), "{error}");
    assert!(!format!("{wrong:?}").contains("geheim"));
    let nobody = server.url().replace(&format!("frontdesk:{ENCODED}@"), "");
    assert!(reason(connect(&nobody).await.ready().await).contains("NOAUTH"));
    server.0.command(&["ACL", "SETUSER", "frontdesk", "-rpush"]).unwrap();
    let error = reason(append(&connect(&server.url()).await, &conversation(1), &event(1, "geheim")).await);
    assert!(error.contains("NOPERM") && error.contains("docs/redis.md") && !error.contains("geheim"), "{error}");
}

#[tokio::test]
async fn a_bad_url_is_refused_at_once_without_its_password() {
    let missing_file = "rediss://frontdesk:geheim@127.0.0.1?ca=/nowhere/ca.pem";
    for url in ["redis://frontdesk:geheim@127.0.0.1/x", "http://frontdesk:geheim@127.0.0.1", missing_file] {
        let error = RedisStore::connect(url, Options::default()).await.unwrap_err();
        assert!(matches!(error, StoreError::Invalid { .. }) && !error.to_string().contains("geheim"), "{error}");
    }
}
