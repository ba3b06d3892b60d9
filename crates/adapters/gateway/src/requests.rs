//! Reading the access log: from its end backwards, or on from a place in it, whichever files the lines are in by now. A bounded
//! piece at a time. The files are the gateway's, which goes on writing them and may put them aside; nothing is ever written
//! here.

use crate::access::{KEPT, NAME};
use serde::Deserialize;
use std::fs::File;
use std::io::ErrorKind;
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::path::Path;
use tow_names::Timestamp;
use tow_ports::{PortError, RequestQuery, Requests, Towards};
use tow_record::RequestLine;

/// So much is looked at for one answer.
const LOOKED: u64 = 16 * 1024 * 1024;
/// And so much at once. Longer than any line.
const BLOCK: u64 = 1024 * 1024;

/// What the log says, as is asked for.
pub(crate) fn requests(dir: &Path, query: &RequestQuery) -> Result<Requests, PortError> {
    let unreadable = |error| PortError::Unavailable(format!("the access log: {error}"));
    let sheets = sheets(dir).map_err(unreadable)?;
    let place = |text: &str| {
        Place::parse(text)
            .ok_or_else(|| PortError::Refused(format!("{text:?} is no place in the access log")))
    };
    let mut look = Look::new(query);
    match &query.towards {
        Towards::Newest => look.back(&sheets, None),
        Towards::Before(text) => look.back(&sheets, Some(place(text)?)),
        Towards::After(text) => look.on(&sheets, place(text)?),
    }
    .map_err(unreadable)?;
    Ok(look.found)
}

/// A place in the log: a file, however it is called by now, and an offset in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Place {
    node: u64,
    offset: u64,
}

impl Place {
    fn parse(text: &str) -> Option<Self> {
        let (node, offset) = text.split_once('.')?;
        Some(Self { node: node.parse().ok()?, offset: offset.parse().ok()? })
    }

    fn text(self) -> String {
        format!("{}.{}", self.node, self.offset)
    }
}

/// One of its files.
struct Sheet {
    file: File,
    node: u64,
    /// As far as there are whole lines.
    end: u64,
}

impl Sheet {
    fn read(&self, from: u64, to: u64) -> std::io::Result<Vec<u8>> {
        let mut bytes = vec![0; usize::try_from(to - from).unwrap_or_default()];
        self.file.read_exact_at(&mut bytes, from)?;
        Ok(bytes)
    }

    const fn at(&self, offset: u64) -> Place {
        Place { node: self.node, offset }
    }
}

/// The files there are, the newest first.
fn sheets(dir: &Path) -> std::io::Result<Vec<Sheet>> {
    let mut sheets: Vec<Sheet> = Vec::new();
    let aside = (1..=KEPT).map(|number| format!("{NAME}.{number}"));
    for name in std::iter::once(NAME.to_string()).chain(aside) {
        let file = match File::open(dir.join(name)) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => continue,
            Err(error) => return Err(error),
        };
        let (node, end) = (file.metadata()?.ino(), file.metadata()?.len());
        // Put aside in between: it was opened under its name of before.
        if sheets.iter().any(|sheet| sheet.node == node) {
            continue;
        }
        let mut sheet = Sheet { file, node, end };
        // A line that is being written is read when it is whole.
        let from = end.saturating_sub(BLOCK);
        let tail = sheet.read(from, end)?;
        sheet.end = from + after_last(&tail).unwrap_or_default() as u64;
        sheets.push(sheet);
    }
    Ok(sheets)
}

/// Where the last line of these bytes ends.
fn after_last(bytes: &[u8]) -> Option<usize> {
    bytes.iter().rposition(|byte| *byte == b'\n').map(|at| at + 1)
}

/// The lines of these bytes, each with where it begins.
fn lines(bytes: &[u8]) -> Vec<(usize, &[u8])> {
    let mut at = 0;
    let lines = bytes.split_inclusive(|byte| *byte == b'\n').map(|line| {
        at += line.len();
        (at - line.len(), line)
    });
    lines.collect()
}

/// What every line has, those too that tell of others.
#[derive(Deserialize)]
struct Stamp {
    time: Timestamp,
    #[serde(default)]
    dropped: u64,
}

/// One answer being put together.
struct Look<'a> {
    query: &'a RequestQuery,
    /// What the text of each line has in it, so that most need not be taken apart.
    has: Option<String>,
    /// So much may still be looked at.
    left: u64,
    found: Requests,
}

impl<'a> Look<'a> {
    fn new(query: &'a RequestQuery) -> Self {
        let place = query.places.first().filter(|_| query.places.len() == 1);
        let has = query.request.clone().or(place.map(|place| format!("{place}/")));
        Self { query, has, left: LOOKED, found: Requests::default() }
    }

