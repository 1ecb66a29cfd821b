//! What is written down.

use crate::field::{Field, Kind, List, Value, Visitor};
use crate::names;

/// One thing that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its place; each is one more than the one before, so that a gap shows.
    pub seq: u64,
    /// CLOCK_MONOTONIC in microseconds, of the boot that the latest [`Event::Boot`] names.
    pub mono_us: u64,
    /// Since 1970 in microseconds, as this machine's clock had it: without a clock battery it may be wrong.
    pub wall_us: i64,
    /// What.
    pub event: Event,
}

/// What happened. Codes are those of the wire form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The agent, or a new file, begins.
    Boot(Boot),
    /// The agent ends in order.
    End {
        /// Whether an actuator made the outputs safe.
        safe: bool,
    },
    /// A command, other than a setpoint or a ping, went to the actuator.
    Command(CommandSeen),
    /// One of the setpoints: when it changes, at most five a second.
    Setpoint(Setpoint),
    /// A second of driving, or ten minutes of rest.
    Summary(Summary),
    /// The device's state is another.
    State(StateSeen),
    /// The device answered a command.
    Ack {
        /// Which kind of command.
        of: u8,
        /// What became of it.
        result: u8,
        /// Under which lease.
        lease: u32,
        /// The command's number.
        seq: u32,
        /// Since it was handed to the actuator, where that is known.
        took_us: Option<u32>,
    },
    /// The process that owns the output lines.
    Actuator {
        /// What became of it.
        change: ActuatorChange,
        /// Its process id; zero where there is none.
        pid: u32,
    },
    /// The way to the operator.
    Link {
        /// What became of it.
        change: LinkChange,
    },
    /// The agent itself stopped the device.
    Stop {
        /// Why.
        reason: u8,
    },
    /// A single output, such as the lock.
    Output {
        /// Its name.
        output: String,
        /// off, on or absent.
        state: String,
    },
    /// What the actuator said.
    Note(Note),
    /// Records that are not here.
    Lost {
        /// Why.
        why: LossReason,
        /// How many.
        count: u64,
    },
    /// Of a later version than this reader.
    Unknown {
        /// Its kind.
        kind: u8,
        /// Its payload's bytes.
        len: u16,
    },
}

/// Which boot of the machine monotonic times are of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Boot {
    /// `/proc/sys/kernel/random/boot_id`; zero where it cannot be read.
    pub boot: [u8; 16],
    /// The agent starts; else only a file begins.
    pub starts: bool,
    /// The agent's process id.
    pub pid: u32,
    /// The agent's version.
    pub version: String,
    /// Bytes of a torn record that were cut off the end of the log.
    pub cut: u32,
}

/// A command as it passed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CommandSeen {
    /// Which.
    pub command: u8,
    /// The data channel that it came by.
    pub channel: u8,
    /// Who sent it, as the server numbers them.
    pub source: u32,
    /// Under which lease.
    pub lease: u32,
    /// Its number.
    pub seq: u32,
    /// The epoch that it names.
    pub epoch: u32,
    /// A stop's reason.
    pub reason: u8,
    /// A switch's press, which has a number of its own.
    pub press: u32,
    /// A switch's output.
    pub output: u8,
    /// A switch's value.
    pub value: u16,
    /// A switch's time, milliseconds.
    pub ms: u16,
    /// How old what its sender knew of the device was.
    pub age_us: Option<u32>,
}

/// A setpoint as it was handed to the actuator.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Setpoint {
    /// Its number.
    pub seq: u32,
    /// How old what its sender knew of the device was.
    pub age_us: Option<u32>,
    /// Axes, in 32767ths.
    pub axes: [i16; 8],
}

/// What happened since the summary before.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Over how long, milliseconds.
    pub period_ms: u32,
    /// The state at its end.
    pub state: u8,
    /// Setpoints handed to the actuator.
    pub setpoints: u32,
    /// Commands like the one recorded last, within a second of it.
    pub repeated: u32,
    /// Setpoints that the device applied, by its telemetry.
    pub applied: u32,
    /// Refused as stale.
    pub stale: u32,
    /// Refused as old.
    pub old: u32,
    /// Refused for their epoch.
    pub void: u32,
    /// Refused for their lease or form.
    pub refused: u32,
    /// The least age of a setpoint.
    pub age_min_us: Option<u32>,
    /// The mean.
    pub age_mean_us: Option<u32>,
    /// The greatest.
    pub age_max_us: Option<u32>,
    /// The longest way from a data channel to the actuator's socket.
    pub handover_max_us: Option<u32>,
    /// The latest that the actuator woke, against what it asked for.
    pub late_max_us: Option<u32>,
    /// Battery, millivolts; zero where it is not known.
    pub battery_mv: u16,
    /// Where the device thinks it is.
    pub x_mm: i32,
    /// The same to the left.
    pub y_mm: i32,
    /// Its heading, milliradians.
    pub heading_mrad: i16,
    /// To what is ahead, millimetres; zero where it is not known.
    pub range_mm: u16,
    /// What the age of the operator's picture left of the speed at the least, percent.
    pub speed_min: u8,
}

