use tokio::net::TcpListener;

use super::*;

/// A client's end, a server's end, and the wire between them.
async fn scene() -> (TcpStream, TcpStream, Arc<Wire>) {
    let wire = Wire::new();
    let (client, near) = pair().await;
    let (far, server) = pair().await;
    let carried = Arc::clone(&wire);
    tokio::spawn(async move { carried.carry(near, far).await });
    while wire.open_connections() == 0 {
        tokio::task::yield_now().await;
    }
    (client, server, wire)
}

async fn pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let connecting = TcpStream::connect(listener.local_addr().unwrap());
    let (one, other) = tokio::join!(connecting, listener.accept());
    (one.unwrap(), other.unwrap().0)
}

async fn read(stream: &mut TcpStream, bytes: usize) -> Vec<u8> {
    let mut read = vec![0; bytes];
    stream.read_exact(&mut read).await.unwrap();
    read
}

#[tokio::test]
async fn bytes_go_both_ways_and_a_last_word_is_heard() {
    let (mut client, mut server, _wire) = scene().await;
    client.write_all(b"ping").await.unwrap();
    client.shutdown().await.unwrap();
    assert_eq!(read(&mut server, 4).await, b"ping");
    assert_eq!(server.read(&mut [0; 1]).await.unwrap(), 0);
    server.write_all(b"pong").await.unwrap();
    drop(server);
    let mut rest = Vec::new();
    client.read_to_end(&mut rest).await.unwrap();
    assert_eq!(rest, b"pong");
}

#[tokio::test]
async fn a_cut_is_seen_at_both_ends() {
    for how in [Cut::Reset, Cut::Close] {
        let (mut client, mut server, wire) = scene().await;
        assert!(wire.cut_one(how, &mut Random::new(1)));
        for end in [&mut client, &mut server] {
            assert_eq!(end.read(&mut [0; 1]).await.is_err(), how == Cut::Reset);
        }
        assert!(!wire.cut_one(how, &mut Random::new(1)), "it was the only one");
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_stalled_arrives_when_the_weather_is_good_again() {
    let (mut client, mut server, wire) = scene().await;
    wire.change(|weather| weather.stalls = true);
    client.write_all(b"late").await.unwrap();
    let stalled = tokio::time::timeout(Duration::from_secs(5), server.read(&mut [0; 4])).await;
    assert!(stalled.is_err());
    wire.change(|weather| weather.stalls = false);
    assert_eq!(read(&mut server, 4).await, b"late");
}

#[tokio::test(start_paused = true)]
async fn a_delay_keeps_the_order() {
    let (mut client, mut server, wire) = scene().await;
    wire.change(|weather| weather.delay = Duration::from_millis(200));
    let began = Instant::now();
    client.write_all(b"one").await.unwrap();
    assert_eq!(read(&mut server, 3).await, b"one");
    assert!(began.elapsed() >= Duration::from_millis(200), "the clock of the test is its own");
    client.write_all(b"two").await.unwrap();
    wire.change(|weather| weather.delay = Duration::ZERO);
    client.write_all(b"three").await.unwrap();
    assert_eq!(read(&mut server, 8).await, b"twothree");
}

#[tokio::test(start_paused = true)]
async fn in_silence_nobody_is_told() {
    let (mut client, mut server, wire) = scene().await;
    assert_eq!(wire.cut_all(Cut::Silence), 1);
    client.write_all(b"lost").await.unwrap();
    let heard = tokio::time::timeout(Duration::from_secs(20), server.read(&mut [0; 4])).await;
    assert!(heard.is_err());
}
