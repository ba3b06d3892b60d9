//! The paths of one host or port: which route covers a path. The longest prefix of whole segments wins, found by one
//! binary search, however many there are.

use crate::table::Served;
use std::collections::HashSet;
use std::sync::Arc;

/// See the top of this file. Sorted by path; of equal ones the last is served, which is the one with the least id.
#[derive(Default)]
pub(crate) struct Paths(Vec<Entry>);

struct Entry {
    served: Arc<Served>,
    /// The entry before it that its path begins with, letter by letter: the longest.
    above: Option<u32>,
}

impl Entry {
    fn path(&self) -> &str {
        path(&self.served)
    }
}

fn path(served: &Served) -> &str {
    let path = served.route.path.as_str();
    if path.is_empty() { "/" } else { path }
}

impl Paths {
    /// With these, and without the routes of these ids; nothing where nothing is left.
    pub(crate) fn with(&self, put: Vec<Arc<Served>>, gone: &HashSet<&str>) -> Option<Self> {
        let stay = self.0.iter().filter(|entry| !gone.contains(entry.served.route.id.as_str()));
        let mut all: Vec<Arc<Served>> = stay.map(|entry| entry.served.clone()).collect();
        all.extend(put);
        if all.is_empty() {
            return None;
        }
        all.sort_by(|one, other| {
            path(one).cmp(path(other)).then_with(|| other.route.id.cmp(&one.route.id))
        });
        let mut entries: Vec<Entry> = Vec::with_capacity(all.len());
        let mut open: Vec<u32> = Vec::new();
        for served in all {
            while let Some(last) = open.last() {
                if path(&served).starts_with(entries[*last as usize].path()) {
                    break;
                }
                open.pop();
            }
            let above = open.last().copied();
            open.push(entries.len() as u32);
            entries.push(Entry { served, above });
        }
        Some(Self(entries))
    }

    /// The route that covers this path.
    ///
    /// Every prefix of the path that is here sorts before it, and everything that sorts between the two begins with that
    /// prefix: so all of them are above the entry just before the path.
    pub(crate) fn find(&self, path: &str) -> Option<&Arc<Served>> {
        let after = self.0.partition_point(|entry| entry.path() <= path);
        let mut entry = &self.0[after.checked_sub(1)?];
        loop {
            if covers(entry.path(), path) {
                return Some(&entry.served);
            }
            entry = &self.0[entry.above? as usize];
        }
    }
}

/// A prefix covers whole segments: `/api` covers `/api` and `/api/x`, not `/apis`.
fn covers(prefix: &str, path: &str) -> bool {
    match path.strip_prefix(prefix) {
        Some(rest) => rest.is_empty() || rest.starts_with('/') || prefix.ends_with('/'),
        None => false,
    }
}
