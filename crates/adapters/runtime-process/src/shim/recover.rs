//! What a new shim finds in its folder: nothing, a program to adopt, or the traces of one.

use super::Order;
use crate::proc;
use crate::state::{Kept, Process, State};

/// How the last shim left it.
pub(super) enum Found {
    /// Nothing was started, or the next start is due at `State::next`.
    NotRunning,
    /// The program lives.
    Alive(Process),
    /// It was started, and ended while nobody watched; some of its children may live.
    Ended,
}

/// The state to go on from.
pub(super) fn recover(order: &Order, given: i64, boot: String, kept: Kept) -> (State, Found) {
    let fresh = |id| State::new(id, boot.clone(), order.epoch.max(given));
    let name = order.folder.path().file_name().unwrap_or_default().to_string_lossy();
    let id = || {
        tow_names::Id::parse(&name)
            .or_else(|| tow_names::Id::parse("unnamed"))
            .expect("`unnamed` is an id")
    };
    match kept {
        Kept::State(mut state) => {
            state.epoch = state.epoch.max(order.epoch);
            let found = match state.process {
                Some(process) if proc::lives(&process) => Found::Alive(process),
                Some(_) => Found::Ended,
                None => Found::NotRunning,
            };
            (*state, found)
        }
        Kept::Nothing if !order.folder.attempts().exists() => (fresh(id()), Found::NotRunning),
        // It was started at least once, and what is known of it is lost: whoever holds its pipes is ended.
        Kept::Nothing | Kept::Damaged(_) => {
            let mut state = fresh(id());
            state.attempt = 1;
            (state, Found::Ended)
        }
    }
}
