use super::Outgoing;

/// Bytes of a channel that may be under way, not acknowledged yet, before the
/// next setpoint waits: a dozen of them, which is what 30 a second come to over
/// a round trip of 200 ms and a delayed acknowledgement. Half of a packet at
/// most, so that it is below the smallest congestion window: what need not wait
/// here does not wait below either, and leaves at once.
const UNDER_WAY: usize = 12 * 44;

/// The newest setpoint for a peer that does not acknowledge those before it. A
/// queue in its place would be driven through when the path opens again.
#[derive(Debug, Default)]
pub(super) struct Newest(Option<Outgoing>);

/// What is to be done with one that was offered.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Offered {
    /// To be sent now; else it waits.
    pub(super) send: Option<Outgoing>,
    /// Another one waited and is thrown away.
    pub(super) replaced: bool,
}

impl Newest {
    /// Takes a newer one, while so many bytes are under way.
    pub(super) fn offer(&mut self, under_way: usize, newer: Outgoing) -> Offered {
        let replaced = self.0.replace(newer).is_some();
        Offered {
            send: self.poll(under_way),
            replaced,
        }
    }

    /// The one that waits, if it need not wait any more.
    pub(super) fn poll(&mut self, under_way: usize) -> Option<Outgoing> {
        self.0.take_if(|_| under_way <= UNDER_WAY)
    }

    /// The label of the channel for which one waits.
    pub(super) fn waiting(&self) -> Option<&str> {
        self.0.as_ref().map(|outgoing| &*outgoing.label)
    }
}

#[cfg(test)]
mod tests {
    use transom_rtc_proto::channel::MessageKind;

    use super::*;

    fn setpoint(number: u8) -> Outgoing {
        Outgoing {
            key: 0,
            label: "control".into(),
            kind: MessageKind::Binary,
            data: [number; 44].into(),
            newest: true,
        }
    }

    #[test]
    fn one_waits_while_too_many_are_under_way() {
        let mut newest = Newest::default();
        let mut under_way = 0;
        let (mut sent, mut replaced) = (Vec::new(), 0);
        for number in 0..20 {
            let offered = newest.offer(under_way, setpoint(number));
            under_way += offered.send.iter().map(|o| o.data.len()).sum::<usize>();
            sent.extend(offered.send.map(|o| o.data[0]));
            replaced += u32::from(offered.replaced);
        }
        assert_eq!(sent, (0..13).collect::<Vec<_>>());
        assert_eq!((replaced, newest.waiting()), (6, Some("control")));
        assert_eq!(newest.poll(under_way), None);
        assert_eq!(newest.poll(under_way - 44), Some(setpoint(19)));
        assert_eq!((newest.poll(0), newest.waiting()), (None, None));
    }

    #[test]
    fn what_waited_is_replaced_even_when_the_path_is_open() {
        let mut newest = Newest::default();
        newest.offer(1000, setpoint(1));
        let offered = newest.offer(0, setpoint(2));
        assert_eq!((offered.send, offered.replaced), (Some(setpoint(2)), true));
        assert_eq!(newest.waiting(), None);
    }
}
