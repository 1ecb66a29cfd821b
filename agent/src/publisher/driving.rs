//! Data channels of a session, joined to the actuator.

use std::time::{Duration, Instant};

use tokio::sync::{mpsc, watch};
use tokio::time::{MissedTickBehavior, interval};
use transom_control::Channel;
use transom_control::wire::Picture;
use transom_rtc_proto::channel::{ChannelConfig, ChannelEvent, ChannelId, MessageKind};
use transom_rtc_proto::port::{Delivery, Reliability};
use transom_rtc_tokio::driver::PeerHandle;

use crate::actuator::stamp_of;
use crate::control::{ActuatorLink, Arrival, Reports};
use crate::record::LinkChange;

/// Between two words on when a picture was captured. One is enough for all pictures of a publisher, since their
/// timestamps count the same clock; but who begins to watch has to hear it, and any may be lost.
const PICTURE_EVERY: Duration = Duration::from_millis(100);

/// A picture that was handed over to be sent.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shown {
    /// When it was captured.
    pub(super) at: Instant,
    /// Its RTP timestamp.
    pub(super) timestamp: u32,
}

/// Passes commands to the actuator and its reports to the server, for one session.
/// When it is dropped, what moves is stopped.
pub(super) struct Driving {
    handle: PeerHandle,
    channels: mpsc::Receiver<ChannelEvent>,
    link: ActuatorLink,
    reports: Reports,
    pictures: watch::Receiver<Option<Shown>>,
    open: Vec<(ChannelId, Channel)>,
    arrival: Arrival,
}

impl Driving {
    pub(super) fn new(
        handle: PeerHandle,
        channels: mpsc::Receiver<ChannelEvent>,
        link: ActuatorLink,
        pictures: watch::Receiver<Option<Shown>>,
    ) -> Self {
        link.changed(LinkChange::Session);
        Self {
            handle,
            channels,
            reports: link.reports(),
            link,
            pictures,
            open: Vec::new(),
            arrival: Arrival::default(),
        }
    }

    /// Runs until the session or driving is over.
    pub(super) async fn run(mut self) {
        let unordered = Delivery {
            ordered: false,
            reliability: Reliability::MaxRetransmits(0),
        };
        for config in [
            ChannelConfig::new(Channel::Control.label()).delivery(unordered),
            ChannelConfig::new(Channel::Reliable.label()),
        ] {
            if let Err(error) = self.handle.open_channel(config).await {
                tracing::warn!(
                    "no commands in this session: {error}; the server must take data channels"
                );
                return;
            }
        }
        let mut turns = interval(Arrival::EVERY);
        turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut pictures = interval(PICTURE_EVERY);
        pictures.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                // Only who may be sent commands has to know when they came.
                _ = turns.tick(), if !self.open.is_empty() => self.link.turn(&mut self.arrival),
                event = self.channels.recv() => match event {
                    Some(event) => self.on_event(event),
                    None => return,
                },
                _ = pictures.tick(), if !self.open.is_empty() => self.tell_picture(),
                report = self.reports.recv() => match report {
                    Some(report) => self.tell(report.channel, &report.message),
                    None => return,
                },
            }
        }
    }

    fn on_event(&mut self, event: ChannelEvent) {
        match event {
            // Only our own two: the server opens none.
            ChannelEvent::Opened {
                channel,
                by_peer: false,
                info,
            } => {
                if let Some(which) = Channel::from_label(&info.label) {
                    self.open.push((channel, which));
                    self.link.changed(LinkChange::Open);
                }
            }
            ChannelEvent::Message { channel, data, .. } => {
                let open = self.open.iter().find(|(id, _)| *id == channel);
                if let Some((_, which)) = open {
                    self.link.send_found(&mut self.arrival, *which, &data);
                }
            }
            ChannelEvent::Closed { channel } => {
                let before = self.open.len();
                self.open.retain(|(id, _)| *id != channel);
                if self.open.len() < before {
                    tracing::info!(
                        "a control channel was closed: no commands until the next session"
                    );
                    self.link.changed(LinkChange::Closed);
                    self.link.operator_left();
                }
            }
            ChannelEvent::Opened { .. } | ChannelEvent::BufferedLow { .. } => {}
        }
    }

    /// When the latest picture was captured, by the device's clock: who sees it names it in a setpoint.
    fn tell_picture(&mut self) {
        if !self.pictures.has_changed().unwrap_or(false) {
            return;
        }
        let shown = *self.pictures.borrow_and_update();
        if let Some(Shown { at, timestamp }) = shown {
            let picture = Picture {
                rtp: timestamp,
                captured: stamp_of(at),
            };
            self.tell(Channel::Control, &picture.emit());
        }
    }

    /// What finds no room is left out: the next beacon says it anew, and who sent a
    /// command repeats it until it is acknowledged.
    fn tell(&self, channel: Channel, message: &[u8]) {
        let open = self.open.iter().find(|(_, which)| *which == channel);
        if let Some((id, _)) = open {
            let _ = self
                .handle
                .try_send_message(*id, MessageKind::Binary, message.to_vec());
        }
    }
}

impl Drop for Driving {
    fn drop(&mut self) {
        self.link.changed(LinkChange::Lost);
        self.link.operator_lost();
    }
}
