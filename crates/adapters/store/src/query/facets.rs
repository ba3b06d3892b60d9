//! Which values a key has among the objects that pass a filter, and how many objects have each.

use super::cache::{Answer, Asked, Values};
use super::compile::{Sql, apart, column};
use crate::{Store, StoreError, Topic};
use tow_model::query::{Field, Filter, Key};
use tow_model::{Kind, Relation};

impl Store {
    /// For each key its values as they are written, by value, with the number of objects that have it.
    pub async fn facets(
        &self,
        filter: &Filter,
        keys: &[Key],
    ) -> Result<Vec<Vec<(String, i64)>>, StoreError> {
        let revision = self.revision(Topic::Catalog);
        let filter = apart(filter.clone()).simplified();
        let mut found = Vec::with_capacity(keys.len());
        for key in keys {
            let asked = Asked::Facet(filter.clone(), key.clone());
            let make =
                async { Ok(Answer::Facet(self.facet(revision, &filter, key).await?.into())) };
            found.push(match self.inner.asked.get(revision, asked, make).await? {
                Answer::Facet(values) => Values::unwrap_or_clone(values),
                Answer::Count(_) => Vec::new(),
            });
        }
        Ok(found)
    }

    async fn facet(
        &self,
        revision: u64,
        filter: &Filter,
        key: &Key,
    ) -> Result<Vec<(String, i64)>, StoreError> {
        let fewest = self.fewest(revision, filter).await?;
        let by = fewest.as_ref().map(|(part, _)| part);
        let mut sql = Sql::new(self.inner.db.is_postgres());
        match key.field() {
            Field::Nowhere | Field::Created | Field::Updated => return Ok(Vec::new()),
            Field::Path(path) if *filter == Filter::everything() => {
                sql.push(
                    "SELECT COALESCE(s.shown, s.value), COUNT(*) FROM search s WHERE s.key = ",
                );
                sql.key(path);
                sql.push(" AND s.form < 2 GROUP BY 1");
                sql.all_listed(key, None, filter);
            }
            Field::Path(path) => {
                sql.push(
                    "SELECT COALESCE(s.shown, s.value), COUNT(*) FROM (SELECT o.id AS id FROM ",
                );
                sql.among_gathered(by, filter);
                sql.push(") f CROSS JOIN search s WHERE s.object = f.id AND s.key = ");
                sql.key(path);
                sql.push(" AND s.form < 2 GROUP BY 1");
                sql.all_listed(key, by, filter);
            }
            Field::Relation(kind) => {
                let Some(relation) = Relation::parse(kind) else { return Ok(Vec::new()) };
                sql.push("SELECT x.target, COUNT(*) FROM (SELECT r.origin, r.target FROM (SELECT o.id AS id FROM ");
                sql.among_gathered(by, filter);
                sql.push(&format!(
                    ") f CROSS JOIN relation r WHERE r.origin = f.id AND r.type = '{}' \
                     UNION SELECT f.id, p.ref FROM (SELECT o.id AS id, o.ref AS ref FROM ",
                    relation.as_str()
                ));
                sql.among_gathered(by, filter);
                sql.push(&format!(
                    ") f CROSS JOIN relation r CROSS JOIN object p \
                     WHERE r.target = f.ref AND r.type = '{}' AND p.id = r.origin) x GROUP BY 1",
                    relation.inverse().as_str()
                ));
            }
            field => {
                let column = column(field).unwrap_or("o.ref");
                sql.push(&format!("SELECT {column}, COUNT(*) FROM "));
                sql.among_gathered(by, filter);
                sql.push(" GROUP BY 1");
            }
        }
        let rows = self.inner.db.fetch(sql.text, &sql.args).await?;
        let mut found = Vec::with_capacity(rows.len());
        for row in &rows {
            let (value, count) = (row.text(0)?, row.int(1)?);
            let value = match key.field() {
                Field::Kind => Kind::parse(&value).map_or(value, |kind| kind.to_string()),
                _ => value,
            };
            // Of a list's own path there may be none.
            if count > 0 {
                found.push((value, count));
            }
        }
        found.sort();
        Ok(found)
    }
}

impl Sql {
    /// Adds how many objects have it where the key is that of a text in a list: `metadata.tags.java`.
    fn all_listed(&mut self, key: &Key, by: Option<&Filter>, filter: &Filter) {
        if key.listed().next().is_none() {
            return;
        }
        self.push(" UNION ALL SELECT 'true', COUNT(*) FROM (SELECT o.id AS id FROM ");
        self.among_gathered(by, filter);
        self.push(") f WHERE 1 = 0");
        for (path, value) in key.listed() {
            self.push(" OR EXISTS (SELECT 1 FROM search s WHERE s.object = f.id AND s.key = ");
            self.key(path);
            self.push(" AND s.value = ");
            self.arg(value.to_string());
            self.push(" AND s.form = 1)");
        }
    }
}
