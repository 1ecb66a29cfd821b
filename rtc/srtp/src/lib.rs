//! webrtc-srtp and the in-place AEAD behind the SRTP port, and the guard before them.
