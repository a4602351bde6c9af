//! tokio's server of the group echo.
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

pub const NAMES: [&str; 9] =
    ["echo_1", "echo_64", "echo_1000", "echo_9900", "echo_64_4k", "echo_64_pipelined", "idle_9900", "tail_64", "echo_64_scaling"];

async fn session(mut stream: TcpStream) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut bytes = [0; 8192];
    loop {
        let n = stream.read(&mut bytes).await?;
        if n == 0 {
            return Ok(());
        }
        stream.write_all(&bytes[..n]).await?;
    }
}

/// Waits without a buffer.
async fn idle_session(mut stream: TcpStream) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    loop {
        stream.readable().await?;
        let mut bytes = vec![0; 8192];
        match stream.try_read(&mut bytes) {
            Ok(0) => return Ok(()),
            Ok(n) => stream.write_all(&bytes[..n]).await?,
            Err(e) if e.kind() == std::io::ErrorKind::WouldBlock => continue,
            Err(e) => return Err(e),
        }
    }
}

pub async fn serve(idle: bool) -> std::io::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("PORT {}", listener.local_addr()?.port());
    loop {
        let (stream, _) = listener.accept().await?;
        if idle {
            tokio::spawn(idle_session(stream));
        } else {
            tokio::spawn(session(stream));
        }
    }
}
