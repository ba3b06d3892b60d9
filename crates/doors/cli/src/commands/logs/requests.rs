//! `tow logs --requests`: what the gateway's access log says of a component's requests.

use crate::context::{Context, Where};
use crate::failure::{Failure, Verdict};
use crate::render::time;
use owo_colors::OwoColorize as _;
use std::time::Duration;
use tow_api::Nothing;
use tow_api::request::list::{ListRequests, Query, Reply};
use tow_record::RequestLine;

/// So many where nothing is said.
const MOST: usize = 100;
/// And so many at once.
const PAGE: usize = 1000;
/// So many pieces of the log are asked for until it is left: more than it keeps.
const PIECES: u32 = 64;
/// How often it is looked for new ones.
const LOOKS: Duration = Duration::from_millis(500);
/// A request is in the log a moment after it ended.
const MOMENT: Duration = Duration::from_millis(300);

/// Which requests are wanted.
pub(super) struct Wanted {
    pub(super) request: Option<String>,
    pub(super) failed: bool,
    pub(super) most: Option<usize>,
    pub(super) follow: bool,
}

/// Prints them, the oldest first.
pub(super) async fn run(cx: &Context, at: Where, wanted: Wanted) -> Verdict {
    // An id says by itself whose it is.
    let anywhere = wanted.request.is_some() && at.component.is_none();
    let query = Query {
        component: if anywhere { None } else { Some(at.component()?) },
        environment: if anywhere { at.environment.clone() } else { Some(at.environment()) },
        request: wanted.request.clone(),
        failed: wanted.failed,
        limit: None,
        before: None,
        after: None,
    };
    let most = wanted.most.unwrap_or(MOST);
    let mut found = back(cx, &query, most).await?;
    if found.items.is_empty() && wanted.request.is_some() && !wanted.follow {
        tokio::time::sleep(MOMENT).await;
        let later = on(cx, &query, &found.after).await?;
        found.items = later.items;
    }
    for line in &found.items {
        cx.printer.item(line, || text(line))?;
    }
    if found.dropped > 0 {
        let dropped = found.dropped;
        cx.printer.say(&format!(
            "of {dropped} requests there are no lines: they came faster than the log could be written"
        ));
    }
    if wanted.follow {
        let mut after = found.after;
        loop {
            let news = on(cx, &query, &after).await?;
            for line in &news.items {
                cx.printer.item(line, || text(line))?;
            }
            let all = news.items.len() < PAGE && news.after == after;
            after = news.after;
            if all {
                tokio::time::sleep(LOOKS).await;
            }
        }
    }
    match (found.items.is_empty(), &wanted.request) {
        (false, _) => Ok(()),
        (true, Some(id)) => {
            let kept = match found.since {
                Some(since) => format!("what is kept begins at {} UTC", time(since)),
                None => "nothing is kept yet".into(),
            };
            let why =
                format!("request {id} is not in the gateway's log, as far as you may read it");
            Err(Failure::new("object/not-found", why).hint(format!(
                "{kept}; a request is there once it has ended, and its id is in the answer's X-Request-Id"
            )))
        }
        (true, None) => {
            let which = if wanted.failed { "no failed requests" } else { "no requests" };
            let since = found.since.map(|since| format!(" since {} UTC", time(since)));
            cx.printer.say(&format!("{which}{}", since.unwrap_or_default()));
            Ok(())
        }
    }
}

/// The newest of them: piece by piece, until there are enough or the log is at its beginning.
async fn back(cx: &Context, query: &Query, most: usize) -> Verdict<Reply> {
    let mut found: Option<Reply> = None;
    for _ in 0..PIECES {
        let have = found.as_ref().map_or(0, |found| found.items.len());
        if have >= most {
            break;
        }
        let before = match &found {
            None => None,
            Some(Reply { before: None, .. }) => break,
            Some(Reply { before, .. }) => before.clone(),
        };
        let limit = u32::try_from((most - have).min(PAGE)).ok();
        let asked = Query { limit, before, ..query.clone() };
        let mut page = cx.client()?.call::<ListRequests>(&Nothing {}, &asked, &Nothing {}).await?;
        found = Some(match found {
            None => page,
            Some(newer) => {
                page.items.extend(newer.items);
                page.dropped += newer.dropped;
                Reply { after: newer.after, since: page.since.or(newer.since), ..page }
            }
        });
    }
    let nothing =
        || Reply { items: Vec::new(), before: None, after: String::new(), since: None, dropped: 0 };
    Ok(found.unwrap_or_else(nothing))
}

/// Those that came since.
async fn on(cx: &Context, query: &Query, after: &str) -> Verdict<Reply> {
    let after = Some(after.to_string()).filter(|after| !after.is_empty());
    let limit = u32::try_from(PAGE).ok();
    let asked = Query { limit, after, ..query.clone() };
    Ok(cx.client()?.call::<ListRequests>(&Nothing {}, &asked, &Nothing {}).await?)
}

fn text(line: &RequestLine) -> String {
    // To the millisecond: that is what they are told apart by.
    let at: String = line.time.to_string().replace('T', " ").chars().take(23).collect();
    let status = match line.status {
        0 => "–  ".red().to_string(),
        status if status >= 500 => status.red().to_string(),
        status if status >= 400 => status.yellow().to_string(),
        status => status.green().to_string(),
    };
    let mut out = format!(
        "{} {status} {} {}{} in {} ms",
        at.dimmed(),
        line.method,
        line.host,
        line.path,
        took(line.took_ms),
    );
    let mut more = Vec::new();
    if let Some(release) = line.release {
        more.push(format!("release {release}"));
    }
    if !line.instance.is_empty() {
        more.push(line.instance.clone());
    }
    if line.tries > 1 {
        more.push(format!("{} tries", line.tries));
    }
    if !line.why.is_empty() {
        more.push(line.why.clone());
    }
    more.push(format!("from {}", line.client));
    more.push(line.request.clone());
    out.push_str(&format!("  {}", more.join("  ").dimmed()));
    out
}

/// Tenths below ten milliseconds, none above.
fn took(ms: f64) -> String {
    if ms < 10.0 { format!("{ms:.1}") } else { format!("{ms:.0}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_a_line() {
        let line = r#"{"time":"2026-11-23T03:48:18.123456Z","request":"mine-1","trace":"t","client":"127.0.0.1",
            "host":"web.localhost","method":"GET","path":"/x","status":502,"bytes_in":0,"bytes_out":1,"took_ms":31.5,
            "route":"component:default/web@development/web/http","release":4,"instance":"i-1","tries":2,
            "why":"gateway/instance-failed"}"#;
        let mut line: RequestLine = serde_json::from_str(line).unwrap();
        let plain = |line: &RequestLine| anstream::adapter::strip_str(&text(line)).to_string();
        assert_eq!(
            plain(&line),
            "2026-11-23 03:48:18.123 502 GET web.localhost/x in 32 ms  release 4  i-1  2 tries  \
             gateway/instance-failed  from 127.0.0.1  mine-1"
        );
        (line.status, line.release, line.tries, line.took_ms) = (0, None, 0, 0.25);
        (line.instance, line.why) = (String::new(), "client-gone".into());
        assert_eq!(
            plain(&line),
            "2026-11-23 03:48:18.123 –   GET web.localhost/x in 0.2 ms  client-gone  from 127.0.0.1  mine-1"
        );
    }
}
