//! The reading side: the last lines without reading all, and new ones as they come.

use super::{LONGEST, line, segment, segments};
use futures::stream::{BoxStream, StreamExt};
use std::collections::VecDeque;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tow_ports::LogQuery;
use tow_record::LogLine;

/// How long a new line may wait to be seen.
const POLL: Duration = Duration::from_millis(100);
/// How much is read at once; more than the longest frame.
const CHUNK: usize = 256 * 1024;

/// Where a reader is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Place {
    segment: u64,
    offset: u64,
}

struct Reader {
    dir: PathBuf,
    query: LogQuery,
    place: Place,
    ready: VecDeque<LogLine>,
    /// Everything that was there has been read once.
    caught_up: bool,
}

/// The lines of the log in `dir`, oldest first.
pub(crate) fn stream(dir: PathBuf, query: LogQuery) -> BoxStream<'static, LogLine> {
    let reader = Reader {
        dir,
        query,
        place: Place { segment: 0, offset: 0 },
        ready: VecDeque::new(),
        caught_up: false,
    };
    futures::stream::unfold(Box::new(reader), |mut reader| async move {
        loop {
            if let Some(line) = reader.ready.pop_front() {
                return Some((line, reader));
            }
            let gone = !reader.dir.exists();
            let (back, read) = tokio::task::spawn_blocking(move || {
                let read = reader.fill();
                (reader, read)
            })
            .await
            .ok()?;
            reader = back;
            match read {
                Found::More => {}
                Found::End if !reader.query.follow || gone => return None,
                Found::End => crate::wall::pause(POLL).await,
            }
        }
    })
    .boxed()
}

/// What a look into the files brought.
enum Found {
    /// The place moved.
    More,
    /// Nothing new.
    End,
}

impl Reader {
    fn fill(&mut self) -> Found {
        if !self.caught_up && self.query.tail.is_some() {
            self.caught_up = true;
            self.fill_tail();
            return Found::More;
        }
        let there = segments(&self.dir);
        // The segment may have been rotated away under a slow reader: go on with the oldest.
        let Some(number) = there.iter().copied().find(|number| *number >= self.place.segment)
        else {
            return Found::End;
        };
        if number != self.place.segment {
            self.place = Place { segment: number, offset: 0 };
        }
        let (lines, moved) = read(&self.dir, self.place, CHUNK);
        self.take(lines);
        if moved > 0 {
            self.place.offset += moved;
            return Found::More;
        }
        // A later segment means that this one is closed.
        match there.iter().find(|later| **later > number) {
            Some(later) => {
                self.place = Place { segment: *later, offset: 0 };
                Found::More
            }
            None => Found::End,
        }
    }

    /// From the newest segment back until there are enough lines.
    fn fill_tail(&mut self) {
        let wanted = self.query.tail.unwrap_or(usize::MAX);
        let mut found: VecDeque<LogLine> = VecDeque::new();
        let there = segments(&self.dir);
        if let Some(newest) = there.last() {
            self.place = Place { segment: *newest, offset: 0 };
        }
        for number in there.iter().rev() {
            let (lines, moved) = read(&self.dir, Place { segment: *number, offset: 0 }, usize::MAX);
            if *number == self.place.segment {
                self.place.offset = moved;
            }
            for line in lines.into_iter().rev() {
                if found.len() < wanted && self.query.after.is_none_or(|after| line.at > after) {
                    found.push_front(line);
                }
            }
            if found.len() >= wanted {
                break;
            }
        }
        self.ready = found;
    }

    fn take(&mut self, lines: Vec<LogLine>) {
        let after = self.query.after;
        self.ready.extend(lines.into_iter().filter(|line| after.is_none_or(|at| line.at > at)));
    }
}

/// The whole frames from `place` on, and how many bytes they take.
fn read(dir: &Path, place: Place, most: usize) -> (Vec<LogLine>, u64) {
    const { assert!(CHUNK > 2 * LONGEST) };
    let bytes = || -> std::io::Result<Vec<u8>> {
        let mut file = std::fs::File::open(segment(dir, place.segment))?;
        file.seek(SeekFrom::Start(place.offset))?;
        let mut bytes = Vec::new();
        file.take(most as u64).read_to_end(&mut bytes)?;
        Ok(bytes)
    }();
    let bytes = bytes.unwrap_or_default();
    let (mut lines, mut moved) = (Vec::new(), 0);
    while let Some((line, length)) = line(&bytes[moved..]) {
        lines.push(line);
        moved += length;
    }
    (lines, moved as u64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::Writer;
    use tow_record::LogStream;

    async fn texts(dir: &Path, query: LogQuery) -> Vec<String> {
        stream(dir.into(), query).map(|line| line.text).collect().await
    }

    #[tokio::test]
    async fn the_tail_spans_segments_and_all_is_all() {
        let dir = tempfile::tempdir().unwrap();
        let mut log = Writer::open(dir.path()).unwrap();
        let filler = "x".repeat(4000);
        for n in 0..1000 {
            log.add(LogStream::Stdout, false, format!("{n} {filler}").as_bytes());
        }
        log.flush();
        assert!(segments(dir.path()).len() > 1);
        let all = texts(dir.path(), LogQuery::default()).await;
        assert_eq!(all.len(), 1000);
        let tail = texts(dir.path(), LogQuery { tail: Some(700), ..LogQuery::default() }).await;
        assert_eq!(tail, all[300..]);
    }

    #[tokio::test]
    async fn a_follower_sees_new_lines_and_ends_with_the_folder() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        let mut log = Writer::open(&path).unwrap();
        log.say("old");
        log.say("one");
        let query = LogQuery { tail: Some(1), follow: true, ..LogQuery::default() };
        let mut lines = stream(path.clone(), query);
        assert_eq!(lines.next().await.unwrap().text, "one");
        log.say("two");
        assert_eq!(lines.next().await.unwrap().text, "two");
        std::fs::rename(&path, dir.path().join("gone")).unwrap();
        assert!(lines.next().await.is_none());
    }
}