/// The device's state.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StateSeen {
    /// Which.
    pub state: u8,
    /// Why it is stopped.
    pub reason: u8,
    /// The latest epoch.
    pub epoch: u32,
    /// The highest lease.
    pub lease: u32,
    /// The device's own clock, CLOCK_MONOTONIC in microseconds.
    pub stamp_us: u64,
}

/// A line of the actuator's.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Note {
    /// Somebody should read it.
    pub warning: bool,
    /// At most 255 bytes are kept.
    pub text: String,
}

macro_rules! codes {
    ($(#[$doc:meta])* $name:ident { $($(#[$inner:meta])* $variant:ident = $code:literal, $word:literal;)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(u8)]
        pub enum $name { $($(#[$inner])* $variant = $code),* }

        impl $name {
            const ALL: &[Self] = &[$(Self::$variant),*];

            const fn code(self) -> u8 {
                match self { $(Self::$variant => $code),* }
            }

            fn from_code(code: u8) -> Option<Self> {
                Self::ALL.iter().copied().find(|one| one.code() == code)
            }

            /// A word for it.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $word),* }
            }

            fn word(code: u8) -> Option<&'static str> {
                Self::from_code(code).map(Self::name)
            }
        }
    };
}

codes! {
    /// What became of an actuator process.
    ActuatorChange {
        /// It runs.
        Started = 0, "started";
        /// It ended in order, the outputs safe.
        Ended = 1, "ended";
        /// It could not be started.
        NotStarted = 2, "not-started";
        /// It died.
        Died = 3, "died";
        /// It hung and was killed.
        Silent = 4, "silent";
        /// Its socket failed.
        Failed = 5, "failed";
    }
}

codes! {
    /// What became of the way to the operator.
    LinkChange {
        /// A session begins; its channels are being opened.
        Session = 0, "session";
        /// A control channel is open.
        Open = 1, "open";
        /// A control channel was closed.
        Closed = 2, "closed";
        /// The session is over.
        Lost = 3, "lost";
    }
}

codes! {
    /// Why records are not here.
    LossReason {
        /// The queue was full.
        Queue = 0, "queue";
        /// The disk did not take them.
        Storage = 1, "storage";
        /// More came than are written in a second.
        Flood = 2, "flood";
    }
}

/// Kinds on the disk.
mod kind {
    pub(super) const BOOT: u8 = 1;
    pub(super) const END: u8 = 2;
    pub(super) const COMMAND: u8 = 3;
    pub(super) const SETPOINT: u8 = 4;
    pub(super) const SUMMARY: u8 = 5;
    pub(super) const STATE: u8 = 6;
    pub(super) const ACK: u8 = 7;
    pub(super) const ACTUATOR: u8 = 8;
    pub(super) const LINK: u8 = 9;
    pub(super) const STOP: u8 = 10;
    pub(super) const OUTPUT: u8 = 11;
    pub(super) const NOTE: u8 = 12;
    pub(super) const LOST: u8 = 13;
}

const fn f(name: &'static str, help: &'static str) -> Field {
    Field { name, help }
}

impl Event {
    /// One of each kind, with nothing in it.
    pub fn kinds() -> Vec<Self> {
        (kind::BOOT..=kind::LOST).filter_map(Self::blank).collect()
    }

    /// Its kind on the disk.
    pub fn code(&self) -> u8 {
        match self {
            Self::Boot(_) => kind::BOOT,
            Self::End { .. } => kind::END,
            Self::Command(_) => kind::COMMAND,
            Self::Setpoint(_) => kind::SETPOINT,
            Self::Summary(_) => kind::SUMMARY,
            Self::State(_) => kind::STATE,
            Self::Ack { .. } => kind::ACK,
            Self::Actuator { .. } => kind::ACTUATOR,
            Self::Link { .. } => kind::LINK,
            Self::Stop { .. } => kind::STOP,
            Self::Output { .. } => kind::OUTPUT,
            Self::Note(_) => kind::NOTE,
            Self::Lost { .. } => kind::LOST,
            Self::Unknown { kind, .. } => *kind,
        }
    }

    /// A word for its kind.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Boot(_) => "boot",
            Self::End { .. } => "end",
            Self::Command(_) => "command",
            Self::Setpoint(_) => "setpoint",
            Self::Summary(_) => "summary",
            Self::State(_) => "state",
            Self::Ack { .. } => "ack",
            Self::Actuator { .. } => "actuator",
            Self::Link { .. } => "link",
            Self::Stop { .. } => "stop",
            Self::Output { .. } => "output",
            Self::Note(_) => "note",
            Self::Lost { .. } => "lost",
            Self::Unknown { .. } => "unknown",
        }
    }

    /// Whether it is to be on the disk at once: what somebody will look for after an accident.
    pub fn is_urgent(&self) -> bool {
        match self {
            Self::Stop { .. } | Self::Actuator { .. } | Self::End { .. } => true,
            Self::State(seen) => seen.reason != 0,
            Self::Note(note) => note.warning,
            _ => false,
        }
    }

    /// Its fields with what they hold.
    pub fn fields(&self) -> Vec<(Field, Kind, Value)> {
        let mut list = List::default();
        self.clone().visit(&mut list);
        list.0
    }

    /// An event of that kind, to be filled in.
    pub(crate) fn blank(code: u8) -> Option<Self> {
        Some(match code {
            kind::BOOT => Self::Boot(Boot::default()),
            kind::END => Self::End { safe: false },
            kind::COMMAND => Self::Command(CommandSeen::default()),
            kind::SETPOINT => Self::Setpoint(Setpoint::default()),
            kind::SUMMARY => Self::Summary(Summary::default()),
            kind::STATE => Self::State(StateSeen::default()),
            kind::ACK => Self::Ack {
                of: 0,
                result: 0,
                lease: 0,
                seq: 0,
                took_us: None,
            },
            kind::ACTUATOR => Self::Actuator {
                change: ActuatorChange::Started,
                pid: 0,
            },
            kind::LINK => Self::Link {
                change: LinkChange::Session,
            },
            kind::STOP => Self::Stop { reason: 0 },
            kind::OUTPUT => Self::Output {
                output: String::new(),
                state: String::new(),
            },
            kind::NOTE => Self::Note(Note::default()),
            kind::LOST => Self::Lost {
                why: LossReason::Queue,
                count: 0,
            },
            _ => return None,
        })
    }

    pub(crate) fn visit(&mut self, v: &mut dyn Visitor) {
        match self {
            Self::Boot(boot) => boot.visit(v),
            Self::End { safe } => v.flag(f("safe", "An actuator made the outputs safe"), safe),
            Self::Command(command) => command.visit(v),
            Self::Setpoint(setpoint) => {
                v.u32(f("cmd_seq", "The setpoint's number"), &mut setpoint.seq);
                v.maybe(AGE, &mut setpoint.age_us);
                v.axes(&mut setpoint.axes);
            }
            Self::Summary(summary) => summary.visit(v),
            Self::State(seen) => {
                v.code(
                    f("state", "The device's state"),
                    &mut seen.state,
                    names::state,
                );
                v.code(
                    f("reason", "Why it is stopped"),
                    &mut seen.reason,
                    names::reason,
                );
                v.u32(f("epoch", "The latest epoch"), &mut seen.epoch);
                v.u32(LEASE, &mut seen.lease);
                v.u64(
                    f(
                        "stamp_us",
                        "The device's clock as it said this: CLOCK_MONOTONIC",
                    ),
                    &mut seen.stamp_us,
                );
            }
            Self::Ack {
                of,
                result,
                lease,
                seq,
                took_us,
            } => {
                v.code(f("command", "What is answered"), of, names::command);
                v.code(f("result", "What became of it"), result, names::result);
                v.u32(LEASE, lease);
                v.u32(f("cmd_seq", "The command's number"), seq);
                v.maybe(f("took_us", "Since it was handed to the actuator"), took_us);
            }
            Self::Actuator { change, pid } => {
                let mut code = change.code();
                v.code(
                    f("change", "What became of the process"),
                    &mut code,
                    ActuatorChange::word,
                );
                *change = ActuatorChange::from_code(code).unwrap_or(ActuatorChange::Failed);
                v.u32(f("pid", "Its process id"), pid);
            }
            Self::Link { change } => {
                let mut code = change.code();
                v.code(
                    f("change", "What became of the way to the operator"),
                    &mut code,
                    LinkChange::word,
                );
                *change = LinkChange::from_code(code).unwrap_or(LinkChange::Lost);
            }
            Self::Stop { reason } => v.code(
                f("reason", "Why the agent itself stopped the device"),
                reason,
                names::reason,
            ),
            Self::Output { output, state } => {
                v.text(f("output", "Which output"), output);
                v.text(f("value", "What it is now: off, on or absent"), state);
            }
            Self::Note(note) => {
                v.flag(f("warning", "Somebody should read it"), &mut note.warning);
                v.text(f("text", "What the actuator said"), &mut note.text);
            }
            Self::Lost { why, count } => {
                let mut code = why.code();
                v.code(
                    f("why", "Why records are not here"),
                    &mut code,
                    LossReason::word,
                );
                *why = LossReason::from_code(code).unwrap_or(LossReason::Queue);
                v.u64(f("count", "How many"), count);
            }
            Self::Unknown { .. } => {}
        }
    }
}

