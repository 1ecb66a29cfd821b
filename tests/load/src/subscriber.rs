//! One WHEP subscriber that costs little: it counts packets by their clear
//! headers, opens a few of them, and says to the server what a browser would.

mod source;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::oneshot;
use transom_rtc_dtls::Certificate;
use transom_rtc_proto::ice::Path;
use transom_rtc_proto::id::{SeqNo, Ssrc};
use transom_rtc_proto::peer::{CloseReason, Event};
use transom_rtc_proto::port::{MAX_SRTP_OVERHEAD, SrtpProfile};
use transom_rtc_proto::rtcp::{Nack, Packet, Packets, Pli, ReceiverReport, Sdes};
use transom_rtc_proto::rtp::{PacketKind, RtpHeader, RtpPacket, classify, validate_header};
use transom_rtc_proto::sdp::{MediaKind, Track};
use transom_rtc_proto::stream::{Arrival, TwccReceiver, rtx};
use transom_rtc_proto::time::Instant;
use transom_rtc_udp::RecvBatch;

use crate::call::Link;
use crate::connection::{Connection, ConnectionConfig};
use crate::payload;
use crate::rogue::{Flood, NACKED_AT_ONCE, Rogue};
use crate::shared_srtp::SharedSrtp;
use crate::tally::Tally;
use source::Source;

/// One packet of so many is opened and checked.
const SAMPLE: u64 = 64;

/// Sources that one subscriber follows: sound, picture, repairs, and room.
const MAX_SOURCES: usize = 8;

/// Between receiver reports, as browsers send them.
const REPORT_INTERVAL: Duration = Duration::from_secs(1);

/// Between requests for a key frame.
const PLI_INTERVAL: Duration = Duration::from_secs(1);

/// Round trip assumed until it is known.
const DEFAULT_RTT: Duration = Duration::from_millis(20);

/// Packets that overtake the end of the handshake and wait for the keys.
const MAX_EARLY: usize = 64;

/// Longest plain RTCP compound.
const MAX_COMPOUND: usize = 1200 - MAX_SRTP_OVERHEAD;

/// What a subscriber is made of, besides its link.
pub(crate) struct SubscriberConfig {
    pub(crate) certificate: Certificate,
    /// The one profile that it offers.
    pub(crate) profile: SrtpProfile,
    /// Picture packets to drop on purpose, of a million.
    pub(crate) loss_ppm: u32,
    /// How it misbehaves from the mark on, if it does.
    pub(crate) rogue: Option<Rogue>,
    /// When its offer was posted and answered.
    pub(crate) posted: Instant,
    pub(crate) answered: Instant,
    pub(crate) wake: Arc<dyn Fn() + Send + Sync>,
    /// Told when the first RTP packet is here, or why none will come.
    pub(crate) first_rtp: oneshot::Sender<Result<(), CloseReason>>,
}

/// How long joining took, each from the POST.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct JoinTimes {
    /// Until the answer was there.
    pub(crate) answer: Duration,
    /// Until DTLS was done.
    pub(crate) dtls: Option<Duration>,
    /// Until the first RTP packet.
    pub(crate) first_rtp: Option<Duration>,
    /// Until the first packet of a key frame.
    pub(crate) key_frame: Option<Duration>,
}

/// One subscriber.
pub(crate) struct Subscriber {
    connection: Connection,
    srtp: SharedSrtp,
    tracks: Vec<Track>,
    reduced_size: bool,
    overhead: usize,
    sources: Vec<Source>,
    transport: Option<TwccReceiver>,
    /// The source of our RTCP, and its name.
    ssrc: Ssrc,
    cname: String,
    posted: Instant,
    join: JoinTimes,
    waiting: Option<oneshot::Sender<Result<(), CloseReason>>>,
    closed: Option<CloseReason>,
    /// Packets that came before the keys, to be opened with them.
    early: Vec<(Instant, MediaKind, Vec<u8>)>,
    /// Counts to the next sample.
    packets: u64,
    loss_ppm: u32,
    dice: u64,
    rogue: Option<Rogue>,
    flood: Option<Flood>,
    report_at: Instant,
    pli_at: Option<Instant>,
    /// Since the mark: RTP datagrams, other ones, and those sent until the mark.
    datagrams: u64,
    others: u64,
    sent_before: u64,
    rtcp: Vec<u8>,
    due: Vec<SeqNo>,
}

