//! Commands and reports, and whole conversations with the safety kernel.

use transom_control::{
    AckResult, Axis, AxisLimit, Channel, Command, Epoch, Kernel, KernelConfig, Limits, Operator,
    OperatorConfig, Order, Output, Picture, Report, Stamp, State, Unanswered,
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
    let picture = Picture::parse(data);
    if let Ok(picture) = &picture {
        assert_eq!(*picture.emit(), *data);
    }
    converse(data);
    command.is_ok() || report.is_ok() || picture.is_ok()
}

/// What a conversation is held under: the fuzzer's first byte chooses.
fn config(choice: u8) -> KernelConfig {
    let limit = AxisLimit {
        most: Axis::from_fraction(0.5),
        rise: 20_000,
        fall: 40_000,
    };
    KernelConfig {
        picture_limit_us: (choice & 1 != 0).then_some(500_000),
        picture_slow_us: 200_000,
        limits: match choice & 2 {
            0 => Limits::default(),
            _ => Limits([limit; 8]),
        },
        ..KernelConfig::default()
    }
}

fn converse(data: &[u8]) {
    let mut now = START;
    let stamp = Stamp::from_micros;
    let choice = data.first().copied().unwrap_or(0);
    let mut kernel = Kernel::new(config(choice), stamp(now), Epoch(1));
    let mut operator = Operator::new(OperatorConfig::default());
    let mut unanswered = Unanswered::default();
    let mut held = false;
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
        // Some waited in a process that stood still: by up to half a second, as the message itself says.
        let waited = u64::from(chunk.last().copied().unwrap_or(0) & 3) * 150_000;
        let came = stamp(now - waited);
        let command = Command::parse(&message);
        if let Ok(command) = &command {
            unanswered.on_command(now, command);
        }
        let took = kernel.handle_held_message(stamp(now), came, Channel::Control, &message);
        match command.map(|command| command.order) {
            Ok(Order::Setpoint { epoch, echo, .. }) if took.is_ok() => {
                assert_eq!(Some(epoch), armed, "motion of an epoch that is not open");
                let age = now.checked_sub(echo.micros()).expect("from the future");
                assert!(age <= LIMIT_US, "motion by a stale command");
                assert!(!held, "motion in an emergency");
                fresh_until = fresh_until.max(now - waited + LIMIT_US);
            }
            // A setpoint that waited goes on until the arm that opened its epoch is too old.
            Ok(Order::Arm { .. }) if took.is_ok() => {
                fresh_until = fresh_until.max(now - waited + LIMIT_US);
            }
            Ok(Order::Emergency { epoch }) if took.is_ok() && epoch >= kernel.epoch() => {
                assert_eq!(
                    kernel.state(),
                    State::Emergency,
                    "an emergency stop did not hold"
                );
            }
            Ok(Order::Reset { .. }) if took.is_ok() => {
                assert_ne!(kernel.state(), State::Emergency, "a reset did not let go");
                held = false;
            }
            Ok(Order::Stop { epoch, .. }) if took.is_ok() && epoch >= kernel.epoch() => {
                assert_ne!(kernel.state(), State::Armed, "a stop did not stop");
            }
            Err(_) => assert!(took.is_err()),
            _ => {}
        }
        held |= kernel.state() == State::Emergency;
        assert_eq!(
            held,
            kernel.state() == State::Emergency,
            "only a reset lets go"
        );
        if let Some(switch) = kernel.poll_switch() {
            kernel.switched(
                &switch,
                AckResult::ALL[usize::from(*pause) % AckResult::ALL.len()],
            );
        }
        let _ = operator.handle_message(now, chunk);
        let _ = operator.arm(now);
        match chunk.len() % 7 {
            1 => operator.emergency(now),
            2 => drop(operator.reset(now)),
            3 => operator.switch(now, Output::User(*pause % 128), 1, 0),
            _ => {}
        }
        for _ in 0..64 {
            let Some(out) = kernel.poll_transmit(stamp(now)) else {
                break;
            };
            let report = Report::parse(&out.message).expect("what the kernel says is well formed");
            let _ = operator.handle_message(now, &report.emit());
            let _ = unanswered.on_report(now, &report);
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
