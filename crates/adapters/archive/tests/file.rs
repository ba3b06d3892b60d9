//! The backup file, written and read: what comes back, and what becomes of it when a byte is not the one that was
//! written, when it is cut off, when the passphrase is another one.

#![allow(clippy::unwrap_used, reason = "a test that can't be set up fails")]

use proptest::prelude::*;
use std::path::{Path, PathBuf};
use tow_archive::{
    ArchiveError, Backup, Cost, Manifest, Passphrase, Shelf, Summary, TableSummary, Writer,
};
use tow_names::{Digest, Duration, Timestamp};

const KEYS: &[u8] = b"key key-1 c2VjcmV0";
const AT: Timestamp = Timestamp(1_795_000_000_000_000);

fn right() -> Passphrase {
    Passphrase::new("a barge on the canal\n")
}

fn manifest(at: Timestamp) -> Manifest {
    Manifest::new("0.1.0", at, 2, 41, Cost::cheap().unwrap())
}

fn tables() -> Vec<TableSummary> {
    let columns = vec!["a".to_string()];
    vec![TableSummary { table: "object".into(), columns, rows: 3, digest: Digest::of(b"rows") }]
}

fn write(path: &Path, at: Timestamp) -> (u64, Summary) {
    let mut writer = Writer::begin(path, &manifest(at), &right(), KEYS).unwrap();
    writer.rows("object", b"{\"a\":1}\n{\"a\":2}\n").unwrap();
    writer.rows("object", b"{\"a\":3}\n").unwrap();
    writer.rows("event", b"{\"seq\":1}\n").unwrap();
    for blob in [&b"x"[..], &[7; 1500], &[]] {
        writer.blob(&Digest::of(blob), blob.len() as u64, &mut &*blob).unwrap();
    }
    writer.finish(tables()).unwrap()
}

fn made() -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("one.tar");
    write(&path, AT);
    (dir, path)
}

fn verify(path: &Path) -> Result<tow_archive::Verified, ArchiveError> {
    Backup::open(path)?.verify(&right())
}

#[test]
fn what_was_written_comes_back() {
    let (dir, path) = made();
    let verified = verify(&path).unwrap();
    assert_eq!(verified.keys(), KEYS);
    assert_eq!((verified.manifest().head, verified.manifest().schema), (41, 2));
    let rows: Vec<_> = verified
        .rows()
        .map(|(table, item)| (table.to_string(), verified.read(item).unwrap()))
        .collect();
    assert_eq!(rows[0], ("object".into(), b"{\"a\":1}\n{\"a\":2}\n".to_vec()));
    assert_eq!(rows[1].1, b"{\"a\":3}\n");
    assert_eq!(rows.len(), 3);
    let summary = verified.summary();
    assert_eq!(summary.tables, tables());
    assert_eq!((summary.blobs, summary.blob_bytes), (3, 1501));
    for (digest, item) in verified.blobs() {
        assert_eq!(Digest::of(&verified.read(item).unwrap()), *digest);
    }
    assert!(!path.with_extension("tar.part").exists());
    let text = std::fs::read(&path).unwrap();
    let find = |needle: &[u8]| text.windows(needle.len()).any(|window| window == needle);
    assert!(!find(b"c2VjcmV0"), "keys are sealed");
    use std::os::unix::fs::PermissionsExt as _;
    assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    drop(dir);
}

#[test]
fn other_programs_can_list_and_check_it() {
    let (dir, path) = made();
    let out = dir.path().join("out");
    std::fs::create_dir(&out).unwrap();
    let run = |program: &str, args: &[&str]| {
        std::process::Command::new(program).args(args).current_dir(&out).output()
    };
    let Ok(untarred) = run("tar", &["xf", path.to_str().unwrap()]) else {
        println!("not run: tar is not here");
        return;
    };
    assert!(untarred.status.success(), "{untarred:?}");
    let Ok(checked) = run("sha256sum", &["-c", "--quiet", "contents.sha256"]) else {
        println!("not run: sha256sum is not here");
        return;
    };
    assert!(checked.status.success(), "{checked:?}");
}

