//! `tow static DIR`: the file server that stands behind `static` workloads. Serves what is in the folder and nothing
//! else; writes nothing, and nothing about requests.

mod answer;
mod found;
mod packed;

use answer::Site;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::convert::Infallible;
use std::ffi::OsString;
use std::io::{self, Write};
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// How long downloads in flight may take after SIGTERM; the grace of the instance usually ends it first.
const DRAIN: Duration = Duration::from_secs(60);

/// Serves a folder at 127.0.0.1:$PORT until SIGTERM or SIGINT. `args` are those after `static`. Answers the exit
/// status: 0 after a drain, 1 where it could not start, 2 for arguments that make no sense.
///
/// Writes one line to standard output when it listens.
pub fn static_main(args: Vec<OsString>) -> i32 {
    let [dir] = args.as_slice() else {
        complain("usage: PORT=8080 tow static DIR");
        return 2;
    };
    #[allow(
        clippy::disallowed_methods,
        reason = "PORT is how every workload is told where to listen, this one too"
    )]
    let port = std::env::var("PORT").ok();
    let Some(port) = port.as_deref().and_then(|port| port.parse::<u16>().ok()) else {
        complain("PORT is not set to a port number\nusage: PORT=8080 tow static DIR");
        return 2;
    };
    let runtime =
        tokio::runtime::Builder::new_current_thread().max_blocking_threads(4).enable_all().build();
    let ended = runtime.and_then(|runtime| {
        let ended = runtime.block_on(run(Path::new(dir).to_path_buf(), port));
        runtime.shutdown_background();
        ended
    });
    match ended {
        Ok(()) => 0,
        Err(error) => {
            complain(&format!("cannot serve {}: {error}", Path::new(dir).display()));
            1
        }
    }
}

async fn run(dir: PathBuf, port: u16) -> io::Result<()> {
    let mut term = signal(SignalKind::terminate())?;
    let mut int = signal(SignalKind::interrupt())?;
    let site = Arc::new(Site::new(&dir)?);
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
    let _ = writeln!(io::stdout(), "serving {} on {}", dir.display(), listener.local_addr()?);
    let closing = CancellationToken::new();
    let tasks = TaskTracker::new();
    loop {
        let accepted = tokio::select! {
            _ = term.recv() => break,
            _ = int.recv() => break,
            accepted = listener.accept() => accepted,
        };
        let Ok((stream, _)) = accepted else {
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        let _ = stream.set_nodelay(true);
        let site = site.clone();
        let closing = closing.clone();
        tasks.spawn(async move {
            let service = service_fn(move |request| {
                let site = site.clone();
                async move { Ok::<_, Infallible>(site.answer(&request).await) }
            });
            let connection = hyper::server::conn::http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(Duration::from_secs(75))
                .max_buf_size(64 * 1024)
                .serve_connection(TokioIo::new(stream), service);
            tokio::pin!(connection);
            // A client that goes away in the middle is no event.
            let _ = tokio::select! {
                ended = connection.as_mut() => ended,
                () = closing.cancelled() => {
                    connection.as_mut().graceful_shutdown();
                    connection.await
                }
            };
        });
    }
    drop(listener);
    closing.cancel();
    tasks.close();
    let _ = tokio::time::timeout(DRAIN, tasks.wait()).await;
    Ok(())
}

fn complain(text: &str) {
    let _ = writeln!(io::stderr(), "{text}");
}
