//! How the program starts and ends.

use anyhow::Result;
use runtime_api::{Process, RuntimeApi};

use crate::program::{AI, answer, turn};

const PROXY: &str = env!("CARGO_BIN_EXE_ai-proxy");

/// The program ends with exit code 64 and says all of `parts`, and nothing of a key.
async fn check_refused(variables: &[(&str, &str)], parts: &[&str]) -> Result<()> {
    let api = RuntimeApi::start().await?;
    let ended = Process::start(AI, &api, variables)?.ended().await?;
    assert_eq!(ended.status.code(), Some(64), "{}", ended.log);
    for part in parts {
        assert!(ended.log.contains(part), "{part} is not in: {}", ended.log);
    }
    assert!(!ended.log.contains("sk-"), "{}", ended.log);
    Ok(())
}

#[tokio::test]
async fn bad_configuration_ends_it_with_64_the_key_the_value_and_the_reason() -> Result<()> {
    check_refused(&[("FRONTDESK_AI_GAP_MS", "soon")], &["ai.gap_ms", "soon"]).await?;
    check_refused(&[("FRONTDESK_AI_COLOUR", "red")], &["FRONTDESK_AI_COLOUR"]).await?;
    check_refused(&[("FRONTDESK_AI_MODEL", "openai")], &["ai.model_url", "must be set"]).await?;
    let model = [
        ("FRONTDESK_AI_MODEL", "openai"),
        ("FRONTDESK_AI_MODEL_URL", "http://127.0.0.1:1"),
        ("FRONTDESK_AI_MODEL_NAME", "tiny"),
        ("OPENAI_API_KEY", "sk-bad\nkey"),
    ];
    check_refused(&model, &["ai.api_key"]).await
}

#[tokio::test]
async fn a_folder_of_texts_that_is_not_there_is_named() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("frontdesk.toml");
    std::fs::write(&file, "[sites.shop]\nname = \"Shop\"\norigins = [\"*\"]\nknowledge = \"nowhere\"\n")?;
    let file = file.to_string_lossy().into_owned();
    check_refused(&[("FRONTDESK_CONFIG", &file)], &["sites.shop.knowledge", "nowhere"]).await
}

#[tokio::test]
async fn without_an_index_that_can_be_used_the_assistant_goes_on_and_the_log_says_what_to_do() -> Result<()> {
    for (contents, reason) in [(None, "No such file"), (Some("damaged"), "is no knowledge index")] {
        let folder = tempfile::tempdir()?;
        let index = folder.path().join("knowledge.index");
        if let Some(contents) = contents {
            std::fs::write(&index, contents)?;
        }
        let file = folder.path().join("frontdesk.toml");
        let toml = format!(
            "[ai]\nscripted_first_token_ms = 0\n[sites.shop]\nname = \"Shop\"\norigins = [\"*\"]\nknowledge_index = {:?}\n",
            folder.path().display().to_string()
        );
        std::fs::write(&file, toml)?;
        let file = file.to_string_lossy().into_owned();
        let api = RuntimeApi::start().await?;
        let process = Process::start(AI, &api, &[("FRONTDESK_CONFIG", &file)])?;
        for _ in 0..2 {
            assert!(!answer(&api.invoke(&turn("Do you rent bikes?"))?.lines().await?).1.text.is_empty());
        }
        let log = process.kill().await?.log;
        for part in
            ["ERROR", "sites.shop.knowledge_index", &index.display().to_string(), reason, "`ai knowledge index`"]
        {
            assert!(log.contains(part), "{part:?} is not in {log}");
        }
    }
    Ok(())
}

#[tokio::test]
async fn help_and_version_are_printed_and_end_well() -> Result<()> {
    for program in [AI, PROXY] {
        for (argument, part) in [("--help", "Usage: "), ("--version", env!("CARGO_PKG_VERSION"))] {
            let output = std::process::Command::new(program).arg(argument).output()?;
            let (said, errors) = (String::from_utf8(output.stdout)?, String::from_utf8(output.stderr)?);
            assert!(
                output.status.success() && said.contains(part) && errors.is_empty(),
                "{program} {argument}: {said}{errors}"
            );
        }
    }
    let output = std::process::Command::new(PROXY).arg("serve").output()?;
    assert_eq!((output.status.code(), output.stdout.as_slice()), (Some(64), &b""[..]));
    Ok(())
}

#[tokio::test]
async fn a_sites_own_texts_and_fallback_are_used() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let texts = folder.path().join("texts");
    std::fs::create_dir_all(texts.join("en"))?;
    std::fs::write(texts.join("en/a.md"), "# Bikes\n## Do you rent bikes?\nYes, for **€9** a day.\n")?;
    let file = folder.path().join("frontdesk.toml");
    let toml = format!(
        "[ai]\ntest_directives = true\nscripted_first_token_ms = 0\n[sites.shop]\nname = \"Shop\"\norigins = [\"*\"]\n\
         knowledge = {:?}\nfallback.en = \"Please call us.\"\n",
        texts.display().to_string()
    );
    std::fs::write(&file, toml)?;
    let file = file.to_string_lossy().into_owned();
    let api = RuntimeApi::start().await?;
    let _process = Process::start(AI, &api, &[("FRONTDESK_CONFIG", &file)])?;
    for (question, text) in [("Do you rent bikes?", "Yes, for **€9** a day."), ("/fail", "Please call us.")] {
        assert_eq!(answer(&api.invoke(&turn(question))?.lines().await?).1.text, text);
    }
    Ok(())
}

#[tokio::test]
async fn without_a_runtime_it_says_how_it_is_started() -> Result<()> {
    let ended = Process::start_alone(AI, &[])?.ended().await?;
    assert_eq!(ended.status.code(), Some(1));
    assert!(ended.log.contains("AWS_LAMBDA_RUNTIME_API") && ended.log.contains("local-dev"), "{}", ended.log);
    Ok(())
}

#[tokio::test]
async fn it_ends_when_the_runtime_api_is_gone() -> Result<()> {
    let api = RuntimeApi::start().await?;
    let process = Process::start(AI, &api, &[("FRONTDESK_AI_SCRIPTED_FIRST_TOKEN_MS", "0")])?;
    api.invoke(&turn("hi"))?.lines::<protocol::function::AiLine>().await?;
    let _port = api.end().await?;
    let ended = process.ended().await?;
    assert!(!ended.status.success(), "{}", ended.log);
    Ok(())
}
