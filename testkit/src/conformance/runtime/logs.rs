//! What an instance writes, line by line.

use super::harness::{Harness, say};
use super::{Act, group};
use futures::StreamExt as _;
use tow_names::{Duration, Id};
use tow_ports::{LogQuery, PortError};
use tow_record::{LogLine, LogStream};

group! { "logs":
    "every line is kept, in order" => in_order,
    "the last lines alone may be asked for" => tail,
    "lines after a time alone may be asked for" => after,
    "standard output and standard error are told apart" => streams,
    "the platform's own word is told apart" => platform,
    "an empty line is a line" => empty,
    "a long line comes in pieces, none of it lost" => long,
    "bytes that are no text are shown as such" => bytes,
    "what is written meanwhile is followed" => follow,
    "a follower who goes leaves nothing behind" => follower_goes,
    "the log is there after the end" => after_end,
    "the log goes on over restarts" => over_restarts,
    "the log goes with its instance" => gone,
    "the log of what was never there is not there" => never,
    "a flood is kept up with" => flood,
}

fn said(n: usize) -> Vec<Act> {
    (0..n).map(|n| say(&format!("line {n}"))).collect()
}

async fn asked(h: &Harness, id: &Id, query: LogQuery) -> Vec<LogLine> {
    h.runtime.logs(id, query).await.expect("a log").collect().await
}

async fn in_order(h: &Harness) {
    let spec = h.made("order", &said(20)).await;
    h.running(&spec).await;
    let lines = h.lines(&spec.id, 20).await;
    assert_eq!(lines, (0..20).map(|n| format!("line {n}")).collect::<Vec<_>>());
    h.finish(&spec.id).await;
}

async fn tail(h: &Harness) {
    let spec = h.made("tail", &said(20)).await;
    h.running(&spec).await;
    h.lines(&spec.id, 20).await;
    let query = LogQuery { tail: Some(3), ..LogQuery::default() };
    let texts: Vec<_> = asked(h, &spec.id, query).await.into_iter().map(|l| l.text).collect();
    assert_eq!(texts, ["line 17", "line 18", "line 19"]);
    h.finish(&spec.id).await;
}

async fn after(h: &Harness) {
    let acts = [say("before"), Act::Wait(300), say("after")];
    let spec = h.made("after", &acts).await;
    h.running(&spec).await;
    h.lines(&spec.id, 2).await;
    let all = h.log(&spec.id).await;
    let before = all.iter().find(|line| line.text == "before").expect("it is there").at;
    let query = LogQuery { after: Some(before), ..LogQuery::default() };
    let texts: Vec<_> = asked(h, &spec.id, query).await.into_iter().map(|l| l.text).collect();
    assert_eq!(texts, ["after"]);
    let last = LogQuery { after: all.last().map(|line| line.at), ..LogQuery::default() };
    assert_eq!(asked(h, &spec.id, last).await, []);
    h.finish(&spec.id).await;
}

async fn streams(h: &Harness) {
    let spec = h.made("streams", &[say("out"), Act::Complain("err".into())]).await;
    h.running(&spec).await;
    h.lines(&spec.id, 2).await;
    let all = h.log(&spec.id).await;
    let of = |text: &str| all.iter().find(|line| line.text == text).map(|line| line.stream);
    assert_eq!((of("out"), of("err")), (Some(LogStream::Stdout), Some(LogStream::Stderr)));
    h.finish(&spec.id).await;
}

async fn platform(h: &Harness) {
    let spec = h.job("platform", &[say("mine"), Act::Exit(0)]).await;
    h.start(&spec).await;
    h.ended(&spec.id).await;
    let all = h.log(&spec.id).await;
    let words: Vec<_> = all.iter().filter(|line| line.stream == LogStream::Platform).collect();
    assert!(words.iter().any(|line| line.text.contains("started")), "{all:#?}");
    assert!(words.iter().all(|line| line.text != "mine"), "{all:#?}");
    h.remove(&spec.id).await;
}

