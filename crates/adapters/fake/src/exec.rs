//! Commands beside pretended programs: they do acts as programs do, and end when either half of them is dropped.

use crate::World;
use crate::act::{self, Act, Next, Scene};
use crate::world::obey;
use bytes::Bytes;
use futures::StreamExt as _;
use futures::stream;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use tokio::sync::mpsc;
use tow_names::{Id, Timestamp};
use tow_ports::{ExecIn, ExecOut, ExecSession, ExecSpec, PortError, Size};
use tow_record::{Exit, LogStream};

/// What typing Ctrl-C sends, and the signal it becomes on a terminal.
const INTERRUPT: (u8, i32) = (3, 2);

/// A command under way. Whatever it serves goes with it.
struct Command {
    world: Arc<World>,
    id: Id,
    number: u64,
    acts: VecDeque<Act>,
    env: BTreeMap<String, String>,
    tty: Option<Size>,
    /// It says its terminal's size whenever that is another one.
    sizes: bool,
    input: mpsc::Receiver<ExecIn>,
    ready: VecDeque<ExecOut>,
    over: bool,
}

impl Drop for Command {
    fn drop(&mut self) {
        self.world.act(|state, _| state.ground.leave(&self.id, self.number));
    }
}

pub(crate) fn exec(
    world: &Arc<World>,
    epoch: i64,
    id: &Id,
    spec: ExecSpec,
) -> Result<ExecSession, PortError> {
    let (number, env) = world.call("runtime.exec", |state, _| {
        obey(&mut state.runtime_epoch, epoch)?;
        let life = state.lives.get(id).filter(|life| life.runs());
        let life = life.ok_or_else(|| PortError::NotThere(format!("{id} does not run")))?;
        state.commands += 1;
        let mut env = life.spec.env.clone();
        env.extend(spec.env.clone());
        Ok((state.commands, env))
    })?;
    let Some(program) = spec.argv.first() else {
        return Err(PortError::Refused("a command needs a program".into()));
    };
    let acts = act::acts_of(&spec.argv)
        .ok_or_else(|| PortError::Refused(format!("cannot run {program}: it is not there")))?;
    let (sender, input) = mpsc::channel(16);
    let command = Command {
        world: Arc::clone(world),
        id: id.clone(),
        number,
        acts: acts.into(),
        env,
        tty: spec.tty,
        sizes: false,
        input,
        ready: VecDeque::new(),
        over: false,
    };
    let output = stream::unfold(command, |mut command| async move {
        loop {
            if let Some(out) = command.ready.pop_front() {
                return Some((Ok(out), command));
            }
            if command.over {
                return None;
            }
            command.go().await;
        }
    });
    Ok(ExecSession { input: sender, output: output.boxed() })
}

impl Command {
    fn end(&mut self, exit: Exit) {
        self.ready.push_back(ExecOut::Ended(exit));
        self.over = true;
    }

    /// Its instance is gone or has ended.
    fn orphaned(&mut self) -> bool {
        let runs = self
            .world
            .look(|state, _| state.lives.get(&self.id).is_some_and(crate::life::Life::runs));
        if !runs {
            self.end(Exit::Signal { signal: 9 });
        }
        !runs
    }

    /// Does one act inside the instance; what it said, and what follows.
    fn inside(&mut self, act: Option<&Act>) -> Next {
        let (number, tty) = (self.number, self.tty);
        let env = &self.env;
        let (next, said) = self.world.act(|state, _| {
            let ground = &mut state.ground;
            let Some(life) = state.lives.get_mut(&self.id) else { return (Next::Stay, Vec::new()) };
            let (spec, files) = (&life.spec, &mut life.files);
            let said = Vec::new();
            let mut scene = Scene { spec, env, files, ground, command: number, tty, said };
            let next = match act {
                Some(act) => scene.perform(act),
                None => {
                    scene.terminal();
                    Next::On
                }
            };
            (next, scene.said)
        });
        for (stream, bytes) in said {
            let out = match (stream, self.tty) {
                (LogStream::Stderr, None) => ExecOut::Err(bytes.into()),
                (_, None) => ExecOut::Out(bytes.into()),
                (_, Some(_)) => ExecOut::Out(ended_for_terminals(&bytes)),
            };
            self.ready.push_back(out);
        }
        next
    }

    async fn go(&mut self) {
        if self.orphaned() {
            return;
        }
        let Some(act) = self.acts.pop_front() else { return self.end(Exit::Code { code: 0 }) };
        match self.inside(Some(&act)) {
            Next::On | Next::Term(_) => {}
            Next::Ends(exit, _) => self.end(exit),
            Next::Wait(length) => {
                let until = self.world.clock.now().plus(length);
                self.wait(Some(until)).await;
            }
            Next::Input => self.echo().await,
            Next::Sizes => {
                self.sizes = true;
                // Told before it waits.
                self.acts.push_front(Act::Stay);
            }
            Next::Stay => self.wait(None).await,
        }
    }

    /// Until then, or until it is ended; a terminal that changes meanwhile is heeded.
    async fn wait(&mut self, until: Option<Timestamp>) {
        let world = Arc::clone(&self.world);
        loop {
            let mut touched = world.touched.subscribe();
            if self.orphaned() {
                return;
            }
            let due = async {
                match until {
                    Some(until) => world.clock.sleep_until(until).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = due => return,
                _ = touched.changed() => {}
                said = self.input.recv() => match said {
                    None => return self.end(Exit::Signal { signal: 9 }),
                    Some(ExecIn::Bytes(bytes)) if self.interrupts(&bytes) => {
                        return self.end(Exit::Signal { signal: INTERRUPT.1 });
                    }
                    Some(ExecIn::Resize(size)) if self.tty.is_some() => {
                        self.tty = Some(size);
                        if self.sizes {
                            self.inside(None);
                            self.acts.push_front(Act::Stay);
                            return;
                        }
                    }
                    Some(_) => {}
                },
            }
        }
    }

    fn interrupts(&self, bytes: &Bytes) -> bool {
        self.tty.is_some() && bytes.contains(&INTERRUPT.0)
    }

    async fn echo(&mut self) {
        match self.input.recv().await {
            None => self.end(Exit::Signal { signal: 9 }),
            Some(ExecIn::End) => {}
            Some(ExecIn::Bytes(bytes)) if self.interrupts(&bytes) => {
                self.end(Exit::Signal { signal: INTERRUPT.1 });
            }
            Some(said) => {
                match said {
                    ExecIn::Bytes(bytes) => self.ready.push_back(ExecOut::Out(bytes)),
                    ExecIn::Resize(size) => self.tty = self.tty.map(|_| size),
                    ExecIn::End => {}
                }
                self.acts.push_front(Act::Echo);
            }
        }
    }
}

/// As a terminal writes line ends.
fn ended_for_terminals(bytes: &[u8]) -> Bytes {
    let mut out = Vec::with_capacity(bytes.len() + 1);
    for byte in bytes {
        if *byte == b'\n' {
            out.push(b'\r');
        }
        out.push(*byte);
    }
    out.into()
}
