//! What is left when a control plane is killed: the bytes of the store's files, and a world that does not care.

use std::path::Path;
use std::sync::Arc;
use tow_fake::{FakeClock, World};
use tow_names::Duration;
use tow_ports::Clock as _;

/// A dead platform. Opened any number of times; each time on a copy.
#[derive(Clone)]
pub struct Image {
    /// After how many crossings, and which was the last.
    pub at: (usize, String),
    files: Vec<(&'static str, Vec<u8>)>,
    world: Arc<World>,
    clock: Arc<FakeClock>,
    touched: u64,
}

/// The store's file and its log; the third one, shared memory, is made anew by whoever opens them.
const FILES: [&str; 2] = ["tow.db", "tow.db-wal"];

impl std::fmt::Debug for Image {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Image").field("at", &self.at).finish_non_exhaustive()
    }
}

impl Image {
    /// Of the store in this directory and the world as they are at this moment; nobody may be writing.
    pub(crate) fn of(dir: &Path, original: &World, clock: &FakeClock, at: (usize, String)) -> Self {
        let read = |name: &&'static str| Some((*name, std::fs::read(dir.join(name)).ok()?));
        let (world, clock) = forked(original, clock);
        let touched = *original.touched().borrow();
        Self { at, files: FILES.iter().filter_map(read).collect(), world, clock, touched }
    }

    /// Nothing at all happened between the two: before an effect there is what there was after the last one.
    pub fn is_same(&self, other: &Self) -> bool {
        self.touched == other.touched
            && self.clock.now() == other.clock.now()
            && self.files == other.files
    }

    /// The same, so much time later.
    #[must_use]
    pub fn later(&self, by: Duration) -> Self {
        let (world, clock) = forked(&self.world, &self.clock);
        clock.advance(by);
        Self { world, clock, ..self.clone() }
    }

    /// A copy of it in this directory.
    pub(crate) fn lay_out(&self, dir: &Path) -> (Arc<World>, Arc<FakeClock>) {
        for (name, bytes) in &self.files {
            std::fs::write(dir.join(name), bytes).expect("a temporary directory takes files");
        }
        forked(&self.world, &self.clock)
    }
}

fn forked(world: &World, clock: &FakeClock) -> (Arc<World>, Arc<FakeClock>) {
    let clock = FakeClock::at(clock.now());
    let world = world.fork(clock.clone()).expect("a temporary directory for a world");
    (world, clock)
}
