//! What is true of a file alone: whose it is, what else may lie there, and a disk without space.

use crate::place::{Place, open};
use crate::store::{Thing, batch, thing, told};
use std::sync::Arc;
use tow_ports::NoCrossings;
use tow_store::{CommitError, Find, Location, Store};

#[tokio::test]
async fn only_a_store_of_ours_is_opened() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("tow.db");
    std::fs::write(&path, "this is not a database, but long enough to look at: ".repeat(100))
        .unwrap();
    let before = std::fs::read(&path).unwrap();
    let error = open(&Location::File(path.clone())).await.unwrap_err();
    assert_eq!(error.code(), "store/not-a-store", "{error}");
    assert_eq!(std::fs::read(&path).unwrap(), before, "and it is left as it was");

    let missing =
        Store::open(&Location::File(dir.path().join("no/tow.db")), Arc::new(NoCrossings)).await;
    assert_eq!(missing.unwrap_err().code(), "store/file");
}

#[tokio::test]
async fn the_file_is_for_its_user_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let place = Place::file();
    let store = place.open().await;
    store.commit(batch(|b| b.create(&thing("x", "s", 1)))).await.unwrap();
    let mut files = 0;
    for entry in std::fs::read_dir(place.dir()).unwrap() {
        let entry = entry.unwrap();
        let mode = entry.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{:?}", entry.file_name());
        files += 1;
    }
    assert!(files >= 2, "the database and its log");
}

/// Runs the next test again, alone, in a mount namespace with a small disk.
#[test]
fn a_full_disk_stops_nothing_but_writes() {
    let disk = tempfile::tempdir().unwrap();
    let script =
        r#"mount -t tmpfs -o size=2m none "$1" && cd "$1" && exec "$2" --ignored --exact "$3""#;
    let ran = std::process::Command::new("unshare")
        .args(["-Urm", "sh", "-c", script, "sh"])
        .arg(disk.path())
        .arg(std::env::current_exe().unwrap())
        .arg("file::a_full_disk_inside")
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
#[ignore = "run on a small disk by the test above"]
async fn a_full_disk_inside() {
    let path = std::path::Path::new("tow.db");
    let store = Store::open(&path.into(), Arc::new(NoCrossings)).await.unwrap();
    let large = |n: i64| {
        let mut one = thing(&n.to_string(), "s", n);
        one.text = "x".repeat(30_000);
        batch(|b| {
            b.create(&one);
            b.event(told("made", "s"));
        })
    };
    std::fs::write("ballast", vec![0; 200_000]).unwrap();
    let mut written = 0;
    let refused = loop {
        match store.commit(large(written)).await {
            Ok(_) => written += 1,
            Err(error) => break error,
        }
        assert!(written < 1000, "the disk never became full");
    };
    assert_eq!(refused, CommitError::Full);
    assert_eq!(store.commit(large(written)).await, Err(CommitError::Full), "and again");
    assert_eq!(store.list::<Thing>(Find::default()).await.unwrap().len() as i64, written);
    assert_eq!(store.head().await.unwrap(), written);
    // Space is all it takes.
    std::fs::remove_file("ballast").unwrap();
    assert_eq!(store.commit(large(written)).await.map(|done| done.seq), Ok(written + 1));
    store.close().await;
    let full = std::fs::write("ballast", vec![0; 4_000_000]);
    assert!(full.is_err());
    let elsewhere =
        Store::open(&std::path::Path::new("other.db").into(), Arc::new(NoCrossings)).await;
    assert_eq!(elsewhere.unwrap_err().code(), "store/disk-full");
}