const AGE: Field = f(
    "age_us",
    "How old what its sender knew of the device was as it was handed to the actuator",
);
const LEASE: Field = f("lease", "The right to drive; 0 without a server");

impl Boot {
    fn visit(&mut self, v: &mut dyn Visitor) {
        v.id(
            f("boot", "The boot that monotonic times are of"),
            &mut self.boot,
        );
        v.flag(
            f("starts", "The agent starts; else only a file begins"),
            &mut self.starts,
        );
        v.u32(f("pid", "The agent's process id"), &mut self.pid);
        v.text(f("version", "The agent's version"), &mut self.version);
        v.u32(
            f("cut", "Bytes of a torn record cut off the log's end"),
            &mut self.cut,
        );
    }
}

impl CommandSeen {
    fn visit(&mut self, v: &mut dyn Visitor) {
        v.code(f("command", "Which"), &mut self.command, names::command);
        v.code(
            f("channel", "The data channel that it came by"),
            &mut self.channel,
            names::channel,
        );
        v.u32(
            f("source", "Who sent it, as the server numbers them"),
            &mut self.source,
        );
        v.u32(LEASE, &mut self.lease);
        v.u32(f("cmd_seq", "Its number"), &mut self.seq);
        v.u32(f("epoch", "The epoch that it names"), &mut self.epoch);
        v.code(
            f("reason", "A stop's reason"),
            &mut self.reason,
            names::reason,
        );
        v.u32(f("press", "A switch's press"), &mut self.press);
        v.code(
            f("switch", "A switch's output"),
            &mut self.output,
            names::output,
        );
        v.u16(f("switch_value", "A switch's value"), &mut self.value);
        v.u16(f("switch_ms", "A switch's time"), &mut self.ms);
        v.maybe(AGE, &mut self.age_us);
    }
}

