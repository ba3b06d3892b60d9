//! Texts that were damaged at random, the same every time: an answer every time, and never a panic. `TOW_MUTATIONS`
//! says how many for each parser; 100,000 where it is unset.

use crate::hostile::in_time;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tow_formats::{Document, read, read_bytes, to_yaml};
use tow_model::placeholder;
use tow_names::{Cpu, Digest, EntityRef, Memory, Name, Namespace, Place};

/// How long the work of a thread may take before it counts as hanging. Far above what it takes: this is no measurement.
const DEADLINE: Duration = Duration::from_secs(600);

/// A small generator of pseudo-random numbers (splitmix64): the same every time.
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn roll(&mut self, below: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % below.max(1) as u64) as usize
    }

    fn range(&mut self, length: usize) -> std::ops::Range<usize> {
        let start = self.roll(length + 1);
        start..start + self.roll((length - start).min(200) + 1)
    }
}

const SHARP: [&str; 44] = [
    ":",
    ": ",
    "- ",
    "\n",
    "\n\n",
    "  ",
    "\t",
    "\"",
    "'",
    "|\n",
    ">-\n",
    "#",
    " #",
    "&a ",
    "*a",
    "!!str ",
    "!x ",
    "%",
    "@",
    "`",
    "{",
    "}",
    "[",
    "]",
    ",",
    "? ",
    "<<: ",
    "---\n",
    "...\n",
    "${",
    "$${",
    "${}",
    "}",
    "$",
    "\\",
    "~",
    "\u{0}",
    "\r",
    "é",
    "\u{1F600}",
    "999999999999999999999999",
    "-1",
    "null",
    "\u{feff}",
];

/// Damages a text one to four times.
fn damaged(seed: &[u8], dice: &mut Dice) -> Vec<u8> {
    let mut bytes = seed.to_vec();
    for _ in 0..=dice.roll(4) {
        if bytes.is_empty() {
            break;
        }
        let at = dice.roll(bytes.len());
        match dice.roll(9) {
            0 => bytes[at] ^= 1 << dice.roll(8),
            1 => bytes[at] = dice.roll(256) as u8,
            2 => bytes.truncate(at),
            3 => {
                let sharp = SHARP[dice.roll(SHARP.len())];
                bytes.splice(at..at, sharp.bytes());
            }
            4 => {
                let range = dice.range(bytes.len());
                let chunk = bytes[range].to_vec();
                for _ in 0..=dice.roll(3) {
                    bytes.splice(at..at, chunk.iter().copied());
                }
            }
            5 => {
                let range = dice.range(bytes.len());
                bytes.drain(range);
            }
            6 => {
                let mut lines: Vec<&[u8]> = bytes.split(|b| *b == b'\n').collect();
                let (a, b) = (dice.roll(lines.len()), dice.roll(lines.len()));
                lines.swap(a, b);
                bytes = lines.join(&b'\n');
            }
            7 => {
                let sharp = SHARP[dice.roll(SHARP.len())].as_bytes();
                for (target, byte) in bytes[at..].iter_mut().zip(sharp) {
                    *target = *byte;
                }
            }
            _ => {
                // Indentation moved by one.
                let line = bytes[..at].iter().rposition(|b| *b == b'\n').map_or(0, |i| i + 1);
                if bytes.get(line) == Some(&b' ') && dice.roll(2) == 0 {
                    bytes.remove(line);
                } else {
                    bytes.insert(line, b' ');
                }
            }
        }
        bytes.truncate(64 << 10);
    }
    bytes
}

#[expect(clippy::disallowed_methods, reason = "a test reads how much it is to do")]
fn how_many() -> usize {
    std::env::var("TOW_MUTATIONS").ok().and_then(|n| n.parse().ok()).unwrap_or(100_000)
}

#[expect(clippy::disallowed_methods, reason = "a test reads where the corpus is")]
fn seeds(own: &[&str], folder: Option<&str>) -> Vec<Vec<u8>> {
    let mut seeds: Vec<Vec<u8>> = own.iter().map(|seed| seed.as_bytes().to_vec()).collect();
    if let (Some(root), Some(folder)) = (std::env::var_os("TOW_CORPUS"), folder) {
        let mut paths: Vec<_> = std::fs::read_dir(std::path::Path::new(&root).join(folder))
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.extension().is_some_and(|e| e == "yaml"))
            .collect();
        paths.sort();
        seeds.extend(paths.iter().map(|path| std::fs::read(path).unwrap()));
    }
    seeds
}

