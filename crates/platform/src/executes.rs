//! What executes: the choice between the two sets of adapters, made here and nowhere else.

use crate::{Adapters, Real, SystemClock, fake, real};
use std::sync::Arc;
use tow_ports::Crossings;

/// What executes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Executes {
    /// Processes of this machine.
    Process,
    /// Nothing at all, in memory: for trying the platform out.
    Fake,
}

impl Executes {
    /// The adapters of this choice. `machine` is what the real ones need; the fakes need nothing of it.
    pub fn adapters(
        self,
        machine: &Real,
        crossings: &Arc<dyn Crossings>,
    ) -> Result<Adapters, String> {
        match self {
            Self::Process => real(machine, crossings),
            Self::Fake => {
                let clock = Arc::new(SystemClock);
                let world = tow_fake::World::new(clock.clone()).map_err(|e| e.to_string())?;
                Ok(fake(&world, clock, crossings))
            }
        }
    }
}
