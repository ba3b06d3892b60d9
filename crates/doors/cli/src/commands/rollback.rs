//! `tow rollback`: an earlier deployment again.

use crate::context::{Context, Where};
use crate::failure::Verdict;
use crate::follow::{self, How};
use tow_api::plan::create::{Body, ChangeRequest};

/// Bring an earlier deployment's release, configuration and replicas back
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The component (else the one this folder's files name); a single number is the deployment's
    #[arg(value_name = "COMPONENT")]
    first: Option<String>,
    /// The deployment's number (else the last good one before the current)
    #[arg(value_name = "N", conflicts_with = "component")]
    to: Option<i64>,
    #[command(flatten)]
    at: Where,
    #[command(flatten)]
    how: How,
}

pub(crate) async fn run(cx: &Context, args: Args) -> Verdict {
    let (at, to) = meant(args.first, args.to, args.at);
    let body = request(&at, ChangeRequest::Rollback { to })?;
    follow::change(cx, follow::now(), &body, &args.how).await
}

/// Which component, and which deployment of it: a single word that is a number is the deployment.
fn meant(first: Option<String>, to: Option<i64>, mut at: Where) -> (Where, Option<i64>) {
    let number = first.as_deref().and_then(|word| word.parse().ok());
    if let (None, Some(number)) = (to, number) {
        return (at, Some(number));
    }
    at.component = first.or(at.component);
    (at, to)
}

/// A change of what is there: without documents.
pub(crate) fn request(at: &Where, change: ChangeRequest) -> Verdict<Body> {
    Ok(Body {
        component: Some(at.component()?),
        environment: Some(at.environment()),
        documents: Vec::new(),
        source: None,
        change,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_a_deployment_and_what_stands_before_it_a_component() {
        let said = |words: [Option<&str>; 2], component: Option<&str>| {
            let at = Where { component: component.map(str::to_string), environment: None };
            let to = words[1].map(|word| word.parse().unwrap_or_default());
            let (at, to) = meant(words[0].map(str::to_string), to, at);
            (at.component, to)
        };
        let web = Some("web".to_string());
        assert_eq!(said([None, None], None), (None, None));
        assert_eq!(said([Some("3"), None], None), (None, Some(3)));
        assert_eq!(said([Some("web"), None], None), (web.clone(), None));
        assert_eq!(said([Some("web"), Some("3")], None), (web.clone(), Some(3)));
        assert_eq!(said([Some("3"), None], Some("web")), (web, Some(3)));
        assert_eq!(said([Some("3"), Some("4")], None), (Some("3".into()), Some(4)));
    }
}
