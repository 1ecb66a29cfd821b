//! webrtc-dtls as a coprocessor behind the DTLS port, and the guard before it.
