//! What hostile and unlucky peers do to the workers and to each other.

use super::*;
use crate::media::clock::Clock;

/// A packet of one source, sealed.
fn packet(
    layer: &mut Box<dyn Srtp>,
    pt: u8,
    seq: u16,
    ts: u32,
    marker: u8,
    unit: &[u8],
) -> Vec<u8> {
    let mut packet = vec![0x80, pt | marker << 7];
    packet.extend(seq.to_be_bytes());
    packet.extend(ts.to_be_bytes());
    packet.extend([0, 0, 0, 77]);
    packet.extend(unit);
    let len = packet.len();
    packet.resize(len + 16, 0);
    layer.protect_rtp(&mut packet, len).expect("room");
    packet
}

/// What serve() does when a timer wakes it: no readable socket, no receive().
#[test]
fn held_packets_leave_when_their_time_is_up_without_a_datagram() {
    let hold = Duration::from_millis(3);
    let mut town = Town::with_policy(1, Policy { hold, ..POLICY });
    let publisher = town.publish(&[h264()]);
    let _subscriber = town.subscribe(&[h264()]);
    let mut layer = clients::layer();
    let pt = clients::pt(&town.clients[publisher], MediaKind::Video);
    let mut p = packet(&mut layer, pt, 1, 1, 1, &[0x67, 0x80]);
    town.inject(publisher, &mut p);
    town.run(20);
    town.ingress.world.set_crowded(STREAM, true);
    let mut p = packet(&mut layer, pt, 2, 2, 0, &[0x41, 0x80]);
    town.inject(publisher, &mut p);
    let now = town.now;
    town.ingress.fan_out(now, |_| ()); // receive() does, behind the datagrams
    assert!(!town.ingress.world.is_settled(), "waits");
    let mut wakes = 0;
    for _ in 0..50 {
        town.now += STEP;
        let now = town.now;
        town.ingress.finish(now, &mut town.turn).expect("no worker");
        wakes += usize::from(
            town.ingress
                .world
                .next_timeout()
                .is_some_and(|at| at <= now),
        );
    }
    assert!(
        town.ingress.world.is_settled(),
        "still held after 50 ms; woken in vain {wakes} times"
    );
}

#[test]
fn a_flood_of_one_subscriber_does_not_cost_another_its_media() {
    let mut town = Town::with_workers(2);
    town.ingress.alone = 1;
    let publisher = town.publish(&[h264()]);
    let _here = town.subscribe(&[h264()]);
    let well = town.subscribe(&[h264()]);
    town.ingress.alone = 1;
    let flooder = loop {
        let c = town.subscribe(&[h264()]);
        if town.worker(c) == 1 {
            break c;
        }
    };
    assert_eq!(town.worker(well), 1);
    town.film(publisher, 0..30);
    for number in 30..60 {
        town.clients[publisher].films(town.now, number);
        for _ in 0..1100 {
            town.inject(flooder, &mut [0x80, 205, 0, 0]);
        }
        town.run(1);
        for _ in 0..32 {
            for _ in 0..1100 {
                town.inject(flooder, &mut [0x80, 205, 0, 0]);
            }
            town.run(1);
        }
    }
    assert_seamless(&town.clients[well]);
    let n = town.clients[well].video.len();
    assert!(n >= 120, "{n} of 120 or more packets");
}

/// One datagram with `count` sender reports of the source of [`packet`].
fn sender_reports(layer: &mut Box<dyn Srtp>, count: u32) -> Vec<u8> {
    let mut rtcp = vec![0x80, 201, 0, 1, 0, 0, 0, 9];
    for n in 0..count {
        rtcp.extend([0x80, 200, 0, 6, 0, 0, 0, 77]);
        rtcp.extend(n.to_be_bytes());
        rtcp.extend([0; 16]);
    }
    let len = rtcp.len();
    rtcp.resize(len + 20, 0);
    layer.protect_rtcp(&mut rtcp, len).expect("room");
    rtcp
}

