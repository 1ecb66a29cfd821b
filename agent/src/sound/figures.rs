//! How sound goes, for the log and for [`Metrics`](crate::metrics::Metrics).

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};

use super::Level;

/// What is counted of sound beside its packets. It only grows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SoundCount {
    /// Times that a microphone that was open went away or broke.
    MicrophoneLost,
    /// Times that a speaker that was open went away or broke.
    SpeakerLost,
    /// Times that a speaker ran out of sound because none was written in time.
    Underruns,
    /// Chimes that began to play.
    Chimes,
    /// Chimes that nobody heard: no speaker was there.
    ChimesUnheard,
    /// Received packets that were decoded.
    TalkPackets,
    /// Packets that were missing, of which the decoder made up the sound.
    TalkMissing,
    /// Times that received sound came too late to go on without a gap.
    TalkDry,
    /// Frames of received sound that were left out because too many waited.
    TalkLeftOut,
}

impl SoundCount {
    const LEN: usize = Self::TalkLeftOut as usize + 1;
}

/// What changes up and down. NaN where there is nothing to measure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Gauge {
    MicrophoneRms,
    MicrophonePeak,
    SpeakerRms,
    SpeakerPeak,
    MicrophoneDrift,
    TalkDrift,
}

impl Gauge {
    const LEN: usize = Self::TalkDrift as usize + 1;
}

/// Figures that the sound threads write and anybody reads. Cheap to clone.
#[derive(Clone, Debug)]
pub struct SoundFigures(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    counts: [AtomicU64; SoundCount::LEN],
    gauges: [AtomicU32; Gauge::LEN],
}

impl Default for SoundFigures {
    fn default() -> Self {
        let nothing = || AtomicU32::new(f32::NAN.to_bits());
        Self(Arc::new(Shared {
            counts: Default::default(),
            gauges: std::array::from_fn(|_| nothing()),
        }))
    }
}

impl SoundFigures {
    /// How often so far.
    pub fn count(&self, count: SoundCount) -> u64 {
        let counts = self.0.counts.get(count as usize);
        counts.map_or(0, |count| count.load(Relaxed))
    }

    /// How loud the microphone was over the last second; `None` while it is absent.
    pub fn microphone(&self) -> Option<Level> {
        self.level(Gauge::MicrophoneRms, Gauge::MicrophonePeak)
    }

    /// How loud the speaker was over the last second; `None` while it is absent.
    pub fn speaker(&self) -> Option<Level> {
        self.level(Gauge::SpeakerRms, Gauge::SpeakerPeak)
    }

    /// How much faster the microphone's clock runs than ours, in millionths.
    pub fn microphone_drift_ppm(&self) -> Option<f32> {
        self.gauge(Gauge::MicrophoneDrift)
    }

    /// How much faster received sound is played than at the speaker's own rate
    /// so that neither too much nor too little waits, in millionths.
    pub fn talk_drift_ppm(&self) -> Option<f32> {
        self.gauge(Gauge::TalkDrift)
    }

    pub(crate) fn add(&self, count: SoundCount, more: u64) {
        if let Some(count) = self.0.counts.get(count as usize) {
            count.fetch_add(more, Relaxed);
        }
    }

    pub(crate) fn set_microphone(&self, level: Option<Level>) {
        self.set(Gauge::MicrophoneRms, level.map(|level| level.rms));
        self.set(Gauge::MicrophonePeak, level.map(|level| level.peak));
    }

    pub(crate) fn set_speaker(&self, level: Option<Level>) {
        self.set(Gauge::SpeakerRms, level.map(|level| level.rms));
        self.set(Gauge::SpeakerPeak, level.map(|level| level.peak));
    }

    pub(crate) fn set_microphone_drift_ppm(&self, ppm: Option<f32>) {
        self.set(Gauge::MicrophoneDrift, ppm);
    }

    pub(crate) fn set_talk_drift_ppm(&self, ppm: Option<f32>) {
        self.set(Gauge::TalkDrift, ppm);
    }

    fn level(&self, rms: Gauge, peak: Gauge) -> Option<Level> {
        Some(Level {
            rms: self.gauge(rms)?,
            peak: self.gauge(peak)?,
        })
    }

    fn gauge(&self, gauge: Gauge) -> Option<f32> {
        let bits = self.0.gauges.get(gauge as usize)?.load(Relaxed);
        Some(f32::from_bits(bits)).filter(|value| value.is_finite())
    }

    fn set(&self, gauge: Gauge, value: Option<f32>) {
        if let Some(gauge) = self.0.gauges.get(gauge as usize) {
            gauge.store(value.unwrap_or(f32::NAN).to_bits(), Relaxed);
        }
    }
}

/// For the line of figures in the log: `mic_dbfs=-32.1/-12.0 ...`, mean and peak.
impl fmt::Display for SoundFigures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let level = |level: Option<Level>| match level {
            Some(level) => format!("{:.1}/{:.1}", level.rms, level.peak),
            None => "-".into(),
        };
        write!(f, "mic_dbfs={}", level(self.microphone()))?;
        if let Some(ppm) = self.microphone_drift_ppm() {
            write!(f, " mic_ppm={ppm:.0}")?;
        }
        write!(f, " speaker_dbfs={}", level(self.speaker()))?;
        write!(f, " underruns={}", self.count(SoundCount::Underruns))?;
        if let Some(ppm) = self.talk_drift_ppm() {
            write!(f, " talk_ppm={ppm:.0}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_absent_is_told_as_such() {
        let figures = SoundFigures::default();
        assert_eq!(figures.to_string(), "mic_dbfs=- speaker_dbfs=- underruns=0");
        figures.set_microphone(Some(Level {
            rms: -32.06,
            peak: -12.0,
        }));
        figures.set_microphone_drift_ppm(Some(41.7));
        figures.add(SoundCount::Underruns, 2);
        assert_eq!(
            figures.to_string(),
            "mic_dbfs=-32.1/-12.0 mic_ppm=42 speaker_dbfs=- underruns=2"
        );
        figures.set_microphone(None);
        assert_eq!(figures.microphone(), None);
    }
}
