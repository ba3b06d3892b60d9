//! Sealed values open where they belong, with every key there ever was, and nowhere else.
#![allow(clippy::unwrap_used, reason = "a test may")]

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use tow_ports::{Keys as _, PortError};
use tow_record::Sealed;
use tow_secrets::{KeyError, KeyFile};

const HERE: &str = "config component:default/web@development KEY";

fn keys(dir: &Path) -> KeyFile {
    KeyFile::open_or_create(dir).unwrap()
}

fn refused(result: Result<Vec<u8>, PortError>) -> bool {
    matches!(result, Err(PortError::Refused(_)))
}

#[test]
fn a_value_opens_only_where_it_was_sealed() {
    let dir = tempfile::tempdir().unwrap();
    let keys = keys(dir.path());
    for plain in [&b""[..], b"hunter2", &[0, 255, 10], &[7; 100_000]] {
        let (one, two) = (keys.seal(HERE, plain).unwrap(), keys.seal(HERE, plain).unwrap());
        assert_ne!(one.sealed, two.sealed);
        assert_eq!(one.digest, two.digest);
        assert_eq!(one.digest, keys.digest(plain));
        assert_eq!(keys.open(HERE, &one).unwrap(), plain);
        assert!(refused(keys.open("config component:default/web@production KEY", &one)));
        assert!(refused(keys.open("", &one)));
    }
    assert_ne!(keys.digest(b"a"), keys.digest(b"b"));
    assert_eq!(keys.digest(b"a").len(), 64);
}

#[test]
fn opening_makes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("keys");
    assert!(KeyFile::open(&folder).unwrap().is_none());
    assert!(!folder.exists(), "not even the folder");
    let made = keys(&folder);
    let opened = KeyFile::open(&folder).unwrap().unwrap();
    assert_eq!((opened.ids(), opened.signing_ids()), (made.ids(), made.signing_ids()));
}

#[test]
fn no_bit_of_a_sealed_value_may_change() {
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    let dir = tempfile::tempdir().unwrap();
    let keys = keys(dir.path());
    let sealed = keys.seal(HERE, b"value").unwrap();
    let bytes = STANDARD.decode(&sealed.sealed).unwrap();
    let with = |bytes: &[u8]| Sealed { sealed: STANDARD.encode(bytes), ..sealed.clone() };
    assert!(keys.open(HERE, &with(&bytes)).is_ok());
    for at in 0..bytes.len() {
        let mut other = bytes.clone();
        other[at] ^= 1;
        assert!(refused(keys.open(HERE, &with(&other))), "byte {at}");
        assert!(refused(keys.open(HERE, &with(&bytes[..at]))), "cut at {at}");
    }
    assert!(refused(keys.open(HERE, &Sealed { sealed: "not base64!".into(), ..sealed })));
}

#[test]
fn what_an_old_key_sealed_opens_after_a_new_one_came() {
    let dir = tempfile::tempdir().unwrap();
    let mut sealed = vec![keys(dir.path()).seal(HERE, b"0").unwrap()];
    for n in 1..4_u8 {
        let added = KeyFile::add_key(dir.path()).unwrap();
        sealed.push(added.seal(HERE, &[b'0' + n]).unwrap());
    }
    let keys = keys(dir.path());
    let used: Vec<&str> = sealed.iter().map(|sealed| sealed.key.as_str()).collect();
    assert_eq!(keys.ids(), used, "each was sealed by the newest key of its time");
    for (n, sealed) in (b'0'..).zip(&sealed) {
        assert_eq!(keys.open(HERE, sealed).unwrap(), [n]);
        assert_eq!(sealed.digest, keys.digest(&[n]), "digests do not turn with the keys");
    }
    // The id is bound too: one key's work does not pass for another's.
    let renamed = Sealed { key: sealed[1].key.clone(), ..sealed[0].clone() };
    assert!(refused(keys.open(HERE, &renamed)));

    let elsewhere = tempfile::tempdir().unwrap();
    let stranger = KeyFile::open_or_create(elsewhere.path()).unwrap();
    let PortError::Refused(why) = stranger.open(HERE, &sealed[0]).unwrap_err() else { panic!() };
    assert!(why.contains(&sealed[0].key), "{why}");
    assert_ne!(stranger.digest(b"0"), keys.digest(b"0"));
}

#[test]
fn the_file_is_for_its_user_alone() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("data/keys");
    let sealed = keys(&folder).seal(HERE, b"x").unwrap();
    let file = folder.join("keys");
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&folder), mode(&file)), (0o700, 0o600));
    for open in [0o640, 0o604, 0o660] {
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(open)).unwrap();
        let error = KeyFile::open_or_create(&folder).unwrap_err();
        assert_eq!(error, KeyError::Readable { path: file.clone(), mode: open });
        assert!(KeyFile::add_key(&folder).is_err());
    }
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o400)).unwrap();
    assert_eq!(keys(&folder).open(HERE, &sealed).unwrap(), b"x");
}

