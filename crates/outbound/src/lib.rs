//! The HTTP client with which our programs call others.
//!
//! Every program must begin with [`client`]. `reqwest::Client::builder()` alone panics where no crypto provider was
//! installed for the process, and reads the system's certificates from disk, which takes longer than a function's whole
//! start. Here TLS is ring, which is quick to build and small, with Mozilla's certificate authorities built in, and with
//! those of `SSL_CERT_FILE` and `SSL_CERT_DIR` where these are set.

mod pair;

use std::sync::Arc;

pub use pair::Pair;

/// A client that can speak HTTP and HTTPS, sends small pieces at once, and follows no redirect: one would carry a key or
/// a visitor's words to a place that nobody configured.
///
/// Should TLS be impossible to set up, `build` says so.
pub fn client() -> reqwest::ClientBuilder {
    client_that_offers(&[])
}

/// What several clients of one server share: the certificate authorities are read once for all of them. A file and a folder of
/// them take tens of milliseconds, which a function's start cannot spare. Where the server's address is not one of TLS no
/// authority is read: nothing that these clients reach would show a certificate, as they follow no redirect.
#[derive(Clone, Debug)]
pub struct Shared {
    tls: Result<rustls::ClientConfig, rustls::Error>,
}

impl Shared {
    /// For clients of the server at `url`, which over TLS speak HTTP/2 with a server that does.
    #[must_use]
    pub fn with_http2(url: &str) -> Self {
        Self::that_offers(url, &[b"h2", b"http/1.1"])
    }

    /// For clients of the server at `url`, which speak HTTP/1.1.
    #[must_use]
    pub fn with_http1(url: &str) -> Self {
        Self::that_offers(url, &[])
    }

    fn that_offers(url: &str, protocols: &[&[u8]]) -> Self {
        let is_plain = url.get(..7).is_some_and(|scheme| scheme.eq_ignore_ascii_case("http://"));
        Self { tls: if is_plain { config(rustls::RootCertStore::empty(), &[]) } else { tls(protocols) } }
    }

    /// As [`client`].
    pub fn client(&self) -> reqwest::ClientBuilder {
        client_with(self.tls.clone())
    }
}

/// `protocols`: what is offered when TLS begins (ALPN). Nothing offered is HTTP/1.1.
fn client_that_offers(protocols: &[&[u8]]) -> reqwest::ClientBuilder {
    client_with(tls(protocols))
}

fn client_with(tls: Result<rustls::ClientConfig, rustls::Error>) -> reqwest::ClientBuilder {
    let builder = reqwest::Client::builder()
        .tcp_nodelay(true)
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .user_agent(concat!("frontdesk/", env!("CARGO_PKG_VERSION")));
    match tls {
        Ok(tls) => builder.tls_backend_preconfigured(tls),
        Err(error) => builder.tls_backend_preconfigured(error),
    }
}

fn tls(protocols: &[&[u8]]) -> Result<rustls::ClientConfig, rustls::Error> {
    let mut roots = rustls::RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    add_own_authorities(&mut roots);
    config(roots, protocols)
}

fn config(roots: rustls::RootCertStore, protocols: &[&[u8]]) -> Result<rustls::ClientConfig, rustls::Error> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    let mut config = config.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
    Ok(config)
}

/// The certificate authorities in the file that `SSL_CERT_FILE` names, and in the folders of `SSL_CERT_DIR`. The system's
/// own are read only so: all of them cost a start several milliseconds.
fn add_own_authorities(roots: &mut rustls::RootCertStore) {
    if !["SSL_CERT_FILE", "SSL_CERT_DIR"].iter().any(|name| std::env::var_os(name).is_some()) {
        return;
    }
    let found = rustls_native_certs::load_native_certs();
    for error in &found.errors {
        tracing::warn!(%error, "a certificate authority of SSL_CERT_FILE or SSL_CERT_DIR cannot be read");
    }
    let (added, refused) = roots.add_parsable_certificates(found.certs);
    tracing::debug!(added, refused, "certificate authorities beside Mozilla's");
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_client_can_be_built_without_a_provider_of_the_process() {
        assert!(super::client().build().is_ok());
    }

    #[test]
    fn only_clients_of_a_server_with_tls_know_authorities() {
        for (url, offered) in [("http://127.0.0.1:1/v1", 0), ("https://127.0.0.1:1/v1", 2), ("", 2)] {
            let shared = super::Shared::with_http2(url);
            assert_eq!(shared.tls.as_ref().unwrap().alpn_protocols.len(), offered, "{url}");
            assert!(super::Shared::with_http1(url).tls.unwrap().alpn_protocols.is_empty(), "{url}");
            assert!(shared.client().build().is_ok() && shared.client().build().is_ok(), "{url}");
        }
    }
}
