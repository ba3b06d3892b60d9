//! Commands beside a program that runs.

use super::harness::{EPOCH, Harness, path, say};
use super::{Act, group};
use std::collections::BTreeMap;
use tow_names::Id;
use tow_ports::{ExecIn, ExecSpec, PortError, Size};
use tow_record::{Exit, Phase};

group! { "exec":
    "what a command says is told, and how it ended" [Exec] => says,
    "its exit code is its own" [Exec] => code,
    "the signal that ended it is told" [Exec] => signal,
    "its standard error is apart" [Exec] => apart,
    "it reads what is sent, to the end" [Exec] => reads,
    "it sees the instance's environment, and what was added" [Exec] => environment,
    "it sees the instance's files" [Exec] => files,
    "what it writes the program's other commands see" [Exec] => writes,
    "much output comes whole" [Exec] => much,
    "without a terminal there is none" [Exec] => no_terminal,
    "a terminal has the size that was asked for" [Exec] => terminal,
    "a terminal can be made larger meanwhile" [Exec] => resized,
    "Ctrl-C on a terminal goes to the command" [Exec] => interrupted,
    "a command whose asker went is ended" [Exec] => abandoned,
    "the program lives on whatever its commands do" [Exec] => lives_on,
    "several commands at once are apart" [Exec] => several,
    "a command ends with its instance" [Exec] => ends_with_it,
    "a command that is not there is refused, or ends with 127" [Exec] => missing,
    "a command without a program is refused" [Exec] => nothing,
    "what does not run takes no command" [Exec] => ended,
    "what was never there takes no command" [Exec] => never,
    "a lower epoch is refused" [Exec] => fenced,
}

const SIZE: Size = Size { columns: 100, rows: 30 };

async fn one(h: &Harness) -> Id {
    let spec = h.made("exec", &[say("here")]).await;
    h.running(&spec).await;
    h.said(&spec.id, "here").await;
    spec.id
}

async fn says(h: &Harness) {
    let id = one(h).await;
    let went = h.done(&id, &[say("hello"), say("there")]).await;
    assert_eq!((went.out.as_str(), went.exit), ("hello\nthere\n", Exit::Code { code: 0 }));
    h.finish(&id).await;
}

async fn code(h: &Harness) {
    let id = one(h).await;
    assert_eq!(h.done(&id, &[Act::Exit(42)]).await.exit, Exit::Code { code: 42 });
    h.finish(&id).await;
}

async fn signal(h: &Harness) {
    let id = one(h).await;
    let exit = h.done(&id, &[Act::Die(9)]).await.exit;
    assert!(super::death::by_signal(Some(exit), 9), "{exit:?}");
    h.finish(&id).await;
}

async fn apart(h: &Harness) {
    let id = one(h).await;
    let went = h.done(&id, &[say("out"), Act::Complain("err".into())]).await;
    assert_eq!((went.out.as_str(), went.err.as_str()), ("out\n", "err\n"));
    h.finish(&id).await;
}

async fn reads(h: &Harness) {
    let id = one(h).await;
    let mut session = h.exec(&id, &[Act::Echo, say("end")]).await;
    session.write("one\n").await;
    session.write("two\n").await;
    session.put(ExecIn::End).await;
    let went = session.ends().await;
    assert_eq!((went.out.as_str(), went.exit), ("one\ntwo\nend\n", Exit::Code { code: 0 }));
    h.finish(&id).await;
}

async fn environment(h: &Harness) {
    let mut spec = h.made("exec", &[]).await;
    spec.env.insert("OWN".into(), "own".into());
    spec.env.insert("OVER".into(), "under".into());
    h.running(&spec).await;
    let argv = (h.command)(&[Act::Variable("OWN".into()), Act::Variable("OVER".into())]);
    let env = BTreeMap::from([("OVER".to_string(), "over".to_string())]);
    let session = h.asked_for(&spec.id, ExecSpec { argv, env, tty: None }).await;
    let went = session.unwrap_or_else(|error| panic!("{error}")).ends().await;
    assert_eq!(went.out, "OWN: own\nOVER: over\n");
    h.finish(&spec.id).await;
}

async fn files(h: &Harness) {
    let mut spec = h.made("exec", &[]).await;
    spec.files.insert("note".into(), (b"given".to_vec(), 0o644));
    h.running(&spec).await;
    assert_eq!(h.done(&spec.id, &[Act::Show("note".into())]).await.out, "note: given\n");
    h.finish(&spec.id).await;
}

async fn writes(h: &Harness) {
    let id = one(h).await;
    let note = path(h.scratch, "by-exec");
    let wrote = h.done(&id, &[Act::Write(note.clone(), "x".into())]).await;
    assert_eq!(wrote.out, format!("{note}: written\n"));
    assert_eq!(h.done(&id, &[Act::Show(note.clone())]).await.out, format!("{note}: x\n"));
    h.finish(&id).await;
}

async fn much(h: &Harness) {
    let id = one(h).await;
    let acts = vec![Act::Long(100_000); 20];
    let went = h.done(&id, &acts).await;
    assert_eq!((went.out.len(), went.exit), (20 * 100_001, Exit::Code { code: 0 }));
    h.finish(&id).await;
}