#[test]
fn sender_reports_do_not_grow_orders() {
    let mut town = Town::with_workers(2);
    let publisher = town.publish(&[h264()]);
    let _a = town.subscribe(&[h264()]);
    let _b = town.subscribe(&[h264()]);
    let mut layer = clients::layer();
    let pt = clients::pt(&town.clients[publisher], MediaKind::Video);
    let mut p = packet(&mut layer, pt, 1, 1, 1, &[0x67, 0x80]);
    town.inject(publisher, &mut p);
    town.run(5);
    for _ in 0..20 {
        let mut rtcp = sender_reports(&mut layer, 40);
        town.inject(publisher, &mut rtcp);
        // the ingress thread's turn alone
        let now = town.now;
        town.ingress_turn(now);
        let _ = town.ingress.ring(&mut town.turn);
    }
    let waiting = town.workers[0].1.orders.try_iter().count();
    let debug = format!("{:?}", town.ingress.links[0]);
    let stuck = debug.matches("Clock {").count();
    assert!(
        waiting + stuck <= 40,
        "20 datagrams made {waiting} + {stuck} orders"
    );
}

#[test]
fn probes_that_leap_do_not_silence_the_next_publisher() {
    let mut town = Town::new();
    let hostile = town.publish(&[h264()]);
    let subscriber = town.subscribe(&[h264()]);
    let mut layer = clients::layer();
    let pt = clients::pt(&town.clients[hostile], MediaKind::Video);
    let mut p = packet(&mut layer, pt, 1, 1, 1, &[0x67, 0x80]);
    town.inject(hostile, &mut p);
    town.run(5);
    let got = town.clients[subscriber].video.len();
    assert!(got > 0);
    let mut seq = 1_u16;
    for _ in 0..9 {
        for _ in 0..1 {
            seq = seq.wrapping_add(4000);
            let mut p = packet(&mut layer, pt, seq, 1, 0, &[]);
            town.inject(hostile, &mut p);
            town.run(1);
        }
    }
    town.leave(hostile);
    town.clients[subscriber].video.clear();
    let second = town.publish(&[h264()]);
    town.film(second, 0..60);
    let got = town.clients[subscriber].video.len();
    let dropped = town.slot(subscriber).dropped();
    assert!(got >= 60, "{got} packets, {dropped} refused");
}

#[test]
fn the_past_does_not_repeat_what_is_held() {
    let hold = Duration::from_millis(5);
    let mut town = Town::with_policy(1, Policy { hold, ..POLICY });
    let publisher = town.publish(&[h264()]);
    let mut layer = clients::layer();
    let pt = clients::pt(&town.clients[publisher], MediaKind::Video);
    let mut p = packet(&mut layer, pt, 1, 1, 1, &[0x67, 0x80]);
    town.inject(publisher, &mut p);
    for seq in 2..60 {
        let mut p = packet(&mut layer, pt, seq, 1, 1, &[0x41, 0x80]);
        town.inject(publisher, &mut p);
    }
    town.run(1);
    // the join happens while something is held
    let (client, setup) = Client::subscriber(town.now, town.clients.len(), STREAM, &[h264()]);
    town.ingress.add_subscriber(town.now, setup);
    town.ingress.world.set_crowded(STREAM, true);
    town.clients.push(client);
    let s = town.clients.len() - 1;
    town.run(100);
    let key = town.key(s).unwrap();
    let now = town.now;
    town.slot(s)
        .peer
        .handle_dtls(now, clients::connected(b"client"));
    town.ingress.world.mark(key);
    town.clients[s].shake_hands(now);
    let mut p = packet(&mut layer, pt, 60, 1, 0, &[0x41, 0x80]);
    town.inject(publisher, &mut p);
    town.run(30);
    let dropped = town.slot(s).dropped();
    assert_eq!(dropped, 0, "sealed twice, but for the claim");
}

#[test]
fn slabs_of_a_busy_worker_allocate_nothing() {
    let mut town = Town::with_workers(2);
    let publisher = town.publish(&[h264()]);
    let _a = town.subscribe(&[h264()]);
    let _b = town.subscribe(&[h264()]);
    let mut layer = clients::layer();
    let pt = clients::pt(&town.clients[publisher], MediaKind::Video);
    let mut seq = 0;
    let mut total = 0;
    for round in 0..20 {
        for n in 0..16 {
            // sixteen batches wait for the worker
            let mut packets: Vec<_> = (0..8)
                .map(|_| {
                    seq += 1;
                    let mut unit = vec![if seq == 1 { 0x67 } else { 0x41 }, 0x80];
                    unit.resize(1000, 0x55);
                    packet(&mut layer, pt, seq, 1, 0, &unit)
                })
                .collect();
            let now = town.now;
            let c = allocation_counter::measure(|| {
                for p in &mut packets {
                    town.inject(publisher, p);
                }
                town.ingress.fan_out(now, |_| ());
            });
            if round > 10 {
                total += c.count_total;
            }
            let _ = n;
            town.ingress.world.egress.take_datagrams();
        }
        town.run(1);
    }
    assert_eq!(total, 0, "allocations in 9 rounds of 16 batches");
}