#[test]
fn a_damaged_file_is_not_replaced() {
    let dir = tempfile::tempdir().unwrap();
    keys(dir.path());
    let file = dir.path().join("keys");
    let whole = std::fs::read_to_string(&file).unwrap();
    for (text, line) in [
        (String::new(), 0),
        (whole.lines().take(2).collect::<Vec<_>>().join("\n"), 0),
        (format!("{whole}key key-1 AAAA\n"), 5),
        (format!("{whole}{}\n", whole.lines().last().unwrap()), 5),
    ] {
        std::fs::write(&file, &text).unwrap();
        let error = KeyFile::open_or_create(dir.path()).unwrap_err();
        assert_eq!(error, KeyError::Damaged { path: file.clone(), line });
        assert_eq!(std::fs::read_to_string(&file).unwrap(), text);
    }
    // Somebody died while writing: the file is whole, the rest is swept by the next write.
    std::fs::write(&file, &whole).unwrap();
    std::fs::write(dir.path().join("keys.tmp"), "half").unwrap();
    assert_eq!(KeyFile::add_key(dir.path()).unwrap().ids().len(), 2);
    assert!(!dir.path().join("keys.tmp").exists());
}

#[test]
fn many_that_open_at_once_get_the_same_keys() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("keys");
    let threads: Vec<_> = (0..8)
        .map(|_| {
            let folder = folder.clone();
            std::thread::spawn(move || KeyFile::open_or_create(&folder).unwrap().digest(b"x"))
        })
        .collect();
    let digests: Vec<String> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
    assert!(digests.iter().all(|digest| *digest == digests[0]));
}

#[test]
fn keys_are_not_shown() {
    let dir = tempfile::tempdir().unwrap();
    let keys = keys(dir.path());
    let text = std::fs::read_to_string(dir.path().join("keys")).unwrap();
    let secret = text.lines().last().unwrap().rsplit(' ').next().unwrap();
    assert!(secret.len() > 40);
    assert!(!format!("{keys:?}").contains(secret));
}

#[test]
fn what_is_signed_is_known_again_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let one = keys(dir.path());
    let signed = one.sign(b"seal 1").unwrap();
    let two = keys(dir.path());
    assert_eq!(two.verify(b"seal 1", &signed), Ok(true), "the key was kept");
    assert_eq!(two.public(&signed.key), one.public(&signed.key));
    assert_eq!(two.verify(b"seal 2", &signed), Ok(false));
    let other = tow_record::Signature { signature: "AAAA".into(), ..signed.clone() };
    assert_eq!(two.verify(b"seal 1", &other), Ok(false));
    let elsewhere = tempfile::tempdir().unwrap();
    let stranger = keys(elsewhere.path());
    assert!(matches!(stranger.verify(b"seal 1", &signed), Err(PortError::NotThere(_))));
    assert_eq!(stranger.public(&signed.key), None);
}

#[test]
fn a_key_file_from_before_there_was_signing_gets_a_signing_key_once() {
    let dir = tempfile::tempdir().unwrap();
    let sealed = keys(dir.path()).seal(HERE, b"value").unwrap();
    let path = dir.path().join("keys");
    let text = std::fs::read_to_string(&path).unwrap();
    let old: Vec<&str> = text.lines().filter(|line| !line.starts_with("sign ")).collect();
    assert_eq!(old.len() + 1, text.lines().count());
    std::fs::write(&path, old.join("\n") + "\n").unwrap();
    let signed = keys(dir.path()).sign(b"x").unwrap();
    assert_eq!(keys(dir.path()).verify(b"x", &signed), Ok(true));
    assert_eq!(keys(dir.path()).open(HERE, &sealed).unwrap(), b"value");
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    // A line whose id is not made from its key was changed by somebody.
    let text = std::fs::read_to_string(&path).unwrap().replace("sign sign-", "sign sign-0");
    std::fs::write(&path, text).unwrap();
    assert!(matches!(KeyFile::open_or_create(dir.path()), Err(KeyError::Damaged { .. })));
}

#[test]
fn keys_move_to_another_folder_as_text_and_never_over_others() {
    let (dir, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    assert_eq!(KeyFile::export(&dir.path().join("gone")).unwrap().map(|_| ()), None);
    let sealed = keys(dir.path()).seal(HERE, b"value").unwrap();
    let text = KeyFile::export(dir.path()).unwrap().unwrap();
    let there = elsewhere.path().join("keys");
    KeyFile::import(&there, &text).unwrap();
    assert_eq!(keys(&there).open(HERE, &sealed).unwrap(), b"value");
    assert!(KeyFile::import(&there, &text).is_err(), "there are keys already");
    let other = elsewhere.path().join("other");
    assert!(matches!(KeyFile::import(&other, "nonsense"), Err(KeyError::Damaged { line: 1, .. })));
    assert!(!other.join("keys").exists());
}
