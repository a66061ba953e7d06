use std::net::IpAddr;
use std::time::Duration;

use config::Config;
use governor::clock::FakeRelativeClock;

use super::*;

fn limits(toml: &str) -> (Limits<FakeRelativeClock>, FakeRelativeClock) {
    let (config, clock) = (Config::parse(toml, []).unwrap(), FakeRelativeClock::default());
    (Limits::new(&config.node, &config.limits, clock.clone()), clock)
}

fn address(last: u8) -> Address {
    Address::from(IpAddr::from([203, 0, 113, last]))
}

fn visitor(name: u8) -> VisitorId {
    VisitorId::anonymous([name; 16])
}

/// The refusal's code and wait.
fn refused<T>(result: Result<T, Refusal>) -> (ErrorCode, u32) {
    match result {
        Ok(_) => (ErrorCode::Unspecified, 0),
        Err(refusal) => (refusal.code, refusal.retry_after_ms),
    }
}

#[test]
fn a_visitor_who_sends_too_fast_is_told_when_to_send_again() {
    let (limits, clock) = limits("[limits]\nmessages_per_visitor_per_minute = 60\nmessages_per_visitor_burst = 2");
    let send = |name| limits.message("shop", &visitor(name));
    assert!(send(1).is_ok() && send(1).is_ok());

    assert_eq!(refused(send(1)), (ErrorCode::RateLimited, 1_000));
    clock.advance(Duration::from_millis(400));
    assert_eq!(refused(send(1)), (ErrorCode::RateLimited, 600));
    clock.advance(Duration::from_millis(600));
    assert!(send(1).is_ok());
}

#[test]
fn a_visitor_is_counted_apart_from_others_and_on_each_site() {
    let (limits, _) = limits("[limits]\nmessages_per_visitor_per_minute = 1\nmessages_per_visitor_burst = 1");

    assert!(limits.message("shop", &visitor(1)).is_ok());
    assert!(limits.message("shop", &visitor(2)).is_ok());
    assert!(limits.message("shop2", &visitor(1)).is_ok());
    assert!(limits.message("shop", &visitor(1)).is_err());
}

#[test]
fn a_connection_that_sends_frames_too_fast_is_refused_and_another_is_not() {
    let (limits, clock) = limits("[limits]\nframes_per_connection_per_second = 10\nframes_per_connection_burst = 3");
    let (fast, slow) = (limits.frame_rate(), limits.frame_rate());
    assert!((0..3).all(|_| fast.check().is_ok()));

    assert_eq!(refused(fast.check()), (ErrorCode::RateLimited, 100));
    assert!(slow.check().is_ok());
    clock.advance(Duration::from_millis(100));
    assert!(fast.check().is_ok());
}

#[test]
fn an_address_that_connects_too_often_is_refused() {
    let (limits, clock) = limits("[limits]\nconnects_per_address_per_second = 2\nconnects_per_address_burst = 1");
    assert!(limits.connect(address(1)).is_ok());

    assert_eq!(refused(limits.connect(address(1))), (ErrorCode::RateLimited, 500));
    assert!(limits.connect(address(2)).is_ok());
    clock.advance(Duration::from_millis(500));
    assert!(limits.connect(address(1)).is_ok());
}

#[test]
fn an_address_holds_so_many_connections_and_gets_room_when_one_ends() {
    let (limits, _) = limits("[limits]\nconnections_per_address = 1");
    let seat = limits.connect(address(1)).unwrap();

    assert_eq!(refused(limits.connect(address(1))), (ErrorCode::TooManyConnections, 5_000));
    assert!(limits.connect(address(2)).is_ok());
    drop(seat);
    assert!(limits.connect(address(1)).is_ok());
}

#[test]
fn a_full_node_is_unavailable_and_says_when_to_come_back() {
    let (limits, _) = limits("[node]\nmax_connections = 2");
    let seats = (limits.connect(address(1)).unwrap(), limits.connect(address(2)).unwrap());
    assert_eq!(limits.connections(), 2);

    assert_eq!(refused(limits.connect(address(3))), (ErrorCode::Unavailable, 5_000));
    drop(seats);
    assert_eq!(limits.connections(), 0);
    assert!(limits.connect(address(3)).is_ok());
}

#[test]
fn a_node_takes_so_many_connections_a_second_from_all_together() {
    let (limits, clock) = limits("[node]\nmax_accepts_per_second = 2");
    assert!(limits.connect(address(1)).is_ok() && limits.connect(address(2)).is_ok());

    assert_eq!(refused(limits.connect(address(3))), (ErrorCode::Unavailable, 500));
    assert_eq!(limits.connections(), 0, "a refused connection holds no seat");
    clock.advance(Duration::from_millis(500));
    assert!(limits.connect(address(3)).is_ok());
}

#[test]
fn a_visitor_holds_so_many_connections() {
    let (limits, _) = limits("[limits]\nconnections_per_visitor = 1");
    let seat = limits.join("shop", &visitor(1)).unwrap();

    assert_eq!(refused(limits.join("shop", &visitor(1))), (ErrorCode::TooManyConnections, 5_000));
    assert!(limits.join("shop", &visitor(2)).is_ok());
    drop(seat);
    assert!(limits.join("shop", &visitor(1)).is_ok());
}

#[test]
fn an_address_becomes_so_many_new_visitors() {
    let (limits, _) = limits("[limits]\nnew_visitors_per_address_per_minute = 6\nnew_visitors_per_address_burst = 1");
    assert!(limits.new_visitor(address(1)).is_ok());

    assert_eq!(refused(limits.new_visitor(address(1))), (ErrorCode::RateLimited, 10_000));
    assert!(limits.new_visitor(address(2)).is_ok());
}

#[test]
fn visitors_at_rest_are_forgotten_and_others_are_not() {
    let (limits, clock) = limits("[limits]\nmessages_per_visitor_per_minute = 60\nmessages_per_visitor_burst = 1");
    limits.message("shop", &visitor(1)).unwrap();
    clock.advance(Duration::from_secs(60));
    limits.message("shop", &visitor(2)).unwrap();

    limits.sweep();

    assert_eq!(limits.messages.len(), 1);
    assert!(limits.message("shop", &visitor(2)).is_err());
}

#[test]
fn a_flood_of_visitors_grows_nothing_beyond_the_bound_and_still_lets_some_in() {
    let (limits, _) = limits("[limits]\nmax_tracked = 1000\nmessages_per_visitor_burst = 1");
    let flood = 20_000;
    let taken = (0..flood)
        .filter(|number: &u32| {
            let mut random = [0; 16];
            random[..4].copy_from_slice(&number.to_le_bytes());
            limits.message("shop", &VisitorId::anonymous(random)).is_ok()
        })
        .count();

    assert!(limits.messages.len() <= 1_000 + 4_096, "{}", limits.messages.len());
    assert!((4_000..6_000).contains(&taken), "{taken}");
}
