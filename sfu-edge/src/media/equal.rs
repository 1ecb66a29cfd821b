//! Which packets of a batch are padded to one size, so that they leave in one piece.
//!
//! The kernel segments what it is given into datagrams of one size, of which
//! the last may be shorter. Encoders cut a picture into packets that differ by
//! a byte or two; without padding each change of size costs a message of its
//! own, which is more than sealing the packet.

/// Padding that a packet may get. A few per cent of a full one: the link pays
/// for it, and on a radio that counts for more than our processor.
const MAX_PADDING: usize = 48;

/// Appends to `padding` how many bytes each packet of these `lengths` gets.
pub(super) fn plan(lengths: &[usize], padding: &mut Vec<u8>) {
    let mut rest = lengths;
    while !rest.is_empty() {
        let (run, size) = longest_run(rest);
        // A shorter packet may end the run that it follows, as it is.
        let tail = rest.get(run).is_some_and(|len| *len < size);
        for (at, len) in rest.iter().take(run).enumerate() {
            let is_last = at + 1 == run && !tail;
            let missing = if is_last { 0 } else { size - len };
            padding.push(u8::try_from(missing).unwrap_or(0)); // MAX_PADDING at most
        }
        let taken = run + usize::from(tail);
        padding.extend(tail.then_some(0));
        rest = rest.get(taken..).unwrap_or_default();
    }
}

/// How many packets from the first on are close enough in size, and the size
/// they are brought to.
fn longest_run(lengths: &[usize]) -> (usize, usize) {
    let (mut least, mut greatest) = (usize::MAX, 0);
    for (at, len) in lengths.iter().enumerate() {
        let (l, g) = (least.min(*len), greatest.max(*len));
        if g - l > MAX_PADDING {
            return (at, greatest);
        }
        (least, greatest) = (l, g);
    }
    (lengths.len(), greatest)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn padded(lengths: &[usize]) -> Vec<usize> {
        let mut padding = Vec::new();
        plan(lengths, &mut padding);
        assert_eq!(padding.len(), lengths.len());
        let sizes = lengths.iter().zip(&padding);
        sizes.map(|(len, p)| len + usize::from(*p)).collect()
    }

    #[test]
    fn packets_of_one_picture_become_equal() {
        assert_eq!(padded(&[1100, 1100, 1101, 1101]), [1101, 1101, 1101, 1101]);
        assert_eq!(padded(&[1101, 1100]), [1101, 1100], "the last needs none");
        assert_eq!(
            padded(&[1100, 1101, 300, 1100, 1101]),
            [1101, 1101, 300, 1101, 1101]
        );
    }

    #[test]
    fn what_is_far_off_is_left_alone() {
        assert_eq!(padded(&[20, 1100, 1100]), [20, 1100, 1100]);
        assert_eq!(padded(&[300, 80, 500]), [300, 80, 500]);
        assert_eq!(padded(&[80]), [80]);
        assert!(padded(&[]).is_empty());
    }

    /// Messages that the kernel needs for datagrams of these sizes.
    fn messages(sizes: &[usize]) -> usize {
        let (mut count, mut run) = (0, None);
        for len in sizes {
            match run {
                Some(size) if *len == size => {}
                Some(size) if *len < size => run = None, // the tail
                _ => {
                    count += 1;
                    run = Some(*len);
                }
            }
        }
        count
    }

    proptest! {
        #[test]
        fn padding_is_bounded_and_never_costs_a_message(lengths in prop::collection::vec(1_usize..1300, 0..64)) {
            let sizes = padded(&lengths);
            for (len, size) in lengths.iter().zip(&sizes) {
                prop_assert!(size - len <= MAX_PADDING);
            }
            prop_assert!(messages(&sizes) <= messages(&lengths));
        }
    }
}
