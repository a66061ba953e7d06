//! What only a bus with servers can do: lose them, and find them again.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use bus::conformance::Fixture;
use bus::{Bus, BusError, Received, Subscription, Topic};
use bytes::Bytes;
use conversation::ConversationId;
use tokio::time::timeout;

/// A server, and the bus that goes with it.
pub(crate) trait Server: Send + Sync + 'static {
    async fn connect(&self) -> Arc<dyn Bus>;

    fn kill(&self) -> Result<()>;

    fn restart(&self) -> Result<()>;

    fn pause(&self) -> Result<()>;

    fn resume(&self) -> Result<()>;

    /// How many subscriptions of ours it has.
    fn subscriptions(&self) -> usize;

    /// How many connections of ours it has.
    fn connections(&self) -> usize;
}

pub(crate) fn topic(ordinal: u32) -> Topic {
    Topic::Conversation(ConversationId::new("shop", "visitor", ordinal).unwrap())
}

pub(crate) fn message(text: &'static str) -> Received {
    Received::Message(Bytes::from_static(text.as_bytes()))
}

/// Waits until the bus is ready.
pub(crate) async fn until_ready(bus: &Arc<dyn Bus>) {
    for _ in 0..3_000 {
        match bus.ready().await {
            Ok(()) => return,
            Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
        }
    }
    bus.ready().await.unwrap();
}

/// Waits until the bus knows that it is not.
pub(crate) async fn until_not_ready(bus: &Arc<dyn Bus>) -> BusError {
    for _ in 0..3_000 {
        match bus.ready().await {
            Ok(()) => tokio::time::sleep(Duration::from_millis(10)).await,
            Err(error) => return error,
        }
    }
    panic!("the bus never notices");
}

pub(crate) async fn pair(server: impl Server) -> Fixture {
    let (here, there) = (server.connect().await, server.connect().await);
    until_ready(&here).await;
    until_ready(&there).await;
    Fixture { here, there, server: Some(Box::new(server)) }
}

pub(crate) fn publish(bus: &Arc<dyn Bus>, ordinal: u32, text: &'static str) -> Result<(), BusError> {
    bus.publish(&topic(ordinal), Bytes::from_static(text.as_bytes()))
}

fn assert_unavailable<T>(answer: Result<T, BusError>) -> String {
    match answer {
        Err(BusError::Unavailable { reason, .. }) => reason,
        Err(other) => panic!("{other:?}"),
        Ok(_) => panic!("it says that all is well"),
    }
}

async fn subscribe(bus: &Arc<dyn Bus>, ordinal: u32) -> Subscription {
    bus.subscribe(&topic(ordinal)).await.unwrap()
}

/// What does not hang. Far longer than anything here takes.
pub(crate) async fn soon<T>(what: impl Future<Output = T>) -> T {
    timeout(Duration::from_secs(20), what).await.unwrap()
}

pub(crate) async fn a_server_that_died_and_came_back_is_heard_again(server: impl Server) {
    let (here, there) = (server.connect().await, server.connect().await);
    until_ready(&here).await;
    until_ready(&there).await;
    let mut first = subscribe(&there, 1).await;
    let mut second = subscribe(&there, 2).await;
    publish(&here, 1, "before").unwrap();
    assert_eq!(soon(first.recv()).await, message("before"));
    // Now the server has told here that it has the message: otherwise it would be sent again.
    here.ready().await.unwrap();

    server.kill().unwrap();
    until_not_ready(&here).await;
    until_not_ready(&there).await;
    assert_unavailable(publish(&here, 3, "nobody hears it"));
    assert_unavailable(soon(there.subscribe(&topic(3))).await);
    assert_eq!(first.try_recv(), None, "there is nothing to read in the log yet");

    server.restart().unwrap();
    assert_eq!(soon(first.recv()).await, Received::Lagged);
    assert_eq!(soon(second.recv()).await, Received::Lagged);
    until_ready(&here).await;
    publish(&here, 1, "after").unwrap();
    assert_eq!(soon(first.recv()).await, message("after"));
    let mut third = subscribe(&there, 4).await;
    publish(&here, 4, "new").unwrap();
    assert_eq!(soon(third.recv()).await, message("new"), "what has no gap is not told of one");
    assert_eq!(server.subscriptions(), 3);
}

