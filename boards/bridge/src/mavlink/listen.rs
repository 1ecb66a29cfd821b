//! Whether a vehicle is there: for who only wants to know, and tells it nothing but that.

use std::io::Result;
use std::time::Duration;

use super::axes::Kind;
use super::frames::Frames;
use super::said::Speaker;
use super::vehicle::{Heard, Vehicle, VehicleConfig};
use crate::clock::wait_for;
use crate::wire::Wire;

/// Listens for a heartbeat for `limit` at most; what kind of vehicle has it, if there is one that can be driven.
/// Our own is said first, since a vehicle that waits for us does not know where to.
pub fn listen(wire: &mut dyn Wire, config: VehicleConfig, limit: Duration) -> Result<Option<Kind>> {
    let mut vehicle = Vehicle::new(config);
    let mut frames = Frames::default();
    let mut speaker = Speaker {
        station: config.station,
        vehicle: config.system,
        sequence: 0,
    };
    wire.send(speaker.heartbeat().bytes())?;
    let mut chunk = [0; 512];
    let mut outcome = Ok(None);
    wait_for(limit, |now| {
        match wire.receive(&mut chunk) {
            Ok(len) => frames.push(chunk.get(..len).unwrap_or_default(), |frame| {
                if let Some(Heard::Present(kind)) = vehicle.handle_frame(now, frame) {
                    outcome = Ok(Some(kind));
                }
            }),
            Err(error) => outcome = Err(error),
        }
        !matches!(outcome, Ok(None))
    });
    outcome
}
