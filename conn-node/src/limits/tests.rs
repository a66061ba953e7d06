use config::Config;

use super::*;

const NOW: Millis = 1_790_000_000_000;

fn limits(toml: &str) -> Limits {
    let config = Config::parse(toml, []).unwrap();
    Limits::new(&config.limits, &config.node)
}

fn address(last: u8) -> IpAddr {
    IpAddr::from([203, 0, 113, last])
}

fn visitor(name: u8) -> VisitorId {
    VisitorId::anonymous([name; 16])
}

/// The refusal's code and wait.
fn refused<T: std::fmt::Debug>(result: Result<T, Refusal>) -> (ErrorCode, u32) {
    let refusal = result.unwrap_err();
    (refusal.code, refusal.retry_after_ms)
}

#[test]
fn a_visitor_who_sends_too_fast_is_told_when_to_send_again() {
    let limits = limits("[limits]\nmessages_per_visitor_per_minute = 60\nmessages_per_visitor_burst = 2");
    let send = |after| limits.admit_message("shop", &visitor(1), NOW + after);
    assert_eq!((send(0), send(0)), (Ok(()), Ok(())));

    assert_eq!(send(0), Err(1_000));
    assert_eq!(send(400), Err(600));
    assert_eq!(send(1_000), Ok(()));
    assert_eq!(send(1_000), Err(1_000));
}

#[test]
fn a_visitor_is_counted_apart_from_others_and_on_each_site() {
    let limits = limits("[limits]\nmessages_per_visitor_per_minute = 1\nmessages_per_visitor_burst = 1");
    let send = |site, name| limits.admit_message(site, &visitor(name), NOW).is_ok();

    assert!(send("shop", 1) && send("shop", 2) && send("shop2", 1));
    assert!(!send("shop", 1));
}

#[test]
fn a_connection_that_sends_frames_too_fast_is_refused_and_another_is_not() {
    let limits = limits("[limits]\nframes_per_connection_per_second = 10\nframes_per_connection_burst = 3");
    let (mut fast, mut slow) = (limits.frame_limit(), limits.frame_limit());
    assert!((0..3).all(|_| fast.admit(NOW).is_ok()));

    assert_eq!(fast.admit(NOW), Err(100));
    assert_eq!(slow.admit(NOW), Ok(()));
    assert_eq!(fast.admit(NOW + 100), Ok(()));
}

#[test]
fn an_address_that_connects_too_often_is_refused() {
    let limits = limits("[limits]\nconnects_per_address_per_second = 2\nconnects_per_address_burst = 1");
    let connect = |last, after| limits.admit_connection(address(last), NOW + after);
    assert_eq!(connect(1, 0), Ok(()));

    assert_eq!(connect(1, 0), Err(500));
    assert_eq!(connect(2, 0), Ok(()));
    assert_eq!(connect(1, 500), Ok(()));
}

#[test]
fn a_node_takes_so_many_connections_a_second_from_all_together() {
    let limits = limits("[node]\nmax_accepts_per_second = 2");
    let connect = |last, after| limits.admit_connection(address(last), NOW + after);
    assert_eq!((connect(1, 0), connect(2, 0)), (Ok(()), Ok(())));

    assert_eq!(connect(3, 0), Err(500));
    assert_eq!(connect(3, 500), Ok(()));
}

#[test]
fn an_address_that_asks_too_often_takes_no_share_of_what_the_node_accepts() {
    let limits = limits(
        "[node]\nmax_accepts_per_second = 2\n[limits]\nconnects_per_address_per_second = 1\nconnects_per_address_burst = 1",
    );
    let connect = |last| limits.admit_connection(address(last), NOW).is_ok();
    assert!(connect(1));
    assert!((0..100).all(|_| !connect(1)));

    assert!(connect(2));
}

#[test]
fn a_visitor_holds_so_many_connections_and_gets_room_when_one_ends() {
    let limits = limits("[limits]\nconnections_per_visitor = 1");
    let take = |name, last| limits.take_place("shop", &visitor(name), address(last));
    let place = take(1, 1).unwrap();

    assert_eq!(refused(take(1, 2)), (ErrorCode::TooManyConnections, 5_000));
    assert!(take(2, 1).is_ok());
    drop(place);
    assert!(take(1, 2).is_ok());
}

#[test]
fn an_address_holds_so_many_connections_and_gets_room_when_one_ends() {
    let limits = limits("[limits]\nconnections_per_address = 1");
    let take = |name, last| limits.take_place("shop", &visitor(name), address(last));
    let place = take(1, 1).unwrap();

    assert_eq!(refused(take(2, 1)), (ErrorCode::TooManyConnections, 5_000));
    assert!(take(2, 2).is_ok());
    drop(place);
    assert!(take(2, 1).is_ok());
}

#[test]
fn what_nobody_holds_is_not_kept_count_of() {
    let limits = limits("[limits]\nconnections_per_visitor = 1");
    let take = |name| limits.take_place("shop", &visitor(name), address(name));
    let place = take(1).unwrap();
    assert!(take(1).is_err());
    assert_eq!((limits.by_visitor.len(), limits.by_address.len()), (1, 1));

    drop(place);
    assert_eq!((limits.by_visitor.len(), limits.by_address.len()), (0, 0));
}

#[test]
fn an_address_becomes_so_many_new_visitors() {
    let limits = limits("[limits]\nnew_visitors_per_address_per_minute = 6\nnew_visitors_per_address_burst = 1");
    assert!(limits.admit_new_visitor(address(1), NOW).is_ok());

    assert_eq!(refused(limits.admit_new_visitor(address(1), NOW)), (ErrorCode::RateLimited, 10_000));
    assert!(limits.admit_new_visitor(address(2), NOW).is_ok());
}

#[test]
fn visitors_at_rest_are_forgotten_and_others_are_not() {
    let limits = limits("[limits]\nmessages_per_visitor_per_minute = 60\nmessages_per_visitor_burst = 1");
    limits.admit_message("shop", &visitor(1), NOW).unwrap();
    limits.admit_message("shop", &visitor(2), NOW + 60_000).unwrap();

    limits.forget_idle(NOW + 60_000);

    assert_eq!(limits.messages.len(), 1);
    assert!(limits.admit_message("shop", &visitor(2), NOW + 60_000).is_err());
}

#[test]
fn a_flood_of_visitors_grows_nothing_beyond_the_bound_and_still_lets_some_in() {
    let limits = limits("[limits]\nmax_tracked = 1000\nmessages_per_visitor_burst = 1");
    let is_taken = |number: &u32| {
        let mut random = [0; 16];
        random[..4].copy_from_slice(&number.to_le_bytes());
        limits.admit_message("shop", &VisitorId::anonymous(random), NOW).is_ok()
    };
    let taken = (0..20_000).filter(is_taken).count();

    assert!(limits.messages.len() <= 1_000 + 4_096, "{}", limits.messages.len());
    assert!((4_000..6_000).contains(&taken), "{taken}");
}
