//! A container's log, from the engine to the role's own streams, which the shim keeps. Where it was read up to is kept
//! beside, so that a role that comes after another goes on there: engines tell when a line was written, some only to the
//! second, so lines of the last moment are counted.

use crate::folder::{Folder, read, replace};
use crate::frames::{Frames, Stream};
use http_body_util::BodyExt as _;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::time::Duration;
use tokio::io::{AsyncWriteExt as _, Stderr, Stdout};
use tokio::sync::watch;
use tow_engine::{Engine, EngineError};
use tow_names::Timestamp;

/// How long after a log ended although its container runs it is asked for again.
const AGAIN: Duration = Duration::from_millis(500);
/// How long the last of a log may take once its container has ended.
const LAST: Duration = Duration::from_secs(10);

/// Up to where a log was read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Place {
    attempt: u32,
    /// When the last line was written, in microseconds.
    at: i64,
    /// So many of that moment were read.
    count: u64,
}

/// Reads the log of one attempt.
pub(crate) struct Reader {
    engine: Engine,
    name: String,
    path: PathBuf,
    place: Place,
    out: Stdout,
    err: Stderr,
}

impl Reader {
    /// Goes on where another left off.
    pub(crate) fn new(engine: Engine, name: String, attempt: u32, folder: &Folder) -> Self {
        let kept = read::<Place>(&folder.log()).ok().flatten();
        let place = kept
            .filter(|place| place.attempt == attempt && place.at < i64::MAX)
            .unwrap_or(Place { attempt, ..Place::default() });
        let (out, err) = (tokio::io::stdout(), tokio::io::stderr());
        Self { engine, name, path: folder.log(), place, out, err }
    }

    /// Hands on lines as they come until the container has ended, and then what is left.
    pub(crate) async fn run(&mut self, mut ended: watch::Receiver<bool>) {
        while !*ended.borrow() {
            // Whatever is wrong with the log, the container is looked after by others.
            let _ = self.read(true, &mut ended).await;
            tokio::select! {
                () = tokio::time::sleep(AGAIN) => {}
                _ = ended.wait_for(|ended| *ended) => {}
            }
        }
        let _ = tokio::time::timeout(LAST, self.read(false, &mut ended)).await;
    }

    async fn read(
        &mut self,
        follow: bool,
        ended: &mut watch::Receiver<bool>,
    ) -> Result<(), EngineError> {
        let since = self.place.at / 1_000_000;
        let path = format!(
            "/containers/{}/logs?stdout=true&stderr=true&timestamps=true&follow={follow}&since={since}",
            self.name
        );
        let mut body = self.engine.stream(http::Method::GET, &path, &[]).await?;
        let mut frames = Frames::default();
        let mut passed = Place { count: 0, ..self.place };
        // Of this reading: a piece without a time goes with the one before it.
        let mut last = 0;
        loop {
            let frame = tokio::select! {
                biased;
                frame = body.frame() => frame,
                // Only between two pieces: what was handed on is always counted.
                _ = ended.wait_for(|ended| *ended), if follow => return Ok(()),
            };
            let Some(Ok(frame)) = frame else { return Ok(()) };
            let Some(data) = frame.data_ref() else { continue };
            frames.push(data);
            let before = self.place;
            while let Some((stream, bytes)) = frames.next() {
                let (at, text) = split(&bytes);
                last = at.unwrap_or(last);
                if !self.is_new(last, &mut passed) {
                    continue;
                }
                let written = match stream {
                    Stream::Out => self.out.write_all(text).await,
                    Stream::Err => self.err.write_all(text).await,
                };
                if written.is_err() {
                    return Ok(());
                }
            }
            let _ = self.out.flush().await;
            let _ = self.err.flush().await;
            if self.place != before {
                let bytes = serde_json::to_vec(&self.place).unwrap_or_default();
                let _ = replace(&self.path, &bytes, false);
            }
        }
    }

    /// It was not handed on before; counts it. `passed`: how many of the last moment were seen in this reading.
    fn is_new(&mut self, at: i64, passed: &mut Place) -> bool {
        count(&mut self.place, passed, at)
    }
}

fn count(place: &mut Place, passed: &mut Place, at: i64) -> bool {
    if at < passed.at {
        return false;
    }
    if at == passed.at {
        passed.count += 1;
        if passed.count <= place.count && place.at == at {
            return false;
        }
    } else {
        (passed.at, passed.count) = (at, 1);
    }
    (place.at, place.count) = (passed.at, passed.count);
    true
}

/// When a piece was written, if that can be read, and its text.
fn split(bytes: &[u8]) -> (Option<i64>, &[u8]) {
    let Some(space) = bytes.iter().take(64).position(|byte| *byte == b' ') else {
        return (None, bytes);
    };
    let time = String::from_utf8_lossy(&bytes[..space]).into_owned();
    match serde_json::from_value::<Timestamp>(time.into()) {
        Ok(at) => (Some(at.0), &bytes[space + 1..]),
        Err(_) => (None, bytes),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads a log from its beginning in any number of pieces; each line comes once.
    #[test]
    fn every_line_comes_once_however_often_the_reading_is_broken_off() {
        let log = [5, 5, 5, 7, 8, 8, 8, 8, 9];
        for broken in 0..log.len() {
            for again in broken..log.len() {
                let mut place = Place::default();
                let mut seen = 0;
                for upto in [broken, again, log.len()] {
                    let mut passed = Place { count: 0, ..place };
                    seen += log[..upto]
                        .iter()
                        .filter(|at| count(&mut place, &mut passed, **at))
                        .count();
                }
                assert_eq!(seen, log.len(), "broken off after {broken} and {again}");
            }
        }
    }

    #[test]
    fn the_time_is_told_from_the_text() {
        let (at, text) = split(b"2026-11-22T16:59:16Z one two\n");
        let at = at.unwrap();
        assert_eq!((at % 1_000_000, text), (0, &b"one two\n"[..]));
        let (finer, _) = split(b"2026-11-22T17:59:16.25+01:00 x");
        assert_eq!(finer.unwrap() - at, 250_000);
        assert_eq!(split(b"odd\n"), (None, &b"odd\n"[..]));
        assert_eq!(split(b"no time\n"), (None, &b"no time\n"[..]));
    }
}
