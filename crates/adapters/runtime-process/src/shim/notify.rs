//! What a program says to its shim (sd_notify): that it is ready, which sockets are to be kept for the next start, and
//! which no more. Read here; what follows from it is the supervisor's.

use crate::folder::Folder;
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};
use std::io::{self, ErrorKind, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use tokio::io::Interest;
use tokio::net::UnixDatagram;

/// The longest message that is read.
const LONGEST: usize = 4096;
/// The most descriptors of one message.
const MOST: usize = 64;

/// One thing that was said.
#[derive(Debug)]
pub(super) enum Word {
    /// `READY=1`, by this process.
    Ready { pid: u32 },
    /// `FDSTORE=1` with a name.
    Keep { name: String, sockets: Vec<OwnedFd> },
    /// `FDSTOREREMOVE=1` with a name.
    Forget { name: String },
}

/// The socket on which it is said.
pub(super) struct Notify(UnixDatagram);

impl Notify {
    /// Takes the place of one that another shim left.
    pub(super) fn open(folder: &Folder) -> io::Result<Self> {
        let (_dir, path) = folder.notify_socket()?;
        match std::fs::remove_file(&path) {
            Err(err) if err.kind() != ErrorKind::NotFound => return Err(err),
            _ => {}
        }
        let socket = UnixDatagram::bind(&path)?;
        rustix::net::sockopt::set_socket_passcred(&socket, true)?;
        Ok(Self(socket))
    }

    /// There may be something to read.
    pub(super) async fn readable(&self) {
        let _ = self.0.readable().await;
    }

    /// What was said meanwhile.
    pub(super) fn words(&self) -> Vec<Word> {
        let mut words = Vec::new();
        while let Ok(word) = self.0.try_io(Interest::READABLE, || self.next()) {
            words.extend(word);
        }
        words
    }

    fn next(&self) -> io::Result<Option<Word>> {
        let mut space =
            [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST), ScmCredentials(1))];
        let mut ancillary = RecvAncillaryBuffer::new(&mut space);
        let mut bytes = [0; LONGEST];
        let read = {
            let mut into = [IoSliceMut::new(&mut bytes)];
            let flags = RecvFlags::CMSG_CLOEXEC | RecvFlags::DONTWAIT;
            recvmsg(&self.0, &mut into, &mut ancillary, flags)?.bytes
        };
        let (mut sockets, mut pid) = (Vec::new(), None);
        for message in ancillary.drain() {
            match message {
                RecvAncillaryMessage::ScmRights(given) => sockets.extend(given),
                RecvAncillaryMessage::ScmCredentials(who) => {
                    pid = Some(who.pid.as_raw_nonzero().get().unsigned_abs());
                }
                _ => {}
            }
        }
        Ok(word(&String::from_utf8_lossy(&bytes[..read]), pid, sockets))
    }
}

/// What a message means; nothing where it is about something else.
fn word(text: &str, pid: Option<u32>, sockets: Vec<OwnedFd>) -> Option<Word> {
    let says = |wanted: &str| text.lines().any(|line| line == wanted);
    let name = text.lines().find_map(|line| line.strip_prefix("FDNAME=")).unwrap_or("stored");
    // As in LISTEN_FDNAMES, where a colon parts them.
    let plain = |b: u8| b.is_ascii_graphic() && b != b':';
    if name.is_empty() || name.len() > 255 || !name.bytes().all(plain) {
        return None;
    }
    let name = name.to_string();
    if says("FDSTORE=1") {
        return Some(Word::Keep { name, sockets });
    }
    if says("FDSTOREREMOVE=1") {
        return Some(Word::Forget { name });
    }
    pid.filter(|_| says("READY=1")).map(|pid| Word::Ready { pid })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_read_as_they_are_meant() {
        let read = |text: &str| format!("{:?}", word(text, Some(7), Vec::new()));
        assert_eq!(read("READY=1\n"), "Some(Ready { pid: 7 })");
        assert_eq!(
            read("FDSTORE=1\nFDNAME=port-80\n"),
            "Some(Keep { name: \"port-80\", sockets: [] })"
        );
        assert_eq!(read("FDSTOREREMOVE=1\nFDNAME=a"), "Some(Forget { name: \"a\" })");
        for nothing in ["STATUS=READY=1", "FDSTORE=1\nFDNAME=a:b", "FDSTORE=1\nFDNAME=", ""] {
            assert_eq!(read(nothing), "None", "{nothing}");
        }
    }
}
