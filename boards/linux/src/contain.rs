//! A panic in a device crate ends that device, never the program.

use std::panic::{AssertUnwindSafe, catch_unwind};

/// Runs `operation`, `None` where it panicked. The value it worked on must not
/// be used afterwards.
pub(crate) fn contained<T>(what: &'static str, operation: impl FnOnce() -> T) -> Option<T> {
    let outcome = catch_unwind(AssertUnwindSafe(operation));
    if outcome.is_err() {
        tracing::warn!(operation = what, "the device's driver answered nonsense");
    }
    outcome.ok()
}

#[cfg(test)]
mod tests {
    use super::contained;

    #[test]
    fn a_panic_becomes_none() {
        assert_eq!(contained("good", || 1), Some(1));
        assert_eq!(contained::<()>("bad", || panic!("from a driver")), None);
    }
}
