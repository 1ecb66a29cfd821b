//! What subscribers are told of the publisher's clock.

use super::*;

#[test]
fn the_clock_is_told_at_once_and_then_now_and_then() {
    let mut town = Town::new();
    let publisher = town.publish(&[opus(), h264()]);
    let subscriber = town.subscribe(&[opus(), h264()]);
    let begin = town.now;
    town.film(publisher, 0..600);
    let told = &town.clients[subscriber].clocked;
    let first = told.first().expect("a report").since(begin);
    assert!(first < Duration::from_millis(500), "{first:?}");
    let gaps: Vec<_> = told
        .windows(2)
        .map(|w| w[1].since(w[0]).as_secs_f32().round())
        .collect();
    assert_eq!(gaps, [1.0, 1.0, 1.0, 5.0, 5.0, 5.0]);
}
