//! Cameras that come and go, and cameras that are recordings: the kernel's `vivid`, unplugged, and
//! v4l2loopback, fed with what FFmpeg recorded.

#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails where it fails"
)]

use std::time::{Duration, Instant};

use openh264::decoder::Decoder;
use openh264::formats::YUVSource as _;
use transom_rtc_proto::codec::h264::{AccessUnit, AnnexB, NalType};
use transom_tests_device::{Board, HOST, Machine};
use transom_tests_e2e::{Player, Sfu, access_units};

const SOON: Duration = Duration::from_secs(60);
/// Pictures again after a camera has come back: the goal is 3 s.
const BACK: Duration = Duration::from_secs(10);

const CLIP: &[u8] = include_bytes!("../../data/media/baseline.h264");
const RED: &[u8] = include_bytes!("../../data/media/red.jpg");
const WHITE: &[u8] = include_bytes!("../../data/media/white.jpg");

/// A server on this machine, and what the agent on the board is to be given.
fn sfu() -> (Sfu, String) {
    let sfu = Sfu::start_with(&format!(
        "listen = [\"0.0.0.0:0\"]\nadvertise = [\"{HOST}\"]\n"
    ));
    let link = sfu.pairing_link("door", &sfu.fingerprint());
    (sfu, link.replace("127.0.0.1", HOST))
}

async fn watch(sfu: &Sfu) -> Player {
    let mut player = Player::open(sfu, "door", None).await.expect("a session");
    player.connected().await;
    player
}

/// Waits for pictures; how long that took.
async fn pictures(player: &mut Player, within: Duration) -> Duration {
    let begun = Instant::now();
    while begun.elapsed() < within {
        let watched = player.watch(Duration::from_millis(100)).await;
        if let Some(packet) = watched.video.first() {
            return packet.at.saturating_duration_since(begun);
        }
    }
    panic!("no picture within {within:?}");
}

