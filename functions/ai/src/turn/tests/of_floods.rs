//! Models that say more than a turn can use, and never make anybody wait.

use super::*;

/// A model whose next piece is always there, a thousand times. Then it asks for a person: who gets that far was not stopped.
struct Torrent(Piece);

impl Model for Torrent {
    fn answer(&self, _prompt: Prompt) -> Pieces {
        let last = Piece::Handover { summary: String::new() };
        Box::pin(stream::iter(vec![self.0.clone(); 1_000]).chain(stream::iter([last])).map(Ok))
    }

    fn name(&self) -> &str {
        "torrent"
    }
}

/// The outcome, where whoever reads the lines takes a second for each delta.
async fn outcome_of(piece: Piece, settings: Settings) -> (AiOutcome, Duration) {
    let started = Instant::now();
    let model = Arc::new(Torrent(piece));
    let lines = lines(request("Where is my parcel?"), model, Arc::new(settings), metrics(), started + 100 * SECOND);
    let mut lines = Box::pin(lines);
    while let Some(line) = lines.next().await {
        match line {
            AiLine::Delta(_) => tokio::time::advance(SECOND).await,
            AiLine::Outcome(outcome) => return (outcome, started.elapsed()),
            _ => {}
        }
    }
    panic!("the lines ended without an outcome");
}

fn interrupted(text: &str) -> AiOutcome {
    AiOutcome::Answer(AiAnswer { text: text.into(), interrupted: true, ..AiAnswer::default() })
}

#[tokio::test(start_paused = true)]
async fn the_turns_time_ends_a_model_that_never_makes_anybody_wait() {
    let (outcome, took) = outcome_of(Piece::Text("a".into()), settings()).await;
    assert_eq!((outcome, took), (interrupted(&"a".repeat(60)), 60 * SECOND));
}

#[tokio::test(start_paused = true)]
async fn the_turns_time_ends_it_in_the_middle_of_a_long_piece() {
    let settings = Settings { max_answer_bytes: 100 * MAX_PART_BYTES, ..settings() };
    let (outcome, took) = outcome_of(Piece::Text("a".repeat(90 * MAX_PART_BYTES)), settings).await;
    assert_eq!((outcome, took), (interrupted(&"a".repeat(60 * MAX_PART_BYTES)), 60 * SECOND));
}

#[tokio::test(start_paused = true)]
async fn a_model_whose_words_are_all_filtered_away_is_cut_off() {
    for said in ["![a](https://evil.example/)", " \n"] {
        let (outcome, took) = outcome_of(Piece::Text(said.into()), settings()).await;
        assert_eq!((AiLine::Outcome(outcome), took), (fallback(SORRY), Duration::ZERO));
    }
}
