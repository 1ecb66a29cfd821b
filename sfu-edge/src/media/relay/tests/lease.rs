//! The lease that is asked for.

use transom_control::wire::{LeaseAction, LeaseNotice, LeaseResult};
use transom_control::{Output, Press};

use super::*;
use crate::media::relay::lease::{ASKING, FIRM};

const A: u32 = 1;
const B: u32 = 2;
const WATCHER: u32 = 3;

/// What a notice says: whom, the answer, who holds it (and firmly), who asks.
type Told = (u32, Option<LeaseResult>, Option<(u32, bool)>, Option<u32>);

const fn source(key: u32) -> Source {
    Source(0x0101_0101 * key)
}

impl Scene {
    fn with_admin() -> Self {
        let mut scene = Self::new(0);
        scene.open(ADMIN);
        scene
    }

    fn asks(&mut self, key: u32, action: LeaseAction) {
        let request = LeaseRequest { number: 7, action };
        self.says_on(key, "control-reliable", &request.emit());
    }

    /// What became of a request; all else that is said meanwhile is thrown away.
    fn answer(&mut self, key: u32, action: LeaseAction) -> LeaseResult {
        self.sent();
        self.asks(key, action);
        let (told, _) = self.told();
        let mine = told
            .iter()
            .find(|(to, answer, ..)| *to == key && answer.is_some());
        mine.and_then(|told| told.1).expect("an answer")
    }

    /// What operators are told, and what the device gets.
    fn told(&mut self) -> (Vec<Told>, Vec<(u8, u32, u32)>) {
        let mut told = Vec::new();
        let mut gets = Vec::new();
        for out in self.sent() {
            if out.key == DEVICE {
                let command = Command::parse(&out.data).expect("a command");
                let kind = command.order.kind().code();
                gets.push((kind, command.lease.0, command.seq.0));
                continue;
            }
            assert_eq!(&*out.label, "control-reliable");
            let notice = LeaseNotice::parse(&out.data).expect("a notice");
            assert_eq!(notice.you, source(out.key));
            assert_eq!(notice.admin, out.key == ADMIN);
            assert!(notice.answer.is_none_or(|(number, _)| number == 7));
            let key = |source: Source| source.0 / 0x0101_0101;
            told.push((
                out.key,
                notice.answer.map(|(_, result)| result),
                notice
                    .holder
                    .map(|h| (key(h.party.source), h.firm_ms.is_some())),
                notice
                    .holder
                    .and_then(|h| h.asker)
                    .map(|(asker, _)| key(asker.source)),
            ));
        }
        told.sort_by_key(|(to, ..)| *to);
        (told, gets)
    }

    fn changes(&self, change: LeaseChange) -> u64 {
        self.relay.stats.lease_changes(change)
    }

    fn armed(&mut self, key: u32, seq: u32) {
        self.says(key, &arm(seq));
        let lease = self.relay.rooms[&STREAM].notice(self.now, &speaker(key, true), None);
        self.says(DEVICE, &report(lease.lease.0, State::Armed));
        self.sent();
    }
}

#[test]
fn a_firm_lease_is_its_holders_though_nothing_moves() {
    let mut scene = Scene::new(0);
    assert_eq!(scene.answer(A, LeaseAction::Acquire), LeaseResult::Done);
    assert_eq!(scene.answer(B, LeaseAction::Acquire), LeaseResult::Held);
    scene.says(B, &arm(1));
    scene.says(B, &setpoint(2));
    assert_eq!(scene.device_gets(), []);
    assert_eq!(scene.count(DropReason::NotHolder), 2);
    scene.says(A, &arm(1));
    assert_eq!(scene.device_gets(), [(2, 1, 1)]);
    assert_eq!(scene.relay.stats.lease_answers(LeaseResult::Held), 1);
    assert_eq!(scene.changes(LeaseChange::Acquired), 1);
    assert_eq!(scene.relay.stats.leases.load(Ordering::Relaxed), 1);
}