/// Lets what is under way arrive; nothing comes any more then.
async fn quiet(player: &mut Player) {
    let _ = player.watch(Duration::from_millis(700)).await;
    let watched = player.watch(Duration::from_millis(500)).await;
    assert!(watched.video.is_empty(), "pictures of an unplugged camera");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_camera_that_is_unplugged_and_comes_back_is_seen_again() {
    let mut board = Board::boot(Machine::Virt);
    let (mut sfu, link) = sfu();
    board.start(
        "agent",
        &format!(
            "transom-agent --whip '{link}' --source v4l2:/dev/video0 --size 320x180 --fps 15 --audio none"
        ),
    );
    board.wait_for("grep -m1 connected /tmp/agent.log", SOON);
    let mut player = watch(&sfu).await;
    pictures(&mut player, SOON).await;
    let driver = "/sys/bus/platform/drivers/vivid";
    for (round, pause) in [(1, 2), (2, 6)] {
        let gone = board.run(
            &format!("echo vivid.0 >{driver}/unbind && ! ls /dev/video0"),
            SOON,
        );
        assert_eq!(gone.status, 0, "{}", gone.said);
        quiet(&mut player).await;
        let back = board.run(&format!("sleep {pause}; echo vivid.0 >{driver}/bind"), SOON);
        assert_eq!(back.status, 0, "{}", back.said);
        let took = pictures(&mut player, SOON).await;
        println!("unplugged for {pause} s, round {round}: pictures {took:?} after it was back");
        assert!(took < BACK, "{took:?}");
    }
    // Another program holds the old node: the camera comes back under another number.
    board.start("holder", "sleep 1000 </dev/video0");
    let gone = board.run(&format!("echo vivid.0 >{driver}/unbind"), SOON);
    assert_eq!(gone.status, 0, "{}", gone.said);
    quiet(&mut player).await;
    let back = board.run(
        &format!("echo vivid.0 >{driver}/bind; ls /dev/video*"),
        SOON,
    );
    let took = pictures(&mut player, SOON).await;
    println!(
        "back as one of {}: pictures after {took:?}",
        back.said.replace('\n', " ")
    );
    assert!(!back.said.contains("/dev/video0"), "{}", back.said);
    assert!(took < BACK, "{took:?}");
    let log = board.run("cat /tmp/agent.log", SOON).said;
    println!("its log:\n{log}");
    assert!(
        log.contains("was unplugged") && log.contains("is back as /dev/video"),
        "{log}"
    );
    sfu.still_serves();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn settings_are_set_and_what_a_camera_lacks_is_told() {
    let mut board = Board::boot(Machine::Virt);
    let (sfu, link) = sfu();
    let config = format!(
        "whip = \"{link}\"\nmetrics = \"127.0.0.1:9101\"\n[video]\nsource = \"v4l2:/dev/video0\"\n\
         size = \"320x180\"\nfps = 15\nformat = \"mjpeg\"\n[video.controls]\nhflip = true\nfocus = 10\n\
         other = {{ \"Zoom\" = 2, \"Brightness\" = 999 }}\n\
         [video.second]\nstream = \"door-low\"\nsize = \"160x120\"\nfps = 5\n[audio]\nsource = \"none\"\n"
    );
    board.send("/tmp/agent.toml", config.as_bytes());
    board.start("agent", "transom-agent --config /tmp/agent.toml");
    board.wait_for("grep -m1 connected /tmp/agent.log", SOON);
    let mut player = watch(&sfu).await;
    let mirrored = luma(&decode_last(&from_a_key_frame(&mut player).await));
    println!("luma of the mirrored bars: {mirrored:?}");
    assert!(mirrored.first() < mirrored.last(), "{mirrored:?}");
    // The second stream, for itself.
    let mut low = Player::open(&sfu, "door-low", None)
        .await
        .expect("a session");
    low.connected().await;
    let (width, height, _) = decode_last(&from_a_key_frame(&mut low).await);
    assert_eq!((width, height), (160, 90));
    // A still picture of the same camera.
    let still = board.run(
        "wget -q -O /tmp/still.jpg http://127.0.0.1:9101/snapshot.jpg; head -c 3 /tmp/still.jpg | hexdump -C",
        SOON,
    );
    assert!(still.said.contains("ff d8 ff"), "{}", still.said);
    let log = board.run("cat /tmp/agent.log", SOON).said;
    println!("its log:\n{log}");
    // It says that it has MJPEG, takes it, and delivers another: or offers none.
    assert!(
        log.contains("MJPEG, which was asked for, is not offered"),
        "{log}"
    );
    assert!(
        log.contains("has no focus = 10; it has hflip, vflip"),
        "{log}"
    );
    assert!(
        log.contains("has no control \"Zoom\"; it has ") && log.contains("Contrast (0 to 255)"),
        "{log}"
    );
    assert!(log.contains("\"Brightness\" = 999"), "{log}");
    assert!(
        log.contains("encoder openh264 for 320x180: no encoder in hardware is present"),
        "{log}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_recording_of_h264_goes_through_a_camera_untouched() {
    let mut board = Board::boot(Machine::Virt);
    let (mut sfu, link) = sfu();
    let agent = format!(
        "transom-agent --whip '{link}' --source v4l2:/dev/video9 --size 160x120 --fps 30 --audio none"
    );
    let clip = access_units(CLIP);
    board.send("/tmp/clip", &framed(&clip));
    board.start("feeder", "feeder /tmp/clip /dev/video9 H264 160 120 30");
    board.wait_for("grep -m1 pictures /tmp/feeder.log", SOON);
    board.start("agent", &agent);
    board.wait_for("grep -m1 connected /tmp/agent.log", SOON);
    let mut player = watch(&sfu).await;
    pictures(&mut player, SOON).await;
    let (seen, missing) = player.watch(Duration::from_secs(6)).await.units();
    println!("{} pictures in 6 s, {missing} missing", seen.len());
    assert!(seen.len() > 60, "{} pictures in 6 s", seen.len());
    for unit in &seen[1..seen.len() - 1] {
        let slices = slices(&unit.data);
        assert!(
            clip.iter().any(|sent| self::slices(sent) == slices),
            "a picture was altered"
        );
    }
    // A camera that is there and gives nothing is opened again, and again.
    board.run("kill -STOP $(cat /tmp/feeder.pid)", SOON);
    quiet(&mut player).await;
    board.wait_for("grep 'gave no frame for 1.0 s' /tmp/agent.log", BACK);
    board.run("kill -CONT $(cat /tmp/feeder.pid)", SOON);
    let took = pictures(&mut player, SOON).await;
    let log = board.run("cat /tmp/agent.log", SOON).said;
    println!("fed again: pictures after {took:?}; its log:\n{log}");
    assert!(took < BACK, "{took:?}");
    assert!(
        log.contains("H.264 160x120") && log.contains("passed through as it is"),
        "{log}"
    );
    sfu.still_serves();

    // One whose encoder never says how it encodes: nobody can decode it, and the log says so once.
    let bare: Vec<Vec<u8>> = clip.iter().map(|unit| without_sets(unit)).collect();
    board.send("/tmp/clip", &framed(&bare));
    board.run("kill $(cat /tmp/agent.pid) $(cat /tmp/feeder.pid)", SOON);
    quiet(&mut player).await;
    board.start("feeder", "feeder /tmp/clip /dev/video9 H264 160 120 30");
    board.wait_for("grep -m1 pictures /tmp/feeder.log", SOON);
    board.start("agent", &agent);
    board.wait_for("grep 'without SPS and PPS' /tmp/agent.log", SOON);
    let watched = player.watch(Duration::from_secs(12)).await;
    let log = board.run("cat /tmp/agent.log", SOON).said;
    println!("without parameter sets:\n{log}");
    assert!(watched.video.is_empty(), "a picture that nobody can decode");
    assert_eq!(log.matches("without SPS and PPS").count(), 1, "{log}");
    assert!(log.contains("format = \"mjpeg\""), "{log}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_recording_of_jpegs_is_decoded_and_encoded() {
    let mut board = Board::boot(Machine::Virt);
    let (sfu, link) = sfu();
    // A second of each.
    let clip: Vec<Vec<u8>> = [RED, WHITE]
        .iter()
        .flat_map(|jpeg| std::iter::repeat_n(jpeg.to_vec(), 10))
        .collect();
    board.send("/tmp/clip", &framed(&clip));
    board.start("feeder", "feeder /tmp/clip /dev/video9 MJPG 64 48 10");
    board.wait_for("grep -m1 pictures /tmp/feeder.log", SOON);
    board.start(
        "agent",
        &format!(
            "transom-agent --whip '{link}' --source v4l2:/dev/video9 --size 64x48 --fps 10 --audio none"
        ),
    );
    board.wait_for("grep -m1 connected /tmp/agent.log", SOON);
    let mut player = watch(&sfu).await;
    pictures(&mut player, SOON).await;
    let (seen, _) = player.watch(Duration::from_secs(6)).await.units();
    let mut decoder = Decoder::new().expect("a decoder");
    let mut kinds = [0, 0];
    for unit in &seen {
        if let Ok(Some(picture)) = decoder.decode(&unit.data) {
            match picture.y()[0] {
                60..110 => kinds[0] += 1,
                200.. => kinds[1] += 1,
                other => println!("luma {other}"),
            }
        }
    }
    let log = board.run("cat /tmp/agent.log", SOON).said;
    println!(
        "{} red and {} white pictures; its log:\n{log}",
        kinds[0], kinds[1]
    );
    assert!(kinds.iter().all(|count| *count > 5), "{kinds:?}");
    assert!(log.contains("MJPEG 64x48"), "{log}");
}

/// Each behind its length, as the feeder reads it.
fn framed(pictures: &[Vec<u8>]) -> Vec<u8> {
    let framed = pictures.iter().map(|picture| {
        let length = u32::try_from(picture.len()).expect("a small picture");
        [&length.to_be_bytes()[..], picture].concat()
    });
    framed.flatten().collect()
}

fn without_sets(unit: &[u8]) -> Vec<u8> {
    let nals = AnnexB::new(unit)
        .filter(|nal| !matches!(NalType::of(nal), Some(NalType::Sps | NalType::Pps)));
    nals.flat_map(|nal| [&[0, 0, 0, 1], nal].concat()).collect()
}

fn slices(unit: &[u8]) -> Vec<&[u8]> {
    AnnexB::new(unit)
        .filter(|nal| matches!(NalType::of(nal), Some(NalType::Slice | NalType::Idr)))
        .collect()
}

/// The last picture: width, height, luma of its last row but a few.
/// What comes within some seconds, once a key frame was among it.
async fn from_a_key_frame(player: &mut Player) -> Vec<AccessUnit> {
    let deadline = Instant::now() + SOON;
    loop {
        let watched = player.watch(Duration::from_secs(3)).await;
        let units = watched.units().0;
        if units.iter().any(|unit| unit.key_frame) {
            return units;
        }
        assert!(Instant::now() < deadline, "no key frame");
    }
}

fn decode_last(units: &[AccessUnit]) -> (usize, usize, Vec<u8>) {
    let mut decoder = Decoder::new().expect("a decoder");
    let begin = units.iter().position(|unit| unit.key_frame);
    let mut last = None;
    for unit in units
        .get(begin.unwrap_or(units.len())..)
        .unwrap_or_default()
    {
        if let Ok(Some(decoded)) = decoder.decode(&unit.data) {
            let (width, height) = decoded.dimensions();
            let row = &decoded.y()[height * 7 / 8 * decoded.strides().0..][..width];
            last = Some((width, height, row.to_vec()));
        }
    }
    last.expect("a picture")
}

/// The luma of each of the eight bars.
fn luma((width, _, row): &(usize, usize, Vec<u8>)) -> [u8; 8] {
    [0, 1, 2, 3, 4, 5, 6, 7].map(|bar| row[width * (2 * bar + 1) / 16])
}