pub(crate) async fn a_message_that_was_published_while_the_server_was_away_comes_later(server: impl Server) {
    let (here, there) = (server.connect().await, server.connect().await);
    until_ready(&here).await;
    until_ready(&there).await;
    let mut subscription = subscribe(&there, 1).await;
    server.kill().unwrap();
    until_not_ready(&here).await;
    assert_unavailable(publish(&here, 1, "meanwhile"));
    server.restart().unwrap();
    // Either there is connected again before the message comes, or the gap says that there may have been one.
    assert_eq!(soon(subscription.recv()).await, Received::Lagged);
    until_ready(&here).await;
    publish(&here, 1, "after").unwrap();
    let mut heard = soon(subscription.recv()).await;
    if heard == message("meanwhile") {
        heard = soon(subscription.recv()).await;
    }
    assert_eq!(heard, message("after"));
}

pub(crate) async fn a_server_that_stands_still_holds_nobody_up(server: impl Server) {
    let (here, there) = (server.connect().await, server.connect().await);
    until_ready(&here).await;
    until_ready(&there).await;
    let mut subscription = subscribe(&there, 1).await;
    server.pause().unwrap();
    let payload = Bytes::from(vec![0; 100_000]);
    // 100 MB are more than any socket and queue take.
    let refused = (0..1_000).filter(|_| here.publish(&topic(1), payload.clone()).is_err()).count();
    assert!(refused > 500, "{refused} of 1,000 were refused");
    assert_unavailable(soon(there.subscribe(&topic(2))).await);
    assert!(matches!(soon(there.ready()).await, Err(BusError::NotReady { .. })));
    server.resume().unwrap();
    until_ready(&here).await;
    until_ready(&there).await;
    let mut other = subscribe(&there, 2).await;
    publish(&here, 2, "it runs on").unwrap();
    assert_eq!(soon(other.recv()).await, message("it runs on"));
    publish(&here, 1, "the newest").unwrap();
    while soon(subscription.recv()).await != message("the newest") {}
}

pub(crate) async fn a_server_that_stands_still_for_long_is_given_up_and_found_again(server: impl Server) {
    let there = server.connect().await;
    until_ready(&there).await;
    let mut subscription = subscribe(&there, 1).await;
    server.pause().unwrap();
    // It is known to be away once a message is refused without being queued.
    for _ in 0..3_000 {
        match publish(&there, 2, "anybody there?") {
            Ok(()) => tokio::time::sleep(Duration::from_millis(10)).await,
            Err(_) => break,
        }
    }
    assert_unavailable(publish(&there, 2, "no"));
    server.resume().unwrap();
    assert_eq!(soon(subscription.recv()).await, Received::Lagged);
    until_ready(&there).await;
    publish(&there, 1, "back").unwrap();
    assert_eq!(soon(subscription.recv()).await, message("back"));
}

pub(crate) async fn a_bus_can_be_made_before_its_server_is_there(server: impl Server) {
    server.kill().unwrap();
    let bus = server.connect().await;
    assert!(matches!(soon(bus.ready()).await, Err(BusError::NotReady { .. })));
    assert_unavailable(publish(&bus, 1, "too early"));
    assert_unavailable(soon(bus.subscribe(&topic(1))).await);
    server.restart().unwrap();
    until_ready(&bus).await;
    let mut subscription = subscribe(&bus, 2).await;
    publish(&bus, 2, "now").unwrap();
    assert_eq!(soon(subscription.recv()).await, message("now"));
}

