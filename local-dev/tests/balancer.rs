//! The balancer in front of nodes that the test itself is.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use local_dev::balancer::{Balancer, Target};
use local_dev::status::{NodeLife, NodeState};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// Far more than anything here takes: what is not over by then hangs.
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// A node that says its name to whoever connects, then repeats what it hears.
struct StandIn {
    address: SocketAddr,
    is_ready: Arc<AtomicBool>,
    life: watch::Sender<NodeLife>,
    serving: JoinHandle<()>,
}

impl StandIn {
    async fn start(name: &'static str, ready: bool) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let is_ready = Arc::new(AtomicBool::new(ready));
        let answers = Arc::clone(&is_ready);
        let serving = tokio::spawn(async move {
            // Its connections break with it.
            let mut connections = tokio::task::JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let answers = Arc::clone(&answers);
                connections.spawn(async move { answer(stream, name, &answers).await });
            }
        });
        let (life, _) = watch::channel(NodeLife { pid: None, state: NodeState::Ready, restarts: 0 });
        Ok(Self { address, is_ready, life, serving })
    }

    fn target(&self) -> Target {
        Target::new(self.address, self.life.subscribe())
    }

    fn set_state(&self, state: NodeState) {
        self.life.send_modify(|life| life.state = state);
    }

    /// Breaks its connections, and takes no more.
    async fn die(self) {
        self.serving.abort();
        let _ = self.serving.await;
    }
}

