//! Turns of a site that has texts, intents and rules.

use knowledge::{Dictionary, Knowledge, Options, Texts};
use protocol::function::Source;
use std::sync::Mutex;

use super::*;
use crate::intents;
use crate::site::Site;
use crate::texts::Slot;

/// Says its pieces and keeps what it was asked.
struct Asked {
    says: Vec<Told>,
    prompts: Mutex<Vec<Prompt>>,
}

impl Model for Asked {
    fn answer(&self, prompt: Prompt) -> Pieces {
        self.prompts.lock().unwrap().push(prompt);
        Box::pin(stream::iter(self.says.clone()).chain(stream::pending()))
    }

    fn name(&self) -> &str {
        "test"
    }
}

const SHIPPING: &str = "---\ntitle: Shipping\nurl: https://shop.example/shipping\n---\n# Shipping\n\n## How much does shipping \
                        cost?\nShipping inside the European Union costs €4.90.\n";

fn site() -> Site {
    let mut texts = Texts::default();
    texts.add("en/shipping.md", SHIPPING.as_bytes()).unwrap();
    let options = Options { dictionary: Dictionary::default(), ..Options::default() };
    let mut site = Site::unknown("shop", Some(Slot::ready(Knowledge::new(texts, &options).unwrap().0)));
    site.intents = Some(Slot::ready(intents::shop()));
    site.handover_words = vec!["lawyer".into()];
    site
}

/// The outcome of a turn of `site`, and what the model was asked.
async fn turn(site: Site, request: AiRequest, says: &[Told]) -> (AiOutcome, Vec<Prompt>) {
    let settings = Settings { sites: BTreeMap::from([("shop".to_owned(), Arc::new(site))]), ..settings() };
    let model = Arc::new(Asked { says: says.to_vec(), prompts: Mutex::default() });
    let until = Instant::now() + 100 * SECOND;
    let asked: Arc<dyn Model> = Arc::clone(&model) as _;
    let lines: Vec<AiLine> = lines(request, asked, Arc::new(settings), metrics(), until).collect().await;
    let Some(AiLine::Outcome(outcome)) = lines.last() else { panic!("{lines:?}") };
    let prompts = model.prompts.lock().unwrap().clone();
    (outcome.clone(), prompts)
}

fn answered(outcome: AiOutcome) -> AiAnswer {
    match outcome {
        AiOutcome::Answer(answer) => answer,
        other => panic!("no answer: {other:?}"),
    }
}

const END: Told = Ok(Piece::End(End::Complete));
const BROKEN: Told = Err(ModelError::Internal("as the test asked for"));

#[tokio::test(start_paused = true)]
async fn passages_go_into_the_question_and_the_answer_names_what_it_rests_on() {
    let (outcome, prompts) =
        turn(site(), request("How much does shipping cost?"), &[text("It is **€4.90** [1]."), END]).await;
    assert!(prompts[0].rules.contains("costs €4.90."), "{}", prompts[0].rules);
    let answer = answered(outcome);
    assert_eq!(answer.text, "It is **€4.90**.");
    let [Source { title, url }] = &answer.sources[..] else { panic!("{answer:?}") };
    assert_eq!((title.as_str(), url.as_str()), ("How much does shipping cost?", "https://shop.example/shipping"));
    assert!(!answer.offer_person);
}

#[tokio::test(start_paused = true)]
async fn where_the_texts_say_nothing_a_person_is_offered_but_not_for_small_talk() {
    let (outcome, prompts) =
        turn(site(), request("What is the capital of Mongolia?"), &[text("I do not know."), END]).await;
    assert!(prompts[0].rules.contains("Nothing was found"), "{}", prompts[0].rules);
    let answer = answered(outcome);
    assert!(answer.offer_person && answer.sources.is_empty(), "{answer:?}");
    let (outcome, _) = turn(site(), request("Thank you!"), &[text("You are welcome."), END]).await;
    assert!(!answered(outcome).offer_person);
}

#[tokio::test(start_paused = true)]
async fn without_a_model_an_intent_replies_and_then_the_site_itself() {
    let (outcome, _) = turn(site(), request("when do I get my money back"), &[BROKEN]).await;
    let answer = answered(outcome);
    assert!(answer.intent && !answer.fallback && answer.text.starts_with("Within five days."), "{answer:?}");
    let (outcome, _) = turn(site(), request("xyzzy plugh"), &[BROKEN]).await;
    let answer = answered(outcome);
    assert_eq!((answer.text.as_str(), answer.fallback, answer.offer_person), (SORRY, true, true));
}

#[tokio::test(start_paused = true)]
async fn without_a_model_small_talk_is_answered_as_such_and_a_question_behind_it_counts() {
    for (message, begins) in
        [("Hi!", "Hello!"), ("thanks!", "You are welcome!"), ("你好", "您好！"), ("谢谢", "不客气！")]
    {
        let (outcome, _) = turn(Site::unknown("shop", None), request(message), &[BROKEN]).await;
        let answer = answered(outcome);
        assert!(answer.intent && !answer.fallback && answer.text.starts_with(begins), "{message}: {answer:?}");
    }
    let (outcome, _) = turn(site(), request("Hi, when do I get my money back"), &[BROKEN]).await;
    assert!(answered(outcome).text.starts_with("Within five days."));
}