#[test]
fn every_changed_byte_is_found_and_named() {
    let (dir, path) = made();
    let good = std::fs::read(&path).unwrap();
    let bad = dir.path().join("bad.tar");
    let mut named = std::collections::BTreeSet::new();
    let mut tried = 0;
    for at in 0..good.len() {
        // Of the many zeros of tar, some.
        if good[at] == 0 && at % 16 != 0 {
            continue;
        }
        tried += 1;
        for flip in [0x01, 0x80] {
            let mut bytes = good.clone();
            bytes[at] ^= flip;
            std::fs::write(&bad, bytes).unwrap();
            match verify(&bad) {
                Err(
                    ArchiveError::Changed { entry, .. } | ArchiveError::Truncated { entry, .. },
                ) => {
                    named.insert(entry);
                }
                // One bit of the format's digit makes it a larger one.
                Err(ArchiveError::Newer { .. }) => {}
                other => panic!("byte {at} ^ {flip:#x}: {other:?}"),
            }
        }
    }
    for entry in ["manifest.json", "check", "keys", "store/object/000001.jsonl", "seal", "the end"]
    {
        assert!(named.contains(entry), "{entry} in {named:?}");
    }
    println!("measured: {tried} changed bytes, each found");
}

#[test]
fn every_cut_is_found() {
    let (dir, path) = made();
    let good = std::fs::read(&path).unwrap();
    let bad = dir.path().join("bad.tar");
    for length in (0..good.len()).step_by(7).chain([good.len() - 1, good.len() - 512]) {
        std::fs::write(&bad, &good[..length]).unwrap();
        let error = verify(&bad).unwrap_err();
        let named = matches!(error, ArchiveError::Truncated { .. })
            || (length < 13 && matches!(error, ArchiveError::NotABackup { .. }));
        assert!(named, "{length}: {error:?}");
    }
    let longer = [&good[..], b"more"].concat();
    std::fs::write(&bad, longer).unwrap();
    assert_eq!(verify(&bad).unwrap_err().code(), "backup/changed");
}

#[test]
fn other_files_and_newer_ones_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("f");
    for bytes in [&b""[..], b"hello", &[0; 4096], &[b'm'; 4096]] {
        std::fs::write(&path, bytes).unwrap();
        assert_eq!(Backup::open(&path).unwrap_err().code(), "backup/not-a-backup");
    }
    assert_eq!(Backup::open(dir.path()).unwrap_err().code(), "backup/not-a-backup");
    assert_eq!(Backup::open(&dir.path().join("gone")).unwrap_err().code(), "backup/file");
    let mut newer = manifest(AT);
    newer.format = 9;
    newer.made_by = "7.0.0".into();
    let later = dir.path().join("later");
    Writer::begin(&later, &newer, &right(), KEYS).unwrap().finish(tables()).unwrap();
    let error = Backup::open(&later).unwrap_err();
    assert_eq!(error.code(), "backup/newer");
    assert!(error.to_string().contains("7.0.0"), "{error}");
}

#[test]
fn a_wrong_passphrase_is_told_from_damage() {
    let (dir, path) = made();
    let wrong = Passphrase::new("a barge on the river");
    let error = Backup::open(&path).unwrap().verify(&wrong).unwrap_err();
    assert_eq!(error.code(), "backup/passphrase");
    let mut bytes = std::fs::read(&path).unwrap();
    let at = bytes.windows(7).position(|w| w == b"{\"a\":3}").unwrap();
    bytes[at + 5] = b'4';
    let bad = dir.path().join("bad.tar");
    std::fs::write(&bad, bytes).unwrap();
    let error = Backup::open(&bad).unwrap().verify(&wrong).unwrap_err();
    assert!(error.to_string().contains("store/object/000002.jsonl"), "{error}");
}

