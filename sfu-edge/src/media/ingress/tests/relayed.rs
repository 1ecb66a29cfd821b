//! What is said on data channels, from worker to worker.

use std::sync::atomic::Ordering::Relaxed;

use transom_control::wire::Picture;
use transom_control::{
    Channel, Command, Epoch, Lease, Order as Wanted, Report, ReportKind, Seq, Source, Stamp, State,
};
use transom_rtc_proto::channel::MessageKind;

use super::*;
use crate::media::api::DriveRights;
use crate::media::channels::{ChannelNote, Happening, Outgoing, Speaker};
use crate::media::relay::DropReason;

fn arm() -> Vec<u8> {
    let command = Command {
        source: Source(0),
        lease: Lease(0),
        seq: Seq(1),
        order: Wanted::Arm {
            follows: Epoch(0),
            echo: Stamp::from_micros(1),
        },
    };
    command.emit().to_vec()
}

fn beacon() -> Vec<u8> {
    let report = Report {
        state: State::Disarmed,
        lease: Lease(0),
        epoch: Epoch(0),
        stamp: Stamp::from_micros(1),
        kind: ReportKind::Beacon {
            heard: Seq(0),
            held_us: 0,
            applied: Seq(0),
            limit_ms: 300,
            age_ms: 0,
            refused: None,
            speed: 100,
            picture_limit_ms: 0,
        },
    };
    report.emit().to_vec()
}

/// Something happens on the control channel of a client: its world tells of it.
fn note(town: &mut Town, client: usize, may_drive: bool, what: Happening) {
    let key = town.key(client).expect("the session is known");
    let speaker = Speaker {
        key,
        session: town.clients[client].session,
        stream: STREAM,
        publisher: town.slot(client).is_publisher(),
        rights: DriveRights {
            drive: may_drive,
            ..DriveRights::default()
        },
    };
    assert!(town.ingress.world.gauge.take(&what));
    let note = ChannelNote {
        speaker,
        label: Channel::Control.label().into(),
        what,
    };
    let now = town.now;
    town.ingress.handle_note(now, Note::Channel(Box::new(note)));
}

fn says(data: Vec<u8>) -> Happening {
    let kind = MessageKind::Binary;
    Happening::Message { kind, data }
}

/// What the second worker is to say.
fn told(town: &mut Town) -> Vec<Outgoing> {
    let orders = town.workers[0].1.orders.try_iter();
    let told = orders.filter_map(|order| match order {
        Order::Channel(outgoing) => Some(outgoing),
        _ => None,
    });
    told.collect()
}

#[test]
fn reports_and_commands_find_the_worker_of_their_receiver() {
    let mut town = Town::with_workers(2);
    let device = town.publish(&[h264()]);
    let viewers = [town.subscribe(&[h264()]), town.subscribe(&[h264()])];
    let on = |town: &Town, worker| *viewers.iter().find(|v| town.worker(**v) == worker).unwrap();
    let (near, far) = (on(&town, 0), on(&town, 1));
    for client in [device, near, far] {
        note(&mut town, client, client == far, Happening::Opened);
    }
    note(&mut town, device, false, says(beacon()));
    let sent = told(&mut town);
    assert_eq!(sent.len(), 1);
    assert_eq!(sent[0].key, town.key(far).unwrap());
    assert_eq!(*sent[0].data, *beacon());
    // The peer here has no such channel in truth: that much shows that it was to be told.
    let relayed = Arc::clone(&town.ingress.world.relayed);
    assert_eq!(relayed.dropped(DropReason::ChannelClosed), 1);
    assert_eq!(relayed.reports.load(Relaxed), 2);

    note(&mut town, far, true, says(arm()));
    assert_eq!(relayed.commands.load(Relaxed), 1);
    assert_eq!(relayed.dropped(DropReason::ChannelClosed), 2);
    assert!(told(&mut town).is_empty());
    assert_eq!(town.ingress.relay.holder(STREAM), town.key(far));

    // It is lost with its worker's peer: the device is told, and told again when nothing else is due.
    town.leave(far);
    assert_eq!(town.ingress.relay.holder(STREAM), None);
    assert_eq!(relayed.drivers_lost.load(Relaxed), 1);
    let wait = town
        .ingress
        .wait(town.now, &town.turn)
        .expect("a stop is due");
    assert!(wait <= Duration::from_millis(50), "{wait:?}");
}

/// What a client's worker makes of what is told of a picture, and whether it tells it at all.
fn seen(town: &mut Town, client: usize, rtp: u32) -> Option<u32> {
    let captured = Stamp::from_micros(7);
    let outgoing = Outgoing {
        key: town.key(client).expect("the session is known"),
        label: Channel::Control.label().into(),
        kind: MessageKind::Binary,
        data: Picture { rtp, captured }.emit().to_vec().into(),
        newest: false,
    };
    let told = town.world_of(client).as_seen(outgoing)?;
    let picture = Picture::parse(&told.data).expect("a picture");
    assert_eq!(picture.captured, captured);
    Some(picture.rtp)
}

#[test]
fn what_is_told_of_pictures_is_in_each_viewers_own_time() {
    for workers in [1, 3] {
        let mut town = Town::with_workers(workers);
        let first = town.publish(&[h264()]);
        let viewer = town.subscribe(&[h264()]);
        town.film(first, 0..30);
        let latest = |town: &Town, client: usize| {
            let picture = town.clients[client].video.last().expect("a picture");
            picture.timestamp.0
        };
        assert_eq!(seen(&mut town, viewer, 29 * 3000), Some(29 * 3000));
        assert_eq!(latest(&town, viewer), 29 * 3000);
        town.leave(first);
        town.run(400);
        // The next one's timestamps begin anew, the viewer's go on.
        let second = town.publish(&[h264()]);
        assert_eq!(seen(&mut town, viewer, 0), None, "before its first picture");
        let newcomer = town.subscribe(&[h264()]);
        town.film(second, 0..20);
        assert_ne!(latest(&town, viewer), 19 * 3000);
        let expected = Some(latest(&town, viewer));
        assert_eq!(seen(&mut town, viewer, 19 * 3000), expected);
        assert_eq!(latest(&town, newcomer), 19 * 3000);
        assert_eq!(seen(&mut town, newcomer, 19 * 3000), Some(19 * 3000));
        // A publisher shows itself nothing.
        assert_eq!(seen(&mut town, second, 19 * 3000), None);
    }
}
