//! The control plane's end of a shim's socket.

use crate::folder::Folder;
use crate::frozen;
use crate::proc::Stat;
use crate::proto::{LONGEST, Reply, Request, Verb};
use crate::state::State;
use std::io;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;
use tow_ports::PortError;

/// How long a shim may take to answer anything: it does within a millisecond, unless somebody stopped it.
pub(crate) const ANSWER: Duration = Duration::from_secs(2);

/// A connection.
pub(crate) struct Link {
    stream: BufReader<UnixStream>,
    /// Who is at the other end.
    pub(crate) shim: Option<Stat>,
}

/// What came of an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asked {
    /// It was taken.
    Told,
    /// The shim went before it answered.
    Gone,
    /// It is there and does not answer.
    Silent,
}

impl Link {
    /// Connects; an error where no shim listens.
    pub(crate) async fn open(folder: &Folder) -> io::Result<Self> {
        let (_dir, path) = folder.socket()?;
        let stream = UnixStream::connect(path).await?;
        let pid = stream.peer_cred().ok().and_then(|peer| peer.pid());
        let shim = pid.and_then(|pid| frozen::shim(u32::try_from(pid).ok()?, folder));
        Ok(Self { stream: BufReader::with_capacity(2048, stream), shim })
    }

    async fn send(&mut self, request: &Request) -> io::Result<()> {
        let mut line = serde_json::to_vec(request)?;
        line.push(b'\n');
        self.stream.get_mut().write_all(&line).await
    }

    /// The next answer; an error of kind `UnexpectedEof` where the shim went.
    async fn receive(&mut self) -> io::Result<Reply> {
        let mut line = Vec::new();
        (&mut self.stream).take(LONGEST).read_until(b'\n', &mut line).await?;
        if line.is_empty() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(serde_json::from_slice(&line)?)
    }

    /// Asks for the state and for all that follow.
    pub(crate) async fn watch(&mut self) -> io::Result<State> {
        self.send(&Request::new(None, Verb::Watch)).await?;
        self.next().await
    }

    /// The next state, after [`Self::watch`].
    pub(crate) async fn next(&mut self) -> io::Result<State> {
        let reply = self.receive().await?;
        reply.state.map(|state| *state).ok_or_else(|| io::Error::other("a reply without a state"))
    }

    /// Asks it to run what the spec says by now. `None`: it went, or does not answer.
    pub(crate) async fn renew(&mut self, epoch: i64) -> Result<Option<()>, PortError> {
        let request = Request::new(Some(epoch), Verb::Renew);
        let asked = async {
            self.send(&request).await?;
            self.receive().await
        };
        let Ok(Ok(reply)) = tokio::time::timeout(ANSWER, asked).await else { return Ok(None) };
        match reply.error {
            None => Ok(Some(())),
            Some(trouble) if trouble.code == "fenced" => {
                Err(PortError::Fenced { given: epoch, seen: trouble.seen.unwrap_or_default() })
            }
            Some(trouble) => Err(PortError::Unavailable(trouble.message)),
        }
    }

    /// Asks it to stop.
    pub(crate) async fn stop(
        &mut self,
        epoch: Option<i64>,
        grace: tow_names::Duration,
    ) -> Result<Asked, PortError> {
        let request = Request::new(epoch, Verb::Stop { grace });
        let asked = async {
            self.send(&request).await?;
            self.receive().await
        };
        let reply = match tokio::time::timeout(ANSWER, asked).await {
            Ok(Ok(reply)) => reply,
            Ok(Err(_)) => return Ok(Asked::Gone),
            Err(_) => return Ok(Asked::Silent),
        };
        match reply.error {
            Some(trouble) if trouble.code == "fenced" => Err(PortError::Fenced {
                given: epoch.unwrap_or_default(),
                seen: trouble.seen.unwrap_or_default(),
            }),
            None if reply.state.is_some() => Ok(Asked::Told),
            _ => Ok(Asked::Gone),
        }
    }
}