#[test]
fn somebody_who_changes_rows_and_digests_alike_is_found_by_the_seal() {
    let (dir, path) = made();
    let mut bytes = std::fs::read(&path).unwrap();
    let find = |bytes: &[u8], needle: &[u8]| {
        bytes.windows(needle.len()).position(|window| window == needle).unwrap()
    };
    let at = find(&bytes, b"{\"a\":3}");
    bytes[at + 5] = b'4';
    let at = find(&bytes, Digest::of(b"{\"a\":3}\n").hex().as_bytes());
    bytes[at..at + 64].copy_from_slice(Digest::of(b"{\"a\":4}\n").hex().as_bytes());
    let bad = dir.path().join("bad.tar");
    std::fs::write(&bad, bytes).unwrap();
    match verify(&bad).unwrap_err() {
        ArchiveError::Changed { entry, .. } => assert_eq!(entry, "seal"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_is_broken_off_leaves_nothing_and_what_is_there_stays() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("one.tar");
    let mut writer = Writer::begin(&path, &manifest(AT), &right(), KEYS).unwrap();
    writer.rows("object", b"{}\n").unwrap();
    let busy = Writer::begin(&path, &manifest(AT), &right(), KEYS).unwrap_err();
    assert_eq!(busy.code(), "backup/busy");
    let short = writer.blob(&Digest::of(b"xy"), 2, &mut &b"x"[..]).unwrap_err();
    assert_eq!(short.code(), "backup/file");
    drop(writer);
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    // Left by one who died: taken over.
    std::fs::write(dir.path().join("one.tar.part"), "half").unwrap();
    write(&path, AT);
    let before = std::fs::read(&path).unwrap();
    let error = Writer::begin(&path, &manifest(AT), &right(), KEYS).unwrap_err();
    assert_eq!(error.code(), "backup/exists");
    assert_eq!(std::fs::read(&path).unwrap(), before);
    let weak = Writer::begin(&dir.path().join("w"), &manifest(AT), &Passphrase::new("short"), KEYS);
    assert_eq!(weak.unwrap_err().code(), "backup/passphrase-short");
}

#[test]
fn a_shelf_knows_what_is_due_and_takes_away_only_its_own() {
    let dir = tempfile::tempdir().unwrap();
    let shelf = Shelf::new(dir.path().join("backups"));
    let day = Duration::from_secs(86_400);
    assert_eq!(shelf.due(day, AT).unwrap(), AT, "none yet: at once");
    shelf.make().unwrap();
    let times: Vec<_> = (0..4).map(|n| Timestamp(AT.0 + n * day.micros())).collect();
    for at in &times {
        write(&shelf.place(*at), *at);
    }
    let stranger = dir.path().join("backups/towpath-holiday.backup.tar");
    std::fs::write(&stranger, "photographs").unwrap();
    let left = dir.path().join("backups/towpath-x.backup.tar.part");
    std::fs::write(&left, "half").unwrap();
    // Named by hand: it is a backup, but neither the schedule's nor ever in its way.
    let by_hand = dir.path().join("backups/before-the-move.tar");
    write(&by_hand, Timestamp(times[3].0 + 1));
    assert_eq!(shelf.due(day, times[3].plus(day)).unwrap(), times[3].plus(day));
    // The clock went back: what is of the future does not count.
    assert_eq!(shelf.due(day, Timestamp(times[2].0 + 1)).unwrap(), times[2].plus(day));
    let (found, strange) = shelf.list().unwrap();
    assert_eq!(
        found.iter().map(|b| b.manifest.made_at).collect::<Vec<_>>(),
        [Timestamp(times[3].0 + 1), times[3], times[2], times[1], times[0]]
    );
    assert!(found[0].path == by_hand && !found[0].usual && found[1].usual);
    let later = times[3].plus(day);
    assert_eq!(shelf.prunable(2, later).unwrap().len(), 3);
    // What is of the future neither goes nor takes the place of what was made since.
    assert_eq!(shelf.prunable(1, times[1]).unwrap(), [shelf.place(times[0]), left.clone()]);
    assert_eq!(shelf.list().unwrap().0.len(), 5, "asking takes nothing away");
    assert_eq!(strange.len(), 1);
    let gone = shelf.prune(2, later).unwrap();
    assert_eq!(gone, [shelf.place(times[0]), shelf.place(times[1]), left], "the oldest first");
    assert!(stranger.exists() && by_hand.exists());
    assert_eq!(shelf.prune(0, later).unwrap(), [shelf.place(times[2])], "one always stays");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever a file holds, reading it says so and does not break.
    #[test]
    fn no_file_breaks_the_reader(bytes in proptest::collection::vec(any::<u8>(), 0..3000), at in 0usize..6000) {
        let (dir, path) = made();
        let mut mixed = std::fs::read(&path).unwrap();
        let at = at.min(mixed.len());
        mixed.truncate(at);
        mixed.extend(&bytes);
        let bad = dir.path().join("bad.tar");
        std::fs::write(&bad, &mixed).unwrap();
        prop_assert!(verify(&bad).is_err());
        std::fs::write(&bad, &bytes).unwrap();
        prop_assert!(verify(&bad).is_err());
    }
}
