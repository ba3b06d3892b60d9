//! What instances take of the machine: processors and memory of all their processes together, read from `/proc`. Only of
//! those whose spec asks for it, and at most once a second for all of them; decides nothing.

use crate::folder::Folder;
use crate::spec::SpecFile;
use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};
use tow_names::Id;
use tow_record::{Isolation, ObservedInstance, Usage};

/// Between two looks.
const EVERY: Duration = Duration::from_secs(1);

/// A second in the ticks that Linux shows to programs, on every machine that the platform runs on.
const TICKS: u64 = 100;

/// What is known of one instance.
#[derive(Default)]
struct Known {
    /// Its spec asks for it, and its processes are ours to see.
    measured: bool,
    /// The process, when, and how many ticks it and all below it had taken by then.
    last: Option<(u32, Instant, u64)>,
    usage: Option<Usage>,
}

/// What is known of all.
#[derive(Default)]
pub(crate) struct Usages {
    known: Mutex<HashMap<Id, Known>>,
    looked: Mutex<Option<Instant>>,
}

impl Usages {
    /// Adds what is known of these instances, of which all that there are is here. Reads files.
    pub(crate) fn add(&self, dir: &Path, all: &mut [ObservedInstance]) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let ids: HashSet<&Id> = all.iter().map(|seen| &seen.id).collect();
        known.retain(|id, _| ids.contains(id));
        for seen in all.iter() {
            if !known.contains_key(&seen.id)
                && let Ok(file) = SpecFile::read(&Folder::of(dir, &seen.id))
            {
                let setting = &file.spec.setting;
                let measured = setting.measured && setting.isolation < Isolation::Container;
                known.insert(seen.id.clone(), Known { measured, ..Known::default() });
            }
        }
        if self.is_due() {
            let wanted = |seen: &&ObservedInstance| {
                seen.pid.is_some() && known.get(&seen.id).is_some_and(|known| known.measured)
            };
            let wanted: Vec<(Id, u32)> = all
                .iter()
                .filter(wanted)
                .filter_map(|seen| Some((seen.id.clone(), seen.pid?)))
                .collect();
            if !wanted.is_empty() {
                let everyone = everyone();
                for (id, pid) in wanted {
                    if let Some(known) = known.get_mut(&id) {
                        known.look(pid, &everyone);
                    }
                }
            }
        }
        for seen in all.iter_mut().filter(|seen| seen.pid.is_some()) {
            seen.usage = known.get(&seen.id).and_then(|known| known.usage);
        }
    }

    fn is_due(&self) -> bool {
        let mut looked = self.looked.lock().unwrap_or_else(PoisonError::into_inner);
        let due = looked.is_none_or(|at| at.elapsed() >= EVERY);
        if due {
            *looked = Some(Instant::now());
        }
        due
    }
}

impl Known {
    fn look(&mut self, pid: u32, everyone: &[Taken]) {
        let now = Instant::now();
        let tree = below(pid, everyone);
        let ticks: u64 = tree.iter().map(|taken| taken.ticks).sum();
        let memory = tree.iter().filter_map(|taken| resident(taken.pid)).sum();
        // Of another process than before nothing can be said until the next look.
        let before = self.last.filter(|(before, ..)| *before == pid);
        self.usage = before.map(|(_, at, before)| {
            let millis = now.duration_since(at).as_millis().max(1);
            let spent = u128::from(ticks.saturating_sub(before)) * 1_000_000;
            let cpu = spent / u128::from(TICKS) / millis;
            Usage { cpu_millis: u64::try_from(cpu).unwrap_or(u64::MAX), memory }
        });
        self.last = Some((pid, now, ticks));
    }
}

/// What one process took, as `/proc/PID/stat` has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Taken {
    pid: u32,
    parent: u32,
    group: u32,
    /// Its own, and those of children that it outlived.
    ticks: u64,
}

impl Taken {
    fn parse(text: &str) -> Option<Self> {
        // The name stands in brackets and may hold anything, brackets included.
        let pid = text.split(' ').next()?.parse().ok()?;
        let rest: Vec<&str> = text.rsplit_once(") ")?.1.split(' ').collect();
        let number = |at: usize| rest.get(at)?.parse::<u64>().ok();
        let mut ticks = 0;
        for at in 11..15 {
            ticks += number(at)?;
        }
        let parent = rest.get(1)?.parse().ok()?;
        let group = rest.get(2)?.parse().ok()?;
        Some(Self { pid, parent, group, ticks })
    }
}

/// Bytes of memory that a process has.
fn resident(pid: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    Some(line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? * 1024)
}

fn everyone() -> Vec<Taken> {
    let Ok(entries) = std::fs::read_dir("/proc") else { return Vec::new() };
    let pids = entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()));
    pids.filter_map(|pid| Taken::parse(&std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?))
        .collect()
}

/// A process, its group, and all that they started.
fn below(pid: u32, everyone: &[Taken]) -> Vec<Taken> {
    let mut tree: HashSet<u32> =
        everyone.iter().filter(|t| t.pid == pid || t.group == pid).map(|t| t.pid).collect();
    loop {
        // Parents are not sorted before children: go round until nothing is added.
        let before = tree.len();
        for taken in everyone {
            if tree.contains(&taken.parent) {
                tree.insert(taken.pid);
            }
        }
        if tree.len() == before {
            break;
        }
    }
    everyone.iter().filter(|taken| tree.contains(&taken.pid)).copied().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tree_is_the_group_and_all_below_it() {
        let line = "42 (a ) b (c) d) S 1 42 40 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 98765 9 77 0";
        let own = Taken::parse(line).unwrap();
        assert_eq!(own, Taken { pid: 42, parent: 1, group: 42, ticks: 5 + 6 + 7 + 8 });
        let other = |pid, parent, group| Taken { pid, parent, group, ticks: 1 };
        let all = [other(50, 49, 50), own, other(49, 42, 49), other(51, 1, 42), other(60, 1, 60)];
        let tree: Vec<u32> = below(42, &all).iter().map(|taken| taken.pid).collect();
        assert_eq!(tree, [50, 42, 49, 51]);
        assert!(below(7, &all).is_empty());
    }

    #[test]
    fn work_shows_and_rest_does_not() {
        let pid = std::process::id();
        let mut known = Known { measured: true, ..Known::default() };
        known.look(pid, &everyone());
        assert!(known.usage.is_none(), "one look says nothing");
        let begun = Instant::now();
        let mut sum = 0_u64;
        while begun.elapsed() < Duration::from_millis(300) {
            sum = std::hint::black_box(sum + 1);
        }
        known.look(pid, &everyone());
        let usage = known.usage.unwrap();
        assert!(usage.cpu_millis >= 100 && usage.memory > 1 << 20, "{usage:?}");
    }
}