async fn empty(h: &Harness) {
    let spec = h.made("empty", &[say("one"), say(""), say("two")]).await;
    h.running(&spec).await;
    assert_eq!(h.lines(&spec.id, 3).await, ["one", "", "two"]);
    h.finish(&spec.id).await;
}

async fn long(h: &Harness) {
    let length = 200_000;
    let spec = h.made("long", &[Act::Long(length), say("end")]).await;
    h.running(&spec).await;
    h.said(&spec.id, "end").await;
    let all = h.log(&spec.id).await;
    let own: Vec<_> = all.iter().filter(|line| line.text.starts_with('x')).collect();
    let total: usize = own.iter().map(|line| line.text.len()).sum();
    assert_eq!(total as u64, length);
    assert!(own.len() > 1, "one piece is no pieces");
    let (last, before) = own.split_last().expect("pieces");
    assert!(!last.partial && before.iter().all(|line| line.partial));
    h.finish(&spec.id).await;
}

async fn bytes(h: &Harness) {
    let spec = h.made("bytes", &[Act::Bytes(vec![b'a', 0xff, b'z']), say("end")]).await;
    h.running(&spec).await;
    assert_eq!(h.lines(&spec.id, 2).await, ["a\u{fffd}z", "end"]);
    h.finish(&spec.id).await;
}

async fn follow(h: &Harness) {
    let spec = h.made("follow", &[say("early"), Act::Wait(500), say("late")]).await;
    h.running(&spec).await;
    h.said(&spec.id, "early").await;
    let query = LogQuery { follow: true, ..LogQuery::default() };
    let mut lines = h.runtime.logs(&spec.id, query).await.expect("a log");
    let mut seen = Vec::new();
    while seen.last().is_none_or(|text| text != "late") {
        tokio::select! {
            biased;
            line = lines.next() => seen.push(line.expect("it goes on").text),
            () = (h.advance)(Duration::from_millis(20)) => {}
        }
    }
    seen.retain(|text| text == "early" || text == "late");
    assert_eq!(seen, ["early", "late"]);
    h.finish(&spec.id).await;
}

async fn follower_goes(h: &Harness) {
    let spec = h.made("goes", &[say("here")]).await;
    h.running(&spec).await;
    let query = LogQuery { follow: true, ..LogQuery::default() };
    drop(h.runtime.logs(&spec.id, query).await.expect("a log"));
    h.finish(&spec.id).await;
}

async fn after_end(h: &Harness) {
    let spec = h.job("after-end", &[say("last words"), Act::Exit(1)]).await;
    h.start(&spec).await;
    h.ended(&spec.id).await;
    assert_eq!(h.own(&spec.id).await, ["last words"]);
    h.remove(&spec.id).await;
}

async fn over_restarts(h: &Harness) {
    let spec = h.made("over", &[say("here"), Act::Wait(30), Act::Exit(1)]).await;
    h.start(&spec).await;
    assert_eq!(h.lines(&spec.id, 3).await[..3], ["here", "here", "here"]);
    h.finish(&spec.id).await;
}

async fn gone(h: &Harness) {
    let spec = h.made("gone", &[say("here")]).await;
    h.running(&spec).await;
    h.finish(&spec.id).await;
    let gone = h.runtime.logs(&spec.id, LogQuery::default()).await.map(|_| ());
    assert!(matches!(gone, Err(PortError::NotThere(_))), "{gone:?}");
}

async fn never(h: &Harness) {
    let never = h.runtime.logs(&Id::fresh("nobody"), LogQuery::default()).await.map(|_| ());
    assert!(matches!(never, Err(PortError::NotThere(_))), "{never:?}");
}

async fn flood(h: &Harness) {
    let acts: Vec<Act> =
        std::iter::repeat_n(Act::Long(10_000), 100).chain([say("end"), Act::Exit(0)]).collect();
    let spec = h.job("flood", &acts).await;
    h.start(&spec).await;
    h.ended(&spec.id).await;
    let own = h.own(&spec.id).await;
    let total: usize = own.iter().filter(|line| line.starts_with('x')).map(String::len).sum();
    assert_eq!((total, own.last().map(String::as_str)), (1_000_000, Some("end")));
    h.remove(&spec.id).await;
}