impl Subscriber {
    pub(crate) fn new(
        now: Instant,
        runtime: &Handle,
        link: Link,
        config: SubscriberConfig,
    ) -> Self {
        let srtp = SharedSrtp::default();
        let tracks = link.session.tracks.clone();
        let [a, b, c, d, e, f, g, h, ..] = link.seed;
        let dice = u64::from_be_bytes([a, b, c, d, e, f, g, h]);
        let transport_cc = tracks.iter().any(|t| {
            t.extensions.transport_cc.is_some() && t.codecs.iter().any(|c| c.transport_cc)
        });
        let connection_config = ConnectionConfig {
            certificate: config.certificate,
            profiles: vec![config.profile],
            srtp: Arc::new(srtp.clone()),
            wake: config.wake,
        };
        Self {
            reduced_size: tracks.iter().all(|t| t.rtcp_rsize),
            overhead: config.profile.rtp_overhead(),
            connection: Connection::new(now, runtime, link, connection_config),
            srtp,
            tracks,
            sources: Vec::new(),
            transport: transport_cc.then(TwccReceiver::new),
            ssrc: Ssrc(u32::from_be_bytes([e, f, g, h | 1])),
            cname: format!("{dice:016x}"),
            posted: config.posted,
            join: JoinTimes {
                answer: config.answered.since(config.posted),
                ..JoinTimes::default()
            },
            waiting: Some(config.first_rtp),
            closed: None,
            early: Vec::new(),
            packets: dice % SAMPLE,
            loss_ppm: config.loss_ppm,
            dice,
            rogue: config.rogue,
            flood: None,
            report_at: now,
            pli_at: None,
            datagrams: 0,
            others: 0,
            sent_before: 0,
            rtcp: Vec::new(),
            due: Vec::new(),
        }
    }

    /// The descriptor to wait for.
    pub(crate) fn socket(&self) -> &transom_rtc_udp::UdpSocket {
        &self.connection.socket
    }

    pub(crate) const fn join(&self) -> JoinTimes {
        self.join
    }

    /// Why it ended, if it has.
    pub(crate) const fn closed(&self) -> Option<CloseReason> {
        self.closed
    }

    /// How it misbehaves, if it does.
    pub(crate) const fn rogue(&self) -> Option<Rogue> {
        self.rogue
    }

    /// Whether the server agreed to transport-wide feedback.
    pub(crate) const fn has_transport_cc(&self) -> bool {
        self.transport.is_some()
    }

    /// Counts from here on.
    pub(crate) fn mark(&mut self, now: Instant) {
        self.flood = self.rogue.and_then(|rogue| Flood::of(rogue, now));
        self.datagrams = 0;
        self.others = 0;
        self.sent_before = self.connection.sent;
        self.sources.iter_mut().for_each(Source::mark);
    }

    /// Adds what is known at the end of the measured time.
    pub(crate) fn sum_up(&self, tally: &mut Tally) {
        tally.connected += u64::from(self.closed.is_none() && self.join.dtls.is_some());
        tally.silent += u64::from(self.datagrams == 0);
        tally.others += self.others;
        tally.sent += self.connection.sent - self.sent_before;
        for source in &self.sources {
            let (expected, lost) = source.gaps();
            tally.expected += expected;
            tally.lost += lost;
        }
    }

    /// Takes what has arrived.
    pub(crate) fn receive(
        &mut self,
        now: Instant,
        batch: &mut RecvBatch,
        tally: &mut Tally,
    ) -> io::Result<()> {
        let mut handled = false;
        loop {
            match self.connection.socket.recv(batch) {
                Ok(_) => {}
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => break,
                Err(e) => return Err(e),
            }
            for datagram in batch.datagrams() {
                let kind = classify(datagram.payload);
                self.others += u64::from(kind != PacketKind::Rtp);
                match kind {
                    PacketKind::Rtp => self.on_rtp(now, datagram.payload, tally),
                    PacketKind::Rtcp => self.on_rtcp(now, datagram.payload, tally),
                    _ => {
                        let path = Path {
                            local: datagram.local,
                            remote: datagram.remote,
                        };
                        let peer = &mut self.connection.peer;
                        peer.handle_datagram(now, path, datagram.payload);
                        handled = true;
                    }
                }
            }
            if !batch.is_full() {
                break; // what comes now is a new edge
            }
        }
        if handled {
            self.settle(now, tally)?;
        }
        self.send_feedback(now, tally)
    }