#[test]
fn who_never_asked_is_told_nothing_and_all_others_of_every_change() {
    let mut scene = Scene::new(0);
    scene.says(A, &arm(1));
    assert!(scene.told().0.is_empty(), "nobody wanted to know");
    scene.asks(B, LeaseAction::Query);
    let held = Some((A, false));
    assert_eq!(
        scene.told().0,
        [(B, Some(LeaseResult::Done), held, None)],
        "and the one who drives is not asked"
    );
    scene.asks(A, LeaseAction::Acquire);
    let firm = Some((A, true));
    let told = [
        (A, Some(LeaseResult::Done), firm, None),
        (B, None, firm, None),
    ];
    assert_eq!(scene.told().0, told);
    scene.asks(A, LeaseAction::Renew);
    assert_eq!(
        scene.told().0,
        [(A, Some(LeaseResult::Done), firm, None)],
        "no news for others"
    );
    scene.gone(A);
    let (told, _) = scene.told();
    assert_eq!(told, [(B, None, None, None)]);
}

#[test]
fn handed_over_with_consent_the_device_stops_and_the_next_one_arms_at_once() {
    let mut scene = Scene::new(0);
    scene.asks(A, LeaseAction::Query);
    scene.armed(A, 900);
    scene.asks(B, LeaseAction::Ask);
    let held = Some((A, false));
    let told = [
        (A, None, held, Some(B)),
        (B, Some(LeaseResult::Asked), held, Some(B)),
    ];
    assert_eq!(scene.told(), (told.to_vec(), Vec::new()));
    scene.says(A, &setpoint(901));
    assert_eq!(scene.device_gets(), [(1, 1, 901)], "it drives on meanwhile");
    scene.asks(A, LeaseAction::Grant(source(B)));
    let firm = Some((B, true));
    let told = [
        (A, Some(LeaseResult::Done), firm, None),
        (B, Some(LeaseResult::Done), firm, None),
    ];
    assert_eq!(scene.told(), (told.to_vec(), vec![(4, 2, 1), (4, 2, 1)]));
    scene.says(A, &setpoint(902));
    scene.says(A, &arm(903));
    assert_eq!(scene.device_gets(), []);
    // Numbers begin anew: the stop of the server's own has a lease of its own.
    scene.says(B, &arm(1));
    assert_eq!(scene.device_gets(), [(2, 3, 1)]);
    assert_eq!(scene.changes(LeaseChange::Asked), 1);
    assert_eq!(scene.changes(LeaseChange::HandedOver), 1);
}

#[test]
fn the_stop_of_a_hand_over_says_why_and_is_repeated_until_a_report_confirms_it() {
    let mut scene = Scene::new(0);
    scene.armed(A, 1);
    scene.asks(B, LeaseAction::Ask);
    scene.asks(A, LeaseAction::Grant(source(B)));
    let stops = scene.sent().into_iter().filter(|o| o.key == DEVICE);
    let reasons = stops.map(|o| match Command::parse(&o.data).expect("a command") {
        Command {
            source: Source(0),
            order: Order::Stop { epoch, reason },
            ..
        } => (epoch, reason),
        other => panic!("{other:?}"),
    });
    let replaced = (Epoch::ALL, StopReason::Replaced);
    assert_eq!(reasons.collect::<Vec<_>>(), [replaced; 2]);
    assert_eq!(scene.wait(150), [(4, 2, 1); 3]);
    scene.says(DEVICE, &report(2, State::Stopped(StopReason::Replaced)));
    scene.sent();
    assert_eq!(scene.wait(1000), []);
}

