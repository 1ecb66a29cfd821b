//! An encoder in hardware, as far as there is one: the kernel's `vicodec` has the queues of such a
//! driver, and makes a format of its own (FWHT) whatever it is asked for. It has neither a bitrate nor
//! key frames on request.

#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails where it fails"
)]

use std::time::Duration;

use transom_tests_device::{Board, HOST, Machine};
use transom_tests_e2e::{Player, Sfu};

const SOON: Duration = Duration::from_secs(60);
/// Nearly its smallest picture, and what it makes of that.
const SIZE: (u32, u32) = (648, 360);
const MADE: (u32, u32) = (656, 368);
const PICTURES: usize = 20;
/// As the driver has it by default.
const GROUP: usize = 10;

/// What stands before each picture of FWHT (drivers/media/test-drivers/vicodec/codec-fwht.h): its magic, of
/// eight bytes, a version, the size and flags.
const MAGIC: &str = "4f4f4f4fffffffff";
const INTRA: u32 = 1 << 10;

/// A coded picture, as the feeder tells of it.
#[derive(Debug)]
struct Coded {
    len: usize,
    took: Duration,
    size: (u32, u32),
    intra: bool,
}

/// Loads the driver, and says which node the encoder has.
fn load(board: &mut Board) -> String {
    let loaded = board.run("insmod /modules/later/vicodec.ko multiplanar=1", SOON);
    assert_eq!(loaded.status, 0, "{}", loaded.said);
    let name = "grep -l stateful-encoder /sys/class/video4linux/video*/name";
    let found = board.wait_for(name, SOON);
    let node = found.split('/').nth(4).expect("a node");
    board.wait_for(&format!("ls /dev/{node}"), SOON)
}

/// The coded pictures of one kind that the feeder tells of.
fn coded(said: &str, kind: &str) -> Vec<Coded> {
    let lines = said.lines().filter(|line| line.starts_with(kind));
    let coded = lines.enumerate().map(|(n, line)| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [_, number, len, micros, head] = words[..] else {
            panic!("no coded picture: {line}");
        };
        assert_eq!(number.parse(), Ok(n), "{line}");
        assert!(head.starts_with(MAGIC), "{line}");
        let field = |at: usize| {
            let digits = head.get(8 * at..8 * at + 8).expect("a field");
            u32::from_str_radix(digits, 16).expect("a number")
        };
        Coded {
            len: len.parse().expect("bytes"),
            took: Duration::from_micros(micros.parse().expect("microseconds")),
            size: (field(3), field(4)),
            intra: field(5) & INTRA != 0,
        }
    });
    coded.collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_queues_of_an_encoder_work_and_what_is_no_h264_is_not_published() {
    let mut board = Board::boot(Machine::Virt);
    let encoder = load(&mut board);
    let (width, height) = SIZE;
    let done = board.run(
        &format!("feeder encode {encoder} {width} {height} {PICTURES}"),
        SOON,
    );
    println!("{}", done.said);
    assert_eq!(done.status, 0, "{}", done.said);
    assert!(
        done.said.contains(&format!("{encoder:?}")) && done.said.contains("stateful-encoder"),
        "it is not listed"
    );
    let (moving, resting) = (coded(&done.said, "moves "), coded(&done.said, "rests "));
    for pictures in [&moving, &resting] {
        assert_eq!(pictures.len(), PICTURES);
        // The first refers to nothing: an encoder that was opened anew does not know the last one's.
        let intra = pictures.iter().map(|coded| coded.intra);
        assert!(
            intra.eq((0..PICTURES).map(|n| n % GROUP == 0)),
            "{pictures:?}"
        );
        assert!(pictures.iter().all(|coded| coded.size == MADE));
    }
    // It has seen what it was given: what does not move is nothing new.
    let mean = |pictures: &[Coded]| {
        let others = pictures.iter().filter(|coded| !coded.intra);
        let (count, sum) = others.fold((0, 0), |(n, sum), coded| (n + 1, sum + coded.len));
        sum / count
    };
    let (moves, rests) = (mean(&moving), mean(&resting));
    let slowest = moving.iter().chain(&resting).map(|coded| coded.took).max();
    println!("{moves} bytes a picture that moves, {rests} of one that rests; {slowest:?} at most");
    assert!(rests * 100 < moves, "{rests} of {moves} bytes");
    // What it lacks is told.
    let told = |what: &str| done.said.matches(what).count();
    assert_eq!(told("bitrate: Err(Refused"), 2, "{}", done.said);
    assert_eq!(told("key frame: Err(NoKeyFrames"), 2, "{}", done.said);

    // The agent tries it out, and takes another.
    let mut sfu = Sfu::start_with(&format!(
        "listen = [\"0.0.0.0:0\"]\nadvertise = [\"{HOST}\"]\n"
    ));
    let link = sfu.pairing_link("door", &sfu.fingerprint());
    let link = link.replace("127.0.0.1", HOST);
    let camera = "--source v4l2:/dev/video0 --size 640x360 --fps 10 --audio none";
    board.start("agent", &format!("transom-agent --whip '{link}' {camera}"));
    board.wait_for("grep -m1 connected /tmp/agent.log", SOON);
    let mut player = Player::open(&sfu, "door", None).await.expect("a session");
    player.connected().await;
    let (units, _) = player.watch(Duration::from_secs(5)).await.units();
    let log = board.run("cat /tmp/agent.log", SOON).said;
    println!("{} pictures; its log:\n{log}", units.len());
    assert!(
        log.contains(&format!(
            "stateful-encoder is not used: encoder {encoder} makes no key frame when it is asked for one"
        )),
        "{log}"
    );
    assert!(
        log.contains("encoder openh264 for 640x360: the hardware's does not work"),
        "{log}"
    );
    assert!(units.len() > 5 && units[0].key_frame);
    sfu.still_serves();
}
