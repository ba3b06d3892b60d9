//! What a sandboxed program sees of files, as bubblewrap's arguments. The machine's programs and libraries, read-only; the
//! few files of /etc that libraries read; its own folder as its home, volumes, files at absolute paths; nothing else.

use super::{Confined, HOME, OWN};
use crate::folder::Folder;
use crate::spec::SpecFile;
use crate::volumes;
use std::ffi::OsString;
use std::path::{Component, Path, PathBuf};

/// A volume as it was found before the sandbox was made: target, device, inode.
pub(crate) type Seen = (PathBuf, u64, u64);

/// The system, each as a folder or as the link it is on this machine.
const SYSTEM: [&str; 8] =
    ["/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/nix/store"];
/// What libraries read of /etc: names, certificates, the clock's zone, where libraries are.
const ETC: [&str; 28] = [
    "alternatives",
    "ca-certificates",
    "ca-certificates.conf",
    "crypto-policies",
    "default/locale",
    "fonts",
    "gai.conf",
    "host.conf",
    "hostname",
    "hosts",
    "java",
    "java-17-openjdk",
    "java-21-openjdk",
    "ld.so.cache",
    "ld.so.conf",
    "ld.so.conf.d",
    "localtime",
    "mime.types",
    "nsswitch.conf",
    "os-release",
    "pki",
    "profile",
    "protocols",
    "resolv.conf",
    "services",
    "ssl",
    "terminfo",
    "timezone",
];
/// Who answers for names: another one in a network of its own.
pub(crate) const NAMES: &str = "resolv.conf";
/// Bytes of /tmp, and of shared memory: both are memory.
const TMP: u64 = 256 << 20;
const SHM: u64 = 64 << 20;
/// Where nothing of an instance's may be put.
const OURS: [&str; 4] = ["/proc", "/sys", "/dev", OWN];

/// A path as it will be inside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Inside {
    /// In the working folder.
    Home(PathBuf),
    /// Anywhere else.
    At(PathBuf),
}

/// Where a file or a volume is put; why it can't be.
pub(crate) fn inside(target: &str) -> Result<Inside, String> {
    let mut path = PathBuf::new();
    for part in Path::new(target).components() {
        match part {
            Component::RootDir => path.push("/"),
            Component::Normal(name) => path.push(name),
            Component::CurDir => {}
            _ => return Err(format!("{target}: a path that climbs")),
        }
    }
    if path.is_relative() {
        return Ok(Inside::Home(path));
    }
    if let Ok(rest) = path.strip_prefix(HOME) {
        return Ok(Inside::Home(rest.to_path_buf()));
    }
    if path == Path::new("/") || OURS.iter().any(|ours| path.starts_with(ours)) {
        return Err(format!("{target}: the sandbox's own, nothing can be put there"));
    }
    if Path::new(HOME).starts_with(&path) {
        return Err(format!("{target}: it would hide {HOME}"));
    }
    let is_system = SYSTEM.iter().any(|system| path.starts_with(system));
    if is_system && !path.exists() {
        return Err(format!(
            "{target}: not there on this machine, whose own folders are read-only in a sandbox; \
             another place, such as {HOME}, /etc or /opt, can be given"
        ));
    }
    Ok(Inside::At(path))
}

