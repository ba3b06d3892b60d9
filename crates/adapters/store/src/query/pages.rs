//! Pages that were asked for before, good for as long as no object is written: what many look at is read once. Bounded by
//! what it holds; whoever asks for the same at the same time waits for one answer.

use super::Page;
use crate::StoreError;
use std::collections::{HashMap, VecDeque};
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::OnceCell;
use tow_model::query::{Filter, Query};

/// How many bytes are kept.
const KEPT: usize = 8 << 20;
/// A page that holds more is not kept.
const LARGEST: usize = KEPT / 16;
/// How many pages are kept.
const MOST: usize = 2_000;
/// A question longer than this is not remembered.
const LONGEST: usize = 2_000;

/// What was asked, and whether with relations.
type Asked = (Query, bool);

#[derive(Debug, Default)]
pub(super) struct Pages {
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    revision: u64,
    pages: HashMap<Asked, Slot>,
    order: VecDeque<Asked>,
    bytes: usize,
}

#[derive(Debug, Clone, Default)]
struct Slot {
    page: Arc<OnceCell<Arc<Page>>>,
    /// 0 until it is there.
    bytes: usize,
}

impl Pages {
    /// The page at this revision of the catalog.
    pub(super) async fn get(
        &self,
        revision: u64,
        query: &Query,
        relations: bool,
        make: impl Future<Output = Result<Page, StoreError>>,
    ) -> Result<Page, StoreError> {
        if length(&query.filter) + length(&query.scope) > LONGEST {
            return make.await;
        }
        let asked = (query.clone(), relations);
        let Some(cell) = self.cell(revision, &asked) else { return make.await };
        let page = cell.get_or_try_init(|| async { make.await.map(Arc::new) }).await?.clone();
        self.weigh(revision, &asked, size(&page));
        Ok(Arc::unwrap_or_clone(page))
    }

    /// None for one that asks at an older revision than others do already.
    fn cell(&self, revision: u64, asked: &Asked) -> Option<Arc<OnceCell<Arc<Page>>>> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if revision < kept.revision {
            return None;
        }
        if revision > kept.revision {
            *kept = Kept { revision, ..Kept::default() };
        }
        if let Some(slot) = kept.pages.get(asked) {
            return Some(slot.page.clone());
        }
        if kept.order.len() >= MOST
            && let Some(oldest) = kept.order.pop_front()
        {
            let bytes = kept.pages.remove(&oldest).map_or(0, |slot| slot.bytes);
            kept.bytes -= bytes;
        }
        let slot = Slot::default();
        kept.pages.insert(asked.clone(), slot.clone());
        kept.order.push_back(asked.clone());
        Some(slot.page)
    }

    /// Once it is known how large it is: it stays, or it goes, or the oldest go for it.
    fn weigh(&self, revision: u64, asked: &Asked, bytes: usize) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = &mut *kept;
        match kept.pages.get_mut(asked) {
            Some(slot) if kept.revision == revision && slot.bytes == 0 => slot.bytes = bytes,
            _ => return,
        }
        kept.bytes += bytes;
        if bytes > LARGEST {
            kept.pages.remove(asked);
            kept.bytes -= bytes;
        }
        while kept.bytes > KEPT {
            let Some(oldest) = kept.order.pop_front() else { break };
            kept.bytes -= kept.pages.remove(&oldest).map_or(0, |slot| slot.bytes);
        }
    }
}

/// Of everything that was typed.
fn length(filter: &Filter) -> usize {
    match filter {
        Filter::All(parts) | Filter::Any(parts) => 8 + parts.iter().map(length).sum::<usize>(),
        Filter::Not(inner) => 8 + length(inner),
        Filter::Exists(key) => 8 + key.as_str().len(),
        Filter::In(key, values) => {
            key.as_str().len() + values.iter().map(|value| 24 + value.len()).sum::<usize>()
        }
        Filter::Prefix(key, text) | Filter::Contains(key, text) => key.as_str().len() + text.len(),
        Filter::Text(text) => text.len(),
    }
}

/// About so many bytes; never 0.
fn size(page: &Page) -> usize {
    let row = |row: &super::Found| {
        let status = row.status.as_ref().map_or(0, String::len);
        let relations: usize = row.relations.iter().map(|(_, target)| 48 + target.len()).sum();
        600 + row.body.len() + status + relations
    };
    1_000 + page.rows.iter().map(row).sum::<usize>()
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn asked(pages: &Pages, revision: u64, text: &str, bytes: usize) -> bool {
        let query = Query::of(Filter::Text(text.into()), 1);
        let mut made = false;
        let make = async {
            made = true;
            let rows = vec![super::super::Found::of_size(bytes)];
            Ok(Page { total: Some(bytes as i64), rows, ..Page::default() })
        };
        let page = pages.get(revision, &query, true, make).await.unwrap();
        assert_eq!(page.total, Some(bytes as i64));
        made
    }

    #[tokio::test]
    async fn pages_are_kept_until_something_is_written_and_within_their_bytes() {
        let pages = Pages::default();
        assert!(asked(&pages, 1, "a", 10).await);
        assert!(!asked(&pages, 1, "a", 10).await, "once");
        assert!(asked(&pages, 2, "a", 10).await, "something was written");
        assert!(asked(&pages, 1, "a", 10).await, "somebody late is answered, and changes nothing");
        assert!(!asked(&pages, 2, "a", 10).await);
        assert!(asked(&pages, 2, "large", LARGEST).await);
        assert!(asked(&pages, 2, "large", LARGEST).await, "too large to be kept");
        let long = "x".repeat(LONGEST);
        assert!(asked(&pages, 2, &long, 10).await && asked(&pages, 2, &long, 10).await);
        for n in 0..40 {
            assert!(asked(&pages, 2, &format!("n{n}"), LARGEST / 2).await);
        }
        assert!(asked(&pages, 2, "a", 10).await, "the oldest went");
        assert!(!asked(&pages, 2, "n39", LARGEST / 2).await);
        for n in 0..MOST + 10 {
            asked(&pages, 2, &format!("m{n}"), 1).await;
        }
        let kept = pages.kept.lock().unwrap();
        assert!(kept.order.len() <= MOST && kept.pages.len() <= MOST && kept.bytes <= KEPT);
        assert_eq!(kept.bytes, kept.pages.values().map(|slot| slot.bytes).sum::<usize>());
    }
}