pub(crate) async fn the_server_has_one_subscription_of_each_topic_that_somebody_hears(server: impl Server) {
    let bus = server.connect().await;
    until_ready(&bus).await;
    for n in 0..1_000 {
        let first = subscribe(&bus, 1 + n % 7).await;
        let second = subscribe(&bus, 1 + n % 7).await;
        if n % 100 == 0 {
            assert_eq!(server.subscriptions(), 1, "two listen to one topic");
        }
        drop(first);
        drop(second);
        if n % 100 == 0 {
            // The server answers in order: by now it has heard that nobody listens.
            bus.ready().await.unwrap();
            assert_eq!(server.subscriptions(), 0);
        }
    }
    bus.ready().await.unwrap();
    assert_eq!(server.subscriptions(), 0);
    let held: Vec<_> = [subscribe(&bus, 1).await, subscribe(&bus, 2).await].into();
    assert_eq!(server.subscriptions(), 2);
    drop(held);
}

pub(crate) async fn a_dropped_bus_leaves_no_connection(server: impl Server) {
    let bus = server.connect().await;
    until_ready(&bus).await;
    let subscription = subscribe(&bus, 1).await;
    assert!(server.connections() > 0);
    drop(bus);
    // Not so long that a connection which nobody ends is given up for its silence.
    for _ in 0..300 {
        if server.connections() == 0 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(server.connections(), 0);
    drop(subscription);
}

/// Makes a test of every case.
macro_rules! cases {
    ($start:path: $($case:ident)*) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                if let Some(server) = $start() {
                    crate::remote::$case(server).await;
                }
            }
        )*
    };
    ($start:path) => {
        crate::remote::cases! { $start:
            a_server_that_died_and_came_back_is_heard_again
            a_message_that_was_published_while_the_server_was_away_comes_later
            a_server_that_stands_still_holds_nobody_up
            a_server_that_stands_still_for_long_is_given_up_and_found_again
            a_bus_can_be_made_before_its_server_is_there
            the_server_has_one_subscription_of_each_topic_that_somebody_hears
            a_dropped_bus_leaves_no_connection
        }
    };
}
pub(crate) use cases;

/// The variable that tells a test's second process where to connect.
const TRUSTED_URL: &str = "FRONTDESK_TEST_TRUSTED_URL";

async fn connect(url: &str) -> Arc<dyn Bus> {
    match url.starts_with("tls") {
        true => Arc::new(bus::nats::NatsBus::connect(url).await.unwrap()),
        false => Arc::new(bus::redis::RedisBus::connect(url).await.unwrap()),
    }
}

/// A bus refuses the server at `url`, unless its process trusts `authority`: the calling test runs again in a process that
/// does. Which authorities TLS trusts is said by a variable, and a test may not set those of its own process.
pub(crate) async fn trusts_only_whom_it_should(url: &str, authority: &Path, test: &str) {
    let error = until_not_ready_because(&connect(url).await, "ertificate").await;
    assert!(!error.contains("s%"), "{error}");
    let mut again = Command::new(std::env::current_exe().unwrap());
    again.args(["--exact", test]).env(TRUSTED_URL, url).env("SSL_CERT_FILE", authority);
    let output = again.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
}

/// Whether this is the second process, which has done its part then.
pub(crate) async fn is_second_process() -> bool {
    let Ok(url) = std::env::var(TRUSTED_URL) else { return false };
    let bus = connect(&url).await;
    until_ready(&bus).await;
    let mut subscription = subscribe(&bus, 1).await;
    publish(&bus, 1, "through TLS").unwrap();
    assert_eq!(soon(subscription.recv()).await, message("through TLS"));
    let large = Bytes::from(vec![7; bus::MAX_PAYLOAD_BYTES]);
    for _ in 0..10 {
        bus.publish(&topic(1), large.clone()).unwrap();
        assert_eq!(soon(subscription.recv()).await, Received::Message(large.clone()));
    }
    true
}

/// Waits until the bus says of its server what `reason` is part of.
pub(crate) async fn until_not_ready_because(bus: &Arc<dyn Bus>, reason: &str) -> String {
    let mut last = String::new();
    for _ in 0..3_000 {
        match bus.ready().await {
            Err(error) => last = error.to_string(),
            Ok(()) => panic!("it is ready"),
        }
        if last.contains(reason) {
            return last;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{last} has no {reason}");
}
