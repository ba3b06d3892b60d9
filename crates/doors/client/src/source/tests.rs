//! Packing, on real folders.

use super::*;
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::fs;
use std::process::Command;
use std::time::{Duration, UNIX_EPOCH};

fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (path, content) in files {
        write(dir.path(), path, content.as_bytes());
    }
    dir
}

fn write(root: &Path, path: &str, content: &[u8]) {
    let full = root.join(path);
    fs::create_dir_all(full.parent().unwrap()).unwrap();
    fs::write(full, content).unwrap();
}

/// The paths in the archive, in its order.
fn names(folder: &Path) -> Vec<String> {
    let mut bytes = Vec::new();
    let packed = pack(folder, &mut bytes).unwrap();
    assert_eq!(packed.size, bytes.len() as u64);
    assert_eq!(packed.digest, Digest::of(&bytes));
    let mut archive = tar::Archive::new(bytes.as_slice());
    let names: Vec<String> = archive
        .entries()
        .unwrap()
        .map(|entry| entry.unwrap().path().unwrap().to_str().unwrap().to_string())
        .collect();
    assert_eq!(packed.files, names.len());
    names
}

fn refusal(folder: &Path) -> PackError {
    let mut out = Vec::new();
    let error = pack(folder, &mut out).unwrap_err();
    assert!(out.is_empty(), "a refusal writes nothing");
    error
}

#[test]
fn ignore_files_hold_without_a_repository() {
    let dir = folder(&[
        ("main.py", "1"),
        ("b/keep.txt", "1"),
        ("b/drop.log", "1"),
        ("dist/index.html", "1"),
        ("notes/private.txt", "1"),
        (".gitignore", "*.log\ndist/\n"),
        (".towignore", "notes/\n!dist/\n"),
        (".git/HEAD", "ref: refs/heads/main"),
        ("cache/CACHEDIR.TAG", "Signature: 8a477f597d28d172789f06886806bc55\n# a tool's"),
        ("cache/huge.bin", "1"),
    ]);
    assert_eq!(
        names(dir.path()),
        [".gitignore", ".towignore", "b/keep.txt", "dist/index.html", "main.py"]
    );
}

#[test]
fn a_parent_decides_only_inside_a_repository() {
    let dir = folder(&[(".gitignore", "*.log\n"), ("app/a.log", "1"), ("app/b.txt", "1")]);
    assert_eq!(names(&dir.path().join("app")), ["a.log", "b.txt"]);
    fs::create_dir(dir.path().join(".git")).unwrap();
    assert_eq!(names(&dir.path().join("app")), ["b.txt"]);
}

#[test]
fn secrets_are_refused_all_at_once() {
    let pem = "-----BEGIN RSA PRIVATE KEY-----\nAAAA\n-----END RSA PRIVATE KEY-----\n";
    let dir = folder(&[
        ("a/.env", "A=1"),
        (".env.production", "A=1"),
        (".env.example", "A="),
        ("deploy/id_ed25519", "x"),
        ("deploy/id_ed25519.pub", "ssh-ed25519 AAAA"),
        ("tls/server.pem", &format!("# certificate first\n{pem}")),
        ("tls/ca.pem", "-----BEGIN CERTIFICATE-----"),
        ("anything.txt", &format!("\n{pem}")),
        ("src/lib.rs", "const HEAD: &str = \"-----BEGIN PRIVATE KEY-----\";"),
    ]);
    let error = refusal(dir.path());
    let text = error.to_string();
    let PackError::Secret { files } = &error else { panic!("{error:?}") };
    let files: Vec<_> = files.iter().map(|(path, _)| path.to_str().unwrap()).collect();
    assert_eq!(
        files,
        [".env.production", "a/.env", "anything.txt", "deploy/id_ed25519", "tls/server.pem"]
    );
    assert!(text.contains("a/.env (an environment file)"), "{text}");
    assert!(error.hint().contains(".towignore"));
    write(dir.path(), ".towignore", b".env.*\n.env\nanything.txt\ndeploy/\ntls/\n");
    assert_eq!(names(dir.path()), [".towignore", "src/lib.rs"]);
}

#[cfg(unix)]
#[test]
fn links_stay_inside_or_are_refused() {
    use std::os::unix::fs::symlink;
    let dir = folder(&[("a/b/c.txt", "1")]);
    symlink("../a/b/c.txt", dir.path().join("a/link")).unwrap();
    assert_eq!(names(dir.path()), ["a/b/c.txt", "a/link"]);
    for bad in ["/etc/passwd", "../../x", "b/../../x", "b/.."] {
        symlink(bad, dir.path().join("a/bad")).unwrap();
        let error = refusal(dir.path());
        assert!(matches!(error, PackError::LinkLeaves { .. }), "{bad}: {error:?}");
        assert!(error.to_string().contains("a/bad"), "{error}");
        fs::remove_file(dir.path().join("a/bad")).unwrap();
    }
}

#[cfg(unix)]
#[test]
fn what_is_no_file_is_refused_by_name() {
    let dir = folder(&[("a.txt", "1")]);
    let _socket = std::os::unix::net::UnixListener::bind(dir.path().join("s.sock")).unwrap();
    let error = refusal(dir.path());
    assert!(matches!(&error, PackError::Special { path } if path.ends_with("s.sock")), "{error:?}");
}