#[test]
fn an_idle_worker_ends_when_the_ingress_thread_does() {
    let town = Town::new();
    let poll = Poll::new().unwrap();
    let bell = Arc::new(Bell::new(&poll).unwrap());
    let (link, inbox) = Link::new(Arc::clone(&bell));
    let ingress_poll = Poll::new().unwrap();
    let ingress = Arc::new(Bell::new(&ingress_poll).unwrap());
    let sockets = UdpPort::open(0).unwrap();
    let (events, _r) = tokio::sync::mpsc::channel(10);
    let (notes, _noted) = std::sync::mpsc::channel();
    let clock = Clock::start();
    let dtls = DtlsConfig::new(Certificate::generate().unwrap());
    let world = World::new(
        town._runtime.handle().clone(),
        dtls,
        Arc::clone(&bell),
        Publishers::Elsewhere,
        POLICY,
        Gauge::default(),
        Arc::default(),
    );
    let turn = Turn::new(Arc::new(sockets), bell, events, clock.now());
    let worker = worker::WorkerThread {
        poll,
        inbox,
        notes,
        ingress,
        world,
        turn,
        clock,
    };
    let thread = std::thread::spawn(move || worker.run());
    std::thread::sleep(Duration::from_millis(200));
    drop(link); // as MediaThread::run does on any way out
    std::thread::sleep(Duration::from_secs(2));
    assert!(thread.is_finished(), "the join would wait for ever");
}

/// DTLS of a program that takes over a port keeps the former owner's hold alive.
#[test]
fn a_port_passes_on_from_a_workers_peer() {
    for workers in [1, 2] {
        let mut town = Town::with_workers(workers);
        let _publisher = town.publish(&[h264()]);
        let mut subs = vec![town.subscribe(&[h264()]), town.subscribe(&[h264()])];
        if workers == 2 {
            subs.retain(|s| town.worker(*s) == 1);
        }
        let owner = subs[0];
        let other = town.subscribe(&[h264()]);
        let (owner_key, other_key) = (town.key(owner), town.key(other).unwrap());
        let addr = town.clients[owner].addr;
        town.clients[owner].die();
        let mut t = town.now;
        for _ in 0..20 {
            t += Duration::from_secs(1);
            // the newcomer's DTLS, not what the owner takes
            let path = Path {
                local: world_addr(),
                remote: addr,
            };
            town.ingress.handle_datagram(
                t,
                path,
                &mut [0x80, 111, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 0],
            );
            town.ingress.bind(t, other_key, addr);
        }
        let got = town.ingress.demux.owner(addr);
        assert_ne!(
            got, owner_key,
            "{workers} workers: held for 20 s by datagrams that are not its own"
        );
    }
}

#[test]
fn sender_reports_of_one_publisher_do_not_cost_another_stream_its_media() {
    let mut town = Town::with_workers(2);
    let other = StreamKey(2);
    let hostile = town.publish_as(other, &[h264()]);
    let _a = town.subscribe_to(other, &[h264()]);
    let _b = town.subscribe_to(other, &[h264()]);
    let publisher = town.publish(&[h264()]);
    let _here = town.subscribe(&[h264()]);
    let well = town.subscribe(&[h264()]);
    assert_eq!(town.worker(well), 1);
    let mut layer = clients::layer();
    let pt = clients::pt(&town.clients[hostile], MediaKind::Video);
    let mut p = packet(&mut layer, pt, 1, 1, 1, &[0x67, 0x80]);
    town.inject(hostile, &mut p);
    town.run(5);
    town.film(publisher, 0..30);
    let before = town.clients[well].video.len();
    for number in 30..60 {
        for _ in 0..11 {
            // 11 turns of the ingress thread, the worker has not had one
            for _ in 0..3 {
                let mut rtcp = sender_reports(&mut layer, 42);
                town.inject(hostile, &mut rtcp);
            }
            let now = town.now;
            town.ingress_turn(now);
        }
        town.clients[publisher].films(town.now, number);
        town.run(33);
    }
    let got = town.clients[well].video.len() - before;
    assert!(got >= 60, "{got} of 60 or more packets");
}
