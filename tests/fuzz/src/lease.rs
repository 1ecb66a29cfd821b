//! Requests and notices about the lease to drive.

use transom_control::wire::{LeaseNotice, LeaseParty, LeaseRequest};

/// What parses is written as the same bytes, names are clean, and nothing is both.
pub fn lease(data: &[u8]) -> bool {
    let request = LeaseRequest::parse(data);
    if let Ok(request) = &request {
        assert!(LeaseRequest::is_meant(data));
        assert_eq!(request.emit(), *data);
    }
    let notice = LeaseNotice::parse(data);
    if let Ok(notice) = &notice {
        assert!(LeaseNotice::is_meant(data) && request.is_err());
        assert_eq!(notice.emit(), *data);
        let clean = |party: LeaseParty| {
            assert_ne!(party.source.0, 0);
            assert!(!party.name.as_str().chars().any(char::is_control));
        };
        if let Some(holder) = notice.holder {
            clean(holder.party);
            holder.asker.into_iter().for_each(|(asker, _)| clean(asker));
        }
    }
    request.is_ok() || notice.is_ok()
}
