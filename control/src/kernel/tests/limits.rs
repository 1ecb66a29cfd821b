//! Rule 9.

use super::*;

#[test]
fn axes_grow_as_they_may_and_a_stop_is_at_once() {
    let slow = AxisLimit {
        most: Axis::from_fraction(0.5),
        rise: u32::from(i16::MAX as u16),
        fall: 0,
    };
    let mut limits = Limits::default();
    limits.0[0] = slow;
    let mut kernel = kernel_with(KernelConfig {
        limits,
        ..KernelConfig::default()
    });
    say(10).arm(&mut kernel, 0, 40).expect("armed");
    let mut speeds = std::vec::Vec::new();
    for step in 1..=40 {
        let now = 20 * step;
        let driven = say(10 + step as u32).drive(&mut kernel, now, 41, now);
        driven.expect("driven");
        speeds.push(kernel.output(at(now)).linear.fraction());
        // While it is on its way the driver is to look again soon.
        if step < 25 {
            assert!(kernel.poll_timeout() <= at(now + 10));
        }
    }
    assert!((speeds[10] - 0.2).abs() < 0.01, "{speeds:?}");
    assert!((speeds[39] - 0.5).abs() < 0.001, "{speeds:?}");
    say(60).stop(&mut kernel, 800, 41);
    assert_eq!(kernel.output(at(800)), Axes::ZERO);
    say(61).arm(&mut kernel, 900, 41).expect("armed");
    say(62).drive(&mut kernel, 910, 42, 910).expect("driven");
    assert_eq!(kernel.output(at(910)), Axes::ZERO, "from nothing again");
}
