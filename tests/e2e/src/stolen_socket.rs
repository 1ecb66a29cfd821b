//! The socket between a running agent and its actuator, borrowed from the agent.

use std::fs;
use std::os::fd::OwnedFd;
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, SocketType, recv, send, sockopt};
use rustix::process::{Pid, PidfdFlags, PidfdGetfdFlags, pidfd_getfd, pidfd_open};
use transom_agent::actuator::ToActuator;
use transom_control::{Axes, Axis, Command, Operator, OperatorConfig, Order, Phase, Stamp};

use crate::monotonic_us;

/// A copy of a stopped agent's end of the socket, over which a test speaks in its stead.
pub struct StolenSocket(OwnedFd);

impl StolenSocket {
    /// Takes the copy; `Err` where this system does not let a process look into its child's.
    pub fn of(agent: u32) -> Result<Self, Errno> {
        let pid = i32::try_from(agent).ok().and_then(Pid::from_raw);
        let agent_fd = pidfd_open(pid.expect("a process id"), PidfdFlags::empty())?;
        let folder = fs::read_dir(format!("/proc/{agent}/fd")).expect("a process");
        for entry in folder {
            let name = entry.expect("a descriptor").file_name();
            let number = name.to_str().and_then(|name| name.parse().ok());
            let number = number.expect("a number");
            let copy = pidfd_getfd(&agent_fd, number, PidfdGetfdFlags::empty())?;
            if sockopt::socket_type(&copy) == Ok(SocketType::SEQPACKET) {
                return Ok(Self(copy));
            }
        }
        panic!("the agent has no socket to an actuator");
    }

    /// Arms and drives ahead for a while, each time a little faster.
    pub fn drive_ahead(&self, how_long: Duration) {
        let mut operator = Operator::new(OperatorConfig::default());
        let mut frame = [0; 256];
        let mut until = None;
        let mut speed = 1000;
        let deadline = Instant::now() + Duration::from_secs(10);
        while until.is_none_or(|until| Instant::now() < until) {
            assert!(Instant::now() < deadline, "it is not armed");
            let now = monotonic_us();
            match recv(&self.0, &mut frame, RecvFlags::DONTWAIT) {
                // The first byte is the channel's; notes have another.
                Ok((len, _)) if frame[0] < 2 => {
                    let report = operator.handle_message(now, &frame[1..len]);
                    report.expect("a report");
                }
                Ok(_) => {}
                Err(Errno::AGAIN) => sleep(Duration::from_millis(2)),
                Err(error) => panic!("{error}"),
            }
            let phase = operator.status(now).phase;
            if phase == Phase::Armed && until.is_none() {
                until = Some(Instant::now() + how_long);
            } else if matches!(phase, Phase::Resting(_)) {
                assert!(until.is_none(), "it stopped by itself");
                let _ = operator.arm(now);
            }
            let ahead = Axis::new(speed).expect("a speed");
            operator.drive(now, Axes::drive(ahead, Axis::ZERO));
            while let Some(out) = operator.poll_transmit(now) {
                let order = Command::parse(&out.message).map(|command| command.order);
                speed += i16::from(matches!(order, Ok(Order::Setpoint { .. })));
                let came = Stamp::from_micros(now);
                let frame = ToActuator::Message(out.channel, came, &out.message).emit();
                send(&self.0, &frame, SendFlags::NOSIGNAL).expect("room");
            }
        }
    }
}
