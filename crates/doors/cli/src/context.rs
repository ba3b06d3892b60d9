//! What every verb is given: the printer, the client, and what was said for all verbs.

use crate::env;
use crate::failure::{Failure, Verdict};
use crate::printer::{Format, Printer};
use crate::project;
use std::cell::OnceCell;
use std::path::{Path, PathBuf};
use tow_client::{Client, Local, Trust, Wanted, data_dir};

/// Options of every verb.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Options of every verb")]
pub(crate) struct Global {
    /// How results are written
    #[arg(
        short,
        long,
        global = true,
        value_enum,
        default_value_t,
        value_name = "text|json|yaml",
        hide_possible_values = true,
        hide_default_value = true
    )]
    pub(crate) output: Format,
    /// Say nothing but results and errors
    #[arg(short, long, global = true)]
    pub(crate) quiet: bool,
    /// The platform's URL (else TOW_URL, else the local platform)
    #[arg(long, global = true, value_name = "URL")]
    pub(crate) url: Option<String>,
    /// A certificate authority to trust beside the machine's, as PEM (else TOW_CA)
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) ca: Option<PathBuf>,
    /// The local platform's data directory (else TOW_DATA)
    #[arg(long, global = true, value_name = "DIR")]
    pub(crate) data: Option<PathBuf>,
}

impl Global {
    /// The data directory that is meant: said, else found as [`data_dir`] has it.
    pub(crate) fn data_dir(&self) -> Option<PathBuf> {
        let said = self.data.clone().or_else(|| env::TOW_DATA.path());
        data_dir(said, env::XDG_DATA_HOME.path(), env::HOME.path())
    }
}

/// Which component, where.
#[derive(Debug, Clone, Default, clap::Args)]
pub(crate) struct Where {
    /// The component (else the one this folder's files name)
    #[arg(short, long, value_name = "NAME")]
    pub(crate) component: Option<String>,
    /// The environment (else TOW_ENVIRONMENT, else development)
    #[arg(short, long, value_name = "NAME")]
    pub(crate) environment: Option<String>,
}

impl Where {
    /// The environment that is meant.
    pub(crate) fn environment(&self) -> String {
        let said = self.environment.clone().or_else(|| env::TOW_ENVIRONMENT.text());
        said.unwrap_or_else(|| "development".into())
    }

    /// The component that is meant.
    pub(crate) fn component(&self) -> Verdict<String> {
        if let Some(name) = &self.component {
            return Ok(name.clone());
        }
        project::component(Path::new("."))?.ok_or_else(|| {
            Failure::new(
                "cli/no-component",
                "it is not said which component is meant, and this folder's files name none",
            )
            .hint("--component NAME says it; `tow get components` lists them")
        })
    }
}

/// The same for verbs that take the component as a word of its own, too: `tow logs web`.
#[derive(Debug, Clone, Default, clap::Args)]
pub(crate) struct Named {
    /// The component (else the one this folder's files name)
    #[arg(value_name = "COMPONENT", conflicts_with = "component")]
    pub(crate) name: Option<String>,
    #[command(flatten)]
    pub(crate) at: Where,
}

impl Named {
    /// Which, however it was said.
    pub(crate) fn place(self) -> Where {
        let Where { component, environment } = self.at;
        Where { component: self.name.or(component), environment }
    }
}

/// Which lines a list has: those of a component and an environment, else all.
#[derive(Debug, Clone, Default, clap::Args)]
pub(crate) struct Only {
    /// Only this component (else all)
    #[arg(value_name = "COMPONENT", conflicts_with = "component")]
    name: Option<String>,
    /// The same, as for other verbs
    #[arg(short, long, value_name = "NAME")]
    component: Option<String>,
    /// Only this environment (else TOW_ENVIRONMENT, else all)
    #[arg(short, long, value_name = "NAME")]
    environment: Option<String>,
}

impl Only {
    /// Of which component.
    pub(crate) fn component(&self) -> Option<String> {
        self.name.clone().or_else(|| self.component.clone())
    }