    /// The line, where it is wanted.
    fn wanted(&mut self, line: &[u8]) -> Option<RequestLine> {
        let text = std::str::from_utf8(line).ok()?;
        if text.contains("\"dropped\"") {
            let stamp: Option<Stamp> = serde_json::from_str(text).ok();
            self.found.dropped += stamp.map_or(0, |stamp| stamp.dropped);
        }
        if self.has.as_ref().is_some_and(|has| !text.contains(has)) {
            return None;
        }
        let line: RequestLine = serde_json::from_str(text).ok()?;
        let query = self.query;
        let meant = query.places.contains(line.place())
            && query.request.as_ref().is_none_or(|id| *id == line.request)
            && (!query.failed || line.failed());
        meant.then_some(line)
    }

    fn full(&self) -> bool {
        self.found.lines.len() >= self.query.most
    }

    /// Notes how far back was looked.
    fn since(&mut self, lines: &[(usize, &[u8])]) {
        let stamp = lines.iter().find_map(|(_, line)| serde_json::from_slice::<Stamp>(line).ok());
        if let Some(stamp) = stamp {
            let since = self.found.since.map_or(stamp.time, |since| since.min(stamp.time));
            self.found.since = Some(since);
        }
    }

    /// Backwards, from the place or from the end.
    fn back(&mut self, sheets: &[Sheet], from: Option<Place>) -> std::io::Result<()> {
        let Some(newest) = sheets.first() else {
            self.found.after = Place::default().text();
            return Ok(());
        };
        self.found.after = from.unwrap_or(newest.at(newest.end)).text();
        let start = from.unwrap_or(newest.at(newest.end));
        // What was put away since has nothing older either.
        let begun = sheets.iter().skip_while(|sheet| sheet.node != start.node);
        for sheet in begun {
            let first = sheet.node == start.node;
            let mut end = if first { start.offset.min(sheet.end) } else { sheet.end };
            while end > 0 {
                if self.left == 0 || self.full() {
                    self.found.before = Some(sheet.at(end).text());
                    self.found.lines.reverse();
                    return Ok(());
                }
                let from = end.saturating_sub(BLOCK);
                self.left = self.left.saturating_sub(BLOCK);
                let bytes = sheet.read(from, end)?;
                // A line that begins before is read whole with the next piece.
                let inner = &bytes[..bytes.len() - 1];
                let skip = match from {
                    0 => 0,
                    _ => inner
                        .iter()
                        .position(|byte| *byte == b'\n')
                        .map_or(bytes.len(), |at| at + 1),
                };
                let lines = lines(&bytes[skip..]);
                end = if skip == bytes.len() { from } else { from + skip as u64 };
                if from == 0 {
                    end = 0;
                }
                for (at, line) in lines.iter().rev() {
                    if self.full() {
                        // Those before it are looked at another time.
                        end = from + (skip + at + line.len()) as u64;
                        break;
                    }
                    if let Some(line) = self.wanted(line) {
                        self.found.lines.push(line);
                    }
                }
                self.since(&lines);
            }
        }
        self.found.lines.reverse();
        Ok(())
    }