#[test]
fn denied_or_not_answered_it_stays_where_it_is() {
    let mut scene = Scene::with_admin();
    scene.asks(A, LeaseAction::Acquire);
    scene.asks(B, LeaseAction::Ask);
    assert_eq!(scene.answer(ADMIN, LeaseAction::Ask), LeaseResult::Busy);
    assert_eq!(scene.answer(B, LeaseAction::Ask), LeaseResult::Asked);
    let stranger = LeaseAction::Deny(source(ADMIN));
    assert_eq!(scene.answer(A, stranger), LeaseResult::NobodyAsks);
    assert_eq!(
        scene.answer(B, LeaseAction::Grant(source(B))),
        LeaseResult::NotHolder,
        "nobody grants it to themselves"
    );
    scene.asks(A, LeaseAction::Deny(source(B)));
    let (told, gets) = scene.told();
    assert!(gets.is_empty());
    assert!(told.contains(&(B, Some(LeaseResult::Denied), Some((A, true)), None)));

    scene.asks(B, LeaseAction::Ask);
    let asked = scene.now;
    scene.sent();
    let mut lapsed = None;
    while lapsed.is_none() {
        scene.asks(A, LeaseAction::Renew);
        scene.sent();
        scene.now += Duration::from_millis(500);
        scene.relay.handle_timeout(scene.now);
        let (told, _) = scene.told();
        lapsed = told
            .iter()
            .any(|t| t.1 == Some(LeaseResult::Lapsed))
            .then_some(scene.now);
        assert!(scene.now.since(asked) <= ASKING);
    }
    assert_eq!(lapsed.map(|at| at.since(asked)), Some(ASKING));
    assert_eq!(scene.relay.holder(STREAM), Some(A));
    let late = scene.answer(A, LeaseAction::Grant(source(B)));
    assert_eq!(late, LeaseResult::NobodyAsks);
    // Who asks may think better of it.
    scene.asks(B, LeaseAction::Ask);
    assert_eq!(scene.answer(B, LeaseAction::Release), LeaseResult::Done);
    let late = scene.answer(A, LeaseAction::Grant(source(B)));
    assert_eq!(late, LeaseResult::NobodyAsks);
    assert_eq!(scene.changes(LeaseChange::Lapsed), 1);
    assert_eq!(scene.changes(LeaseChange::Denied), 1);
}

#[test]
fn a_lease_that_nobody_renews_ends_and_every_word_of_its_holder_renews_it() {
    let mut scene = Scene::new(0);
    scene.asks(A, LeaseAction::Acquire);
    scene.asks(B, LeaseAction::Query);
    scene.armed(A, 1);
    for seq in 2..8 {
        scene.wait(5000);
        let word = match seq % 3 {
            0 => command(seq, Order::Ping),
            1 => setpoint(seq),
            _ => command(seq, Order::Disarm { epoch: Epoch(0) }),
        };
        scene.says(A, &word);
        assert_eq!(scene.device_gets().len(), 1);
        // What others send renews nothing.
        scene.says(B, &command(seq, Order::Ping));
    }
    scene.now += FIRM - Duration::from_millis(1);
    scene.relay.handle_timeout(scene.now);
    assert_eq!(scene.told(), (vec![], vec![]));
    scene.now += Duration::from_millis(1);
    scene.relay.handle_timeout(scene.now);
    let free = [(A, None, None, None), (B, None, None, None)];
    // It had armed: at once.
    assert_eq!(scene.told(), (free.to_vec(), vec![(4, 2, 1), (4, 2, 1)]));
    assert_eq!(scene.changes(LeaseChange::Expired), 1);
    scene.says(A, &setpoint(9));
    assert_eq!(scene.device_gets(), []);
    scene.says(DEVICE, &beacon(2));
    scene.sent();
    scene.says(B, &arm(1));
    assert_eq!(scene.told().1, [(2, 3, 1)]);
}

#[test]
fn who_asked_gets_it_when_its_holder_goes_or_gives_it_up() {
    let goes: [fn(&mut Scene); 4] = [
        |scene| scene.asks(A, LeaseAction::Release),
        |scene| scene.gone(A),
        |scene| scene.note(A, "control-reliable", Happening::Closed),
        |scene| {
            scene.now += FIRM;
            scene.relay.handle_timeout(scene.now);
        },
    ];
    for (n, go) in goes.into_iter().enumerate() {
        let mut scene = Scene::new(0);
        scene.asks(A, LeaseAction::Acquire);
        scene.asks(B, LeaseAction::Ask);
        scene.sent();
        go(&mut scene);
        let (told, gets) = scene.told();
        let done = (B, Some(LeaseResult::Done), Some((B, true)), None);
        assert!(told.contains(&done), "{n}: {told:?}");
        // Who never armed leaves nothing to stop, but who is lost is not asked.
        assert_eq!(gets.is_empty(), n == 0 || n == 3, "{n}: {gets:?}");
        scene.says(B, &arm(1));
        let Some(&(2, lease, 1)) = scene.device_gets().last() else {
            panic!("{n}: not armed");
        };
        assert_eq!(lease, 3, "{n}");
    }
}

