//! What makes one route table of another: the routes that are put and the ones that go. Travels over the control socket
//! in place of a whole table, and is a line of what the gateway keeps.

use serde::{Deserialize, Serialize};
use std::collections::HashSet;
use tow_record::{Route, RouteSet};

/// See the top of this file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Change {
    /// Epoch and revision of the table that it changes.
    pub(crate) base: (i64, i64),
    pub(crate) epoch: i64,
    pub(crate) revision: i64,
    /// New routes, and others in place of those with the same id.
    pub(crate) put: Vec<Route>,
    /// By id.
    pub(crate) drop: Vec<String>,
}

impl Change {
    /// From what is there (`base`, and its routes by id) to this set.
    pub(crate) fn between<'a>(
        base: (i64, i64),
        ids: impl Iterator<Item = &'a str>,
        route: impl Fn(&str) -> Option<&'a Route>,
        set: &RouteSet,
    ) -> Self {
        let wanted: HashSet<&str> = set.routes.iter().map(|route| route.id.as_str()).collect();
        let new = |wanted: &&Route| route(&wanted.id) != Some(*wanted);
        let mut put: Vec<Route> = set.routes.iter().filter(new).cloned().collect();
        // Two routes of one id are seen here, or nowhere: the second one would be taken for what is there already.
        if wanted.len() < set.routes.len() {
            put.clone_from(&set.routes);
        }
        Self {
            base,
            epoch: set.epoch,
            revision: set.revision,
            put,
            drop: ids.filter(|id| !wanted.contains(id)).map(str::to_string).collect(),
        }
    }

    /// How many routes it is about.
    pub(crate) fn size(&self) -> usize {
        self.put.len() + self.drop.len()
    }

    /// The table that it leads to.
    pub(crate) fn mark(&self) -> (i64, i64) {
        (self.epoch, self.revision)
    }
}
