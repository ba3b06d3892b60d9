//! `tow get KIND [NAME]`, `tow get facets`.

use crate::context::Context;
use crate::failure::{Failure, Verdict};
use crate::list::Listed;
use crate::printer::Format;
use crate::render::{or_dash, table};
use comfy_table::Cell;
use tow_api::Nothing;
use tow_api::object::facets::{GetFacets, Query as FacetQuery};
use tow_api::object::get::{GetObject, ObjectView, Path};
use tow_api::object::list::{FindObjects, Query};
use tow_record::{Problem, SourceLine, Violation};

/// List what is declared, or show one object
///
/// KIND is a kind, several with commas between, or `all`. A query such as `-w 'type=service owner=quay tag:java'`
/// chooses among them; `tow get facets type,owner -w 'kind=component'` counts the values of keys.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Kinds, singular or plural; `all`; or `facets`
    kind: String,
    /// NAME or NAMESPACE/NAME; of facets the keys
    name: Option<String>,
    #[command(flatten)]
    which: Which,
}

/// Which of many.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Which {
    /// Only those that pass, as in `type=service -lifecycle=deprecated "front end"`
    #[arg(short = 'w', long = "where", value_name = "QUERY")]
    query: Option<String>,
    /// By these keys, `-` before one from Z to A, as in `type,-updated`
    #[arg(long, value_name = "KEYS", allow_hyphen_values = true)]
    order: Option<String>,
    /// At most so many
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..))]
    limit: u32,
    /// All of them
    #[arg(long)]
    all: bool,
}

impl Which {
    pub(crate) fn query(&self) -> Option<&str> {
        self.query.as_deref()
    }
}

/// How many objects are asked for at once.
const AT_ONCE: u32 = 500;
/// What is counted where nothing is said.
const FACETS: &str = "kind,type,lifecycle,owner,tag";

pub(crate) async fn run(cx: &Context, args: Args) -> Verdict {
    if args.kind.eq_ignore_ascii_case("facets") {
        return facets(cx, args.name, args.which.query).await;
    }
    let Some(name) = args.name else {
        let kinds = kinds(&args.kind)?;
        let only = match kinds.as_slice() {
            [] => None,
            kinds => Some(format!("kind={}", kinds.join(","))),
        };
        checked(args.which.query())?;
        let query = both(only, args.which.query.clone());
        let (items, more) = found(cx, query, &args.which).await?;
        return show(cx, items, more, kinds.len() != 1);
    };
    let object = one(cx, &args.kind, &name).await?;
    if cx.printer.is_text() {
        return cx.printer.list(vec![object]);
    }
    cx.printer.data(&object, String::new)
}

/// The kinds' own spelling; none for all kinds.
fn kinds(text: &str) -> Verdict<Vec<String>> {
    if text.eq_ignore_ascii_case("all") {
        return Ok(Vec::new());
    }
    text.split(',').map(|kind| self::kind(kind.trim())).collect()
}

fn both(one: Option<String>, other: Option<String>) -> Option<String> {
    match (one, other) {
        (Some(one), Some(other)) if other.trim().is_empty() => Some(one),
        (Some(one), Some(other)) => Some(format!("{one} ({other})")),
        (one, other) => one.or(other),
    }
}

/// A person's query, read as the platform reads it, before anything is put in front of it: so a column is that of the
/// person's own text, and is shown in it.
pub(crate) fn checked(text: Option<&str>) -> Verdict {
    let Some(text) = text else { return Ok(()) };
    let Err(error) = tow_formats::parse_query(text) else { return Ok(()) };
    let column = u32::try_from(error.column).unwrap_or(u32::MAX);
    let mut problem = Problem::refusal("query/syntax", "the query can't be read");
    problem.violations.push(Violation {
        code: problem.code.clone(),
        pointer: String::new(),
        message: error.message,
        expected: error.expected,
        hint: None,
        source: Some(SourceLine {
            file: "query".into(),
            line: 1,
            col: column,
            length: 1,
            snippet: text.into(),
        }),
    });
    Err(Failure::Problem(Box::new(problem)))
}

/// What passes, over as many pages as it takes; and whether there is more.
pub(crate) async fn found(
    cx: &Context,
    query: Option<String>,
    which: &Which,
) -> Verdict<(Vec<ObjectView>, bool)> {
    let mut asked = Query { q: query, order: which.order.clone(), ..Query::default() };
    let mut items: Vec<ObjectView> = Vec::new();
    loop {
        let left = which.limit.saturating_sub(u32::try_from(items.len()).unwrap_or(u32::MAX));
        asked.limit = Some(if which.all { AT_ONCE } else { left.min(AT_ONCE) });
        let reply = cx.client()?.call::<FindObjects>(&Nothing {}, &asked, &Nothing {}).await?;
        items.extend(reply.items);
        asked.from = reply.next;
        let enough = !which.all && items.len() >= which.limit as usize;
        if asked.from.is_none() || enough {
            return Ok((items, asked.from.is_some()));
        }
    }
}

