//! The shim's own look at what an instance uses: files always, memory and processes where no group holds them. Says why
//! an instance has to end; ends nothing itself.

use super::count::Count;
use super::{Group, bytes};
use crate::folder::Folder;
use crate::proc::Stat;
use std::collections::HashSet;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Duration;
use tokio::time::Instant;
use tow_record::{Bounds, Exit};

/// Between two looks.
const EVERY: Duration = Duration::from_millis(250);
/// Files are counted again after so long by themselves, and so many times as long as counting took.
const COUNTED: Duration = Duration::from_secs(15);
const TIMES: u32 = 30;
/// An end this soon after a process was killed for memory came of it.
const CAUSE: Duration = Duration::from_secs(2);
/// Between two turns of counting, in which the shim does everything else.
const PAUSE: Duration = Duration::from_millis(5);

/// What is watched.
pub(crate) struct Watch {
    bounds: Bounds,
    group: Group,
    /// When to look next, or to go on counting.
    pub(crate) next: Instant,
    /// When to look next.
    due: Instant,
    counting: Option<Counting>,
    used: u64,
    free: u64,
    count_by: Instant,
    count_not_before: Instant,
    killed: u64,
    refused: u64,
    told_refused: bool,
    /// The last word of a process that was killed for memory.
    word: Option<(Instant, String)>,
}

/// Files that are being counted, over many looks.
struct Counting {
    count: Count,
    /// Somebody writes much.
    is_busy: bool,
    free: u64,
    took: Duration,
}

/// What a look found.
pub(crate) enum Look {
    /// Nothing of note.
    Fine,
    /// Something the instance's owner should know; it goes on.
    Word(String),
    /// It has to end, for this reason.
    Over(String),
}

impl Watch {
    /// `None` where there is nothing to watch.
    pub(crate) fn new(bounds: Bounds, group: Group) -> Option<Self> {
        if bounds == Bounds::default() {
            return None;
        }
        let now = Instant::now();
        let (killed, refused) = (group.killed_for_memory(), group.refused_processes());
        Some(Self {
            bounds,
            group,
            next: now + EVERY,
            due: now + EVERY,
            counting: None,
            used: 0,
            free: u64::MAX,
            count_by: now,
            count_not_before: now,
            killed,
            refused,
            told_refused: false,
            word: None,
        })
    }

    /// Looks; `members` are the instance's processes, found only where they are needed.
    pub(crate) fn look(&mut self, folder: &Folder, members: impl Fn() -> Vec<Stat>) -> Look {
        let now = Instant::now();
        let is_due = self.due <= now;
        if is_due {
            self.due = now + EVERY;
        }
        let over = if is_due { self.processes(&members) } else { None };
        let over = over.or_else(|| self.disk(folder, &members));
        self.next = if self.counting.is_some() { Instant::now() + PAUSE } else { self.due };
        if let Some(why) = over {
            return Look::Over(why);
        }
        if !is_due {
            return Look::Fine;
        }
        if let Some(why) = self.killed() {
            return Look::Word(why);
        }
        let refused = self.group.refused_processes();
        if refused > std::mem::replace(&mut self.refused, refused)
            && !std::mem::replace(&mut self.told_refused, true)
            && let Some(most) = self.bounds.processes
        {
            return Look::Word(refusal(most));
        }
        Look::Fine
    }

    /// Whether a process was killed for memory since this was last asked, in words.
    pub(crate) fn killed(&mut self) -> Option<String> {
        let killed = self.group.killed_for_memory();
        let most = self.bounds.memory.filter(|_| killed > self.killed)?;
        self.killed = killed;
        let word = format!("killed: its memory reached its bound of {}", bytes(most));
        self.word = Some((Instant::now(), word.clone()));
        Some(word)
    }

    /// Why a program that ended so may have, as far as bounds go.
    pub(crate) fn reason(&mut self, exit: Exit) -> Option<String> {
        /// SIGXFSZ.
        const TOO_LONG: Exit = Exit::Signal { signal: 25 };
        let most = self.bounds.disk.filter(|_| exit == TOO_LONG);
        if let Some(most) = most {
            return Some(format!("ended: a file reached its bound of {} of files", bytes(most)));
        }
        if exit == (Exit::Code { code: 0 }) {
            return None;
        }
        // It may be the one that was killed, or may have ended because a child was.
        let is_now = self.killed().is_some();
        if let Some((at, word)) = self.word.take()
            && (is_now || at.elapsed() < CAUSE)
        {
            return Some(word);
        }
        // Many programs give up where they get no process.
        let was_refused = self.told_refused || self.group.refused_processes() > self.refused;
        self.bounds.processes.filter(|_| was_refused).map(refusal)
    }

