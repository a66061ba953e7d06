//! One Redis.

use std::path::Path;

use anyhow::{Context, Result};
use tempfile::TempDir;

use crate::port;
use crate::process::Process;
use crate::resp::{Connection, Reply};
use crate::tls::Certificate;

/// The name under which this crate itself asks a server that has an ACL file.
const OWN_NAME: &str = "servers";

/// How a [`RedisServer`] runs. By default: nothing is kept over a restart, everybody may do everything, no TLS.
#[derive(Debug, Clone, Default)]
pub struct RedisOptions {
    /// Keeps what was written over a restart (`appendonly yes`, `appendfsync everysec`).
    pub keeps_data: bool,
    /// Lines of an ACL file, such as `user default off` and `user shop on >secret ~fd:* &fd:* +@all`. Empty: everybody
    /// may do everything.
    pub acl: Vec<String>,
    /// Takes TLS connections, with a certificate made for it. [`RedisServer::url`] is `rediss://` then.
    pub tls: bool,
    /// The port of the Redis on 127.0.0.1 whose replica it is.
    pub replica_of: Option<u16>,
    /// Further lines of configuration: name and value.
    pub settings: Vec<(String, String)>,
}

/// A `redis-server`. Dropping it kills it and removes its data.
#[derive(Debug)]
pub struct RedisServer {
    process: Process,
    port: u16,
    tls: Option<(u16, Certificate)>,
    own_password: Option<String>,
}

impl RedisServer {
    /// Starts one and waits until it answers; as a replica: until it has what its primary has.
    ///
    /// # Errors
    /// It does not start, which the end of its log explains.
    pub fn start(options: RedisOptions) -> Result<Self> {
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

    fn prepare(options: &RedisOptions) -> Result<Self> {
        let folder = TempDir::with_prefix("redis-")?;
        let port = port::free()?;
        let tls = match options.tls {
            true => Some((port::free()?, Certificate::make(folder.path())?)),
            false => None,
        };
        let own_password = match options.acl.is_empty() {
            true => None,
            false => Some(write_acl(folder.path(), &options.acl)?),
        };
        let arguments = arguments(options, folder.path(), port, tls.as_ref());
        Ok(Self { process: Process::new("redis-server", arguments, folder), port, tls, own_password })
    }

    /// What to connect to, without a name and a password.
    pub fn url(&self) -> String {
        match &self.tls {
            Some((port, _)) => format!("rediss://127.0.0.1:{port}"),
            None => format!("redis://127.0.0.1:{}", self.port),
        }
    }

    /// [`RedisServer::url`] with the name and the password of an ACL user.
    pub fn url_as(&self, name: &str, password: &str) -> String {
        self.url().replacen("://", &format!("://{name}:{password}@"), 1)
    }

    /// The port without TLS.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The certificate that it shows, if it takes TLS connections.
    pub fn certificate(&self) -> Option<&Certificate> {
        self.tls.as_ref().map(|(_, certificate)| certificate)
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

    /// Kills it if it runs, starts it on the same port with the same data, and waits until it answers.
    ///
    /// # Errors
    /// It does not start, which the end of its log explains.
    pub fn restart(&self) -> Result<()> {
        self.process.kill()?;
        self.process.start()?;
        self.process.wait_until("Redis answers", |id| self.is_ready(id))
    }

    /// Asks it something, on a connection of its own that may do everything.
    ///
    /// # Errors
    /// It does not answer within 2 s, or answers with an error.
    pub fn command(&self, words: &[&str]) -> Result<Reply> {
        let mut connection = Connection::open(self.port)?;
        if let Some(password) = &self.own_password {
            connection.command(&["AUTH", OWN_NAME, password])?;
        }
        connection.command(words)
    }

    /// One field of `INFO`, such as `connected_clients`; empty if there is none of that name.
    ///
    /// # Errors
    /// Those of [`RedisServer::command`].
    pub fn info(&self, field: &str) -> Result<String> {
        let info = self.command(&["INFO", "everything"])?;
        let value = info.text().lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
        Ok(value.unwrap_or_default().to_owned())
    }

    fn is_ready(&self, id: u32) -> Result<bool> {
        // Another test's server may have taken the port in the meantime.
        let is_itself = self.info("process_id")? == id.to_string();
        let has_all = self.info("role")? != "slave" || self.info("master_link_status")? == "up";
        Ok(is_itself && has_all && self.info("loading")? == "0")
    }
}

/// Returns the password of [`OWN_NAME`].
fn write_acl(folder: &Path, lines: &[String]) -> Result<String> {
    let password = format!("{:032x}", rand::random::<u128>());
    let own = format!("user {OWN_NAME} on >{password} ~* &* +@all");
    std::fs::write(folder.join("acl"), [lines, &[own]].concat().join("\n"))?;
    Ok(password)
}

fn arguments(options: &RedisOptions, folder: &Path, port: u16, tls: Option<&(u16, Certificate)>) -> Vec<String> {
    let file = |name: &Path| name.display().to_string();
    let mut settings = vec![
        ("bind", "127.0.0.1".to_owned()),
        ("port", port.to_string()),
        ("dir", file(folder)),
        ("save", String::new()),
        ("appendonly", if options.keeps_data { "yes" } else { "no" }.to_owned()),
        ("repl-diskless-sync-delay", "0".to_owned()),
    ];
    if !options.acl.is_empty() {
        settings.push(("aclfile", file(&folder.join("acl"))));
    }
    if let Some((port, certificate)) = tls {
        settings.push(("tls-port", port.to_string()));
        settings.push(("tls-cert-file", file(&certificate.certificate)));
        settings.push(("tls-key-file", file(&certificate.key)));
        settings.push(("tls-ca-cert-file", file(&certificate.authority)));
        settings.push(("tls-auth-clients", "no".to_owned()));
    }
    if let Some(primary) = options.replica_of {
        settings.push(("replicaof", format!("127.0.0.1 {primary}")));
    }
    let further = options.settings.iter().map(|(name, value)| (name.as_str(), value.clone()));
    settings.into_iter().chain(further).flat_map(|(name, value)| words(name, &value)).collect()
}

/// `replicaof` takes two words, `save` an empty one.
fn words(name: &str, value: &str) -> Vec<String> {
    let mut words = vec![format!("--{name}")];
    match value {
        "" => words.push(String::new()),
        _ => words.extend(value.split(' ').map(str::to_owned)),
    }
    words
}
