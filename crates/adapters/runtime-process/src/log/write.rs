//! The writing side: rotation, and the taps that cut a program's output into frames.

use super::{LONGEST, SEGMENT, SEGMENTS, decode, encode, segment, segments};
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use tokio::net::unix::pipe;
use tow_names::Timestamp;
use tow_record::LogStream;

/// Adds frames to the newest segment.
pub(crate) struct Writer {
    dir: PathBuf,
    number: u64,
    file: File,
    size: u64,
    /// Times never go back, whatever the clock does.
    last: Timestamp,
    pending: Vec<u8>,
    /// Bytes that a full disk refused since the last that was written.
    lost: u64,
}

impl Writer {
    /// Goes on where the last shim was; what a crash left half written is cut off.
    pub(crate) fn open(dir: &Path) -> io::Result<Self> {
        std::fs::create_dir_all(dir)?;
        let number = segments(dir).last().copied().unwrap_or(1);
        let path = segment(dir, number);
        let (size, last) = match std::fs::read(&path) {
            Ok(bytes) => sound(&bytes),
            Err(err) if err.kind() == io::ErrorKind::NotFound => (0, Timestamp(0)),
            Err(err) => return Err(err),
        };
        let file = append(&path)?;
        file.set_len(size)?;
        Ok(Self { dir: dir.into(), number, file, size, last, pending: Vec::new(), lost: 0 })
    }

    /// Adds a line, or a piece of one; it is written by [`Self::flush`] or when there is much of it.
    pub(crate) fn add(&mut self, stream: LogStream, partial: bool, bytes: &[u8]) {
        self.last = self.last.max(crate::wall::now());
        if self.lost > 0 {
            let words = format!("{} bytes of the log could not be written", self.lost);
            encode(&mut self.pending, self.last, LogStream::Platform, false, words.as_bytes());
        }
        encode(&mut self.pending, self.last, stream, partial, bytes);
        if self.pending.len() >= LONGEST {
            self.flush();
        }
    }

    /// The platform's own word, written at once.
    pub(crate) fn say(&mut self, words: &str) {
        self.add(LogStream::Platform, false, words.as_bytes());
        self.flush();
    }

    /// Writes what is pending. A full disk loses lines and never stops the program.
    pub(crate) fn flush(&mut self) {
        if self.pending.is_empty() {
            return;
        }
        let length = self.pending.len() as u64;
        match self.write() {
            Ok(()) => {
                self.size += length;
                self.lost = 0;
            }
            Err(_) => {
                self.lost += length;
                // Half a frame would hide all that follows.
                let _ = self.file.set_len(self.size);
            }
        }
        self.pending.clear();
        self.pending.shrink_to(2 * LONGEST);
    }

    fn write(&mut self) -> io::Result<()> {
        if self.size >= SEGMENT {
            self.file = append(&segment(&self.dir, self.number + 1))?;
            self.number += 1;
            self.size = 0;
            for old in segments(&self.dir) {
                if old + SEGMENTS <= self.number {
                    let _ = std::fs::remove_file(segment(&self.dir, old));
                }
            }
        }
        self.file.write_all(&self.pending)
    }
}

fn append(path: &Path) -> io::Result<File> {
    OpenOptions::new().create(true).append(true).mode(0o600).open(path)
}

/// How many bytes of a segment are whole frames, and the time of the last.
fn sound(bytes: &[u8]) -> (u64, Timestamp) {
    let (mut size, mut last) = (0, Timestamp(0));
    while let Some((at, _, _, _, length)) = decode(&bytes[size..]) {
        size += length;
        last = last.max(at);
    }
    (size as u64, last)
}

/// One of the program's outputs: reads the pipe and cuts it into lines.
pub(crate) struct Tap {
    pipe: pipe::Receiver,
    stream: LogStream,
    line: Vec<u8>,
}

impl Tap {
    /// Opens the FIFO for reading and writing, so that it never ends: the program may come and go.
    pub(crate) fn open(path: &Path, stream: LogStream) -> io::Result<Self> {
        let pipe = pipe::OpenOptions::new().read_write(true).open_receiver(path)?;
        Ok(Self { pipe, stream, line: Vec::new() })
    }