impl Summary {
    fn visit(&mut self, v: &mut dyn Visitor) {
        v.u32(f("period_ms", "Over how long"), &mut self.period_ms);
        v.code(
            f("state", "The device's state at the end"),
            &mut self.state,
            names::state,
        );
        v.u32(
            f("setpoints", "Setpoints handed to the actuator"),
            &mut self.setpoints,
        );
        v.u32(
            f(
                "repeated",
                "Commands like the one recorded before, within a second of it",
            ),
            &mut self.repeated,
        );
        v.u32(f("applied", "Setpoints applied"), &mut self.applied);
        v.u32(f("stale", "Refused as stale"), &mut self.stale);
        v.u32(f("old", "Refused for their number"), &mut self.old);
        v.u32(f("void", "Refused for their epoch"), &mut self.void);
        v.u32(
            f("refused", "Refused for their lease or form"),
            &mut self.refused,
        );
        v.maybe(
            f("age_min_us", "The least age of a setpoint"),
            &mut self.age_min_us,
        );
        v.maybe(
            f("age_mean_us", "The mean age of a setpoint"),
            &mut self.age_mean_us,
        );
        v.maybe(
            f("age_max_us", "The greatest age of a setpoint"),
            &mut self.age_max_us,
        );
        v.maybe(
            f(
                "handover_max_us",
                "The longest from a data channel to the actuator's socket",
            ),
            &mut self.handover_max_us,
        );
        v.maybe(
            f(
                "late_max_us",
                "The latest that the actuator woke, against what it asked for",
            ),
            &mut self.late_max_us,
        );
        v.u16(
            f("battery_mv", "Battery; 0 where not known"),
            &mut self.battery_mv,
        );
        v.i32(f("x_mm", "Ahead, from where it started"), &mut self.x_mm);
        v.i32(f("y_mm", "To the left"), &mut self.y_mm);
        v.i16(f("heading_mrad", "Its heading"), &mut self.heading_mrad);
        v.u16(
            f("range_mm", "To what is ahead; 0 where not known"),
            &mut self.range_mm,
        );
        v.u8(
            f(
                "speed_min",
                "What the age of the operator's picture left of the speed at the least, percent",
            ),
            &mut self.speed_min,
        );
    }
}