    /// Of which environment.
    pub(crate) fn environment(&self) -> Option<String> {
        self.environment.clone().or_else(|| env::TOW_ENVIRONMENT.text())
    }
}

/// The same for lists that say little of several components at once: in a component's folder, that one's.
#[derive(Debug, Clone, Default, clap::Args)]
pub(crate) struct Among {
    /// Only this component (else the one this folder's files name, else all)
    #[arg(value_name = "COMPONENT", conflicts_with = "component")]
    name: Option<String>,
    /// The same, as for other verbs
    #[arg(short, long, value_name = "NAME")]
    component: Option<String>,
    /// Only this environment (else TOW_ENVIRONMENT, else all)
    #[arg(short, long, value_name = "NAME")]
    environment: Option<String>,
}

impl Among {
    /// Of which component.
    pub(crate) fn component(&self) -> Option<String> {
        let said = self.name.clone().or_else(|| self.component.clone());
        said.or_else(|| project::component(Path::new(".")).ok().flatten())
    }

    /// Of which environment.
    pub(crate) fn environment(&self) -> Option<String> {
        self.environment.clone().or_else(|| env::TOW_ENVIRONMENT.text())
    }
}

impl Where {
    /// Where the first of some words can't be what the verb is about, it is the component: `tow scale shop web=3`. Where
    /// --component says it, no word does.
    pub(crate) fn first_of(
        mut self,
        words: &mut Vec<String>,
        is_other: impl Fn(&str) -> bool,
    ) -> Self {
        let said = self.component.is_none() && words.len() > 1;
        if said && words.first().is_some_and(|word| !is_other(word)) {
            self.component = Some(words.remove(0));
        }
        self
    }
}

/// For lists of which one can be shown whole, by its number: `tow deployments 7`, `tow deployments web 7`, and as elsewhere
/// `tow deployments -c web 7`.
#[derive(Debug, Clone, Default, clap::Args)]
pub(crate) struct Numbered {
    /// Only this component (else the one this folder's files name, else all)
    #[arg(value_name = "COMPONENT")]
    first: Option<String>,
    /// Show this one of it whole; a single word that is a number is this
    #[arg(value_name = "NUMBER", conflicts_with = "component")]
    number: Option<i64>,
    /// The component, said as for other verbs
    #[arg(short, long, value_name = "NAME")]
    component: Option<String>,
    /// Only this environment (else TOW_ENVIRONMENT, else all)
    #[arg(short, long, value_name = "NAME")]
    environment: Option<String>,
}

impl Numbered {
    /// Which of them, and the number of the one that is meant where one was said.
    pub(crate) fn taken_apart(self) -> (Among, Option<i64>) {
        let Self { first, number, component, environment } = self;
        let alone = first.as_ref().filter(|_| number.is_none()).and_then(|word| word.parse().ok());
        let name = if alone.is_some() { None } else { first };
        (Among { name, component, environment }, number.or(alone))
    }
}

/// For verbs about one workload of a component: `tow cron pause tick`, `tow cron pause shop tick`, and as elsewhere
/// `tow cron pause shop -w tick`.
#[derive(Debug, Clone, Default, clap::Args)]
pub(crate) struct OfWorkload {
    /// The component (else the one this folder's files name); a single word is the workload, unless -w says that
    #[arg(value_name = "COMPONENT")]
    first: Option<String>,
    /// The workload (else the only one there is to choose)
    #[arg(value_name = "WORKLOAD", conflicts_with_all = ["component", "workload"])]
    second: Option<String>,
    /// The workload, said as for other verbs
    #[arg(short, long, value_name = "NAME")]
    workload: Option<String>,
    #[command(flatten)]
    at: Where,
}

impl OfWorkload {
    /// Where, and which workload where one was said.
    pub(crate) fn taken_apart(self) -> (Where, Option<String>) {
        let Self { first, second, workload, mut at } = self;
        if second.is_none() && (workload.is_none() || at.component.is_some()) {
            return (at, first.or(workload));
        }
        at.component = first.or(at.component);
        (at, second.or(workload))
    }
}

