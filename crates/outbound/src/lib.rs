//! The HTTP client with which our programs call others.
//!
//! Every program must begin with [`client`]. `reqwest::Client::builder()` alone panics where no crypto provider was
//! installed for the process, and reads the system's certificates from disk, which takes longer than a function's whole
//! start. Here TLS is ring, which is quick to build and small, with Mozilla's certificate authorities built in.

use std::sync::Arc;

/// A client that can speak HTTP and HTTPS, sends small pieces at once, and follows no redirect: one would carry a key or
/// a visitor's words to a place that nobody configured.
///
/// Should TLS be impossible to set up, `build` says so.
pub fn client() -> reqwest::ClientBuilder {
    let builder = reqwest::Client::builder()
        .tcp_nodelay(true)
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .user_agent(concat!("frontdesk/", env!("CARGO_PKG_VERSION")));
    match tls() {
        Ok(tls) => builder.tls_backend_preconfigured(tls),
        Err(error) => builder.tls_backend_preconfigured(error),
    }
}

fn tls() -> Result<rustls::ClientConfig, rustls::Error> {
    let roots = rustls::RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    Ok(config.with_root_certificates(roots).with_no_client_auth())
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_client_can_be_built_without_a_provider_of_the_process() {
        assert!(super::client().build().is_ok());
    }
}
