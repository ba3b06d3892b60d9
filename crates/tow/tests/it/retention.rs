//! Old backups go by a verb and by the clock, and whoever takes them away is killed over it: what is left is whole, the
//! newest stay, nothing half is taken for a backup, and the next one takes the rest.

#![allow(clippy::unwrap_used, reason = "a test that can't be set up fails")]
#![allow(clippy::print_stdout, reason = "what is measured is a result")]

use crate::ferry::TOW;
use rustix::process::Signal;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use tow_platform::backup::{Backup, Passphrase};
use tow_testkit::binary::{Binary, PATIENCE, send, until};

const WORDS: &str = "a barge on the canal";
/// So many old ones; few enough to be quick, enough to die among them.
const MANY: usize = 400;
const KEEP: usize = 3;
/// What a backup leaves whose maker was killed.
const HALF: &str = "towpath-2026-01-01T00-00-00Z.backup.tar.part";

/// A platform, three backups of it, and how one tells that a file is still one of them.
struct Desk {
    up: Binary,
    dir: tempfile::TempDir,
    made: Vec<Vec<u8>>,
}

impl Desk {
    fn new() -> Self {
        let dir = tempfile::Builder::new().prefix("tow-retention-").tempdir().unwrap();
        std::fs::write(dir.path().join("passphrase"), WORDS).unwrap();
        let mut up = Binary::up(TOW);
        let mut made = Vec::new();
        for n in 0..3 {
            let file = dir.path().join(format!("{n}.tar"));
            let secret = dir.path().join("passphrase");
            let args = [Path::new("backup"), &file, Path::new("--passphrase-file"), &secret];
            up.tow(args).exits(0);
            assert!(verifies(&file));
            made.push(std::fs::read(&file).unwrap());
        }
        up.end(Signal::TERM);
        let last = dir.path().join("2.tar").metadata().unwrap().modified().unwrap();
        until("the next one is due within a second", || {
            last.elapsed().is_ok_and(|passed| passed > Duration::from_secs(1))
        });
        Self { up, dir, made }
    }

    /// A folder full of old backups, and a half one.
    fn shelf(&self, name: &str) -> Shelf {
        let dir = self.dir.path().join(name);
        std::fs::create_dir(&dir).unwrap();
        let mut files = BTreeMap::new();
        for n in 0..MANY {
            let (day, hour, of) = (1 + n / 24, n % 24, n * self.made.len() / MANY);
            let file = dir.join(format!("towpath-2026-01-{day:02}T{hour:02}-00-00Z.backup.tar"));
            std::fs::write(&file, &self.made[of]).unwrap();
            files.insert(file, of);
        }
        std::fs::write(dir.join(HALF), &self.made[0][..self.made[0].len() / 2]).unwrap();
        let mut shelf = Shelf { dir, files, order: Vec::new() };
        shelf.order = shelf.listed(&self.up);
        assert_eq!(shelf.order.len(), MANY, "the half one is none");
        shelf
    }

    fn start(&mut self, shelf: &Shelf, every: &str) {
        let secret = self.dir.path().join("passphrase").display().to_string();
        let (dir, keep) = (shelf.dir.display().to_string(), KEEP.to_string());
        let args = ["--backup-every", every, "--backup-dir", &dir];
        let more = ["--backup-keep", &keep, "--backup-passphrase-file", &secret];
        self.up.try_start(&[&args[..], &more[..]].concat(), &[]).unwrap();
    }

    fn drill(&self, file: &Path) {
        let secret = self.dir.path().join("passphrase");
        let flags = ["--in", "--passphrase-file"].map(Path::new);
        let verb = ["backup", "drill"].map(Path::new);
        self.up
            .tow([verb[0], verb[1], file, flags[0], self.dir.path(), flags[1], &secret])
            .exits(0);
    }
}

struct Shelf {
    dir: PathBuf,
    /// The old ones, and which of those that were made each is.
    files: BTreeMap<PathBuf, usize>,
    /// The old ones, the newest first.
    order: Vec<PathBuf>,
}

impl Shelf {
    fn text(&self) -> String {
        self.dir.display().to_string()
    }

    /// What `tow backup list` takes for a backup, the newest first.
    fn listed(&self, up: &Binary) -> Vec<PathBuf> {
        let listed = up.tow(["backup", "list", &self.text(), "-o", "json"]).exits(0);
        assert_eq!(listed.err, "", "nothing is there that calls itself a backup and is none");
        let listed = listed.json();
        let files = listed.as_array().unwrap().iter();
        files.map(|one| PathBuf::from(one["file"].as_str().unwrap())).collect()
    }

    fn there(&self) -> BTreeSet<PathBuf> {
        std::fs::read_dir(&self.dir).unwrap().flatten().map(|entry| entry.path()).collect()
    }

    /// Whatever goes by the name of a backup is listed and whole to its last byte, what is half is not listed, and the
    /// newest are there. Which there are, the newest first.
    #[track_caller]
    fn holds(&self, desk: &Desk) -> Vec<PathBuf> {
        let (there, listed) = (self.there(), self.listed(&desk.up));
        let half = |path: &&PathBuf| path.extension().is_some_and(|end| end == "part");
        let named: BTreeSet<PathBuf> = there.iter().filter(|path| !half(path)).cloned().collect();
        assert_eq!(named, listed.iter().cloned().collect());
        for file in &listed {
            match self.files.get(file) {
                Some(of) => {
                    assert!(std::fs::read(file).unwrap() == desk.made[*of], "{}", file.display());
                }
                None => assert!(verifies(file), "made by the clock: {}", file.display()),
            }
        }
        let (old, fresh): (Vec<_>, Vec<_>) =
            listed.iter().cloned().partition(|file| self.files.contains_key(file));
        assert_eq!(old, self.order[..old.len()], "the newest stay, without a gap");
        assert!(old.len() + fresh.len() >= KEEP);
        listed
    }
}

