//! What the device says of its pictures.

use super::*;

fn picture(rtp: u32) -> Vec<u8> {
    let captured = Stamp::from_micros(7);
    Picture { rtp, captured }.emit().to_vec()
}

#[test]
fn all_who_watch_hear_when_a_picture_was_captured_and_no_word_of_state() {
    let mut scene = Scene::new(4);
    scene.says(DEVICE, &picture(9000));
    let sent = scene.sent();
    let keys: Vec<u32> = sent.iter().map(|o| o.key).collect();
    assert_eq!(keys, [1, 2, 3]);
    assert!(sent.iter().all(|o| *o.data == *picture(9000) && !o.newest));
    // A viewer has none to tell of.
    scene.says(1, &picture(9000));
    assert!(scene.sent().is_empty());
    let mut short = picture(9000);
    short.pop();
    scene.says(DEVICE, &short);
    assert!(scene.sent().is_empty());
    assert_eq!(scene.count(DropReason::Malformed), 2);
}

#[test]
fn a_flood_of_words_on_pictures_is_bounded_as_reports_are() {
    let mut scene = Scene::new(0);
    let mut passed = 0;
    for rtp in 0..10_000 {
        scene.says(DEVICE, &picture(rtp));
        passed += scene.sent().len();
    }
    assert!(passed <= 3 * 250, "{passed}");
    assert!(scene.count(DropReason::TooMany) > 9000);
}
