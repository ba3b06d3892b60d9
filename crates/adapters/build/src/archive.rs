//! Tar archives: unpacking what somebody sent, packing what was made. Nothing in an archive reaches out of its folder,
//! and the same content is the same archive.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufReader, BufWriter, Read};
use std::path::{Component, Path, PathBuf};
use tow_names::{Digest, Tally};

/// Unpacks into `folder`, which is empty. Files get the present as their time: build tools compare times, and those
/// of a reproducible archive are all the same. Only what `counts` is there afterwards.
pub(crate) fn unpack(
    archive: File,
    folder: &Path,
    limit: u64,
    counts: &dyn Fn(&Path) -> bool,
) -> Result<(), String> {
    let mut archive = tar::Archive::new(BufReader::with_capacity(1 << 18, archive));
    let broken = |error: std::io::Error| format!("the source archive is broken: {error}");
    let mut left = limit;
    for entry in archive.entries().map_err(broken)? {
        let mut entry = entry.map_err(broken)?;
        let path = entry.path().map_err(broken)?.into_owned();
        let kind = entry.header().entry_type();
        let bad = |why: &str| format!("the source archive holds {}, {why}", path.display());
        let failed = |error: std::io::Error| format!("cannot unpack {}: {error}", path.display());
        if kind.is_pax_global_extensions() {
            continue;
        }
        let below = inside(&path).ok_or_else(|| bad("which leaves its folder"))?;
        if !counts(&below) {
            continue;
        }
        if kind.is_dir() {
            make_folders(folder, &below).map_err(failed)?;
            continue;
        }
        let parent = below.parent().unwrap_or(Path::new(""));
        make_folders(folder, parent).map_err(failed)?;
        let full = folder.join(&below);
        if kind.is_symlink() {
            let target = entry.link_name().map_err(broken)?.unwrap_or_default().into_owned();
            if !stays(&below, &target) {
                return Err(bad("a link that leaves its folder"));
            }
            link(&target, &full).map_err(failed)?;
        } else if kind.is_file() {
            left = left.checked_sub(entry.size()).ok_or_else(|| {
                format!("the source is larger than {limit} bytes, which is what a build may use")
            })?;
            let executable = entry.header().mode().map_err(broken)? & 0o111 != 0;
            let mut file = create(&full, executable).map_err(failed)?;
            std::io::copy(&mut entry, &mut file).map_err(failed)?;
        } else {
            return Err(bad("which is neither a file nor a folder nor a link"));
        }
    }
    Ok(())
}

/// The path without `.` parts; `None` where it is absolute, goes up, or names nothing… but the folder itself is empty.
pub(crate) fn inside(path: &Path) -> Option<PathBuf> {
    let mut below = PathBuf::new();
    for part in path.components() {
        match part {
            Component::Normal(name) => below.push(name),
            Component::CurDir => {}
            _ => return None,
        }
    }
    Some(below)
}

/// Does a link at `path` stay inside? Only targets that go up first and then down are let through: after a name, `..`
/// may lead anywhere, because the name may be a link itself.
fn stays(path: &Path, target: &Path) -> bool {
    let mut depth = path.components().count().saturating_sub(1);
    let mut named = false;
    for part in target.components() {
        match part {
            Component::CurDir => {}
            Component::Normal(_) => named = true,
            Component::ParentDir if !named && depth > 0 => depth -= 1,
            _ => return false,
        }
    }
    true
}