#[tokio::test(start_paused = true)]
async fn without_a_model_two_close_intents_are_asked_about_with_a_choice_for_each() {
    let demo = include_str!("../../../../../web/demo/intents.toml");
    let mut site = site();
    site.intents = Some(Slot::ready(intent::Model::train(&intent::Intents::parse(demo).unwrap()).model));
    let (outcome, _) = turn(site, request("the parcel"), &[BROKEN]).await;
    let answer = answered(outcome);
    assert_eq!(answer.choices, ["A lost or damaged parcel", "Changing the delivery address"]);
    assert!(answer.text.starts_with("Do you mean") && answer.fallback && answer.offer_person, "{answer:?}");
}

#[tokio::test(start_paused = true)]
async fn an_intent_for_people_is_told_with_its_reply() {
    for says in [vec![BROKEN], vec![]] {
        let (outcome, _) = turn(site(), request("I want to make a complaint"), &says).await;
        let AiOutcome::Handover(handover) = outcome else { panic!("{outcome:?}") };
        assert_eq!(handover.reason, HandoverReason::Rule);
        assert!(!handover.text.is_empty(), "{handover:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_second_failure_in_a_row_goes_to_people_unless_an_intent_replies() {
    let again = |text: &str| AiRequest { failures: 1, ..request(text) };
    let (outcome, _) = turn(site(), again("xyzzy plugh"), &[BROKEN]).await;
    let AiOutcome::Handover(handover) = outcome else { panic!("{outcome:?}") };
    assert_eq!(handover.reason, HandoverReason::Failures);
    assert!(handover.summary.contains("xyzzy") && handover.summary.contains("without an answer: 2"), "{handover:?}");
    let (outcome, _) = turn(site(), again("when do I get my money back"), &[BROKEN]).await;
    assert!(answered(outcome).intent);
}

#[tokio::test(start_paused = true)]
async fn an_instant_answer_asks_no_model_and_only_where_the_site_wants_it() {
    let question = "when do I get my money back";
    let (outcome, prompts) = turn(Site { instant: true, ..site() }, request(question), &[END]).await;
    let answer = answered(outcome);
    assert!(answer.intent && prompts.is_empty(), "{answer:?}");
    let (_, prompts) = turn(site(), request(question), &[text("Soon."), END]).await;
    assert_eq!(prompts.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn the_sites_words_and_its_intents_for_people_are_rules_and_ask_no_model() {
    for question in ["My lawyer will call you", "I want to make a complaint"] {
        let (outcome, prompts) = turn(site(), request(question), &[text("No."), END]).await;
        let AiOutcome::Handover(handover) = outcome else { panic!("{question}: {outcome:?}") };
        assert_eq!((handover.reason, prompts.len()), (HandoverReason::Rule, 0), "{question}");
        assert!(handover.summary.contains(question), "{handover:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_for_people_is_heard_although_more_was_said_after_it() {
    let said =
        [("I want to talk to a human", HandoverReason::VisitorAsked), ("My lawyer will call", HandoverReason::Rule)];
    for (first, reason) in said {
        let mut request = request(first);
        request.messages.push(Message { role: Role::Visitor, text: "please".into() });
        let (outcome, prompts) = turn(site(), request, &[text("No."), END]).await;
        let AiOutcome::Handover(handover) = outcome else { panic!("{first}: {outcome:?}") };
        assert_eq!((handover.reason, prompts.len()), (reason, 0), "{first}");
    }
}

#[tokio::test(start_paused = true)]
async fn personal_data_stays_here_and_comes_back_in_the_answer() {
    let masking = Site { mask_personal_data: true, intents: None, ..site() };
    let question = "My address is mei@example.com, my card 4111 1111 1111 1111";
    let (outcome, prompts) = turn(masking, request(question), &[text("I wrote to [em"), text("ail 1]."), END]).await;
    assert_eq!(prompts[0].messages[0].text, "My address is [email 1], my card [card 1]");
    assert_eq!(answered(outcome).text, "I wrote to mei@example.com.");
    let masking = Site { mask_personal_data: true, intents: None, ..site() };
    let (outcome, _) =
        turn(masking, request(question), &[Ok(Piece::Handover { summary: "Call [email 1].".into() })]).await;
    let AiOutcome::Handover(handover) = outcome else { panic!("{outcome:?}") };
    assert!(!handover.summary.contains("mei@") && handover.summary.contains("[card 1]"), "{handover:?}");
}

#[tokio::test(start_paused = true)]
async fn pictures_and_foreign_links_of_the_model_do_not_reach_the_visitor_and_the_sites_own_do() {
    let said = "![x](https://evil.example/x.png) [a](https://evil.example) [b](https://shop.example/shipping)";
    let (outcome, _) = turn(site(), request("How much does shipping cost?"), &[text(said), END]).await;
    assert_eq!(answered(outcome).text, "a [b](https://shop.example/shipping)");
}