/// Prints them; with their kinds where they are of several.
pub(crate) fn show(cx: &Context, items: Vec<ObjectView>, more: bool, kinds: bool) -> Verdict {
    let count = items.len();
    // As documents, which `tow apply -f -` reads again; one or many.
    if cx.printer.format == Format::Yaml {
        return items.iter().try_for_each(|item| cx.printer.item(item, String::new));
    }
    if kinds {
        cx.printer.list(items.into_iter().map(OfSomeKind).collect())?;
    } else {
        cx.printer.list(items)?;
    }
    if more && cx.printer.is_text() {
        cx.printer.hint(&format!("these are the first {count}; --limit N or --all shows more"));
    }
    Ok(())
}

async fn facets(cx: &Context, keys: Option<String>, query: Option<String>) -> Verdict {
    let keys = keys.unwrap_or_else(|| FACETS.into());
    checked(query.as_deref())?;
    let asked = FacetQuery { keys, q: query, limit: None };
    let reply = cx.client()?.call::<GetFacets>(&Nothing {}, &asked, &Nothing {}).await?;
    cx.printer.data(&reply.facets, || {
        let rows = reply.facets.iter().flat_map(|facet| {
            let row = |value: &tow_api::object::facets::Value| {
                vec![
                    Cell::new(&facet.key),
                    Cell::new(value.count),
                    Cell::new(if value.value.is_empty() { "\"\"" } else { &value.value }),
                ]
            };
            facet.values.iter().map(row).collect::<Vec<_>>()
        });
        table(&["KEY", "COUNT", "VALUE"], rows.collect(), "there are none")
    })
}

impl Listed for ObjectView {
    const HEAD: &'static [&'static str] = &["NAME", "TYPE", "OWNER", "ABOUT"];
    const EMPTY: &'static str = "there are none";

    fn row(&self) -> Vec<Cell> {
        let members = self.members();
        let word = |path: [&str; 2]| members.get(path[0])?.get(path[1])?.as_str();
        let name = match (word(["metadata", "namespace"]), word(["metadata", "name"])) {
            (Some(namespace), Some(name)) if namespace != "default" => {
                format!("{namespace}/{name}")
            }
            (_, name) => name.unwrap_or_default().to_string(),
        };
        let about = word(["metadata", "description"]).or_else(|| word(["metadata", "title"]));
        vec![
            Cell::new(name),
            Cell::new(or_dash(word(["spec", "type"]).or_else(|| word(["spec", "tier"])))),
            Cell::new(or_dash(word(["spec", "owner"]))),
            Cell::new(about.unwrap_or_default()),
        ]
    }
}

/// Among others of other kinds.
#[derive(Debug, serde::Serialize)]
#[serde(transparent)]
struct OfSomeKind(ObjectView);

impl Listed for OfSomeKind {
    const HEAD: &'static [&'static str] = &["KIND", "NAME", "TYPE", "OWNER", "ABOUT"];
    const EMPTY: &'static str = ObjectView::EMPTY;

    fn row(&self) -> Vec<Cell> {
        let members = self.0.members();
        let kind = members.get("kind").and_then(|kind| kind.as_str());
        let mut row = vec![Cell::new(or_dash(kind))];
        row.extend(self.0.row());
        row
    }
}

/// One object.
pub(crate) async fn one(cx: &Context, kind: &str, name: &str) -> Verdict<ObjectView> {
    let path = path(kind, name)?;
    Ok(cx.client()?.call::<GetObject>(&path, &Nothing {}, &Nothing {}).await?)
}

/// The kind's own spelling.
pub(crate) fn kind(text: &str) -> Verdict<String> {
    match tow_model::Kind::parse(text) {
        Some(kind) => Ok(kind.as_str().to_string()),
        None => {
            let all: Vec<&str> = tow_model::Kind::ALL.iter().map(|kind| kind.as_str()).collect();
            Err(Failure::new("cli/no-such-kind", format!("there is no kind {text:?}"))
                .hint(format!("kinds are {}", all.join(", "))))
        }
    }
}

/// An object's address.
pub(crate) fn path(kind: &str, name: &str) -> Verdict<Path> {
    let (namespace, name) = name.split_once('/').unwrap_or(("default", name));
    Ok(Path { kind: self::kind(kind)?, namespace: namespace.into(), name: name.into() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_is_pointed_at_where_it_was_typed_wrongly() {
        assert!(checked(None).is_ok() && checked(Some("type=service")).is_ok());
        let typed = "type=service )";
        let Err(Failure::Problem(problem)) = checked(Some(typed)) else { panic!("it is no query") };
        let shown = crate::render::problem(&problem);
        let plain = anstream::adapter::strip_str(&shown).to_string();
        let lines: Vec<&str> = plain.lines().collect();
        let at = lines.iter().position(|line| line.ends_with(typed)).unwrap();
        assert_eq!(lines[at].find(')'), lines[at + 1].find('^'), "{plain}");
    }
}