/// Every byte of it, with its passphrase.
fn verifies(file: &Path) -> bool {
    Backup::open(file).is_ok_and(|backup| backup.verify(&Passphrase::new(WORDS)).is_ok())
}

/// Looks without a pause: what is waited for passes in less than a millisecond.
#[track_caller]
fn wait(what: &str, mut holds: impl FnMut() -> bool) {
    let began = Instant::now();
    while !holds() {
        assert!(began.elapsed() < PATIENCE, "{what}: it did not come true");
        std::thread::park_timeout(Duration::from_micros(20));
    }
}

#[test]
fn a_prune_that_is_killed_leaves_whole_backups_and_the_next_one_takes_the_rest() {
    let desk = Desk::new();
    let (mut left, mut among) = (Vec::new(), 0);
    // After so many are gone.
    for gone in [1, 2, 40, 120, 200, 280, 360, 390, MANY - KEEP] {
        let shelf = desk.shelf(&format!("shelf-{gone}"));
        let args = ["backup", "prune", &shelf.text(), "--keep", "3", "--yes", "-o", "json"];
        let mut child = desk.up.command(args).spawn().unwrap();
        // The oldest go first.
        let last = &shelf.order[MANY - gone];
        wait("so many are gone", || !last.exists());
        send(child.id(), Signal::KILL);
        child.wait().unwrap();
        let rest = shelf.holds(&desk);
        assert!(rest.len() <= MANY - gone, "{} of {MANY} after {gone} were gone", rest.len());
        left.push(rest.len());
        among += usize::from(rest.len() > KEEP);
        // What the next one would take is just what is too much, and asking takes nothing.
        let half = shelf.there().into_iter().find(|path| path.ends_with(HALF));
        let too_much: BTreeSet<PathBuf> = rest[KEEP..].iter().cloned().chain(half).collect();
        let paths = |list: &serde_json::Value| -> BTreeSet<PathBuf> {
            list.as_array().unwrap().iter().map(|path| path.as_str().unwrap().into()).collect()
        };
        let told = desk.up.json(&["backup", "prune", &shelf.text(), "--keep", "3", "--dry-run"]);
        assert_eq!(paths(&told["would_remove"]), too_much);
        assert_eq!(shelf.holds(&desk), rest);
        let told = desk.up.json(&["backup", "prune", &shelf.text(), "--keep", "3", "--yes"]);
        assert_eq!(paths(&told["removed"]), too_much);
        assert_eq!(shelf.there(), shelf.order[..KEEP].iter().cloned().collect());
        assert_eq!(shelf.holds(&desk), shelf.order[..KEEP]);
        std::fs::remove_dir_all(&shelf.dir).unwrap();
    }
    println!(
        "measured: prune killed 9 times over {MANY} backups, {among} of them among them; left were {left:?}"
    );
    assert!(among > 0, "it was never killed on the way: {left:?}");
    let shelf = desk.shelf("drilled");
    desk.up.tow(["backup", "prune", &shelf.text(), "--keep", "1", "--yes"]).exits(0);
    desk.drill(&shelf.listed(&desk.up)[0]);
}

#[test]
fn the_clocks_retention_goes_on_after_a_death_and_does_not_wait_for_the_next_backup() {
    /// What has happened when the control plane is killed.
    #[derive(Debug, Clone, Copy)]
    enum Moment {
        /// A backup is being written.
        Half,
        /// It has its name, and the old ones are still there or about to go.
        Named,
        /// So many old ones are gone.
        Gone(usize),
    }
    let mut desk = Desk::new();
    let moments = [
        Moment::Half,
        Moment::Named,
        Moment::Gone(1),
        Moment::Gone(100),
        Moment::Gone(250),
        Moment::Gone(390),
    ];
    let (mut left, mut among) = (Vec::new(), 0);
    for (n, moment) in moments.into_iter().enumerate() {
        let shelf = desk.shelf(&format!("shelf-{n}"));
        desk.start(&shelf, "1s");
        let fresh = |end: &str| {
            let mut there = shelf.there().into_iter();
            there.find(|path| {
                let name = path.file_name().unwrap().to_str().unwrap().to_string();
                name.ends_with(end) && name != HALF && !shelf.files.contains_key(path)
            })
        };
        wait(&format!("{moment:?}"), || match moment {
            Moment::Half => fresh(".part").is_some(),
            Moment::Named => fresh(".backup.tar").is_some(),
            Moment::Gone(gone) => !shelf.order[MANY - gone].exists(),
        });
        desk.up.end(Signal::KILL);
        let rest = shelf.holds(&desk);
        left.push(rest.len());
        among += usize::from(rest.len() > KEEP);
        // The next one is due in an hour; what is too much goes all the same.
        desk.start(&shelf, "1h");
        until("what is too much is gone", || shelf.there().len() == KEEP);
        let end = shelf.holds(&desk);
        assert_eq!(end.len(), KEEP, "{moment:?}");
        let (fresh, old): (Vec<_>, Vec<_>) =
            end.iter().cloned().partition(|file| !shelf.files.contains_key(file));
        assert_eq!(old, shelf.order[..KEEP - fresh.len()], "{moment:?}: the newest ones");
        desk.up.end(Signal::TERM);
        if n == moments.len() - 1 {
            desk.drill(&end[0]);
        }
        std::fs::remove_dir_all(&shelf.dir).unwrap();
    }
    println!(
        "measured: the clock's backups killed {} times, {among} of them with too many left: {left:?}",
        moments.len()
    );
    assert!(among > 0, "it was never killed on the way: {left:?}");
}