/// Root reads everything, so the refusal can be seen only as somebody else.
#[cfg(unix)]
#[test]
fn an_unreadable_file_is_named() {
    use std::os::unix::fs::PermissionsExt as _;
    let dir = folder(&[("a.txt", "1"), ("sub/locked.txt", "1")]);
    let locked = dir.path().join("sub/locked.txt");
    fs::set_permissions(&locked, fs::Permissions::from_mode(0o000)).unwrap();
    if File::open(&locked).is_ok() {
        let missing = pack(&dir.path().join("not-there"), Vec::new()).unwrap_err();
        assert_eq!(missing.code(), "source/not-a-folder");
        return;
    }
    let error = refusal(dir.path());
    assert!(error.to_string().contains("sub/locked.txt"), "{error}");
    assert_eq!(error.code(), "source/unreadable");
}

#[test]
fn a_folder_that_is_too_large_names_its_largest() {
    let dir = folder(&[("a/b/deep.bin", ""), ("c.bin", ""), ("d.txt", "1")]);
    write(dir.path(), "a/b/deep.bin", &[0; 6000]);
    write(dir.path(), "c.bin", &[0; 3000]);
    let error = pack_within(dir.path(), 5000, Vec::new()).unwrap_err();
    let PackError::TooLarge { size: 9001, limit: 5000, files: 3, largest } = &error else {
        panic!("{error:?}")
    };
    assert_eq!(largest[0], ("a/b/deep.bin".into(), 6000));
    assert_eq!(largest[1], ("c.bin".into(), 3000));
    assert_eq!(pack_within(dir.path(), 9001, Vec::new()).unwrap().files, 3);
}

#[test]
fn nothing_to_pack_says_so() {
    let dir = folder(&[(".gitignore", "*\n"), ("a", "1")]);
    assert_eq!(refusal(dir.path()).code(), "source/empty");
}

#[test]
fn packing_to_a_file_gives_the_same_bytes() {
    let dir = folder(&[("a", "1"), ("b/c", "2")]);
    let mut memory = Vec::new();
    let packed = pack(dir.path(), &mut memory).unwrap();
    let (to_file, mut file) = pack_to_file(dir.path(), SIZE_LIMIT).unwrap();
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).unwrap();
    assert_eq!((to_file, bytes), (packed, memory));
}

#[test]
fn a_commit_is_told_with_its_changes() {
    let dir = folder(&[("app/a.txt", "1"), ("other.txt", "1")]);
    let git = |args: &[&str]| {
        let done = Command::new("git")
            .arg("-C")
            .arg(dir.path())
            .args(["-c", "user.name=T", "-c", "user.email=t@example.com"])
            .args(args)
            .output()
            .unwrap();
        assert!(done.status.success(), "{done:?}");
    };
    git(&["init", "-q"]);
    let app = dir.path().join("app");
    assert_eq!(commit_of(&app), None, "no commit yet");
    git(&["add", "."]);
    git(&["commit", "-q", "-m", "First"]);
    let commit = commit_of(&app).unwrap();
    assert_eq!(commit.len(), 40, "{commit}");
    fs::write(dir.path().join("other.txt"), "2").unwrap();
    assert_eq!(commit_of(&app).as_deref(), Some(commit.as_str()), "a change beside the folder");
    fs::write(app.join("new.txt"), "1").unwrap();
    assert_eq!(commit_of(&app).unwrap(), format!("{commit}+changes"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    /// The same content, made in another order, at another time and with other permissions for the group, is the
    /// same archive; other content is another one.
    #[test]
    fn the_same_content_is_the_same_archive(
        files in prop::collection::btree_map(
            "[a-c]{1,2}(/[a-z]{1,3}){0,2}\\.[a-z]", prop::collection::vec(any::<u8>(), 0..2000), 1..8),
        times in prop::collection::vec(1_000_000_000u64..2_000_000_000, 8),
        long in any::<bool>(),
    ) {
        let mut files: BTreeMap<String, Vec<u8>> = files;
        if long {
            files.insert(format!("{}/z.txt", "long".repeat(40)), b"long".to_vec());
        }
        let make = |backwards: bool| {
            let dir = tempfile::tempdir().unwrap();
            let mut order: Vec<_> = files.iter().collect();
            if backwards {
                order.reverse();
            }
            for (at, (path, content)) in order.into_iter().enumerate() {
                write(dir.path(), path, content);
                if backwards {
                    let file = File::options().write(true).open(dir.path().join(path)).unwrap();
                    file.set_modified(UNIX_EPOCH + Duration::from_secs(times[at % times.len()])).unwrap();
                    #[cfg(unix)]
                    {
                        use std::os::unix::fs::PermissionsExt as _;
                        file.set_permissions(fs::Permissions::from_mode(0o600)).unwrap();
                    }
                }
            }
            if backwards {
                fs::create_dir_all(dir.path().join("empty/folder")).unwrap();
            }
            dir
        };
        let (one, two) = (make(false), make(true));
        let first = pack(one.path(), Vec::new()).unwrap();
        prop_assert_eq!(&first, &pack(two.path(), Vec::new()).unwrap());
        let (path, content) = files.iter().next().unwrap();
        write(two.path(), path, &[content.as_slice(), b"!"].concat());
        prop_assert_ne!(first.digest, pack(two.path(), Vec::new()).unwrap().digest);
    }
}
