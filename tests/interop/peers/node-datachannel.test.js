// libdatachannel, which has usrsctp below.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import nodeDataChannel from 'node-datachannel';
import { Program } from './program.js';

// Asked, not told: its callbacks and its calls may wait for each other.
const gathered = async (pc) => {
  while (pc.gatheringState() !== 'complete') {
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  return pc.localDescription().sdp;
};

// Says what was waited for in vain.
const within = (promise, what) => {
  let late;
  const limit = new Promise((_, reject) => {
    late = setTimeout(() => reject(new Error(`no ${what}`)), 10_000);
  });
  return Promise.race([promise, limit]).finally(() => clearTimeout(late));
};

const opened = (channel) => new Promise((resolve) => channel.onOpen(resolve));

test('libdatachannel offers data channels', async () => {
  const pc = new nodeDataChannel.PeerConnection('us', { iceServers: [] });
  const program = new Program('answer');
  const reliable = pc.createDataChannel('reliable');
  const control = pc.createDataChannel('control', { unordered: true, maxRetransmits: 0 });
  const ready = [opened(reliable), opened(control)];
  program.give(await within(gathered(pc), 'offer'));
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
  // It ends DTLS without close_notify: the other end would wait for consent to expire.
  pc.close();
  program.child.kill();
  await program.ended;
});

test('libdatachannel answers', async () => {
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
  pc.setRemoteDescription(await program.description(), 'offer');
  program.give(await within(gathered(pc), 'answer'));
  await program.finish();
  pc.close();
});

test.after(() => nodeDataChannel.cleanup());
