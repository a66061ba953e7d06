//! Enough of Redis's protocol to ask a server something, without the client that the tests test.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result, bail};

/// A server that is frozen does not answer.
const TIMEOUT: Duration = Duration::from_secs(2);

/// What Redis answered. An error is an `Err`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// A string of either kind.
    Text(String),
    /// A number.
    Integer(i64),
    /// Nothing.
    Nil,
    /// Several.
    Array(Vec<Reply>),
}

impl Reply {
    /// The string; empty if it is something else.
    pub fn text(&self) -> &str {
        if let Self::Text(text) = self { text } else { "" }
    }

    /// The number; 0 if it is something else.
    pub fn integer(&self) -> i64 {
        if let Self::Integer(number) = self { *number } else { 0 }
    }

    /// The parts; none if it is something else.
    pub fn array(&self) -> &[Reply] {
        if let Self::Array(parts) = self { parts } else { &[] }
    }
}

pub(crate) struct Connection(BufReader<TcpStream>);

impl Connection {
    pub(crate) fn open(port: u16) -> Result<Self> {
        let stream = TcpStream::connect_timeout(&SocketAddr::from((Ipv4Addr::LOCALHOST, port)), TIMEOUT)?;
        stream.set_read_timeout(Some(TIMEOUT))?;
        stream.set_write_timeout(Some(TIMEOUT))?;
        Ok(Self(BufReader::new(stream)))
    }

    pub(crate) fn command(&mut self, words: &[&str]) -> Result<Reply> {
        let mut bytes = format!("*{}\r\n", words.len());
        for word in words {
            bytes += &format!("${}\r\n{word}\r\n", word.len());
        }
        self.0.get_mut().write_all(bytes.as_bytes())?;
        self.reply().with_context(|| format!("Redis was asked {}", words.first().unwrap_or(&"nothing")))
    }

    fn reply(&mut self) -> Result<Reply> {
        let mut line = String::new();
        self.0.read_line(&mut line)?;
        let line = line.trim_end();
        let (kind, rest) = line.split_at_checked(1).context("the connection ended")?;
        match kind {
            "+" => Ok(Reply::Text(rest.to_owned())),
            "-" => bail!("{rest}"),
            ":" => Ok(Reply::Integer(rest.parse()?)),
            "$" if rest == "-1" => Ok(Reply::Nil),
            "$" => self.string(rest.parse()?),
            "*" if rest == "-1" => Ok(Reply::Nil),
            "*" => (0..rest.parse::<usize>()?).map(|_| self.reply()).collect::<Result<_>>().map(Reply::Array),
            _ => bail!("an answer of an unknown kind: {line}"),
        }
    }

    fn string(&mut self, length: usize) -> Result<Reply> {
        let mut bytes = vec![0; length + 2];
        self.0.read_exact(&mut bytes)?;
        bytes.truncate(length);
        Ok(Reply::Text(String::from_utf8_lossy(&bytes).into_owned()))
    }
}
