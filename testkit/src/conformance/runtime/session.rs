//! A command beside a program, as cases talk to it.

use super::harness::EPOCH;
use super::{Act, Harness};
use bytes::Bytes;
use futures::StreamExt as _;
use tow_names::{Duration, Id};
use tow_ports::{ExecIn, ExecOut, ExecSession, ExecSpec, PortError, Size};
use tow_record::Exit;

const LOOK: Duration = Duration::from_millis(20);
const LOOKS: u32 = 3000;

/// What it wrote so far.
pub(super) struct Session<'h> {
    h: &'h Harness,
    pub(super) inner: ExecSession,
    pub(super) out: Vec<u8>,
    pub(super) err: Vec<u8>,
    exit: Option<Exit>,
}

/// How a command went.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Went {
    pub(super) out: String,
    pub(super) err: String,
    pub(super) exit: Exit,
}

impl Harness {
    /// What asking for a command is answered with.
    pub(super) async fn asked(&self, id: &Id, acts: &[Act]) -> Result<Session<'_>, PortError> {
        let argv = (self.command)(acts);
        self.asked_for(id, ExecSpec { argv, ..ExecSpec::default() }).await
    }

    pub(super) async fn asked_for(
        &self,
        id: &Id,
        spec: ExecSpec,
    ) -> Result<Session<'_>, PortError> {
        let inner = self.runtime.exec(EPOCH, id, spec).await?;
        Ok(Session { h: self, inner, out: Vec::new(), err: Vec::new(), exit: None })
    }

    /// A command that runs.
    pub(super) async fn exec(&self, id: &Id, acts: &[Act]) -> Session<'_> {
        self.asked(id, acts).await.unwrap_or_else(|error| panic!("exec: {error}"))
    }

    /// A command on a terminal.
    pub(super) async fn terminal(&self, id: &Id, acts: &[Act], size: Size) -> Session<'_> {
        let argv = (self.command)(acts);
        let spec = ExecSpec { argv, tty: Some(size), ..ExecSpec::default() };
        self.asked_for(id, spec).await.unwrap_or_else(|error| panic!("exec: {error}"))
    }

    /// A command to its end, told that it gets no input.
    pub(super) async fn done(&self, id: &Id, acts: &[Act]) -> Went {
        let mut session = self.exec(id, acts).await;
        session.put(ExecIn::End).await;
        session.ends().await
    }
}

impl Session<'_> {
    pub(super) async fn put(&mut self, what: ExecIn) {
        // One that has ended takes nothing, and that is no fault.
        let _ = self.inner.input.send(what).await;
    }

    pub(super) async fn write(&mut self, text: &str) {
        self.put(ExecIn::Bytes(Bytes::copy_from_slice(text.as_bytes()))).await;
    }

    /// The next piece; false at the end.
    async fn more(&mut self) -> bool {
        for _ in 0..LOOKS {
            let next = tokio::select! {
                biased;
                next = self.inner.output.next() => next,
                () = (self.h.advance)(LOOK) => continue,
            };
            match next {
                Some(Ok(ExecOut::Out(bytes))) => self.out.extend_from_slice(&bytes),
                Some(Ok(ExecOut::Err(bytes))) => self.err.extend_from_slice(&bytes),
                Some(Ok(ExecOut::Ended(exit))) => self.exit = Some(exit),
                Some(Err(error)) => panic!("a command's output: {error}"),
                None => return false,
            }
            return true;
        }
        panic!("the command says nothing and does not end: {:?}", self.text());
    }

    /// Standard output so far, line ends as programs write them.
    pub(super) fn text(&self) -> String {
        String::from_utf8_lossy(&self.out).replace("\r\n", "\n")
    }

    /// Until it has written this.
    pub(super) async fn says(&mut self, text: &str) {
        while !self.text().contains(text) {
            assert!(self.more().await, "it ended ({:?}) and said {:?}", self.exit, self.text());
        }
    }

    /// To its end, whether that can be told or not.
    pub(super) async fn over(mut self) {
        for _ in 0..LOOKS {
            tokio::select! {
                biased;
                next = self.inner.output.next() => match next {
                    Some(Ok(_)) => {}
                    Some(Err(_)) | None => return,
                },
                () = (self.h.advance)(LOOK) => {}
            }
        }
        panic!("the command goes on without its instance");
    }

    /// To its end.
    pub(super) async fn ends(mut self) -> Went {
        while self.more().await {}
        let exit = self.exit.expect("the last word is how it ended");
        let err = String::from_utf8_lossy(&self.err).into_owned();
        Went { out: self.text(), err, exit }
    }
}