    /// Does what is due.
    pub(crate) fn handle_timeout(&mut self, now: Instant, tally: &mut Tally) -> io::Result<()> {
        if self.connection.next_timeout().is_some_and(|at| at <= now) {
            self.settle(now, tally)?;
        }
        self.flood(now)?;
        self.send_feedback(now, tally)
    }

    /// Sends what a flood has due.
    fn flood(&mut self, now: Instant) -> io::Result<()> {
        let media = self.media_of(MediaKind::Video);
        let (Some(flood), Some(media), Some(path)) =
            (&mut self.flood, media, self.connection.peer.path())
        else {
            return Ok(());
        };
        let rogue = flood.rogue;
        for _ in 0..flood.take_due(now) {
            self.rtcp.clear();
            if !self.reduced_size {
                self.compose_report(now, false, &mut Tally::default());
            }
            if rogue == Rogue::Pli {
                Pli::emit(&mut self.rtcp, self.ssrc, media);
            } else {
                let mut sources = self.sources.iter();
                let source = sources.find(|s| s.ssrc == media);
                let latest = source.and_then(Source::latest).unwrap_or(SeqNo(0));
                self.due.clear();
                self.due.extend(
                    (0..NACKED_AT_ONCE).map(|n| latest.add(n.wrapping_sub(NACKED_AT_ONCE - 1))),
                );
                Nack::emit(&mut self.rtcp, self.ssrc, media, &self.due);
            }
            self.send_rtcp(path)?;
        }
        Ok(())
    }