/// What every sandbox is, before any file: processes, names and messages of its own; where asked, a network.
pub(super) fn namespaces(user: Option<u32>, own_network: bool) -> Vec<OsString> {
    let mut args = Args::default();
    args.add(["--unshare-pid", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try"]);
    args.add(["--hostname", "app", "--new-session", "--cap-drop", "ALL"]);
    if own_network {
        args.add(["--unshare-net"]);
    }
    match user {
        // The first process chooses who the program is, and drops these.
        Some(_) => {
            for capability in ["CAP_SETUID", "CAP_SETGID", "CAP_SETPCAP", "CAP_KILL"] {
                args.add(["--cap-add", capability]);
            }
        }
        None => {
            let user = super::USER.to_string();
            args.add(["--unshare-user", "--uid", &user, "--gid", &user]);
        }
    }
    args.0
}

#[derive(Default)]
struct Args(Vec<OsString>);

impl Args {
    fn add<const N: usize>(&mut self, args: [&str; N]) {
        self.0.extend(args.map(OsString::from));
    }

    /// Makes the folders above a path, open to the program, which may be another than who makes the sandbox.
    fn way_to(&mut self, path: &Path) {
        let mut above: Vec<&Path> = path.ancestors().skip(1).collect();
        above.reverse();
        for folder in above.into_iter().filter(|folder| *folder != Path::new("/")) {
            self.0.extend(["--dir".into(), folder.into()]);
        }
    }

    fn mount(&mut self, how: &str, from: &Path, to: &Path) {
        self.0.extend([how.into(), from.into(), to.into()]);
    }
}

/// Everything, the program last: our own binary as the first process.
pub(super) fn arguments(
    folder: &Folder,
    file: &SpecFile,
    confined: &Confined,
    own: &Path,
) -> Result<(Vec<OsString>, Vec<Seen>), String> {
    let bounds = &file.spec.setting.bounds;
    let mut args = Args(namespaces(confined.user, confined.network.is_some()));
    args.add(["--as-pid-1", "--clearenv"]);
    system(&mut args, confined);
    args.add(["--dir", "/etc"]);
    for name in ETC {
        let path = Path::new("/etc").join(name);
        if confined.network.is_some() && name == NAMES {
            args.mount("--ro-bind", &folder.files().join(name), &path);
        } else if path.exists() {
            args.mount("--ro-bind", &path, &path);
        }
    }
    for name in ["passwd", "group"] {
        args.mount("--ro-bind", &folder.files().join(name), &Path::new("/etc").join(name));
    }
    args.add(["--dir", "/run", "--dir", "/var/tmp", "--proc", "/proc", "--dev", "/dev"]);
    let tmp = bounds.memory.map_or(TMP, |most| TMP.min((most / 2).max(1 << 20)));
    let (tmp, shm) = (tmp.to_string(), SHM.min(tmp).to_string());
    args.add(["--perms", "1777", "--size", &shm, "--tmpfs", "/dev/shm"]);
    args.add(["--perms", "1777", "--size", &tmp, "--tmpfs", "/tmp"]);
    let cpus = Path::new("/sys/devices/system/cpu");
    if cpus.exists() {
        args.mount("--ro-bind", cpus, cpus);
    }
    args.mount("--ro-bind", own, Path::new(OWN));
    args.way_to(Path::new(HOME));
    args.mount("--bind", &folder.work(), Path::new(HOME));
    let mut seen = Vec::new();
    let mut targets: Vec<PathBuf> = Vec::new();
    for mount in &file.spec.setting.mounts {
        let target = match inside(&mount.target)? {
            Inside::At(path) => {
                args.way_to(&path);
                path
            }
            Inside::Home(path) => {
                volumes::make_way(&folder.work(), &path)
                    .map_err(|err| format!("{}: {err}", mount.target))?;
                Path::new(HOME).join(path)
            }
        };
        if targets.iter().any(|other| other.starts_with(&target) || target.starts_with(other)) {
            return Err(format!("{}: one volume inside another", mount.target));
        }
        let found = volumes::open(&file.volumes, mount, confined.user)
            .map_err(|err| format!("volume {}: {err}", mount.volume))?;
        let how = if mount.read_only { "--ro-bind" } else { "--bind" };
        args.mount(how, &found.path, &target);
        seen.push((target.clone(), found.device, found.inode));
        targets.push(target);
    }
    for (target, name) in &confined.placed {
        if let Some(volume) = targets.iter().find(|volume| Path::new(target).starts_with(volume)) {
            return Err(format!("{target}: a file inside the volume at {}", volume.display()));
        }
        args.way_to(Path::new(target));
        args.mount("--bind", &folder.files().join(name), Path::new(target));
    }
    args.add(["--remount-ro", "/dev", "--remount-ro", "/"]);
    args.add(["--chdir", "/", "--", OWN, "shim-exec", super::INIT]);
    Ok((args.0, seen))
}

/// The machine's programs and libraries, without what is hidden.
fn system(args: &mut Args, confined: &Confined) {
    let mut shown: Vec<PathBuf> = SYSTEM.map(PathBuf::from).to_vec();
    // One by one, so that files can be put beside them.
    if let Ok(entries) = std::fs::read_dir("/opt") {
        shown.extend(entries.flatten().map(|entry| entry.path()));
    }
    for path in shown {
        if confined.hidden.iter().any(|hidden| path.starts_with(hidden)) {
            continue;
        }
        match path.symlink_metadata() {
            Ok(meta) if meta.is_symlink() => {
                if let Ok(to) = path.read_link() {
                    args.mount("--symlink", &to, &path);
                }
            }
            Ok(meta) if meta.is_dir() => args.mount("--ro-bind", &path, &path),
            _ => continue,
        }
        for hidden in confined.hidden.iter().filter(|hidden| hidden.starts_with(&path)) {
            args.add(["--perms", "0000", "--size", "4096", "--tmpfs"]);
            args.0.push(hidden.into());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_judged_before_anything_is_made() {
        assert_eq!(inside("conf/a"), Ok(Inside::Home("conf/a".into())));
        assert_eq!(inside("/home/app/conf/a"), Ok(Inside::Home("conf/a".into())));
        assert_eq!(inside("/etc/app/a.conf"), Ok(Inside::At("/etc/app/a.conf".into())));
        assert_eq!(inside("/usr/bin/env"), Ok(Inside::At("/usr/bin/env".into())));
        for bad in [
            "/",
            "/proc/1/mem",
            "/dev/null",
            "/.tow",
            "/home",
            "/etc/../x",
            "../x",
            "/usr/nowhere/x",
        ] {
            assert!(inside(bad).is_err(), "{bad}");
        }
    }
}
