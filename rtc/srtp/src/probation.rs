//! Where sources that nobody announced prove themselves.

use transom_rtc_proto::id::Ssrc;
use transom_rtc_proto::port::{SrtpError, SrtpKey, SrtpProfile};

use crate::contained::Contained;

/// Unknown sources that the scratch context may hold state for.
const MAX_ON_PROBATION: usize = 8;

/// A scratch webrtc-srtp context for sources that are not admitted. It is
/// thrown away when a ninth source comes, so that forged SSRCs cost a constant
/// amount of memory; a failed packet leaves no state that could mislead the
/// next of its source.
#[derive(Default)]
pub(crate) struct Probation {
    scratch: Option<Contained>,
    sources: Vec<Ssrc>,
}

impl Probation {
    /// The context in which to try a packet of `ssrc`.
    pub(crate) fn context(
        &mut self,
        ssrc: Ssrc,
        profile: SrtpProfile,
        master: &SrtpKey,
    ) -> Result<&mut Contained, SrtpError> {
        if !self.sources.contains(&ssrc) {
            if self.sources.len() == MAX_ON_PROBATION {
                *self = Self::default();
            }
            self.sources.push(ssrc);
        }
        match &mut self.scratch {
            Some(scratch) => Ok(scratch),
            empty => Ok(empty.insert(Contained::new(profile, master)?)),
        }
    }

    /// Ends it, once a source has proved itself: what is left of the context
    /// in which it did.
    pub(crate) fn end(&mut self) -> Option<Contained> {
        std::mem::take(self).scratch
    }

    #[cfg(test)]
    pub(crate) fn held(&self) -> usize {
        self.sources.len()
    }
}
