//! How long a switch takes: from the first probe that the app answered to the gateway's acknowledgement, as the
//! event `rollout.switched` says in `body.after`: `{ready_at, acknowledged_at}`. Draining is not in it.

use super::figure::Figure;
use super::platform::Running;
use anyhow::{Context, Result, bail};
use std::path::Path;

/// Deploys the sample that needs no tool: files that the platform serves itself.
pub(super) fn deploy(running: &Running, examples: &Path) -> Result<()> {
    let sample = examples.join("hello-static");
    if !sample.is_dir() {
        bail!("there is no sample {}", sample.display());
    }
    let sample = sample.display().to_string();
    running.tow(&["deploy", &sample, "-o", "json"]).map(drop)
}

/// The component that is deployed.
pub(super) fn component(running: &Running) -> Result<String> {
    let status = running.json(&["status", "-o", "json"])?;
    let component = status.first().and_then(|row| row["component"].as_str());
    component.context("nothing is deployed").map(str::to_string)
}

/// Restarts the sample so many times and reads the times of each switch from its event.
pub(super) fn switches(running: &Running, samples: usize) -> Result<Figure> {
    let component = component(running)?;
    let mut taken = Vec::new();
    let mut seen = last_switch(running)?.map_or(0, |(seq, _)| seq);
    for _ in 0..samples {
        running.tow(&["restart", "--component", &component, "-o", "json"])?;
        let (seq, millis) = last_switch(running)?.context("no event rollout.switched")?;
        if seq <= seen {
            bail!("a restart of {component} made no event rollout.switched");
        }
        seen = seq;
        taken.push(millis);
    }
    Ok(Figure::p95("deploy: app ready, as probed → gateway's acknowledgement", "ms", 400.0, taken))
}

/// Its `seq`, and how long it took in milliseconds.
fn last_switch(running: &Running) -> Result<Option<(i64, f64)>> {
    let events = running.json(&["events", "--tail", "200", "-o", "json"])?;
    let Some(event) = events.iter().rev().find(|event| event["kind"] == "rollout.switched") else {
        return Ok(None);
    };
    let at = |name: &str| {
        let text = event["body"]["after"][name].as_str();
        text.and_then(micros).with_context(|| format!("rollout.switched without {name}"))
    };
    let seq = event["seq"].as_i64().unwrap_or(0);
    Ok(Some((seq, (at("acknowledged_at")? - at("ready_at")?) as f64 / 1e3)))
}

/// Reads `2026-11-22T10:29:59.123456Z` into microseconds since 1970.
fn micros(text: &str) -> Option<i64> {
    let (date, time) = text.strip_suffix('Z')?.split_once('T')?;
    let mut date = date.split('-').map(|part| part.parse::<i64>().ok());
    let (year, month, day) = (date.next()??, date.next()??, date.next()??);
    let mut clock = time.split(':');
    let hours: i64 = clock.next()?.parse().ok()?;
    let minutes: i64 = clock.next()?.parse().ok()?;
    let (seconds, fraction) = clock.next().map(|s| s.split_once('.').unwrap_or((s, "0")))?;
    let seconds: i64 = seconds.parse().ok()?;
    let fraction: i64 = format!("{fraction:0<6}").get(..6)?.parse().ok()?;
    // Days of the proleptic Gregorian calendar, with years that begin in March.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days = 365 * year + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + day - 1;
    let days = days - 719_468;
    Some((((days * 24 + hours) * 60 + minutes) * 60 + seconds) * 1_000_000 + fraction)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read() {
        assert_eq!(micros("1970-01-01T00:00:00Z"), Some(0));
        assert_eq!(micros("2000-03-01T00:00:01.5Z"), Some(951_868_801_500_000));
        let before = micros("2026-02-28T23:59:59.999999Z").unwrap();
        assert_eq!(micros("2026-03-01T00:00:00Z").unwrap() - before, 1);
        assert_eq!(micros("2026-03-01"), None);
    }
}
