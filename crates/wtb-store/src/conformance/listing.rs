//! Lists of batches: newest first, filtered by plain text, paged.

use wtb_model::BatchStatus;

use super::sample::{Batch, HOSTILE, batch_id, moment, session_id, unit};
use super::{Place, checks};
use crate::{BatchFilter, Page, StoreError};

checks!("listing":
    batches_are_listed_newest_first,
    batches_are_filtered_by_plain_text,
);

/// Newest means written last: the clock of the second batch is behind that of the first.
fn batches_are_listed_newest_first(place: &dyn Place) -> Result<(), StoreError> {
    let store = place.open()?;
    for number in 1..=5_u8 {
        let mut batch = Batch::new(u64::from(number), &session_id(1), (1, 1, 1));
        batch.record.created_at = moment(-i64::from(number));
        store.commit(unit([batch.create()]))?;
    }
    let list = |page| -> Result<Vec<_>, StoreError> {
        let found = store.batches(&BatchFilter::default(), page)?;
        Ok(found.into_iter().map(|summary| summary.batch.id).collect())
    };
    let ids = |numbers: &[u64]| numbers.iter().map(|&number| batch_id(number)).collect::<Vec<_>>();
    assert_eq!(list(Page::ALL)?, ids(&[5, 4, 3, 2, 1]));
    assert_eq!(list(Page::first(2))?, ids(&[5, 4]));
    assert_eq!(list(Page { offset: 3, limit: 9 })?, ids(&[2, 1]));
    assert_eq!(list(Page { offset: 9, limit: 9 })?, ids(&[]));
    assert_eq!(list(Page::first(0))?, ids(&[]));
    assert_eq!(list(Page { offset: u64::MAX, limit: u64::MAX })?, ids(&[]));
    Ok(())
}

fn batches_are_filtered_by_plain_text(place: &dyn Place) -> Result<(), StoreError> {
    let store = place.open()?;
    for (number, text) in (0..).zip(HOSTILE) {
        let mut batch = Batch::new(number, &session_id(1), (1, 1, 1));
        batch.record.name = Some(format!("Start {text} End"));
        batch.record.workflow = (*text).into();
        store.commit(unit([batch.create()]))?;
    }
    let count = |filter: BatchFilter| store.batches(&filter, Page::ALL).map(|found| found.len());
    for text in HOSTILE {
        let workflow = BatchFilter { workflow: Some((*text).to_owned()), ..BatchFilter::default() };
        assert_eq!(count(workflow)?, 1, "{text:?}");
        let expected = if *text == " " { HOSTILE.len() } else { 1 };
        for needle in [text.to_uppercase(), text.to_lowercase()] {
            let named = BatchFilter { name_contains: Some(needle), ..BatchFilter::default() };
            assert_eq!(count(named)?, expected, "{text:?}");
        }
    }
    let name_contains = Some("start".to_owned());
    let status = Some(BatchStatus::Pending);
    let all = BatchFilter { name_contains: name_contains.clone(), status, workflow: None };
    assert_eq!(count(all.clone())?, HOSTILE.len());
    let page = store.batches(&all, Page { offset: 1, limit: 2 })?;
    let ids: Vec<_> = page.into_iter().map(|summary| summary.batch.id).collect();
    assert_eq!(ids, [batch_id(6), batch_id(5)]);
    let status = Some(BatchStatus::Failed);
    assert_eq!(count(BatchFilter { name_contains, status, workflow: None })?, 0);
    Ok(())
}
