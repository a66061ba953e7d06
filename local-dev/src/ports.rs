//! Takes the ports that were asked for, or says which is in use.

use std::io;
use std::net::{IpAddr, SocketAddr};

use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::TcpListener;

/// A port cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum PortError {
    /// Somebody else listens there.
    #[error(
        "port {port} on {host} is in use, and {purpose} needs it. Stop the program that listens there \
         (perhaps another local-dev), or choose another port with {option} (0 picks a free one)"
    )]
    InUse {
        /// The address.
        host: IpAddr,
        /// The port.
        port: u16,
        /// What it is for, such as "the demo shop".
        purpose: &'static str,
        /// The option that sets it.
        option: &'static str,
    },
    /// The system refuses for another reason.
    #[error("{purpose} cannot listen on {host}, port {port}: {source}. Choose others with --host and {option}")]
    Refused {
        /// The address.
        host: IpAddr,
        /// The port.
        port: u16,
        /// What it is for.
        purpose: &'static str,
        /// The option that sets it.
        option: &'static str,
        /// What the system said.
        source: io::Error,
    },
}

/// A port that is wanted.
#[derive(Clone, Copy, Debug)]
pub struct WantedPort {
    /// The address to listen on.
    pub host: IpAddr,
    /// The port; 0 picks a free one.
    pub port: u16,
    /// What it is for.
    pub purpose: &'static str,
    /// The option that sets it.
    pub option: &'static str,
}

/// A port kept for a child process, which is started again on the same port when it dies.
///
/// On Linux the port stays bound, not listening: nobody else is given it, and a child that sets `SO_REUSEADDR`, as
/// servers do, can listen on it. Elsewhere it is only found to be free.
#[derive(Debug)]
pub struct KeptPort {
    address: SocketAddr,
    _socket: Option<Socket>,
}

impl KeptPort {
    /// The address with the port, never 0.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl WantedPort {
    /// Listens.
    ///
    /// # Errors
    /// The port is in use, or the system refuses.
    pub fn listen(self) -> Result<TcpListener, PortError> {
        let listen = || {
            let socket = self.bind()?;
            // As many waiting connections as the system allows; Linux cuts this to net.core.somaxconn.
            socket.listen(4096)?;
            socket.set_nonblocking(true)?;
            TcpListener::from_std(socket.into())
        };
        listen().map_err(|source| self.error(source))
    }

    /// Finds the port to be free, and keeps it where that is possible.
    ///
    /// # Errors
    /// The port is in use, or the system refuses.
    pub fn keep(self) -> Result<KeptPort, PortError> {
        let keep = || {
            let socket = self.bind()?;
            let address = socket.local_addr()?.as_socket().ok_or(io::ErrorKind::AddrNotAvailable)?;
            Ok(KeptPort { address, _socket: cfg!(target_os = "linux").then_some(socket) })
        };
        keep().map_err(|source| self.error(source))
    }

    fn bind(self) -> io::Result<Socket> {
        let address = SocketAddr::new(self.host, self.port);
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
        // Without it a port stays taken for a minute after its connections have ended.
        socket.set_reuse_address(cfg!(unix))?;
        socket.bind(&address.into())?;
        Ok(socket)
    }

    fn error(self, source: io::Error) -> PortError {
        let Self { host, port, purpose, option } = self;
        match source.kind() {
            io::ErrorKind::AddrInUse => PortError::InUse { host, port, purpose, option },
            _ => PortError::Refused { host, port, purpose, option, source },
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    fn wanted(port: u16) -> WantedPort {
        WantedPort { host: Ipv4Addr::LOCALHOST.into(), port, purpose: "the demo shop", option: "--demo-port" }
    }

    #[tokio::test]
    async fn a_port_in_use_is_named_with_what_to_do() {
        let taken = wanted(0).listen().unwrap();
        let port = taken.local_addr().unwrap().port();
        for error in [wanted(port).listen().unwrap_err(), wanted(port).keep().unwrap_err()] {
            let text = error.to_string();
            assert!(
                text.starts_with(&format!("port {port} on 127.0.0.1 is in use, and the demo shop needs it")),
                "{text}"
            );
            assert!(text.contains("--demo-port"), "{text}");
        }
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn a_kept_port_can_be_listened_on_again_and_again() {
        let kept = wanted(0).keep().unwrap();
        for _ in 0..3 {
            TcpListener::bind(kept.address()).await.unwrap();
        }
    }
}