#[test]
fn an_administrator_takes_it_and_nobody_else_does() {
    let mut scene = Scene::with_admin();
    scene.asks(A, LeaseAction::Acquire);
    scene.armed(A, 1);
    assert_eq!(
        scene.answer(B, LeaseAction::Override),
        LeaseResult::NotAdmin
    );
    scene.says(A, &setpoint(2));
    assert_eq!(scene.device_gets(), [(1, 1, 2)]);
    scene.asks(B, LeaseAction::Ask);
    scene.sent();
    scene.asks(ADMIN, LeaseAction::Override);
    let firm = Some((ADMIN, true));
    let told = [
        (A, None, firm, None),
        (B, Some(LeaseResult::Over), firm, None),
        (ADMIN, Some(LeaseResult::Done), firm, None),
    ];
    assert_eq!(scene.told(), (told.to_vec(), vec![(4, 2, 1), (4, 2, 1)]));
    scene.says(A, &setpoint(3));
    assert_eq!(scene.device_gets(), []);
    scene.says(ADMIN, &arm(1));
    assert_eq!(scene.device_gets(), [(2, 3, 1)]);
    assert_eq!(scene.changes(LeaseChange::Overridden), 1);
    assert_eq!(scene.relay.stats.lease_answers(LeaseResult::NotAdmin), 1);
}

#[test]
fn a_stop_of_anybody_takes_a_firm_lease_too() {
    let mut scene = Scene::with_admin();
    scene.asks(A, LeaseAction::Acquire);
    scene.armed(A, 1);
    scene.asks(ADMIN, LeaseAction::Ask);
    scene.sent();
    scene.says(B, &stop(5));
    let (told, gets) = scene.told();
    assert_eq!(gets, [(4, 2, 5)]);
    assert!(told.contains(&(ADMIN, Some(LeaseResult::Over), None, None)));
    assert!(told.contains(&(A, None, None, None)));
    scene.says(A, &setpoint(2));
    assert_eq!(scene.device_gets(), []);
    // The holder's own stop leaves it where it is.
    assert_eq!(scene.answer(A, LeaseAction::Acquire), LeaseResult::Done);
    scene.says(A, &stop(3));
    assert_eq!(scene.device_gets(), [(4, 3, 3)]);
    assert_eq!(scene.relay.holder(STREAM), Some(A));
    assert_eq!(scene.changes(LeaseChange::Stopped), 1);
}

#[test]
fn a_lease_of_an_arm_is_taken_over_when_it_rests() {
    let mut scene = Scene::new(0);
    scene.armed(A, 1);
    scene.wait(3000);
    assert_eq!(scene.answer(B, LeaseAction::Acquire), LeaseResult::Held);
    scene.says(DEVICE, &report(1, State::Disarmed));
    scene.sent();
    scene.asks(B, LeaseAction::Acquire);
    // Whatever that report was: the former holder's arms are over.
    let (_, gets) = scene.told();
    assert_eq!(gets, [(4, 2, 1), (4, 2, 1)]);
    assert_eq!(scene.relay.holder(STREAM), Some(B));
    scene.says(DEVICE, &report(2, State::Stopped(StopReason::Replaced)));
    scene.sent();
    assert_eq!(scene.answer(B, LeaseAction::Release), LeaseResult::Done);
    assert_eq!(scene.relay.holder(STREAM), None);
}

