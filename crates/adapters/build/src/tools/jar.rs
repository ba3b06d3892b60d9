//! Jars: which of those that were made is the one that runs, and jars without times in them, so that the same source is
//! the same archive.

use crate::archive::Items;
use crate::tree;
use crate::yard::{Output, Yard};
use std::io::Read as _;
use std::path::{Path, PathBuf};

/// Not what runs.
const BESIDE: [&str; 5] = ["-sources", "-javadoc", "-tests", "-plain", "original-"];
/// Midnight, 1 January 1980, as archives write it: the first time they can.
const FIRST: [u8; 4] = [0, 0, 0x21, 0];

/// The artifact out of the jars in `folder`, with the jars that it `needs`.
pub(crate) fn output(yard: &Yard<'_>, folder: &Path, needs: &[PathBuf]) -> Result<Output, String> {
    let all = in_folder(folder);
    let mut runnable = Vec::new();
    for jar in &all {
        let name = jar.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if BESIDE.iter().any(|part| name.contains(part)) {
            continue;
        }
        if let Some(class) = main_class(jar) {
            runnable.push((name, jar.clone(), class));
        }
    }
    // What carries everything with it is larger than what does not.
    runnable.sort_by_key(|(_, jar, _)| {
        std::cmp::Reverse(jar.metadata().map_or(0, |about| about.len()))
    });
    let Some((name, jar, class)) = runnable.into_iter().next() else {
        return Err(format!(
            "no jar in {} can be run: none says its Main-Class in its manifest",
            folder.file_name().unwrap_or_default().to_string_lossy()
        ));
    };
    let mut items = Items::from([("app.jar".to_string(), jar)]);
    for jar in needs {
        let name = jar.file_name().unwrap_or_default().to_string_lossy();
        items.insert(format!("lib/{name}"), jar.clone());
    }
    (yard.say)(&format!("{name} is what runs: {class}"));
    settle(&mut items, &yard.slot.kept("jars"))?;
    let entry = if needs.is_empty() {
        vec!["java".into(), "-jar".into(), "app.jar".into()]
    } else {
        vec!["java".into(), "-cp".into(), "app.jar:lib/*".into(), class]
    };
    let mut more = yard.output()?;
    more.extend(items);
    Ok(Output { items: more, entry, is_static: false })
}

/// The jars in a folder, by name.
pub(crate) fn in_folder(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let mut jars: Vec<PathBuf> = entries
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "jar"))
        .collect();
    jars.sort();
    jars
}

/// Takes away what earlier builds packed, and everything among their classes that is none.
pub(crate) fn forget_packed(target: &Path) -> std::io::Result<()> {
    for jar in in_folder(target) {
        std::fs::remove_file(jar)?;
    }
    tree::clear(&target.join("tow-lib"))?;
    let mut open = vec![target.join("classes")];
    while let Some(folder) = open.pop() {
        let Ok(entries) = std::fs::read_dir(&folder) else { continue };
        for entry in entries {
            let path = entry?.path();
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_none_or(|ending| ending != "class") {
                std::fs::remove_file(path)?;
            }
        }
    }
    Ok(())
}

/// Copies the jars among `items` into `folder`, without the times in them, and lets the items be the copies.
pub(crate) fn settle(items: &mut Items, folder: &Path) -> Result<(), String> {
    let failed = |error: std::io::Error| format!("cannot write {}: {error}", folder.display());
    tree::clear(folder).and_then(|()| std::fs::create_dir_all(folder)).map_err(failed)?;
    for (index, (path, full)) in items.iter_mut().enumerate() {
        if !path.ends_with(".jar") || full.is_symlink() {
            continue;
        }
        let mut bytes = std::fs::read(&*full).map_err(failed)?;
        timeless(&mut bytes);
        let copy = folder.join(format!("{index}.jar"));
        std::fs::write(&copy, bytes).map_err(failed)?;
        *full = copy;
    }
    Ok(())
}

/// `Main-Class` of a jar's manifest.
fn main_class(jar: &Path) -> Option<String> {
    let bytes = std::fs::read(jar).ok()?;
    let entry = entries(&bytes)?.into_iter().find(|entry| entry.name == "META-INF/MANIFEST.MF")?;
    let header = bytes.get(entry.local..entry.local + 30)?;
    let data = entry.local + 30 + two(header, 26)? + two(header, 28)?;
    let packed = bytes.get(data..data + entry.packed)?;
    let mut text = String::new();
    match entry.method {
        0 => text = String::from_utf8_lossy(packed).into_owned(),
        8 => {
            flate2::read::DeflateDecoder::new(packed)
                .take(1 << 20)
                .read_to_string(&mut text)
                .ok()?;
        }
        _ => return None,
    }
    // A line goes on in the next where that begins with a space.
    let text = text.replace("\r\n", "\n").replace("\n ", "");
    text.lines().find_map(|line| Some(line.strip_prefix("Main-Class:")?.trim().to_string()))
}

/// An entry of the directory at an archive's end. Source: PKWARE's APPNOTE, sections 4.3.7 to 4.3.16.
struct Entry {
    name: String,
    method: usize,
    packed: usize,
    /// Where its own header stands.
    local: usize,
    /// Where it stands in the directory, and where its extra field does.
    at: usize,
    extra: (usize, usize),
}

