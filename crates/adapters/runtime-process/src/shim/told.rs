//! What a child of the shim is told before it becomes a program: by a socket, with descriptors, and not by its
//! arguments and environment. So nothing that belongs to the workload acts on the platform's own binary, and nothing of
//! it is read in a list of processes while it is still ours.

use crate::sandbox::Joined;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::collections::BTreeMap;
use std::io::{self, IoSlice, IoSliceMut, Read, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;

/// The most descriptors that go with a message.
pub(crate) const MOST: usize = 32;
/// The most that follow it at once; the kernel takes 253.
const AT_ONCE: usize = 128;
/// The longest message that is read.
const LONGEST: u32 = 64 * 1024 * 1024;

/// What is to become of a child.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Told {
    /// Where it runs.
    pub(crate) dir: PathBuf,
    /// Program and arguments.
    pub(crate) argv: Vec<String>,
    /// The whole environment.
    pub(crate) env: BTreeMap<String, String>,
    /// How many of the descriptors are sockets to hand on; they come first.
    pub(crate) sockets: usize,
    /// What these are called.
    #[serde(default)]
    pub(crate) names: Vec<String>,
    /// How many descriptors there are in all, where more follow the message.
    #[serde(default)]
    pub(crate) descriptors: usize,
    /// Our own binary in a role: it keeps the socket as its standard input, and tells on it how it goes.
    #[serde(default)]
    pub(crate) is_role: bool,
    /// On a terminal of so many columns and rows.
    #[serde(default)]
    pub(crate) tty: Option<(u16, u16)>,
    /// Inside a sandbox: what else holds there.
    #[serde(default)]
    pub(crate) within: Option<Within>,
}

/// What a sandbox's first process sees to.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Within {
    /// Who the program is, where the first process may choose.
    pub(crate) user: Option<u32>,
    /// TCP ports it may listen on, where the network is the machine's.
    pub(crate) ports: Vec<u16>,
    /// Its own network: how it is joined to the machine's.
    #[serde(default)]
    pub(crate) joined: Option<Joined>,
    /// The longest file it may write.
    pub(crate) file_size: Option<u64>,
    /// What the program leaves behind has so many milliseconds to end.
    pub(crate) left_behind: u64,
    /// Mounts as they must be: target, device, inode. Anything else was put there by somebody.
    pub(crate) mounts: Vec<(PathBuf, u64, u64)>,
}

/// Sends a message with descriptors.
pub(crate) fn send(
    socket: &UnixStream,
    message: &impl Serialize,
    fds: &[BorrowedFd<'_>],
) -> io::Result<()> {
    let body = serde_json::to_vec(message)?;
    let length = u32::try_from(body.len()).map_err(io::Error::other)?.to_le_bytes();
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    if !fds.is_empty() && !ancillary.push(SendAncillaryMessage::ScmRights(fds)) {
        return Err(io::Error::other("too many descriptors to hand on"));
    }
    // The descriptors come with the first byte; four bytes are never split.
    sendmsg(socket, &[IoSlice::new(&length)], &mut ancillary, SendFlags::NOSIGNAL)?;
    let mut socket = socket;
    socket.write_all(&body)
}

/// The next message; `None` where the other end went first.
pub(crate) fn receive<T: DeserializeOwned>(
    socket: impl AsFd,
) -> io::Result<Option<(T, Vec<OwnedFd>)>> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let mut length = [0; 4];
    let read = loop {
        let mut into = [IoSliceMut::new(&mut length)];
        match recvmsg(&socket, &mut into, &mut ancillary, RecvFlags::CMSG_CLOEXEC) {
            Ok(message) => break message.bytes,
            Err(rustix::io::Errno::INTR) => {}
            Err(err) => return Err(err.into()),
        }
    };
    if read == 0 {
        return Ok(None);
    }
    let mut fds = Vec::new();
    for message in ancillary.drain() {
        if let RecvAncillaryMessage::ScmRights(given) = message {
            fds.extend(given);
        }
    }
    let mut socket = Plain(socket);
    socket.read_exact(&mut length[read..])?;
    let length = u32::from_le_bytes(length);
    if length > LONGEST {
        return Err(io::Error::other("a message too long"));
    }
    let mut body = vec![0; length as usize];
    socket.read_exact(&mut body)?;
    Ok(Some((serde_json::from_slice(&body)?, fds)))
}

/// Sends the descriptors that did not go with the message.
pub(crate) fn send_more(socket: &UnixStream, fds: &[BorrowedFd<'_>]) -> io::Result<()> {
    for part in fds.chunks(AT_ONCE) {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(AT_ONCE))];
        let mut ancillary = SendAncillaryBuffer::new(&mut space);
        if !ancillary.push(SendAncillaryMessage::ScmRights(part)) {
            return Err(io::Error::other("too many descriptors to hand on"));
        }
        sendmsg(socket, &[IoSlice::new(&[0])], &mut ancillary, SendFlags::NOSIGNAL)?;
    }
    Ok(())
}

/// Reads them, until there are so many.
pub(crate) fn receive_more(
    socket: impl AsFd,
    fds: &mut Vec<OwnedFd>,
    count: usize,
) -> io::Result<()> {
    while fds.len() < count {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(AT_ONCE))];
        let mut ancillary = RecvAncillaryBuffer::new(&mut space);
        let mut byte = [0];
        let mut into = [IoSliceMut::new(&mut byte)];
        match recvmsg(&socket, &mut into, &mut ancillary, RecvFlags::CMSG_CLOEXEC) {
            Ok(message) if message.bytes == 0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(_) => {}
            Err(rustix::io::Errno::INTR) => continue,
            Err(err) => return Err(err.into()),
        }
        for message in ancillary.drain() {
            if let RecvAncillaryMessage::ScmRights(given) = message {
                fds.extend(given);
            }
        }
    }
    Ok(())
}

/// Reads from a descriptor that is not ours to close.
struct Plain<F>(F);

impl<F: AsFd> Read for Plain<F> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        Ok(rustix::io::read(&self.0, into)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_arrive_whole_with_their_descriptors() {
        let (one, other) = UnixStream::pair().unwrap();
        let env = BTreeMap::from([("BIG".to_string(), "x".repeat(1024 * 1024))]);
        let told = Told { argv: vec!["a".into()], env, sockets: 1, ..Told::default() };
        let sender = std::thread::spawn(move || {
            let file = std::fs::File::open("/dev/null").unwrap();
            send(&one, &told, &[file.as_fd()]).unwrap();
            send_more(&one, &[file.as_fd(); 300]).unwrap();
        });
        let (read, mut fds): (Told, _) = receive(&other).unwrap().unwrap();
        assert_eq!((read.env["BIG"].len(), read.sockets, fds.len()), (1024 * 1024, 1, 1));
        receive_more(&other, &mut fds, 301).unwrap();
        assert_eq!(fds.len(), 301);
        sender.join().unwrap();
        assert!(receive::<Told>(&other).unwrap().is_none(), "its end is seen");
    }
}