/// Makes `below` under `root`, never through a link: what stays inside at its place could leave from another one.
pub(crate) fn make_folders(root: &Path, below: &Path) -> std::io::Result<()> {
    let mut at = root.to_path_buf();
    for part in below.components() {
        at.push(part);
        match std::fs::symlink_metadata(&at) {
            Ok(about) if about.is_dir() => {}
            Ok(_) => return Err(std::io::Error::other("a part of its path is not a folder")),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                std::fs::create_dir(&at)?;
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// What goes into an archive, by its path in it.
pub(crate) type Items = BTreeMap<String, PathBuf>;

/// Every file and link below `folder`, with `prefix` (empty, or ending in `/`) before its path.
pub(crate) fn items(folder: &Path, prefix: &str) -> Result<Items, String> {
    let mut items = Items::new();
    let mut open = vec![(folder.to_path_buf(), prefix.to_string())];
    while let Some((folder, prefix)) = open.pop() {
        let failed = |error: std::io::Error| format!("cannot read {}: {error}", folder.display());
        for entry in std::fs::read_dir(&folder).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let name = entry.file_name();
            let name = name
                .to_str()
                .ok_or_else(|| format!("{prefix}{} is not UTF-8", name.to_string_lossy()))?;
            if entry.file_type().map_err(failed)?.is_dir() {
                open.push((entry.path(), format!("{prefix}{name}/")));
            } else {
                items.insert(format!("{prefix}{name}"), entry.path());
            }
        }
    }
    Ok(items)
}

/// Packs `items` into a new file `out` and returns its digest and size. Durable when it returns.
pub(crate) fn pack(items: &Items, out: &Path, limit: u64) -> Result<(Digest, u64), String> {
    let failed = |error: std::io::Error| format!("cannot write the artifact's archive: {error}");
    let file = BufWriter::with_capacity(1 << 18, File::create(out).map_err(failed)?);
    let mut tar = tar::Builder::new(Tally::new(file));
    for (path, full) in items {
        let unreadable = |error: std::io::Error| format!("cannot read {path}: {error}");
        let about = std::fs::symlink_metadata(full).map_err(unreadable)?;
        if about.is_symlink() {
            let target = std::fs::read_link(full).map_err(unreadable)?;
            if !stays(Path::new(path), &target) {
                return Err(format!(
                    "the output holds {path}, a link to {}, which leaves the folder; keep another folder with \
                     build.output in tow.yaml, or copy what it points to",
                    target.display()
                ));
            }
            let mut header = header(tar::EntryType::Symlink, 0o777, 0);
            tar.append_link(&mut header, path, &target).map_err(failed)?;
        } else if about.is_file() {
            let mut header = header(
                tar::EntryType::Regular,
                if executable(&about) { 0o755 } else { 0o644 },
                about.len(),
            );
            let file = File::open(full).map_err(unreadable)?;
            tar.append_data(&mut header, path, file.take(about.len())).map_err(failed)?;
        } else {
            return Err(format!("the output holds {path}, which is neither a file nor a link"));
        }
        if tar.get_ref().size() > limit {
            return Err(format!(
                "the output is larger than {limit} bytes; keep less of it with build.output in tow.yaml"
            ));
        }
    }
    let (out, digest, size) = tar.into_inner().and_then(Tally::finish).map_err(failed)?;
    out.get_ref().sync_all().map_err(failed)?;
    Ok((digest, size))
}

/// Nothing in it tells who packed, or when. The client's packer says the same of sources: neither room may lean on the
/// other, and no room below both has archives.
fn header(kind: tar::EntryType, mode: u32, size: u64) -> tar::Header {
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_size(size);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header
}

fn executable(about: &std::fs::Metadata) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    about.permissions().mode() & 0o111 != 0
}

/// A file that was not there: an archive that names one twice is refused, and no link is written through.
fn create(path: &Path, executable: bool) -> std::io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt as _;
    let mode = if executable { 0o755 } else { 0o644 };
    File::options().write(true).create_new(true).mode(mode).open(path)
}

fn link(target: &Path, path: &Path) -> std::io::Result<()> {
    std::os::unix::fs::symlink(target, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn archive(entries: &[(&str, tar::EntryType, &str)]) -> File {
        let mut tar = tar::Builder::new(tempfile::tempfile().unwrap());
        for (path, kind, text) in entries {
            let is_link = matches!(kind, tar::EntryType::Symlink | tar::EntryType::Link);
            let mut header = header(*kind, 0o644, if is_link { 0 } else { text.len() as u64 });
            // Written byte by byte: the crate refuses to make the archives that must be refused.
            header.as_mut_bytes()[..path.len()].copy_from_slice(path.as_bytes());
            if is_link {
                header.as_mut_bytes()[157..157 + text.len()].copy_from_slice(text.as_bytes());
            }
            header.set_cksum();
            tar.append(&header, if is_link { &[] } else { text.as_bytes() }).unwrap();
        }
        use std::io::Seek as _;
        let mut file = tar.into_inner().unwrap();
        file.rewind().unwrap();
        file
    }

    #[test]
    fn nothing_leaves_its_folder() {
        use tar::EntryType::{Fifo, Link, Regular, Symlink};
        let cases: [&[(&str, tar::EntryType, &str)]; 9] = [
            &[("../x", Regular, "1")],
            &[("/x", Regular, "1")],
            &[("a/../../x", Regular, "1")],
            &[("l", Symlink, "/etc")],
            &[("l", Symlink, "../x")],
            &[("d", Symlink, "."), ("d/l", Symlink, "..")],
            &[("l", Link, "/etc/passwd")],
            &[("p", Fifo, "")],
            &[("a", Regular, "1"), ("a", Regular, "2")],
        ];
        for case in cases {
            let outer = tempfile::tempdir().unwrap();
            let root = outer.path().join("root");
            std::fs::create_dir(&root).unwrap();
            let names: Vec<_> = case.iter().map(|entry| entry.0).collect();
            assert!(unpack(archive(case), &root, 1000, &|_| true).is_err(), "{names:?}");
            assert_eq!(std::fs::read_dir(outer.path()).unwrap().count(), 1, "{names:?}");
        }
    }

    #[test]
    fn what_is_unpacked_packs_the_same_again() {
        use tar::EntryType::{Regular, Symlink};
        let entries: &[_] =
            &[("a/b.txt", Regular, "b"), ("a/l", Symlink, "../c.txt"), ("c.txt", Regular, "c")];
        let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        unpack(archive(entries), one.path(), 1000, &|_| true).unwrap();
        let out = two.path().join("out.tar");
        let first = pack(&items(one.path(), "").unwrap(), &out, 100_000).unwrap();
        assert_eq!(first.1, std::fs::metadata(&out).unwrap().len());
        let again = two.path().join("again");
        std::fs::create_dir(&again).unwrap();
        unpack(File::open(&out).unwrap(), &again, 1000, &|_| true).unwrap();
        assert_eq!(std::fs::read_to_string(again.join("a/l")).unwrap(), "c");
        assert_eq!(first, pack(&items(&again, "").unwrap(), &out, 100_000).unwrap());
        assert!(pack(&items(&again, "").unwrap(), &out, 100).unwrap_err().contains("build.output"));
        assert!(
            unpack(archive(entries), &two.path().join("again"), 1, &|_| true).is_err(),
            "limit"
        );
    }
}
