//! The command line: training and testing a site's intents, indexing and searching its texts.

use std::ffi::OsString;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand, value_parser};
use intent::{MAX_FOLDS, Messages, Model, Report};
use knowledge::{Knowledge, Options, Question};

use crate::intents;

/// The function `ai`. Without a command it serves Lambda's runtime, with the configuration of frontdesk.toml.
#[derive(Debug, Parser)]
#[command(name = "ai", version, disable_help_subcommand = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// What visitors ask, recognised without a language model
    #[command(subcommand)]
    Intents(IntentsCommand),
    /// The texts from which the assistant answers
    #[command(subcommand)]
    Knowledge(KnowledgeCommand),
}

#[derive(Debug, Subcommand)]
enum IntentsCommand {
    /// Train a model and write it to a file, for sites.KEY.intents
    Train {
        /// The intents: examples and replies
        file: PathBuf,
        /// Where to write the model
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
    /// Say how often intents are recognised, and which are confused
    ///
    /// Each example is judged by a model that has not learned from it.
    Test {
        /// The intents: examples and replies
        file: PathBuf,
        /// Judge these messages instead: a file with KEY = ["message", …] for each intent, and out_of_scope = […]
        #[arg(long, value_name = "FILE")]
        messages: Option<PathBuf>,
        /// In how many parts, 2 to 20: each is judged by a model that learned from the others. More parts come closer to the
        /// model that learns from all, and take longer. Without it: 5, from 4,000 examples on 3
        #[arg(long, value_name = "N", value_parser = value_parser!(u8).range(2..=MAX_FOLDS as i64), conflicts_with = "messages")]
        folds: Option<u8>,
    },
    /// Say what a message is taken for, and why
    Explain {
        /// A trained model, or the intents as a .toml
        model: PathBuf,
        /// What a visitor might write
        message: String,
        /// The language that the visitor's client shows
        #[arg(long, default_value = "en", value_name = "TAG")]
        language: String,
    },
}

#[derive(Debug, Subcommand)]
enum KnowledgeCommand {
    /// Index a folder of Markdown, HTML and text, for sites.KEY.knowledge_index
    Index {
        /// The folder of texts
        folder: PathBuf,
        /// Where to write the index: a folder
        #[arg(long, value_name = "FOLDER")]
        out: PathBuf,
        /// What to put before the path of a text that names no address of its own
        #[arg(long, value_name = "URL")]
        base_url: Option<String>,
    },
    /// Say which passages a question finds, and whether they answer it
    Search(Search),
}

#[derive(Debug, Args)]
struct Search {
    /// An index, or a folder of texts
    place: PathBuf,
    /// What a visitor might ask
    question: String,
    /// What the visitor asked before
    #[arg(long, value_name = "TEXT")]
    previous: Option<String>,
    /// The language that the visitor's client shows
    #[arg(long, value_name = "TAG")]
    language: Option<String>,
}

/// Why a command could not be carried out.
#[derive(Debug)]
enum Failed {
    /// What was given cannot be used.
    Input(String),
    /// The result cannot be written.
    Output(String),
}

/// Carries out the command in `args`, of which the first is the program's name.
///
/// Results go to standard output, errors to standard error: exit code 64 if the command or a file cannot be used, 1 if the
/// result cannot be written.
pub fn run(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let cli = match Cli::try_parse_from(args) {
        Ok(cli) => cli,
        Err(error) => {
            // Nothing is left to do about a standard error that cannot be written to.
            let _ = error.print();
            return if error.use_stderr() { ExitCode::from(config::EXIT_CODE_BAD_CONFIG) } else { ExitCode::SUCCESS };
        }
    };
    let done = carry_out(&cli.command).and_then(|text| {
        writeln!(io::stdout(), "{}", text.trim_end())
            .map_err(|error| Failed::Output(format!("standard output: {error}")))
    });
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failed) => {
            let (reason, code) = match failed {
                Failed::Input(reason) => (reason, config::EXIT_CODE_BAD_CONFIG),
                Failed::Output(reason) => (reason, 1),
            };
            let _ = writeln!(io::stderr(), "ai: {reason}");
            ExitCode::from(code)
        }
    }
}

