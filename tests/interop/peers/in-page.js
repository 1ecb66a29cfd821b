// Runs in a browser's page, without imports: an end that echoes, and one that tries an echo.

const iceServers = [];

function gathered(pc) {
  return new Promise((resolve) => {
    if (pc.iceGatheringState === 'complete') resolve();
    pc.addEventListener('icegatheringstatechange', () => {
      if (pc.iceGatheringState === 'complete') resolve();
    });
  });
}

function event(target, name) {
  return new Promise((resolve, reject) => {
    const late = setTimeout(() => reject(new Error(`no ${name} event`)), 20_000);
    target.addEventListener(name, (e) => (clearTimeout(late), resolve(e)), { once: true });
  });
}

// The other end offers, and this echoes.
async function echoTo(offer) {
  const pc = new RTCPeerConnection({ iceServers });
  window.pc = pc;
  pc.addEventListener('datachannel', ({ channel }) => {
    channel.binaryType = 'arraybuffer';
    channel.addEventListener('message', ({ data }) => channel.send(data));
  });
  await pc.setRemoteDescription({ type: 'offer', sdp: offer });
  await pc.setLocalDescription();
  await gathered(pc);
  return pc.localDescription.sdp;
}

// This offers, and the other end echoes.
async function offer() {
  const pc = new RTCPeerConnection({ iceServers });
  window.pc = pc;
  window.reliable = pc.createDataChannel('reliable');
  window.control = pc.createDataChannel('control', { ordered: false, maxRetransmits: 0 });
  await pc.setLocalDescription();
  await gathered(pc);
  return pc.localDescription.sdp;
}

async function exercise(answer) {
  const { pc, reliable, control } = window;
  const opened = [event(reliable, 'open'), event(control, 'open')];
  await pc.setRemoteDescription({ type: 'answer', sdp: answer });
  await Promise.all(opened);
  if (pc.sctp.maxMessageSize !== 65536) throw new Error(`max ${pc.sctp.maxMessageSize}`);
  reliable.binaryType = control.binaryType = 'arraybuffer';
  const got = [];
  reliable.addEventListener('message', ({ data }) => got.push(data));
  const large = new Uint8Array(65_536).map((_, i) => i % 251);
  const sent = ['grüß dich', new Uint8Array([0, 255, 1]), large, '', new Uint8Array(0), 'last'];
  for (const message of sent) reliable.send(message);
  while (got.length < sent.length) await event(reliable, 'message');
  sent.forEach((message, i) => {
    const same = typeof message === 'string'
      ? message === got[i]
      : got[i] instanceof ArrayBuffer && String(new Uint8Array(got[i])) === String(message);
    if (!same) throw new Error(`message ${i} came back as ${got[i]}`);
  });
  // More than the windows hold.
  const bulk = 2_000_000;
  let back = 0;
  const all = new Promise((resolve) => {
    reliable.addEventListener('message', ({ data }) => {
      back += data.byteLength;
      if (back >= bulk) resolve();
    });
  });
  reliable.bufferedAmountLowThreshold = 100_000;
  for (let put = 0; put < bulk; put += 50_000) {
    reliable.send(new Uint8Array(50_000));
    if (reliable.bufferedAmount > 200_000) await event(reliable, 'bufferedamountlow');
  }
  await all;
  for (let n = 0; n < 50; n++) {
    control.send(new Uint8Array([n]));
    const { data } = await event(control, 'message');
    if (new Uint8Array(data)[0] !== n) throw new Error(`setpoint ${n} came back as ${data}`);
  }
  // They close one, we close the other, and a third one opens in its place.
  reliable.send('close');
  await event(reliable, 'close');
  control.close();
  await event(control, 'close');
  const again = pc.createDataChannel('again');
  await event(again, 'open');
  again.send('x');
  await event(again, 'message');
  pc.close();
  return 'ok';
}

window.interop = { echoTo, offer, exercise };
