//! What the checks look at: the data directory, who holds it, the machine. Gathered once, read only.

use crate::{Global, data, error::HostError, up};
use std::ffi::OsString;
use std::path::Path;
use tow_client::PlatformFile;
use tow_names::Timestamp;
use tow_platform::{Examined, Layout, StoreError, SystemClock};
use tow_ports::Clock as _;

/// One look at everything.
pub(crate) struct Scene {
    pub(crate) layout: Layout,
    /// There is a data directory.
    pub(crate) begun: bool,
    /// Who holds its lock: the control plane.
    pub(crate) holder: Option<u32>,
    /// What the platform wrote of itself, whether or not it lives.
    pub(crate) file: Option<PlatformFile>,
    /// All processes of this machine that we may look at.
    pub(crate) processes: Vec<Process>,
    /// What is in the store, or why it can't be read; none where there is none.
    pub(crate) store: Option<Result<Examined, StoreError>>,
    pub(crate) now: Timestamp,
    /// Where tools are looked for.
    pub(crate) path: OsString,
}

/// One process.
#[derive(Debug, Clone)]
pub(crate) struct Process {
    pub(crate) pid: u32,
    pub(crate) argv: Vec<String>,
}

impl Process {
    /// What it runs, for people.
    pub(crate) fn program(&self) -> String {
        let program = self.argv.first().map(String::as_str).unwrap_or_default();
        program.rsplit('/').next().unwrap_or_default().to_string()
    }
}

impl Scene {
    /// Looks; changes nothing.
    pub(crate) fn look(
        global: &Global,
        database: Option<&str>,
        deep: bool,
    ) -> Result<Self, HostError> {
        let layout = data::layout(global)?;
        let location = up::location(database, &layout)?;
        let begun = layout.root().is_dir();
        #[expect(clippy::disallowed_methods, reason = "the host reads the host's environment")]
        let path = std::env::var_os("PATH").unwrap_or_default();
        let store = super::store::examine(&location, deep)?;
        Ok(Self {
            begun,
            holder: data::holder(&layout.lock()),
            file: data::platform_file(&layout),
            processes: processes(),
            store,
            now: SystemClock.now(),
            path,
            layout,
        })
    }

    /// A control plane runs on this data directory.
    pub(crate) const fn up(&self) -> bool {
        self.holder.is_some()
    }

    /// The processes that run in one of our hidden roles on this data directory, with the folder they serve.
    pub(crate) fn roles(&self) -> impl Iterator<Item = (&Process, &str, &Path)> {
        let bin = self.layout.bin();
        self.processes.iter().filter_map(move |process| {
            let [program, role, folder, ..] = process.argv.as_slice() else { return None };
            let ours = Path::new(program).starts_with(&bin);
            ours.then(|| (process, role.as_str(), Path::new(folder)))
        })
    }

    /// Of what the store holds, where it could be read.
    pub(crate) fn examined(&self) -> Option<&Examined> {
        self.store.as_ref()?.as_ref().ok()
    }
}

fn processes() -> Vec<Process> {
    let Ok(entries) = std::fs::read_dir("/proc") else { return Vec::new() };
    let pids = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter_map(|pid: u32| {
        let line = std::fs::read(format!("/proc/{pid}/cmdline")).ok()?;
        let argv = line
            .split(|byte| *byte == 0)
            .filter(|arg| !arg.is_empty())
            .map(|arg| String::from_utf8_lossy(arg).into_owned())
            .collect::<Vec<_>>();
        (!argv.is_empty()).then_some(Process { pid, argv })
    })
    .collect()
}

/// Bytes as people read them.
pub(crate) fn bytes(count: u64) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    let (mut number, mut unit) = (count as f64, 0);
    while number >= 1024.0 && unit + 1 < UNITS.len() {
        number /= 1024.0;
        unit += 1;
    }
    if unit == 0 { format!("{count} B") } else { format!("{number:.1} {}", UNITS[unit]) }
}
