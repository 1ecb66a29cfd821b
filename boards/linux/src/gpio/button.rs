//! A button on a line, by the kernel's edges.

use std::time::Duration;

use gpiocdev::Request;
use gpiocdev::line::{Bias, EdgeDetection, Value};
use rustix::time::{ClockId, clock_gettime};
use transom_boards_hal::{Active, Button, ButtonEvent, Debounce, LineError, Pull};

use super::lines::{Place, failed};

const LINE: &str = "the button";
const CONSUMER: &str = "transom-agent";
/// Edges read in one go: as many as the kernel keeps, and then no more until contacts have settled.
const EDGES: usize = 16;

/// A button to be waited for. However its contacts chatter, it is looked at twice a settling time.
#[derive(Debug)]
pub struct LineButton {
    request: Request,
    debounce: Debounce,
}

impl LineButton {
    /// Requests the line. Where the chip has no pull resistor of the wanted kind, one must be fitted.
    pub fn open(
        place: &Place,
        active: Active,
        pull: Pull,
        period: Duration,
    ) -> Result<Self, LineError> {
        let found = place.find(LINE)?;
        let ask = |bias: Option<Bias>| {
            let mut request = Request::builder();
            request
                .on_chip(&found.chip)
                .with_consumer(CONSUMER)
                .with_line(found.offset)
                .as_input()
                .with_bias(bias)
                .with_edge_detection(EdgeDetection::BothEdges);
            match active {
                Active::High => request.as_active_high(),
                Active::Low => request.as_active_low(),
            };
            request.request()
        };
        let bias = match pull {
            Pull::None => None,
            Pull::Up => Some(Bias::PullUp),
            Pull::Down => Some(Bias::PullDown),
        };
        let request = ask(bias).map_err(|error| failed(LINE, &error))?;
        let period = u64::try_from(period.as_micros()).unwrap_or(u64::MAX);
        Ok(Self {
            request,
            debounce: Debounce::new(period, false),
        })
    }

    fn closed(&self) -> Result<bool, gpiocdev::Error> {
        Ok(self.request.lone_value()? == Value::Active)
    }

    fn wait_for_edges(&mut self, timeout: Duration) -> Result<(), gpiocdev::Error> {
        if let Some(at) = self.debounce.poll_timeout() {
            // Edges meanwhile are looked at when it should have settled.
            std::thread::sleep(Duration::from_micros(at.saturating_sub(micros())).min(timeout));
        } else if !self.request.wait_edge_event(timeout)? {
            return Ok(());
        }
        let mut left = EDGES;
        while left > 0 && self.request.has_edge_event()? {
            let edge = self.request.read_edge_event()?;
            self.debounce.handle_edge(edge.timestamp_ns / 1000);
            left -= 1;
        }
        Ok(())
    }
}

impl Button for LineButton {
    fn wait(&mut self, timeout: Duration) -> Result<Option<ButtonEvent>, LineError> {
        let deadline = micros() + u64::try_from(timeout.as_micros()).unwrap_or(0);
        loop {
            let told = |error| failed(LINE, &error);
            let closed = self.closed().map_err(told)?;
            let now = micros();
            let event = self.debounce.handle_level(now, closed);
            if event.is_some() || now >= deadline {
                return Ok(event);
            }
            let left = Duration::from_micros(deadline - now);
            self.wait_for_edges(left).map_err(told)?;
        }
    }
}

/// CLOCK_MONOTONIC, which the kernel stamps edges with.
fn micros() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    u64::try_from(now.tv_sec * 1_000_000 + now.tv_nsec / 1000).unwrap_or(0)
}
