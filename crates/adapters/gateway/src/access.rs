//! The access log: a line of JSON for each request that ended, in `access.log` beside the route table. Requests never
//! wait for it: lines gather in memory, within a bound, and a task of its own writes them. What does not fit is counted,
//! and a line tells how many it was.

use crate::target::lock;
use serde::Serialize;
use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::net::IpAddr;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::Notify;
use tow_names::Timestamp;

pub(crate) const NAME: &str = "access.log";
/// A file that is larger is put aside.
const LARGEST: u64 = 64 * 1024 * 1024;
/// So many are kept beside the one that is written.
pub(crate) const KEPT: u32 = 4;
/// Of lines that are not written yet.
const BUFFER: usize = 4 * 1024 * 1024;
/// How long lines gather before they are written together.
const GATHER: Duration = Duration::from_millis(20);

/// One request, as it is written down. Its names are part of the contract: they are added, never renamed. Without what
/// secrets hide in: queries, headers, bodies.
#[derive(Serialize)]
pub(crate) struct Line<'a> {
    /// When it ended.
    pub(crate) time: Timestamp,
    /// Handed on as `X-Request-Id`.
    pub(crate) request: &'a str,
    /// Handed on in `traceparent`.
    pub(crate) trace: &'a str,
    /// The client's address.
    pub(crate) client: IpAddr,
    pub(crate) host: &'a str,
    pub(crate) method: &'a str,
    pub(crate) path: &'a str,
    /// Of the answer; 0 where there was none.
    pub(crate) status: u16,
    /// Of the request's body.
    pub(crate) bytes_in: u64,
    /// Of the answer's body.
    pub(crate) bytes_out: u64,
    /// Milliseconds until the answer's head.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) head_ms: Option<f64>,
    /// Milliseconds until the end.
    pub(crate) took_ms: f64,
    #[serde(skip_serializing_if = "str::is_empty")]
    pub(crate) route: &'a str,
    /// Who answered, or was asked last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) deployment: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) release: Option<i64>,
    #[serde(skip_serializing_if = "str::is_empty")]
    pub(crate) instance: &'a str,
    /// How many instances were asked.
    pub(crate) tries: u32,
    /// What the gateway did itself: the code of its own answer, or how the exchange broke off.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub(crate) why: &'a str,
}

#[derive(Serialize)]
struct Dropped {
    time: Timestamp,
    dropped: u64,
}

/// Lines that wait to be written.
pub(crate) struct AccessLog {
    lines: Mutex<Vec<u8>>,
    dropped: AtomicU64,
    news: Notify,
    file: Mutex<Sheet>,
}

/// The file, as far as it is open.
struct Sheet {
    dir: PathBuf,
    open: Option<File>,
    /// The last line may be torn.
    torn: bool,
}

impl AccessLog {
    /// Of this folder. Nothing is written before [`AccessLog::run`].
    pub(crate) fn new(dir: &Path) -> Self {
        Self {
            lines: Mutex::default(),
            dropped: AtomicU64::new(0),
            news: Notify::new(),
            file: Mutex::new(Sheet { dir: dir.to_path_buf(), open: None, torn: false }),
        }
    }

    /// Takes a line down.
    pub(crate) fn take(&self, line: &Line<'_>) {
        let mut text = Vec::with_capacity(512);
        if serde_json::to_writer(&mut text, line).is_err() {
            return;
        }
        text.push(b'\n');
        let first = {
            let mut lines = lock(&self.lines);
            if lines.len() + text.len() > BUFFER {
                self.dropped.fetch_add(1, Relaxed);
                return;
            }
            lines.extend_from_slice(&text);
            lines.len() == text.len()
        };
        if first {
            self.news.notify_one();
        }
    }

    /// Writes what comes, for ever.
    pub(crate) async fn run(self: Arc<Self>) {
        loop {
            self.news.notified().await;
            tokio::time::sleep(GATHER).await;
            let log = self.clone();
            let _ = tokio::task::spawn_blocking(move || log.flush()).await;
        }
    }

    /// Writes what there is.
    pub(crate) fn flush(&self) {
        let mut sheet = lock(&self.file);
        let mut lines = std::mem::take(&mut *lock(&self.lines));
        let dropped = self.dropped.swap(0, Relaxed);
        if dropped > 0 {
            let told = serde_json::to_writer(&mut lines, &Dropped { time: now(), dropped });
            if told.is_ok() {
                lines.push(b'\n');
            }
        }
        if lines.is_empty() {
            return;
        }
        if let Err(error) = sheet.write(&lines) {
            let lost = lines.iter().filter(|byte| **byte == b'\n').count() as u64;
            // The line that told of others was one of them.
            self.dropped.fetch_add(lost.saturating_sub(u64::from(dropped > 0)) + dropped, Relaxed);
            tracing::warn!(%error, "the access log can't be written");
        }
    }
}

