//! The sources of an m-line: `a=msid`, `a=ssrc` and `a=ssrc-group:FID`.

use alloc::vec::Vec;

use super::SendSsrc;
use super::attribute::SsrcAttribute;
use super::description::MediaDescription;
use crate::id::Ssrc;

impl MediaDescription {
    /// Announces our sources.
    pub(super) fn push_sources(&mut self, send: &SendSsrc) {
        self.msid = Some(send.msid.clone());
        if let Some(rtx) = send.rtx {
            self.fid_groups.push((send.ssrc, rtx));
        }
        let sources = [Some(send.ssrc), send.rtx].into_iter().flatten();
        self.ssrcs.extend(sources.map(|ssrc| SsrcAttribute {
            ssrc,
            cname: Some(send.cname.clone()),
        }));
    }

    /// The primary sources that were announced, and their RTX sources.
    pub(super) fn announced_sources(&self) -> (Vec<Ssrc>, Vec<(Ssrc, Ssrc)>) {
        let is_rtx = |ssrc| self.fid_groups.iter().any(|(_, rtx)| *rtx == ssrc);
        let mut primary: Vec<Ssrc> = self
            .ssrcs
            .iter()
            .map(|s| s.ssrc)
            .filter(|ssrc| !is_rtx(*ssrc))
            .collect();
        for (ssrc, _) in &self.fid_groups {
            if !primary.contains(ssrc) && !is_rtx(*ssrc) {
                primary.push(*ssrc);
            }
        }
        (primary, self.fid_groups.clone())
    }
}
