//! Log lines never hold what was said, nor what opens a door.

use std::io;
use std::sync::{Arc, Mutex};

use client::{Command, Profile};
use config::Config;
use protocol::v1::{self, ErrorCode};
use scenarios::{Fault, Operation, SHOP_SECRET, Setup, Shaky, TOKEN_SECRET, Tab, Wire, frames, hello, identity};
use store::embedded::{EmbeddedStore, Options};

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Everything that can be secret in here has this in it.
const MARK: &str = "XYZZY";

#[tokio::test]
async fn no_log_line_holds_a_text_a_token_or_a_key() {
    let lines = Lines::default();
    let writer = lines.clone();
    let log = Config::parse("log.level = \"trace\"", []).unwrap().log;
    tracing::subscriber::set_global_default(telemetry::log::subscriber(&log, move || writer.clone())).unwrap();

    let store = Shaky::new(Arc::new(EmbeddedStore::memory(Options::default()).unwrap()));
    let setup = Setup::on(store.clone()).with_quick_turns();
    let node = setup.start().await;
    let signed = identity(&format!("{MARK}@example.org"), SHOP_SECRET);
    let profile = Profile { site: "shop".to_owned(), identity: signed.clone(), ..Profile::default() };
    let mut tab = Tab::of(&node, profile).await;
    let token = tab.client().token().to_owned();

    // All goes well.
    tab.say(&format!("my password is {MARK}")).await;
    setup.functions.ai().await.answer(&format!("do not say {MARK}"));
    tab.answer(2).await;
    // The function fails in all kinds of ways.
    for garbage in [format!("{MARK}\n"), format!("{{\"delta\":\"{MARK}\"}}\n{MARK}\n"), format!("{{\"{MARK}\":1}}\n")] {
        let seq = tab.say(&format!("again {MARK}")).await;
        setup.functions.ai().await.accept().bytes(garbage);
        tab.answer(seq + 1).await;
    }
    // The store fails.
    let (mut wire, _) = Wire::welcomed(node.address(), v1::Hello { token: token.clone(), ..hello() }).await;
    store.set(Operation::Append, Fault::Fails);
    wire.send(frames::send(1, &format!("lost {MARK}"))).await;
    wire.refused(ErrorCode::Unavailable).await;
    store.mend();
    wire.send_until_acked(frames::send(1, &format!("lost {MARK}"))).await;
    // Frames, tokens and identities that are none.
    wire.send_bytes(format!("\u{12}{MARK}")).await;
    wire.refused(ErrorCode::Malformed).await;
    let bent = format!("{token}{MARK}");
    Wire::turned_away(node.address(), v1::Hello { token: bent, ..hello() }, ErrorCode::TokenInvalid).await;
    let bent = format!("{signed}{MARK}");
    Wire::turned_away(node.address(), v1::Hello { identity: bent, ..hello() }, ErrorCode::IdentityInvalid).await;
    let strange = v1::Hello { site: MARK.to_owned(), ..hello() };
    Wire::turned_away(node.address(), strange, ErrorCode::SiteUnknown).await;
    // People.
    tab.get(Command::AskPerson).await;
    drop(setup.functions.routing().await);
    tab.get(Command::Rate(1, format!("bad {MARK}"))).await;
    tab.get(Command::Close).await;
    node.stopped().await;

    let lines = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
    for line in lines.lines() {
        for secret in [MARK, &token, &signed, TOKEN_SECRET, SHOP_SECRET] {
            assert!(!line.contains(secret), "{line}");
        }
    }
    for expected in ["turn failed", "append failed", "routing failed", "drained"] {
        assert!(lines.contains(expected), "the lines were not heard: {expected}");
    }
}
