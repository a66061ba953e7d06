//! Making a connection to one server: TCP, TLS, who we are.

use std::sync::Arc;
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Pipeline, RedisConnectionInfo, Value};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio::task::AbortHandle;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::trouble::{Refusal, Trouble};
use super::url::{Address, Credentials, Target, TlsFiles};

/// How long a connection may take, with TLS and all.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);

/// A connection that many may use at once.
#[derive(Clone)]
pub(super) struct Connection {
    pub(super) commands: MultiplexedConnection,
    driver: AbortHandle,
}

impl Connection {
    /// Whether the other end has closed it.
    pub(super) fn is_closed(&self) -> bool {
        self.driver.is_finished()
    }
}

/// How connections to all servers of a store are made.
pub(super) struct Dial {
    tls: Option<TlsConnector>,
    credentials: Option<Credentials>,
    database: u32,
}

impl Dial {
    /// # Errors
    /// A file that TLS needs cannot be read.
    pub(super) fn new(target: &Target) -> Result<Self, String> {
        let tls = target.tls.as_ref().map(tls_config).transpose()?;
        let tls = tls.map(|config| TlsConnector::from(Arc::new(config)));
        Ok(Self { tls, credentials: target.credentials.clone(), database: target.database })
    }

    /// Connects, says who we are, and waits for an answer: a frozen server's connections are accepted too.
    pub(super) async fn connect(&self, address: &Address) -> Result<Connection, Trouble> {
        let connect = async {
            let connection = self.open(address).await?;
            self.introduce(address, connection).await
        };
        timeout(CONNECT_TIMEOUT, connect)
            .await
            .unwrap_or_else(|_| Err(unreachable(address, &format!("no answer within {CONNECT_TIMEOUT:?}"))))
    }

    async fn open(&self, address: &Address) -> Result<Connection, Trouble> {
        let to_trouble = |error: std::io::Error| unreachable(address, &error.to_string());
        let stream = TcpStream::connect((address.host.as_str(), address.port)).await.map_err(to_trouble)?;
        stream.set_nodelay(true).map_err(to_trouble)?;
        // The answer to each command is waited for here, and no longer there.
        let config = AsyncConnectionConfig::new().set_response_timeout(None);
        let nobody = RedisConnectionInfo::default().set_skip_set_lib_name();
        let connected = match &self.tls {
            None => driven(MultiplexedConnection::new_with_config(&nobody, stream, config).await),
            Some(tls) => {
                let name = ServerName::try_from(address.host.clone())
                    .map_err(|error| unreachable(address, &error.to_string()))?;
                let stream = tls.connect(name, stream).await.map_err(to_trouble)?;
                driven(MultiplexedConnection::new_with_config(&nobody, stream, config).await)
            }
        };
        connected.map_err(|error| Trouble::broken(&address.to_string(), &error))
    }

    async fn introduce(&self, address: &Address, mut connection: Connection) -> Result<Connection, Trouble> {
        let mut pipeline = Pipeline::new();
        match &self.credentials {
            None => {}
            Some(Credentials { user, password }) if user.is_empty() => {
                pipeline.cmd("AUTH").arg(password);
            }
            Some(Credentials { user, password }) => {
                pipeline.cmd("AUTH").arg(user).arg(password);
            }
        }
        if self.database != 0 {
            pipeline.cmd("SELECT").arg(self.database);
        }
        pipeline.cmd("PING");
        let answers = connection
            .commands
            .send_packed_commands(&pipeline, 0, pipeline.len())
            .await
            .map_err(|error| unreachable(address, error.category()))?;
        match answers.iter().find_map(refusal) {
            Some(refusal) => Err(Trouble::Refused(refusal)),
            None => Ok(connection),
        }
    }
}

fn refusal(value: &Value) -> Option<Refusal> {
    match value {
        Value::ServerError(error) => Some(Refusal::from_server(error)),
        _ => None,
    }
}

/// Lets a connection's other half run until nobody holds the connection any more.
fn driven<D>(connected: redis::RedisResult<(MultiplexedConnection, D)>) -> redis::RedisResult<Connection>
where
    D: Future<Output = ()> + Send + 'static,
{
    let (commands, driver) = connected?;
    Ok(Connection { commands, driver: tokio::spawn(driver).abort_handle() })
}

fn unreachable(address: &Address, reason: &str) -> Trouble {
    let reason = format!("no connection to Redis at {address} ({reason}); does it run, and is the URL right?");
    Trouble::NoConnection { reason, retry_after_ms: 0 }
}

fn tls_config(files: &TlsFiles) -> Result<ClientConfig, String> {
    let mut roots = RootCertStore::empty();
    match &files.ca {
        None => roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned()),
        Some(ca) => {
            for certificate in certificates(ca)? {
                roots.add(certificate).map_err(|error| format!("{} is no authority: {error}", ca.display()))?;
            }
        }
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .with_root_certificates(roots);
    match (&files.cert, &files.key) {
        (Some(cert), Some(key)) => {
            let key_der = PrivateKeyDer::from_pem_file(key).map_err(|error| format!("{}: {error}", key.display()))?;
            builder
                .with_client_auth_cert(certificates(cert)?, key_der)
                .map_err(|error| format!("{} and {}: {error}", cert.display(), key.display()))
        }
        _ => Ok(builder.with_no_client_auth()),
    }
}

fn certificates(file: &std::path::Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let read = CertificateDer::pem_file_iter(file).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    match read {
        Ok(certificates) if certificates.is_empty() => Err(format!("{} holds no certificate", file.display())),
        Ok(certificates) => Ok(certificates),
        Err(error) => Err(format!("{}: {error}", file.display())),
    }
}
