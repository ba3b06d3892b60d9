//! Makes an instance's folder whole before anything is started in it: the unpacked artifact, the files, the pipes and,
//! last, the spec, whose presence says that all the rest is there. May be broken off and begun again at any point.

use crate::folder::Folder;
use crate::sandbox::{Confined, HOME, Inside, NAMES, inside, network};
use crate::spec::SpecFile;
use crate::state::PROTOCOL;
use crate::unpack::{self, UnpackError};
use crate::{bounds, volumes};
use std::collections::BTreeMap;
use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use tow_record::InstanceSpec;

/// What the runtime adds to a spec.
pub(crate) struct Added {
    /// Of whoever asked.
    pub(crate) epoch: i64,
    /// What the artifact is unpacked from.
    pub(crate) archive: Option<PathBuf>,
    /// What is passed on of the platform's environment.
    pub(crate) passed: BTreeMap<String, String>,
    /// Where volumes are.
    pub(crate) volumes: PathBuf,
    /// Its sandbox, where it has one.
    pub(crate) confined: Option<Confined>,
}

/// Makes it whole; does nothing where it is. Blocks: unpacking takes as long as it takes.
pub(crate) fn prepare(
    folder: &Folder,
    mut spec: InstanceSpec,
    added: Added,
) -> Result<(), UnpackError> {
    let Added { epoch, archive, passed, volumes, mut confined } = added;
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
    if let Some(confined) = &mut confined {
        clear(&folder.files())?;
        std::fs::DirBuilder::new().mode(0o700).create(folder.files())?;
        let stat = rustix::fs::statvfs(folder.path()).map_err(io::Error::from)?;
        confined.most = bounds::of_a_sandbox(stat.f_bavail.saturating_mul(stat.f_frsize));
        place(folder, &mut spec, confined)?;
    }
    for (path, (bytes, mode)) in std::mem::take(&mut spec.files) {
        unpack::write(&half, &path, &bytes, mode)?;
    }
    clear(&folder.work())?;
    std::fs::rename(&half, folder.work())?;
    fifo(&folder.out())?;
    fifo(&folder.err())?;
    if let Some(user) = confined.as_ref().and_then(|confined| confined.user) {
        volumes::give(&folder.work(), user)?;
        // Its first process passes through, and is another; nobody else gets as far.
        std::fs::set_permissions(folder.work(), std::fs::Permissions::from_mode(0o711))?;
        volumes::give(&folder.files(), user)?;
        // Programs that open /dev/stdout open these.
        volumes::give(&folder.out(), user)?;
        volumes::give(&folder.err(), user)?;
    }
    SpecFile { v: PROTOCOL, epoch, passed, spec, volumes, confined }.write(folder)?;
    Ok(())
}

/// Files at absolute paths are kept beside the working folder until the sandbox puts them there; those that lead into
/// the working folder are written there. And the list of people that the sandbox knows.
fn place(
    folder: &Folder,
    spec: &mut InstanceSpec,
    confined: &mut Confined,
) -> Result<(), UnpackError> {
    for mount in &spec.setting.mounts {
        let why = match inside(&mount.target) {
            Ok(_) if Path::new(&mount.target).is_absolute() => continue,
            Ok(_) => format!("{}: it is to be an absolute path", mount.target),
            Err(why) => why,
        };
        return Err(UnpackError::Refused(format!("volume at {why}")));
    }
    let mut relative = BTreeMap::new();
    for (number, (target, (bytes, mode))) in std::mem::take(&mut spec.files).into_iter().enumerate()
    {
        match inside(&target).map_err(|why| UnpackError::Refused(format!("file at {why}")))? {
            Inside::Home(path) => {
                relative.insert(path.display().to_string(), (bytes, mode));
            }
            Inside::At(path) => {
                let name = format!("{number}");
                unpack::write(&folder.files(), &name, &bytes, mode)?;
                confined.placed.insert(path.display().to_string(), name);
            }
        }
    }
    spec.files = relative;
    let who = confined.who();
    let people = format!(
        "root:x:0:0:root:/root:/usr/sbin/nologin\napp:x:{who}:{who}:app:{HOME}:/bin/sh\n\
         nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n"
    );
    let groups = format!("root:x:0:\napp:x:{who}:\nnogroup:x:65534:\n");
    unpack::write(&folder.files(), "passwd", people.as_bytes(), 0o644)?;
    unpack::write(&folder.files(), "group", groups.as_bytes(), 0o644)?;
    if confined.network.is_some() {
        unpack::write(&folder.files(), NAMES, network::names().as_bytes(), 0o644)?;
    }
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
