//! Commands and reports, and whole conversations with the safety kernel.

use transom_control::{
    Channel, Command, Epoch, Kernel, KernelConfig, Operator, OperatorConfig, Order, Report, Stamp,
    State,
};

const LIMIT_US: u64 = 300_000;
const START: u64 = 1_000_000_000;

/// What parses is written as the same bytes; and of a conversation (chunks of a length byte, a byte of
/// time, a message) nothing moves the outputs but a fresh setpoint of the open epoch.
pub fn control(data: &[u8]) -> bool {
    let command = Command::parse(data);
    if let Ok(command) = &command {
        assert_eq!(*command.emit(), *data);
    }
    let report = Report::parse(data);
    if let Ok(report) = &report {
        assert_eq!(*report.emit(), *data);
    }
    converse(data);
    command.is_ok() || report.is_ok()
}

fn converse(data: &[u8]) {
    let mut now = START;
    let stamp = Stamp::from_micros;
    let mut kernel = Kernel::new(KernelConfig::default(), stamp(now), Epoch(1));
    let mut operator = Operator::new(OperatorConfig::default());
    let mut fresh_until = 0;
    let mut rest = data;
    while let [len, pause, tail @ ..] = rest {
        let (chunk, tail) = tail.split_at(usize::from(*len).min(tail.len()));
        rest = tail;
        now += u64::from(*pause) * 2_000;
        // Stamps of this conversation, where the message asks for one: fuzzers do not guess clocks.
        let mut message = chunk.to_vec();
        if let Some(echo) = message.get_mut(20..28)
            && echo == [0; 8]
        {
            echo.copy_from_slice(&(now - 1000).to_be_bytes());
        }
        let armed = (kernel.state() == State::Armed).then(|| kernel.epoch());
        let took = kernel.handle_message(stamp(now), Channel::Control, &message);
        match Command::parse(&message).map(|command| command.order) {
            Ok(Order::Setpoint { epoch, echo, .. }) if took.is_ok() => {
                assert_eq!(Some(epoch), armed, "motion of an epoch that is not open");
                let age = now.checked_sub(echo.micros()).expect("from the future");
                assert!(age <= LIMIT_US, "motion by a stale command");
                fresh_until = now + LIMIT_US;
            }
            Ok(Order::Stop { epoch, .. }) if took.is_ok() && epoch >= kernel.epoch() => {
                assert_ne!(kernel.state(), State::Armed, "a stop did not stop");
            }
            Err(_) => assert!(took.is_err()),
            _ => {}
        }
        let _ = operator.handle_message(now, chunk);
        let _ = operator.arm(now);
        for _ in 0..64 {
            let Some(out) = kernel.poll_transmit(stamp(now)) else {
                break;
            };
            let report = Report::parse(&out.message).expect("what the kernel says is well formed");
            let _ = operator.handle_message(now, &report.emit());
        }
        assert!(
            kernel.poll_transmit(stamp(now)).is_none(),
            "it talks without end"
        );
        for _ in 0..64 {
            let Some(out) = operator.poll_transmit(now) else {
                break;
            };
            Command::parse(&out.message).expect("what the operator says is well formed");
        }
        assert!(
            operator.poll_transmit(now).is_none(),
            "it talks without end"
        );
        let output = kernel.output(stamp(now));
        assert!(
            output.is_zero() || now < fresh_until,
            "motion without a fresh setpoint"
        );
        assert!(kernel.output(stamp(fresh_until.max(now))).is_zero() || fresh_until > now);
    }
}
