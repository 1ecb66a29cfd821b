//! An offer as a browser makes it, and ways to spoil it.

/// An SDP offer under construction.
#[derive(Clone, Debug)]
pub struct Offer(String);

impl Offer {
    /// Publishes a camera (H.264, VP8) and a microphone (Opus).
    pub fn publish() -> Self {
        Self::with("sendonly")
    }

    /// Plays both.
    pub fn play() -> Self {
        Self::with("recvonly")
    }

    fn with(direction: &str) -> Self {
        let text = include_str!("../data/offer.sdp").replace("DIRECTION", direction);
        Self(text.replace('\n', "\r\n"))
    }

    /// The offer without the lines that start with `prefix`.
    #[must_use]
    pub fn without(&self, prefix: &str) -> Self {
        let kept: Vec<&str> = self
            .0
            .split("\r\n")
            .filter(|line| !line.starts_with(prefix))
            .collect();
        assert!(
            kept.len() < self.0.split("\r\n").count(),
            "no line starts with {prefix}"
        );
        Self(kept.join("\r\n"))
    }

    /// The offer with one text in place of another.
    #[must_use]
    pub fn replacing(&self, old: &str, new: &str) -> Self {
        assert!(self.0.contains(old), "no {old} in the offer");
        Self(self.0.replace(old, new))
    }
}

impl From<Offer> for Vec<u8> {
    fn from(offer: Offer) -> Self {
        offer.0.into_bytes()
    }
}
