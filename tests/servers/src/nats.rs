//! One NATS.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use tempfile::TempDir;

use crate::port;
use crate::process::Process;
use crate::tls::Certificate;

/// A server that is frozen does not answer.
const TIMEOUT: Duration = Duration::from_secs(2);

/// How a [`NatsServer`] runs. By default everybody may do everything, without TLS.
#[derive(Debug, Clone, Default)]
pub struct NatsOptions {
    /// Takes only TLS connections, with a certificate made for it. [`NatsServer::url`] is `tls://` then.
    pub tls: bool,
    /// Further lines of its configuration file, such as `authorization { user: shop, password: secret }`.
    pub settings: String,
}

/// A `nats-server`. Dropping it kills it.
#[derive(Debug)]
pub struct NatsServer {
    process: Process,
    /// Unlike that of any other.
    name: String,
    port: u16,
    monitor_port: u16,
    certificate: Option<Certificate>,
}

impl NatsServer {
    /// Starts one and waits until it answers.
    ///
    /// # Errors
    /// It does not start, which the end of its log explains.
    pub fn start(options: NatsOptions) -> Result<Self> {
        let mut last = None;
        // Somebody else may take a port between its choice and the server's start.
        for _ in 0..5 {
            let server = Self::prepare(&options)?;
            match server.restart() {
                Ok(()) => return Ok(server),
                Err(error) => last = Some(error),
            }
        }
        Err(last.context("no try was made")?)
    }

    fn prepare(options: &NatsOptions) -> Result<Self> {
        let folder = TempDir::with_prefix("nats-")?;
        let (port, monitor_port) = (port::free()?, port::free()?);
        let name = format!("{:032x}", rand::random::<u128>());
        let certificate = if options.tls { Some(Certificate::make(folder.path())?) } else { None };
        let configuration = configuration(options, &name, port, monitor_port, certificate.as_ref());
        std::fs::write(folder.path().join("nats.conf"), configuration)?;
        let arguments = vec!["--config".to_owned(), "nats.conf".to_owned()];
        let process = Process::new("nats-server", arguments, folder);
        Ok(Self { process, name, port, monitor_port, certificate })
    }

    /// What to connect to, without a name and a password.
    pub fn url(&self) -> String {
        let scheme = if self.certificate.is_some() { "tls" } else { "nats" };
        format!("{scheme}://127.0.0.1:{}", self.port)
    }

    /// [`NatsServer::url`] with a name and a password.
    pub fn url_as(&self, name: &str, password: &str) -> String {
        self.url().replacen("://", &format!("://{name}:{password}@"), 1)
    }

    /// The port of its clients.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The certificate that it shows, if it takes TLS connections.
    pub fn certificate(&self) -> Option<&Certificate> {
        self.certificate.as_ref()
    }

    /// Kills it (`kill -9`). It is gone when this returns.
    ///
    /// # Errors
    /// The system refuses.
    pub fn kill(&self) -> Result<()> {
        self.process.kill()
    }

    /// Freezes it (SIGSTOP): its connections stay and nothing is answered.
    ///
    /// # Errors
    /// It does not run.
    pub fn pause(&self) -> Result<()> {
        self.process.pause()
    }

    /// Lets a frozen one run on.
    ///
    /// # Errors
    /// It does not run.
    pub fn resume(&self) -> Result<()> {
        self.process.resume()
    }

    /// Kills it if it runs, starts it on the same port, and waits until it answers.
    ///
    /// # Errors
    /// It does not start, which the end of its log explains.
    pub fn restart(&self) -> Result<()> {
        self.process.kill()?;
        self.process.start()?;
        // Another test's server may have taken the port in the meantime.
        self.process.wait_until("NATS answers", |_| Ok(self.greeting()?.contains(&self.name)))
    }

    /// What its monitoring answers, JSON: `path` is `/subsz`, `/connz`, `/varz` …
    ///
    /// # Errors
    /// It does not answer within 2 s.
    pub fn monitor(&self, path: &str) -> Result<String> {
        let mut stream = connect(self.monitor_port)?;
        write!(stream, "GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer.split_once("\r\n\r\n").context("an HTTP answer has a body")?.1.to_owned())
    }

    /// Its first line says who it is, without TLS and before anybody has said who they are.
    fn greeting(&self) -> Result<String> {
        let mut line = String::new();
        BufReader::new(connect(self.port)?).read_line(&mut line)?;
        Ok(line)
    }
}

fn connect(port: u16) -> Result<TcpStream> {
    let stream = TcpStream::connect_timeout(&SocketAddr::from((Ipv4Addr::LOCALHOST, port)), TIMEOUT)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.set_write_timeout(Some(TIMEOUT))?;
    Ok(stream)
}

fn configuration(
    options: &NatsOptions,
    name: &str,
    port: u16,
    monitor_port: u16,
    certificate: Option<&Certificate>,
) -> String {
    let quoted = |path: &Path| format!("{:?}", path.display().to_string());
    let mut lines = format!(
        "server_name: \"{name}\"\nlisten: \"127.0.0.1:{port}\"\nhttp: \"127.0.0.1:{monitor_port}\"\n{}\n",
        options.settings
    );
    if let Some(files) = certificate {
        let (certificate, key) = (quoted(&files.certificate), quoted(&files.key));
        lines += &format!("tls {{ cert_file: {certificate}, key_file: {key} }}\n");
    }
    lines
}
