//! Medians and tails.

/// The value below which `share` of `values` lie (nearest rank); `None` of none.
#[allow(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss
)] // a rank among what fits into memory
pub(crate) fn quantile<T: Copy + PartialOrd>(values: &mut [T], share: f64) -> Option<T> {
    values.sort_by(|a, b| a.partial_cmp(b).unwrap_or(std::cmp::Ordering::Equal));
    let rank = (share * values.len() as f64).ceil() as usize;
    values.get(rank.max(1) - 1).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nearest_rank() {
        let mut values = [5, 1, 4, 2, 3];
        assert_eq!(quantile(&mut values, 0.5), Some(3));
        assert_eq!(quantile(&mut values, 0.99), Some(5));
        assert_eq!(quantile(&mut values, 0.0), Some(1));
        assert_eq!(quantile::<u32>(&mut [], 0.5), None);
    }
}
