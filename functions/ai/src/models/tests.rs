use std::sync::Mutex;
use std::time::Duration;

use futures_util::stream;
use proptest::prelude::*;

use super::*;
use crate::model::{End, Usage};

type Told = Result<Piece, ModelError>;

const SECOND: Duration = Duration::from_secs(1);

/// A model that tells these in turn, one list for each attempt and the last one for good, each piece after its wait. It
/// hangs after a list that does not end.
struct Scripted {
    name: &'static str,
    attempts: Mutex<Vec<Vec<(Duration, Told)>>>,
}

impl Model for Scripted {
    fn answer(&self, _prompt: Prompt) -> Pieces {
        let mut attempts = self.attempts.lock().unwrap();
        let told = if attempts.len() > 1 { attempts.remove(0) } else { attempts[0].clone() };
        let ends = told.last().is_some_and(is_last);
        let told = stream::iter(told).then(|(wait, told)| async move {
            tokio::time::sleep(wait).await;
            told
        });
        if ends { Box::pin(told) } else { Box::pin(told.chain(stream::pending())) }
    }

    fn name(&self) -> &str {
        self.name
    }
}

fn is_last((_, told): &(Duration, Told)) -> bool {
    matches!(told, Err(_) | Ok(Piece::End(_) | Piece::Handover { .. }))
}

fn model(name: &'static str, attempts: Vec<Vec<Told>>) -> Arc<dyn Model> {
    let timed = |told: Vec<Told>| told.into_iter().map(|told| (SECOND, told)).collect();
    Arc::new(Scripted { name, attempts: Mutex::new(attempts.into_iter().map(timed).collect()) })
}

fn text(text: &str) -> Told {
    Ok(Piece::Text(text.into()))
}

fn whole(said: &str) -> Vec<Told> {
    vec![text(said), Ok(Piece::End(End::Complete))]
}

fn broken() -> ModelError {
    ModelError::Unreachable("it broke".into())
}

fn refused() -> ModelError {
    ModelError::Refused("status 401".into())
}

/// What the models say within 8 s to their first content: their names, what they say, errors; and how long it takes.
async fn said(models: &Models, names: &[&str]) -> (Vec<String>, Duration) {
    let started = Instant::now();
    let prompt = Prompt {
        models: names.iter().map(|name| (*name).to_owned()).collect(),
        try_until: started + 8 * SECOND,
        ..crate::model::tests::prompt()
    };
    let pieces = models.answer(prompt).map(|piece| match piece {
        Ok(Piece::Asking(model)) => format!("ask {model}"),
        Ok(Piece::Text(text)) => format!("say {text}"),
        Ok(Piece::Failed(error)) | Err(error) => error.reason().as_str().to_owned(),
        Ok(Piece::End(_)) => "end".to_owned(),
        Ok(piece) => format!("{piece:?}"),
    });
    let said = tokio::time::timeout(60 * SECOND, pieces.collect::<Vec<_>>()).await.unwrap_or_default();
    (said, started.elapsed())
}

#[tokio::test(start_paused = true)]
async fn the_next_model_is_asked_while_there_is_no_content() {
    let role_and_space = vec![Ok(Piece::Usage(Usage::default())), text(" \n"), Err(refused())];
    let models = Models::new(vec![model("own", vec![role_and_space]), model("public", vec![whole("Hi")])]);
    let (said, _) = said(&models, &["own", "public"]).await;
    assert_eq!(said[0], "ask own");
    assert_eq!(said[2..], ["model_refused", "ask public", "say Hi", "end"]);
}

#[tokio::test(start_paused = true)]
async fn after_the_first_content_nothing_is_tried_again() {
    let half = vec![text("\nHa"), text(" lf"), Err(broken())];
    let models = Models::new(vec![model("own", vec![half]), model("public", vec![whole("Hi")])]);
    let (said, _) = said(&models, &["own", "public"]).await;
    assert_eq!(said, ["ask own", "say Ha", "say  lf", "model_unreachable"]);
}

#[tokio::test(start_paused = true)]
async fn a_model_that_stalls_leaves_half_of_the_time_to_the_next() {
    let models = Models::new(vec![model("own", vec![vec![]]), model("public", vec![whole("Hi")])]);
    let (said, took) = said(&models, &["own", "public"]).await;
    assert_eq!(said, ["ask own", "model_timeout", "ask public", "say Hi", "end"]);
    assert_eq!(took, 4 * SECOND + 2 * SECOND);
}

#[tokio::test(start_paused = true)]
async fn a_model_that_stalls_after_its_first_content_is_left_to_the_turns_clocks() {
    let models = Models::new(vec![model("own", vec![vec![text("Hi")]]), model("public", vec![whole("No")])]);
    let (said, took) = said(&models, &["own", "public"]).await;
    assert_eq!((said, took), (vec![], 60 * SECOND), "it waits for the model for good");
}

