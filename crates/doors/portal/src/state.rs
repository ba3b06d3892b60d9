//! How a state looks: shape, word and colour, the same as on the command line.

use maud::{Markup, html};
use tow_record::{Mode, State};

/// A badge of what may be live and yet answer nobody.
pub(crate) fn badge_of(state: State, mode: &Mode) -> Markup {
    let (shape, word) = match mode {
        Mode::Paused { .. } if state == State::Live => ("‖", "paused"),
        Mode::Maintenance { .. } if state == State::Live => ("⊘", "maintenance"),
        _ => return badge(state),
    };
    html! {
        span class={ "state " (State::Degraded.as_str()) } {
            span.shape aria-hidden="true" { (shape) }
            (word)
        }
    }
}

/// A badge.
pub(crate) fn badge(state: State) -> Markup {
    let shape = match state {
        State::Live => "●",
        State::Rolling => "◐",
        State::Waiting => "…",
        State::Degraded => "▲",
        State::Failed => "✕",
        State::Asleep => "☾",
        State::Stopped => "○",
        State::Unknown => "?",
    };
    html! {
        span class={ "state " (state.as_str()) } {
            span.shape aria-hidden="true" { (shape) }
            (state.as_str())
        }
    }
}
