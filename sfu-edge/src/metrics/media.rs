use transom_rtc_telemetry::{Exposition, Family};

use crate::media::{Count, MediaFigures, SocketFigures};

/// A family with one label: name, help, the label, and what counts for each value of it.
type Labelled = (
    &'static str,
    &'static str,
    &'static str,
    &'static [(&'static str, Count)],
);

const LABELLED: [Labelled; 6] = [
    (
        "transom_sfu_received_packets_total",
        "RTP packets of publishers, repairs apart.",
        "kind",
        &[
            ("audio", Count::AudioPacketsReceived),
            ("video", Count::VideoPacketsReceived),
        ],
    ),
    (
        "transom_sfu_received_bytes_total",
        "The same in bytes, headers included.",
        "kind",
        &[
            ("audio", Count::AudioBytesReceived),
            ("video", Count::VideoBytesReceived),
        ],
    ),
    (
        "transom_sfu_sent_packets_total",
        "RTP packets to subscribers, repairs apart.",
        "kind",
        &[
            ("audio", Count::AudioPacketsSent),
            ("video", Count::VideoPacketsSent),
        ],
    ),
    (
        "transom_sfu_sent_bytes_total",
        "RTP bytes to subscribers, headers and repairs included.",
        "kind",
        &[
            ("audio", Count::AudioBytesSent),
            ("video", Count::VideoBytesSent),
        ],
    ),
    (
        "transom_sfu_datagrams_refused_total",
        "Datagrams that came and were not taken, by why. Strangers can raise it.",
        "reason",
        &[
            ("no_peer", Count::NoPeer),
            ("over_share", Count::OverShare),
            ("unknown", Count::Unknown),
            ("stun", Count::Stun),
            ("unvalidated_path", Count::UnvalidatedPath),
            ("no_keys", Count::NoKeys),
            ("malformed", Count::Malformed),
            ("authentication", Count::Authentication),
            ("replay", Count::Replay),
            ("payload_type", Count::UnknownPayloadType),
            ("too_many_sources", Count::TooManySources),
            ("queue_full", Count::QueueFull),
            ("closed", Count::Closed),
        ],
    ),
    (
        "transom_sfu_dropped_total",
        "Lost inside: packets beyond a publisher's budget or not sealed, datagrams that found the \
         socket full, batches and datagrams that a worker was late for, records that the DTLS guard \
         refused or found no room for, messages on data channels that were too many.",
        "reason",
        &[
            ("over_budget", Count::OverBudget),
            ("not_sealed", Count::NotSealed),
            ("socket_full", Count::SocketFull),
            ("worker_late", Count::WorkerLate),
            ("dtls_guard", Count::DtlsRecordsRefused),
            ("dtls_queue_full", Count::DtlsQueueFull),
            ("channel_messages", Count::ChannelMessagesLost),
        ],
    ),
];

const PLAIN: [(&str, &str, Count); 7] = [
    (
        "transom_sfu_repaired_packets_total",
        "Packets of publishers that came by retransmission.",
        Count::PacketsRepaired,
    ),
    (
        "transom_sfu_nacks_sent_total",
        "Packets that publishers were asked for again.",
        Count::PacketsAskedFor,
    ),
    (
        "transom_sfu_nacks_received_total",
        "Packets that subscribers asked for again.",
        Count::RepairsWanted,
    ),
    (
        "transom_sfu_retransmissions_total",
        "Packets sent again, by RTX: of those asked for, the ones still there and within the allowance.",
        Count::RepairsSent,
    ),
    (
        "transom_sfu_key_frame_requests_received_total",
        "Key frames that subscribers asked for (PLI, FIR).",
        Count::KeyFramesWanted,
    ),
    (
        "transom_sfu_key_frame_requests_sent_total",
        "Key frames that publishers were asked for (PLI); requests in quick succession share one.",
        Count::KeyFramesAskedFor,
    ),
    (
        "transom_sfu_panics_total",
        "Panics that were caught; each ended one peer.",
        Count::Panics,
    ),
];

/// Writes what the media threads counted, and their sockets.
pub(super) fn write(media: &MediaFigures, to: &mut Exposition) {
    for (name, help, label, values) in LABELLED {
        let mut family = to.counter(name, help);
        for (value, count) in values {
            family.sample(&[(label, value)], media.count(*count));
        }
    }
    for (name, help, count) in PLAIN {
        to.counter(name, help).value(media.count(count));
    }
    let mut family = to.gauge(
        "transom_sfu_srtp_peers",
        "Connected peers by their SRTP profile.",
    );
    for (profile, count) in media.profiles() {
        family.sample(&[("profile", profile)], count);
    }
    let mut family = to.gauge(
        "transom_sfu_worker_peers",
        "Peers of each media thread; the first also reads the port.",
    );
    for (worker, peers) in media.peers().enumerate() {
        family.sample(&[("worker", &worker.to_string())], peers);
    }
    sockets(media, to);
}

/// A family with a sample a socket.
type OfSocket = (&'static str, &'static str, fn(&SocketFigures) -> u64);

const SOCKETS: [OfSocket; 8] = [
    (
        "transom_sfu_udp_received_datagrams_total",
        "Datagrams that came by the media port.",
        |s| s.counters.received,
    ),
    (
        "transom_sfu_udp_receive_calls_total",
        "System calls that brought them.",
        |s| s.counters.recv_calls,
    ),
    (
        "transom_sfu_udp_truncated_total",
        "Datagrams too long to be any of ours.",
        |s| s.counters.truncated,
    ),
    (
        "transom_sfu_udp_sent_datagrams_total",
        "Datagrams that the kernel took.",
        |s| s.counters.sent,
    ),
    (
        "transom_sfu_udp_send_calls_total",
        "System calls that it took them by.",
        |s| s.counters.send_calls,
    ),
    (
        "transom_sfu_udp_refused_total",
        "Datagrams that the kernel refused: no route, no permission, too long.",
        |s| s.counters.refused,
    ),
    (
        "transom_sfu_udp_malformed_total",
        "Sends that cannot be; each is a defect of ours.",
        |s| s.counters.malformed,
    ),
    (
        "transom_sfu_udp_gso_refused_total",
        "Sends that left a datagram at a time because the kernel would not segment them.",
        |s| s.counters.gso_refused,
    ),
];

fn sockets(media: &MediaFigures, to: &mut Exposition) {
    let sockets: Vec<SocketFigures> = media.sockets().collect();
    for (name, help, value) in SOCKETS {
        samples(to.counter(name, help), &sockets, value);
    }
    let gso_in_use = to.gauge(
        "transom_sfu_udp_gso_in_use",
        "1 where the kernel segments what is sent (GSO).",
    );
    samples(gso_in_use, &sockets, |socket| socket.gso_in_use.into());
}

fn samples(mut family: Family<'_>, sockets: &[SocketFigures], value: fn(&SocketFigures) -> u64) {
    for socket in sockets {
        let name = match socket.address.is_ipv4() {
            true => "ipv4",
            false => "ipv6",
        };
        family.sample(&[("family", name)], value(socket));
    }
}