impl Sheet {
    fn write(&mut self, lines: &[u8]) -> std::io::Result<()> {
        let path = self.dir.join(NAME);
        // Another gateway that takes over writes it too, and may have put it aside.
        let same = |file: &File| -> std::io::Result<bool> {
            let mine = file.metadata()?;
            match std::fs::metadata(&path) {
                Ok(there) => Ok((mine.dev(), mine.ino()) == (there.dev(), there.ino())),
                Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
                Err(error) => Err(error),
            }
        };
        if let Some(file) = &self.open
            && !same(file)?
        {
            self.open = None;
        }
        let large = match &self.open {
            Some(file) => file.metadata()?.len() >= LARGEST,
            None => std::fs::metadata(&path).is_ok_and(|there| there.len() >= LARGEST),
        };
        if large {
            self.open = None;
            for number in (1..KEPT).rev() {
                let (from, to) = (self.aside(number), self.aside(number + 1));
                if let Err(error) = std::fs::rename(from, to)
                    && error.kind() != ErrorKind::NotFound
                {
                    return Err(error);
                }
            }
            std::fs::rename(&path, self.aside(1))?;
        }
        let mut file = match self.open.take() {
            Some(file) => file,
            None => OpenOptions::new().append(true).create(true).mode(0o600).open(&path)?,
        };
        let torn = std::mem::replace(&mut self.torn, true);
        if torn {
            file.write_all(b"\n")?;
        }
        file.write_all(lines)?;
        self.torn = false;
        self.open = Some(file);
        Ok(())
    }

    fn aside(&self, number: u32) -> PathBuf {
        self.dir.join(format!("{NAME}.{number}"))
    }
}

/// The time of day, for lines alone: nothing is decided by it.
#[expect(
    clippy::disallowed_methods,
    reason = "the gateway serves without a control plane, whose clock this is"
)]
pub(crate) fn now() -> Timestamp {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    Timestamp(since.map_or(0, |since| i64::try_from(since.as_micros()).unwrap_or(i64::MAX)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(path: &str) -> Line<'_> {
        Line {
            time: now(),
            request: "r",
            trace: "t",
            client: IpAddr::from([127, 0, 0, 1]),
            host: "h",
            method: "GET",
            path,
            status: 200,
            bytes_in: 0,
            bytes_out: 1,
            head_ms: Some(0.5),
            took_ms: 1.0,
            route: "",
            deployment: None,
            release: None,
            instance: "",
            tries: 1,
            why: "",
        }
    }

    fn read(dir: &Path, name: &str) -> Vec<serde_json::Value> {
        let text = std::fs::read_to_string(dir.join(name)).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    #[test]
    fn lines_are_json_and_the_file_is_ours_alone() {
        let dir = tempfile::tempdir().unwrap();
        let log = AccessLog::new(dir.path());
        log.take(&line("/a\"b\\"));
        log.take(&line("/c"));
        log.flush();
        let lines = read(dir.path(), NAME);
        assert_eq!((lines.len(), &lines[0]["path"]), (2, &"/a\"b\\".into()));
        assert!(lines[0].get("deployment").is_none());
        let mode = std::fs::metadata(dir.path().join(NAME)).unwrap().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn what_does_not_fit_is_counted_and_told() {
        let dir = tempfile::tempdir().unwrap();
        let log = AccessLog::new(dir.path());
        let long = "x".repeat(BUFFER / 4);
        for _ in 0..6 {
            log.take(&line(&long));
        }
        log.flush();
        let lines = read(dir.path(), NAME);
        assert_eq!((lines.len(), &lines[3]["dropped"]), (4, &3.into()));
    }

    #[test]
    fn a_large_file_is_put_aside_and_a_few_are_kept() {
        let dir = tempfile::tempdir().unwrap();
        let log = AccessLog::new(dir.path());
        for number in 0..7 {
            log.take(&line(&format!("/{number}")));
            log.flush();
            let file = OpenOptions::new().append(true).open(dir.path().join(NAME)).unwrap();
            let size = file.metadata().unwrap().len();
            // Sparse: as if it had been written to its end.
            file.set_len(LARGEST.max(size)).unwrap();
        }
        let mut names: Vec<String> = std::fs::read_dir(dir.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        assert_eq!(
            names,
            ["access.log", "access.log.1", "access.log.2", "access.log.3", "access.log.4"]
        );
        // Taken away by somebody: it is begun again.
        std::fs::remove_file(dir.path().join(NAME)).unwrap();
        log.take(&line("/again"));
        log.flush();
        assert_eq!(read(dir.path(), NAME)[0]["path"], "/again");
    }

    #[test]
    fn what_can_not_be_written_is_told_when_it_can() {
        let dir = tempfile::tempdir().unwrap();
        let gone = dir.path().join("later");
        let log = AccessLog::new(&gone);
        log.take(&line("/a"));
        log.take(&line("/b"));
        log.flush();
        std::fs::create_dir(&gone).unwrap();
        log.take(&line("/c"));
        log.flush();
        let lines = read(&gone, NAME);
        assert_eq!((&lines[0]["path"], &lines[1]["dropped"]), (&"/c".into(), &2.into()));
    }
}
