//! The artifact as a layer: its files below `/app`, with nothing in it that tells when or by whom it was made.

use std::fs::File;
use std::io::{BufReader, BufWriter, Read};
use std::path::{Path, PathBuf};
use tow_names::{Digest, Tally};

/// Where the artifact lies in an image.
pub(crate) const FOLDER: &str = "app";

/// A layer in a file.
#[derive(Debug)]
pub(crate) struct Layer {
    pub(crate) file: PathBuf,
    /// As it is in the registry: compressed.
    pub(crate) digest: String,
    pub(crate) size: u64,
    /// Of the archive before it was compressed.
    pub(crate) plain: String,
}

/// Makes the layer in `folder`; refused where the archive is not the one that was named.
pub(crate) fn make(archive: &Path, digest: &Digest, folder: &Path) -> Result<Layer, String> {
    let unreadable = |error: std::io::Error| format!("the artifact can't be read: {error}");
    let failed = |error: std::io::Error| format!("the layer can't be written: {error}");
    let source = File::open(archive).map_err(unreadable)?;
    let mut heard = Heard { from: BufReader::new(source), hasher: Tally::new(std::io::sink()) };
    let path = folder.join("layer");
    let out = BufWriter::new(File::create(&path).map_err(failed)?);
    let packed = flate2::write::GzEncoder::new(Tally::new(out), flate2::Compression::new(6));
    let mut tar = tar::Builder::new(Tally::new(packed));
    tar.append(&header(tar::EntryType::Directory, &format!("{FOLDER}/"), 0o755)?, std::io::empty())
        .map_err(failed)?;
    let mut entries = tar::Archive::new(&mut heard);
    for entry in entries.entries().map_err(unreadable)? {
        let mut entry = entry.map_err(unreadable)?;
        let kind = entry.header().entry_type();
        let mode = entry.header().mode().map_err(unreadable)?;
        let name = Path::new(FOLDER).join(entry.path().map_err(unreadable)?);
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(kind);
        header.set_mode(mode);
        header.set_size(entry.size());
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(0);
        match entry.link_name().map_err(unreadable)? {
            Some(target) => {
                let target = target.into_owned();
                tar.append_link(&mut header, &name, target).map_err(failed)?;
            }
            None => tar.append_data(&mut header, &name, &mut entry).map_err(failed)?,
        }
    }
    // What stands behind the last entry belongs to the digest as well.
    std::io::copy(&mut heard, &mut std::io::sink()).map_err(unreadable)?;
    let (_, seen, _) = heard.hasher.finish().map_err(unreadable)?;
    if seen != *digest {
        return Err(format!(
            "the artifact's archive is not the one that was built: {} instead of {}",
            seen.short(),
            digest.short()
        ));
    }
    let (packed, plain, _) = tar.into_inner().and_then(Tally::finish).map_err(failed)?;
    let (out, digest, size) = packed.finish().and_then(Tally::finish).map_err(failed)?;
    out.into_inner().map_err(|error| failed(error.into_error()))?;
    Ok(Layer { file: path, digest: digest.to_string(), size, plain: plain.to_string() })
}

fn header(kind: tar::EntryType, name: &str, mode: u32) -> Result<tar::Header, String> {
    let mut header = tar::Header::new_gnu();
    header.set_path(name).map_err(|error| error.to_string())?;
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_size(0);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header.set_cksum();
    Ok(header)
}

/// Reads on, and remembers the digest of what was read.
struct Heard<R> {
    from: R,
    hasher: Tally<std::io::Sink>,
}

impl<R: Read> Read for Heard<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        use std::io::Write as _;
        let count = self.from.read(buffer)?;
        self.hasher.write_all(&buffer[..count])?;
        Ok(count)
    }
}
