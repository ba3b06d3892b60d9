//! How many connections may be open at a time: what descriptors are left for beside the listeners. Whoever comes when
//! there is no room waits, and nobody who is here suffers.

use crate::target::lock;
use std::sync::{Arc, Mutex};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Descriptors that are for nothing of this: the listeners for all, files, the control socket.
const SPARE: usize = 256;
/// Room for so many there is in any case.
const FEWEST: usize = 16;

/// A connection's place; free again when dropped.
pub(crate) type Place = Arc<OwnedSemaphorePermit>;

/// See the top of this file.
pub(crate) struct Room {
    places: Arc<Semaphore>,
    descriptors: usize,
    most: usize,
    /// How many places there are, taken and free.
    there: Mutex<usize>,
}

impl Room {
    /// For so many descriptors; `most`: and never for more connections than this.
    pub(crate) fn new(descriptors: usize, most: usize) -> Self {
        let room = Self {
            places: Arc::new(Semaphore::new(0)),
            descriptors,
            most: most.min(Semaphore::MAX_PERMITS),
            there: Mutex::new(0),
        };
        room.fit(0);
        room
    }

    /// Beside listeners for so many ports there is room for this many connections: each may need another descriptor to
    /// an instance, and a listener needs two, its own and that of whoever waits there for a place.
    fn beside(&self, listeners: usize) -> usize {
        let pairs = self.descriptors.saturating_sub(SPARE) / 2;
        pairs.saturating_sub(listeners).max(FEWEST).min(self.most)
    }

    /// There are so many listeners for ports now. Places that are taken are lost once they are free: to be said again
    /// now and then.
    pub(crate) fn fit(&self, listeners: usize) {
        let wanted = self.beside(listeners);
        let mut there = lock(&self.there);
        if *there < wanted {
            self.places.add_permits(wanted - *there);
            *there = wanted;
        } else {
            *there -= self.places.forget_permits(*there - wanted);
        }
    }

    /// A place, where there is one at once.
    pub(crate) fn free(&self) -> Option<Place> {
        self.places.clone().try_acquire_owned().ok().map(Arc::new)
    }

    /// A place, once there is one; in the order in which it was asked for.
    pub(crate) async fn take(&self) -> Place {
        tracing::warn!(connections = *lock(&self.there), "as many connections as may be");
        loop {
            // Nobody closes it.
            if let Ok(place) = self.places.clone().acquire_owned().await {
                return Arc::new(place);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn listeners_take_room_from_connections_and_give_it_back() {
        let room = Room::new(SPARE + 200, 80);
        assert_eq!(room.places.available_permits(), 80, "no more than it was told");
        room.fit(50);
        assert_eq!(room.places.available_permits(), 50);
        let mut taken = Vec::new();
        for _ in 0..40 {
            taken.push(room.free().unwrap());
        }
        // Nobody is thrown out for it.
        room.fit(1_000);
        assert_eq!((room.places.available_permits(), *lock(&room.there)), (0, 40));
        taken.truncate(10);
        room.fit(1_000);
        assert_eq!((room.places.available_permits(), *lock(&room.there)), (6, FEWEST));
        room.fit(60);
        assert_eq!((room.places.available_permits(), *lock(&room.there)), (30, 40));
    }
}
