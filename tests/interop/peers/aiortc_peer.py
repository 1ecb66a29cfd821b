"""aiortc against transom-interop: `aiortc_peer.py PROGRAM`. Prints what was checked."""

import asyncio
import sys

from aiortc import RTCPeerConnection, RTCSessionDescription


class Program:
    """transom-interop as a child: descriptions over its pipes, and how it ended."""

    @classmethod
    async def start(cls, word):
        self = cls()
        pipe = asyncio.subprocess.PIPE
        self.child = await asyncio.create_subprocess_exec(
            sys.argv[1], word, stdin=pipe, stdout=pipe
        )
        return self

    async def description(self):
        lines = []
        while (line := (await self.child.stdout.readline()).decode().rstrip()) != ".":
            lines.append(line)
        return "\r\n".join(lines) + "\r\n"

    def give(self, text):
        self.child.stdin.write(f"{text.strip()}\n.\n".encode())

    async def finish(self):
        text, _ = await self.child.communicate()
        assert self.child.returncode == 0, text.decode()
        assert text.decode().rstrip().endswith("ok"), text.decode()


async def offers():
    pc = RTCPeerConnection()
    reliable = pc.createDataChannel("reliable")
    control = pc.createDataChannel("control", ordered=False, maxRetransmits=0)
    inbox = {reliable: asyncio.Queue(), control: asyncio.Queue()}
    ready = {}
    for channel, queue in inbox.items():
        channel.on("message", queue.put_nowait)
        ready[channel] = asyncio.Event()
        channel.on("open", ready[channel].set)
    await pc.setLocalDescription(await pc.createOffer())
    program = await Program.start("answer")
    program.give(pc.localDescription.sdp)
    answer = RTCSessionDescription(await program.description(), "answer")
    await pc.setRemoteDescription(answer)
    for channel, queue in inbox.items():
        await ready[channel].wait()
        for message in ["grüß dich", b"\x00\xff", bytes(60_000), "", "last"]:
            channel.send(message)
            assert await queue.get() == message
    closed = asyncio.Event()
    reliable.on("close", closed.set)
    reliable.send("close")
    await closed.wait()
    await pc.close()
    await program.finish()


async def answers():
    pc = RTCPeerConnection()

    @pc.on("datachannel")
    def on_channel(channel):
        channel.on("message", channel.send)

    program = await Program.start("offer")
    offer = RTCSessionDescription(await program.description(), "offer")
    await pc.setRemoteDescription(offer)
    await pc.setLocalDescription(await pc.createAnswer())
    program.give(pc.localDescription.sdp)
    await program.finish()
    await pc.close()


for check in (offers, answers):
    asyncio.run(asyncio.wait_for(check(), 60))
    print(f"aiortc {check.__name__}: ok", flush=True)