    /// Lets everything follow from what the peer was told.
    pub(crate) fn settle(&mut self, now: Instant, tally: &mut Tally) -> io::Result<()> {
        self.connection.settle(now)?;
        while let Some(event) = self.connection.poll_event() {
            match event {
                Event::Connected => {
                    self.join.dtls = Some(now.since(self.posted));
                    self.report_at = now + REPORT_INTERVAL;
                    for (came, kind, mut datagram) in std::mem::take(&mut self.early) {
                        self.check(came, kind, &mut datagram, tally);
                    }
                }
                Event::Closed(reason) => {
                    self.closed = Some(reason);
                    self.answer(Err(reason));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Says goodbye.
    pub(crate) fn close(&mut self, now: Instant) -> io::Result<()> {
        self.connection.peer.close(now);
        self.connection.settle(now)
    }

    fn answer(&mut self, result: Result<(), CloseReason>) {
        if let Some(waiting) = self.waiting.take() {
            let _ = waiting.send(result); // who asked may have given up
        }
    }

    fn on_rtp(&mut self, now: Instant, datagram: &mut [u8], tally: &mut Tally) {
        let Ok(header) = validate_header(datagram) else {
            tally.strange += 1;
            return;
        };
        tally.datagrams += 1;
        tally.bytes += datagram.len() as u64;
        self.datagrams += 1;
        if self.join.first_rtp.is_none() {
            self.join.first_rtp = Some(now.since(self.posted));
            self.answer(Ok(()));
        }
        let Some(at) = self.source_of(&header) else {
            tally.strange += 1;
            return;
        };
        let Some(source) = self.sources.get_mut(at) else {
            return;
        };
        let number = source.transport_seq(&header, datagram);
        if source.is_repair {
            note_transport(&mut self.transport, now, number);
            tally.repairs += 1;
            return self.on_repair(now, at, datagram, tally);
        }
        let (kind, seq) = (source.kind, source.unwrap(header.seq));
        if !source.note_gap(seq) {
            tally.duplicates += 1;
            return;
        }
        let lossy = source.is_repairable();
        if lossy && self.loses() {
            tally.dropped += 1;
            return;
        }
        note_transport(&mut self.transport, now, number);
        let payload_len = datagram
            .len()
            .saturating_sub(header.header_len + self.overhead);
        let Some(source) = self.sources.get_mut(at) else {
            return;
        };
        source.on_packet(now, seq, header.timestamp, payload_len);
        self.packets += 1;
        let awaits_key_frame = kind == MediaKind::Video && self.join.key_frame.is_none();
        if awaits_key_frame || self.packets.is_multiple_of(SAMPLE) {
            self.check(now, kind, datagram, tally);
        }
        let opened = self.early.is_empty();
        if awaits_key_frame && opened && self.join.key_frame.is_none() && self.pli_at.is_none() {
            self.pli_at = Some(now); // what came is not a beginning
        }
    }

    /// Opens a packet and compares it with what was sent.
    fn check(&mut self, now: Instant, kind: MediaKind, datagram: &mut [u8], tally: &mut Tally) {
        let opened = self.srtp.with(|srtp| srtp.unprotect_rtp(datagram));
        let Some(opened) = opened else {
            if self.early.len() < MAX_EARLY {
                self.early.push((now, kind, datagram.to_vec()));
            }
            return;
        };
        tally.sampled += 1;
        let plain = opened.ok().and_then(|len| datagram.get(..len));
        let packet = plain.and_then(|plain| RtpPacket::parse(plain).ok());
        if packet.is_some_and(|p| p.payload().is_empty()) {
            return; // a probe: padding only
        }
        match packet.and_then(|p| payload::check(kind, p.payload())) {
            Some(checked) => {
                if checked.key_frame && self.join.key_frame.is_none() {
                    self.join.key_frame = Some(now.since(self.posted));
                    self.pli_at = None;
                }
                tally
                    .delays
                    .extend(checked.sent.map(|sent| now.since(sent)));
            }
            None => tally.bad += 1,
        }
    }

    fn on_repair(&mut self, now: Instant, at: usize, datagram: &mut [u8], tally: &mut Tally) {
        let opened = self.srtp.with(|srtp| srtp.unprotect_rtp(datagram));
        let Some(opened) = opened else { return };
        tally.sampled += 1;
        let plain = opened.ok().and_then(|len| datagram.get(..len));
        let Some(packet) = plain.and_then(|plain| RtpPacket::parse(plain).ok()) else {
            tally.bad += 1;
            return;
        };
        let Some((original, payload)) = rtx::decapsulate(packet.payload()) else {
            return; // a probe
        };
        if payload::check(MediaKind::Video, payload).is_none() {
            tally.bad += 1;
            return;
        }
        let track = self.sources.get(at).map(|s| s.track);
        let mut sources = self.sources.iter_mut();
        let media = sources.find(|s| Some(s.track) == track && !s.is_repair);
        if let Some(media) = media
            && media.on_repair(now, original) == Arrival::Recovered
        {
            tally.repaired += 1;
        }
    }

    fn on_rtcp(&mut self, now: Instant, datagram: &mut [u8], tally: &mut Tally) {
        let opened = self.srtp.with(|srtp| srtp.unprotect_rtcp(datagram));
        let Some(opened) = opened else { return };
        let plain = opened.ok().and_then(|len| datagram.get(..len));
        let Some(packets) = plain.and_then(|plain| Packets::parse(plain).ok()) else {
            tally.bad += 1;
            return;
        };
        for packet in packets {
            if let Packet::SenderReport(report) = packet {
                tally.sender_reports += 1;
                let mut sources = self.sources.iter_mut();
                if let Some(source) = sources.find(|s| s.ssrc == report.info.ssrc) {
                    source.on_sender_report(now, report.info.ntp);
                }
            }
        }
    }

    /// The source of a packet, known or new.
    fn source_of(&mut self, header: &RtpHeader) -> Option<usize> {
        let known = self.sources.iter().position(|s| s.ssrc == header.ssrc);
        if known.is_some() {
            return known;
        }
        let mut tracks = self.tracks.iter().enumerate();
        let (index, track) = tracks.find(|(_, t)| t.codec_of(header.pt).is_some())?;
        if self.sources.len() >= MAX_SOURCES {
            return None;
        }
        self.sources.push(Source::new(header, index, track)?);
        Some(self.sources.len() - 1)
    }

    fn loses(&mut self) -> bool {
        // xorshift64: fair enough for a coin.
        self.dice |= 1;
        self.dice ^= self.dice << 13;
        self.dice ^= self.dice >> 7;
        self.dice ^= self.dice << 17;
        self.dice % 1_000_000 < u64::from(self.loss_ppm)
    }

    /// Says to the server what is due: reports, NACKs, PLI, transport-wide
    /// feedback.
    fn send_feedback(&mut self, now: Instant, tally: &mut Tally) -> io::Result<()> {
        let report = now >= self.report_at && self.sources.iter().any(|s| s.heard);
        let pli = self.pli_at.is_some_and(|at| at <= now);
        let mut sources = self.sources.iter();
        let nack = sources.any(|s| s.next_nack().is_some_and(|at| at <= now));
        let timeout = self.transport.as_ref().and_then(TwccReceiver::next_timeout);
        let transport = timeout.is_some_and(|at| at <= now);
        if !(report || pli || nack || transport) {
            return Ok(());
        }
        let Some(path) = self.connection.peer.path() else {
            return Ok(());
        };
        self.rtcp.clear();
        if report || !self.reduced_size {
            self.compose_report(now, report, tally);
        }
        if nack {
            self.compose_nacks(now, tally);
        }
        let media = self.media_of(MediaKind::Video);
        if pli && let Some(media) = media {
            Pli::emit(&mut self.rtcp, self.ssrc, media);
            tally.plis += 1;
            self.pli_at = Some(now + PLI_INTERVAL);
        }
        let media = media.or_else(|| self.media_of(MediaKind::Audio));
        if transport && let (Some(transport), Some(media)) = (&mut self.transport, media) {
            while self.rtcp.len() < MAX_COMPOUND / 2
                && transport.poll(now, self.ssrc, media, &mut self.rtcp)
            {
                tally.transport_feedback += 1;
            }
        }
        self.send_rtcp(path)
    }

    fn compose_report(&mut self, now: Instant, due: bool, tally: &mut Tally) {
        let mut blocks = Vec::new();
        if due {
            self.report_at = now + REPORT_INTERVAL;
            blocks.extend(self.sources.iter_mut().filter_map(|s| s.report(now)));
            tally.reports += 1;
        }
        ReceiverReport::emit(&mut self.rtcp, self.ssrc, &blocks);
        Sdes::emit(&mut self.rtcp, self.ssrc, &self.cname);
    }

    fn compose_nacks(&mut self, now: Instant, tally: &mut Tally) {
        let rtt = self.connection.peer.rtt().unwrap_or(DEFAULT_RTT);
        for source in &mut self.sources {
            self.due.clear();
            source.poll_nacks(now, rtt, &mut self.due);
            if Nack::emit(&mut self.rtcp, self.ssrc, source.ssrc, &self.due) > 0 {
                tally.nacks += 1;
            }
        }
    }

    fn media_of(&self, kind: MediaKind) -> Option<Ssrc> {
        let mut sources = self.sources.iter();
        let media = sources.find(|s| s.kind == kind && !s.is_repair);
        media.map(|s| s.ssrc)
    }

    fn send_rtcp(&mut self, path: Path) -> io::Result<()> {
        let len = self.rtcp.len();
        if len == 0 {
            return Ok(());
        }
        self.rtcp.resize(len + MAX_SRTP_OVERHEAD, 0);
        let rtcp = &mut self.rtcp;
        let sealed = self.srtp.with(|srtp| srtp.protect_rtcp(rtcp, len));
        match sealed {
            Some(Ok(len)) => {
                self.rtcp.truncate(len);
                self.connection.send(path, &self.rtcp)
            }
            Some(Err(error)) => Err(io::Error::other(error)),
            None => Ok(()),
        }
    }
}

fn note_transport(transport: &mut Option<TwccReceiver>, now: Instant, number: Option<SeqNo>) {
    if let (Some(transport), Some(number)) = (transport, number) {
        transport.on_packet(now, number);
    }
}
