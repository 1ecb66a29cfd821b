//! Linux devices: V4L2 cameras and ALSA sound.
