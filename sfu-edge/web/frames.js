// The pictures of a video element as they light up, each with its RTP timestamp.
//
//   const frames = new Frames(video, () => player.peer);
//   frames.watch(({ at, timestamp }) => …, signal);   // `at`: performance.now() when it lights up
//
// Chromium and Safari tell the timestamp with the picture. Where a browser does not, it is that of the latest
// picture which the receiver gave to the element (getSynchronizationSources, of which Firefox has the timestamp
// too): the picture on the screen is that one, or one older by a frame.

export class Frames {
  #video;
  #peer;

  // `peer`: the RTCPeerConnection of the moment, or null.
  constructor(video, peer) {
    this.#video = video;
    this.#peer = peer;
  }

  watch(onFrame, signal) {
    if ('requestVideoFrameCallback' in this.#video) this.#watchFrames(onFrame, signal);
    else this.#watchScreen(onFrame, signal);
  }

  #watchFrames(onFrame, signal) {
    const seen = (now, frame) => {
      if (signal.aborted) return;
      // When it lights up, as the browser expects; not before it was handed to us.
      const at = Math.max(now, frame.expectedDisplayTime ?? now);
      onFrame({ at, timestamp: frame.rtpTimestamp ?? this.#latest() });
      this.#video.requestVideoFrameCallback(seen);
    };
    this.#video.requestVideoFrameCallback(seen);
  }

  // With every picture of the screen: whether the video's is another.
  #watchScreen(onFrame, signal) {
    let shown = { time: undefined, timestamp: undefined };
    const look = (now) => {
      if (signal.aborted) return;
      const seen = { time: this.#video.currentTime, timestamp: this.#latest() };
      if (seen.time !== shown.time && seen.timestamp !== shown.timestamp) {
        shown = seen;
        onFrame({ at: now, timestamp: seen.timestamp });
      }
      requestAnimationFrame(look);
    };
    requestAnimationFrame(look);
  }

  #latest() {
    const receiver = this.#peer()?.getReceivers().find(({ track }) => track.kind === 'video');
    return receiver?.getSynchronizationSources()[0]?.rtpTimestamp;
  }
}