async fn answer(mut stream: TcpStream, name: &str, is_ready: &AtomicBool) -> Result<()> {
    let mut first = [0; 4];
    stream.read_exact(&mut first).await?;
    if &first == b"GET " {
        let status = if is_ready.load(Ordering::Relaxed) { "200 OK" } else { "503 Service Unavailable" };
        let _ = stream.read(&mut [0; 1024]).await?;
        stream.write_all(format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n").as_bytes()).await?;
        return Ok(());
    }
    stream.write_all(name.as_bytes()).await?;
    let (mut from, mut to) = stream.split();
    tokio::io::copy(&mut from, &mut to).await?;
    Ok(())
}

/// A balancer in front of stand-ins.
struct Scene {
    balancer: Balancer,
    address: SocketAddr,
}

impl Scene {
    /// Waits until every node that is ready gets connections.
    async fn start(nodes: &[StandIn]) -> Result<Self> {
        let balancer = Balancer::new(nodes.iter().map(StandIn::target).collect());
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        tokio::spawn(balancer.clone().serve(listener));
        for (at, node) in nodes.iter().enumerate() {
            if node.is_ready.load(Ordering::Relaxed) {
                timeout(LONGEST_WAIT, balancer.takes(at)).await?;
            }
        }
        Ok(Self { balancer, address })
    }

    /// Connects; the name of the node that took the connection.
    async fn connect(&self) -> Result<(TcpStream, String)> {
        let mut stream = TcpStream::connect(self.address).await?;
        stream.write_all(b"HELO").await?;
        let mut name = [0; 1];
        timeout(LONGEST_WAIT, stream.read_exact(&mut name)).await?.context("nobody took the connection")?;
        Ok((stream, String::from_utf8(name.to_vec())?))
    }

    async fn names(&self, times: usize) -> Result<(Vec<TcpStream>, String)> {
        let (mut streams, mut names) = (Vec::new(), Vec::new());
        for _ in 0..times {
            let (stream, name) = self.connect().await?;
            streams.push(stream);
            names.push(name);
        }
        names.sort();
        Ok((streams, names.concat()))
    }
}

async fn three() -> Result<[StandIn; 3]> {
    Ok([StandIn::start("a", true).await?, StandIn::start("b", true).await?, StandIn::start("c", true).await?])
}

#[tokio::test]
async fn connections_are_spread_over_the_nodes_and_counted() -> Result<()> {
    let nodes = three().await?;
    let scene = Scene::start(&nodes).await?;
    let (streams, names) = scene.names(9).await?;
    assert_eq!(names, "aaabbbccc");
    assert_eq!([0, 1, 2].map(|node| scene.balancer.open(node)), [3, 3, 3]);
    drop(streams);
    timeout(LONGEST_WAIT, async {
        while [0, 1, 2].iter().any(|node| scene.balancer.open(*node) > 0) {
            tokio::task::yield_now().await;
        }
    })
    .await
    .context("closed connections are still counted")
}

#[tokio::test]
async fn bytes_go_both_ways_and_a_client_that_has_said_its_last_hears_the_rest() -> Result<()> {
    let nodes = [StandIn::start("a", true).await?];
    let scene = Scene::start(&nodes).await?;
    let (mut stream, _) = scene.connect().await?;
    let sent: Vec<u8> = (0..100_000_u32).map(|at| at as u8).collect();
    let (mut from, mut to) = stream.split();
    let mut heard = Vec::new();
    let write = async {
        to.write_all(&sent).await?;
        to.shutdown().await
    };
    let (written, read) = timeout(LONGEST_WAIT, async { tokio::join!(write, from.read_to_end(&mut heard)) }).await?;
    written?;
    read?;
    ensure!(heard == sent, "{} of {} bytes came back", heard.len(), sent.len());
    Ok(())
}

#[tokio::test]
async fn a_node_that_is_not_ready_is_passed_over_until_it_is() -> Result<()> {
    let nodes = three().await?;
    nodes[1].is_ready.store(false, Ordering::Relaxed);
    let scene = Scene::start(&nodes).await?;
    let (_streams, names) = scene.names(4).await?;
    assert_eq!(names, "aacc");
    nodes[1].is_ready.store(true, Ordering::Relaxed);
    timeout(LONGEST_WAIT, scene.balancer.takes(1)).await?;
    assert_eq!(scene.names(2).await?.1, "bb");
    Ok(())
}

#[tokio::test]
async fn a_node_that_is_dead_is_passed_over_at_once_and_its_connections_break() -> Result<()> {
    let [a, b, c] = three().await?;
    let nodes = [a, b, c];
    let scene = Scene::start(&nodes).await?;
    let (streams, _) = scene.names(3).await?;
    let [_a, b, _c] = nodes;
    b.die().await;
    let mut broken = 0;
    for mut stream in streams {
        stream.write_all(b"x").await?;
        if !matches!(timeout(LONGEST_WAIT, stream.read(&mut [0; 8])).await?, Ok(1..)) {
            broken += 1;
        }
    }
    assert_eq!(broken, 1);
    assert_eq!(scene.names(4).await?.1, "aacc");
    Ok(())
}

#[tokio::test]
async fn a_node_that_drains_gets_no_new_connections_and_keeps_its_old_ones() -> Result<()> {
    let nodes = three().await?;
    let scene = Scene::start(&nodes).await?;
    let (mut streams, _) = scene.names(3).await?;
    nodes[0].set_state(NodeState::Draining);
    assert_eq!(scene.names(4).await?.1, "bbcc");
    for stream in &mut streams {
        stream.write_all(b"x").await?;
        assert_eq!(timeout(LONGEST_WAIT, stream.read(&mut [0; 8])).await??, 1);
    }
    Ok(())
}

#[tokio::test]
async fn without_a_ready_node_the_client_is_told_when_to_come_back() -> Result<()> {
    let nodes = [StandIn::start("a", false).await?];
    let scene = Scene::start(&nodes).await?;
    let mut stream = TcpStream::connect(scene.address).await?;
    stream.write_all(b"GET /v1/connect HTTP/1.1\r\n\r\n").await?;
    let mut said = String::new();
    timeout(LONGEST_WAIT, stream.read_to_string(&mut said)).await??;
    assert!(said.starts_with("HTTP/1.1 503 ") && said.contains("retry-after: 1\r\n"), "{said}");
    Ok(())
}
