use std::process::Command;

use servers::{RedisCluster, RedisOptions, RedisServer, Reply, missing};

#[test]
fn redis_keeps_its_data_over_a_restart_only_if_asked_to() {
    if missing("redis-server") {
        return;
    }
    for keeps_data in [true, false] {
        let redis = RedisServer::start(RedisOptions { keeps_data, ..RedisOptions::default() }).unwrap();
        redis.command(&["SET", "key", "value"]).unwrap();
        redis.kill().unwrap();
        redis.command(&["GET", "key"]).unwrap_err();
        redis.restart().unwrap();
        let kept = if keeps_data { Reply::Text("value".to_owned()) } else { Reply::Nil };
        assert_eq!(redis.command(&["GET", "key"]).unwrap(), kept);
    }
}

#[test]
fn a_frozen_redis_answers_when_it_runs_on() {
    if missing("redis-server") {
        return;
    }
    let redis = RedisServer::start(RedisOptions::default()).unwrap();
    redis.pause().unwrap();
    redis.command(&["PING"]).unwrap_err();
    redis.resume().unwrap();
    assert_eq!(redis.command(&["PING"]).unwrap().text(), "PONG");
}

#[test]
fn a_replica_has_what_its_primary_has() {
    if missing("redis-server") {
        return;
    }
    let primary = RedisServer::start(RedisOptions::default()).unwrap();
    primary.command(&["SET", "key", "value"]).unwrap();
    let replica_of = Some(primary.port());
    let replica = RedisServer::start(RedisOptions { replica_of, ..RedisOptions::default() }).unwrap();
    assert_eq!(replica.command(&["GET", "key"]).unwrap().text(), "value");
}

#[test]
fn redis_takes_tls_and_the_users_of_its_acl_only() {
    if missing("redis-server") || missing("redis-cli") {
        return;
    }
    let acl = vec!["user default off".to_owned(), "user shop on >secret ~fd:* &fd:* +@all".to_owned()];
    let redis = RedisServer::start(RedisOptions { acl, tls: true, ..RedisOptions::default() }).unwrap();
    let authority = &redis.certificate().unwrap().authority;
    let ask = |url: &str, key: &str| {
        let mut program = Command::new("redis-cli");
        let output = program
            .args(["--no-auth-warning", "-u", url, "--tls", "--cacert"])
            .arg(authority)
            .args(["GET", key])
            .output()
            .unwrap();
        [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap()).concat()
    };
    let url = redis.url_as("shop", "secret");
    assert!(url.starts_with("rediss://shop:secret@127.0.0.1:"));
    assert_eq!(ask(&url, "fd:1").lines().next(), Some(""));
    assert!(ask(&url, "other").contains("NOPERM"));
    assert!(ask(&redis.url(), "fd:1").contains("NOAUTH"));
}

#[test]
fn a_cluster_replaces_a_primary_that_was_killed() {
    if missing("redis-server") {
        return;
    }
    let cluster = RedisCluster::start().unwrap();
    assert_eq!(cluster.url().matches("127.0.0.1:").count(), 6);
    let first = cluster.kill_primary_of("key").unwrap();
    cluster.wait_until_served().unwrap();
    let second = cluster.primary_of("key").unwrap();
    assert_eq!(second, first + 3);
    cluster.nodes()[second].command(&["SET", "key", "value"]).unwrap();
    cluster.nodes()[first].restart().unwrap();
    cluster.wait_until_ok().unwrap();
}

#[test]
fn a_servers_own_words_tell_what_is_wrong() {
    if missing("redis-server") {
        return;
    }
    let settings = vec![("no-such-setting".to_owned(), "1".to_owned())];
    let error = RedisServer::start(RedisOptions { settings, ..RedisOptions::default() }).unwrap_err();
    assert!(format!("{error:#}").contains("no-such-setting"), "{error:#}");
}

#[test]
fn a_dropped_server_is_gone_with_its_folder() {
    if missing("redis-server") {
        return;
    }
    let redis = RedisServer::start(RedisOptions::default()).unwrap();
    let folder = redis.command(&["CONFIG", "GET", "dir"]).unwrap().array()[1].text().to_owned();
    let id = redis.info("process_id").unwrap();
    assert!(std::fs::exists(&folder).unwrap());
    drop(redis);
    assert!(!std::fs::exists(&folder).unwrap());
    assert!(!std::fs::exists(format!("/proc/{id}")).unwrap());
}