#[test]
fn without_a_device_there_is_nothing_to_hold() {
    let mut scene = Scene::new(0);
    scene.asks(A, LeaseAction::Acquire);
    scene.asks(B, LeaseAction::Ask);
    scene.sent();
    scene.gone(DEVICE);
    let (told, _) = scene.told();
    let over = (B, Some(LeaseResult::Over), None, None);
    assert_eq!(told, [(A, None, None, None), over]);
    assert_eq!(scene.answer(A, LeaseAction::Acquire), LeaseResult::NoDevice);
    assert_eq!(scene.answer(A, LeaseAction::Query), LeaseResult::Done);
    scene.open(DEVICE);
    assert_eq!(scene.answer(A, LeaseAction::Ask), LeaseResult::NoDevice);
    scene.says(DEVICE, &beacon(50));
    scene.sent();
    assert_eq!(scene.answer(A, LeaseAction::Ask), LeaseResult::Done);
    scene.says(A, &arm(1));
    assert_eq!(scene.device_gets(), [(2, 51, 1)]);
}

#[test]
fn at_the_end_of_the_numbers_nobody_gets_it() {
    let mut scene = Scene::new(u32::MAX - 1);
    assert_eq!(scene.answer(A, LeaseAction::Acquire), LeaseResult::NoLease);
    assert_eq!(scene.relay.holder(STREAM), None);
}

#[test]
fn requests_of_strangers_and_floods_of_them_are_dropped_and_counted() {
    let mut scene = Scene::new(0);
    scene.asks(WATCHER, LeaseAction::Acquire);
    assert_eq!(scene.count(DropReason::NoDriveScope), 1);
    for _ in 0..100 {
        scene.asks(A, LeaseAction::Query);
    }
    assert_eq!(scene.told().0.len(), 10);
    assert_eq!(scene.count(DropReason::TooMany), 90);
    let request = LeaseRequest {
        number: 7,
        action: LeaseAction::Acquire,
    };
    // Not in order there, and of two lengths.
    scene.says(B, &request.emit());
    scene.says_on(B, "control-reliable", &request.emit()[..11]);
    scene.says_on(
        B,
        "control-reliable",
        &[request.emit().as_slice(), &[0]].concat(),
    );
    assert_eq!(scene.count(DropReason::Malformed), 3);
    scene.says(DEVICE, &request.emit());
    assert_eq!(scene.count(DropReason::Malformed), 4);
    assert_eq!(scene.sent(), []);
    for key in 0..4 {
        scene.gone(key);
    }
    assert!(scene.relay.is_empty());
}

#[test]
fn an_emergency_stop_is_everybodys_and_what_is_switched_takes_a_free_lease_only() {
    let echo = Stamp::from_micros(5);
    let emergency = |seq| command(seq, Order::Emergency { epoch: Epoch(1) });
    let reset = |seq| {
        let epoch = Epoch(1);
        command(seq, Order::Reset { epoch, echo })
    };
    let horn = |seq| {
        command(
            seq,
            Order::Switch {
                press: Press(1),
                echo,
                output: Output::Horn,
                value: 1,
                ms: 100,
            },
        )
    };
    let mut scene = Scene::new(0);
    scene.asks(A, LeaseAction::Acquire);
    scene.armed(A, 1);
    for other in [reset(1), horn(2)] {
        scene.says(B, &other);
    }
    assert_eq!(scene.device_gets(), []);
    assert_eq!(scene.count(DropReason::NotHolder), 2);
    scene.says(A, &horn(2));
    assert_eq!(scene.device_gets(), [(8, 1, 2)]);
    for _ in 0..2 {
        scene.says(B, &emergency(3));
    }
    assert_eq!(scene.told().1, [(6, 2, 3), (6, 2, 3)]);
    assert_eq!(scene.relay.holder(STREAM), None);
    scene.says(A, &setpoint(3));
    assert_eq!(scene.device_gets(), []);
    // Free: whoever wants it opens the door, and keeps nobody from driving by that.
    scene.says(DEVICE, &report(2, State::Emergency));
    scene.sent();
    scene.says(A, &reset(4));
    assert_eq!(scene.told().1, [(7, 3, 4)]);
    scene.says(DEVICE, &report(3, State::Disarmed));
    scene.sent();
    scene.says(B, &horn(4));
    assert_eq!(scene.told().1, [(8, 4, 4)]);
    scene.says(A, &arm(5));
    assert_eq!(scene.told().1, [(2, 5, 5)]);
    scene.says(B, &horn(5));
    assert_eq!(scene.device_gets(), []);
}
