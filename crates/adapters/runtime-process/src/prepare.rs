//! Makes an instance's folder whole before anything is started in it: the unpacked artifact, the files, the pipes and,
//! last, the spec, whose presence says that all the rest is there. May be broken off and begun again at any point.

use crate::folder::Folder;
use crate::spec::SpecFile;
use crate::state::PROTOCOL;
use crate::unpack::{self, UnpackError};
use std::collections::BTreeMap;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use tow_record::InstanceSpec;

/// Makes it whole; does nothing where it is. Blocks: unpacking takes as long as it takes.
pub(crate) fn prepare(
    folder: &Folder,
    epoch: i64,
    mut spec: InstanceSpec,
    archive: Option<PathBuf>,
    passed: BTreeMap<String, String>,
) -> Result<(), UnpackError> {
    let _alone = folder.lock_preparation()?;
    if folder.spec().exists() {
        return Ok(());
    }
    let half = folder.path().join("work.new");
    clear(&half)?;
    std::fs::DirBuilder::new().mode(0o700).create(&half)?;
    if let Some(archive) = archive {
        unpack::unpack(&archive, &half)?;
    }
    for (path, (bytes, mode)) in std::mem::take(&mut spec.files) {
        unpack::write(&half, &path, &bytes, mode)?;
    }
    clear(&folder.work())?;
    std::fs::rename(&half, folder.work())?;
    fifo(&folder.out())?;
    fifo(&folder.err())?;
    SpecFile { v: PROTOCOL, epoch, passed, spec }.write(folder)?;
    Ok(())
}

fn clear(path: &Path) -> io::Result<()> {
    match std::fs::remove_dir_all(path) {
        Err(err) if err.kind() != io::ErrorKind::NotFound => Err(err),
        _ => Ok(()),
    }
}

/// A FIFO and not a pipe: a program that holds it open for reading and writing survives its shim.
fn fifo(path: &Path) -> io::Result<()> {
    use rustix::fs::{CWD, FileType, Mode, mknodat};
    match mknodat(CWD, path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0) {
        Ok(()) | Err(rustix::io::Errno::EXIST) => Ok(()),
        Err(err) => Err(err.into()),
    }
}
