//! The user's terminal, where a verb hands it to a command: typed bytes as they come, its size, and raw mode, which is
//! taken back however the verb ends.

use rustix::termios::{OptionalActions, Termios, tcgetattr, tcgetwinsize, tcsetattr};
use std::io::IsTerminal as _;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;
use tow_api::instance::exec::Size;

/// Is there a person on both ends?
pub(crate) fn is_ours() -> bool {
    std::io::stdin().is_terminal() && std::io::stdout().is_terminal()
}

/// Its size, where there is a terminal.
pub(crate) fn size() -> Option<Size> {
    let size = tcgetwinsize(rustix::stdio::stdout()).ok()?;
    // One that says nothing of itself is taken for an old one.
    let or = |said: u16, else_: u16| if said == 0 { else_ } else { said };
    Some(Size { columns: or(size.ws_col, 80), rows: or(size.ws_row, 24) })
}

/// Told whenever it has another size.
pub(crate) fn resized() -> Option<Signal> {
    signal(SignalKind::window_change()).ok()
}

/// The next time; never, where nobody tells.
pub(crate) async fn next(resized: &mut Option<Signal>) {
    match resized {
        Some(resized) => {
            resized.recv().await;
        }
        None => std::future::pending().await,
    }
}

/// Raw mode: every key is a byte, Ctrl-C too. Taken back when it is dropped.
pub(crate) struct Raw(Option<Termios>);

impl Raw {
    /// Where that can't be, keys come line by line, and nothing has to be taken back.
    pub(crate) fn enter() -> Self {
        let stdin = rustix::stdio::stdin();
        let Ok(before) = tcgetattr(stdin) else { return Self(None) };
        let mut raw = before.clone();
        raw.make_raw();
        match tcsetattr(stdin, OptionalActions::Now, &raw) {
            Ok(()) => Self(Some(before)),
            Err(_) => Self(None),
        }
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        if let Some(before) = &self.0 {
            let _ = tcsetattr(rustix::stdio::stdin(), OptionalActions::Now, before);
        }
    }
}

/// Standard input, piece by piece; closed at its end. Read by a thread of its own, which nobody waits for.
pub(crate) fn input() -> mpsc::Receiver<Vec<u8>> {
    let (sender, receiver) = mpsc::channel(4);
    std::thread::spawn(move || {
        let mut buffer = vec![0; 32 * 1024];
        loop {
            match rustix::io::read(rustix::stdio::stdin(), &mut buffer) {
                Ok(0) => return,
                Ok(length) => {
                    if sender.blocking_send(buffer[..length].to_vec()).is_err() {
                        return;
                    }
                }
                Err(rustix::io::Errno::INTR) => {}
                Err(_) => return,
            }
        }
    });
    receiver
}
