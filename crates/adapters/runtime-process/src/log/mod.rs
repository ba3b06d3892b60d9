//! An instance's log: frames in numbered segments, the oldest of which go. Written by the shim alone, read by anybody.
//!
//! A frame: when (8 bytes, microseconds, little-endian), flags (1), length (4), bytes. Frames hold bytes, not text:
//! what a program writes is kept as it is, and shown with U+FFFD where it is not UTF-8.

mod read;
mod write;

pub(crate) use read::stream;
pub(crate) use write::{Tap, Writer};

use tow_names::Timestamp;
use tow_record::{LogLine, LogStream};

/// A piece of a line is at most so long: a line of ten megabytes costs no more memory than a short one.
const LONGEST: usize = 16 * 1024;
/// A segment is closed beyond this.
const SEGMENT: u64 = 2 * 1024 * 1024;
/// So many segments are kept.
const SEGMENTS: u64 = 8;
const HEADER: usize = 13;
const PARTIAL: u8 = 4;

const fn code(stream: LogStream) -> u8 {
    match stream {
        LogStream::Stdout => 1,
        LogStream::Stderr => 2,
        LogStream::Platform => 3,
    }
}

/// Adds a frame.
fn encode(into: &mut Vec<u8>, at: Timestamp, stream: LogStream, partial: bool, bytes: &[u8]) {
    let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    into.extend_from_slice(&at.0.to_le_bytes());
    into.push(code(stream) | if partial { PARTIAL } else { 0 });
    into.extend_from_slice(&length.to_le_bytes());
    into.extend_from_slice(bytes);
}

/// Reads the frame at the start of `bytes`, and its length; `None` where there is no whole and sound one: the rest
/// was not written yet, or was torn by a crash.
fn decode(bytes: &[u8]) -> Option<(Timestamp, LogStream, bool, &[u8], usize)> {
    let (at, rest) = bytes.split_first_chunk::<8>()?;
    let (flags, rest) = rest.split_first()?;
    let (length, rest) = rest.split_first_chunk::<4>()?;
    let at = i64::from_le_bytes(*at);
    let length = u32::from_le_bytes(*length) as usize;
    let stream = match flags & 3 {
        1 => LogStream::Stdout,
        2 => LogStream::Stderr,
        3 => LogStream::Platform,
        _ => return None,
    };
    if at <= 0 || *flags > 7 || length > LONGEST || rest.len() < length {
        return None;
    }
    Some((Timestamp(at), stream, flags & PARTIAL != 0, &rest[..length], HEADER + length))
}

/// The frame at the start of `bytes` as a line, and its length.
fn line(bytes: &[u8]) -> Option<(LogLine, usize)> {
    let (at, stream, partial, text, length) = decode(bytes)?;
    Some((
        LogLine { at, stream, text: String::from_utf8_lossy(text).into_owned(), partial },
        length,
    ))
}

/// The numbers of the segments that are there, in order.
fn segments(dir: &std::path::Path) -> Vec<u64> {
    let Ok(entries) = std::fs::read_dir(dir) else { return Vec::new() };
    let mut numbers: Vec<u64> =
        entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect();
    numbers.sort_unstable();
    numbers
}

fn segment(dir: &std::path::Path, number: u64) -> std::path::PathBuf {
    dir.join(format!("{number:08}"))
}