    /// Returns when there is something to read.
    pub(crate) async fn readable(&self) {
        if self.pipe.readable().await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// Reads what is there, but not for ever: a program that floods must not keep the shim from its other duties.
    pub(crate) fn pump(&mut self, log: &mut Writer) {
        let mut chunk = [0; 8 * 1024];
        for _ in 0..16 {
            match self.pipe.try_read(&mut chunk) {
                Ok(0) | Err(_) => break,
                Ok(length) => self.feed(&chunk[..length], log),
            }
        }
        log.flush();
    }

    /// Reads all that is there once no program can write any more, and ends the last line.
    pub(crate) fn drain(&mut self, log: &mut Writer) {
        // Past tokio, which would not read before the kernel's notice came round. The pipe holds 64 KiB unless
        // somebody made it larger; 16 MiB is beyond any.
        let mut chunk = [0; 8 * 1024];
        for _ in 0..2048 {
            match rustix::io::read(&self.pipe, &mut chunk) {
                Ok(0) => break,
                Ok(length) => self.feed(&chunk[..length], log),
                Err(rustix::io::Errno::INTR) => {}
                Err(_) => break,
            }
        }
        log.flush();
        if !self.line.is_empty() {
            log.add(self.stream, false, &self.line);
            self.line = Vec::new();
            log.flush();
        }
    }

    fn feed(&mut self, bytes: &[u8], log: &mut Writer) {
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            let (text, ends) =
                piece.strip_suffix(b"\n").map_or((piece, false), |text| (text, true));
            self.line.extend_from_slice(text);
            while self.line.len() > LONGEST {
                let at = cut(&self.line);
                log.add(self.stream, true, &self.line[..at]);
                self.line.drain(..at);
            }
            if ends {
                let line = self.line.strip_suffix(b"\r").unwrap_or(&self.line);
                log.add(self.stream, false, line);
                self.line.clear();
                self.line.shrink_to(1024);
            }
        }
    }
}

/// Where to cut a line that is too long: not within a character.
fn cut(line: &[u8]) -> usize {
    (LONGEST - 3..=LONGEST)
        .rev()
        .find(|at| line.get(*at).is_none_or(|byte| byte & 0xC0 != 0x80))
        .unwrap_or(LONGEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_torn_end_is_cut_off_and_the_log_goes_on() {
        let dir = tempfile::tempdir().unwrap();
        let mut log = Writer::open(dir.path()).unwrap();
        log.say("one");
        log.say("two");
        let path = segment(dir.path(), 1);
        let whole = std::fs::metadata(&path).unwrap().len();
        let mut torn = Vec::new();
        encode(&mut torn, Timestamp(1), LogStream::Stdout, false, b"never whole");
        append(&path).unwrap().write_all(&torn[..torn.len() - 4]).unwrap();
        let mut log = Writer::open(dir.path()).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().len(), whole);
        log.say("three");
        let bytes = std::fs::read(&path).unwrap();
        assert_eq!(sound(&bytes).0, bytes.len() as u64);
    }

    #[test]
    fn old_segments_go() {
        let dir = tempfile::tempdir().unwrap();
        let mut log = Writer::open(dir.path()).unwrap();
        let line = vec![b'x'; LONGEST];
        for _ in 0..(SEGMENTS + 3) * SEGMENT / LONGEST as u64 {
            log.add(LogStream::Stdout, false, &line);
        }
        log.flush();
        let kept = segments(dir.path());
        assert_eq!(kept.len() as u64, SEGMENTS, "{kept:?}");
        assert!(kept[0] > 1);
    }

    #[test]
    fn a_long_line_is_not_cut_within_a_character() {
        let mut line = "é".repeat(LONGEST).into_bytes();
        line.insert(0, b'a');
        assert!(std::str::from_utf8(&line[..cut(&line)]).is_ok());
        assert_eq!(cut(&vec![0x80; 2 * LONGEST]), LONGEST, "what is not UTF-8 is cut anywhere");
    }
}
