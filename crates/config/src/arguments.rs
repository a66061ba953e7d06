//! The command line of a program that is told everything else by its configuration.

use std::ffi::OsString;
use std::fmt;

use crate::{DEFAULT_FILE, EXIT_CODE_BAD_CONFIG, FILE_VARIABLE};

/// What a program is asked for.
#[derive(Debug, PartialEq, Eq)]
pub enum Asked {
    /// To do its work.
    Run,
    /// To print this to standard output, and end well.
    Print(String),
}

/// An argument, where a program takes none but `--help` and `--version`.
#[derive(Debug, PartialEq, Eq)]
pub struct UnknownArgument(OsString);

impl fmt::Display for UnknownArgument {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(argument) = self;
        write!(
            f,
            "{argument:?} is not understood: this program takes no arguments; it reads {DEFAULT_FILE} in the working directory, or \
             the file that {FILE_VARIABLE} names"
        )
    }
}

impl std::error::Error for UnknownArgument {}

/// Reads `arguments`, without the program's name, of `program`, which `does` something in a sentence or two.
///
/// # Errors
/// The first argument is neither `--help` nor `--version`.
pub fn asked(
    program: &str,
    version: &str,
    does: &str,
    arguments: impl IntoIterator<Item = OsString>,
) -> Result<Asked, UnknownArgument> {
    let Some(argument) = arguments.into_iter().next() else { return Ok(Asked::Run) };
    match argument.to_str() {
        Some("-h" | "--help") => Ok(Asked::Print(format!(
            "{does}\n\nUsage: {program}\n\n\
             It takes no arguments. It reads {DEFAULT_FILE} in the working directory, or the file that {FILE_VARIABLE} names.\n\
             Every key can also be a variable: FRONTDESK_<SECTION>_<KEY>.\n\n\
             Options:\n  -h, --help     Print help\n  -V, --version  Print version\n\n\
             Exit codes: 0 after SIGTERM or SIGINT, {EXIT_CODE_BAD_CONFIG} if the configuration cannot be used, 1 for other \
             errors.\n",
        ))),
        Some("-V" | "--version") => Ok(Asked::Print(format!("{program} {version}\n"))),
        _ => Err(UnknownArgument(argument)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(arguments: &[&str]) -> Result<Asked, UnknownArgument> {
        asked("conn-node", "1.2.3", "Serves visitors.", arguments.iter().map(OsString::from))
    }

    #[test]
    fn help_and_version_are_printed_in_both_spellings() {
        assert_eq!(said(&[]), Ok(Asked::Run));
        assert_eq!(said(&["-V"]), Ok(Asked::Print("conn-node 1.2.3\n".to_owned())));
        assert_eq!(said(&["--version"]), said(&["-V"]));
        let Ok(Asked::Print(help)) = said(&["--help"]) else { panic!("no help") };
        assert_eq!(said(&["-h"]), Ok(Asked::Print(help.clone())));
        for part in ["Serves visitors.", "Usage: conn-node\n", "frontdesk.toml", "FRONTDESK_CONFIG", "64", "--version"]
        {
            assert!(help.contains(part), "{part:?} is not in {help}");
        }
    }

    #[test]
    fn another_argument_is_named() {
        let error = said(&["serve", "--help"]).unwrap_err().to_string();
        assert!(error.contains("\"serve\"") && error.contains("frontdesk.toml"), "{error}");
    }
}
