// libdatachannel, which has usrsctp below.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Program } from './program.js';

// It passes or hangs by chance: sometimes libdatachannel's close() says no goodbye, sometimes its
// threads wait for Node's. Until it is known whose fault that is, it runs by wish only.
const wanted = process.env.TRANSOM_INTEROP_LIBDATACHANNEL === '1';
const skip = wanted ? false : 'NOT RUN: unsteady; TRANSOM_INTEROP_LIBDATACHANNEL=1 runs it';
const nodeDataChannel = wanted ? (await import('node-datachannel')).default : undefined;

const gathered = (pc) =>
  new Promise((resolve) => {
    pc.onGatheringStateChange((state) => {
      if (state === 'complete') resolve(pc.localDescription().sdp);
    });
  });

// Says what was waited for in vain.
const within = (promise, what) => {
  let late;
  const limit = new Promise((_, reject) => {
    late = setTimeout(() => reject(new Error(`no ${what}`)), 10_000);
  });
  return Promise.race([promise, limit]).finally(() => clearTimeout(late));
};

const opened = (channel) => new Promise((resolve) => channel.onOpen(resolve));

test('libdatachannel offers data channels', { skip }, async () => {
  const pc = new nodeDataChannel.PeerConnection('us', { iceServers: [] });
  const program = new Program('answer');
  const offer = gathered(pc);
  const reliable = pc.createDataChannel('reliable');
  const control = pc.createDataChannel('control', { unordered: true, maxRetransmits: 0 });
  const ready = [opened(reliable), opened(control)];
  program.give(await within(offer, 'offer'));
  pc.setRemoteDescription(await program.description(), 'answer');
  await within(Promise.all(ready), 'channel');
  for (const [channel, size] of [[reliable, 60_000], [control, 20]]) {
    for (const message of ['grüß dich', Buffer.alloc(size, 7), 'last']) {
      const echo = new Promise((resolve) => channel.onMessage(resolve));
      if (typeof message === 'string') channel.sendMessage(message);
      else channel.sendMessageBinary(message);
      assert.deepEqual(await within(echo, `echo of ${message.length}`), message);
    }
  }
  const closed = new Promise((resolve) => reliable.onClosed(resolve));
  reliable.sendMessage('close');
  await within(closed, 'end of the channel');
  pc.close();
  await program.finish();
});

test('libdatachannel answers', { skip }, async () => {
  const pc = new nodeDataChannel.PeerConnection('us', { iceServers: [] });
  const channels = [];
  pc.onDataChannel((channel) => {
    channels.push(channel);
    channel.onMessage((message) => {
      if (typeof message === 'string') channel.sendMessage(message);
      else channel.sendMessageBinary(message);
    });
  });
  const program = new Program('offer');
  const answer = gathered(pc);
  pc.setRemoteDescription(await program.description(), 'offer');
  program.give(await answer);
  await program.finish();
  pc.close();
});

test.after(() => nodeDataChannel?.cleanup());