    /// Memory and processes, where no group holds them.
    fn processes(&self, members: &impl Fn() -> Vec<Stat>) -> Option<String> {
        let memory = self.bounds.memory.filter(|_| self.group.memory.is_none());
        let most = self.bounds.processes.filter(|_| self.group.processes.is_none());
        if memory.is_none() && most.is_none() {
            return None;
        }
        let members = members();
        if let Some(most) = most {
            let count: u64 = members.iter().map(|stat| stat.threads).sum();
            if count > most {
                return Some(format!("killed: it had {count} processes, over its bound of {most}"));
            }
        }
        let memory = memory?;
        // What is shared is counted for each first, which is cheap; only where that is too much, exactly.
        let about: u64 = members.iter().map(|stat| memory_of(stat.pid, "status", "VmRSS:")).sum();
        if about <= memory {
            return None;
        }
        let exact: u64 =
            members.iter().map(|stat| memory_of(stat.pid, "smaps_rollup", "Pss:")).sum();
        (exact > memory).then(|| {
            format!(
                "killed: it used {} of memory, over its bound of {}",
                bytes(exact),
                bytes(memory)
            )
        })
    }

    /// Files, counted seldom, and at once where the disk's free space says that somebody writes much.
    fn disk(&mut self, folder: &Folder, members: &impl Fn() -> Vec<Stat>) -> Option<String> {
        let most = self.bounds.disk?;
        if let Some(counting) = self.counting.take() {
            return self.count(counting, most, folder, members);
        }
        let now = Instant::now();
        let free = rustix::fs::statvfs(folder.path())
            .map_or(u64::MAX, |stat| stat.f_bavail.saturating_mul(stat.f_frsize));
        let gone = self.free.saturating_sub(free);
        let room = most.saturating_sub(self.used);
        let is_busy = gone > room / 2;
        if now < self.count_not_before || (now < self.count_by && !is_busy) {
            return None;
        }
        let count = Count::new(vec![folder.work(), folder.files()], most);
        let counting = Counting { count, is_busy, free, took: Duration::ZERO };
        self.count(counting, most, folder, members)
    }

    /// Goes on counting files; what can't be counted is over.
    fn count(
        &mut self,
        mut counting: Counting,
        most: u64,
        folder: &Folder,
        members: &impl Fn() -> Vec<Stat>,
    ) -> Option<String> {
        let began = Instant::now();
        let counted = counting.count.go_on();
        let Some(counted) = counted else {
            counting.took += began.elapsed();
            self.counting = Some(counting);
            return None;
        };
        let mut used = match counted {
            Ok(used) => used,
            Err(why) => {
                return Some(format!(
                    "killed: its files can't be held to their bound of {}: {why}",
                    bytes(most)
                ));
            }
        };
        if counting.is_busy && used <= most {
            used += deleted(&members(), &folder.work());
        }
        let now = Instant::now();
        let took = counting.took + (now - began);
        self.used = used;
        self.free = counting.free;
        self.count_by = now + COUNTED.max(took * TIMES);
        self.count_not_before = now + took * TIMES;
        (used > most).then(|| {
            format!("killed: its files take {}, over its bound of {}", bytes(used), bytes(most))
        })
    }
}

fn refusal(most: u64) -> String {
    format!("a new process was refused: it has as many as its bound of {most} processes allows")
}

/// What a file of `/proc/PID` says of memory, in bytes.
fn memory_of(pid: u32, file: &str, key: &str) -> u64 {
    let Ok(text) = std::fs::read_to_string(format!("/proc/{pid}/{file}")) else { return 0 };
    let line = text.lines().find_map(|line| line.strip_prefix(key));
    line.and_then(|line| line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok())
        .map_or(0, |kib| kib * 1024)
}

/// Files of the same disk that have no name any more and are still open.
fn deleted(members: &[Stat], work: &Path) -> u64 {
    let Ok(device) = work.metadata().map(|meta| meta.dev()) else { return 0 };
    let mut seen = HashSet::new();
    let mut sum = 0;
    for member in members {
        let Ok(fds) = std::fs::read_dir(format!("/proc/{}/fd", member.pid)) else { continue };
        for fd in fds.flatten() {
            let Ok(meta) = std::fs::metadata(fd.path()) else { continue };
            if meta.is_file()
                && meta.nlink() == 0
                && meta.dev() == device
                && seen.insert(meta.ino())
            {
                sum += meta.blocks() * 512;
            }
        }
    }
    sum
}