/// See the module.
pub(crate) struct Context {
    pub(crate) printer: Printer,
    global: Global,
    client: OnceCell<Client>,
}

impl Context {
    pub(crate) fn new(global: Global) -> Self {
        let printer = Printer::new(global.output, global.quiet);
        Self { printer, global, client: OnceCell::new() }
    }

    /// The client, found at its first use: offline verbs never look for a platform.
    pub(crate) fn client(&self) -> Verdict<&Client> {
        if let Some(client) = self.client.get() {
            return Ok(client);
        }
        let wanted = Wanted {
            url: self.global.url.clone().or_else(|| env::TOW_URL.text()),
            token: env::TOW_TOKEN.text(),
            data: self.global.data_dir(),
        };
        let local = Local::find(&wanted)?;
        let trust = match self.global.ca.clone().or_else(|| env::TOW_CA.path()) {
            Some(file) => Trust::file(&file)?,
            None => Trust::default(),
        };
        let client = Client::trusting(&local.url, local.token.as_deref(), &trust)?;
        Ok(self.client.get_or_init(|| client))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_workload_is_named_alone_or_after_its_component() {
        let said = |first: Option<&str>, second: Option<&str>, w: Option<&str>, c: Option<&str>| {
            let own = |word: Option<&str>| word.map(str::to_string);
            let at = Where { component: own(c), environment: None };
            let which = OfWorkload { first: own(first), second: own(second), workload: own(w), at };
            let (at, workload) = which.taken_apart();
            (at.component, workload)
        };
        let (shop, tick) = (|| Some("shop".to_string()), || Some("tick".to_string()));
        assert_eq!(said(None, None, None, None), (None, None));
        assert_eq!(said(Some("tick"), None, None, None), (None, tick()));
        assert_eq!(said(Some("shop"), Some("tick"), None, None), (shop(), tick()));
        assert_eq!(said(Some("shop"), None, Some("tick"), None), (shop(), tick()));
        assert_eq!(said(Some("tick"), None, None, Some("shop")), (shop(), tick()));
        assert_eq!(said(None, None, Some("tick"), Some("shop")), (shop(), tick()));
        assert_eq!(said(None, None, None, Some("shop")), (shop(), None));
    }

    #[test]
    fn one_of_a_list_is_named_by_its_number_alone_or_after_its_component() {
        let said = |first: Option<&str>, number: Option<i64>, c: Option<&str>| {
            let own = |word: Option<&str>| word.map(str::to_string);
            let which =
                Numbered { first: own(first), number, component: own(c), environment: None };
            let (at, number) = which.taken_apart();
            (at.name.or(at.component), number)
        };
        let web = || Some("web".to_string());
        assert_eq!(said(None, None, None), (None, None));
        assert_eq!(said(Some("7"), None, None), (None, Some(7)));
        assert_eq!(said(Some("web"), None, None), (web(), None));
        assert_eq!(said(Some("web"), Some(7), None), (web(), Some(7)));
        assert_eq!(said(Some("7"), None, Some("web")), (web(), Some(7)));
    }

    #[test]
    fn a_component_may_stand_before_what_the_verb_is_about() {
        let said = |words: &[&str], component: Option<&str>| {
            let mut words: Vec<String> = words.iter().map(|word| (*word).to_string()).collect();
            let at = Where { component: component.map(str::to_string), environment: None };
            let at = at.first_of(&mut words, |word| word.contains('='));
            (at.component, words)
        };
        let list =
            |words: &[&str]| words.iter().map(|word| (*word).to_string()).collect::<Vec<_>>();
        assert_eq!(said(&["a=1", "b=2"], None), (None, list(&["a=1", "b=2"])));
        assert_eq!(said(&["shop", "a=1"], None), (Some("shop".into()), list(&["a=1"])));
        // Alone it is not what the verb is about, and is refused as such.
        assert_eq!(said(&["shop"], None), (None, list(&["shop"])));
        assert_eq!(said(&["x", "a=1"], Some("shop")), (Some("shop".into()), list(&["x", "a=1"])));
    }
}