    /// Forwards, from the place; from the oldest there is, where that was put away.
    fn on(&mut self, sheets: &[Sheet], from: Place) -> std::io::Result<()> {
        let known = sheets.iter().position(|sheet| sheet.node == from.node);
        let Some(first) = known.or(sheets.len().checked_sub(1)) else {
            self.found.after = from.text();
            return Ok(());
        };
        for (at, sheet) in sheets.iter().enumerate().take(first + 1).rev() {
            let mut begin = if at == first && known.is_some() { from.offset } else { 0 };
            while begin < sheet.end {
                if self.left == 0 || self.full() {
                    break;
                }
                self.left = self.left.saturating_sub(BLOCK);
                let bytes = sheet.read(begin, sheet.end.min(begin + BLOCK))?;
                let whole = after_last(&bytes).unwrap_or(bytes.len());
                let lines = lines(&bytes[..whole]);
                let mut end = begin + whole as u64;
                for (at, line) in &lines {
                    if self.full() {
                        end = begin + *at as u64;
                        break;
                    }
                    if let Some(line) = self.wanted(line) {
                        self.found.lines.push(line);
                    }
                }
                self.since(&lines);
                begin = end;
            }
            self.found.after = sheet.at(begin).text();
            if self.left == 0 || self.full() {
                break;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;
    use std::io::Write as _;

    const WEB: &str = "component:default/web@development";

    fn line(number: usize, place: &str, status: u16, path: &str) -> String {
        format!(
            "{{\"time\":\"2026-11-23T03:00:00.{number:06}Z\",\"request\":\"r{number}\",\"trace\":\"t\",\
             \"client\":\"127.0.0.1\",\"host\":\"h\",\"method\":\"GET\",\"path\":\"{path}\",\"status\":{status},\
             \"bytes_in\":0,\"bytes_out\":1,\"took_ms\":1.5,\"route\":\"{place}/web/http\",\"tries\":1}}\n"
        )
    }

    fn write(dir: &Path, name: &str, text: &str) {
        let file = File::options().append(true).create(true).open(dir.join(name));
        file.unwrap().write_all(text.as_bytes()).unwrap();
    }

    fn query(towards: Towards, most: usize) -> RequestQuery {
        let places = BTreeSet::from([WEB.to_string()]);
        RequestQuery { places, request: None, failed: false, most, towards }
    }

    fn ids(found: &Requests) -> Vec<usize> {
        found.lines.iter().map(|line| line.request[1..].parse().unwrap()).collect()
    }

    #[test]
    fn only_what_is_meant_is_found_and_half_a_line_is_left_for_later() {
        let dir = tempfile::tempdir().unwrap();
        let empty = requests(dir.path(), &query(Towards::Newest, 9)).unwrap();
        assert_eq!((empty.lines.len(), &empty.before, empty.since), (0, &None, None));
        // An environment that begins with the same letters is another one.
        for (n, place) in
            [WEB, "component:default/web@development2", "component:default/x@development"]
                .into_iter()
                .enumerate()
        {
            write(dir.path(), NAME, &line(n, place, 200, "/"));
        }
        write(dir.path(), NAME, "torn\n{\"time\":\"2026-11-23T03:00:00Z\",\"dropped\":3}\n");
        write(dir.path(), NAME, &line(7, WEB, 502, "/"));
        let half = line(8, WEB, 0, "/");
        write(dir.path(), NAME, &half[..40]);
        let found = requests(dir.path(), &query(Towards::Newest, 9)).unwrap();
        assert_eq!((ids(&found), found.dropped, &found.before), (vec![0, 7], 3, &None));
        let failed = RequestQuery { failed: true, ..query(Towards::Newest, 9) };
        assert_eq!(ids(&requests(dir.path(), &failed).unwrap()), [7]);
        let one = RequestQuery { request: Some("r0".into()), ..query(Towards::Newest, 9) };
        assert_eq!(ids(&requests(dir.path(), &one).unwrap()), [0]);
        let nobody = RequestQuery { places: BTreeSet::new(), ..query(Towards::Newest, 9) };
        assert_eq!(requests(dir.path(), &nobody).unwrap().lines, []);
        // It was nowhere in the log before its end was written; what was empty goes on from the beginning.
        write(dir.path(), NAME, &half[40..]);
        let later = requests(dir.path(), &query(Towards::After(found.after), 9)).unwrap();
        assert_eq!(ids(&later), [8]);
        let all = requests(dir.path(), &query(Towards::After(empty.after), 9)).unwrap();
        assert_eq!(ids(&all), [0, 7, 8]);
        for bad in ["", "x", "1", "1.x", "-1.2", "1.2.3"] {
            let refused = requests(dir.path(), &query(Towards::Before(bad.into()), 9));
            assert!(matches!(refused, Err(PortError::Refused(_))), "{bad}");
        }
    }

    /// Three files of more than a piece each: every line is found once, in both directions, however it is paged.
    #[test]
    fn pages_lose_nothing_and_say_nothing_twice_whatever_the_files_are_called_by_then() {
        let dir = tempfile::tempdir().unwrap();
        let path = "x".repeat(3_000);
        let mut number = 0;
        for name in ["access.log.2", "access.log.1", NAME] {
            let mut text = String::new();
            while text.len() < 2 * BLOCK as usize + 100_000 {
                text.push_str(&line(number, WEB, 200, &path));
                number += 1;
            }
            write(dir.path(), name, &text);
        }
        let all: Vec<usize> = (0..number).collect();
        let first = requests(dir.path(), &query(Towards::Newest, 300)).unwrap();
        let end = first.after.clone();
        let (mut pages, mut before) = (vec![ids(&first)], first.before);
        while let Some(place) = before {
            let page = requests(dir.path(), &query(Towards::Before(place), 300)).unwrap();
            pages.insert(0, ids(&page));
            before = page.before;
        }
        assert_eq!(pages.concat(), all);
        let mut place = "0.0".to_string();
        let mut pages = Vec::new();
        loop {
            let page = requests(dir.path(), &query(Towards::After(place), 300)).unwrap();
            place = page.after.clone();
            if page.lines.is_empty() {
                break;
            }
            pages.push(ids(&page));
        }
        assert_eq!((pages.concat(), &place), (all, &end));
        // Put aside meanwhile, and begun anew.
        for (from, to) in [("access.log.1", "access.log.2"), (NAME, "access.log.1")] {
            std::fs::rename(dir.path().join(from), dir.path().join(to)).unwrap();
        }
        write(dir.path(), NAME, &line(number, WEB, 200, "/"));
        let later = requests(dir.path(), &query(Towards::After(place), 300)).unwrap();
        assert_eq!(ids(&later), [number]);
    }

    #[test]
    fn an_answer_looks_at_so_much_and_says_how_far() {
        let dir = tempfile::tempdir().unwrap();
        let path = "x".repeat(50_000);
        let other: String =
            (1..400).map(|n| line(n, "component:default/y@e", 200, &path)).collect();
        write(dir.path(), NAME, &(line(0, WEB, 200, "/") + &other));
        let found = requests(dir.path(), &query(Towards::Newest, 1)).unwrap();
        assert!(found.lines.is_empty() && found.before.is_some() && found.since.is_some());
        let found =
            requests(dir.path(), &query(Towards::Before(found.before.unwrap()), 1)).unwrap();
        assert_eq!(ids(&found), [0]);
    }
}
