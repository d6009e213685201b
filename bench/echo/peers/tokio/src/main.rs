// SPDX-License-Identifier: MIT
// An echo server on tokio's current_thread runtime: tokio_echo PORT
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

async fn session(mut peer: TcpStream) -> std::io::Result<()> {
    peer.set_nodelay(true)?;
    let mut buffer = vec![0u8; 16384];
    loop {
        let size = peer.read(&mut buffer).await?;
        if size == 0 {
            return Ok(());
        }
        peer.write_all(&buffer[..size]).await?;
    }
}

async fn serve(port: String) -> std::io::Result<()> {
    let listener = TcpListener::bind(format!("127.0.0.1:{port}")).await?;
    println!("listening on {}", listener.local_addr()?);
    loop {
        let (peer, _) = listener.accept().await?;
        tokio::spawn(session(peer));
    }
}

fn main() -> std::io::Result<()> {
    let port = std::env::args().nth(1).expect("a port");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    // In a task of its own: what block_on runs itself is woken more slowly.
    runtime.block_on(async { tokio::spawn(serve(port)).await.unwrap() })
}
