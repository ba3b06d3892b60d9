//! Blobs on a real disk: kept whole or not at all, and nothing is left of what broke off.
#![allow(clippy::unwrap_used, reason = "a test may")]

use bytes::Bytes;
use futures::StreamExt as _;
use std::path::Path;
use std::process::Command;
use tow_blobs::BlobDir;
use tow_names::Digest;
use tow_ports::{Blobs as _, ByteStream, PortError};

fn stream(pieces: Vec<Result<Bytes, PortError>>) -> ByteStream {
    futures::stream::iter(pieces).boxed()
}

fn bytes(pieces: &[&[u8]]) -> ByteStream {
    stream(pieces.iter().map(|piece| Ok(Bytes::copy_from_slice(piece))).collect())
}

/// All files below, by their path relative to it.
fn files(dir: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut rest = vec![dir.to_path_buf()];
    while let Some(next) = rest.pop() {
        for entry in std::fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                rest.push(path);
            } else {
                found.push(path.strip_prefix(dir).unwrap().display().to_string());
            }
        }
    }
    found.sort();
    found
}

#[tokio::test]
async fn bytes_are_found_by_what_they_are() {
    let dir = tempfile::tempdir().unwrap();
    let blobs = BlobDir::open(dir.path().join("blobs")).unwrap();
    let (digest, size) = blobs.put(bytes(&[b"he", b"", b"llo"]), 5).await.unwrap();
    assert_eq!((&digest, size), (&Digest::of(b"hello"), 5));
    assert_eq!(blobs.put(bytes(&[b"hello"]), 5).await.unwrap().0, digest);
    let (empty, size) = blobs.put(bytes(&[]), 0).await.unwrap();
    assert_eq!((&empty, size), (&Digest::of(b""), 0));
    let path = blobs.path(&digest).await.unwrap();
    assert_eq!(std::fs::read(&path).unwrap(), b"hello");
    let hex = digest.hex();
    let kept = files(&dir.path().join("blobs"));
    assert_eq!(kept.len(), 2, "the same twice is kept once, and tmp is empty: {kept:?}");
    assert!(kept.contains(&format!("{}/{hex}", &hex[..2])));

    let again = BlobDir::open(dir.path().join("blobs")).unwrap();
    assert!(again.has(&digest).await.unwrap());
    again.remove(&digest).await.unwrap();
    again.remove(&digest).await.unwrap();
    assert!(!blobs.has(&digest).await.unwrap());
    assert!(matches!(blobs.path(&digest).await, Err(PortError::NotThere(_))));
}

#[tokio::test]
async fn many_pieces_and_many_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let blobs = BlobDir::open(dir.path()).unwrap();
    let whole: Vec<u8> = (0..3_500_000_u32).map(|n| (n % 251) as u8).collect();
    let pieces: Vec<&[u8]> = whole.chunks(65_537).collect();
    let puts = (0..4).map(|_| blobs.put(bytes(&pieces), u64::MAX));
    for put in futures::future::join_all(puts).await {
        assert_eq!(put.unwrap(), (Digest::of(&whole), 3_500_000));
    }
    let path = blobs.path(&Digest::of(&whole)).await.unwrap();
    assert_eq!(std::fs::read(path).unwrap(), whole);
    assert_eq!(files(dir.path()).len(), 1);
}

#[tokio::test]
async fn what_breaks_off_leaves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let blobs = BlobDir::open(dir.path()).unwrap();
    let large = blobs.put(bytes(&[b"123", b"4"]), 3).await;
    assert!(matches!(&large, Err(PortError::Refused(why)) if why.contains("3 bytes")), "{large:?}");
    let gone = PortError::Unavailable("the client went away".into());
    let broken = blobs.put(stream(vec![Ok(Bytes::from_static(b"x")), Err(gone.clone())]), 9).await;
    assert_eq!(broken, Err(gone));
    // A caller that stops asking, with the file open.
    let endless = stream(vec![Ok(Bytes::from(vec![7; 2 << 20]))]).chain(futures::stream::pending());
    let putting = blobs.clone();
    let task = tokio::spawn(async move { putting.put(endless.boxed(), u64::MAX).await });
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(20);
    while std::fs::read_dir(dir.path().join("tmp"))
        .unwrap()
        .all(|entry| entry.unwrap().metadata().map_or(0, |data| data.len()) == 0)
    {
        assert!(std::time::Instant::now() < deadline, "the put never began");
        tokio::task::yield_now().await;
    }
    // Somebody else opens the folder meanwhile: what is being filled stays.
    BlobDir::open(dir.path()).unwrap();
    assert_eq!(files(dir.path()).len(), 1);
    task.abort();
    assert!(task.await.unwrap_err().is_cancelled());
    while !files(dir.path()).is_empty() {
        assert!(std::time::Instant::now() < deadline, "{:?}", files(dir.path()));
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn leftovers_of_the_dead_are_swept() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("tmp")).unwrap();
    std::fs::write(dir.path().join("tmp/put-1"), "half").unwrap();
    let blobs = BlobDir::open(dir.path()).unwrap();
    assert!(files(dir.path()).is_empty());
    assert!(blobs.put(bytes(&[b"x"]), 1).await.is_ok());
}

/// Runs the test above this line again, alone, in a mount namespace with a small disk; told to by the environment.
#[test]
fn a_full_disk_is_said_and_leaves_nothing() {
    const INSIDE: &str = "a_full_disk_inside";
    let me = std::env::current_exe().unwrap();
    let disk = tempfile::tempdir().unwrap();
    let script =
        r#"mount -t tmpfs -o size=512k none "$1" && cd "$1" && exec "$2" --ignored --exact "$3""#;
    let ran = Command::new("unshare")
        .args(["-Urm", "sh", "-c", script, "sh"])
        .arg(disk.path())
        .arg(me)
        .arg(INSIDE)
        .output();
    let Ok(output) = ran else {
        println!("not run: there is no `unshare` here");
        return;
    };
    let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    if !text.contains("running 1 test") {
        println!("not run: no small disk can be mounted here: {text}");
        return;
    }
    assert!(output.status.success(), "{text}");
}

#[tokio::test]
async fn all_blobs_are_listed_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let blobs = BlobDir::open(dir.path()).unwrap();
    assert_eq!(blobs.all().await.unwrap(), []);
    let mut put = Vec::new();
    for text in [&b"one"[..], b"three"] {
        put.push(blobs.put(bytes(&[text]), 10).await.unwrap());
    }
    put.sort();
    std::fs::create_dir_all(dir.path().join("ab")).unwrap();
    std::fs::write(dir.path().join("ab/notes"), "of somebody").unwrap();
    assert_eq!(blobs.all().await.unwrap(), put);
}

#[tokio::test]
#[ignore = "run on a small disk by the test above"]
async fn a_full_disk_inside() {
    let blobs = BlobDir::open("blobs").unwrap();
    let large = blobs.put(bytes(&[&vec![1; 2 << 20]]), u64::MAX).await;
    assert!(
        matches!(&large, Err(PortError::Refused(why)) if why.starts_with("the disk is full")),
        "{large:?}"
    );
    assert!(files(Path::new("blobs")).is_empty(), "its space is free again");
    assert!(blobs.put(bytes(&[b"small"]), 10).await.is_ok());
}
