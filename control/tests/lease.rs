//! The lease messages against vectors that the page's twin is tested with too: `tests/data/control/lease.json`.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

mod common;

use common::vectors;
use serde_json::{Value, json};
use transom_control::wire::{LeaseNotice, LeaseParty, LeaseRequest};

#[test]
fn requests_are_read_and_written() {
    for (name, bytes, message) in vectors("lease", "requests") {
        assert!(LeaseRequest::is_meant(&bytes) && !LeaseNotice::is_meant(&bytes));
        let request = LeaseRequest::parse(&bytes).unwrap_or_else(|error| panic!("{name}: {error}"));
        let told = json!({
            "kind": "request",
            "number": request.number,
            "action": request.action.name(),
            "about": request.action.about().0,
        });
        assert_eq!(told, message, "{name}");
        assert_eq!(request.emit(), *bytes, "{name}");
    }
}

#[test]
fn notices_are_read_and_written() {
    for (name, bytes, message) in vectors("lease", "notices") {
        assert!(LeaseNotice::is_meant(&bytes) && !LeaseRequest::is_meant(&bytes));
        let notice = LeaseNotice::parse(&bytes).unwrap_or_else(|error| panic!("{name}: {error}"));
        let party = |party: LeaseParty, key: &str, value: Value| {
            let mut told = json!({ "source": party.source.0, "name": party.name.as_str() });
            told[key] = value;
            told
        };
        let holder = notice.holder.map(|holder| {
            let mut told = party(holder.party, "firmMs", json!(holder.firm_ms));
            let asker = holder.asker;
            told["asker"] = json!(asker.map(|(asker, left)| party(asker, "leftMs", json!(left))));
            told
        });
        let answer = notice.answer;
        let answer = answer.map(|(n, result)| json!({ "number": n, "result": result.name() }));
        let told = json!({
            "kind": "notice",
            "lease": notice.lease.0,
            "you": notice.you.0,
            "admin": notice.admin,
            "holder": holder,
            "answer": answer,
        });
        assert_eq!(told, message, "{name}");
        assert_eq!(notice.emit(), *bytes, "{name}");
    }
}

#[test]
fn what_is_no_message_is_refused_by_name() {
    for (name, bytes, error) in vectors("lease", "refused_requests") {
        let refused = LeaseRequest::parse(&bytes).expect_err(&name);
        assert_eq!(json!(refused.name()), error, "{name}: {refused}");
    }
    for (name, bytes, error) in vectors("lease", "refused_notices") {
        let refused = LeaseNotice::parse(&bytes).expect_err(&name);
        assert_eq!(json!(refused.name()), error, "{name}: {refused}");
    }
}
