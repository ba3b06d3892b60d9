//! The sandbox: a view of files of its own, own processes, nothing of the platform's data. Made by bubblewrap; its first
//! process is ours ([`init_main`]) and sees to what bubblewrap does not: who the program is, exact ends, commands beside
//! it. What is in the view is in `view`, what of the kernel is left in `filter`.

pub(crate) mod filter;
mod find;
mod init;
mod loopback;
pub(crate) mod network;
mod relay;
mod view;

pub(crate) use find::{Found, find};
pub(crate) use init::init_main;
pub(crate) use network::Network;
pub(crate) use relay::Joined;
pub(crate) use view::{Inside, NAMES, inside};

use crate::folder::Folder;
use crate::spec::SpecFile;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use tow_record::{Bounds, InstanceSpec};

/// The word by which our binary becomes a sandbox's first process.
pub(crate) const INIT: &str = "init";
/// Our own binary as seen inside, read-only.
pub(crate) const OWN: &str = "/.tow";
/// The program's home and working folder, as seen inside.
pub(crate) const HOME: &str = "/home/app";
/// Who a program is where the platform itself is root: nobody else of the machine, in no range that others give out.
const USER: u32 = 60_999;

/// How a sandbox is made, fixed when the instance is prepared.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Confined {
    /// The program that makes it.
    pub(crate) bwrap: PathBuf,
    /// Whose files are its own; `None` where the platform is no root and the program is whoever the platform is.
    pub(crate) user: Option<u32>,
    /// What is never seen, even where the machine's own folders hold it.
    pub(crate) hidden: Vec<PathBuf>,
    /// Absolute paths inside → names in [`Folder::files`].
    pub(crate) placed: BTreeMap<String, String>,
    /// A network of its own, for programs that listen on fixed ports; the machine's where there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) network: Option<Network>,
    /// What it is held to where its spec says nothing.
    #[serde(default)]
    pub(crate) most: Bounds,
}

impl Confined {
    /// By this program, with this hidden.
    pub(crate) fn new(bwrap: PathBuf, hidden: Vec<PathBuf>) -> Self {
        let user = rustix::process::geteuid().is_root().then_some(USER);
        Self {
            bwrap,
            user,
            hidden,
            placed: BTreeMap::new(),
            network: None,
            most: Bounds::default(),
        }
    }

    /// With a network of its own, through this program, for this instance.
    pub(crate) fn with_network(mut self, slirp: PathBuf, spec: &InstanceSpec) -> Self {
        self.network = Some(Network { slirp, loopback: loopback::ports(spec) });
        self
    }

    /// Who the program is, as it sees itself.
    #[expect(clippy::unused_self, reason = "it is the sandbox's, however it came to be")]
    pub(crate) const fn who(&self) -> u32 {
        USER
    }
}

/// Bubblewrap's whole command line; `own` is our binary's path on the machine. And the volumes as they were found.
pub(crate) fn command(
    folder: &Folder,
    file: &SpecFile,
    confined: &Confined,
    own: &Path,
) -> Result<(Vec<OsString>, Vec<view::Seen>), String> {
    view::arguments(folder, file, confined, own)
}

/// What a sandbox's program gets as its environment: what is passed on, but for the paths of the machine's user.
pub(crate) fn environment(file: &SpecFile) -> BTreeMap<String, String> {
    let mut env: BTreeMap<String, String> =
        file.env().map(|(key, value)| (key.clone(), value.clone())).collect();
    if !file.spec.env.contains_key("HOME") {
        env.insert("HOME".into(), HOME.into());
    }
    env.entry("PATH".into())
        .or_insert_with(|| "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin".into());
    env
}