fn carry_out(command: &Command) -> Result<String, Failed> {
    match command {
        Command::Intents(IntentsCommand::Train { file, out }) => train(file, out),
        Command::Intents(IntentsCommand::Test { file, messages: Some(messages), .. }) => test(file, messages),
        Command::Intents(IntentsCommand::Test { file, messages: None, folds }) => cross_validate(file, *folds),
        Command::Intents(IntentsCommand::Explain { model, message, language }) => explain(model, message, language),
        Command::Knowledge(KnowledgeCommand::Index { folder, out, base_url }) => index(folder, out, base_url.clone()),
        Command::Knowledge(KnowledgeCommand::Search(search)) => self::search(search),
    }
}

fn train(file: &Path, out: &Path) -> Result<String, Failed> {
    let trained = Model::train(&intents::read(file).map_err(Failed::Input)?);
    let mut bytes = Vec::new();
    let written = trained.model.write(&mut bytes).and_then(|()| std::fs::write(out, &bytes));
    written.map_err(|error| Failed::Output(format!("{}: {error}", out.display())))?;
    Ok(format!("{}\n{}: {} bytes", trained.report, out.display(), bytes.len()))
}

fn cross_validate(file: &Path, folds: Option<u8>) -> Result<String, Failed> {
    let intents = intents::read(file).map_err(Failed::Input)?;
    Ok(Report::cross_validated(&intents, folds.map(usize::from)).to_string())
}

fn test(file: &Path, path: &Path) -> Result<String, Failed> {
    let trained = Model::train(&intents::read(file).map_err(Failed::Input)?);
    let named = |error: String| Failed::Input(format!("{}: {error}", path.display()));
    let text = std::fs::read_to_string(path).map_err(|error| named(error.to_string()))?;
    let messages = Messages::parse(&text).map_err(|error| named(error.to_string()))?;
    let report = trained.model.evaluate(&messages).map_err(|error| named(error.to_string()))?;
    Ok(report.to_string())
}

fn explain(path: &Path, message: &str, language: &str) -> Result<String, Failed> {
    let model = intents::load(path).map_err(Failed::Input)?;
    let decision = match model.decide(message, language) {
        intent::Decision::Sure(reply) if reply.handover => format!("reply: {}, and people take over", reply.text),
        intent::Decision::Sure(reply) => format!("reply: {}", reply.text),
        intent::Decision::AskBack(ask_back) => format!("asks back: {}", ask_back.text),
        intent::Decision::Unsure => "no reply".to_owned(),
    };
    let is_instant = model.is_sure_enough_for_instant(message, language).is_some();
    let instant = if is_instant { "yes, where the site switches it on" } else { "no" };
    Ok(format!("{}\n\nwithout a language model: {decision}\ninstant: {instant}", model.explain(message)))
}

fn index(folder: &Path, out: &Path, base_url: Option<String>) -> Result<String, Failed> {
    let options = Options { base_url, ..Options::default() };
    let report = knowledge::build(folder, out, &options).map_err(|error| Failed::Input(chain(&error)))?;
    Ok(report.to_string())
}

/// An error with what caused it.
fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

fn search(search: &Search) -> Result<String, Failed> {
    let failed = |error: knowledge::Error| Failed::Input(chain(&error));
    let knowledge = match Knowledge::open(&search.place) {
        Ok(knowledge) => knowledge,
        // No index there: it is a folder of texts. One that is damaged is said to be.
        Err(knowledge::Error::Io { .. }) => Knowledge::read(&search.place, &Options::default()).map_err(failed)?.0,
        Err(error) => return Err(failed(error)),
    };
    let question =
        Question { text: &search.question, previous: search.previous.as_deref(), language: search.language.as_deref() };
    Ok(knowledge.search(question).map_err(failed)?.to_string())
}
