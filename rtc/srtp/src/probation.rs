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
pub(crate) struct Probation {
    profile: SrtpProfile,
    master: SrtpKey,
    scratch: Option<Contained>,
    sources: Vec<Ssrc>,
}

impl Probation {
    pub(crate) fn new(profile: SrtpProfile, master: &SrtpKey) -> Self {
        Self {
            profile,
            master: *master,
            scratch: None,
            sources: Vec::new(),
        }
    }

    /// The context in which to try a packet of `ssrc`.
    pub(crate) fn context(&mut self, ssrc: Ssrc) -> Result<&mut Contained, SrtpError> {
        if !self.sources.contains(&ssrc) {
            if self.sources.len() == MAX_ON_PROBATION {
                self.scratch = None;
                self.sources.clear();
            }
            self.sources.push(ssrc);
        }
        match &mut self.scratch {
            Some(scratch) => Ok(scratch),
            empty => Ok(empty.insert(Contained::new(self.profile, &self.master)?)),
        }
    }

    #[cfg(test)]
    pub(crate) fn held(&self) -> usize {
        self.sources.len()
    }
}
