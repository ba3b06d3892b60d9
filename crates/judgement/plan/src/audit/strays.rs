//! Events that do not fit where they stand, and places whose event is missing: brought together, they tell what was
//! moved, inserted and deleted.

use super::leaf_at;
use std::collections::BTreeMap;
use tow_record::Logged;

/// So many of either are kept; the oldest are given up to what can be said of them alone.
const KEPT: usize = 4_096;
/// So many pairs are tried where nothing nearer fits.
const PAIRS: usize = 65_536;

/// What became of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Fate {
    /// What was sealed at `from` stands at `to`.
    Moved { from: i64, to: i64 },
    /// It says something else.
    Changed(i64),
    /// It was never sealed here.
    Inserted(i64),
    /// It is nowhere.
    Deleted(i64),
}

#[derive(Default)]
pub(super) struct Strays {
    /// By where they stand.
    found: BTreeMap<i64, Logged>,
    /// By where it should stand, the leaf.
    wanted: BTreeMap<i64, String>,
    /// How far the last moved one was moved: the next one was probably moved as far.
    offset: i64,
    fates: Vec<Fate>,
}

impl Strays {
    /// The event that stands there is another.
    pub(super) fn mismatch(&mut self, event: Logged, leaf: String) {
        self.wanted.insert(event.seq, leaf);
        self.found.insert(event.seq, event);
    }

    /// Nothing stands there.
    pub(super) fn missing(&mut self, seq: i64, leaf: String) {
        self.wanted.insert(seq, leaf);
    }

    /// An event that no seal covers may be one that was moved out of what they cover.
    pub(super) fn beyond(&mut self, event: Logged) {
        let to = event.seq;
        self.found.insert(to, event);
        let near = [self.offset, 1].map(|offset| to - offset);
        match near.into_iter().find(|from| self.fits(to, *from)) {
            Some(from) => self.pair(from, to),
            None => drop(self.found.remove(&to)),
        }
    }

    /// Pairs what was moved a little or as far as the last one. What is told is given away.
    pub(super) fn settle(&mut self) -> Vec<Fate> {
        let places: Vec<i64> = self.found.keys().copied().collect();
        for to in places {
            let near = [self.offset, 1, -1].map(|offset| to - offset);
            if let Some(from) = near.into_iter().find(|from| self.fits(to, *from)) {
                self.pair(from, to);
            }
        }
        while self.found.len() > KEPT || self.wanted.len() > KEPT {
            let first = self.found.keys().chain(self.wanted.keys()).min().copied();
            let Some(first) = first else { break };
            self.give_up(first);
        }
        std::mem::take(&mut self.fates)
    }

    /// At the end of the log: everything is told.
    pub(super) fn finish(mut self) -> Vec<Fate> {
        let mut fates = self.settle();
        if self.found.len().saturating_mul(self.wanted.len()) <= PAIRS {
            let places: Vec<i64> = self.found.keys().copied().collect();
            for to in places {
                let from = self.wanted.keys().copied().find(|from| self.fits(to, *from));
                if let Some(from) = from {
                    self.pair(from, to);
                }
            }
        }
        let left: Vec<i64> = self.found.keys().chain(self.wanted.keys()).copied().collect();
        left.into_iter().for_each(|seq| self.give_up(seq));
        fates.append(&mut self.fates);
        fates
    }

    fn fits(&self, to: i64, from: i64) -> bool {
        match (self.found.get(&to), self.wanted.get(&from)) {
            (Some(event), Some(leaf)) => leaf_at(event, from) == *leaf,
            _ => false,
        }
    }

    fn pair(&mut self, from: i64, to: i64) {
        self.found.remove(&to);
        self.wanted.remove(&from);
        self.offset = to - from;
        self.fates.push(Fate::Moved { from, to });
    }

    /// Says of this place what can be said without its other half.
    fn give_up(&mut self, seq: i64) {
        let fate = match (self.found.remove(&seq), self.wanted.remove(&seq)) {
            (Some(_), Some(_)) => Fate::Changed(seq),
            (Some(_), None) => Fate::Inserted(seq),
            (None, Some(_)) => Fate::Deleted(seq),
            (None, None) => return,
        };
        self.fates.push(fate);
    }
}