fn two(bytes: &[u8], at: usize) -> Option<usize> {
    Some(usize::from(u16::from_le_bytes(bytes.get(at..at + 2)?.try_into().ok()?)))
}

fn four(bytes: &[u8], at: usize) -> Option<usize> {
    usize::try_from(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?)).ok()
}

/// The directory; `None` where it is none that we can read.
fn entries(bytes: &[u8]) -> Option<Vec<Entry>> {
    const END: [u8; 4] = [0x50, 0x4b, 5, 6];
    let end = (0..=bytes.len().checked_sub(22)?).rev().find(|at| bytes[*at..].starts_with(&END))?;
    let (count, mut at) = (two(bytes, end + 10)?, four(bytes, end + 16)?);
    let mut all = Vec::with_capacity(count);
    for _ in 0..count {
        if bytes.get(at..at + 4)? != [0x50, 0x4b, 1, 2] {
            return None;
        }
        let (name, extra, comment) =
            (two(bytes, at + 28)?, two(bytes, at + 30)?, two(bytes, at + 32)?);
        all.push(Entry {
            name: String::from_utf8_lossy(bytes.get(at + 46..at + 46 + name)?).into_owned(),
            method: two(bytes, at + 10)?,
            packed: four(bytes, at + 20)?,
            local: four(bytes, at + 42)?,
            at,
            extra: (at + 46 + name, extra),
        });
        at += 46 + name + extra + comment;
    }
    Some(all)
}

/// Sets every time in an archive to the first there is. One that can't be read stays as it is.
fn timeless(bytes: &mut [u8]) {
    let Some(all) = entries(bytes) else { return };
    for entry in all {
        bytes[entry.at + 12..entry.at + 16].copy_from_slice(&FIRST);
        no_extra_times(bytes, entry.extra);
        let at = entry.local;
        if bytes.get(at..at + 4) != Some(&[0x50, 0x4b, 3, 4]) {
            continue;
        }
        let (Some(name), Some(extra)) = (two(bytes, at + 26), two(bytes, at + 28)) else {
            continue;
        };
        bytes[at + 10..at + 14].copy_from_slice(&FIRST);
        no_extra_times(bytes, (at + 30 + name, extra));
    }
}

/// The times of Unix among the extra fields become zero.
fn no_extra_times(bytes: &mut [u8], (mut at, length): (usize, usize)) {
    let end = at + length;
    while at + 4 <= end && end <= bytes.len() {
        let (Some(kind), Some(size)) = (two(bytes, at), two(bytes, at + 2)) else { return };
        let (from, to) = (at + 4, (at + 4 + size).min(end));
        if kind == 0x5455 && from < to {
            bytes[from + 1..to].fill(0);
        }
        at += 4 + size;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An archive of one stored file, as the format has it.
    fn archive(time: [u8; 4], text: &str) -> Vec<u8> {
        let name = "META-INF/MANIFEST.MF";
        let (size, length) = ((text.len() as u32).to_le_bytes(), (name.len() as u16).to_le_bytes());
        let extra = [0x55, 0x54, 5, 0, 1, time[0], time[1], time[2], time[3]];
        let mut bytes = vec![0x50, 0x4b, 3, 4, 20, 0, 0, 0, 0, 0];
        bytes.extend(time);
        bytes.extend([0; 4]);
        bytes.extend([size, size].concat());
        bytes.extend([length, (extra.len() as u16).to_le_bytes()].concat());
        bytes.extend(name.as_bytes());
        bytes.extend(extra);
        bytes.extend(text.as_bytes());
        let directory = bytes.len() as u32;
        bytes.extend([0x50, 0x4b, 1, 2, 20, 0, 20, 0, 0, 0, 0, 0]);
        bytes.extend(time);
        bytes.extend([0; 4]);
        bytes.extend([size, size].concat());
        bytes.extend([length, (extra.len() as u16).to_le_bytes()].concat());
        bytes.extend([0; 14]);
        bytes.extend(name.as_bytes());
        bytes.extend(extra);
        let length = bytes.len() as u32 - directory;
        bytes.extend([0x50, 0x4b, 5, 6, 0, 0, 0, 0, 1, 0, 1, 0]);
        bytes.extend([length.to_le_bytes(), directory.to_le_bytes()].concat());
        bytes.extend([0, 0]);
        bytes
    }

    #[test]
    fn times_go_and_the_main_class_stays() {
        let text =
            "Manifest-Version: 1.0\r\nMain-Class: org.example.a.very.long.\r\n name.Main\r\n";
        let (mut one, mut two) = (archive([1, 2, 3, 4], text), archive([5, 6, 7, 8], text));
        assert_ne!(one, two);
        timeless(&mut one);
        timeless(&mut two);
        assert_eq!(one, two);
        let dir = tempfile::tempdir().unwrap();
        let jar = dir.path().join("a.jar");
        std::fs::write(&jar, one).unwrap();
        assert_eq!(main_class(&jar).as_deref(), Some("org.example.a.very.long.name.Main"));
        std::fs::write(&jar, b"no archive").unwrap();
        assert_eq!(main_class(&jar), None);
    }
}