/// Feeds damaged seeds to a parser on two threads; says how many it accepted.
fn feed(what: &str, seeds: Vec<Vec<u8>>, parse: fn(&[u8]) -> bool) {
    let (count, threads) = (how_many(), 2);
    let seeds = Arc::new(seeds);
    let workers: Vec<_> = (0..threads)
        .map(|thread| {
            let seeds = Arc::clone(&seeds);
            std::thread::spawn(move || {
                let at = Arc::new(AtomicUsize::new(0));
                let mine = Arc::clone(&at);
                in_time(DEADLINE, &at, move || {
                    let mut dice = Dice(0x70_77 + thread as u64);
                    (0..count / threads)
                        .filter(|index| {
                            mine.store(*index, Ordering::Relaxed);
                            let seed = &seeds[dice.roll(seeds.len())];
                            let text = damaged(seed, &mut dice);
                            let parsed = std::panic::catch_unwind(|| parse(&text));
                            parsed
                                .unwrap_or_else(|_| panic!("{:?}", String::from_utf8_lossy(&text)))
                        })
                        .count()
                })
            })
        })
        .collect();
    let accepted: usize = workers.into_iter().map(|worker| worker.join().unwrap()).sum();
    println!("measured: {what}: {count} damaged texts, {accepted} accepted, no panic, no hang");
}

fn read_any(bytes: &[u8]) -> bool {
    match read_bytes("damaged.yaml", bytes) {
        Ok(documents) => {
            assert!(!documents.is_empty());
            true
        }
        Err(violations) => {
            assert!(!violations.is_empty());
            for violation in &violations {
                if let Some(source) = &violation.source {
                    assert!(source.line >= 1 && source.col >= 1 && source.length >= 1);
                }
            }
            false
        }
    }
}

#[test]
fn damaged_score_files() {
    let own = [
        include_str!("testdata/seed-score.yaml"),
        "apiVersion: score.dev/v1b1\nmetadata: {name: web-app}\ncontainers:\n  main: {image: .}\n",
        "apiVersion: score.dev/v1b1\nmetadata:\n  name: web-app\ncontainers:\n  main:\n    image: .\n    variables:\n      A: ${resources.db.host}\nresources:\n  db:\n    type: postgres\n",
        "{\"apiVersion\": \"score.dev/v1b1\", \"metadata\": {\"name\": \"ab\"}, \"containers\": {\"main\": {\"image\": \".\"}}}",
    ];
    feed("Score", seeds(&own, Some("score")), read_any);
}

#[test]
fn damaged_manifests() {
    let whole = include_str!("testdata/seed-kinds.yaml");
    let mut own: Vec<&str> = whole.split("---\n").filter(|part| !part.is_empty()).collect();
    own.push(whole);
    feed("manifests", seeds(&own, None), |bytes| {
        let Ok(text) = std::str::from_utf8(bytes) else { return read_any(bytes) };
        let Ok(documents) = read("damaged.yaml", text) else { return false };
        for document in documents.into_iter().take(1) {
            if let Document::Manifest(manifest) = document {
                let value = serde_json::to_value(&manifest).unwrap();
                let written = to_yaml(&value);
                let again =
                    read("written.yaml", &written).unwrap_or_else(|v| panic!("{v:?}\n{written}"));
                assert_eq!(again, [Document::Manifest(manifest)]);
            }
        }
        true
    });
}

#[test]
fn damaged_names() {
    let own = [
        "component:default/web",
        "group:ops/Team.a",
        "web",
        "a/b",
        "component:default/web@development",
        "1h30m",
        "500ms",
        "2d",
        "0.5",
        "250m",
        "2",
        "128Mi",
        "1.5G",
        "64000000",
        "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
    ];
    feed("names", seeds(&own, None), |bytes| {
        let text = String::from_utf8_lossy(bytes);
        let place: Result<Place, _> = text.to_string().try_into();
        let reference = EntityRef::parse(&text, Some("component"), &Namespace::default());
        if let Ok(reference) = &reference {
            let again = EntityRef::parse(&reference.to_string(), None, &Namespace::default());
            assert_eq!(again.as_ref(), Ok(reference));
        }
        let duration = text.parse::<tow_names::Duration>();
        if let Ok(duration) = &duration {
            assert_eq!(duration.to_string().parse().as_ref(), Ok(duration));
        }
        let _ = tow_names::host_label(&[&text, "x"]);
        place.is_ok()
            | reference.is_ok()
            | duration.is_ok()
            | text.parse::<Cpu>().is_ok()
            | text.parse::<Memory>().is_ok()
            | text.parse::<Digest>().is_ok()
            | Name::new(text.as_ref()).is_ok()
    });
}

#[test]
fn damaged_placeholders() {
    let own = [
        "${metadata.name}",
        "a ${resources.db.host} b $$ c $${x.y} d",
        r"${metadata.annotations.a\.b/c}",
        "$$$${abc} ${unclosed",
        "${}",
    ];
    feed("placeholders", seeds(&own, None), |bytes| {
        let text = String::from_utf8_lossy(bytes);
        let found = placeholder::find(&text);
        for (range, _) in &found {
            assert!(text[range.clone()].starts_with("${") && text[range.clone()].ends_with('}'));
        }
        let parsed = placeholder::parse(&text);
        let filled = placeholder::expand(&text, &mut |parts| Ok(parts.join("/")));
        assert_eq!(parsed.is_ok(), filled.is_ok());
        assert_eq!(parsed.is_ok(), found.iter().all(|(_, reference)| reference.is_ok()));
        parsed.is_ok()
    });
}
