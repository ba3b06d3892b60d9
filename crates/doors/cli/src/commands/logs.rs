//! `tow logs`.

mod requests;

use crate::context::{Context, Named};
use crate::failure::Verdict;
use crate::render::time;
use futures::StreamExt;
use owo_colors::OwoColorize;
use tow_api::log::stream::{LogEvent, Query};
use tow_record::LogStream;

/// Show what a component's instances, or a build, wrote, or what was asked of it (--requests)
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    at: Named,
    /// Go on with new lines
    #[arg(short, long)]
    follow: bool,
    /// The last so many lines of each instance, or so many requests
    #[arg(short = 'n', long, value_name = "N")]
    tail: Option<usize>,
    /// Only this workload
    #[arg(short, long, value_name = "NAME")]
    workload: Option<String>,
    /// Only this instance
    #[arg(long, value_name = "ID")]
    instance: Option<String>,
    /// A build's log instead
    #[arg(long, value_name = "ID", conflicts_with_all = ["name", "component", "environment", "workload", "instance"])]
    build: Option<String>,
    /// A run's log instead: of all its attempts
    #[arg(long, value_name = "ID", conflicts_with_all = ["name", "component", "environment", "workload", "instance", "build"])]
    run: Option<String>,
    /// What was asked of it instead: a line for each request that ended, from the gateway's access log
    #[arg(long, conflicts_with_all = ["workload", "instance", "build", "run"])]
    requests: bool,
    /// Only the request with this id, as it is in X-Request-Id; without a component, of whichever it is
    #[arg(long, value_name = "ID", conflicts_with_all = ["workload", "instance", "build", "run"])]
    request: Option<String>,
    /// Only requests that nobody answered, or with 500 and above, or whose answer broke off
    #[arg(long, conflicts_with_all = ["workload", "instance", "build", "run"])]
    failed: bool,
    /// Show when each line was written, in UTC
    #[arg(short, long)]
    timestamps: bool,
}

pub(crate) async fn run(cx: &Context, args: Args) -> Verdict {
    if args.requests || args.failed || args.request.is_some() {
        let at = args.at.place();
        let wanted = requests::Wanted {
            request: args.request,
            failed: args.failed,
            most: args.tail,
            follow: args.follow,
        };
        return requests::run(cx, at, wanted).await;
    }
    let of_component = args.build.is_none() && args.instance.is_none() && args.run.is_none();
    let at = args.at.place();
    let query = Query {
        component: if of_component { Some(at.component()?) } else { None },
        environment: of_component.then(|| at.environment()),
        build: args.build,
        run: args.run,
        instance: args.instance,
        workload: args.workload,
        tail: args.tail,
        follow: args.follow,
    };
    let mut lines = tow_client::logs(cx.client()?.clone(), query);
    let mut any = false;
    while let Some(line) = lines.next().await {
        let line = line?;
        any = true;
        cx.printer.item(&line, || text(&line, args.timestamps))?;
    }
    if !any {
        cx.printer.say("no lines: nothing of it runs, or it wrote nothing");
    }
    Ok(())
}

fn text(line: &LogEvent, timestamps: bool) -> String {
    let mut out = String::new();
    if timestamps {
        out.push_str(&format!("{} ", time(line.line.at).dimmed()));
    }
    let source = match line.container.as_str() {
        "" | "main" => line.source.clone(),
        container => format!("{} {container}", line.source),
    };
    out.push_str(&format!("{} ", source.cyan()));
    match line.line.stream {
        LogStream::Platform => out.push_str(&format!("– {}", line.line.text).dimmed().to_string()),
        LogStream::Stdout | LogStream::Stderr => {
            out.push_str("│ ");
            out.push_str(&line.line.text);
        }
    }
    out
}
