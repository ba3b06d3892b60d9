//! Counts and facets that were asked for before, good for as long as no object is written. Whoever asks for the same at
//! the same time waits for one answer.

use super::pages::Pages;
use crate::StoreError;
use std::collections::{HashMap, VecDeque};
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::OnceCell;
use tow_model::query::{Filter, Key};

/// How many answers are kept.
const KEPT: usize = 2_000;
/// How many values a facet may have to be kept.
const VALUES: usize = 5_000;

/// What was asked.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Asked {
    Count(Filter),
    /// Of those that pass, how many have nothing there to be ordered by.
    Lacking(Filter, Key),
    Facet(Filter, Key),
}

/// A value as it is written, and how many objects have it.
pub(super) type Values = Arc<Vec<(String, i64)>>;

#[derive(Debug, Clone)]
pub(super) enum Answer {
    Count(i64),
    Facet(Values),
}

#[derive(Debug, Default)]
pub(crate) struct Cache {
    kept: Mutex<Kept>,
    pub(super) pages: Pages,
}

#[derive(Debug, Default)]
struct Kept {
    revision: u64,
    answers: HashMap<Asked, Arc<OnceCell<Answer>>>,
    order: VecDeque<Asked>,
}

impl Cache {
    /// The answer at this revision of the catalog.
    pub(super) async fn get(
        &self,
        revision: u64,
        asked: Asked,
        make: impl Future<Output = Result<Answer, StoreError>>,
    ) -> Result<Answer, StoreError> {
        let Some(cell) = self.cell(revision, &asked) else { return make.await };
        let answer = cell.get_or_try_init(|| make).await?.clone();
        if matches!(&answer, Answer::Facet(values) if values.len() > VALUES) {
            let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
            kept.answers.remove(&asked);
        }
        Ok(answer)
    }

    /// None for one that asks at an older revision than others do already.
    fn cell(&self, revision: u64, asked: &Asked) -> Option<Arc<OnceCell<Answer>>> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if revision < kept.revision {
            return None;
        }
        if revision > kept.revision {
            *kept = Kept { revision, ..Kept::default() };
        }
        if let Some(cell) = kept.answers.get(asked) {
            return Some(cell.clone());
        }
        if kept.order.len() >= KEPT
            && let Some(oldest) = kept.order.pop_front()
        {
            kept.answers.remove(&oldest);
        }
        let cell = Arc::new(OnceCell::new());
        kept.answers.insert(asked.clone(), cell.clone());
        kept.order.push_back(asked.clone());
        Some(cell)
    }
}
