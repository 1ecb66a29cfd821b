//! Robots that drive by themselves: a program of the owner's, or a vehicle with an autopilot.

use std::ffi::OsString;
#[cfg(feature = "mavlink")]
use std::io;

use transom_boards_bridge::json::{ChildSeat, GUARD, JsonDrive, Seat, SessionConfig, SocketSeat};
#[cfg(feature = "mavlink")]
use transom_boards_bridge::mavlink::{MavlinkDrive, VehicleConfig};
#[cfg(feature = "mavlink")]
use transom_boards_bridge::{UdpWire, Wire};
use transom_boards_hal::Drive;
#[cfg(feature = "mavlink")]
use transom_boards_hal::SerialPort as _;
#[cfg(feature = "mavlink")]
use transom_boards_linux::TtyPort;

use super::COMMAND;
use super::outputs::NoDrive;
use crate::board::{MavlinkWiring, ProgramWiring, Wiring};

/// Whether the board is such.
pub(super) fn is_wired(wiring: &Wiring) -> bool {
    wiring.program.is_some() || wiring.mavlink.is_some()
}

/// The robot; whether it is there shows later.
pub(super) fn open(wiring: &Wiring) -> Box<dyn Drive> {
    if let Some(program) = &wiring.program {
        return Box::new(JsonDrive::new(
            seat(program),
            SessionConfig {
                answer_us: u64::from(program.answer_ms) * 1000,
            },
        ));
    }
    match &wiring.mavlink {
        Some(mavlink) => vehicle(mavlink),
        None => Box::new(NoDrive),
    }
}

#[cfg(not(feature = "mavlink"))]
fn vehicle(_: &MavlinkWiring) -> Box<dyn Drive> {
    // Refused where the board file is read.
    Box::new(NoDrive)
}

#[cfg(feature = "mavlink")]
fn vehicle(wired: &MavlinkWiring) -> Box<dyn Drive> {
    let config = VehicleConfig {
        system: wired.system,
        station: wired.station,
    };
    let wired = wired.clone();
    Box::new(MavlinkDrive::new(
        Box::new(move || open_wire(&wired)),
        config,
    ))
}

/// The way to a vehicle.
#[cfg(feature = "mavlink")]
pub(crate) fn open_wire(wired: &MavlinkWiring) -> io::Result<Box<dyn Wire>> {
    match (&wired.device, wired.listen, wired.peer) {
        (Some(device), ..) => {
            let port = TtyPort::open(device, wired.baud).map_err(io::Error::other)?;
            Ok(Box::new(SerialWire(port)))
        }
        (None, Some(listen), Some(peer)) => {
            let wire = UdpWire::open(listen, peer).map_err(|error| {
                let told = format!("UDP {listen}: {error}: check `listen` in [mavlink]");
                io::Error::new(error.kind(), told)
            })?;
            Ok(Box::new(wire))
        }
        _ => Err(io::Error::other("[mavlink] names no way to the vehicle")),
    }
}

#[cfg(feature = "mavlink")]
struct SerialWire(TtyPort);

#[cfg(feature = "mavlink")]
impl Wire for SerialWire {
    fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.send(bytes).map_err(io::Error::other)
    }

    fn receive(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.receive(buffer).map_err(io::Error::other)
    }
}

fn seat(program: &ProgramWiring) -> Box<dyn Seat> {
    match (&program.command, &program.socket) {
        (_, Some(path)) => Box::new(SocketSeat::new(path.clone(), program.uid)),
        (command, None) => {
            let command = command.iter().flatten().map(OsString::from);
            let guard = [COMMAND, GUARD].map(OsString::from);
            Box::new(ChildSeat::new(
                command.collect(),
                guard.into(),
                program.folder.clone(),
            ))
        }
    }
}
