//! Drives a peer on tokio: sockets and the WHIP and WHEP client.
