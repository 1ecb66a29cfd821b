//! UDP in batches: recvmmsg, GRO, GSO, sendmmsg and packet info.