#[tokio::test(start_paused = true)]
async fn a_model_that_may_recover_is_asked_again_after_the_others() {
    let first = model("own", vec![vec![Err(broken())], whole("Hi")]);
    let models = Models::new(vec![first, model("public", vec![vec![Err(refused())]])]);
    let (said, _) = said(&models, &["own", "public"]).await;
    assert_eq!(said, ["ask own", "model_unreachable", "ask public", "model_refused", "ask own", "say Hi", "end"]);
}

#[tokio::test(start_paused = true)]
async fn where_all_fail_the_last_error_is_the_end() {
    let models = Models::new(vec![
        model("own", vec![vec![Err(ModelError::QuotaUsedUp("status 429".into()))]]),
        model("public", vec![vec![Ok(Piece::End(End::Complete))]]),
    ]);
    let (said, _) = said(&models, &["own", "public"]).await;
    assert_eq!(said, ["ask own", "model_overloaded", "ask public", "model_invalid"]);
}

#[tokio::test(start_paused = true)]
async fn the_named_models_are_asked_in_their_order_and_without_names_the_first() {
    let list = ["a", "b", "c"].map(|name| model(name, vec![whole(name)]));
    let models = Models::new(list.to_vec());
    for (names, asked) in [(vec!["c", "a"], "c"), (vec![], "a"), (vec!["unknown", "b"], "b")] {
        assert_eq!(said(&models, &names).await.0[0], format!("ask {asked}"));
    }
    assert_eq!(said(&models, &["unknown"]).await.0, ["model_refused"]);
}

#[tokio::test(start_paused = true)]
async fn a_model_that_failed_three_turns_in_a_row_is_put_behind_for_a_while() {
    let models = Models::new(vec![model("own", vec![vec![Err(refused())]]), model("public", vec![whole("Hi")])]);
    for asked in ["own", "own", "own", "public"] {
        assert_eq!(said(&models, &["own", "public"]).await.0[0], format!("ask {asked}"));
    }
    tokio::time::sleep(5 * SECOND).await;
    assert_eq!(said(&models, &["own", "public"]).await.0[0], "ask own");
}

#[tokio::test(start_paused = true)]
async fn an_offer_of_a_person_counts_only_if_its_model_answers() {
    let offers = |then: Vec<Told>| [vec![Ok(Piece::OfferPerson)], then].concat();
    let failing = model("own", vec![offers(vec![Err(refused())])]);
    let models = Models::new(vec![failing, model("public", vec![offers(whole("Hi"))])]);
    let (said, _) = said(&models, &["own", "public"]).await;
    assert_eq!(said, ["ask own", "model_refused", "ask public", "OfferPerson", "say Hi", "end"]);
}

fn any_told() -> impl Strategy<Value = (Duration, Told)> {
    let told = prop_oneof![
        2 => "[ab]{1,3}".prop_map(|said| Ok(Piece::Text(said))),
        1 => Just(text(" \n")),
        1 => Just(Ok(Piece::Usage(Usage::default()))),
        1 => Just(Ok(Piece::End(End::Complete))),
        1 => Just(Ok(Piece::Handover { summary: "S".into() })),
        2 => Just(Err(broken())),
        1 => Just(Err(refused())),
        1 => Just(Err(ModelError::RateLimited { detail: "429".into(), retry_after: Some(3 * SECOND) })),
    ];
    ((0_u64..3_000).prop_map(Duration::from_millis), told)
}

/// A stream that ends as its contract says: after an end, a handover or an error.
fn ended(mut told: Vec<(Duration, Told)>) -> Vec<(Duration, Told)> {
    let length = told.iter().position(is_last).map_or(told.len(), |last| last + 1);
    told.truncate(length);
    told
}

proptest! {
    #[test]
    fn texts_are_of_one_model_and_no_attempt_begins_too_late(
        scripts in prop::collection::vec(
            prop::collection::vec(prop::collection::vec(any_told(), 0..4).prop_map(ended), 1..3), 1..4)
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let names = ["a", "b", "c"];
            let list = scripts.into_iter().zip(names);
            let list: Vec<Arc<dyn Model>> = list
                .map(|(attempts, name)| Arc::new(Scripted { name, attempts: Mutex::new(attempts) }) as Arc<dyn Model>)
                .collect();
            let count = list.len();
            let started = Instant::now();
            let prompt = Prompt {
                models: names[..count].iter().map(|name| (*name).to_owned()).collect(),
                try_until: started + 8 * SECOND,
                ..crate::model::tests::prompt()
            };
            let mut pieces = Models::new(list).answer(prompt);
            let (mut attempts, mut has_content) = (0, false);
            while let Ok(Some(piece)) = tokio::time::timeout(60 * SECOND, pieces.next()).await {
                match piece {
                    Ok(Piece::Asking(_)) => {
                        assert!(!has_content, "another attempt after content");
                        assert!(started.elapsed() < 8 * SECOND, "an attempt after the clock");
                        attempts += 1;
                    }
                    Ok(Piece::Text(text)) => {
                        assert!(has_content || !text.starts_with([' ', '\n']));
                        has_content = true;
                    }
                    _ => {}
                }
            }
            assert!(attempts <= 4 * count);
        });
    }
}
