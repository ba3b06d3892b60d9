//! How many objects pass a filter: gathered by the condition that fewest pass, the others asked of those.

use super::cache::{Answer, Asked};
use super::compile::{Sql, apart, conjuncts, gathers};
use crate::{Store, StoreError, Topic};
use tow_model::query::{Filter, Key};

/// So many conditions are counted to find the one that fewest pass.
const LOOKED_AT: usize = 6;

impl Store {
    /// How many objects pass. Exact, as of the revision or later.
    pub async fn count(&self, filter: &Filter) -> Result<i64, StoreError> {
        self.counted(self.revision(Topic::Catalog), &apart(filter.clone()).simplified()).await
    }

    pub(super) async fn counted(&self, revision: u64, filter: &Filter) -> Result<i64, StoreError> {
        let parts = conjuncts(filter);
        if parts.len() < 2 {
            return self.counted_alone(revision, filter).await;
        }
        let make = async {
            let fewest = self.fewest(revision, filter).await?;
            let mut sql = Sql::new(self.inner.db.is_postgres());
            sql.push("SELECT COUNT(*) FROM ");
            sql.among_gathered(fewest.as_ref().map(|(part, _)| part), filter);
            Ok(Answer::Count(self.number(sql).await?))
        };
        match self.inner.asked.get(revision, Asked::Count(filter.clone()), make).await? {
            Answer::Count(count) => Ok(count),
            Answer::Facet(_) => Ok(0),
        }
    }

    /// How many of those that pass have nothing at a path to be ordered by.
    pub(super) async fn lacking(
        &self,
        revision: u64,
        filter: &Filter,
        path: &str,
    ) -> Result<i64, StoreError> {
        let make = async {
            let fewest = self.fewest(revision, filter).await?;
            let mut sql = Sql::new(self.inner.db.is_postgres());
            sql.push("SELECT COUNT(*) FROM ");
            sql.among_gathered(fewest.as_ref().map(|(part, _)| part), filter);
            sql.push(" AND ");
            sql.lacks(path);
            Ok(Answer::Count(self.number(sql).await?))
        };
        let asked = Asked::Lacking(filter.clone(), Key::new(path));
        match self.inner.asked.get(revision, asked, make).await? {
            Answer::Count(count) => Ok(count),
            Answer::Facet(_) => Ok(0),
        }
    }

    /// A single condition.
    async fn counted_alone(&self, revision: u64, filter: &Filter) -> Result<i64, StoreError> {
        let make = async {
            let mut sql = Sql::new(self.inner.db.is_postgres());
            if gathers(filter) {
                sql.push("SELECT COUNT(*) FROM (");
                sql.gather(filter);
                sql.push(") g");
            } else {
                sql.push("SELECT COUNT(*) FROM object o WHERE ");
                sql.condition(filter);
            }
            Ok(Answer::Count(self.number(sql).await?))
        };
        match self.inner.asked.get(revision, Asked::Count(filter.clone()), make).await? {
            Answer::Count(count) => Ok(count),
            Answer::Facet(_) => Ok(0),
        }
    }

    /// The condition that fewest objects pass, of those that can be gathered, and how many do.
    pub(super) async fn fewest(
        &self,
        revision: u64,
        filter: &Filter,
    ) -> Result<Option<(Filter, i64)>, StoreError> {
        let mut fewest: Option<(Filter, i64)> = None;
        for part in conjuncts(filter).into_iter().filter(|part| gathers(part)).take(LOOKED_AT) {
            let count = self.counted_alone(revision, part).await?;
            if fewest.as_ref().is_none_or(|(_, least)| count < *least) {
                fewest = Some((part.clone(), count));
            }
        }
        Ok(fewest)
    }

    async fn number(&self, sql: Sql) -> Result<i64, StoreError> {
        let row = self.inner.db.fetch_one(sql.text, &sql.args).await?;
        Ok(row.map_or(Ok(0), |row| row.int(0))?)
    }
}

impl Sql {
    /// The object `o` has nothing at the path to be ordered by.
    pub(super) fn lacks(&mut self, path: &str) {
        self.push("NOT EXISTS (SELECT 1 FROM search s WHERE s.object = o.id AND s.key = ");
        self.key(path);
        self.push(" AND s.form < 2)");
    }

    /// `… WHERE …`: the objects `o` that pass the filter, gathered by one of its conditions.
    pub(super) fn among_gathered(&mut self, by: Option<&Filter>, filter: &Filter) {
        let Some(by) = by else {
            self.push("object o WHERE ");
            return self.condition(filter);
        };
        self.push("(");
        self.gather(by);
        self.push(") g CROSS JOIN object o WHERE o.id = g.id");
        for part in conjuncts(filter).into_iter().filter(|part| *part != by) {
            self.push(" AND ");
            self.condition(part);
        }
    }
}
