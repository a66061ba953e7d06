//! The scripts that Redis runs, each as one atomic step.

use std::sync::LazyLock;

use redis::{Cmd, ToRedisArgs};

/// One script. Redis knows it by its hash once it has run it.
pub(super) struct Script {
    source: &'static str,
    hash: String,
}

/// One call of a script.
pub(super) struct Call {
    script: &'static Script,
    keys: Vec<String>,
    arguments: Vec<Vec<u8>>,
}

macro_rules! scripts {
    ($($name:ident $file:literal $($first_line:literal)?;)*) => {
        $(pub(super) static $name: LazyLock<Script> =
            LazyLock::new(|| Script::new(concat!($($first_line,)? include_str!($file))));)*
    };
}

scripts! {
    APPEND "scripts/append.lua";
    SET_DUE "scripts/set_due.lua";
    CLAIM "scripts/claim.lua";
    FORGET "scripts/forget.lua";
    READ "scripts/read.lua";
    // Not when all memory is used up. Without this line it would be, if the first thing that it does is to remove something.
    PUT "scripts/put.lua" "#!lua\n";
    // Then too.
    PUT_WHEN_FULL "scripts/put.lua" "#!lua flags=allow-oom\n";
    DELETE "scripts/delete.lua";
    RESERVE "scripts/reserve.lua";
}

impl Script {
    fn new(source: &'static str) -> Self {
        Self { source, hash: redis::Script::new(source).get_hash().to_owned() }
    }

    /// A call with these keys, which are all in one slot.
    pub(super) fn call(&'static self, keys: impl IntoIterator<Item = String>) -> Call {
        Call { script: self, keys: keys.into_iter().collect(), arguments: Vec::new() }
    }
}

impl Call {
    /// Adds an argument.
    pub(super) fn arg(mut self, argument: impl ToRedisArgs) -> Self {
        self.arguments.extend(argument.to_redis_args());
        self
    }

    /// Adds an argument that is empty if there is none.
    pub(super) fn option(self, argument: Option<impl ToRedisArgs>) -> Self {
        match argument {
            Some(argument) => self.arg(argument),
            None => self.arg(""),
        }
    }

    /// The short form, for a server that knows the script.
    pub(super) fn by_hash(&self) -> Cmd {
        self.command("EVALSHA", &self.script.hash)
    }

    /// The long form, after which the server knows the script.
    pub(super) fn by_source(&self) -> Cmd {
        self.command("EVAL", self.script.source)
    }

    fn command(&self, name: &str, script: &str) -> Cmd {
        let mut command = redis::cmd(name);
        command.arg(script).arg(self.keys.len()).arg(&self.keys).arg(&self.arguments);
        command
    }
}
