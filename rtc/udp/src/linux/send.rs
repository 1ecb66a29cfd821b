use std::io;
use std::mem::{MaybeUninit, zeroed};
use std::os::fd::AsRawFd;

use libc::{iovec, mmsghdr};

use super::UdpSocket;
use super::control::{Control, Writer};
use super::name::Name;
use crate::send::{self, Message};
use crate::{MAX_MESSAGES, Transmit};

impl UdpSocket {
    /// Sends what `transmits` say of `contents`, by as few system calls as may
    /// be, and returns how many transmits were dealt with. Where that is fewer
    /// than all, the socket is full: wait until it is writable and come again
    /// with the rest, whose first range starts at what is still to be sent.
    ///
    /// A datagram that the kernel refuses is dropped and counted; it does not
    /// keep the others back.
    ///
    /// # Errors
    /// `WouldBlock` where the socket was full from the start; others where it is unusable.
    pub fn send_batch(&self, transmits: &mut [Transmit], contents: &[u8]) -> io::Result<usize> {
        let sendmmsg = |transmits: &[Transmit], messages: &[Message]| {
            self.sendmmsg(transmits, messages, contents)
        };
        send::send_batch(transmits, contents, &self.gso, &self.tally, sendmmsg)
    }

    fn sendmmsg(
        &self,
        transmits: &[Transmit],
        messages: &[Message],
        contents: &[u8],
    ) -> io::Result<usize> {
        let mut names = [const { MaybeUninit::uninit() }; MAX_MESSAGES];
        let mut controls = [const { MaybeUninit::uninit() }; MAX_MESSAGES];
        let mut buffers = [const { MaybeUninit::uninit() }; MAX_MESSAGES];
        let mut headers = [const { MaybeUninit::<mmsghdr>::uninit() }; MAX_MESSAGES];

        let mut count = 0;
        let rooms = names.iter_mut().zip(&mut controls).zip(&mut buffers);
        for ((message, header), ((name, control), iov)) in
            messages.iter().zip(&mut headers).zip(rooms)
        {
            let Some(transmit) = transmits.get(message.transmit) else {
                break; // excluded: the plan was made from these transmits
            };
            let Some(payload) = contents.get(message.range.clone()) else {
                break; // excluded: it was made for these contents
            };
            // SAFETY: all zero is a valid mmsghdr: null pointers with zero lengths.
            let header = &mut header.write(unsafe { zeroed() }).msg_hdr;
            // A name of length 0 on an unconnected socket is refused by the
            // kernel, and so dropped and counted: the other family is out of reach.
            if let Some((encoded, len)) = Name::encode(transmit.remote, self.family) {
                header.msg_name = (&raw mut *name.write(encoded)).cast();
                header.msg_namelen = len;
            }
            header.msg_iov = iov.write(iovec {
                iov_base: payload.as_ptr().cast_mut().cast(),
                iov_len: payload.len(),
            });
            header.msg_iovlen = 1;
            let mut writer = Writer::new(header, control.write(Control::EMPTY));
            writer.source(transmit.local, self.family);
            if let Some(size) = message.segment_size {
                writer.segment_size(size);
            }
            writer.finish();
            count += 1;
        }

        // SAFETY: the first `count` headers are written and point to names, control messages
        // and buffers that outlive the call, with their lengths; the kernel
        // only reads what `iov_base` points to.
        let sent = unsafe {
            libc::sendmmsg(
                self.fd.as_raw_fd(),
                headers.as_mut_ptr().cast(),
                count as _, // at most 64
                libc::MSG_NOSIGNAL as _,
            )
        };
        usize::try_from(sent).map_err(|_| io::Error::last_os_error())
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use crate::linux::option;
    use crate::{RecvBatch, SocketConfig, Transmit, UdpSocket};

    /// A socket that sends without checksums is one that the kernel will not segment for.
    #[test]
    fn the_kernels_own_refusal_to_segment_is_survived() {
        let any: SocketAddr = "127.0.0.1:0".parse().unwrap();
        let a = UdpSocket::bind(any, &SocketConfig::default()).unwrap();
        let b = UdpSocket::bind(any, &SocketConfig::default()).unwrap();
        assert!(a.gso_in_use());
        option::set(&a.fd, libc::SOL_SOCKET, libc::SO_NO_CHECK, 1).unwrap();
        let burst = Transmit {
            local: a.local_addr(),
            remote: b.local_addr(),
            range: 0..8000,
            segment_size: Some(1000),
        };
        let mut transmits = [burst.clone(), burst];
        assert_eq!(a.send_batch(&mut transmits, &[1; 8000]).unwrap(), 2);
        assert!(!a.gso_in_use());

        let mut batch = RecvBatch::new(64, 2000);
        let mut received = 0;
        while let Ok(datagrams) = b.recv(&mut batch) {
            received += datagrams;
        }
        assert_eq!(received, 16);
        assert_eq!(a.counters().refused, 0);
    }
}
