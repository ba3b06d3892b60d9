//! Lists: whatever the platform lists is printed in one way. Programs get the API's own view, item by item, with
//! references as people type them; people get a table.

use crate::failure::Verdict;
use crate::printer::Printer;
use crate::render::table;
use comfy_table::Cell;
use serde::Serialize;

/// An item of a list. A new noun writes this for its view and is done.
pub(crate) trait Listed: Serialize {
    /// The titles of the table's columns. On a terminal that is too narrow the last ones stand beneath their row.
    const HEAD: &'static [&'static str];
    /// What is said to people where there are none.
    const EMPTY: &'static str;

    /// Its line of the table, a cell for each title.
    fn row(&self) -> Vec<Cell>;

    /// Shortens the references that a person types back: `web` for `component:default/web`.
    fn shorten(&mut self) {}
}

impl Printer {
    /// A list, as the format asks.
    pub(crate) fn list<T: Listed>(&self, items: Vec<T>) -> Verdict {
        self.list_or(items, T::EMPTY)
    }

    /// A list of only some of a kind, with a word of its own for where there are none.
    pub(crate) fn list_or<T: Listed>(&self, mut items: Vec<T>, empty: &str) -> Verdict {
        items.iter_mut().for_each(T::shorten);
        self.data(&items, || table(T::HEAD, items.iter().map(T::row).collect(), empty))
    }

    /// A list of which there may be more than were asked for.
    pub(crate) fn page<T: Listed>(&self, items: Vec<T>, page: Page) -> Verdict {
        let full = items.len() >= page.limit as usize;
        self.list(items)?;
        if full && self.is_text() {
            self.hint(&format!("these are the newest {}; --limit N shows more", page.limit));
        }
        Ok(())
    }
}

/// How much of a list that only grows.
#[derive(Debug, Clone, Copy, clap::Args)]
pub(crate) struct Page {
    /// At most so many
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub(crate) limit: u32,
}