async fn no_terminal(h: &Harness) {
    let id = one(h).await;
    assert_eq!(h.done(&id, &[Act::Terminal]).await.out, "no terminal\n");
    h.finish(&id).await;
}

async fn terminal(h: &Harness) {
    let id = one(h).await;
    let mut session = h.terminal(&id, &[Act::Terminal], SIZE).await;
    session.says("30 100\n").await;
    assert_eq!(session.ends().await.exit, Exit::Code { code: 0 });
    h.finish(&id).await;
}

async fn resized(h: &Harness) {
    let id = one(h).await;
    let mut session = h.terminal(&id, &[Act::Sizes], SIZE).await;
    session.says("30 100\n").await;
    session.put(ExecIn::Resize(Size { columns: 132, rows: 50 })).await;
    session.says("50 132\n").await;
    drop(session);
    h.finish(&id).await;
}

async fn interrupted(h: &Harness) {
    let id = one(h).await;
    let mut session = h.terminal(&id, &[say("here"), Act::Stay], SIZE).await;
    session.says("here").await;
    session.write("\u{3}").await;
    let exit = session.ends().await.exit;
    assert!(super::death::by_signal(Some(exit), 2), "{exit:?}");
    assert_eq!(h.look(&id).await.expect("it is there").phase, Phase::Running);
    h.finish(&id).await;
}

async fn abandoned(h: &Harness) {
    let port = h.port().await;
    let spec = h.spec("abandoned", &[say("here")], port);
    h.running(&spec).await;
    let mut session = h.exec(&spec.id, &[Act::Serve(port, "command".into()), Act::Stay]).await;
    // A command is served by what is polled, on a simulated runtime.
    tokio::select! {
        () = h.reached(port, Some("command")) => {}
        () = session.says("never") => {}
    }
    drop(session);
    h.reached(port, None).await;
    h.finish(&spec.id).await;
}

async fn lives_on(h: &Harness) {
    let spec = h.made("lives-on", &[say("here")]).await;
    let before = h.running(&spec).await;
    h.done(&spec.id, &[Act::Exit(1)]).await;
    h.done(&spec.id, &[Act::Die(9)]).await;
    let after = h.look(&spec.id).await.expect("it is there");
    assert_eq!((after.pid, after.restarts, after.phase), (before.pid, 0, Phase::Running));
    assert_eq!(h.own(&spec.id).await, ["here"], "a command's output is not the program's");
    h.finish(&spec.id).await;
}

async fn several(h: &Harness) {
    let id = one(h).await;
    let (mut one, mut two) = (h.exec(&id, &[Act::Echo]).await, h.exec(&id, &[Act::Echo]).await);
    one.write("one").await;
    two.write("two").await;
    one.put(ExecIn::End).await;
    two.put(ExecIn::End).await;
    assert_eq!((two.ends().await.out.as_str(), one.ends().await.out.as_str()), ("two", "one"));
    h.finish(&id).await;
}

async fn ends_with_it(h: &Harness) {
    let id = one(h).await;
    let mut session = h.exec(&id, &[say("here"), Act::Stay]).await;
    session.says("here").await;
    h.stop(&id, 500).await;
    h.ended(&id).await;
    // With a last word or without one, but it ends.
    session.over().await;
    h.remove(&id).await;
}

async fn missing(h: &Harness) {
    let id = one(h).await;
    let argv = vec!["no-such-program".to_string()];
    match h.asked_for(&id, ExecSpec { argv, ..ExecSpec::default() }).await {
        Err(PortError::Refused(why)) => assert!(why.contains("no-such-program"), "{why}"),
        Err(other) => panic!("{other:?}"),
        Ok(session) => assert_eq!(session.ends().await.exit, Exit::Code { code: 127 }),
    }
    h.finish(&id).await;
}

async fn nothing(h: &Harness) {
    let id = one(h).await;
    let refused = h.asked_for(&id, ExecSpec::default()).await.map(|_| ());
    assert!(matches!(refused, Err(PortError::Refused(_))), "{refused:?}");
    h.finish(&id).await;
}

async fn ended(h: &Harness) {
    let spec = h.job("ended", &[Act::Exit(0)]).await;
    h.start(&spec).await;
    h.ended(&spec.id).await;
    let gone = h.asked(&spec.id, &[say("x")]).await.map(|_| ());
    assert!(matches!(gone, Err(PortError::NotThere(_))), "{gone:?}");
    h.remove(&spec.id).await;
}

async fn never(h: &Harness) {
    let gone = h.asked(&Id::fresh("nobody"), &[say("x")]).await.map(|_| ());
    assert!(matches!(gone, Err(PortError::NotThere(_))), "{gone:?}");
}

async fn fenced(h: &Harness) {
    let id = one(h).await;
    let spec = ExecSpec { argv: (h.command)(&[say("x")]), ..ExecSpec::default() };
    let fenced = h.runtime.exec(EPOCH - 1, &id, spec).await.map(|_| ());
    assert_eq!(fenced, Err(PortError::Fenced { given: EPOCH - 1, seen: EPOCH }));
    h.finish(&id).await;
}
